"""`ant auth`: see, print and forget credentials."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ant_cli import _github as github
from ant_cli._click.options import AntGroup, Session, not_empty, pass_session
from ant_cli.commands.auth.explain import explain, explain_afterwards

if TYPE_CHECKING:
    from ant_wif._resolution import TierCandidate
    from ant_wif._tokens import AccessToken
    from ant_wif.credentials import Credentials

__all__ = ["auth"]


@click.group(cls=AntGroup)
def auth() -> None:
    """See, print and forget credentials."""


@auth.command()
@click.option("--github-summary", is_flag=True, help="Append it to the summary of the GitHub Actions job too.")
@pass_session
def status(session: Session, *, github_summary: bool) -> None:
    """Say which credential wins, why, and for which workspace. Touches no network; exits 0 whatever it finds."""
    from ant_cli._output import is_terminal, print_item
    from ant_cli.commands.auth.status_text import lines
    from ant_wif.diagnostics.describe import describe

    resolution = session.resolution()
    found = describe(resolution)
    if github_summary:
        session.failure = 1
        text = "\n".join(lines(found, home=str(resolution.inputs.environ.home), now=time.time()))
        github.summarize(session.environ, "Claude API credential", text)
    if session.format in {"json", "jsonl", "yaml", "raw"}:
        print_item(session, found.as_json())
        return
    colour = is_terminal() and "NO_COLOR" not in resolution.inputs.environ
    for line in lines(found, home=str(resolution.inputs.environ.home), now=time.time(), colour=colour):
        click.echo(line, color=colour)


@auth.command()
@click.option(
    "--no-browser", is_flag=True, help="Open no browser; with --callback-port, for ssh -L PORT:localhost:PORT."
)
@click.option("--callback-port", type=click.IntRange(1, 65535), help="Listen on this port of 127.0.0.1.")
@click.option("--timeout", default="5m", show_default=True, metavar="TIME", help="How long to wait: 90s, 5m, 1h.")
@click.option("--client-id", callback=not_empty, metavar="ID", help="The OAuth client to log in with.")
@click.option(
    "--scope",
    callback=not_empty,
    metavar="SCOPES",
    help="The scopes to ask for, in one word: 'org:admin', for example.",
)
@click.option("--console-url", callback=not_empty, metavar="URL", help="The Console's host.")
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
    from ant_cli.commands.auth.login import log_in, seconds
    from ant_wif._profiles import plan_login

    session.reader_gone = 1
    patience = seconds(timeout)
    own = {"oauth_client_id": client_id, "scope": scope, "console_url": console_url}
    session.options.update({name: value for name, value in own.items() if value is not None})
    resolution = session.resolution(*own)
    active = resolution.inputs.directory.active(session.options.get("profile"))
    prepared = plan_login(resolution.inputs.directory, active, resolution.inputs.arguments, resolution.inputs.environ)
    log_in(session, prepared, browser=not no_browser, port=callback_port, timeout=patience)


auth.command()(explain)


@auth.command()
@pass_session
def verify(session: Session) -> None:
    """Obtain a token and call the API with it; print what the server says that it is bound to.

    Where the exchange is denied, what `ant auth explain` says follows the error.
    """
    from ant_cli._output import print_item
    from ant_cli.commands.auth.status_text import until
    from ant_wif.diagnostics.verify import verify as verify_

    with explain_afterwards(session):
        found = verify_(session.credentials())
    if session.format != "auto" or session.options.get("transform"):
        print_item(session, found.as_json())
        return
    by = f" ({found.identity_source})" if found.identity_source else ""
    click.echo(f"The credential works: {found.source}{by} from {found.origin}")
    click.echo(f"  API host:      {found.base_url}")
    click.echo(f"  organization:  {found.organization_id or 'not named by the server'}")
    click.echo(f"  workspace:     {found.workspace_id or 'not named by the server'}")
    click.echo(f"  good:          {until(found.expires_at)}")
    click.echo(f"  took:          {found.token_seconds * 1000:.0f} ms to the token, ", nl=False)
    click.echo(f"{found.request_seconds * 1000:.0f} ms to the API's answer")


@auth.command()
@click.option("--github", "to_github", is_flag=True, help="To the later steps of the GitHub Actions job.")
@pass_session
def export(session: Session, *, to_github: bool) -> None:
    """Write the credential to $GITHUB_ENV, masked first, for steps that read a variable only.

    It is not renewed. A step that outlives the token had better run its program with `ant exec`, in a job that
    exports nothing: what is exported wins over what could be kept fresh.
    """
    from ant_cli.commands.auth.status_text import until
    from ant_wif._export import variables_of

    if not to_github:
        raise click.UsageError("say where to: --github")
    session.reader_gone = 1
    credentials = session.credentials()
    token = credentials.access_token()
    github.mask(session.environ, token.secret)
    session.failure = 1
    variables = variables_of(credentials, token)
    github.export(session.environ, variables)
    click.echo(f"set for later steps: {' and '.join(variables)}, good {until(token.expires_at)}", err=True)


@auth.command("print-credentials")
@click.option("--access-token", "form", flag_value="access_token", help="Only the bearer token.")
@click.option("--env", "form", flag_value="env", help="Shell assignments.")
@pass_session
def print_credentials(session: Session, form: str | None) -> None:
    """Print the credential that a request would use, refreshed first if it is about to expire."""
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
        click.echo(json.dumps(_as_stored(credentials, token), indent=2))


def _passing_over(session: Session, *, bearer_only: bool) -> Callable[[TierCandidate], bool]:
    """A profile that was named outright is printed also when an API key is set; a key is no bearer token."""
    named = bool(session.options.get("profile") or session.environ.get("ANTHROPIC_PROFILE"))

    def passed_over(candidate: TierCandidate) -> bool:
        if named:
            return candidate.tier != 3
        if bearer_only and candidate.source == "api_key" and candidate.matches:
            click.echo(f"note: {candidate.origin} is passed over, because an API key is no bearer token", err=True)
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


@auth.command()
@click.option("--all", "everything", is_flag=True, help="Remove every profile too, and what says which is active.")
@pass_session
def logout(session: Session, *, everything: bool) -> None:
    """Remove the stored credentials of the active (or named) profile; its configuration stays."""
    session.failure = 1
    from ant_wif._files import is_there
    from ant_wif._profiles import log_out, log_out_everywhere

    resolution = session.resolution()
    directory = resolution.inputs.directory
    if everything:
        gone = log_out_everywhere(resolution)
        said = f"{len(gone)} files removed"
    else:
        active = directory.active(session.options.get("profile"))
        if active.explicit and not is_there(directory.secrets_path(active.name)):
            directory.read(active.name)
        gone = log_out(resolution, active.name)
        said = f"the profile {active.name!r} " + (
            "itself stays" if gone else "has no stored credentials, nothing to remove"
        )
    for path in gone:
        click.echo(f"removed {path}", err=True)
    click.echo(said, err=True)
