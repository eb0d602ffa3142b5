"""What is read from files and from stdin, with an end to it, and asked of a person there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import click

from ant_cli._session import Session
from ant_wif._environment import has_input

LARGEST_BODY = 32 << 20  # what the API takes at most, as "Request size limits" of its errors page has it
_SILENCE_SECONDS = 2.0


def read_file(path: Path, name: str) -> bytes:
    """Return what a file holds. Raises click.UsageError where it cannot be read, or holds too much."""
    from ant_wif._files import read_up_to

    try:
        return _bounded(read_up_to(path, LARGEST_BODY), name)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def read_input(session: Session, source: str) -> bytes:
    """Return what the option `--input` names: a file, or stdin where it is `-`. Raises click.UsageError."""
    if source != "-":
        return read_file(Path(source), f"the file {source} of --input")
    if session.is_guest:
        raise click.UsageError("--input - reads stdin, which belongs to another program here: name a file")
    return read_stdin(session)


def read_stdin(session: Session) -> bytes:
    """Return what is piped to this process; nothing where stdin is a terminal, the null device or a host's."""
    stdin = session.stdin
    try:
        if stdin is None:
            return b""
        descriptor = stdin.fileno()
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            return b""
    except (AttributeError, OSError, ValueError):
        return b""
    _say_what_is_waited_for(descriptor)
    return _bounded(stdin.buffer.read(LARGEST_BODY + 1), "the body on stdin")


def _say_what_is_waited_for(descriptor: int) -> None:
    """A pipe without a writer stays open, and looks like a server that does not respond."""
    if not has_input(descriptor, _SILENCE_SECONDS):
        click.echo("waiting for a body on stdin; add < /dev/null where there is none", err=True)


def _bounded(content: bytes, name: str) -> bytes:
    if len(content) > LARGEST_BODY:
        raise click.UsageError(f"{name} is longer than {LARGEST_BODY} bytes")
    return content


def confirm(session: Session, question: str, *, yes: bool) -> None:
    """Ask, unless `--yes` has answered. Raises click.Abort on a no, and UsageError without a terminal of our own."""
    if yes:
        return
    if session.stdin is None or not session.stdin.isatty():
        raise click.UsageError("confirmation required; pass --yes when not interactive")
    click.confirm(question, abort=True, err=True)
