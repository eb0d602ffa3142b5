"""`ant wif … update`: fields of one resource, from options, a file or both. What is the same already is not sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ant_cli._click.groups import AntCommand
from ant_cli._click.options import not_empty
from ant_cli._output import say
from ant_cli._session import Session, pass_session
from ant_cli.commands.wif.create import (
    CONDITION,
    DESCRIPTION,
    INPUT,
    ISSUER_OPTIONS,
    LIFETIME,
    NAME,
    SERVICE_ACCOUNT,
    SUBJECT,
    admin_of,
    key_source,
    named_claims,
    request_body,
)

if TYPE_CHECKING:
    from ant_wif.admin.client import Admin, Document, ResourceCollection

_WANTED = click.argument("wanted", metavar="ID")


@click.command(
    "update",
    cls=AntCommand,
    examples=(
        "ant wif issuers update github --max-jwt-lifetime 2h --profile admin",
        "ant wif issuers update github --no-check-jti --profile admin",
    ),
)
@_WANTED
@ISSUER_OPTIONS
@click.option("--check-jti/--no-check-jti", default=None, help="Whether an identity token is accepted once only.")
@INPUT
@pass_session
def update_issuer(
    session: Session, /, *, wanted: str, jwks_url: str | None, jwks: Path | None, input_: str | None, **stated: object
) -> None:
    """Change a federation issuer.

    ID is its ID or its name. Fields that are not given stay as they are. Prints the issuer.
    """
    given = {**stated, "jwks": key_source(jwks_url, jwks)}
    _update(session, wanted, lambda admin: admin.issuers, request_body(session, input_, given, {}))


@click.command(
    "update",
    cls=AntCommand,
    examples=("ant wif service-accounts update ci --description 'Nightly builds' --profile admin",),
)
@_WANTED
@DESCRIPTION
@click.option(
    "--role", "organization_role", type=click.Choice(["developer", "admin"]), help="Role in the organization."
)
@INPUT
@pass_session
def update_service_account(session: Session, /, *, wanted: str, input_: str | None, **stated: object) -> None:
    """Change a service account.

    ID is its ID or its name. Its name cannot be changed. Prints the service account.
    """
    _update(session, wanted, lambda admin: admin.service_accounts, request_body(session, input_, stated, {}))


@click.command(
    "update",
    cls=AntCommand,
    examples=(
        "ant wif rules update github --lifetime 10m --profile admin",
        "ant wif rules update github --claim ref=refs/heads/main --profile admin",
        "ant wif rules update github --remove audience --profile admin",
    ),
)
@_WANTED
@NAME
@DESCRIPTION
@SERVICE_ACCOUNT
@SUBJECT
@click.option("--audience", callback=not_empty, help="Required `aud` claim.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="Required claim to add. Repeatable.")
@CONDITION
@click.option(
    "--remove",
    "removed",
    multiple=True,
    metavar="FIELD",
    help="Remove subject, audience, condition, or claims.NAME. Repeatable.",
)
@click.option("--workspace", callback=not_empty, metavar="ID", help="Workspace ID or name, in place of the only one.")
@click.option("--scope", "oauth_scope", callback=not_empty, metavar="SCOPE", help="Scope of its access tokens.")
@LIFETIME
@INPUT
@pass_session
def update_rule(
    session: Session,
    /,
    *,
    wanted: str,
    service_account: str | None,
    subject_prefix: str | None,
    audience: str | None,
    claims: tuple[str, ...],
    condition: str | None,
    removed: tuple[str, ...],
    workspace: str | None,
    input_: str | None,
    **stated: object,
) -> None:
    """Change a federation rule.

    ID is its ID or its name. Options change single fields of `match`; a `match` in --input replaces all of it.
    Prints the rule.
    """
    match = {"subject_prefix": subject_prefix, "audience": audience, "condition": condition}
    more = {field: value for field, value in match.items() if value is not None}
    added, without = named_claims(claims), _removed_fields(removed)
    body = request_body(session, input_, stated, {})

    def complete(admin: Admin, found: Document) -> None:
        if service_account is not None:
            account = admin.service_accounts.id_of(service_account)
            body["target"] = {"type": "service_account", "service_account_id": account}
        if workspace is not None:
            workspace_id = admin.workspace_id(workspace)
            if found.get("workspace_ids") != [workspace_id]:
                body["workspace_id"] = workspace_id
        if more or added or without:
            body["match"] = _changed_match(body.get("match", found.get("match")), more, added, without)

    changed = more or added or without or service_account or workspace
    _update(session, wanted, lambda admin: admin.rules, body, complete, changes_more=bool(changed))


def _update(
    session: Session,
    wanted: str,
    registry: Callable[[Admin], ResourceCollection],
    body: dict[str, object],
    complete: Callable[[Admin, Document], None] = lambda _, __: None,
    *,
    changes_more: bool = False,
) -> None:
    from ant_cli._output import print_item

    if not body and not changes_more:
        raise click.UsageError("nothing to change: pass an option or --input")
    with admin_of(session) as admin:
        resources = registry(admin)
        found = resources.find(wanted)
        complete(admin, found)
        changes = {name: value for name, value in body.items() if not _has(found.get(name), value)}
        if changes:
            found = resources.update(resources.checked_id(found), changes)
        else:
            say("nothing to change: the values are the same already", err=True)
        print_item(session, found)


def _has(found: object, wanted: object) -> bool:
    """Whether a field has this value. The server adds to an object what it knows besides, such as names."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping) and found.get("type") == "service_account":
        return found.get("service_account_id") == wanted.get("service_account_id")
    return found == wanted


def _removed_fields(words: tuple[str, ...]) -> frozenset[str]:
    known = {"subject": "subject_prefix", "audience": "audience", "condition": "condition"}
    for word in words:
        if word not in known and not word.removeprefix("claims."):
            raise click.BadParameter("the name of a claim is missing", param_hint="--remove")
        if word not in known and not word.startswith("claims."):
            raise click.BadParameter(
                f"{word!r} is not a field that can be removed: subject, audience, condition or claims.NAME",
                param_hint="--remove",
            )
    return frozenset(known.get(word, word) for word in words)


def _changed_match(
    match: object, more: Mapping[str, object], added: Mapping[str, str], removed: frozenset[str]
) -> dict[str, object]:
    """Return `match` as a whole, which is how the server takes it."""
    before = dict(match) if isinstance(match, Mapping) else {}
    stated = before.get("claims")
    claims = {**(stated if isinstance(stated, Mapping) else {}), **added}
    kept = {name: value for name, value in claims.items() if f"claims.{name}" not in removed}
    after = {**before, **more, "claims": kept or None}
    return {name: value for name, value in after.items() if value is not None and name not in removed}
