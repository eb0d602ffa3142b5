"""`ant demo`: an end-to-end demo on this machine, without an account."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import time

import click

from ant_cli._click.groups import AntCommand
from ant_cli._session import Session
from ant_cli.commands.emulator import load_emulator


@click.command(cls=AntCommand, examples=("ant demo",))
def demo() -> None:
    """Run an end-to-end demo locally.

    Starts the emulator, acts as a GitHub Actions job, exchanges its identity token and calls the API.
    """
    from ant_cli.commands.auth.status import lines
    from ant_wif._api import Api
    from ant_wif._secrets import mask
    from ant_wif.diagnostics.describe import describe

    with load_emulator()() as emulator, tempfile.TemporaryDirectory(prefix="ant-demo-") as home:
        # Only the variables of the job: nothing else of this machine is used.
        job = Session(emulator.env("github") | {"HOME": home})
        click.echo(f"1. The emulator of the Claude Platform listens on {emulator.base_url}.")
        click.echo(
            "2. This process has the environment of a GitHub Actions job with `id-token: write`. No key is stored."
        )
        resolution = job.resolution()
        click.echo("3. `ant auth status` in the job's log, before any request:")
        for line in lines(describe(resolution), home=home, now=time.time()):
            click.echo(f"   | {line}".rstrip())
        credentials = resolution.credentials(resolution.require())
        click.echo("4. The job's identity token is exchanged for an access token:")
        token = credentials.access_token()
        left = "" if token.expires_at is None else f", expires in {token.expires_at - time.time():.0f} seconds"
        click.echo(f"   | {mask(token.secret)}{left}")
        click.echo("5. The available models, from GET /v1/models:")
        with Api(credentials) as api:
            for model in api.items("/v1/models"):
                click.echo(f"   | {model['id']}")
        click.echo(f"6. {_under_exec(job)}")
        count = emulator.exchanges
        click.echo(f"7. Total: {count} exchange{'' if count == 1 else 's'}")


def _under_exec(job: Session) -> str:
    """Run a program that uses the official SDK, if the SDK is installed."""
    if importlib.util.find_spec("anthropic") is None:
        return "The official SDK is not installed. `ant exec -- COMMAND` would provide it with the same credential."
    program = "import anthropic; print('   | ' + next(iter(anthropic.Anthropic().models.list())).id)"
    command = [sys.executable, "-m", "ant_cli", "exec", "--", sys.executable, "-c", program]
    done = subprocess.run(command, env=dict(job.environ), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise click.ClickException(f"the official SDK's program failed: {done.stderr.strip()}")
    return f"`ant exec` provides the same credential to a program that uses the official SDK:\n{done.stdout.rstrip()}"
