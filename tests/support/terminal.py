"""`ant` as a person meets it: in a pseudo-terminal, or in a pipe, with an environment of its own."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pexpect
from pexpect.popen_spawn import PopenSpawn

ANT = str(Path(sys.executable).with_name("ant"))
PATIENCE_SECONDS = 60

_URL = re.compile(r"\n  (http://\S+/oauth/authorize\?\S+)\r?\n")


@contextmanager
def in_a_terminal(*words: str, environ: Mapping[str, str]) -> Iterator[pexpect.spawn[str]]:
    """Run `ant` in a pseudo-terminal, and end it with the block."""
    child = pexpect.spawn(
        ANT,
        list(words),
        env={"PATH": os.environ["PATH"], "TERM": "xterm", **environ},
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        dimensions=(50, 500),
    )
    child.delaybeforesend = None
    try:
        yield child
    finally:
        child.close(force=True)


@contextmanager
def in_a_pipe(*words: str, environ: Mapping[str, str], shell: str = 'exec "$@"') -> Iterator[PopenSpawn[str]]:
    """Run `ant` with pipes for its input and its output, both kinds of which are read as one."""
    child = PopenSpawn(
        ["sh", "-c", shell, "sh", ANT, *words],
        env={"PATH": os.environ["PATH"], **environ},
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
    )
    try:
        yield child
    finally:
        child.proc.kill()
        child.proc.communicate()


def printed_url(child: pexpect.spawn[str] | PopenSpawn[str]) -> str:
    """Wait for the next address that `ant auth login` prints."""
    child.expect(_URL)
    found = child.match
    assert isinstance(found, re.Match)
    return str(found[1])


def end_input(child: PopenSpawn[str]) -> None:
    """Close the input; pexpect's own way closes the object that it reads with as well."""
    assert child.proc.stdin is not None
    child.proc.stdin.close()
    child.proc.stdin = None


def rest(child: pexpect.spawn[str] | PopenSpawn[str]) -> tuple[int, str]:
    """Wait for the end; return the exit status, and what was printed since what was expected last."""
    child.expect(pexpect.EOF)
    text = child.before
    assert isinstance(text, str)
    if isinstance(child, PopenSpawn):
        return child.wait(), text
    child.close()
    return child.exitstatus if child.exitstatus is not None else -(child.signalstatus or 0), text
