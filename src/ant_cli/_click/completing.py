"""What a shell is offered for a word that is half typed. Imports nothing that takes time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def profiles(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Offer the names of the profiles there are."""
    from ant_wif._config import locate, names
    from ant_wif._environment import Environment

    del context, parameter
    return [name for name in names(locate(Environment())[0]) if name.startswith(incomplete)]


def keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Offer what can be set in a profile."""
    from ant_wif._config import KEYS

    del context, parameter
    return [key for key in KEYS if key.startswith(incomplete)]


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell to offer files."""
    from click.shell_completion import CompletionItem

    del context, parameter
    return [CompletionItem(incomplete, type="file")]


def hidden_options(command: click.Command, incomplete: str) -> list[CompletionItem]:
    """Offer the options that a command takes and its help leaves out."""
    from click.shell_completion import CompletionItem

    found = (each for each in command.params if isinstance(each, click.Option) and each.hidden)
    return [
        CompletionItem(name, help=each.help)
        for each in found
        for name in each.opts
        if incomplete.startswith("-") and name.startswith(incomplete)
    ]
