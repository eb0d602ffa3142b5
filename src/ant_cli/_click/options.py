"""The options that stand before or after a command, and what a run of `ant` has gathered of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ant_cli._click import completing

if TYPE_CHECKING:
    from ant_wif._resolution import Resolution, TierCandidate
    from ant_wif.credentials import Credentials

__all__ = [
    "AntCommand",
    "AntGroup",
    "LazyGroup",
    "ReaderGoneError",
    "Session",
    "global_options",
    "not_empty",
    "pass_session",
]

FORMATS = ("auto", "json", "jsonl", "yaml", "raw")

# Option, metavar, the library's name of the argument (`None`: it is the command line's own), help.
_OPTIONS: tuple[tuple[str, str, str, str], ...] = (
    ("--profile", "NAME", "profile", "Use this profile."),
    ("--api-key", "KEY", "api_key", "Use this API key. Mind that other users may see it in the process list."),
    ("--auth-token", "TOKEN", "auth_token", "Use this bearer token. The same caution applies."),
    ("--base-url", "URL", "base_url", "The API host."),
    ("--organization-id", "UUID", "organization_id", "The organization."),
    ("--workspace-id", "ID", "workspace_id", "The workspace: wrkspc_… or default."),
    ("--service-account-id", "ID", "service_account_id", "The service account: svac_…"),
    ("--federation-rule", "ID", "federation_rule_id", "The federation rule: fdrl_…"),
    ("--identity-token", "JWT", "identity_token", "The identity token itself."),
    ("--identity-token-file", "PATH", "identity_token_file", "The file that holds the identity token."),
    ("--identity-source", "NAME", "identity_source", "Where to get the identity token: a source's name, auto or none."),
    ("--transform", "EXPR", "transform", "Print what this JMESPath expression makes of each item."),
)
_COMPLETED = {"profile": completing.profiles, "identity_token_file": completing.files}
_LIBRARY_ARGUMENTS = frozenset(name for _, _, name, _ in _OPTIONS) - {"profile", "transform"}


class Session:
    """What one run was told, and what its commands need of the library."""

    def __init__(self, environ: Mapping[str, str], *, is_guest: bool = False) -> None:
        self.environ = environ
        self.is_guest = is_guest
        """Whether the process is somebody else's, a test suite's for example."""
        self.options: dict[str, Any] = {}
        self.failure: int | None = None
        """The exit status of an error, where it does not follow from the error's type."""
        self.reader_gone = 0
        """The exit status where whoever read the output has gone: all is well where data was printed."""
        self.at_end = ExitStack()
        """What is to be undone when the run is over: the process may go on."""
        self.after_error: Callable[[], object] | None = None
        """What is to be said after an error that is not a usage error."""

    @property
    def debug(self) -> bool:
        return bool(self.options.get("debug"))

    @property
    def format(self) -> str:
        return str(self.options.get("format", "auto"))

    @property
    def error_format(self) -> str | None:
        """The form of an error, where it is not to be read by a person."""
        form = self.options.get("format_error")
        return str(form) if form in {"json", "jsonl", "yaml"} else None

    def resolution(self, *more: str) -> Resolution:
        """Look at arguments, environment and configuration directory; `more` names options of one command."""
        from ant_wif._environment import Environment
        from ant_wif._resolution import Resolution, ResolutionContext

        arguments = {name: value for name, value in self.options.items() if name in {*_LIBRARY_ARGUMENTS, *more}}
        return Resolution(ResolutionContext(arguments, Environment(self.environ), profile=self.options.get("profile")))

    def credentials(self, passing_over: Callable[[TierCandidate], bool] = lambda _: False) -> Credentials:
        """Find the credential to use; see `ant_wif.resolve` for what is raised."""
        resolution = self.resolution()
        return resolution.credentials(resolution.require(passing_over))


pass_session = click.make_pass_decorator(Session)


def global_options(*, hidden: bool = False) -> list[click.Parameter]:
    """Make the options anew: a parameter object belongs to one command."""
    options: list[click.Parameter] = [
        click.Option(
            [option, name],
            metavar=metavar,
            help=text,
            hidden=hidden,
            expose_value=False,
            callback=_remember,
            shell_complete=_COMPLETED.get(name),
        )
        for option, metavar, name, text in _OPTIONS
    ]
    options += [
        click.Option(
            ["--format", "format"], type=click.Choice(FORMATS), help="The form of data on stdout.",
            hidden=hidden, expose_value=False, callback=_remember,
        ),
        click.Option(
            ["--format-error", "format_error"], type=click.Choice(FORMATS), help="The form of an error on stderr.",
            hidden=hidden, expose_value=False, callback=_remember,
        ),
        click.Option(
            ["-r", "--raw-output", "raw_output"], is_flag=True, help="Print strings without quotes.",
            hidden=hidden, expose_value=False, callback=_remember,
        ),
        click.Option(
            ["--debug", "debug"], is_flag=True, help="Print each HTTP request and answer to stderr, secrets masked.",
            hidden=hidden, expose_value=False, callback=_remember,
        ),
    ]  # fmt: skip
    return options


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep an option that was given. What stands after the command beats what stands before it."""
    if value is None or value is False:
        return
    not_empty(context, parameter, value)
    session = context.ensure_object(Session)
    session.options[str(parameter.name)] = value
    if parameter.name == "debug":
        from ant_cli import _logging as logs

        logs.debug()
        session.at_end.callback(logs.stop)


def not_empty(context: click.Context, parameter: click.Parameter, value: object) -> object:
    """Refuse an option that was given, and is empty: what a shell makes of a variable that is not set."""
    if value == "":
        raise click.BadParameter("is empty; give it a value or leave it out", ctx=context, param=parameter)
    return value


class ReaderGoneError(Exception):
    """Whoever read our output has had enough, as `head` does."""


class AntCommand(click.Command):
    """A command that takes the global options too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["params"] = [*(options.get("params") or []), *global_options(hidden=True)]
        options.setdefault("epilog", "The options of `ant --help` may be given here too.")
        super().__init__(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. click would turn a closed pipe into exit status 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGoneError from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*super().shell_complete(ctx, incomplete), *completing.hidden_options(self, incomplete)]


class AntGroup(click.Group):
    """A group of such commands."""

    command_class = AntCommand

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["params"] = [*(options.get("params") or []), *global_options(hidden=True)]
        super().__init__(*arguments, **options)


class LazyGroup(click.Group):
    """A group that knows its commands by name and first line, and imports one when it is wanted."""

    def __init__(
        self,
        *arguments: Any,
        commands_by_name: Mapping[str, tuple[str, str]],
        aliases: Mapping[str, str],
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._by_name = commands_by_name
        self._aliases = aliases

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(self._by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        name = self._aliases.get(cmd_name, cmd_name)
        if name not in self._by_name:
            return None
        module, _, attribute = self._by_name[name][0].partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=self._by_name[name][1]) for name in named]
        # Not by click's own way, which imports every command to see whether it is hidden.
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._by_name[name][1]) for name in self.list_commands(ctx)])
