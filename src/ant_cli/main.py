"""Where `ant` begins: its commands by name, and what becomes of an error.

A command's module is imported when the command runs, so `ant --version` costs no more than click.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import click

from ant_cli.options import LazyGroup, ReaderGoneError, Session, global_options
from ant_wif._version import __version__
from ant_wif.errors import AntWifError

__all__ = ["cli", "main"]

DONE, FAILED, NO_CREDENTIAL, DENIED, INTERRUPTED = 0, 1, 3, 4, 130

COMMANDS = {
    "auth": ("ant_cli.auth:auth", "See, print and forget credentials."),
    "cache": ("ant_cli.cache:cache", "See and forget the tokens that processes share."),
    "completion": ("ant_cli.completion:completion", "Print a script that completes commands in your shell."),
    "exec": ("ant_cli.exec:exec_", "Run a program with a credential that stays fresh."),
    "demo": ("ant_cli.demo:demo", "Tell the whole story on this machine, without an account."),
    "emulator": ("ant_cli.emulator:emulator", "Run a local stand-in for the Claude Platform."),
    "identity": ("ant_cli.identity:identity", "Look at the identity token of this machine or job."),
    "models": ("ant_cli.models:models", "Look at the models that the credential may use."),
    "profile": ("ant_cli.profile:profile", "See, make and change profiles."),
}


@click.group(
    cls=LazyGroup,
    commands_by_name=COMMANDS,
    aliases={"@completion": "completion"},
    params=global_options(),
    context_settings={"help_option_names": ["--help", "-h"]},
)
@click.version_option(__version__, prog_name="ant", message="ant %(version)s (ant-wif)")
def cli() -> None:
    """Claude API credentials for people and CI jobs, without a stored key.

    The options below may stand before or after the command.
    """


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run `ant` and return its exit status.

    0 done, 1 the operation failed, 2 wrong usage, 3 no usable credential, 4 denied by the server,
    130 interrupted.
    """
    session = Session(os.environ if environ is None else environ, is_guest=environ is not None)
    try:
        outcome = cli.main(
            args=None if arguments is None else list(arguments), prog_name="ant", standalone_mode=False, obj=session
        )
        if sys.stdout is not None:  # it is where it was closed from the start
            sys.stdout.flush()
    except click.ClickException as error:
        return _say(session, error.format_message(), _usage_hint(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except (BrokenPipeError, ReaderGoneError):
        _fall_silent()
        return session.reader_gone
    except AntWifError as error:
        _trace(session, error)
        status = _say(session, str(error), error.hint, _status(error, session))
        if session.after_error is not None:
            session.after_error()
        return status
    except Exception as error:  # noqa: BLE001 - the last resort, so that nobody is shown a traceback
        _trace(session, error)
        return _say(session, *_unexpected(error), FAILED)
    return outcome if isinstance(outcome, int) else DONE


def _trace(session: Session, error: Exception) -> None:
    if session.debug:
        import traceback

        from ant_wif.secrets import scrub

        click.echo(scrub("".join(traceback.format_exception(error))), err=True, nl=False)


def _status(error: AntWifError, session: Session) -> int:
    from ant_wif.errors import ConfigurationError, IdentityTokenError, LoginError, NoCredentialsError

    if getattr(error, "status", None) in {401, 403}:
        return DENIED
    if session.failure is not None:
        return session.failure
    if isinstance(error, (ConfigurationError, IdentityTokenError, LoginError, NoCredentialsError)):
        return NO_CREDENTIAL
    return FAILED


def _say(session: Session, message: str, hint: str | None, status: int) -> int:
    from ant_cli import github

    try:
        click.echo(f"error: {message}", err=True)
        if hint:
            click.echo(f"hint: {hint}", err=True)
        github.annotate(session.environ, message, hint)
    except BrokenPipeError:
        _fall_silent()
    return status


def _fall_silent() -> None:
    from ant_cli.logs import fall_silent

    fall_silent(sys.stdout, sys.stderr)


def _usage_hint(error: click.ClickException) -> str | None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path} --help" if context else None


def _unexpected(error: Exception) -> tuple[str, str]:
    from ant_wif.secrets import clean

    return (
        f"unexpected {type(error).__name__}: {clean(error)}",
        "this is a mistake in ant-wif: run again with --debug and report what it prints",
    )
