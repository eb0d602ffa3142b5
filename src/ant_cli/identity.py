"""`ant identity`: look at the identity token of this machine or job."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from ant_cli.options import Group, Session, pass_session

if TYPE_CHECKING:
    from ant_wif.identity import IdentityToken

__all__ = ["identity"]


@click.group(cls=Group)
def identity() -> None:
    """Look at the identity token of this machine or job."""


@identity.command()
@pass_session
def detect(session: Session) -> None:
    """Say which platform this is, which source would be used, and why."""
    from ant_cli.output import print_item
    from ant_wif.errors import IdentityTokenError
    from ant_wif.identity import survey

    resolution = session.resolution()
    detections = survey(resolution.context(resolution.settings))
    try:
        selected = resolution.identity[0].source
    except IdentityTokenError:
        selected = None
    if session.format != "auto":
        sources = [{"name": each.name, "detected": each.detected, "reason": each.reason} for each in detections]
        print_item(session, {"selected": selected, "sources": sources})
        return
    for each in detections:
        mark = "*" if each.name == selected else " "
        click.echo(f"{mark} {each.name:<16} {'yes' if each.detected else 'no':<4} {each.reason}")
    if selected is None:
        click.echo("no identity source: nothing here issues an identity token", err=True)
    elif selected not in {each.name for each in detections if each.detected}:
        click.echo(f"* {selected:<16} {'-':<4} named outright")


@identity.command()
@click.option("--audience", metavar="A", help="Ask for this audience instead of the configured one.")
@click.option(
    "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Write to FILE (0600) instead of stdout."
)
@pass_session
def token(session: Session, audience: str | None, output: str | None) -> None:
    """Print the identity token (a JWT). It can be exchanged once."""
    fetched = _fetch(session, audience)
    if output is not None:
        from pathlib import Path

        from ant_wif.files import write_atomically

        session.failure = 1
        content = f"{fetched.assertion.get_secret_value()}\n".encode()
        write_atomically(Path(output), lambda: content, mode=0o600, folder_mode=0o700)
        click.echo(f"wrote {output}", err=True)
        return
    if session.environ.get("GITHUB_ACTIONS") == "true":
        click.echo(f"::add-mask::{fetched.assertion.get_secret_value()}", err=True)
    click.echo(fetched.assertion.get_secret_value())


@identity.command()
@click.option("--audience", metavar="A", help="Ask for this audience instead of the configured one.")
@pass_session
def claims(session: Session, audience: str | None) -> None:
    """Print what the identity token says of itself. The signature is neither printed nor verified."""
    from ant_cli.output import print_item

    fetched = _fetch(session, audience)
    print_item(session, {"header": dict(fetched.unverified_header), "claims": dict(fetched.unverified_claims)})


def _fetch(session: Session, audience: str | None) -> IdentityToken:
    from ant_wif.transport import run

    source, context = session.resolution().identity
    if audience:
        context = dataclasses.replace(context, audience=audience)
        if hasattr(source, "audience"):
            # What was asked for here beats what the profile says.
            source = dataclasses.replace(source, audience=audience)  # type: ignore[type-var]  # sources are dataclasses
    return run(source.fetch(context))
