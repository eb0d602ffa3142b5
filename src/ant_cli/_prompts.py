"""A question before something that cannot be undone."""

from __future__ import annotations

import sys

import click

__all__ = ["confirm"]


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless `--yes` has answered. Raises click.Abort on a no, and UsageError where nobody can be asked."""
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("nobody is there to ask: add --yes")
    click.confirm(question, abort=True, err=True)
