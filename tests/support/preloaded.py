"""Programs in Python that start at once: processes of their own, forked from one that has imported what they need.

    done = preloaded.run([ANT, "auth", "status"], env=environ)
    done = subprocess.run(["bash", "-c", script], env={"PATH": f"{preloaded.programs()}:/usr/bin"})

To import costs most programs more than to do what a test asks of them. All else is as `subprocess` has it: a process
is a child of the one that asks for it, and is waited for, signalled and read as any other. Where the start itself
matters, with an interpreter's options or variables, or where the system is not Linux, it is a start as ever.
"""

from __future__ import annotations

import atexit
import marshal
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from types import ModuleType
from typing import Any

from _pytest.config import default_plugins

import ant_cli
import ant_wif
import pytest_ant_wif
from support.quick_start import kind_of

__all__ = ["ANT", "Popen", "programs", "run"]

ANT = str(Path(sys.executable).with_name("ant"))
_LIBRARIES = ["httpx", "httpcore", "pydantic", "pydantic_settings", "filelock", "click", "yaml", "encodings.idna"]


def _modules(package: ModuleType) -> list[str]:
    """Return the names of a package's modules, but for those that few programs need, and the one that is run."""
    root = Path(package.__path__[0])
    paths = (path.relative_to(root.parent).with_suffix("") for path in sorted(root.rglob("*.py")))
    names = (".".join(path.parts).removesuffix(".__init__") for path in paths)
    rare = re.compile(r"\.emulator|\.anthropic|_google_transport|__main__")
    return [name for name in names if not rare.search(name)]


_CLIENT = [*_LIBRARIES, *_modules(ant_wif)]
_PYTEST = [
    "pytest", *(f"_pytest.{name}" for name in default_plugins), "_pytest.pytester", "asyncio", "anyio",
    "jwt.algorithms", "uvicorn.lifespan.off", "uvicorn.protocols.http.h11_impl", "ant_wif.emulator._app",
    "ant_wif.emulator.emulator", "pdb", *_modules(pytest_ant_wif),
]  # fmt: skip
_WORKER = [
    "anyio._backends._asyncio", "anyio._backends._trio", "_hypothesis_globals", "_hypothesis_pytestplugin",
    "hypothesis.strategies", "boto3", "httpx2", "moto.server", "pexpect", "playwright.sync_api",
]  # fmt: skip
# Of whom each parent is forked, and what it imports besides.
_IMPORTED = {
    "ant": ("", [*_CLIENT, *_modules(ant_cli)]),
    "pytest": ("ant", _PYTEST),
    "sdk": ("pytest", ["anthropic"]),
    "worker": ("sdk", _WORKER),
}

# A program is a child of the process that asks for it: the kernel makes it a sibling of the one that it is forked from.
# To fork once is half of what most programs cost. A shell's program is a child of the parent, which tells how it ended.
_PARENT = """
import atexit, ctypes, fcntl, gc, importlib, inspect, marshal, os, runpy, select, signal, socket, sys, termios
import threading, time, warnings
from contextlib import suppress

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is for the programs; this ends with its asker
CLONE, CLONE_PARENT = 56 if os.uname().machine == "x86_64" else 220, 0x8000
del sys.path[0]


def fork_sibling():
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = ctypes.PyDLL(None).syscall(CLONE, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    (ctypes.pythonapi.PyOS_AfterFork_Parent if pid else ctypes.pythonapi.PyOS_AfterFork_Child)()
    return pid


def serve(control, listener, *names):
    if "hypothesis.strategies" in names:  # it asks the collector who refers to the random numbers of trio
        gc.unfreeze()
    for name in names:
        importlib.import_module(name)
        if "_pytest.assertion.rewrite" in sys.modules:  # it warns of plugins' names that it did not import itself
            hook = sys.modules["_pytest.assertion.rewrite"].AssertionRewritingHook
            sys.modules[name.partition(".")[0]].__loader__ = hook.__new__(hook)
    if "ant_wif.emulator.emulator" in names:  # it leaves its key for the next one, and its routes compiled
        with sys.modules["ant_wif.emulator.emulator"].Emulator() as emulator:
            emulator.issue()
        del emulator
    inspect.getmodule(serve.__code__)  # looks at all modules, once: what pytest would do for its first traceback
    gc.collect()
    gc.freeze()
    control, listener = socket.socket(fileno=int(control)), socket.socket(fileno=int(listener))
    running = {}
    while True:
        for ready in select.select([control, listener, *running], [], [])[0]:
            if ready in running:
                asker, pid = running.pop(ready)
                os.close(ready)
                with suppress(OSError), asker:
                    asker.send(os.waitpid(pid, 0)[1].to_bytes(4, "little"))
                continue
            asker = listener.accept()[0] if ready is listener else control
            message, fds, _, _ = socket.recv_fds(asker, 1 << 16, 4)
            if not message:
                if asker is control:
                    os._exit(0)
                asker.close()
                continue
            pid = fork_sibling() if asker is control else os.fork()
            if not pid:
                for fd, (other, _) in running.items():
                    os.close(fd)
                    other.close()
                for ours in {asker, control, listener}:
                    ours.close()
                return serve(*fds, *message.decode().split()) if message != b"." else fds
            for fd in fds:
                os.close(fd)
            with suppress(OSError):
                asker.send(pid.to_bytes(4, "little"))
            if asker is not control:
                running[os.pidfd_open(pid)] = asker, pid


def begin(fds):
    with open(fds.pop(), "rb") as request:
        request.seek(0)
        words, environ, cwd, new_session, umask, executable = marshal.load(request)
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
        os.close(fd)
    if new_session:
        os.setsid()
        if os.isatty(0):
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(cwd)
    if umask is not None:
        os.umask(umask)
    sys.executable = executable or sys.executable
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


program, *rest = begin(serve(*sys.argv[1:]))
status = 0
if rest[:2] == ["-W", "error"]:
    warnings.simplefilter("error")
    del rest[:2]
elif rest[:1] == ["-u"]:
    del rest[0]
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
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


@cache
def _folder() -> str:
    """Return the folder of the sockets on which the parents listen for shells' programs."""
    for left in Path(gettempdir()).glob("ant-programs-*-*"):  # by a run that was killed
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = mkdtemp(prefix=f"ant-programs-{os.getpid()}-")
    atexit.register(shutil.rmtree, folder)
    return folder


