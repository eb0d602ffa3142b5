"""Files that hold settings or secrets: read only when nobody else could have touched them, replaced atomically."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from ant_wif._secrets import show_path
from ant_wif.errors import ProfileError

__all__ = ["Release", "check_writable", "is_there", "read_object", "remove", "sweep", "try_lock", "write_atomically"]

log = logging.getLogger("ant_wif.store")

Release = Callable[[], None]


def try_lock(path: Path) -> Release | None:
    """Take the lock if nobody has it; return what gives it back, or `None` if somebody has.

    The system releases it when the process ends, however it ends.

    Raises:
        OSError: there can be no lock here (a read-only or network file system, a path that is no file).
    """
    from filelock import FileLock, Timeout

    # Not bound to a thread: the flow that took it may be driven on by another.
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except NotImplementedError as error:
        raise OSError(f"{path.name}: {type(error).__name__}") from None
    return lock.release


LARGEST_FILE = 1 << 20
TEMPORARY = ".tmp"


def read_object(path: Path, *, what: str, secret: bool, own: bool = False) -> dict[str, object] | None:
    """Read a JSON object, or return `None` if there is no file. `what` names the file in messages.

    Raises:
        ProfileError: others could write it (`secret`: read it, or it is a symlink; `own`: another
            user owns it), or it holds something else. The message never quotes the file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _flags(secret=secret))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        problem, hint = _why_not_opened(path, error)
        raise ProfileError(f"the {what} {show_path(path)} {problem}", hint=hint) from None
    try:
        # Judged by the descriptor, so that nothing can be put in its place between look and read.
        _refuse(path, os.fstat(descriptor), what=what, secret=secret, own=own)
        document = _decoded(_read(descriptor))
    finally:
        os.close(descriptor)
    if isinstance(document, dict):
        return document
    raise ProfileError(f"the {what} {show_path(path)} {document}", hint=f"mend or remove {show_path(path)}")


def write_atomically(path: Path, content: Callable[[], bytes], *, mode: int, folder_mode: int) -> None:
    """Replace a file such that a reader, or a crash at any moment, finds the old one or the new one.

    `content` is called for the bytes, so that no frame on the way of an error holds them.

    Raises:
        ProfileError: the folder cannot be made or written; nothing is left behind.
    """
    import tempfile

    temporary: str | None = None
    try:
        path.parent.mkdir(mode=folder_mode, parents=True, exist_ok=True)
        # mkstemp creates with 0600, so the file is at no moment wider than `mode`.
        prefix = f".{path.name}.{os.getpid()}."
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=TEMPORARY)
        with os.fdopen(descriptor, "wb") as file:
            if os.name == "posix":
                os.fchmod(descriptor, mode)
            file.write(content())
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise ProfileError(
            f"{show_path(path)} could not be written: {error.strerror or type(error).__name__}",
            hint=f"check owner, mode and free space of {show_path(path.parent)}",
        ) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def check_writable(folder: Path, *, folder_mode: int) -> None:
    """Make a folder if need be, and a file in it for a moment.

    Raises:
        ProfileError: that cannot be done.
    """
    import tempfile

    try:
        folder.mkdir(mode=folder_mode, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{os.getpid()}.", suffix=TEMPORARY):
            pass
    except OSError as error:
        raise ProfileError(
            f"{show_path(folder)} cannot be written: {error.strerror or type(error).__name__}",
            hint=f"check owner, mode and free space of {show_path(folder)}, or set ANTHROPIC_CONFIG_DIR to another",
        ) from None


def sweep(folder: Path, *, of: str = "") -> None:
    """Remove what processes left behind that were killed while they wrote (`of`: to the file of that name only)."""
    if os.name != "posix":
        return
    pattern = re.compile(rf"\.{re.escape(of) or '.+'}\.(\d+)\.[^.]+{re.escape(TEMPORARY)}")
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            found = pattern.fullmatch(entry.name)
            if found and not _is_alive(int(found[1])):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def remove(path: Path) -> bool:
    """Remove a file; say whether there was one.

    Raises:
        ProfileError: it is there and cannot be removed.
    """
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ProfileError(
            f"{show_path(path)} could not be removed: {error.strerror or type(error).__name__}",
            hint=f"check the owner and mode of {show_path(path.parent)}",
        ) from None
    return True


def _flags(*, secret: bool) -> int:
    # Non-blocking, because opening a FIFO would otherwise wait for a writer.
    return getattr(os, "O_NONBLOCK", 0) | (getattr(os, "O_NOFOLLOW", 0) if secret else 0)


def _read(descriptor: int) -> bytes:
    """Read at most one byte over the limit. Not by a file object, which a folder's descriptor cannot become."""
    read = b""
    while len(read) <= LARGEST_FILE and (chunk := os.read(descriptor, LARGEST_FILE + 1 - len(read))):
        read += chunk
    return read


def _why_not_opened(path: Path, error: OSError | ValueError) -> tuple[str, str]:
    if isinstance(error, ValueError):
        return "has a name that no file can have", "correct the path"
    if error.errno == errno.ELOOP and path.is_symlink():
        return (
            "is a symlink, which is not followed: a secret stays where it was put",
            f"move the real file to {show_path(path)}, or name it in the profile's authentication.credentials_path",
        )
    if isinstance(error, PermissionError):
        return "may not be read by this user", f"run `ls -l {show_path(path)}` and check owner and mode"
    return f"could not be read: {error.strerror or type(error).__name__}", f"check {show_path(path)}"


def _refuse(path: Path, status: os.stat_result, *, what: str, secret: bool, own: bool) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise ProfileError(f"the {what} {show_path(path)} is no regular file", hint=f"move {show_path(path)} away")
    if os.name != "posix":
        return
    if own and status.st_uid != os.geteuid():
        raise ProfileError(f"the {what} {show_path(path)} is another user's", hint=f"remove {show_path(path)}")
    if secret and mode & 0o077:
        raise ProfileError(
            f"the {what} {show_path(path)} can be read or written by group or others (mode {mode:04o}), expected 0600",
            hint=f"chmod 600 {show_path(path)}",
        )
    if mode & 0o022:
        raise ProfileError(
            f"the {what} {show_path(path)} can be written by group or others (mode {mode:04o}), "
            "who could point it at a host of theirs",
            hint=f"chmod go-w {show_path(path)}",
        )


def _decoded(raw: bytes) -> dict[str, object] | str:
    """Parse a file, or say in words what is wrong with it: the decoder's own error would quote it."""
    if len(raw) > LARGEST_FILE:
        return f"is larger than {LARGEST_FILE} bytes"
    try:
        parsed = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return "is binary, not JSON"
    except json.JSONDecodeError as error:
        return f"is no JSON (line {error.lineno}, column {error.colno})"
    except (ValueError, RecursionError):
        return "is no JSON that can be read"
    return parsed if isinstance(parsed, dict) else f"holds a JSON {type(parsed).__name__}, expected an object"


def _sync_folder(folder: Path) -> None:
    """Make a rename outlast a crash, where folders can be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_there(path: Path) -> bool:
    """Whether anything is at `path`, a dangling link included."""
    return os.path.lexists(path)
