"""`ant auth`: see, print and forget credentials."""

from __future__ import annotations

import click

from ant_cli._click.groups import LazyAntGroup

__all__ = ["auth"]

COMMANDS = {
    "explain": "Tell why an exchange is denied.",
    "export": "Hand the credential to later steps of a GitHub Actions job.",
    "login": "Log in with a browser.",
    "logout": "Remove the stored credentials of a profile.",
    "print-credentials": "Print the credential that a request would use.",
    "status": "Say which credential wins, and why.",
    "verify": "Obtain a token and call the API with it.",
}


@click.group(cls=LazyAntGroup, package="ant_cli.commands.auth", summaries=COMMANDS)
def auth() -> None:
    """See, print and forget credentials."""
