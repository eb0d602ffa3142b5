"""What a process runs in: the environment and the clock, as they are passed in, and what differs between systems.

In the environment, empty means unset, and printing it shows no value. The clock is unix time that does not jump while
this process runs. No other module asks which operating system this is: `make lint` checks the types of everything for
Windows too, so that a function that only POSIX has is found elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from ant_wif.errors import ConfigurationError

if TYPE_CHECKING:
    import socket
    import subprocess


class UserFolder(NamedTuple):
    """A folder of the user's: in the one that `variable` names, else in a folder below home."""

    variable: str
    below_home: str
    name: str


NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_CHUNK = 1 << 16
LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107  # unix(7): `sun_path`, with its NUL

if sys.platform == "win32":
    import queue
    import threading

    IS_POSIX = False
    HAS_DESKTOP = True
    HOME = "USERPROFILE"
    CONFIG = UserFolder("APPDATA", "AppData/Roaming", "Anthropic")
    CACHE = UserFolder("LOCALAPPDATA", "AppData/Local", "ant-wif/Cache")
    _REPLACE_SECONDS = 1.0
    _GRACE_SECONDS = 0.2

    def user_id() -> int:
        return -1

    def group_id() -> int:
        return -1

    def set_mode(descriptor: int, mode: int) -> None:
        """Files have no modes here."""

    def give(descriptor: int, user: int, group: int) -> None:
        """Files have no owners of this kind here."""

    def listed_writers(path: str) -> Iterator[tuple[str, int]]:
        """Files have no access control lists of this kind here."""
        return iter(())

    def account_home() -> Path:
        """Return the home that the system knows. Raises RuntimeError: it knows none."""
        return Path.home()

    def group_named(name: str) -> int:
        """Groups have no IDs here. Raises KeyError."""
        raise KeyError(name)

    def lock(descriptor: int) -> None:
        """Folders cannot be locked here. Raises OSError."""
        raise OSError(errno.ENOTSUP, "folders cannot be locked")

    def replace(source: str, target: str, folder: int | None) -> None:
        """Put a file in the place of another. It may have to wait for those that read the other one."""
        until = time.monotonic() + _REPLACE_SECONDS
        while True:
            try:
                return os.replace(source, target)
            except PermissionError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)

    def kill_group(process: subprocess.Popen[bytes]) -> None:
        """End a program. What it started goes on: there are no process groups here."""
        with contextlib.suppress(PermissionError):
            process.kill()

    def is_in_foreground() -> bool:
        """Whether the terminal sends what is typed to this process's children too. A console does to all of them."""
        return True

    def end_with_parent() -> Callable[[], None] | None:
        return None

    def has_input(descriptor: int, seconds: float) -> bool:
        """Whether there is something to read. Pipes cannot be asked here."""
        return True

    def unix_socket(path: Path, timeout: float | None) -> socket.socket:
        """There are none here. Raises OSError."""
        raise OSError(errno.ENOTSUP, "there are no Unix sockets")

    class ThreadedPipes:
        """Several pipes read at once, each into a buffer: by a thread each, since pipes cannot be waited for here."""

        def __init__(self, *pipes: tuple[IO[bytes], bytearray]) -> None:
            self._open = len(pipes)
            self._read: queue.SimpleQueue[tuple[bytearray, bytes]] = queue.SimpleQueue()
            for pipe, buffer in pipes:
                threading.Thread(target=self._copy, args=(pipe, buffer), daemon=True).start()

        @property
        def is_open(self) -> bool:
            return self._open > 0

        def read(self, seconds: float) -> bool:
            """Wait for something to read, and read it. Returns whether there was anything, an end included."""
            try:
                buffer, chunk = self._read.get(timeout=max(seconds, _GRACE_SECONDS))
            except queue.Empty:
                return False
            buffer.extend(chunk)
            self._open -= not chunk
            return True

        def close(self) -> None:
            """Read no more. A pipe is closed by its thread, because closing it here would wait for its end."""
            self._open = 0

        def _copy(self, pipe: IO[bytes], buffer: bytearray) -> None:
            with pipe:
                while self._open and (chunk := os.read(pipe.fileno(), _CHUNK)):
                    self._read.put((buffer, chunk))
            self._read.put((buffer, b""))

    Pipes = ThreadedPipes

