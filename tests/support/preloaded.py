"""Programs in Python that start at once: processes of their own, forked from one that has imported what they need.

    done = preloaded.run([ANT, "auth", "status"], env=environ)

To import costs most programs more than to do what a test asks of them. All else is as `subprocess` has it: a process
is a child of the one that asks for it, and is waited for, signalled and read as any other. Where the start itself
matters, with an interpreter's options or variables, or where the system is not Linux, it is a start as ever.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["ANT", "Popen", "run"]

ANT = str(Path(sys.executable).with_name("ant"))
_CLIENT = ["httpx", "httpcore", "pydantic", "pydantic_settings", "filelock", "click", "yaml"]
_IMPORTED = {
    "ant": [*_CLIENT, "ant_cli.main", "ant_wif._resolution", "ant_wif._http.transport", "ant_wif._tokens"],
    # Not the plugin itself, which pytest rewrites.
    "pytest": [
        *_CLIENT, "pytest", "_pytest.pytester", "_pytest.junitxml", "_pytest.unittest", "asyncio", "anyio",
        "jwt.algorithms", "uvicorn.lifespan.off", "uvicorn.protocols.http.h11_impl", "ant_wif.emulator._app",
        "ant_wif.emulator.emulator", "ant_wif._resolution", "ant_wif._http.transport", "ant_wif._tokens",
    ],
}  # fmt: skip
_PR_SET_CHILD_SUBREAPER = 36

# The program is the child of a child that ends: it becomes one of the process that asks for it. It begins after that.
_PARENT = """
import atexit, fcntl, gc, importlib, os, pickle, runpy, signal, socket, sys, termios, threading, time, warnings

control = socket.socket(fileno=int(sys.argv[1]))
del sys.path[0]
for name in sys.argv[2:]:
    importlib.import_module(name)
    if "_pytest.assertion.rewrite" in sys.modules:  # it warns of plugins' names that it did not import itself
        hook = sys.modules["_pytest.assertion.rewrite"].AssertionRewritingHook
        sys.modules[name.partition(".")[0]].__loader__ = hook.__new__(hook)
gc.collect()
gc.freeze()


def begin(fds):
    with open(fds.pop(), "rb") as request:
        request.seek(0)
        words, environ, cwd, new_session = pickle.load(request)
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
        os.close(fd)
    if new_session:
        os.setsid()
        if os.isatty(0):
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    encoding = environ.get("PYTHONIOENCODING", "utf-8")
    errors = "strict" if "PYTHONIOENCODING" in environ else "surrogateescape"
    sys.stdin = sys.__stdin__ = open(0, encoding=encoding, errors=errors)
    for number, name, errors in ((1, "stdout", errors), (2, "stderr", "backslashreplace")):
        stream = open(number, "w", encoding=encoding, errors=errors)
        stream.reconfigure(line_buffering=number == 2 or stream.isatty())
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    return words


while True:
    message, fds, _, _ = socket.recv_fds(control, 1, 4)
    if not message:
        os._exit(0)
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        for fd in fds:
            os.close(fd)
        continue
    between = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == between:
        time.sleep(0.0002)
    control.send(os.getpid().to_bytes(4, "little"))
    control.close()
    program, *rest = begin(fds)
    break

status = 0
if rest[:2] == ["-W", "error"]:
    warnings.simplefilter("error")
    del rest[:2]
try:
    if rest[:1] == ["-m"]:
        sys.path.insert(0, os.getcwd())
        sys.argv = rest[1:]
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    elif rest[:1] == ["-c"]:
        sys.path.insert(0, "")
        sys.argv = ["-c", *rest[2:]]
        exec(compile(rest[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [program, *rest]
        from ant_cli.main import main
        status = main()
except SystemExit as end:
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
    status = 1 if isinstance(end.code, str) else end.code or 0
except BaseException as error:
    sys.excepthook(type(error), error, error.__traceback__)
    status = 1
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
# What an interpreter does at its end, but for taking down all that was imported, which costs more than the program.
threading._shutdown()
atexit._run_exitfuncs()
for stream in (sys.stdout, sys.stderr):
    try:
        stream.flush()
    except (AttributeError, OSError, ValueError):
        pass
os._exit(status)
"""

_lock = threading.Lock()
_started: dict[str, socket.socket] = {}


def _parent(kind: str) -> socket.socket:
    if kind not in _started:
        ours, theirs = socket.socketpair()
        with theirs:
            words = [sys.executable, "-c", _PARENT, str(theirs.fileno()), *_IMPORTED[kind]]
            environ = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
            # It ends with the other end of its socket, that is with this process.
            process = subprocess.Popen(
                words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environ, cwd="/"
            )
            process.returncode = 0  # so that it is not waited for
        atexit.register(ours.close)
        _started[kind] = ours
    return _started[kind]


def _kind(words: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Return which of the parents has what a program needs, or `None` where it is to be started as ever."""
    locale = (environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    ordinary = not {name for name in environ if name.startswith("PYTHON")} - {"PYTHONIOENCODING"} and all(
        value in {"", "C", "POSIX"} or "UTF" in value.upper() for value in locale
    )
    if not ordinary or sys.platform != "linux":
        return None
    if words[0] == ANT:
        return "ant"
    options = words[3:] if words[1:3] == ["-W", "error"] else words[1:]
    if words[0] == sys.executable and options[0] in {"-m", "-c"}:
        return "pytest" if options[:2] == ["-m", "pytest"] else "ant"
    return None


class Popen(subprocess.Popen[Any]):
    """`subprocess.Popen`, quicker for `ant`, and for this interpreter with `-m` or `-c`, also behind `-W error`."""

    def _execute_child(
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *more,
    ) -> None:  # fmt: skip
        environ = dict(os.environ if env is None else env)
        words = [os.fsdecode(word) for word in args]
        kind = _kind(words, environ)
        _, gid, gids, uid, umask, new_session, *_ = more
        if kind is None or preexec_fn or pass_fds or shell or (gid, gids, uid, umask) != (None, None, None, -1):
            super()._execute_child(
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
                p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *more,
            )  # fmt: skip
            return
        fds = [given if given != -1 else inherited for inherited, given in enumerate((p2cread, c2pwrite, errwrite))]
        adopt = ctypes.CDLL(None).prctl
        with open(os.memfd_create("request"), "wb") as request, _lock:
            request.write(pickle.dumps((words, environ, os.fspath(cwd or Path.cwd()), new_session)))
            request.flush()
            control = _parent(kind)
            adopt(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            try:
                socket.send_fds(control, [b"."], [*fds, request.fileno()])
                self.pid = int.from_bytes(control.recv(4), "little")
                _wait_until_adopted(self.pid)
            finally:
                adopt(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def _wait_until_adopted(pid: int) -> None:
    """A process that is not a child yet would be taken for one that ended with status 0."""
    until = time.monotonic() + 10
    while True:
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            if time.monotonic() > until:
                raise
            time.sleep(0.001)
        else:
            return


def run(
    words: Sequence[str | Path],
    *,
    input: str | bytes | None = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **more: Any,
) -> subprocess.CompletedProcess[Any]:
    """`subprocess.run` of the same."""
    if input is not None:
        more["stdin"] = subprocess.PIPE
    if capture_output:
        more["stdout"] = more["stderr"] = subprocess.PIPE
    with Popen(words, **more) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(words, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done
