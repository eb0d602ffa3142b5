"""`ant auth print-credentials`: the credential itself, for other programs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ant_cli import _github as github
from ant_cli import _logging as logs
from ant_cli._click.groups import AntCommand
from ant_cli._output import form
from ant_cli._session import Session, pass_session
from ant_cli._terminal import waiting
from ant_cli.commands.auth.status import expiry
from ant_wif._secrets import harmless
from ant_wif.errors import ExchangeError, IdentityTokenError, LoginError

if TYPE_CHECKING:
    from ant_wif._resolution import Resolution, TierCandidate
    from ant_wif._tokens import AccessToken
    from ant_wif.credentials import Credentials


@click.command(
    "print-credentials",
    cls=AntCommand,
    examples=(
        "ant auth print-credentials",
        "ant auth print-credentials --access-token",
        'eval "$(ant auth print-credentials --env)"',
    ),
)
@click.option("--access-token", "token_only", is_flag=True, help="Print only the access token.")
@click.option("--env", "as_variables", is_flag=True, help="Print export commands for a shell.")
@pass_session
def print_credentials(session: Session, *, token_only: bool, as_variables: bool) -> None:
    """Print the active credential.

    It is refreshed first if it is about to expire. For a profile, the whole credentials file is printed, the refresh
    token of a login included, so that a copy works elsewhere.
    """
    if token_only and as_variables:
        raise click.UsageError("--access-token and --env exclude each other")
    as_asked = form(session)
    resolution, chosen = session.choose(_passing_over(session, bearer_only=token_only))
    credentials = resolution.credentials(chosen)
    with waiting("Getting an access token", session.environ):
        token = _token(resolution, chosen, credentials)
    github.mask(session.environ, token.secret)
    if token_only:
        click.echo(token.secret.get_secret_value())
    elif as_variables:
        from ant_wif._export import variables_of

        for name, value in variables_of(credentials, token).items():
            click.echo(f"export {name}={shlex.quote(value.get_secret_value())}")
    else:
        from ant_wif._profiles import stored_document
        from ant_wif._secrets import reveal, secrets_in

        document = stored_document(resolution, chosen, token) or _as_stored(credentials, token)
        for secret in secrets_in(document):
            if secret != token.secret:
                github.mask(session.environ, secret)
        click.echo(as_asked(reveal(document)))  # no variable holds the text: a traceback has the variables


def _token(resolution: Resolution, chosen: TierCandidate, credentials: Credentials) -> AccessToken:
    """Return a fresh token, or where none can be had the one that is stored, if it is valid for seconds yet."""
    try:
        return credentials.access_token()
    except (ExchangeError, IdentityTokenError, LoginError) as error:
        from ant_wif._profiles import stored_token

        stored = stored_token(resolution, chosen)
        if stored is None:
            raise
        logs.try_to_say(harmless(f"warning: {error.summary}; the printed token {expiry(stored.expires_at)}"))
        return stored


def _passing_over(session: Session, *, bearer_only: bool) -> Callable[[TierCandidate], bool]:
    """A named profile has precedence over an API key here. An API key is not a bearer token."""

    def passed_over(candidate: TierCandidate) -> bool:
        if session.names_profile:
            return candidate.tier != 3
        if bearer_only and candidate.source == "api_key" and candidate.matches:
            logs.try_to_say(f"note: {candidate.origin} is skipped, because an API key is not a bearer token")
            return True
        return bearer_only and candidate.source == "api_key"

    return passed_over


def _as_stored(credentials: Credentials, token: AccessToken) -> dict[str, object]:
    """Give a credential that no file holds the shape of one; a field that is not known is left out."""
    if credentials.source == "api_key":
        return {"type": "api_key", "api_key": token.secret}
    document = {
        "version": "1.0",
        "type": "oauth_token",
        "access_token": token.secret,
        "expires_at": token.expires_at,
        "organization_uuid": credentials.organization_id,
        "workspace_id": credentials.workspace_id,
    }
    return {name: value for name, value in document.items() if value is not None}
