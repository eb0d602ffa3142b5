"""Places and owners: the one module that touches the disk. Nothing is used that another user could have changed."""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
import re
import secrets
import shlex
import stat
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from ant_wif._environment import (
    DIRECTORY,
    IS_POSIX,
    NOFOLLOW,
    NONBLOCK,
    elapsed,
    give,
    group_id,
    has_input,
    listed_writers,
    lock,
    replace,
    set_mode,
    user_id,
)
from ant_wif._secrets import sanitize_path
from ant_wif._strict import kind_of, read_json, read_value
from ant_wif.errors import ConfigurationError, ProfileError

__all__ = [
    "AS_OWNER",
    "Draft",
    "PrivateFolder",
    "Release",
    "check_place",
    "check_writable",
    "draft_of",
    "findings",
    "is_there",
    "make_folder",
    "owners_in",
    "read_document",
    "read_limited",
    "read_object",
    "read_up_to",
    "remove",
    "remove_folder",
    "share",
    "sweep",
    "try_lock",
    "wide_text",
    "write_atomically",
]

Release = Callable[[], None]

LARGEST_FILE = 1 << 20
TEMPORARY = ".tmp"
_PIECE = 1 << 20
_WRITER_SECONDS = 30.0
_NO_WRITER_SECONDS = 5.0
_LOOK_SECONDS = 0.1
_PERSON_SECONDS = 86_400.0
_SWEPT_AFTER_SECONDS = 3600
AS_OWNER = "run the command as that user"
"""How a hint for root begins where files and folders of another user are to stay that user's."""
_NO_MODES = "its file system does not keep modes, and lets others in"
_MOST_LINKS = 40
_ENDS = re.compile(r"/|\Z")
_SPARE_BYTES = 16 << 10
"""How much larger a successor may be than the file that it replaces, and still have its place proven."""


def owners_in(home: Path | None = None) -> frozenset[int]:
    """Whose files are used: this user's and root's. Root in another user's `home` also uses that user's."""
    if not IS_POSIX:
        return frozenset()
    owners = {0, user_id()}
    if home is not None and user_id() == 0:
        with contextlib.suppress(OSError):
            owners.add(home.stat().st_uid)
    return frozenset(owners)


class TrustFinding(NamedTuple):
    """Something about a place that a person should know; `refused` where it keeps the place from being used."""

    problem: str
    hint: str
    refused: bool


def findings(path: Path, *, top: Path | None, owners: Collection[int] | None = None) -> Iterator[TrustFinding]:
    """Judge `path` and every folder on the way, links included: strictly from `top`, the project's own folder, on.

    Yields nothing where the system has no owners and modes. What is not there yet is not judged.
    """
    if not IS_POSIX:
        return
    trusted = owners if owners is not None else owners_in()
    if _is_closed(str(path.absolute()), str((top or path).absolute()), trusted):
        return  # as nearly all are: nothing else needs to be asked
    steps = list(_steps(path))
    own, strictly = "", set[str]()
    if top is not None:
        linked = any(stat.S_ISLNK(status.st_mode) for _, _, status in steps) or not path.is_relative_to(top)
        real = os.path.realpath if linked else os.path.abspath  # which asks nothing of the system
        own = real(top)
        strictly = {own, os.path.join(real(top.parent), top.name), real(path)}
    seen: dict[str, os.stat_result] = {}
    for holder, name, status in steps:
        seen[name] = status
        if name in strictly or (own and name.startswith(own.rstrip("/") + "/")):
            yield from _about_own(name, status, trusted)
        elif not stat.S_ISLNK(status.st_mode):
            yield from _about_above(name, status, trusted)
        if holder in seen and holder not in strictly:
            yield from _about_next(holder, seen[holder], name, status, trusted)


def check_place(
    path: Path, *, top: Path | None, what: str, owners: Collection[int] | None = None, hint: str = ""
) -> None:
    """Refuse a place in which another user could have put or could replace a file.

    Raises:
        ProfileError: what was found, with the command that mends it, or the `hint` where no command can.
    """
    for finding in findings(path, top=top, owners=owners):
        if finding.refused:
            shown = sanitize_path(path)
            named = what if finding.problem.startswith(f"{shown} ") else f"{what} {shown}"
            raise ProfileError(f"the {named} is not used: {finding.problem}", hint=hint or finding.hint)


