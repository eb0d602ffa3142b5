"""`ant wif … create`: one resource, from options, a file or both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ant_cli._click.groups import AntCommand
from ant_cli._click.options import not_empty
from ant_cli._request_input import read_input
from ant_cli._session import Session, pass_session
from ant_cli._values import read_document

if TYPE_CHECKING:
    from ant_wif.admin.client import Admin, ResourceCollection

ROLES = ("workspace_admin", "workspace_developer", "workspace_restricted_developer", "workspace_user")
JWKS_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
INPUT = click.option(
    "--input",
    "input_",
    metavar="FILE",
    callback=not_empty,
    help="Body in JSON or YAML; - for stdin. Options override it.",
)
NAME = click.option("--name", callback=not_empty, help="Unique name: lower-case letters, digits and hyphens.")
DESCRIPTION = click.option("--description", metavar="TEXT", help="Description.")
SERVICE_ACCOUNT = click.option(
    "--service-account", callback=not_empty, metavar="ID", help="Service account to act as: ID or name."
)
SUBJECT = click.option(
    "--subject", "subject_prefix", callback=not_empty, help="Required `sub` claim; a * at the end makes it a prefix."
)
CONDITION = click.option(
    "--condition", callback=not_empty, metavar="CEL", help="CEL expression over `claims` that must be true."
)


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds options in this order."""

    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    from ant_cli.commands.auth.login import seconds

    try:
        found = None if value is None else seconds(value)
    except click.BadParameter as error:
        raise click.BadParameter(error.message, ctx=context, param=parameter) from None
    if found is not None and found % 1:
        raise click.BadParameter(f"{value!r} is not a whole number of seconds", ctx=context, param=parameter)
    return None if found is None else int(found)


LIFETIME = click.option(
    "--lifetime",
    "token_lifetime_seconds",
    callback=_seconds,
    metavar="TIME",
    help="Lifetime of its access tokens, e.g. 600s, 10m or 1h.",
)
ISSUER_OPTIONS = together(
    NAME,
    click.option("--url", "issuer_url", callback=not_empty, help="Issuer URL: the exact `iss` claim of its tokens."),
    click.option("--jwks-url", callback=not_empty, metavar="URL", help="JWKS URL, if the discovery document has none."),
    click.option("--jwks", type=JWKS_FILE, metavar="FILE", help="JWKS file, for keys that are not on the internet."),
    click.option(
        "--max-jwt-lifetime",
        "max_jwt_lifetime_seconds",
        callback=_seconds,
        metavar="TIME",
        help="Maximum lifetime of an identity token: 1h, at most 49h.",
    ),
)
"""The options of an issuer. Where a parameter is sent as it stands, it has the name of the field."""


@click.command(
    "create",
    cls=AntCommand,
    examples=(
        "ant wif issuers create --name gitlab-acme --url https://gitlab.acme.example --profile admin",
        "ant wif issuers create --input issuer.json --profile admin",
    ),
)
@ISSUER_OPTIONS
@click.option("--no-check-jti", is_flag=True, help="Accept an identity token more than once.")
@INPUT
@pass_session
def create_issuer(
    session: Session,
    /,
    *,
    jwks_url: str | None,
    jwks: Path | None,
    no_check_jti: bool,
    input_: str | None,
    **stated: object,
) -> None:
    """Create a federation issuer.

    Its keys come from its discovery document unless --jwks-url or --jwks is given. Prints the issuer.
    """
    from ant_cli._output import print_item

    given = {**stated, "jwks": key_source(jwks_url, jwks), "check_jti": False if no_check_jti else None}
    body = request_body(session, input_, given, {"name": "--name", "issuer_url": "--url"})
    with admin_of(session) as admin:
        print_item(session, admin.issuers.create(body))


@click.command("create", cls=AntCommand, examples=("ant wif service-accounts create --name nightly --profile admin",))
@NAME
@DESCRIPTION
@click.option(
    "--role",
    "organization_role",
    type=click.Choice(["developer", "admin"]),
    help="Role in the organization. Default: developer.",
)
@click.option(
    "--workspace",
    "workspaces",
    multiple=True,
    metavar="ID",
    help="Workspace ID or name to make it a member of. Repeatable.",
)
@click.option(
    "--workspace-role",
    type=click.Choice(ROLES),
    default="workspace_developer",
    show_default=True,
    metavar="ROLE",
    help=f"Role in these workspaces: {', '.join(ROLES)}.",
)
@INPUT
@pass_session
def create_service_account(
    session: Session, /, *, workspaces: tuple[str, ...], workspace_role: str, input_: str | None, **stated: object
) -> None:
    """Create a service account.

    It is a member of the default workspace. Prints the service account.
    """
    from ant_cli._output import print_item
    from ant_wif.admin.client import required_text

    body = request_body(session, input_, stated, {"name": "--name"})
    with admin_of(session) as admin:
        ids = [admin.workspace_id(each) for each in workspaces]
        created = admin.service_accounts.create(body)
        _add(admin.service_accounts, required_text(created), ids, workspace_role=workspace_role)
        print_item(session, created)


