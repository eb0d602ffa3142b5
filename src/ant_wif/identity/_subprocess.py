"""Running a program that prints an identity token."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence

from ant_wif._environment import Pipes, kill_group, span
from ant_wif._files import wide_text
from ant_wif._http import Flow, call, pause
from ant_wif._secrets import SecretStr, decoded_part, redact, sanitize, sanitize_path
from ant_wif.errors import IdentitySourceError

TIMEOUT_SECONDS = 30.0
PAUSE_SECONDS = 1.0
LARGEST_OUTPUT = 1 << 20
_SHOWN = 2048
_MOST_WORDS = 16
_POLL_SECONDS = 0.05
_JWT = re.compile(rb"^([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$", re.MULTILINE)


class ProgramError(IdentitySourceError):
    """The program ran, and printed no token."""


def token_printed_by(
    command: Sequence[str], environ: Mapping[str, str], *, missing: str, timeout: float = TIMEOUT_SECONDS
) -> SecretStr:
    """Run a command, no shell involved, and return the JWT that stands alone on a line of its output.

    What it says on stderr is shown only if it fails, cleaned; what it prints on stdout never is, for
    that is where a credential stands. `missing` is the hint for a program that is not there;
    `timeout` is in seconds.

    Raises IdentitySourceError: it is missing, fails, takes too long, or prints no token, or two.
    """
    program = sanitize_path(command[0])
    found = shutil.which(command[0], path=environ.get("PATH", ""))
    if found is None:
        if os.path.dirname(command[0]):
            hint = f"run `ls -l {program}`: the path must name a file that this user may run"
            raise IdentitySourceError(f"the program {program} does not exist or cannot be run", hint=hint)
        raise IdentitySourceError(f"the program {program} is not on the PATH", hint=missing)
    outcome = _run([found, *command[1:]], environ, timeout)
    if isinstance(outcome, SecretStr):
        return outcome
    raise ProgramError(f"the program {program} {outcome}", hint=f"run it by hand: {sanitize_path(shlex.join(command))}")


def token_of_agent(command: Sequence[str], environ: Mapping[str, str], *, missing: str) -> Flow[SecretStr]:
    """Run a CI system's own program, a second time if it fails: the server that it asks may fail for a moment.

    Raises IdentitySourceError: as `token_printed_by` does.
    """
    try:
        return (yield from call(lambda: token_printed_by(command, environ, missing=missing)))
    except ProgramError:
        yield from pause(PAUSE_SECONDS)
    return (yield from call(lambda: token_printed_by(command, environ, missing=missing)))


def _run(command: Sequence[str], environ: Mapping[str, str], timeout: float) -> SecretStr | str:
    """Return the token, or what went wrong: this frame holds whatever was printed."""
    stdout, stderr = bytearray(), bytearray()
    try:
        with subprocess.Popen(  # noqa: S603 - an argument list that the user configured, and no shell
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            trouble: str | None = "was interrupted"
            try:
                trouble = _read(process, stdout, stderr, timeout)
            finally:
                if trouble:
                    kill_group(process)
    except (OSError, ValueError) as error:
        return f"could not be run: {getattr(error, 'strerror', None) or sanitize(error, limit=120)}"
    if trouble:
        return trouble
    # Masked before it is cut, or the cut could leave the end of a token that begins nowhere.
    complaint = redact(stderr.decode("utf-8", "replace").strip(), _opaque_words(stdout))
    said = f"stdout: {_kind(stdout)}; stderr: {sanitize(complaint[-_SHOWN:]) or 'nothing'}"
    if process.returncode != 0:
        status = process.returncode
        ended = f"was ended by signal {-status}" if status < 0 else f"failed with exit status {status}"
        return f"{ended}; {said}"
    lines = _JWT.finditer(stdout.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n"))
    # The header tells a JWT from three words with dots between them.
    tokens = {line.group() for line in lines if isinstance(decoded_part(line.group(1).decode("ascii")), dict)}
    if len(tokens) == 1:
        return SecretStr(tokens.pop().decode("ascii"))
    if tokens:
        return f"printed {len(tokens)} different tokens, expected one"
    return f"printed no JWT on a line of its own; {said}"


def _read(process: subprocess.Popen[bytes], stdout: bytearray, stderr: bytearray, timeout: float) -> str | None:
    """Collect what a program prints until it has ended, or return why it is to be stopped.

    A program that it started may hold its pipes open for longer: that one is not waited for.
    """
    deadline = time.monotonic() + timeout
    late = f"did not end within {span(timeout)}"
    assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018  # both are pipes
    with contextlib.closing(Pipes((process.stdout, stdout), (process.stderr, stderr))) as pipes:
        while pipes.is_open:
            left = deadline - time.monotonic()
            if left <= 0:
                return late
            # Asked first: what it wrote stands in the pipes once it has ended.
            ended = process.poll() is not None
            if not pipes.read(0 if ended else min(left, _POLL_SECONDS)) and ended:
                return None
            if len(stdout) > LARGEST_OUTPUT:
                return f"printed more than {LARGEST_OUTPUT} bytes"
            del stderr[:-LARGEST_OUTPUT]
    try:
        process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        return late
    return None


def _opaque_words(printed: bytearray) -> list[SecretStr]:
    """Return what may be a credential in another place than where it belongs, whatever it looks like."""
    words = re.findall(r"[^\s\"',;]{20,}", printed.decode("utf-8", "replace"))
    return [SecretStr(word) for word in words[:_MOST_WORDS]]


def _kind(printed: bytearray) -> str:
    """Say what was printed without quoting it."""
    if not printed.strip():
        return "nothing"
    if wide := wide_text(bytes(printed[:4])):
        return f"{len(printed)} bytes of {wide} text, where UTF-8 is expected"
    try:
        text = printed.decode("utf-8")
    except UnicodeDecodeError:
        return f"{len(printed)} bytes of no text"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return f"{len(printed)} bytes of text"
    return f"{len(printed)} bytes of JSON"
