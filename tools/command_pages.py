"""What each command says about itself: one source for the man pages and for the command reference of the site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc

import click

from ant_cli._click.groups import Explained, HelpfulGroup
from ant_cli._click.help import option_sections, summary
from ant_cli._click.suggesting import commands_below
from ant_cli.main import cli

__all__ = ["CommandPage", "command_pages"]


@dataclass(frozen=True)
class CommandPage:
    """The help of one command, in parts."""

    path: str
    summary: str
    usage: str
    paragraphs: Sequence[str]
    commands: Mapping[str, Mapping[str, str]]
    options: Mapping[str, Sequence[tuple[str, str]]]
    examples: Sequence[str]
    epilog: str


def command_pages() -> list[CommandPage]:
    """Return a page for the program and for each command, groups before their commands."""
    root = click.Context(cli, info_name="ant", **cli.context_settings)
    return [_page(context) for context in (root, *commands_below(root))]


def _page(context: click.Context) -> CommandPage:
    command = context.command
    _, *rest = [" ".join(part.split()) for part in cleandoc(command.help or "").split("\n\n")]
    return CommandPage(
        path=context.command_path,
        summary=summary(command),
        usage=" ".join([context.command_path, *command.collect_usage_pieces(context)]),
        paragraphs=rest,
        commands=command.sections(context) if isinstance(command, HelpfulGroup) else {},
        options=option_sections(context),
        examples=command.examples if isinstance(command, Explained) else (),
        epilog=command.epilog or "",
    )
