"""Commands and groups that take the global options and choose the exit status of what fails in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from ant_cli._click.completing import hidden_options
from ant_cli._click.options import global_options
from ant_cli._session import Session
from ant_wif.errors import AntWifError

__all__ = ["AntCommand", "AntGroup", "LazyAntGroup", "LazyGroup"]


class AntCommand(click.Command):
    """A command that takes the global options too.

    `on_failure` and `on_closed_pipe` are those of `Session.scope`, for the whole command. `after_error` is called
    after an error of the library was printed for a person.
    """

    def __init__(
        self,
        *arguments: Any,
        on_failure: int | None = None,
        on_closed_pipe: int = 0,
        after_error: Callable[[Session, AntWifError], object] | None = None,
        **options: Any,
    ) -> None:
        options["params"] = [*(options.get("params") or []), *global_options(hidden=True)]
        options.setdefault("epilog", "The options of `ant --help` may be given here too.")
        super().__init__(*arguments, **options)
        self._statuses = {"on_failure": on_failure, "on_closed_pipe": on_closed_pipe}
        self._after_error = after_error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. click would turn a closed pipe into exit status 1."""
        session = ctx.ensure_object(Session)
        session.after_error = self._after_error
        with session.scope(**self._statuses):
            return super().invoke(ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*super().shell_complete(ctx, incomplete), *hidden_options(self, incomplete)]


class AntGroup(click.Group):
    """A group of such commands. `on_failure` is for those that choose none themselves."""

    command_class = AntCommand

    def __init__(self, *arguments: Any, on_failure: int | None = None, **options: Any) -> None:
        options["params"] = [*(options.get("params") or []), *global_options(hidden=True)]
        super().__init__(*arguments, **options)
        self._on_failure = on_failure

    def invoke(self, ctx: click.Context) -> Any:
        with ctx.ensure_object(Session).scope(on_failure=self._on_failure):
            return super().invoke(ctx)


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used.

    The module is the command's name in the package that the group's commands are in, and the command stands in it
    under that name, with an underscore at its end where Python has the name already. `summaries` are what the help
    says of each command.
    """

    def __init__(
        self,
        *arguments: Any,
        package: str,
        summaries: Mapping[str, str],
        aliases: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._package, self._summaries, self._aliases = package, summaries, aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        name = self._aliases.get(cmd_name, cmd_name)
        if name not in self._summaries:
            return None
        attribute = name.replace("-", "_")
        module = import_module(f"{self._package}.{attribute}")
        found: click.Command = getattr(module, attribute, None) or getattr(module, f"{attribute}_")
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=self._summaries[name]) for name in named]
        # Not by click's own way, which imports every command to see whether it is hidden.
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self._summaries.items()))


class LazyAntGroup(LazyGroup, AntGroup):
    """A lazy group that takes the global options too."""
