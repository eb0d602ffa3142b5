"""Commands and groups that take the global options and choose the exit status of what fails in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from ant_cli._click.completing import hidden_options
from ant_cli._click.options import eager_option, global_options
from ant_cli._session import ReaderGoneError, Session

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ant_wif.errors import AntWifError

GLOBAL_OPTIONS = "Global options such as --profile and --format work here too: see `ant help`."


class Explained(click.Command):
    """A command whose help has its options in groups and ends with examples, one command a line."""

    other_options = "Options"
    """The group of the options that belong to no other group."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = examples
        self._help: click.Option | None = None

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Make the option once, with its text: click's own loads `locale` to look for a translation."""
        names = self.get_help_option_names(ctx)
        if self._help is None and names:
            self._help = eager_option(*names, text="Show this message and exit.", say=click.Context.get_help)
        return self._help

    def get_help(self, ctx: click.Context) -> str:
        from ant_cli._click.help import Formatter

        formatter = Formatter(ctx.terminal_width, ctx.max_content_width)
        self.format_help(ctx, formatter)
        return formatter.getvalue().rstrip("\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from ant_cli._click.help import write_options

        write_options(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from ant_cli._click.help import write_examples

        if self.examples:
            write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Read the arguments, or print the help. click would turn a closed pipe into exit status 1."""
        try:
            return super().make_context(*arguments, **options)
        except BrokenPipeError:
            raise ReaderGoneError(0) from None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments. click does not say of every error in which command it is."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


class HelpfulGroup(Explained, click.Group):
    """A group that prints its help when called without any argument, and suggests commands for a misspelled one."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "no_args_is_help": False})  # click makes it an error on stderr

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def sections(self, ctx: click.Context) -> Mapping[str, Mapping[str, str]]:
        """Return the summaries of the commands by their names, in sections."""
        from ant_cli._click.help import summary

        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        return {"Commands": {name: summary(each) for name, each in commands.items() if each and not each.hidden}}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from ant_cli._click.help import write_commands

        write_commands(formatter, self.sections(ctx))
        super().format_options(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing and not name.startswith("-"):
            from ant_cli._click.suggesting import NoSuchCommandError

            raise NoSuchCommandError(name, ctx)
        return super().resolve_command(ctx, args)


class AntCommand(Explained):
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
        options.setdefault("epilog", GLOBAL_OPTIONS)
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


class AntGroup(HelpfulGroup):
    """A group of such commands. `on_failure` is for those that choose none themselves."""

    command_class = AntCommand

    def __init__(self, *arguments: Any, on_failure: int | None = None, **options: Any) -> None:
        options["params"] = [*(options.get("params") or []), *global_options(hidden=True)]
        options.setdefault("epilog", GLOBAL_OPTIONS)
        super().__init__(*arguments, **options)
        self._on_failure = on_failure

    def invoke(self, ctx: click.Context) -> Any:
        with ctx.ensure_object(Session).scope(on_failure=self._on_failure):
            return super().invoke(ctx)


class LazyGroup(HelpfulGroup):
    """A group that imports a command's module when the command is used.

    The module is the command's name in the package that the group's commands are in, and the command stands in it
    under that name, with an underscore at its end where Python has the name already. `sections` are what the help
    says of each command, by section and name.
    """

    def __init__(
        self,
        *arguments: Any,
        package: str,
        sections: Mapping[str, Mapping[str, str]],
        aliases: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._package, self._sections, self._aliases = package, sections, aliases or {}
        self._summaries = {name: text for rows in sections.values() for name, text in rows.items()}

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
        from click.shell_completion import CompletionItem

        named = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=self._summaries[name]) for name in named]
        # Not by click's own way, which imports every command to see whether it is hidden.
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def sections(self, ctx: click.Context) -> Mapping[str, Mapping[str, str]]:
        del ctx
        return self._sections


class LazyAntGroup(LazyGroup, AntGroup):
    """A lazy group that takes the global options too."""
