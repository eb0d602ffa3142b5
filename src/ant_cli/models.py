"""`ant models`: look at the models that the credential may use."""

from __future__ import annotations

import click

from ant_cli.options import Group, Session, pass_session

__all__ = ["models"]


@click.group(cls=Group)
def models() -> None:
    """Look at the models that the credential may use."""


@models.command("list")
@click.option("--limit", type=click.IntRange(min=1), help="Print at most so many.")
@pass_session
def list_(session: Session, limit: int | None) -> None:
    """List the models, one JSON document a line, asking for pages as they are needed."""
    from ant_cli.output import print_items
    from ant_wif.api import list_models, open_client

    with open_client(session.credentials()) as client:
        print_items(session, list_models(client, limit=limit))
