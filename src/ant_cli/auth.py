"""`ant auth`: see, print and forget credentials."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ant_cli.options import Group, Session, pass_session

if TYPE_CHECKING:
    from ant_wif.credentials import Credentials
    from ant_wif.resolution import Candidate
    from ant_wif.tokens import AccessToken

__all__ = ["auth"]


@click.group(cls=Group)
def auth() -> None:
    """See, print and forget credentials."""


@auth.command()
@pass_session
def status(session: Session) -> None:
    """Say which credential wins, why, and for which workspace. Touches no network; always exits 0."""
    from ant_cli.status_text import lines
    from ant_wif.reporting import describe

    resolution = session.resolution()
    found = describe(resolution)
    if session.format in {"json", "jsonl", "yaml", "raw"}:
        from ant_cli.output import print_item

        print_item(session, found.as_json())
        return
    colour = sys.stdout.isatty() and "NO_COLOR" not in resolution.environ
    for line in lines(found, home=str(resolution.environ.home), now=time.time(), colour=colour):
        click.echo(line, color=colour)


@auth.command()
@click.option(
    "--no-browser", is_flag=True, help="Open no browser; with --callback-port, for ssh -L PORT:localhost:PORT."
)
@click.option("--callback-port", type=click.IntRange(1, 65535), help="Listen on this port of 127.0.0.1.")
@click.option("--timeout", default="5m", show_default=True, metavar="TIME", help="How long to wait: 90s, 5m, 1h.")
@click.option("--client-id", metavar="ID", help="The OAuth client to log in with.")
@click.option("--scope", metavar="SCOPES", help="The scopes to ask for, in one word: 'org:admin', for example.")
@click.option("--console-url", metavar="URL", help="The Console's host.")
@pass_session
def login(
    session: Session,
    *,
    no_browser: bool,
    callback_port: int | None,
    timeout: str,
    client_id: str | None,
    scope: str | None,
    console_url: str | None,
) -> None:
    """Log in with a browser, and keep the login in a profile that every official tool uses."""
    session.failure = 1
    from ant_cli.login import log_in, seconds
    from ant_wif.login import plan
    from ant_wif.settings import Settings

    patience = seconds(timeout)
    own = {"oauth_client_id": client_id, "scope": scope, "console_url": console_url}
    session.options.update({name: value for name, value in own.items() if value is not None})
    resolution = session.resolution(*own)
    directory = resolution.directory
    active = directory.active(session.options.get("profile"))
    profile = directory.read(active.name) if directory.config_path(active.name).exists() else None
    settings = Settings.load(resolution.arguments, resolution.environ, profile)
    log_in(session, plan(directory, active, settings), browser=not no_browser, port=callback_port, timeout=patience)


@auth.command("print-credentials")
@click.option("--access-token", "form", flag_value="access_token", help="Only the bearer token.")
@click.option("--env", "form", flag_value="env", help="Shell assignments.")
@pass_session
def print_credentials(session: Session, form: str | None) -> None:
    """Print the credential that a request would use, refreshed first if it is about to expire."""
    credentials = session.credentials(_passing_over(session, bearer_only=form == "access_token"))
    token = credentials.access_token()
    _mask_in_github(session, token)
    if form == "access_token":
        click.echo(token.secret.get_secret_value())
    elif form == "env":
        for line in _assignments(credentials, token):
            click.echo(line)
    else:
        click.echo(json.dumps(_as_stored(credentials, token), indent=2))


def _passing_over(session: Session, *, bearer_only: bool) -> Callable[[Candidate], bool]:
    """A profile that was named outright is printed also when an API key is set; a key is no bearer token."""
    named = bool(session.options.get("profile") or session.environ.get("ANTHROPIC_PROFILE"))

    def passed_over(candidate: Candidate) -> bool:
        if named:
            return candidate.tier != 3
        if bearer_only and candidate.source == "api_key" and candidate.matches:
            click.echo(f"note: {candidate.origin} is passed over, because an API key is no bearer token", err=True)
            return True
        return bearer_only and candidate.source == "api_key"

    return passed_over


def _mask_in_github(session: Session, token: AccessToken) -> None:
    """Have the runner mask the token in the log, before anything can print it."""
    if session.environ.get("GITHUB_ACTIONS") == "true":
        click.echo(f"::add-mask::{token.secret.get_secret_value()}", err=True)


def _assignments(credentials: Credentials, token: AccessToken) -> list[str]:
    from ant_wif.settings import DEFAULT_BASE_URL

    name = "ANTHROPIC_API_KEY" if credentials.source == "api_key" else "ANTHROPIC_AUTH_TOKEN"
    lines = [f"{name}={shlex.quote(token.secret.get_secret_value())}"]
    if credentials.base_url != DEFAULT_BASE_URL:
        lines.append(f"ANTHROPIC_BASE_URL={shlex.quote(credentials.base_url)}")
    return lines


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


@auth.command()
@click.option("--all", "everything", is_flag=True, help="Remove every profile too, and what says which is active.")
@pass_session
def logout(session: Session, *, everything: bool) -> None:
    """Remove the stored credentials of the active (or named) profile; its configuration stays."""
    session.failure = 1
    from ant_wif.inventory import log_out, log_out_everywhere

    resolution = session.resolution()
    directory = resolution.directory
    if everything:
        gone = log_out_everywhere(resolution)
        said = f"{len(gone)} files removed"
    else:
        active = directory.active(session.options.get("profile"))
        gone = log_out(resolution, active.name)
        said = f"the profile {active.name!r} " + (
            "itself stays" if gone else "has no stored credentials, nothing to remove"
        )
    for path in gone:
        click.echo(f"removed {path}", err=True)
    click.echo(said, err=True)
