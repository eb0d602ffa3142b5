"""Takes from this process what another operating system does not have, and says the other's name.

Other distributions are imported before that: they are not what is tested, and would look for the other's own modules.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import socket
import socketserver
import sys
import types

import filelock  # noqa: F401  # which the library imports when it first locks

PACKAGES = ("ant_wif", "ant_cli", "pytest_ant_wif")
POSIX_MODULES = {"crypt", "fcntl", "grp", "nis", "posix", "pty", "pwd", "resource", "spwd", "syslog", "termios", "tty"}
POSIX_NAMES = {
    os: """
        chown chroot ctermid fchdir fchmod fchown fork forkpty getegid geteuid getgid getgroups getpgid getpgrp
        getpriority getsid getuid initgroups killpg lchown mkfifo mknod nice openpty pread pwrite register_at_fork
        setegid seteuid setgid setpgid setsid setuid statvfs sync tcgetpgrp tcsetpgrp uname wait wait3 wait4
        O_CLOEXEC O_DIRECTORY O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC WNOHANG
    """,
    signal: """
        SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 SIGWINCH pthread_kill pthread_sigmask setitimer
        sigwait
    """,
    socket: "AF_UNIX SO_REUSEPORT socketpair",
    socketserver: "ForkingMixIn ThreadingUnixStreamServer UnixDatagramServer UnixStreamServer",
}


class _Absent:
    """Finds the modules that are not there, before anything else does."""

    def find_spec(self, name: str, *_: object) -> None:
        if name in POSIX_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def import_everything() -> int:
    """Import every module of the three packages; return how many there are."""
    count = 0
    for package in map(importlib.import_module, PACKAGES):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
                count += 1
    return count


def become(platform: str) -> None:
    """Be `win32` or `darwin` from here on, for what is imported from here on."""
    import_everything()
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]
    if platform == "win32":
        # These go on as they are: what they would use on Windows is not there.
        before = {each.__name__: types.SimpleNamespace(**vars(each)) for each in (os, signal, sys)}
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in {"filelock", "pathlib", "shutil", "subprocess", "tempfile"}:
                vars(module).update({each: copy for each, copy in before.items() if each in vars(module)})
        os.name = "nt"
        for owner, names in POSIX_NAMES.items():
            for name in names.split():
                if hasattr(owner, name):
                    delattr(owner, name)
        for name in POSIX_MODULES:
            sys.modules.pop(name, None)
        sys.meta_path.insert(0, _Absent())  # type: ignore[arg-type]  # it finds nothing, and has nothing else
    sys.platform = platform