def _is_closed(path: str, top: str, owners: Collection[int]) -> bool:
    """Whether no link is on the way, and none but `owners` can write there: in sticky folders above, to theirs.

    It says in a few calls where `findings` would find nothing, because places are judged a dozen times for one token.
    """
    if ".." in path or ".." in top:
        return False
    with contextlib.suppress(OSError, ValueError):  # what is not there is not judged
        for end in _ENDS.finditer(path):
            name = path[: end.start()] or "/"
            status = os.lstat(name)
            mode = status.st_mode
            if status.st_uid not in owners or stat.S_ISLNK(mode):
                return False
            if mode & 0o022:
                is_above = name != path and top.startswith(f"{name}/")
                if not (is_above and mode & stat.S_ISVTX and status.st_gid == 0):
                    return False
    return True


def _steps(path: Path) -> Iterator[tuple[str, str, os.stat_result]]:
    """Walk from the root as the system does, through links, as far as there is anything.

    Yields each name as `lstat` sees it, after the folder that it is in.
    """
    here, *pending = path.absolute().parts
    links = 0
    with contextlib.suppress(OSError, ValueError):
        yield "", here, os.lstat(here)
        while pending:
            name = pending.pop(0)
            if name == "..":
                here = os.path.dirname(here)
                continue
            there = os.path.join(here, name)
            status = os.lstat(there)
            yield here, there, status
            if not stat.S_ISLNK(status.st_mode):
                here = there
                continue
            links += 1
            if links > _MOST_LINKS:
                return
            pending = [*Path(os.readlink(there)).parts, *pending]
            if pending and os.path.isabs(pending[0]):
                here = pending.pop(0)


def _about_own(name: str, status: os.stat_result, owners: Collection[int]) -> Iterator[TrustFinding]:
    """A file or folder of the project's own."""
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid in owners and (stat.S_ISLNK(status.st_mode) or not mode & 0o022):
        return  # as nearly all are: no text is made for them
    quoted = shlex.quote(sanitize_path(Path(name)))
    elsewhere = (
        "; where that changes nothing, set ANTHROPIC_CONFIG_DIR to a folder of this user's own"
        if stat.S_ISDIR(status.st_mode)
        else ""
    )
    if status.st_uid not in owners:
        remedy = f"chown {'-h ' if stat.S_ISLNK(status.st_mode) else ''}{user_id()} {quoted}{elsewhere}"
        with contextlib.suppress(OSError):
            if os.stat(os.path.dirname(name)).st_uid == status.st_uid and user_id() == 0:
                remedy = _as_owner(status.st_uid)  # in a home of theirs, who would be locked out
        yield TrustFinding(
            f"{sanitize_path(Path(name))} belongs to another user (uid {status.st_uid}, mode {mode:04o})",
            remedy,
            refused=True,
        )
    if stat.S_ISLNK(status.st_mode):
        return
    if who := "everybody" if mode & 0o002 else _other_writer(name, status, owners):
        yield TrustFinding(
            f"{sanitize_path(Path(name))} can be written by group or others "
            f"({who}; uid {status.st_uid}, mode {mode:04o}), who could point it at a host of theirs",
            f"chmod go-w {quoted}{elsewhere}",
            refused=True,
        )
    elif mode & 0o020:
        yield TrustFinding(
            f"{sanitize_path(Path(name))} can be written by this user's own group "
            f"(gid {status.st_gid}, mode {mode:04o})",
            f"chmod g-w {quoted}",
            refused=False,
        )


def _as_owner(owner: int) -> str:
    return f"{AS_OWNER} (uid {owner}); or set ANTHROPIC_CONFIG_DIR to a folder of this user's own"


def _about_above(name: str, status: os.stat_result, owners: Collection[int]) -> Iterator[TrustFinding]:
    """A folder above those: its owner could replace ours."""
    mode, quoted = stat.S_IMODE(status.st_mode), shlex.quote(name)
    if mode & 0o002 and not mode & stat.S_ISVTX and stat.S_ISDIR(status.st_mode):
        yield TrustFinding(
            f"everybody can write {sanitize_path(Path(name))} (uid {status.st_uid}, mode {mode:04o}), "
            "and put another folder in its place",
            f"chmod o-w {quoted}; where that is not yours to do, set ANTHROPIC_CONFIG_DIR to another folder",
            refused=True,
        )
    elif status.st_uid not in owners or _other_writer(name, status, owners, {0}):
        yield TrustFinding(
            f"{sanitize_path(Path(name))} belongs to, or can be written by, another user or group "
            f"(uid {status.st_uid}, gid {status.st_gid}, mode {mode:04o})",
            f"chmod g-w {quoted}"
            if status.st_uid in owners
            else _as_owner(status.st_uid)
            if user_id() == 0
            else f"chown {user_id()} {quoted}",
            refused=False,
        )


