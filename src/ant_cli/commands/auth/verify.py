"""`ant auth verify`: try the credential."""

from __future__ import annotations

from datetime import datetime, timezone

import click

from ant_cli._click.groups import AntCommand
from ant_cli._github import set_outputs
from ant_cli._output import print_item, say
from ant_cli._session import Session, pass_session
from ant_cli._terminal import waiting
from ant_cli.commands.auth.explain import explain_denial
from ant_cli.commands.auth.status import expiry


@click.command(
    cls=AntCommand,
    after_error=explain_denial,
    examples=(
        "ant auth verify",
        "ant auth verify --format json",
    ),
)
@click.option("--github-output", is_flag=True, help="Set the outputs source, workspace and expires of the job's step.")
@pass_session
def verify(session: Session, *, github_output: bool) -> None:
    """Get an access token and call the API with it.

    Prints the organization and the workspace of the response. If the exchange is denied, runs `ant auth explain`.
    """
    from ant_wif.diagnostics.verify import verify as verify_

    with waiting("Getting an access token and calling the API", session.environ):
        found = verify_(session.credentials())
    if github_output:
        expires = "" if found.expires_at is None else datetime.fromtimestamp(found.expires_at, timezone.utc).isoformat()
        outputs = {"source": found.source, "workspace": found.workspace_id or "", "expires": expires}
        set_outputs(session.environ, outputs)
    if session.for_programs:
        print_item(session, found.as_json())
        return
    by = f" ({found.identity_source})" if found.identity_source else ""
    say(f"The credential works: {found.source}{by} from {found.origin}")
    say(f"  API host:      {found.base_url}")
    say(f"  organization:  {found.organization_id or 'not named by the server'}")
    say(f"  workspace:     {found.workspace_id or 'not named by the server'}")
    cached = ", read from the cache: no exchange was tried" if found.identity_source else ", read from the login"
    say(f"  access token:  {expiry(found.expires_at)}{cached if found.cached else ''}")
    token, answer = f"{found.token_seconds * 1000:.0f} ms", f"{found.request_seconds * 1000:.0f} ms"
    say(f"  took:          {token} to the token, {answer} to the API's answer")
