"""`make man`: write a man page for each command into a folder, given as the argument."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ant_wif import __version__
from command_pages import CommandPage, command_pages

__all__ = ["write_manpages"]


def write_manpages(folder: Path) -> list[Path]:
    """Write `ant.1`, `ant-auth.1`, … and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for page in command_pages():
        path = folder / f"{_name(page)}.1"
        path.write_text("\n".join(_lines(page)) + "\n", encoding="utf-8")
        written.append(path)
    return written


def _name(page: CommandPage) -> str:
    return page.path.replace(" ", "-")


def _lines(page: CommandPage) -> Iterator[str]:
    yield f'.TH "{_name(page).upper()}" "1" "" "ant-wif {__version__}" "ant-wif"'
    yield ".SH NAME"
    yield f"{_text(_name(page))} \\- {_text(page.summary)}"
    yield ".SH SYNOPSIS"
    yield f".B {_text(page.path)}"
    yield _text(page.usage.removeprefix(page.path).strip())
    yield ".SH DESCRIPTION"
    yield _text(f"{page.summary}.")
    for paragraph in page.paragraphs:
        yield ".PP"
        yield _text(paragraph)
    for title, commands in page.commands.items():
        yield f'.SH "{title.upper()}"'
        for name, text in commands.items():
            yield from (".TP", f"\\fB{_text(name)}\\fR", _text(text.removesuffix(".")))
    for title, options in page.options.items():
        yield f'.SH "{title.upper()}"'
        for names, text in options:
            yield from (".TP", f"\\fB{_text(names)}\\fR", _text(text))
    if page.epilog:
        yield from (".SH NOTES", _text(page.epilog))
    if page.examples:
        yield from (".SH EXAMPLES", ".EX", *map(_text, page.examples), ".EE")


def _text(text: str) -> str:
    """Return text as roff shows it: hyphens stay hyphens that can be copied, and no line is a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return re.sub(r"^(?=\.)", r"\\&", escaped)


if __name__ == "__main__":
    print(f"{len(write_manpages(Path(sys.argv[1])))} man pages are in {sys.argv[1]}")