def _other_writer(name: str, status: os.stat_result, owners: Collection[int], groups: Collection[int] = ()) -> str:
    """Say who may write by the group's bits, if it is not the own group or one of `groups`.

    Of what has an access control list, these bits are the most that the list gives to anybody (acl(5)).
    """
    if not status.st_mode & 0o020:
        return ""
    allowed = {group_id(), *groups}
    for kind, number in listed_writers(name):
        if number not in (owners if kind == "user" else allowed):
            return f"the {kind} {number}, by its access control list"
    return "" if status.st_gid in allowed else f"the group {status.st_gid}"


def _about_next(
    holder: str, of_holder: os.stat_result, name: str, status: os.stat_result, owners: Collection[int]
) -> Iterator[TrustFinding]:
    """In a folder that everybody can write, the sticky bit guards a name for its owner only."""
    if of_holder.st_mode & 0o002 and of_holder.st_mode & stat.S_ISVTX and status.st_uid not in owners:
        yield TrustFinding(
            f"everybody can write {sanitize_path(Path(holder))}, and {sanitize_path(Path(name))} in it "
            f"belongs to another user (uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o})",
            f"chown {user_id()} {shlex.quote(name)}; or set ANTHROPIC_CONFIG_DIR to another folder",
            refused=True,
        )


def make_folder(path: Path, *, mode: int, owners: Collection[int] | None = None) -> None:
    """Make a folder unless it is there, with this mode whatever the umask; folders above it are made 0700.

    Raises:
        OSError: it cannot be made, or something else is there.
    """
    missing = [path]
    while not os.path.isdir(missing[-1].parent) and missing[-1].parent != missing[-1]:
        missing.append(missing[-1].parent)
    for folder in reversed(missing):
        try:
            _make(folder)
        except FileExistsError:
            if not os.path.isdir(folder):
                above = "" if folder is path else f"{sanitize_path(folder)} is "
                raise NotADirectoryError(errno.ENOTDIR, f"{above}not a directory") from None
            continue
        if IS_POSIX:
            with _opened(folder, follow=False) as descriptor:
                _give(descriptor, os.stat(folder.parent), owners)
                _set_mode(descriptor, mode if folder is path else 0o700)


def _make(folder: Path) -> None:
    """Make one folder (0700). Raises OSError."""
    os.mkdir(folder, 0o700)
    if IS_POSIX and os.lstat(folder).st_mode & 0o700 != 0o700:
        _open_up(folder)  # the umask took what its owner needs


def _open_up(folder: Path | str, *, dir_fd: int | None = None) -> None:
    """Let this user into a folder that cannot be opened as it is, never through a link. Raises OSError."""
    try:
        os.chmod(folder, 0o700, dir_fd=dir_fd, follow_symlinks=False)
    except NotImplementedError:
        raise PermissionError(errno.EPERM, "its mode keeps its owner out") from None


def _set_mode(descriptor: int, mode: int) -> None:
    """Set the mode of a file or folder that was just made.

    Raises:
        OSError: the file system keeps no modes (FAT, some mounts of containers), and its own let others in.
    """
    with contextlib.suppress(PermissionError):
        set_mode(descriptor, mode)
    status = os.fstat(descriptor)
    kept = stat.S_IMODE(status.st_mode)
    # Who may list a folder learns names only: what is secret in it has a mode of its own.
    if kept & ~mode & (0o022 if stat.S_ISDIR(status.st_mode) else 0o066):
        raise OSError(errno.ENOTSUP, _NO_MODES)


def _give(descriptor: int, like: os.stat_result, owners: Collection[int] | None) -> None:
    """Where root works for another user, what it makes is that user's, who would be locked out otherwise."""
    if user_id() == 0 and like.st_uid in (owners or ()):
        give(descriptor, like.st_uid, like.st_gid)


