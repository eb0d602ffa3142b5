"""The programs of a shell that `preloaded` starts for it: a client of the process that forks them.

It imports next to nothing, for it is started as often as they are. `_socket` is what `socket` is made of.
"""

from __future__ import annotations

import _socket
import marshal
import os
import signal
import sys
from collections.abc import Mapping, Sequence

__all__ = ["kind_of", "main"]


def kind_of(words: Sequence[str], environ: Mapping[str, str], heavy: str = "") -> str | None:
    """Return which of the parents has what a program needs, or `None` where it is to be started as ever.

    `heavy` is the one for pytest, a worker of pytest-xdist, and a program of the official SDK.
    """
    locale = (environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    ordinary = not {name for name in environ if name.startswith("PYTHON")} - {"PYTHONIOENCODING"} and all(
        value in {"", "C", "POSIX"} or "UTF" in value.upper() for value in locale
    )
    if not ordinary or sys.platform != "linux":
        return None
    if words[0] == f"{os.path.dirname(sys.executable)}/ant":
        return "ant"
    options = words[3:] if words[1:3] == ["-W", "error"] else words[2:] if words[1:2] == ["-u"] else words[1:]
    if words[0] != sys.executable or not options or options[0] not in {"-m", "-c"}:
        return None
    if options[0] == "-c" and "import anthropic" in options[1]:
        return heavy or "sdk"
    is_worker = options[1:] == ["import sys;exec(eval(sys.stdin.readline()))"]
    return heavy or "pytest" if options[:2] == ["-m", "pytest"] or is_worker else "ant"


def main(folder: str, heavy: str, program: str) -> None:
    """Be the program: let it be forked by a parent whose socket is in this folder, and end as it does."""
    words = [program, *sys.argv[1:]]
    kind = kind_of(words, os.environ, heavy)
    if kind is None:
        os.execv(program, words)
    umask = os.umask(0o77)
    os.umask(umask)
    request = os.memfd_create("request")
    # What a worker of this suite starts with its interpreter, it forks itself, or starts for a reason.
    executable = None if heavy == "worker" else f"{os.path.dirname(sys.argv[0])}/python"
    os.write(request, marshal.dumps((words, dict(os.environ), os.getcwd(), False, umask, executable)))
    server = _socket.socket(_socket.AF_UNIX)
    server.connect(f"{folder}/{kind}")
    fds = b"".join(fd.to_bytes(4, sys.byteorder) for fd in (0, 1, 2, request))
    server.sendmsg([b"."], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fds)])
    pid = int.from_bytes(server.recv(4), "little")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(pid, number))
    status = os.waitstatus_to_exitcode(int.from_bytes(server.recv(4), "little"))
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
