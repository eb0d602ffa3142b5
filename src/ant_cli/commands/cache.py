"""`ant cache`: the tokens that processes of this machine share."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from ant_cli._click.groups import AntGroup
from ant_cli._output import print_table, say
from ant_cli._session import Session, pass_session
from ant_cli._terminal import is_terminal
from ant_wif._environment import iso

if TYPE_CHECKING:
    from ant_wif._profiles import StoredToken


@click.group(
    cls=AntGroup,
    on_failure=1,
    examples=(
        "ant cache list",
        "ant cache clear",
    ),
)
def cache() -> None:
    """Manage cached access tokens."""


@cache.command(
    "list",
    examples=(
        "ant cache list",
        "ant cache list --format json",
    ),
)
@pass_session
def list_(session: Session) -> None:
    """List cached access tokens.

    Shows what each token was issued for and when it expires, never the token itself.
    """
    from ant_wif._profiles import list_stored_tokens

    found = list_stored_tokens(session.resolution())
    if session.for_programs:
        from ant_cli._output import print_items

        print_items(session, [token.as_json() for token in found])
        return
    if is_terminal(sys.stdout):
        titles = ("RULE", "ISSUED FOR", "WORKSPACE", "EXPIRES")
        print_table(session, titles, [_row(token) for token in found])
        return
    for token in found:
        say(f"{token.federation_rule_id} at {token.base_url}  {_until(token.expires_at)}")
        by = _holder(token)
        source = f" ({token.identity_source})" if token.identity_source else ""
        for name, value in (
            ("issued for", f"{by}{source}"),
            ("organization", token.organization_id),
            ("service account", token.service_account_id),
            ("workspace", token.workspace_id),
            ("file", token.path),
        ):
            if value:
                say(f"  {name + ':':17}{value}")
    if not found:
        say("no cached tokens", err=True)


@cache.command(examples=("ant cache clear",))
@pass_session
def clear(session: Session) -> None:
    """Delete cached access tokens.

    With --profile, those of that profile only. Logins are kept.
    """
    from ant_wif._profiles import clear as forget

    gone = forget(session.resolution(), session.options.get("profile"))
    for path in gone:
        say(f"removed {path}", err=True)
    if not gone:
        say("nothing was kept", err=True)


def _holder(token: StoredToken) -> str:
    return f"profile {token.profile}" if token.profile else token.unverified_subject or "identity token"


def _row(token: StoredToken) -> list[str]:
    return [token.federation_rule_id, _holder(token), token.workspace_id or "-", _until(token.expires_at)]


def _until(expires_at: int | None) -> str:
    if expires_at is None:
        return "no expiry known"
    return f"{'expired' if expires_at <= time.time() else 'expires'} at {iso(expires_at)}"
