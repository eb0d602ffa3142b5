"""What is suggested for a command, an option or a choice that does not exist. Imported only then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

import click

_MOST = 3
_CLOSE = 0.7  # of 1: at 0.6 `files` is like `profile`
_CLOSE_ELSEWHERE = 0.8  # the whole program has more names than one group, so a match by chance is likelier
_CLOSE_OPTION = 0.8
_EVERY_ENDPOINT = "`{program} api PATH` reaches every endpoint"
_FORMATS = ("explore", "pretty")
_INSTEAD = {
    _EVERY_ENDPOINT: ("completions",),
    "use `man {program}`": ("@manpages",),
    "`{program} exec -- PROGRAM beta:worker` runs the official CLI": ("beta:worker",),
    "lists take --limit": ("--max-items",),
    "use `{program} api '/v1/models?{field}=ID'`": ("--after-id", "--before-id"),
    "use `{program} api PATH -H anthropic-beta:NAME`": ("--beta",),
    "use `{program} api PATH --input FILE -H anthropic-user-profile-id:ID`": ("--user-profile-id",),
    "set the field {field} in a body on stdin": (
        "--container", "--inference-geo", "--temperature", "--top-k", "--top-p",
    ),
    "use {outer} '{{{inner}: ...}}'": (
        "--cache-control.ttl", "--cache-control.type", "--message.content", "--message.role", "--metadata.user-id",
        "--output-config.effort", "--output-config.format",
    ),
    "use --format-error json, and filter what it prints": ("--transform-error",),
    "no command needs it, so leave it out": ("--webhook-key",),
    "use auto, json or yaml": _FORMATS,
}  # fmt: skip
_OF_THE_OFFICIAL_CLI = {name: instead for instead, names in _INSTEAD.items() for name in names}
"""What to use instead of a command, an option or a format that only the official CLI has."""
_OF_OTHER_PROGRAMS = {
    "check": "auth verify",
    "config": "profile",
    "configure": "profile",
    "current": "auth status",
    "doctor": "auth status",
    "print-access-token": "auth print-credentials",
    "print-identity-token": "identity token",
    "refresh": "auth print-credentials",
    "run": "exec",
    "switch": "profile activate",
    "token": "auth print-credentials",
    "whoami": "auth status",
}
"""What other command lines call a command."""
_JSON_OF_OTHER_PROGRAMS = ("--json", "--output", "--o")
_RESOURCES = {
    **{
        name: f"/v1/{name.replace('-', '_')}"
        for name in (
            "agents", "deployments", "dreams", "environments", "files", "memory-stores", "sessions", "skills",
            "tunnels", "user-profiles", "vaults",
        )
    },
    **{name: f"/v1/organizations/{name.replace('-', '_')}" for name in ("api-keys", "invites", "users", "workspaces")},
    "batches": "/v1/messages/batches",
}  # fmt: skip
"""What the API has, and no command reaches."""
_ALIKE = (
    {"activate", "select", "switch", "use"},
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


def hint_for(error: click.UsageError, context: click.Context, words: Sequence[str]) -> str | None:
    """Return what was meant by an option or a format that does not exist, if that can be said."""
    if isinstance(error, click.NoSuchOption):
        return _option_hint(error, context, words)
    if isinstance(error, click.BadParameter) and error.param is not None and "--format" in error.param.opts[0]:
        return next((_instead("a format", each, context) for each in _FORMATS if f"'{each}'" in error.message), None)
    return None


def _option_hint(error: click.NoSuchOption, context: click.Context, words: Sequence[str]) -> str | None:
    name = error.option_name
    if not name.startswith("--"):
        # Programs in Go take `-limit 3`, of which click reads `-l` first.
        long = (word for word in words if word[:1] == "-" != word[1:2] and name[1] in word)
        name = f"-{next(long, name)}".partition("=")[0]
    here = [each for parameter in context.command.params for each in parameter.opts if each.startswith("--")]
    meant = [] if name in here else _with_option(name, context)
    if not meant and name in _JSON_OF_OTHER_PROGRAMS:
        meant = ["--format json"]
    if not meant:
        meant = get_close_matches(name, [*here, *_OF_THE_OFFICIAL_CLI], 1, _CLOSE_OPTION)
        if meant and meant[0] not in here:
            return _instead("an option", meant[0], context)
    meant = meant or list(error.possibilities or ())
    return f"did you mean {' or '.join(meant)}?" if meant else None


def _with_option(option: str, context: click.Context) -> list[str]:
    """Return the commands below that have the option, with it: `ant wif setup github --repo` for `ant wif setup`."""
    below = commands_below(context)
    paths = [each.command_path for each in below if any(option in known.opts for known in each.command.params)]
    return [f"'{path} {option}'" for path in paths[:_MOST]]


def _instead(kind: str, name: str, context: click.Context) -> str:
    field = name.lstrip("-").replace("-", "_")
    outer, inner = name.partition(".")[0], field.rpartition(".")[2]
    instead = _OF_THE_OFFICIAL_CLI.get(name, _EVERY_ENDPOINT).format(
        program=context.find_root().info_name, field=field, outer=outer, inner=inner
    )
    return f"{name} is {kind} of the official CLI, and this is ant-wif: {instead}"


def _hint(name: str, context: click.Context) -> str | None:
    root = context.find_root()
    spaced = f"{root.info_name} {name.replace(':', ' ')}"
    if ":" in name and spaced in (each.command_path for each in commands_below(root)):
        return f"did you mean '{spaced}'?"  # the official CLI joins the names of its groups with a colon
    if name.startswith(("beta:", "messages:")) or (name in _OF_THE_OFFICIAL_CLI and name not in _FORMATS):
        return _instead("a command", name, context)
    resource = next((each for each in _RESOURCES if name.lower() in {each, each[:-1], each.removesuffix("es")}), None)
    if resource is not None:
        return f"there is no command for {resource}; `{root.info_name} api {_RESOURCES[resource]}` reaches them"
    known = [f"{root.info_name} {_OF_OTHER_PROGRAMS[name]}"] if name in _OF_OTHER_PROGRAMS else []
    found = [f"'{path}'" for path in dict.fromkeys((*known, *_similar(name, context)))]
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
    close = get_close_matches(name.lower(), here, _MOST, _CLOSE)
    elsewhere = get_close_matches(name.lower(), paths, _MOST, _CLOSE_ELSEWHERE)
    # `stauts` is a little like `auth`, and nearly `status`.
    if close and close[0] in get_close_matches(name.lower(), [close[0], *elsewhere], 1):
        return [f"{context.command_path} {each}" for each in close]
    return [path for each in elsewhere for path in paths[each]][:_MOST]


def _parent(path: str) -> str:
    return path.rpartition(" ")[0]