@contextlib.contextmanager
def _opened(folder: Path | str, *, follow: bool = True, dir_fd: int | None = None) -> Iterator[int]:
    descriptor = os.open(folder, DIRECTORY | (0 if follow else NOFOLLOW), dir_fd=dir_fd)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def try_lock(path: Path) -> Release | None:
    """Take the lock if it is free; return the function that releases it, or `None` if it is taken.

    The system releases it when the process ends, however it ends.

    Raises:
        OSError: there can be no lock here (a read-only or network file system, a link, a path that is not a file, a
            file of another user, who may hold it for ever).
    """
    from filelock import FileLock, Timeout

    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            raise OSError(errno.ELOOP, "it is a link")
        if IS_POSIX and found.st_uid not in owners_in() | {os.stat(path.parent).st_uid}:
            raise OSError(errno.EPERM, "it belongs to another user")
    # Not bound to a thread: the flow that took it may be driven on by another.
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except NotImplementedError:
        raise OSError(errno.ENOTSUP, "the file system has no locks") from None
    if IS_POSIX and user_id() == 0:
        with contextlib.suppress(OSError):
            _leave_to_owner(path)
    return lock.release


def _leave_to_owner(path: Path) -> None:
    """Give what root made to the owner of the folder that it is in, who could not open it otherwise."""
    descriptor = os.open(path, os.O_RDONLY | NOFOLLOW | NONBLOCK)
    try:
        holder, made = os.stat(path.parent), os.fstat(descriptor)
        if made.st_uid == 0 and (made.st_size, made.st_nlink) == (0, 1):
            give(descriptor, holder.st_uid, holder.st_gid)
    finally:
        os.close(descriptor)


def read_object(
    path: Path, *, what: str, secret: bool, owners: Collection[int] | None = None
) -> dict[str, object] | None:
    """Read a JSON object, or return `None` if there is no file. `what` names the file in messages.

    Raises:
        ProfileError: it is another user's, others could write it (`secret`: read it, or it is a
            symlink), or it holds something else. The message never quotes the file.
    """
    try:
        # Non-blocking, because opening a FIFO would otherwise wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | NONBLOCK | (NOFOLLOW if secret else 0))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        problem, hint = _why_not_opened(path, error)
        raise ProfileError(f"the {what} {sanitize_path(path)} {problem}", hint=hint) from None
    try:
        # Judged by the descriptor, so that nothing can be put in its place between look and read.
        _refuse(path, os.fstat(descriptor), what=what, secret=secret, owners=owners)
        # Other tools write into these files too: an odd field of theirs is not a reason to refuse them.
        document = _decoded(_read(descriptor), json.loads)
    finally:
        os.close(descriptor)
    if isinstance(document, dict):
        return document
    raise ProfileError(f"the {what} {sanitize_path(path)} {document}", hint=f"mend or remove {sanitize_path(path)}")


def read_limited(path: Path, *, what: str, hint: str, limit: int = LARGEST_FILE) -> bytes:
    """Read a file that a person named, up to a limit. `what` says in messages what it is used for.

    Raises:
        ConfigurationError: it cannot be read, or is larger.
    """
    found = _content(path, limit)
    if isinstance(found, bytes):
        return found
    raise ConfigurationError(f"the {what} {sanitize_path(path)} {found}", hint=hint)


def _content(path: Path, limit: int) -> bytes | str:
    """Return what is wrong in words, from a frame that no error passes: it may hold a secret."""
    try:
        content = read_up_to(path, limit)
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"
    return content if len(content) <= limit else f"is larger than {limit} bytes"


def read_up_to(path: Path, limit: int, *, seconds: float = _WRITER_SECONDS) -> bytes:
    """Return what a file holds, at most one byte over `limit`; of a pipe, what is written into it in so many seconds.

    At a terminal a person has all day to type.

    Raises:
        OSError: it cannot be opened or read, or the pipe was not written to its end in time.
    """
    found, start, came = bytearray(), elapsed(), False
    # Opening a pipe would otherwise wait for a program that writes into it, and so would reading it.
    with open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | NONBLOCK)) as file:
        is_pipe = stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
        until = start + (_PERSON_SECONDS if file.isatty() else seconds)
        while len(found) <= limit:
            piece: bytes | None = file.read(min(limit + 1 - len(found), _PIECE))
            if piece:
                found += piece
                continue
            # Before a program has opened it, a pipe looks as after its end.
            is_closed = piece is not None
            if is_closed and (found or came or not is_pipe):
                break
            by = min(until, start + _NO_WRITER_SECONDS) if is_closed else until
            left = max(by - elapsed(), 0)
            # The system does not tell when a program opens the pipe.
            came = has_input(file.fileno(), min(left, _LOOK_SECONDS) if is_closed else left)
            if not came and elapsed() >= by:
                found.clear()  # it may be a part of a secret
                said = "opened this pipe to write into it" if is_closed else "written to the end of this pipe"
                raise TimeoutError(errno.ETIMEDOUT, f"no program has {said} in time")
    return bytes(found)


