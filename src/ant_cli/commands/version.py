"""`ant version`: the version, as `--version` prints it."""

from __future__ import annotations

import click

from ant_cli._click.groups import AntCommand
from ant_wif._constants import __version__


@click.command(
    cls=AntCommand,
    examples=(
        "ant version",
        "ant --version",
    ),
)
def version() -> None:
    """Show the version of ant-wif."""
    click.echo(f"ant-wif {__version__}")