else:
    import fcntl

    IS_POSIX = True
    HAS_DESKTOP = sys.platform == "darwin"
    HOME = "HOME"
    # As in the official SDKs: XDG_CONFIG_HOME is not consulted.
    CONFIG = UserFolder("", ".config", "anthropic")
    CACHE = (
        UserFolder("", "Library/Caches", "ant-wif")
        if sys.platform == "darwin"
        else UserFolder("XDG_CACHE_HOME", ".cache", "ant-wif")
    )
    _PR_SET_PDEATHSIG = 1
    _LISTED = {2: "user", 8: "group"}
    user_id, group_id, set_mode, give = os.geteuid, os.getegid, os.fchmod, os.fchown

    def listed_writers(path: str) -> Iterator[tuple[str, int]]:
        """Yield each user and group that an access control list lets write, as Linux keeps it (acl(5))."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # most files have no list, and some file systems know none
                entries = os.getxattr(path, "system.posix_acl_access", follow_symlinks=False)[4:]
                for tag, access, number in struct.iter_unpack("<HHI", entries):
                    if access & 2 and tag in _LISTED:
                        yield _LISTED[tag], number

    def account_home() -> Path:
        """Return the home in the user database. Raises KeyError: it has no entry for this user."""
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir)

    def group_named(name: str) -> int:
        """Return the ID of a group. Raises KeyError or ValueError: there is none of this name."""
        import grp

        return grp.getgrnam(name).gr_gid

    def lock(descriptor: int) -> None:
        """Lock what is open, or raise BlockingIOError, until it is closed. Raises OSError where that cannot be done."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def replace(source: str, target: str, folder: int | None) -> None:
        """Put a file in the place of another, both in an open folder."""
        os.replace(source, target, src_dir_fd=folder, dst_dir_fd=folder)

    def kill_group(process: subprocess.Popen[bytes]) -> None:
        """End a program that leads a session, and what it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    def is_in_foreground() -> bool:
        """Whether the terminal sends what is typed to this process's children too."""
        try:
            terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY)
        except OSError:
            return False
        try:
            return os.tcgetpgrp(terminal) == os.getpgrp()
        except OSError:
            return False
        finally:
            os.close(terminal)

    def end_with_parent() -> Callable[[], None] | None:
        """Return what a child does first on Linux, so that it ends when this process is killed (prctl(2))."""
        if sys.platform != "linux":
            return None
        import ctypes

        parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

        def ask() -> None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(128 + signal.SIGTERM)

        return ask

    def has_input(descriptor: int, seconds: float) -> bool:
        """Whether there is something to read, or the end of it, within so many seconds."""
        import select

        asked = select.poll()  # select itself takes no descriptor above 1023
        asked.register(descriptor, select.POLLIN)
        return bool(asked.poll(seconds * 1000))

    def unix_socket(path: Path, timeout: float | None) -> socket.socket:
        """Connect to a Unix socket. Raises OSError."""
        import socket

        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(str(path))
        except BaseException:
            connection.close()
            raise
        return connection

    class SelectedPipes:
        """Several pipes read at once, each into a buffer."""

        def __init__(self, *pipes: tuple[IO[bytes], bytearray]) -> None:
            import selectors

            self._selector = selectors.DefaultSelector()
            for pipe, buffer in pipes:
                self._selector.register(pipe, selectors.EVENT_READ, buffer)

        @property
        def is_open(self) -> bool:
            return bool(self._selector.get_map())

        def read(self, seconds: float) -> bool:
            """Wait for something to read, and read it. Returns whether there was anything, an end included."""
            ready = self._selector.select(seconds)
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    self._selector.unregister(key.fileobj)
                key.data.extend(chunk)
            return bool(ready)

        def close(self) -> None:
            """Read no more."""
            self._selector.close()

    Pipes = SelectedPipes


# In place of the home of a user who has none. Nothing is ever created there.
NOWHERE = Path("/nonexistent/home")