def read_document(
    path: Path, *, what: str, hint: str, limit: int = LARGEST_FILE, may_be_yaml: bool = False
) -> dict[str, object]:
    """Read a JSON object as `read_limited` reads a file. Raises ConfigurationError, which never quotes it."""
    raw = read_limited(path, what=what, hint=hint, limit=limit)
    document = _decoded(raw, read_value if may_be_yaml else read_json)
    if isinstance(document, dict):
        return document
    raise ConfigurationError(f"the {what} {sanitize_path(path)} {document}", hint=hint)


class Draft:
    """The successor of a file, under a name of its own in the same folder until `replace` puts it in place.

    Its place can be proven before there is anything to write: `reserve` pads it to the size that it will
    need, so that a full disk, a quota or a read-only folder is found out first.
    """

    def __init__(self, path: Path, *, mode: int, folder_mode: int, owners: Collection[int] | None = None) -> None:
        """Make the folder and the empty draft. Raises OSError; nothing is left behind."""
        self._path, self._mode, self._is_reserved = path, mode, False
        make_folder(path.parent, mode=folder_mode, owners=owners)
        # Windows opens no folders; there, and only there, names are used as they are.
        self._folder = os.open(path.parent, DIRECTORY) if IS_POSIX else None
        try:
            while True:
                self._name = f".{path.name}.{secrets.token_hex(8)}{TEMPORARY}"
                with contextlib.suppress(FileExistsError):
                    # 0600, so the file is at no moment wider than `mode`.
                    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | NOFOLLOW | getattr(os, "O_BINARY", 0)
                    self._descriptor = os.open(self._at(self._name), flags, 0o600, dir_fd=self._folder)
                    break
        except BaseException:
            self._close_folder()
            raise
        try:
            self._take_after(owners)
        except BaseException:
            self.discard()
            raise

    def reserve(self, size: int) -> None:
        """Fill the draft up to a size. Raises OSError: there is no room, or the old file cannot be replaced."""
        try:
            os.close(self._open_old())
        except (FileNotFoundError, PermissionError) as error:
            if error.errno == errno.EPERM:  # an immutable file; one without the right to write is replaced
                raise
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        _write(self._descriptor, b"\0" * size)
        os.fsync(self._descriptor)
        self._is_reserved = True

    def replace(self, content: Callable[[], bytes]) -> None:
        """Write the content and put it in place.

        Raises OSError; the old file is as it was then. Where room was reserved, the old file is tried as well: who
        reserves has nothing but the new content, as when a refresh token was used.
        """
        try:
            self._put_in_place(content)
        except OSError as error:
            if error.errno != errno.EBUSY and not self._is_reserved:
                raise
            self._write_in_place(content)
        if self._folder is not None:
            with contextlib.suppress(OSError):
                os.fsync(self._folder)

    def _put_in_place(self, content: Callable[[], bytes]) -> None:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.ftruncate(self._descriptor, _write(self._descriptor, content()))
        os.fsync(self._descriptor)
        if self._folder is None:
            os.close(self._descriptor)
            self._descriptor = -1
        replace(self._at(self._name), self._at(self._path.name), self._folder)
        self._name = ""

    def _open_old(self) -> int:
        return os.open(self._at(self._path.name), os.O_WRONLY | NOFOLLOW | NONBLOCK, dir_fd=self._folder)

    def _write_in_place(self, content: Callable[[], bytes]) -> None:
        """Write into a file that cannot be replaced: a mount of its own, as containers have it."""
        descriptor = self._open_old()
        try:
            os.ftruncate(descriptor, _write(descriptor, content()))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def discard(self) -> None:
        """Remove what was not put in place. May be called at any time, also after `replace`."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._name:
            with contextlib.suppress(OSError):
                os.unlink(self._at(self._name), dir_fd=self._folder)
            self._name = ""
        self._close_folder()

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def _at(self, name: str) -> str:
        return name if self._folder is not None else str(self._path.parent / name)

    def _take_after(self, owners: Collection[int] | None) -> None:
        """Owner, group and mode of the file that is replaced are kept, as far as it is a file and they are narrow."""
        if self._folder is None:
            return
        mode = self._mode
        try:
            old = os.stat(self._path.name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            _give(self._descriptor, os.fstat(self._folder), owners)
        else:
            if stat.S_ISREG(old.st_mode) and old.st_uid in (owners if owners is not None else owners_in()):
                mode = (stat.S_IMODE(old.st_mode) & mode) | 0o400
                new = os.fstat(self._descriptor)
                if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
                    # Only root can give a file away; a group is kept by its members.
                    with contextlib.suppress(PermissionError):
                        give(self._descriptor, old.st_uid if user_id() == 0 else -1, old.st_gid)
        _set_mode(self._descriptor, mode)

    def _close_folder(self) -> None:
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None
            self._path = Path()


def draft_of(path: Path, *, mode: int, folder_mode: int, owners: Collection[int] | None = None) -> Draft:
    """Open a successor whose place is proven: there is room for it, and it can be renamed.

    Raises:
        ProfileError: there is none; nothing is left behind.
    """
    try:
        draft = Draft(path, mode=mode, folder_mode=folder_mode, owners=owners)
        try:
            draft.reserve((path.stat().st_size if path.exists() else 0) + _SPARE_BYTES)
        except BaseException:
            draft.discard()
            raise
    except OSError as error:
        raise _not_written(path, error) from None
    return draft


def write_atomically(
    path: Path,
    content: Callable[[], bytes],
    *,
    mode: int,
    folder_mode: int,
    owners: Collection[int] | None = None,
    draft: Draft | None = None,
) -> None:
    """Replace a file such that a reader, or a crash at any moment, finds the old one or the new one.

    `content` is called for the bytes, so that no frame on the way of an error holds them. A `draft`
    that was opened for this path before is used up.

    Raises:
        ProfileError: the folder cannot be made or written; nothing is left behind.
    """
    try:
        with draft or Draft(path, mode=mode, folder_mode=folder_mode, owners=owners) as successor:
            successor.replace(content)
    except OSError as error:
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> ProfileError:
    return ProfileError(
        f"{sanitize_path(path)} could not be written: {error.strerror or type(error).__name__}",
        hint=_on_folder(path.parent, error),
    )


def _on_folder(folder: Path, error: OSError, *, otherwise: str = "") -> str:
    if error.errno == errno.ENOTSUP:
        return "set ANTHROPIC_CONFIG_DIR to a folder on another file system, or mount this one with umask=077"
    if error.errno == errno.EROFS:
        return f"mount the file system of {sanitize_path(folder)} writable{otherwise}"
    return f"check owner, mode and free space of {sanitize_path(folder)}{otherwise}"


def check_writable(folder: Path, *, folder_mode: int, owners: Collection[int] | None = None) -> None:
    """Make a folder if need be, and a file in it for a moment.

    Raises:
        ProfileError: that cannot be done.
    """
    try:
        Draft(folder / "probe", mode=0o600, folder_mode=folder_mode, owners=owners).discard()
    except OSError as error:
        raise ProfileError(
            f"{sanitize_path(folder)} cannot be written: {error.strerror or type(error).__name__}",
            hint=_on_folder(folder, error, otherwise=", or set ANTHROPIC_CONFIG_DIR to another"),
        ) from None


def sweep(folder: Path, *, of: str = "") -> None:
    """Remove what processes left behind that were killed while they wrote.

    With `of`, drafts of the file of that name: the caller holds the lock under which that file is written.
    Without, drafts of any file, if they were not touched for an hour. No process id is looked at, which
    means nothing in a folder that several hosts or containers share.
    """
    pattern = re.compile(rf"\.{re.escape(of) or '.+'}\.[^.]+(\.[^.]+)?{re.escape(TEMPORARY)}")
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            with contextlib.suppress(OSError):
                found = pattern.fullmatch(entry.name)
                if found and (of or entry.stat(follow_symlinks=False).st_mtime < time.time() - _SWEPT_AFTER_SECONDS):
                    os.unlink(entry.path)


def remove(path: Path) -> bool:
    """Remove a file; say whether there was one.

    Raises:
        ProfileError: it is there and cannot be removed.
    """
    try:
        path.lstat()  # a read-only file system refuses to remove what is not there, too
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        is_read_only = getattr(error, "errno", None) == errno.EROFS
        hint = "mount the file system of {} writable" if is_read_only else "check the owner and mode of {}"
        raise ProfileError(
            f"{sanitize_path(path)} could not be removed: {problem}", hint=hint.format(sanitize_path(path.parent))
        ) from None
    return True


def share(path: Path, group: int) -> None:
    """Let the members of a group read the files in a folder of this user's, never through a link.

    A file that later replaces one in it takes over its group and mode. The folder itself they can enter and not open:
    what can be opened can be locked, and its lock says that its maker lives.

    Raises:
        OSError: this user is not a member of the group, or the file system has no groups.
    """
    with _opened(path, follow=False) as folder:
        _share(folder, group, folder_mode=0o710)


def _share(descriptor: int, group: int, *, folder_mode: int = 0o750) -> None:
    is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    give(descriptor, -1, group)
    set_mode(descriptor, folder_mode if is_folder else 0o640)
    for name in os.listdir(descriptor) if is_folder else ():
        inner = os.open(name, os.O_RDONLY | NOFOLLOW, dir_fd=descriptor)
        try:
            _share(inner, group)
        finally:
            os.close(inner)


def remove_folder(path: Path, *, first: str = "") -> bool:
    """Remove a folder of this user's with all in it, never through a link; say whether it is gone.

    What lies under the name `first` goes first. Only what is this user's by its descriptor is opened or changed.
    """
    if not IS_POSIX:
        import shutil

        with contextlib.suppress(OSError):
            os.unlink(path / first) if first else None
        shutil.rmtree(path, ignore_errors=True)
        return not os.path.lexists(path)
    with contextlib.suppress(OSError), _opened(path.parent) as parent:
        _remove_in(parent, path.name, first.split("/") if first else [])
    return not os.path.lexists(path)


def _remove_in(parent: int, name: str, first: list[str]) -> None:
    with contextlib.suppress(OSError), _opened(name, follow=False, dir_fd=parent) as descriptor:
        _empty(descriptor, first)
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=parent)


def _empty(folder: int, first: list[str]) -> None:
    """Remove what is in an open folder. What lies deeper is moved up before, so that nothing lies too deep."""
    if os.fstat(folder).st_uid != user_id():
        return
    with contextlib.suppress(OSError):
        # Its reader may have taken the right to write from it.
        set_mode(folder, 0o700)
    stays: set[str] = set()
    while left := [name for name in os.listdir(folder) if name not in stays]:
        for name in sorted(left, key=lambda name: name not in first):
            try:
                _remove_entry(name, folder, folder, first)
            except OSError:
                stays.add(name)


def _remove_entry(name: str, holder: int, top: int, first: list[str]) -> None:
    """Remove one entry of an open folder. Folders in it, or itself if it is in a lower folder, go to the `top`."""
    status = os.stat(name, dir_fd=holder, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=holder)
        return
    if status.st_uid == user_id() and not status.st_mode & 0o400 and user_id() != 0:
        _open_up(name, dir_fd=holder)
    with _opened(name, follow=False, dir_fd=holder) as folder:
        is_own = os.fstat(folder).st_uid == user_id()
        if is_own:
            with contextlib.suppress(OSError):
                set_mode(folder, 0o700)
        if holder != top:
            os.rename(name, secrets.token_hex(16), src_dir_fd=holder, dst_dir_fd=top)
            return
        for each in sorted(os.listdir(folder), key=lambda name: name not in first) if is_own else ():
            with contextlib.suppress(OSError):
                _remove_entry(each, folder, top, first)
    os.rmdir(name, dir_fd=holder)


class PrivateFolder:
    """A new folder (0700) under a fresh random name in a place that others may share, locked while its maker lives.

    The lock is on the folder itself, so there is no second name that tells others the first one beforehand.
    """

    def __init__(self, base: Path, prefix: str) -> None:
        """Make it, after sweeping away those whose makers are gone. Raises OSError."""
        sweep_private(base, prefix)
        while True:
            self.path = base / f"{prefix}{secrets.token_hex(16)}"
            # A name that exists may be another user's: it is not used, and another one is drawn.
            with contextlib.suppress(FileExistsError):
                _make(self.path)
                if IS_POSIX and os.lstat(self.path).st_mode & 0o077:
                    os.rmdir(self.path)
                    raise OSError(errno.ENOTSUP, _NO_MODES)
                with contextlib.suppress(FileNotFoundError):  # one who sweeps was first
                    self._release = _lock_folder(self.path, made=True)
                    if self._release is not None:
                        return

    def remove(self, *, first: str = "") -> None:
        """Remove it, what lies under `first` before all else, and release its lock."""
        if remove_folder(self.path, first=first) and not IS_POSIX:
            self._unlock()
            with contextlib.suppress(OSError):
                os.unlink(_lock_beside(self.path))
        self._unlock()

    def _unlock(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()


def sweep_private(base: Path, prefix: str) -> None:
    """Remove the private folders of this user whose makers are gone."""
    name = re.compile(rf"{re.escape(prefix)}[0-9a-f]{{32}}")
    for found in os.listdir(base):
        if name.fullmatch(found):
            with contextlib.suppress(OSError):
                release = _lock_folder(base / found)
                if release is not None:
                    try:
                        remove_folder(base / found, first="credentials")
                    finally:
                        release()


def _lock_beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _lock_folder(path: Path, *, made: bool = False) -> Release | None:
    """Lock a folder of this user, if it is free; `None` if it is taken or belongs to another user.

    Raises:
        OSError: it is gone, a link or no folder.
    """
    if not IS_POSIX:
        return try_lock(_lock_beside(path))
    descriptor = os.open(path, DIRECTORY | NOFOLLOW)
    try:
        # Where its sweeper had the lock before us, the name is gone, or another's, by now.
        if _is_locked(descriptor, made=made) and os.path.samestat(os.fstat(descriptor), os.lstat(path)):
            held, descriptor = descriptor, -1
            return lambda: os.close(held)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return None


def _is_locked(descriptor: int, *, made: bool) -> bool:
    status = os.fstat(descriptor)
    # One that a group may read, for programs of another user, is still written by this user alone.
    if status.st_uid != user_id() or status.st_mode & 0o027:
        return False
    try:
        lock(descriptor)
    except BlockingIOError:
        return False
    except OSError:
        return made  # a file system without locks: nothing is swept there, since that needs one
    return True


def _write(descriptor: int, content: bytes) -> int:
    """Write all of it; return how much that was. A full disk may take a part first."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    return len(content)


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
            f"move the real file to {sanitize_path(path)}, or name it in the profile's authentication.credentials_path",
        )
    if isinstance(error, PermissionError):
        return "may not be read by this user", f"run `ls -l {sanitize_path(path)}` and check owner and mode"
    return f"could not be read: {error.strerror or type(error).__name__}", f"check {sanitize_path(path)}"


