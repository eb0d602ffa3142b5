"""Output for a person at a terminal: width, color, tables, and a line while something takes long."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

_GAP = "  "
_QUIET_SECONDS = 1.0
_CLEAR_LINE = "\r\x1b[K"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal; `None` is one that was closed from the start."""
    return stream is not None and not stream.closed and stream.isatty()


def width(stream: TextIO | None = None) -> int | None:
    """Return the number of columns of the terminal that a stream (stdout) is; `None` if it is not one."""
    stream = stream or sys.stdout
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if is_terminal(stream) else None
    except (AttributeError, OSError, ValueError):
        return None


def understands_color(choice: str, environ: Mapping[str, str]) -> bool:
    """Whether to print colors. `choice` is `always`, `never` or `auto`, which follows https://no-color.org."""
    if choice != "auto":
        return choice == "always"
    return is_terminal(sys.stdout) and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], columns: int | None) -> Iterator[str]:
    """Yield the lines of a table; one wider than `columns` becomes a block of lines for each row. No value wraps."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    if columns is None or sum(widths) + len(_GAP) * (len(widths) - 1) <= columns:
        for row in (titles, *rows):
            yield _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        return
    longest = max(len(title.strip()) for title in titles) + 1
    for number, row in enumerate(rows):
        if number:
            yield ""
        for title, cell in zip(titles, row, strict=True):
            yield f"{title.strip() + ':':<{longest}} {cell.strip()}".rstrip()


def fitted(lines: Sequence[str], columns: int | None) -> Iterator[str]:
    """Yield lines whose columns are two spaces or more apart, in a terminal with so many columns.

    Where a line is too long, the columns move together; where that is not enough, they stand below each other. No word
    and no ID is broken.
    """
    if columns is None or all(len(line) <= columns for line in lines):
        yield from lines
        return
    rows = [re.split(r"(?<=\S) {2,}", line) for line in lines]
    widths: dict[int, int] = {}
    for row in rows:
        for place, cell in enumerate(row[:-1]):
            widths[place] = max(widths.get(place, 0), len(cell))
    for row in rows:
        line = _GAP.join([*(cell.ljust(widths[place]) for place, cell in enumerate(row[:-1])), row[-1]])
        if len(line) <= columns:
            yield line
        else:
            yield from _below_each_other(row, columns)


_COMMAND = r"`[^`]*`|(?<=: )(?:ant|chmod|chown|export|unset|pip|kubectl|docker|[A-Z_]+=\S+) .*"


def wrapped(text: str, columns: int | None) -> Iterator[str]:
    """Yield the lines of a text for people, at most `columns` wide. No word, no ID and no command is broken."""
    for line in text.splitlines() or [""]:
        if columns is None or len(line) <= columns:
            yield line
            continue
        indent = line[: len(line) - len(line.lstrip())]
        narrow = re.sub(r"(?<=\S) {2,}", _GAP, line)
        whole = re.sub(_COMMAND, lambda found: found[0].replace(" ", "\0"), narrow)
        for part in _folded(whole, columns, indent, f"{indent}  "[: columns // 4]):
            yield part.replace("\0", " ")


def _below_each_other(cells: Sequence[str], columns: int) -> Iterator[str]:
    first = cells[0]
    indent = first[: len(first) - len(first.lstrip())]
    for number, cell in enumerate(cells):
        start = "    " if number else indent
        yield from _folded(cell, columns, start, f"{start}  "[: columns // 4])


def _folded(text: str, columns: int, first: str, others: str) -> list[str]:
    import textwrap

    return textwrap.wrap(
        text.strip(),
        columns,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


@contextmanager
def waiting(text: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Print a line to a terminal on stderr if the block takes more than a second, and remove it at the end."""
    stream = sys.stderr
    if not is_terminal(stream) or environ.get("TERM", "dumb") == "dumb":
        yield
        return
    shown = threading.Event()

    def show() -> None:
        shown.set()
        stream.write(f"{text} …" if "utf" in (stream.encoding or "").lower() else f"{text} ...")
        stream.flush()

    timer = threading.Timer(_QUIET_SECONDS, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if shown.is_set():
            stream.write(_CLEAR_LINE)
            stream.flush()
