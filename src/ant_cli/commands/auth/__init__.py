"""`ant auth`: see, print and forget credentials."""

from __future__ import annotations

import click

from ant_cli._click.groups import LazyAntGroup

__all__ = ["auth"]

COMMANDS = {
    "explain": "Explain why a token exchange is denied.",
    "export": "Export the credential to later steps of a CI job.",
    "login": "Log in with a browser.",
    "logout": "Remove a profile's stored credentials.",
    "print-credentials": "Print the active credential.",
    "status": "Show which credential is active and why.",
    "verify": "Get an access token and call the API with it.",
}


@click.group(
    cls=LazyAntGroup,
    package="ant_cli.commands.auth",
    sections={"Commands": COMMANDS},
    examples=("ant auth status", "ant auth login", "ant auth verify"),
)
def auth() -> None:
    """Manage authentication."""
