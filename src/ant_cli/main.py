"""Where `ant` begins: its commands by name.

A command's module is imported when the command runs, so `ant --version` costs no more than click.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Mapping, Sequence

import click

from ant_cli._click.groups import LazyGroup
from ant_cli._click.options import eager_option, global_options
from ant_cli._session import Session
from ant_wif._constants import __version__

DONE, INTERRUPTED = 0, 130

COMMANDS = {
    "Credentials": {
        "auth": "Manage authentication.",
        "cache": "Manage cached access tokens.",
        "exec": "Run a program with a credential that stays fresh.",
        "identity": "Inspect the workload's identity token.",
    },
    "Configuration": {
        "completion": "Print a shell completion script.",
        "profile": "Manage profiles.",
        "wif": "Manage Workload Identity Federation.",
    },
    "API": {
        "api": "Send a request to any API endpoint.",
        "messages": "Create messages and count their tokens.",
        "models": "List and retrieve models.",
    },
    "Tests": {
        "demo": "Run an end-to-end demo locally.",
        "emulator": "Run a local emulator of the Claude Platform.",
    },
    "Help": {
        "help": "Show the help of a command.",
        "version": "Show the version of ant-wif.",
    },
}


class ProgramGroup(LazyGroup):
    """The program itself, whose --version and --help stand with the diagnostics."""

    other_options = "Diagnostics"


@click.group(
    cls=ProgramGroup,
    package="ant_cli.commands",
    sections=COMMANDS,
    aliases={"@completion": "completion"},
    params=[
        *global_options(),
        eager_option(
            "--version", "-v", "-V", text="Show the version and exit.", say=lambda _: f"ant-wif {__version__}"
        ),
    ],
    context_settings={"help_option_names": ["--help", "-h"]},
    examples=(
        "ant auth status",
        "ant models list --transform id -r",
        "ant exec -- python app.py",
        "ant help auth login",
    ),
)
def cli() -> None:
    """Get Claude API credentials in CI and on your machine, without a stored key.

    This is ant-wif, not the official CLI of the same name. Global options work before and after the command.
    """


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run `ant` and return its exit status.

    0 done, 1 the operation failed, 2 wrong usage, 3 no usable credential, 4 denied by the server,
    130 interrupted.
    """
    session = Session(environ, is_guest=arguments is not None or environ is not None)
    _replace_what_has_no_encoding(session)
    try:
        outcome = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name=_name(arguments),
            standalone_mode=False,
            obj=session,
        )
        if sys.stdout is not None:  # it is where it was closed from the start
            sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort, so that no traceback is shown
        from ant_cli._failures import tell

        return tell(error, session, sys.argv[1:] if arguments is None else arguments)
    finally:
        session.at_end.close()
    return outcome if isinstance(outcome, int) else DONE


def _replace_what_has_no_encoding(session: Session) -> None:
    """Print a question mark for what the encoding of stdout does not have, instead of failing."""

    def set_errors(stream: io.TextIOWrapper, errors: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # it may be closed by now
            stream.reconfigure(errors=errors)

    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        set_errors(sys.stdout, "replace")
        session.at_end.callback(set_errors, sys.stdout, "strict")


def _name(arguments: Sequence[str] | None) -> str:
    """Return the name that this was called by: a shell completes the words after that."""
    called = os.path.basename(sys.argv[0]) if arguments is None and sys.argv else ""
    return "ant-wif" if called.startswith("ant-wif") else "ant"
