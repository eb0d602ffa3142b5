"""`ant auth verify`: try the credential."""

from __future__ import annotations

import click

from ant_cli._click.groups import AntCommand
from ant_cli._output import print_item
from ant_cli._session import Session, pass_session
from ant_cli.commands.auth.explain import explain_denial
from ant_cli.commands.auth.status import until

__all__ = ["verify"]


@click.command(cls=AntCommand, after_error=explain_denial)
@pass_session
def verify(session: Session) -> None:
    """Obtain a token and call the API with it; print what the server says that it is bound to.

    Where the exchange is denied, what `ant auth explain` says follows the error.
    """
    from ant_wif.diagnostics.verify import verify as verify_

    found = verify_(session.credentials())
    if session.for_programs:
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
