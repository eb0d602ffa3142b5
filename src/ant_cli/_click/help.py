"""How help is laid out. Imported only when help is printed."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping

import click

from ant_cli._click.options import OPTION_GROUPS

_WIDEST_COLUMN = 30
_NARROWEST_COLUMN = 20
_BELOW = 4
_HYPHEN = "\0"
_JOIN = " \\"


class Formatter(click.HelpFormatter):
    """Lays out help in narrow terminals too: where the texts beside the names would be cut, they stand below them.

    No name is broken at a hyphen.
    """

    def __init__(self, width: int | None, max_width: int | None) -> None:
        columns = min(shutil.get_terminal_size().columns, max_width or 80) - 2  # as click has it
        super().__init__(width=width or max(columns, _NARROWEST_COLUMN))

    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", _HYPHEN))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = _WIDEST_COLUMN, col_spacing: int = len("  ")
    ) -> None:
        rows = list(rows)
        first = min(max(len(name) for name, _ in rows), col_max) + col_spacing
        longest = max(len(word) for _, text in rows for word in text.split())
        if self.width - self.current_indent - first >= max(longest, _NARROWEST_COLUMN):
            super().write_dl([(name, text.replace("-", _HYPHEN)) for name, text in rows], col_max, col_spacing)
            return
        for row in rows:
            for column, text in enumerate(row):
                margin = " " * (self.current_indent + column * _BELOW)
                self._write_wrapped(text, margin, margin)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        self._write_wrapped(f"{prefix or 'Usage: '}{prog} {args}", "", " " * _BELOW)

    def _write_wrapped(self, text: str, first: str, others: str) -> None:
        for line in textwrap.wrap(
            text, self.width, initial_indent=first, subsequent_indent=others,
            break_long_words=False, break_on_hyphens=False,
        ):  # fmt: skip
            self.write(f"{line}\n")

    def getvalue(self) -> str:
        return super().getvalue().replace(_HYPHEN, "-")


def summary(command: click.Command) -> str:
    """Return the first sentence of a command's help, whole and without the full stop."""
    first = (command.short_help or command.help or "").split("\n\n")[0]
    return " ".join(first.split()).removesuffix(".")


def write_commands(formatter: click.HelpFormatter, sections: Mapping[str, Mapping[str, str]]) -> None:
    """Write each section's commands with their summaries, in one column for all sections."""
    longest = max(len(name) for rows in sections.values() for name in rows)
    for title, rows in sections.items():
        with formatter.section(title):
            formatter.write_dl([(name.ljust(longest), text.removesuffix(".")) for name, text in rows.items()])


def option_sections(context: click.Context) -> dict[str, list[tuple[str, str]]]:
    """Return the options that the help shows, each with its text, by the title of their group."""
    otherwise = getattr(context.command, "other_options", "Options")
    sections: dict[str, list[tuple[str, str]]] = {}
    for parameter in context.command.get_params(context):
        record = None if isinstance(parameter, click.Argument) else parameter.get_help_record(context)
        if record is not None:
            sections.setdefault(OPTION_GROUPS.get(str(parameter.name), otherwise), []).append(record)
    return sections


def write_options(context: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options by group."""
    for title, records in option_sections(context).items():
        with formatter.section(title):
            formatter.write_dl(records, col_max=_WIDEST_COLUMN)


def write_examples(formatter: click.HelpFormatter, examples: Iterable[str]) -> None:
    """Write the examples, a long one in lines that a shell joins again: they are copied."""
    with formatter.section("Examples"):
        for example in examples:
            lines = [""]
            for piece in re.split(r"(?= (?:-{1,2}[a-z]|< ))", example):
                if lines[-1] and len(lines[-1]) + len(piece) > formatter.width - formatter.current_indent - len(_JOIN):
                    lines.append(f" {piece}")
                else:
                    lines[-1] += piece
            formatter.write("".join(f"  {line}{_JOIN}\n" for line in lines[:-1]) + f"  {lines[-1]}\n")
