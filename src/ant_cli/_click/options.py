"""The options that stand before or after a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ant_cli._click import completing
from ant_cli._session import Session


class Number(click.IntRange):
    name = "number"  # which the help shows in capitals


FORMATS = ("auto", "json", "jsonl", "yaml", "raw")

# Option, metavar, name in the session, help.
_CREDENTIAL: tuple[tuple[str, str, str, str], ...] = (
    ("--profile", "NAME", "profile", "Profile to use."),
    ("--api-key", "KEY", "api_key", "API key to use. Other users may see it in the process list."),
    ("--auth-token", "TOKEN", "auth_token", "Bearer token to use. Other users may see it too."),
    ("--base-url", "URL", "base_url", "API host. Default: https://api.anthropic.com."),
    ("--organization-id", "UUID", "organization_id", "Organization ID."),
    ("--workspace-id", "ID", "workspace_id", "Workspace ID: wrkspc_... or default."),
)
_FEDERATION: tuple[tuple[str, str, str, str], ...] = (
    ("--federation-rule", "ID", "federation_rule_id", "Federation rule ID: fdrl_..."),
    ("--service-account-id", "ID", "service_account_id", "Service account ID: svac_..."),
    ("--identity-token", "JWT", "identity_token", "Identity token to exchange."),
    ("--identity-token-file", "PATH", "identity_token_file", "File that contains the identity token."),
    (
        "--identity-source", "NAME", "identity_source",
        "Identity source: auto, none, or a name that `ant identity detect` lists.",
    ),
)  # fmt: skip
_TRANSFORM = ("--transform", "EXPR", "transform", "JMESPath expression to apply to each item.")
OPTION_GROUPS = {
    **{name: "Credential options" for _, _, name, _ in _CREDENTIAL},
    **{name: "Federation options" for _, _, name, _ in _FEDERATION},
    **dict.fromkeys(("transform", "format", "format_error", "color", "raw_output"), "Output options"),
    "debug": "Diagnostics",
}
"""The group in the help of each global option, by its name."""
_COMPLETED = {"profile": completing.profiles, "identity_token_file": completing.files}


def global_options(*, hidden: bool = False) -> list[click.Parameter]:
    """Make the options anew: a parameter object belongs to one command."""
    own: tuple[tuple[list[str], dict[str, Any]], ...] = (
        *(
            ([option, name], {"metavar": metavar, "help": text, "shell_complete": _COMPLETED.get(name)})
            for option, metavar, name, text in (*_CREDENTIAL, *_FEDERATION, _TRANSFORM)
        ),
        (["--format"], {"type": click.Choice(FORMATS), "help": "Format of data on stdout."}),
        (["--format-error"], {"type": click.Choice(FORMATS), "help": "Format of errors on stderr."}),
        (
            ["--color"],
            {"type": click.Choice(("auto", "always", "never")), "help": "Color of the output. Default: auto."},
        ),
        (["-r", "--raw-output"], {"is_flag": True, "help": "Print strings without JSON quotes."}),
        (
            ["--debug"],
            {"is_flag": True, "help": "Print each HTTP request and response to stderr, with secrets masked."},
        ),
    )
    return [click.Option(names, hidden=hidden, expose_value=False, callback=_remember, **more) for names, more in own]


def eager_option(*names: str, text: str, say: Callable[[click.Context], str]) -> click.Option:
    """Return an option that prints what `say` returns instead of running the command."""

    def answer(context: click.Context, parameter: click.Parameter, value: object) -> None:
        del parameter
        if value and not context.resilient_parsing:
            click.echo(say(context), color=context.color)
            context.exit()

    return click.Option(names, is_flag=True, is_eager=True, expose_value=False, help=text, callback=answer)


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep an option that was given. An option after the command overrides one before it."""
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
