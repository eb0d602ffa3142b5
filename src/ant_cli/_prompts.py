"""A question before something that cannot be undone."""

from __future__ import annotations

import click

from ant_cli._session import Session


def confirm(session: Session, question: str, *, yes: bool) -> None:
    """Ask, unless `--yes` has answered. Raises click.Abort on a no, and UsageError without a terminal of our own."""
    if yes:
        return
    if session.stdin is None or not session.stdin.isatty():
        raise click.UsageError("confirmation required; pass --yes when not interactive")
    click.confirm(question, abort=True, err=True)