def _parent(kind: str) -> socket.socket:
    if kind not in _started:
        ours, theirs = socket.socketpair()
        with theirs, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{_folder()}/{kind}")
            listener.listen()
            fds = [theirs.fileno(), listener.fileno()]
            base, names = _IMPORTED[kind]
            if base:
                control = _parent(base)
                socket.send_fds(control, [" ".join(names).encode()], fds)
                control.recv(4)
            else:
                words = [sys.executable, "-c", _PARENT, *map(str, fds), *names]
                environ = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
                # It ends with the other end of its socket, that is with this process.
                process = subprocess.Popen(words, pass_fds=fds, stdin=subprocess.DEVNULL, env=environ, cwd="/")
                process.returncode = 0  # so that it is not waited for
        atexit.register(ours.close)
        _started[kind] = ours
    return _started[kind]


def programs(heavy: str = "ant") -> Path:
    """Return a folder for the PATH whose `ant` and `python` start at once.

    `heavy` is the parent for pytest, a worker of pytest-xdist, and a program of the official SDK: `worker` is that for
    the workers of this suite.
    """
    if sys.platform != "linux":
        return Path(ANT).parent
    with _lock:
        return _programs(heavy)


def _programs(heavy: str) -> Path:
    for kind in ("ant", heavy):
        _parent(kind)
    folder = Path(_folder(), f"{heavy}-bin")
    if not folder.exists():
        folder.mkdir()
        for name, program in (("ant", ANT), ("python", sys.executable)):
            path, words = str(Path(__file__).parents[1]), repr((_folder(), heavy, program))
            start = f"sys.path.insert(0, {path!r}); from support.quick_start import main; main(*{words})"
            (folder / name).write_text(f"#!{sys.executable} -IS\nimport sys; {start}\n")
            (folder / name).chmod(0o755)
    return folder


class Popen(subprocess.Popen[Any]):
    """`subprocess.Popen`, quicker for `ant`, and for this interpreter with `-m` or `-c`, also behind `-W error`.

    With `heavy`, what the program starts with its interpreter is quick as well; `programs` says what that names.
    """

    def __init__(self, *args: Any, heavy: str = "", **more: Any) -> None:
        self._heavy = heavy
        super().__init__(*args, **more)

    def _execute_child(
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *more,
    ) -> None:  # fmt: skip
        environ = dict(os.environ if env is None else env)
        words = [os.fsdecode(word) for word in args]
        kind = kind_of(words, environ, self._heavy)
        _, gid, gids, uid, umask, new_session, *_ = more
        if kind is None or preexec_fn or pass_fds or shell or (gid, gids, uid) != (None, None, None):
            super()._execute_child(
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
                p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *more,
            )  # fmt: skip
            return
        fds = [given if given != -1 else inherited for inherited, given in enumerate((p2cread, c2pwrite, errwrite))]
        with open(os.memfd_create("request"), "wb") as request, _lock:
            mask = None if umask == -1 else umask
            python = str(_programs(self._heavy) / "python") if self._heavy else None
            request.write(marshal.dumps((words, environ, os.fspath(cwd or Path.cwd()), new_session, mask, python)))
            request.flush()
            control = _parent(kind)
            socket.send_fds(control, [b"."], [*fds, request.fileno()])
            self.pid = int.from_bytes(control.recv(4), "little")
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


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
