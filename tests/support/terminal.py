"""`ant` as a person meets it: in a pseudo-terminal, or in a pipe, with an environment of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Queue
from subprocess import PIPE, STDOUT
from typing import Any

import pexpect
from pexpect.popen_spawn import PopenSpawn
from pexpect.spawnbase import SpawnBase
from ptyprocess import PtyProcess

from support.preloaded import ANT, Popen

PATIENCE_SECONDS = 60

_URL = re.compile(r"\n  (http://\S+/oauth/authorize\?\S+)\r?\n")


class _Terminal(pexpect.spawn):
    """`pexpect.spawn` by `preloaded.Popen`."""

    def _spawnpty(self, args: list[bytes], *, env: Any, cwd: Any, dimensions: tuple[int, int], **_: Any) -> PtyProcess:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *dimensions, 0, 0))
        process = Popen(args, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=cwd, start_new_session=True)
        os.close(slave)
        process.returncode = 0  # pexpect itself waits for it
        return PtyProcess(process.pid, master)


class _Pipe(PopenSpawn):
    """`PopenSpawn` by `preloaded.Popen`."""

    def __init__(self, command: list[str], *, env: Mapping[str, str], encoding: str, timeout: int) -> None:
        SpawnBase.__init__(self, timeout=timeout, encoding=encoding)
        self.crlf = os.linesep
        self.proc = Popen(command, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=STDOUT, env=env)
        self.pid = self.proc.pid
        self.closed = False
        self._buf = ""
        self._read_queue = Queue()
        self._read_thread = threading.Thread(target=self._read_incoming, daemon=True)
        self._read_thread.start()


@contextmanager
def in_a_terminal(*words: str, environ: Mapping[str, str], columns: int = 500) -> Iterator[pexpect.spawn[str]]:
    """Run `ant` in a pseudo-terminal, and end it with the block."""
    child = _Terminal(
        ANT,
        list(words),
        env={"PATH": os.environ["PATH"], "TERM": "xterm", **environ},
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        dimensions=(50, columns),
    )
    child.delaybeforesend = None
    try:
        yield child
    finally:
        child.close(force=True)


@contextmanager
def in_a_pipe(*words: str, environ: Mapping[str, str], shell: str | None = None) -> Iterator[PopenSpawn[str]]:
    """Run `ant` with pipes for its input and its output, both kinds of which are read as one."""
    child = _Pipe(
        [ANT, *words] if shell is None else ["sh", "-c", shell, "sh", ANT, *words],
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
