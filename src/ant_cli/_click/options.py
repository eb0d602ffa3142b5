"""The options that stand before or after a command."""

from __future__ import annotations

from typing import Any

import click

from ant_cli._click import completing
from ant_cli._session import Session

__all__ = ["global_options", "not_empty"]

FORMATS = ("auto", "json", "jsonl", "yaml", "raw")

# Option, metavar, name in the session, help.
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


def global_options(*, hidden: bool = False) -> list[click.Parameter]:
    """Make the options anew: a parameter object belongs to one command."""
    own: tuple[tuple[list[str], dict[str, Any]], ...] = (
        *(
            ([option, name], {"metavar": metavar, "help": text, "shell_complete": _COMPLETED.get(name)})
            for option, metavar, name, text in _OPTIONS
        ),
        (["--format"], {"type": click.Choice(FORMATS), "help": "The form of data on stdout."}),
        (["--format-error"], {"type": click.Choice(FORMATS), "help": "The form of an error on stderr."}),
        (["-r", "--raw-output"], {"is_flag": True, "help": "Print strings without quotes."}),
        (["--debug"], {"is_flag": True, "help": "Print each HTTP request and answer to stderr, secrets masked."}),
    )
    return [click.Option(names, hidden=hidden, expose_value=False, callback=_remember, **more) for names, more in own]


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