@click.command("create", cls=AntCommand, examples=("ant wif rules create --input rule.json --profile admin",))
@NAME
@DESCRIPTION
@click.option("--issuer", callback=not_empty, metavar="ID", help="Issuer ID or name.")
@SERVICE_ACCOUNT
@SUBJECT
@click.option("--audience", callback=not_empty, help="Required `aud` claim. Default: https://api.anthropic.com.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="Required claim. Repeatable.")
@CONDITION
@click.option(
    "--workspace", "workspaces", multiple=True, metavar="ID", help="Workspace ID or name to enable it in. Repeatable."
)
@click.option("--all-workspaces", is_flag=True, help="Enable it in every workspace.")
@click.option(
    "--scope",
    "oauth_scope",
    callback=not_empty,
    metavar="SCOPE",
    help="Scope of its access tokens. Default: workspace:developer.",
)
@LIFETIME
@INPUT
@pass_session
def create_rule(
    session: Session,
    /,
    *,
    issuer: str | None,
    service_account: str | None,
    subject_prefix: str | None,
    audience: str | None,
    claims: tuple[str, ...],
    condition: str | None,
    workspaces: tuple[str, ...],
    all_workspaces: bool,
    input_: str | None,
    **stated: object,
) -> None:
    """Create a federation rule.

    `ant wif setup` creates the narrowest rule for a platform. Prints the rule.
    """
    from ant_cli._output import print_item
    from ant_wif.admin.client import required_text

    if workspaces and all_workspaces:
        raise click.UsageError("--all-workspaces leaves none for --workspace to name")
    match = {
        "subject_prefix": subject_prefix,
        "audience": audience,
        "claims": named_claims(claims),
        "condition": condition,
    }
    body = request_body(
        session,
        input_,
        {
            **stated,
            "issuer_id": issuer,
            "target": {"type": "service_account", "service_account_id": service_account} if service_account else None,
            "match": {name: value for name, value in match.items() if value} or None,
            "workspace_id": workspaces[0] if workspaces else None,
            "applies_to_all_workspaces": all_workspaces or None,
        },
        {"name": "--name", "issuer_id": "--issuer", "target": "--service-account",
         "match": "--subject, --claim or --condition"},
        inside="match",
    )  # fmt: skip
    body.setdefault("oauth_scope", "workspace:developer")
    with admin_of(session) as admin:
        if issuer is not None:
            body["issuer_id"] = admin.issuers.id_of(issuer)
        if service_account is not None:
            account_id = admin.service_accounts.id_of(service_account)
            body["target"] = {"type": "service_account", "service_account_id": account_id}
        ids = [admin.workspace_id(each) for each in workspaces]
        created = admin.rules.create({**body, **({"workspace_id": ids[0]} if ids else {})})
        identifier = required_text(created)
        _add(admin.rules, identifier, ids[1:])
        print_item(session, admin.rules.get(identifier) if ids[1:] else created)


def admin_of(session: Session) -> Admin:
    """Return it, not opened yet. A named profile has precedence over an API key here.

    Raises AntWifError: there is no credential, or it is an API key. Raises click.BadParameter: `--transform` is
    not valid. This is checked before anything is changed.
    """
    from ant_cli._output import check_transformation
    from ant_wif.admin.client import LOGIN_HINT, Admin
    from ant_wif.errors import NoCredentialsError

    check_transformation(session)
    try:
        return Admin(session.credentials(lambda candidate: session.names_profile and candidate.tier != 3))
    except NoCredentialsError as error:
        error.hint = LOGIN_HINT
        raise


def key_source(url: str | None, file: Path | None) -> dict[str, object] | None:
    """Return `jwks` of an issuer. Raises click.UsageError for both, and as `read_key_file` does."""
    if url is not None and file is not None:
        raise click.UsageError("its keys are at --jwks-url or in --jwks, not both")
    if file is not None:
        return {"type": "inline", "keys": read_key_file(file)["keys"]}
    return None if url is None else {"type": "explicit_url", "url": url}


def read_key_file(path: Path) -> Mapping[str, object]:
    """Read a key set. Raises click.UsageError if it is not one, or contains private keys."""
    from ant_wif._files import read_document as read_json_file
    from ant_wif.errors import ConfigurationError

    try:
        keys = read_json_file(path, what="key set", hint="").get("keys")
    except ConfigurationError as error:
        raise click.BadParameter(str(error), param_hint="--jwks") from None
    if not isinstance(keys, list) or not all(isinstance(each, dict) for each in keys):
        raise click.UsageError(f"{path} is not a key set: expected a JSON object with a list `keys`")
    if any({"d", "k"} & set(each) for each in keys):
        raise click.UsageError(f"{path} holds a private or secret key: only public ones are to be registered")
    return {"keys": keys}


def _add(registry: ResourceCollection, identifier: str, workspaces: Sequence[str], **more: str) -> None:
    """Add what was just made to workspaces. Raises ApiError, with the hint that it was made."""
    from ant_wif.errors import ApiError

    for each in workspaces:
        try:
            registry.add_workspace(identifier, {"workspace_id": each, **more})
        except ApiError as error:
            made = f"the {registry.what} {identifier} was made and stays, but not for the workspace {each}"
            error.hint = f"{made}; {error.hint}" if error.hint else made
            raise


def request_body(
    session: Session, source: str | None, given: Mapping[str, object], required: Mapping[str, str], *, inside: str = ""
) -> dict[str, object]:
    """Merge what options say over what a file says, within the field `inside` as well.

    Raises click.UsageError where a `required` field is missing; its value is the option that would fill it.
    """
    name = "stdin" if source == "-" else f"the file {source}"
    body = {} if source is None else read_document(read_input(session, source), name)
    for name, value in given.items():
        there = body.get(name)
        if name == inside and isinstance(there, dict) and isinstance(value, dict):
            body[name] = {**there, **value}
        elif value is not None:
            body[name] = value
    missing = [option for name, option in required.items() if body.get(name) is None]
    if missing:
        raise click.UsageError(f"missing: {'; '.join(missing)}")
    return body


def named_claims(words: tuple[str, ...]) -> dict[str, str]:
    """Read the values of --claim. Raises click.BadParameter."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals or name in found:
            raise click.BadParameter(f"{word!r} is not NAME=VALUE, each name once", param_hint="--claim")
        found[name] = value
    return found
