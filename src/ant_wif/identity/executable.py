"""Running a program that prints an identity token."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from ant_wif.errors import IdentitySourceError
from ant_wif.secrets import SecretStr, clean, scrub, show_path

__all__ = ["token_printed_by"]

TIMEOUT_SECONDS = 30.0
LARGEST_OUTPUT = 1 << 20
_SHOWN = 2048
_JWT = re.compile(rb"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$", re.MULTILINE)


def token_printed_by(
    command: Sequence[str], environ: Mapping[str, str], *, missing: str, timeout: float = TIMEOUT_SECONDS
) -> SecretStr:
    """Run a command, no shell involved, and return the JWT that stands alone on a line of its output.

    What it says besides, on stdout or stderr, is shown only if it fails, cleaned. `missing` is the
    hint for a program that is not there; `timeout` is in seconds.

    Raises:
        IdentitySourceError: it is missing, fails, takes too long, or prints no token, or two.
    """
    program = show_path(command[0])
    found = shutil.which(command[0], path=environ.get("PATH", ""))
    if found is None:
        raise IdentitySourceError(f"the program {program} is not on the PATH", hint=missing)
    outcome = _run([found, *command[1:]], environ, timeout)
    if isinstance(outcome, SecretStr):
        return outcome
    raise IdentitySourceError(
        f"the program {program} {outcome}", hint=f"run it by hand: {show_path(' '.join(command))}"
    )


def _run(command: Sequence[str], environ: Mapping[str, str], timeout: float) -> SecretStr | str:
    """Return the token, or what went wrong: this frame holds whatever was printed."""
    try:
        done = subprocess.run(  # noqa: S603 - an argument list that the user configured, and no shell
            command, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {timeout:g} seconds"
    except (OSError, ValueError) as error:
        return f"could not be run: {clean(error, limit=120)}"
    # Masked before it is cut, or the cut could leave the end of a token that begins nowhere.
    output = scrub((done.stderr or done.stdout)[-LARGEST_OUTPUT:].decode("utf-8", "replace").strip())
    said = clean(output[-_SHOWN:]) or "nothing"
    if done.returncode != 0:
        return f"failed with exit status {done.returncode}; it said: {said}"
    tokens = set(_JWT.findall(done.stdout[:LARGEST_OUTPUT].replace(b"\r\n", b"\n")))
    if len(tokens) == 1:
        return SecretStr(tokens.pop().decode("ascii"))
    if tokens:
        return f"printed {len(tokens)} different tokens, expected one"
    return f"printed no JWT on a line of its own; it said: {said}"
