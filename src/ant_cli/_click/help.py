"""How help is laid out. Imported only when help is printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import click

from ant_cli._click.options import OPTION_GROUPS

_WIDEST_COLUMN = 30
_JOIN = " \\"


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