class Environment(Mapping[str, str]):
    """A read-only view of environment variables.

    A variable set to the empty string counts as not set: CI systems expand a missing secret to
    one. Neither `repr` nor an attribute shows a value, so a traceback that shows locals stays free of secrets.

    The view is live: `Environment()` follows `os.environ`, because tokens in variables are read
    again at every exchange.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables: Callable[[], Mapping[str, str]]
        if isinstance(variables, Environment):
            self._variables = variables._variables
        else:
            self._variables = lambda: os.environ if variables is None else variables

    def __getitem__(self, name: str) -> str:
        value = self._variables()[name]
        if not value:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name, value in self._variables().items() if value)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<Environment of {len(self)} variables>"

    @property
    def is_live(self) -> bool:
        """Whether this is the environment of the process, which libraries read by themselves."""
        return self._variables() is os.environ

    def text(self, name: str) -> str | None:
        """Return a variable without the white space around it, which is often copied along.

        One that holds nothing else counts as set, and stays as it is.
        """
        value = self.get(name)
        return value if value is None else value.strip() or value

    def is_empty(self, name: str) -> bool:
        """Whether the variable is set, and holds white space at most."""
        return self._variables().get(name, "unset").strip() == ""

    @property
    def home(self) -> Path | None:
        """The user's home: `HOME` (`USERPROFILE` on Windows), else what the system says; `None` where it says none.

        A container that runs under a random user id has neither. A path that is not absolute would be another folder
        in each working directory, with the files of others in it, and counts as not set.
        """
        stated = next(filter(os.path.isabs, (self.get(HOME, ""), os.environ.get(HOME, ""))), None)
        if stated is not None:
            return Path(stated)
        with contextlib.suppress(RuntimeError, KeyError):
            return account_home()
        return None

    def user_folder(self, place: UserFolder) -> Path:
        """Return where the user's own configuration or cache is on this system."""
        stated = self.get(place.variable, "")
        base = Path(stated) if os.path.isabs(stated) else (self.home or NOWHERE) / place.below_home
        return base / place.name

    def expand(self, path: str) -> Path:
        """Return `path` with a leading `~` replaced by `home`. Raises ConfigurationError: there is no home."""
        if path == "~" or path.startswith("~/"):
            return self.require_home() / path[2:]
        return Path(path)

    def require_home(self, instead: str = "") -> Path:
        """Return `home`. Raises ConfigurationError: there is none; `instead` says what else can be set."""
        if self.home is None:
            raise ConfigurationError(
                f"the home directory is unknown: {HOME} is not set to an absolute path, and the user database has none",
                hint=f"set {HOME}{instead} to a directory that this user can write",
            )
        return self.home


def endless(path: Path | str, limit: int) -> str:
    """Say why a library that reads all of a file would wait, or fill the memory, if it would."""
    with contextlib.suppress(OSError, ValueError):  # those it says itself
        status = os.stat(path)
        is_file = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        if not is_file and not os.path.samestat(status, os.stat(os.devnull)):
            return "is not a regular file"
        if status.st_size > limit:
            return f"is larger than {limit} bytes"
    return ""


# Counts through a suspended machine where the system can, so that a laptop wakes to an expired token.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def elapsed() -> float:
    """Return seconds since a fixed moment, of a clock that is never set."""
    # The second one is not on Windows, which has no such clock.
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)  # type: ignore[attr-defined,unused-ignore]


_OFFSET = time.time() - elapsed()


def steady() -> float:
    """Return unix seconds, counted from what the clock said when this process started.

    A machine whose clock is corrected by an hour while a token is held would otherwise drop a
    good token, or keep one that has expired.
    """
    return _OFFSET + elapsed()


def moment(at: float, now: float) -> str:
    """Write unix seconds for people: the time in UTC, and how long until or since then."""
    length = span(int(abs(at - now)))
    return f"{iso(at)} ({f'in {length}' if at > now else f'{length} ago'})"


def iso(at: float) -> str:
    """Return unix seconds as a time in UTC."""
    import datetime

    try:
        return datetime.datetime.fromtimestamp(int(at), datetime.timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{at} s after 1970"


def span(seconds: float) -> str:
    """Write a length of time for people: 7h42m, 3m05s, 12s, 0.5s."""
    if seconds < 60:
        return f"{round(seconds, 3):g}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s"
