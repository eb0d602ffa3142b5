"""Headers that the command line adds to a request."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.1
_CHOSEN = "--api-key and --auth-token choose the credential"
_OWN = {
    **dict.fromkeys(("authorization", "x-api-key"), _CHOSEN),
    **dict.fromkeys(("content-length", "transfer-encoding", "connection"), "it follows from the request"),
    "host": "--base-url chooses the host",
}


def header_lines(lines: Iterable[str]) -> dict[str, str]:
    """Read lines of the form `NAME: VALUE`. Raises click.UsageError; it quotes names only, never a value."""
    found: dict[str, str] = {}
    for line in lines:
        name, separator, value = (part.strip() for part in line.partition(":"))
        if not separator or not _NAME.fullmatch(name) or not _is_sendable(value):
            shown = repr(name) if separator and _NAME.fullmatch(name) else "one of them"
            raise click.UsageError(f"a header is NAME: VALUE in printable ASCII, and {shown} is not")
        if name.lower() in _OWN:
            raise click.UsageError(f"the header {name} is not yours to set; {_OWN[name.lower()]}")
        if not value:
            raise click.UsageError(f"the header {name} has no value; leave it out, or write '{name}: VALUE'")
        found[name.lower()] = f"{found[name.lower()]},{value}" if name.lower() in found else value
    return found


def beta_header(names: Iterable[str]) -> dict[str, str]:
    """Return the header that asks for features in beta. Raises click.UsageError."""
    wanted = list(names)
    if not all(name and _is_sendable(name) for name in wanted):
        raise click.UsageError("--beta is the name of a feature, such as files-api-2025-04-14")
    return {"anthropic-beta": ",".join(wanted)} if wanted else {}


def _is_sendable(value: str) -> bool:
    return value.isascii() and value.isprintable()
