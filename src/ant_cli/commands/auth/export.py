"""`ant auth export`: a credential for later steps of a job."""

from __future__ import annotations

import click

from ant_cli import _github as github
from ant_cli._click.groups import AntCommand
from ant_cli._output import say
from ant_cli._session import Session, pass_session
from ant_cli._terminal import waiting
from ant_cli.commands.auth.status import expiry


@click.command(cls=AntCommand, on_closed_pipe=1, examples=("ant auth export --github",))
@click.option("--github", "to_github", is_flag=True, help="Export to the later steps of the GitHub Actions job.")
@pass_session
def export(session: Session, *, to_github: bool) -> None:
    """Export the credential to later steps of a CI job.

    Masks the credential in the log and writes it to $GITHUB_ENV. It is not refreshed. For a step that may run longer
    than the token is valid, use `ant exec` instead, in a job without this command.
    """
    from ant_wif._export import variables_of

    if not to_github:
        raise click.UsageError("missing option '--github'")
    with session.scope(on_failure=1):
        github.export(session.environ, {})  # so that no identity token is spent where the file cannot be written
    credentials = session.credentials()
    with waiting("Getting an access token", session.environ):
        token = credentials.access_token()
    github.mask(session.environ, token.secret)
    with session.scope(on_failure=1):
        variables = variables_of(credentials, token)
        github.export(session.environ, variables)
    say(f"set for later steps: {' and '.join(variables)}; the token {expiry(token.expires_at)}", err=True)
