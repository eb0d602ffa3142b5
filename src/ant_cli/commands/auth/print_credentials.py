"""`ant auth print-credentials`: the credential itself, for other programs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ant_cli import _github as github
from ant_cli._click.groups import AntCommand
from ant_cli._output import say, written
from ant_cli._session import Session, pass_session

if TYPE_CHECKING:
    from ant_wif._resolution import TierCandidate
    from ant_wif._tokens import AccessToken
    from ant_wif.credentials import Credentials

__all__ = ["print_credentials"]


@click.command(
    "print-credentials",
    cls=AntCommand,
    examples=(
        "ant auth print-credentials",
        "ant auth print-credentials --access-token",
        'eval "$(ant auth print-credentials --env)"',
    ),
)
@click.option("--access-token", "form", flag_value="access_token", help="Print only the access token.")
@click.option("--env", "form", flag_value="env", help="Print shell assignments.")
@pass_session
def print_credentials(session: Session, form: str | None) -> None:
    """Print the active credential.

    It is refreshed first if it is about to expire.
    """
    credentials = session.credentials(_passing_over(session, bearer_only=form == "access_token"))
    token = credentials.access_token()
    github.mask(session.environ, token.secret)
    if form == "access_token":
        click.echo(token.secret.get_secret_value())
    elif form == "env":
        from ant_wif._export import variables_of

        for name, value in variables_of(credentials, token).items():
            click.echo(f"{name}={shlex.quote(value)}")
    else:
        click.echo(written(_as_stored(credentials, token), "json"))


def _passing_over(session: Session, *, bearer_only: bool) -> Callable[[TierCandidate], bool]:
    """A profile that was named outright is printed also when an API key is set; a key is no bearer token."""

    def passed_over(candidate: TierCandidate) -> bool:
        if session.names_profile:
            return candidate.tier != 3
        if bearer_only and candidate.source == "api_key" and candidate.matches:
            say(f"note: {candidate.origin} is passed over, because an API key is no bearer token", err=True)
            return True
        return bearer_only and candidate.source == "api_key"

    return passed_over


def _as_stored(credentials: Credentials, token: AccessToken) -> dict[str, object]:
    """Give the credential the shape of a credentials file; a field that is not known is left out."""
    document = {
        "version": "1.0",
        "type": "oauth_token",
        "access_token": token.secret.get_secret_value(),
        "expires_at": token.expires_at,
        "organization_uuid": credentials.organization_id,
        "workspace_id": credentials.workspace_id,
    }
    return {name: value for name, value in document.items() if value is not None}
