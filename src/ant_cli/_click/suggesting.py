"""What is suggested for a command that does not exist. Imported only then."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

import click

_MOST = 3
_CLOSE_ELSEWHERE = 0.8  # of 1: the whole program has more names than one group, so a match by chance is likelier
_OF_THE_OFFICIAL_CLI = {"completions", "@manpages"}
"""Its command groups that have no colon in their names and that ant-wif does not have."""
_OF_OTHER_PROGRAMS = {
    "check": "auth verify",
    "config": "profile",
    "configure": "profile",
    "doctor": "auth status",
    "run": "exec",
    "token": "auth print-credentials",
    "whoami": "auth status",
}
"""What other command lines call a command."""
_ALIKE = (
    {"archive", "delete", "remove", "rm"},
    {"create", "add", "new"},
    {"get", "retrieve", "show", "describe", "view"},
    {"list", "ls"},
    {"update", "set", "edit"},
)
"""What means the same in different groups and command lines."""


class NoSuchCommandError(click.UsageError):
    """A command that does not exist, with a hint if a similar one does."""

    def __init__(self, name: str, context: click.Context) -> None:
        super().__init__(f"unknown command {name!r}", context)
        self.hint = _hint(name, context)


def commands_below(context: click.Context) -> Iterator[click.Context]:
    """Yield a context for each command below that of `context`, at every level."""
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                below = click.Context(command, info_name=name, parent=context, **command.context_settings)
                yield below
                yield from commands_below(below)


def with_option(option: str, context: click.Context | None) -> list[str]:
    """Return the commands below that have the option, with it: `ant wif setup github --repo` for `ant wif setup`."""
    below = commands_below(context) if context is not None else iter(())
    paths = [each.command_path for each in below if any(option in known.opts for known in each.command.params)]
    return [f"'{path} {option}'" for path in paths[:_MOST]]


def _hint(name: str, context: click.Context) -> str | None:
    if ":" in name or name in _OF_THE_OFFICIAL_CLI:
        program = context.find_root().info_name
        return (
            f"{name} is a command of the official CLI, and this is ant-wif: `{program} api PATH` reaches every endpoint"
        )
    known = [f"{context.find_root().info_name} {_OF_OTHER_PROGRAMS[name]}"] if name in _OF_OTHER_PROGRAMS else []
    found = [f"'{path}'" for path in (*known, *_similar(name, context))]
    return f"did you mean {' or '.join(found)}?" if found else None


def _similar(name: str, context: click.Context) -> list[str]:
    """Return the commands whose name is similar: those of this group if there are any, else those of any group."""
    paths: dict[str, list[str]] = {}
    for each in commands_below(context.find_root()):
        paths.setdefault(str(each.info_name), []).append(each.command_path)
    here = [
        each.rpartition(" ")[2] for found in paths.values() for each in found if _parent(each) == context.command_path
    ]
    alike = [each for each in here if any({each, name.lower()} <= words for words in _ALIKE)]
    if alike:
        return [f"{context.command_path} {each}" for each in alike]
    close = get_close_matches(name.lower(), here, _MOST)
    elsewhere = get_close_matches(name.lower(), paths, _MOST, _CLOSE_ELSEWHERE)
    # `stauts` is a little like `auth`, and nearly `status`.
    if close and close[0] in get_close_matches(name.lower(), [close[0], *elsewhere], 1):
        return [f"{context.command_path} {each}" for each in close]
    return [path for each in elsewhere for path in paths[each]][:_MOST]


def _parent(path: str) -> str:
    return path.rpartition(" ")[0]
