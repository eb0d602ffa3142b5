"""What `ant` says to the runner of GitHub Actions: workflow commands, the job's summary and its variables.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ant_cli._logging import try_to_say

if TYPE_CHECKING:
    from ant_wif._secrets import SecretStr

_OF_GITHUB = ("GH_TOKEN", "GITHUB_TOKEN")
_OF_SERVER = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")


def token_for(environ: Mapping[str, str], api_url: str) -> SecretStr | None:
    """Return a token for GitHub's REST API at this URL, from the variables that `gh` knows, or else from `gh`.

    A token for github.com does not go to a server, and one for a server only to the server that a variable names:
    https://cli.github.com/manual/gh_help_environment
    """
    from urllib.parse import urlsplit

    from ant_wif._secrets import SecretStr

    host = (urlsplit(api_url).hostname or "").removeprefix("api.")
    is_server = urlsplit(api_url).path == "/api/v3"
    urls = (environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_API_URL"))
    named = {environ.get("GH_HOST", "").lower(), *(urlsplit(url).hostname for url in urls)}
    for variable in (_OF_SERVER if host in named else ()) if is_server else _OF_GITHUB:
        if environ.get(variable):
            return SecretStr(environ[variable].strip())
    return _token_of_gh({name: value for name, value in environ.items() if name not in _OF_SERVER}, host)


def _token_of_gh(environ: Mapping[str, str], host: str) -> SecretStr | None:
    """Return the token that `gh` keeps for a host; `None` where there is no `gh`, or it has none."""
    import shutil
    import subprocess

    from ant_wif._secrets import SecretStr

    program = shutil.which("gh", path=environ.get("PATH", ""))
    if program is None:
        return None
    try:
        found = subprocess.run(  # noqa: S603 - an argument list, and no shell
            [program, "auth", "token", "--hostname", host],
            env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False,
        )  # fmt: skip
        token = SecretStr(found.stdout.decode("ascii").strip())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return token if found.returncode == 0 and token.get_secret_value() else None


def is_job(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


def mask(environ: Mapping[str, str], secret: SecretStr, *, amid: bool = False) -> None:
    """Have the runner mask a secret in the log of this job; say so before anything can print it.

    The runner obeys at the start of a line only: `amid` the output of another program, a new one is begun.
    """
    if is_job(environ):
        try_to_say(f"{os.linesep if amid else ''}::add-mask::{_escaped(secret.get_secret_value())}")


def annotate(environ: Mapping[str, str], summary: str) -> None:
    """Show an error on the page of the run, not only in the log: its first line, the log has the rest."""
    if is_job(environ):
        from ant_wif._secrets import harmless

        first = summary.partition("\n")[0]
        try_to_say(f"::error title=ant::{_escaped(harmless(first))}")


def summarize(environ: Mapping[str, str], title: str, text: str) -> None:
    """Append to the job's summary. Raises ConfigurationError: there is none, or it cannot be written."""
    fence = "```"
    while fence in text:
        fence += "`"
    _append(environ, "GITHUB_STEP_SUMMARY", lambda: f"### {title}\n\n{fence}text\n{text}\n{fence}\n\n")


def export(environ: Mapping[str, str], variables: Mapping[str, SecretStr]) -> None:
    """Set variables for the later steps of the job. Raises ConfigurationError: that cannot be done."""
    _set(environ, "GITHUB_ENV", variables)


def set_outputs(environ: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Set outputs of this step. Raises ConfigurationError: that cannot be done."""
    from ant_wif._secrets import SecretStr

    _set(environ, "GITHUB_OUTPUT", {name: SecretStr(value) for name, value in outputs.items()})


def _set(environ: Mapping[str, str], file: str, values: Mapping[str, SecretStr]) -> None:
    from ant_wif.errors import ConfigurationError

    for name, value in values.items():
        if not value.get_secret_value().isprintable():
            raise ConfigurationError(f"{name} holds characters that no variable of a job can have")
    _append(environ, file, lambda: "".join(f"{name}={value.get_secret_value()}\n" for name, value in values.items()))


def _append(environ: Mapping[str, str], variable: str, text: Callable[[], str]) -> None:
    from ant_wif._secrets import sanitize_path
    from ant_wif.errors import ConfigurationError

    path = environ.get(variable)
    if not path:
        raise ConfigurationError(
            f"{variable} is not set, so this is not a step of a GitHub Actions job",
            hint="use the option in GitHub Actions only",
        )
    try:
        # The runner's file is there; one that is not is for this user only, whatever the umask.
        with open(path, "a+b", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(text().encode())
    except OSError as error:
        is_kind = {
            "directory": Path.is_dir,
            "pipe": Path.is_fifo,
            "socket": Path.is_socket,
            "device": Path.is_char_device,
        }
        is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        kind = None if is_full else next((kind for kind, found in is_kind.items() if found(Path(path))), None)
        raise ConfigurationError(
            f"{variable} names {sanitize_path(path)}, which "
            + (f"is a {kind}, not a file" if kind else f"cannot be written: {error.strerror or type(error).__name__}"),
            hint="free some space there" if is_full else f"{variable} is the runner's to set: leave it as it is",
        ) from None


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