def _refuse(path: Path, status: os.stat_result, *, what: str, secret: bool, owners: Collection[int] | None) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise ProfileError(
            f"the {what} {sanitize_path(path)} is not a regular file", hint=f"move {sanitize_path(path)} away"
        )
    if not IS_POSIX:
        return
    # What root lets a group read is for this user to read, who is in it, and not to narrow.
    if secret and mode & (0o037 if status.st_uid == 0 != user_id() else 0o077):
        raise ProfileError(
            f"the {what} {sanitize_path(path)} can be read or written by group or others (mode {mode:04o}), "
            "expected 0600",
            hint=f"chmod 600 {sanitize_path(path)}",
        )
    for finding in _about_own(str(path), status, owners if owners is not None else owners_in()):
        if finding.refused:
            raise ProfileError(f"the {what} is not used: {finding.problem}", hint=finding.hint)


def _decoded(raw: bytes, reader: Callable[[str], object]) -> dict[str, object] | str:
    """Parse a file, or say in words what is wrong with it: the decoder's own error would quote it."""
    if len(raw) > LARGEST_FILE:
        return f"is larger than {LARGEST_FILE} bytes"
    if not raw.strip():
        return "is empty"
    try:
        parsed = reader(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if (wide := wide_text(raw)) or isinstance(error, UnicodeDecodeError):
            return f"is {wide} text; save it as UTF-8" if wide else "is not text in UTF-8"
        if isinstance(error, json.JSONDecodeError):
            return f"is not JSON (line {error.lineno}, column {error.colno})"
        return "is not JSON that can be read" if reader is not read_value else f"is not JSON or YAML ({error})"
    return parsed if isinstance(parsed, dict) else f"holds a JSON {kind_of(parsed)}, expected an object"


def wide_text(raw: bytes) -> str:
    """Return `UTF-32` for text with its mark, `UTF-16`, as PowerShell and Notepad write it, with or without, or ""."""
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    halves = raw[:64:2], raw[1:64:2]
    is_wide = any(not any(high) and low.isascii() and all(low) for high, low in (halves, halves[::-1]))
    has_mark = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "UTF-16" if has_mark or (is_wide and len(raw) > 7) else ""


def is_there(path: Path) -> bool:
    """Whether anything is at `path`, a dangling link included."""
    return os.path.lexists(path)
