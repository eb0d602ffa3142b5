"""What `ant` says to the runner of GitHub Actions: workflow commands, the job's summary and its variables.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ant_wif.secrets import SecretStr

__all__ = ["annotate", "export", "is_job", "mask", "summarize"]


def is_job(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


def mask(environ: Mapping[str, str], secret: SecretStr) -> None:
    """Have the runner mask a secret in the log of this job; say so before anything can print it."""
    if is_job(environ):
        click.echo(f"::add-mask::{_escaped(secret.get_secret_value())}", err=True)


def annotate(environ: Mapping[str, str], message: str, hint: str | None) -> None:
    """Show an error on the page of the run, not only in the log."""
    if is_job(environ):
        text = message if hint is None else f"{message}\nhint: {hint}"
        click.echo(f"::error title=ant::{_escaped(text)}", err=True)


def summarize(environ: Mapping[str, str], title: str, text: str) -> None:
    """Append to the job's summary. Raises ConfigurationError: there is none, or it cannot be written."""
    fence = "```"
    while fence in text:
        fence += "`"
    _append(environ, "GITHUB_STEP_SUMMARY", f"### {title}\n\n{fence}text\n{text}\n{fence}\n\n")


def export(environ: Mapping[str, str], variables: Mapping[str, str]) -> None:
    """Set variables for the later steps of the job. Raises ConfigurationError: that cannot be done."""
    from ant_wif.errors import ConfigurationError

    for name, value in variables.items():
        if not value.isprintable():
            raise ConfigurationError(f"{name} holds characters that no variable of a job can have")
    _append(environ, "GITHUB_ENV", "".join(f"{name}={value}\n" for name, value in variables.items()))


def _append(environ: Mapping[str, str], variable: str, text: str) -> None:
    from ant_wif.errors import ConfigurationError
    from ant_wif.secrets import show_path

    path = environ.get(variable)
    if not path:
        raise ConfigurationError(
            f"{variable} is not set, so this is no step of a GitHub Actions job",
            hint="leave the option out elsewhere than in GitHub Actions",
        )
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigurationError(
            f"{variable} names {show_path(path)}, which cannot be written: {error.strerror or type(error).__name__}",
            hint=f"{variable} is the runner's to set: leave it as it is",
        ) from None


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
