"""`ant emulator`: run a local emulator of the Claude Platform."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import threading
from typing import TYPE_CHECKING

import click

from ant_cli._click.groups import AntCommand, AntGroup
from ant_cli._click.options import Number, not_empty
from ant_cli._output import say
from ant_cli._session import Session, pass_session

if TYPE_CHECKING:
    from ant_wif.emulator import Emulator

INSTALL = "pip install 'ant-wif[emulator]'"
_PLATFORMS = (
    "github", "github-immutable", "google_cloud", "aws", "azure", "azure-vm", "azure-aks", "kubernetes", "gitlab",
    "bitbucket", "terraform_cloud", "spacelift", "semaphore", "vercel", "azure_pipelines", "fly", "circleci",
    "buildkite", "oauth", "url", "spiffe",
)  # fmt: skip
"""Stated here too: the emulator need not be installed where another one runs, and its import takes time."""


@click.group(
    cls=AntGroup,
    on_failure=1,
    invoke_without_command=True,
    examples=(
        "ant emulator",
        "ant emulator --port 8700 --config seed.yaml",
        "ant emulator env --platform github --url http://127.0.0.1:8700",
    ),
)
@click.option(
    "--host",
    metavar="ADDRESS",
    callback=not_empty,
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    default=0,
    type=Number(0, 65535),
    help="Port to listen on; 0 means any free port.",
    show_default=True,
)
@click.option(
    "--i-know-this-is-not-secure", "insecure", is_flag=True, help="Allow an address that other machines can reach."
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Seed file in YAML: workspaces, rules and so on.",
)
@click.option("--quiet", "-q", is_flag=True, help="Do not print a line for each request.")
@click.pass_context
def emulator(context: click.Context, host: str, port: int, config: str | None, *, insecure: bool, quiet: bool) -> None:
    """Run a local emulator of the Claude Platform.

    It prints a line for each request, and runs until Ctrl-C.
    """
    if context.invoked_subcommand is not None:
        return
    from ant_wif.errors import AntWifError, ConfigurationError

    Emulator = load_emulator()  # noqa: N806 - a class
    try:
        running = Emulator(host, port, allow_remote=insecure, config=config, print_line=None if quiet else _print_line)
    except ConfigurationError as error:
        raise click.UsageError(f"{error}; {error.hint}") from None
    except ValueError as error:
        raise click.UsageError(f"{error}; add --i-know-this-is-not-secure if that is meant") from None
    try:
        running.start()
    except OSError as error:
        # The text of asyncio repeats the address; an error of the resolver has a negative number.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
        raise AntWifError(f"cannot listen on {host}:{port}: {reason}", hint="use another --port or --host") from None
    with running:
        click.echo(f"listening on {running.base_url}", err=True)
        click.echo(f"requests, exchanges and reasons of denials: {running.base_url}/_emulator/", err=True)
        click.echo("to act as a GitHub Actions job in another shell, run there:", err=True)
        click.echo(f'  eval "$(ant emulator env --platform github --url {running.base_url})"', err=True)
        threading.Event().wait()


def _print_line(line: str) -> None:
    # The terminal may be gone; the requests are answered all the same.
    with contextlib.suppress(OSError):
        say(line, err=True)


@emulator.command(
    cls=AntCommand,
    examples=(
        'eval "$(ant emulator env --url http://127.0.0.1:8700)"',
        "ant emulator env --platform gitlab --url http://127.0.0.1:8700 --format json",
    ),
)
@click.option(
    "--platform",
    callback=not_empty,
    default="github",
    show_default=True,
    metavar="NAME",
    shell_complete=lambda _context, _parameter, typed: [each for each in _PLATFORMS if each.startswith(typed)],
    help=f"Platform to emulate: {', '.join(_PLATFORMS)}.",
)
@click.option(
    "--url", callback=not_empty, metavar="URL", help="URL of the running emulator. Default: ANT_EMULATOR_URL."
)
@pass_session
def env(session: Session, platform: str, url: str | None) -> None:
    """Print the variables that select a running emulator."""
    from ant_wif._http import Request, RequestFailure, check_url, run, send
    from ant_wif._secrets import sanitize
    from ant_wif.errors import AntWifError

    base_url = url or session.environ.get("ANT_EMULATOR_URL")
    if not base_url:
        raise click.UsageError("missing option '--url': the address that `ant emulator` printed")
    base_url = check_url(base_url, what="--url", environ=session.environ)
    answer = run(send(Request("GET", f"{base_url}/_emulator/env/{platform}")))
    if isinstance(answer, RequestFailure):
        raise AntWifError(
            f"the emulator at {base_url} could not be reached: {answer.reason}", hint="start one with `ant emulator`"
        )
    variables = None
    with contextlib.suppress(ValueError):
        variables = json.loads(answer.body)
    if answer.status == 404 and isinstance(variables, dict) and isinstance(variables.get("error"), dict):
        summary, _, known = sanitize(variables["error"].get("message"), limit=1024).partition("; ")
        raise AntWifError(summary, facts=[known] if known else [], hint="correct --platform")
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise AntWifError(f"{base_url} is not an emulator of this version", hint="start one with `ant emulator`")
    if session.format == "json":
        click.echo(json.dumps(variables, indent=2))
        return
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def load_emulator() -> type[Emulator]:
    try:
        from ant_wif.emulator import Emulator
    except ModuleNotFoundError as error:
        raise click.ClickException(f"the emulator needs {error.name}: {INSTALL}") from None
    return Emulator
