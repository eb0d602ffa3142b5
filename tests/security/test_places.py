"""Files and folders that somebody else could have changed are refused, and what is made is this user's alone."""

from __future__ import annotations

import ast
import contextlib
import errno
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif._files import (
    Draft,
    PrivateFolder,
    _not_written,
    _why_not_opened,
    check_place,
    check_writable,
    draft_of,
    findings,
    is_there,
    make_folder,
    read_document,
    read_limited,
    read_object,
    remove,
    remove_folder,
    share,
    sweep,
    try_lock,
    wide_text,
    write_atomically,
)
from ant_wif._secrets import SecretStr
from ant_wif.errors import ConfigurationError, ProfileError

SOMEBODY = 54321
MODES = (0o644, 0o664, 0o646, 0o777, 0o1777)
PROFILE = {"authentication": {"type": "user_oauth"}}

as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to give files away")
posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / ".config" / "anthropic"
    ConfigDir(folder).write("default", PROFILE)
    return folder


@as_root
@pytest.mark.parametrize("owner", ["own", "other's", "other's group"])
@pytest.mark.parametrize("mode", MODES, ids=oct)
@pytest.mark.parametrize("place", ["file", "linked file", "configs", "credentials", "config dir", "parent"])
def test_a_profile_is_read_only_where_no_other_user_could_have_written_it(
    place: str, mode: int, owner: str, home: Path
) -> None:
    path = {
        "file": home / "configs" / "default.json",
        "linked file": home.parent / "linked",
        "configs": home / "configs",
        "credentials": home / "credentials",
        "config dir": home,
        "parent": home.parent,
    }[place]
    directory, token = ConfigDir(home), home / "credentials" / "default.json"
    directory.write_credentials(token, {"access_token": SecretStr("x")})
    if place == "linked file":
        (home / "configs" / "default.json").rename(path)
        (home / "configs" / "default.json").symlink_to(path)
    read: Callable[[], object] = lambda: (  # noqa: E731
        directory.read_credentials(token) if place == "credentials" else directory.read("default")
    )
    uid, gid = {"own": (0, 0), "other's": (SOMEBODY, SOMEBODY), "other's group": (0, SOMEBODY)}[owner]
    os.chown(path, uid, gid)
    path.chmod(mode)
    if place == "parent":
        refused = bool(mode & 0o002 and not mode & stat.S_ISVTX)
    else:
        refused = uid != 0 or bool(mode & 0o002) or bool(mode & 0o020 and gid != 0)
    if not refused:
        assert read() is not None
        return
    with pytest.raises(ProfileError, match=f"mode {mode:04o}") as caught:
        read()
    assert (caught.value.hint or "").startswith(("chmod", "chown"))
    assert str(path) in (caught.value.hint or "")


IN_THE_WAY = "; where that changes nothing, set ANTHROPIC_CONFIG_DIR to a folder of this user's own"
WRITABLE = "can be written by group or others"
AS_OWNER = "run the command as that user (uid 54321); or set ANTHROPIC_CONFIG_DIR to a folder of this user's own"
JUDGED: list[tuple[str, tuple[int, int], int, str, str, bool]] = [
    ("own", (SOMEBODY, 0), 0o700, "{path} belongs to another user (uid 54321, mode 0700)",
        f"chown 0 {{path}}{IN_THE_WAY}", True),
    ("own/file", (SOMEBODY, 0), 0o600, "{path} belongs to another user (uid 54321, mode 0600)", "chown 0 {path}", True),
    ("own/link", (SOMEBODY, 0), 0o777, "{path} belongs to another user (uid 54321, mode 0777)", "chown -h 0 {path}",
        True),
    ("own", (0, SOMEBODY), 0o772, f"{{path}} {WRITABLE} (everybody; uid 0, mode 0772), "
        "who could point it at a host of theirs", f"chmod go-w {{path}}{IN_THE_WAY}", True),
    ("own", (0, SOMEBODY), 0o775, f"{{path}} {WRITABLE} (the group 54321; uid 0, mode 0775), "
        "who could point it at a host of theirs", f"chmod go-w {{path}}{IN_THE_WAY}", True),
    ("own/file", (0, SOMEBODY), 0o660, f"{{path}} {WRITABLE} (the group 54321; uid 0, mode 0660), "
        "who could point it at a host of theirs", "chmod go-w {path}", True),
    ("own/file", (0, 0), 0o620, "{path} can be written by this user's own group (gid 0, mode 0620)", "chmod g-w {path}",
        False),
    (".", (0, 0), 0o707, "everybody can write {path} (uid 0, mode 0707), and put another folder in its place",
        "chmod o-w {path}; where that is not yours to do, set ANTHROPIC_CONFIG_DIR to another folder", True),
    (".", (SOMEBODY, 7), 0o700, "{path} belongs to, or can be written by, another user or group (uid 54321, gid 7, "
        "mode 0700)", AS_OWNER, False),
    (".", (0, SOMEBODY), 0o770, "{path} belongs to, or can be written by, another user or group (uid 0, gid 54321, "
        "mode 0770)", "chmod g-w {path}", False),
]  # fmt: skip


@as_root
@pytest.mark.parametrize(("name", "owner", "mode", "problem", "hint", "refused"), JUDGED)
def test_what_others_could_have_changed_is_told_with_the_command_that_mends_it(
    name: str, owner: tuple[int, int], mode: int, problem: str, hint: str, refused: bool, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    (own / "file").touch(0o600)
    (own / "link").symlink_to("file")
    looked_at = own / ("link" if name == "own/link" else "file")
    path = tmp_path / name
    assert list(findings(looked_at, top=own)) == []
    os.chown(path, *owner, follow_symlinks=False)
    if not path.is_symlink():
        path.chmod(mode)
    (found,) = findings(looked_at, top=own)
    assert (found.problem, found.hint) == (problem.format(path=path), hint.format(path=path))
    assert found.refused is refused
    if refused:
        with pytest.raises(ProfileError, match=re.escape(f"is not used: {found.problem}")) as told:
            check_place(looked_at, top=own, what="profile")
        assert told.value.hint == found.hint
    else:
        check_place(looked_at, top=own, what="profile")
    assert list(findings(looked_at, top=own, owners={0, SOMEBODY})) == ([found] if owner[0] == 0 else [])


@as_root
@pytest.mark.skipif(sys.platform != "linux", reason="access control lists are attributes on Linux")
@pytest.mark.parametrize("place", ["configs", "config dir", "file", "parent"])
@pytest.mark.parametrize(("tag", "number"), [(2, SOMEBODY), (8, SOMEBODY), (2, 0), (8, 0)])
def test_who_may_write_by_an_access_control_list_is_not_taken_for_the_own_group(
    tag: int, number: int, place: str, home: Path
) -> None:
    file = home / "configs" / "default.json"
    path = {"configs": home / "configs", "config dir": home, "file": file, "parent": home.parent}[place]
    everything, nobody = 7, 2**32 - 1
    entries = [(1, 7, nobody), (4, 0, nobody), (tag, everything, number), (16, everything, nobody), (32, 0, nobody)]
    access = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(entries))
    try:
        os.setxattr(path, "system.posix_acl_access", access)
    except OSError:
        pytest.skip("this file system has no access control lists")
    assert stat.S_IMODE(path.stat().st_mode) == 0o770  # the list's mask stands where the group's bits are
    found = list(findings(file, top=home))
    if number == 0 and place == "parent":
        assert found == []
    else:
        assert [finding.refused for finding in found] == [number != 0 and place != "parent"]
    if found and found[0].refused:
        assert f"the {'user' if tag == 2 else 'group'} {SOMEBODY}, by its access control list" in found[0].problem
    if number != 0:
        path.chmod(0o750)  # as the hint says, which narrows the mask
        assert list(findings(file, top=home)) == []


@as_root
def test_links_are_followed_as_the_system_follows_them_and_no_further(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "own" / "file").touch(0o666)
    (tmp_path / "own" / "file").chmod(0o666)
    for name, target in (("a", "own/../b"), ("b", tmp_path / "own"), ("c", "a"), ("loop", "loop")):
        (tmp_path / name).symlink_to(target)
    for name in ("own", "a", "b", "c", "c/../own"):
        (found,) = findings(tmp_path / name / "file", top=tmp_path / name)
        assert found.problem.startswith(f"{tmp_path}/own/file can be written")
    assert list(findings(tmp_path / "loop" / "file", top=tmp_path / "loop")) == []
    assert list(findings(tmp_path / "gone" / "file", top=None)) == []
    assert list(findings(tmp_path / "no\0name", top=None)) == []
    assert is_there(tmp_path / "loop")
    assert not is_there(tmp_path / "gone")


@as_root
def test_a_sticky_folder_is_accepted_above_the_place_and_not_as_the_place(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    (folder / "own").mkdir(parents=True)
    folder.chmod(0o1777)
    assert list(findings(folder / "own", top=folder / "own")) == []
    for top in (folder, folder / "own", folder / "own" / ".."):
        assert [found.refused for found in findings(folder, top=top)] == [True]


@as_root
def test_in_a_sticky_folder_the_next_name_must_be_this_users(home: Path) -> None:
    home.parent.parent.chmod(0o1777)
    assert ConfigDir(home).read("default")
    os.chown(home.parent, SOMEBODY, SOMEBODY)
    with pytest.raises(ProfileError, match="everybody can write"):
        ConfigDir(home).read("default")


@as_root
def test_a_place_that_a_profile_names_for_its_credentials_is_judged_as_what_lies_above(home: Path) -> None:
    path = home.parent / "elsewhere" / "token.json"
    path.parent.mkdir()
    directory = ConfigDir(home)
    for mode, owner, refused in ((0o755, 0, False), (0o777, 0, True), (0o1777, 0, False), (0o755, SOMEBODY, False)):
        path.parent.chmod(mode)
        os.chown(path.parent, owner, -1)
        for act in (directory.check_holder, directory.read_credentials):  # the second one finds it written
            with contextlib.ExitStack() as stack:
                if refused:
                    stack.enter_context(pytest.raises(ProfileError, match=f"everybody can write {path.parent}"))
                act(path)
            if not refused and not path.exists():
                directory.write_credentials(path, {"access_token": SecretStr("x")})


@posix
def test_a_config_directory_that_is_a_link_to_a_folder_of_the_same_user_works(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    assert ConfigDir(tmp_path / "link").read("default")
    home.chmod(0o777)
    with pytest.raises(ProfileError, match="mode 0777"):
        ConfigDir(tmp_path / "link").read("default")


@posix
@pytest.mark.parametrize("mode", [0o770, 0o775], ids=oct)
def test_the_own_groups_right_to_write_is_mentioned_and_not_refused(mode: int, home: Path) -> None:
    home.chmod(mode)
    os.chown(home, -1, os.getegid())
    assert ConfigDir(home).read("default")
    assert any(not found.refused and "own group" in found.problem for found in findings(home, top=home))


@posix
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o027, 0o077], ids=oct)
def test_what_is_made_has_its_own_mode_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    top = tmp_path / ".config" / "anthropic"
    directory = ConfigDir(top)
    before = os.umask(umask)
    try:
        directory.write("default", PROFILE)
        directory.activate("default")
        directory.write_credentials(directory.credentials_path("default"), {"access_token": SecretStr("x")})
    finally:
        os.umask(before)
    found = {str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    root = ".config/anthropic"
    assert found == {
        ".config": 0o700,
        root: 0o700,
        f"{root}/active_config": 0o644,
        f"{root}/configs": 0o755,
        f"{root}/configs/default.json": 0o644,
        f"{root}/credentials": 0o700,
        f"{root}/credentials/default.json": 0o600,
    }


@as_root
def test_root_in_another_users_home_keeps_owner_group_and_mode(tmp_path: Path) -> None:
    os.chown(tmp_path, SOMEBODY, SOMEBODY)
    directory = ConfigDir.locate(Environment({"HOME": str(tmp_path)}))
    path = directory.credentials_path("default")
    for _ in range(2):
        directory.write_credentials(path, {"access_token": SecretStr("x")})
        status = path.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (SOMEBODY, SOMEBODY, 0o600)
    assert {each.stat().st_uid for each in tmp_path.rglob("*")} == {SOMEBODY}


@posix
def test_a_full_disk_is_found_before_there_is_anything_to_lose(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "credentials.json"
    write_atomically(path, lambda: b'{"old": true}', mode=0o600, folder_mode=0o700)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in range(0, 16 << 10, 1 << 10):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            with pytest.raises(ProfileError, match="could not be written"):
                draft_of(path, mode=0o600, folder_mode=0o700)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert os.listdir(tmp_path) == [path.name]
    assert read_object(path, what="file", secret=True) == {"old": True}


@posix
def test_a_draft_is_swept_by_the_holder_of_the_lock_and_what_it_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    Draft(path, mode=0o600, folder_mode=0o700)
    Draft(tmp_path / "b.json", mode=0o600, folder_mode=0o700)
    sweep(tmp_path, of="a.json")
    assert [name.split(".")[1] for name in os.listdir(tmp_path)] == ["b"]


@posix
def test_what_others_planted_is_neither_taken_over_nor_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o755)
    (precious / "file").touch()
    base = tmp_path / "shared"
    base.mkdir()
    (base / ("ant-exec-" + 32 * "a")).symlink_to(precious)
    dead = base / ("ant-exec-" + 32 * "b")
    dead.mkdir(mode=0o700)
    (dead / "configs").symlink_to(precious)
    PrivateFolder(base, "ant-exec-").remove()
    assert not dead.exists()
    assert stat.S_IMODE(precious.stat().st_mode) == 0o755
    assert (precious / "file").exists()


@as_root
def test_a_folder_of_another_user_is_not_swept(tmp_path: Path) -> None:
    theirs = tmp_path / ("ant-exec-" + 32 * "c")
    theirs.mkdir(mode=0o700)
    os.chown(theirs, SOMEBODY, SOMEBODY)
    PrivateFolder(tmp_path, "ant-exec-").remove()
    assert theirs.exists()


@posix
def test_a_lock_is_taken_once_released_by_any_thread_and_never_a_link(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    release = try_lock(path)
    assert release is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert try_lock(path) is None
    thread = threading.Thread(target=release)
    thread.start()
    thread.join()
    again = try_lock(path)
    assert again is not None
    again()
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match=f"^.Errno {errno.ELOOP}. it is a link$"):
        try_lock(tmp_path / "link")


@posix
@pytest.mark.parametrize(
    ("name", "error", "problem", "hint"),
    [
        ("a", ValueError(), "has a name that no file can have", "correct the path"),
        ("link", OSError(errno.ELOOP, "loop"), "is a symlink, which is not followed: a secret stays where it was put",
            "move the real file to {path}, or name it in the profile's authentication.credentials_path"),
        ("a", OSError(errno.ELOOP, "loop"), "could not be read: loop", "check {path}"),
        ("link", OSError(errno.EIO, "broken"), "could not be read: broken", "check {path}"),
        ("a", OSError(), "could not be read: OSError", "check {path}"),
        ("a", PermissionError(errno.EACCES, "x"), "may not be read by this user",
            "run `ls -l {path}` and check owner and mode"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_opened_says_why(
    name: str, error: OSError | ValueError, problem: str, hint: str, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    path = tmp_path / name
    assert _why_not_opened(path, error) == (problem, hint.format(path=path))


@posix
@pytest.mark.parametrize(
    ("name", "secret", "problem", "hint"),
    [
        ("file", True, "the key {path} can be read or written by group or others (mode 0640), expected 0600",
            "chmod 600 {path}"),
        ("link", True, "the key {path} is a symlink, which is not followed: a secret stays where it was put",
            "move the real file to {path}, or name it in the profile's authentication.credentials_path"),
        ("fifo", False, "the key {path} is not a regular file", "move {path} away"),
        ("list", True, "the key {path} holds a JSON list, expected an object", "mend or remove {path}"),
        ("empty", True, "the key {path} is empty", "mend or remove {path}"),
        ("large", True, "the key {path} is larger than 1048576 bytes", "mend or remove {path}"),
        ("cut", True, "the key {path} is not JSON (line 2, column 1)", "mend or remove {path}"),
        ("others", False, "the key is not used: {path} can be written by group or others (everybody; uid {uid}, "
            "mode 0602), who could point it at a host of theirs", "chmod go-w {path}"),
    ],
)  # fmt: skip
def test_a_file_that_is_read_is_a_file_of_this_user_alone(
    name: str, secret: bool, problem: str, hint: str, tmp_path: Path
) -> None:
    for file, mode, content in (
        ("file", 0o640, "{}"), ("list", 0o600, "[]"), ("others", 0o602, "{}"),
        ("empty", 0o600, " \n"), ("large", 0o600, "{}" + " " * (1 << 20)), ("cut", 0o600, "{\n"),
    ):  # fmt: skip
        (tmp_path / file).write_text(content)
        (tmp_path / file).chmod(mode)
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo", 0o600)
    path = tmp_path / name
    with pytest.raises(ProfileError) as caught:
        read_object(path, what="key", secret=secret)
    assert str(caught.value) == problem.format(path=path, uid=os.geteuid())
    assert caught.value.hint == hint.format(path=path)
    assert [read_object(tmp_path / each, what="key", secret=False) for each in ("file", "link", "gone")] == [
        {},
        {},
        None,
    ]


@posix
def test_a_file_is_removed_if_it_can_be_and_it_is_said_whether_there_was_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert remove(tmp_path / "file")
    assert not remove(tmp_path / "file")
    assert not remove(Path(os.devnull) / "file")
    for name, why in (("folder", "Is a directory"), ("a\0b", "ValueError")):
        with pytest.raises(ProfileError, match=f"could not be removed: {why}") as caught:
            remove(tmp_path / name)
        assert caught.value.hint == f"check the owner and mode of {tmp_path}"


@posix
def test_what_a_person_named_is_read_up_to_a_limit_or_the_error_says_why_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text('{"a": 1}')
    assert read_limited(path, what="key", hint="h", limit=8) == b'{"a": 1}'
    assert read_document(path, what="key", hint="h", limit=8) == {"a": 1}
    for read in (read_limited, read_document):
        for name, limit, why in (
            ("file", 7, "is larger than 7 bytes"),
            ("gone", 8, r"cannot be read \(No such file or directory\)"),
            ("a\0b", 8, r"cannot be read \(ValueError\)"),
        ):
            with pytest.raises(ConfigurationError, match=f"(?m)^the key .*/.* {why}$") as caught:
                read(tmp_path / name, what="key", hint="h", limit=limit)
            assert caught.value.hint == "h"


@posix
@pytest.mark.parametrize("name", ["own\n", "\n", "own\n\n", "$", "own ", "ow\nn"])
def test_a_place_is_judged_whatever_its_name_ends_with(name: str, tmp_path: Path) -> None:
    place = tmp_path / name
    place.mkdir()
    place.chmod(0o777)
    assert any(found.refused for found in findings(place, top=place))
    (place / name).touch()
    (place / name).chmod(0o666)
    place.chmod(0o700)
    assert any(found.refused for found in findings(place / name, top=place))


@posix
def test_a_folder_is_tried_by_writing_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder", folder_mode=0o750)
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["folder"]
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "new/folder")] == [0o700, 0o750]
    (tmp_path / "file").touch()
    for below in ("file/folder", "file/folder/deeper"):
        with pytest.raises(ProfileError, match=f"/{below} cannot be written: {tmp_path}/file is not a directory"):
            check_writable(tmp_path / below, folder_mode=0o700)
    with pytest.raises(ProfileError, match=f"(?m)^{tmp_path}/file cannot be written: not a directory$") as caught:
        check_writable(tmp_path / "file", folder_mode=0o700)
    assert caught.value.hint == (
        f"check owner, mode and free space of {tmp_path}/file, or set ANTHROPIC_CONFIG_DIR to another"
    )


@posix
def test_what_cannot_be_written_says_what_may_help(tmp_path: Path) -> None:
    path = tmp_path / "file"
    full, no_modes = _not_written(path, OSError()), _not_written(path, OSError(errno.ENOTSUP, "no modes"))
    assert (str(full), str(no_modes)) == (
        f"{path} could not be written: OSError",
        f"{path} could not be written: no modes",
    )
    assert full.hint == f"check owner, mode and free space of {tmp_path}"
    assert no_modes.hint == (
        "set ANTHROPIC_CONFIG_DIR to a folder on another file system, or mount this one with umask=077"
    )


@posix
def test_a_draft_takes_the_place_that_its_content_needs_until_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with Draft(path, mode=0o600, folder_mode=0o700) as draft:
        draft.reserve(5)
        draft.reserve(9)
        (found,) = tmp_path.iterdir()
        assert re.fullmatch(r"\.file\.[0-9a-f]{16}\.tmp", found.name)
        assert found.read_bytes() == bytes(9)
        draft.replace(lambda: b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"new"
    with pytest.raises(ZeroDivisionError):
        write_atomically(path, lambda: bytes(1 // 0), mode=0o600, folder_mode=0o700)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"new"


@posix
@pytest.mark.parametrize(
    ("old", "wanted", "kept"),
    [(0o640, 0o600, 0o600), (0o600, 0o644, 0o600), (0o200, 0o644, 0o600), (0o644, 0o644, 0o644)],
)
def test_a_file_keeps_a_mode_that_is_narrower(old: int, wanted: int, kept: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(old)
    write_atomically(path, bytes, mode=wanted, folder_mode=0o700)
    assert stat.S_IMODE(path.stat().st_mode) == kept


@posix
def test_of_what_killed_writers_left_only_what_is_old_or_drafts_of_one_file_are_swept(tmp_path: Path) -> None:
    old, new = time.time() - 3700, time.time() - 3500
    names = {".a.0f.tmp": old, ".a.0f.x.tmp": old, ".b.0f.tmp": new, "a.0f.tmp": old, ".a.0f.tmpx": old, ".a.tmp": old}
    for name, at in names.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    (tmp_path / ".link.0f.tmp").symlink_to(".a.0f.tmp")
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*names, ".link.0f.tmp"} - {".a.0f.tmp", ".a.0f.x.tmp"}
    sweep(tmp_path, of="b")
    assert not (tmp_path / ".b.0f.tmp").exists()
    sweep(tmp_path / "gone")


@as_root
@pytest.mark.skipif(shutil.which("mount") is None, reason="mounts a folder")
def test_a_file_that_is_not_there_need_not_be_removed_from_a_file_system_that_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    if subprocess.run(["mount", "-o", "bind,ro", tmp_path, tmp_path], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine mounts no folder")
    try:
        assert not remove(tmp_path / "not there")
        with pytest.raises(ProfileError, match="could not be removed: Read-only file system") as kept:
            remove(tmp_path / "there")
        with pytest.raises(ProfileError, match="could not be written: Read-only file system") as unwritten:
            write_atomically(tmp_path / "there", lambda: b"", mode=0o600, folder_mode=0o700)
        assert kept.value.hint == unwritten.value.hint == f"mount the file system of {tmp_path} writable"
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@as_root
@pytest.mark.skipif(shutil.which("mount") is None, reason="mounts a file")
def test_a_credentials_file_that_is_a_mount_of_its_own_is_written_in_place(tmp_path: Path) -> None:
    """As `docker run -v login.json:…/credentials/default.json` has it."""
    directory = ConfigDir(tmp_path / "config")
    path, real = directory.credentials_path("default"), tmp_path / "login.json"
    for each in (path, real):
        directory.write_credentials(each, {"access_token": SecretStr("x" * 500)})
    if subprocess.run(["mount", "--bind", real, path], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine mounts no file")
    try:
        with directory.draft_credentials(path) as draft:
            directory.write_credentials(path, {"access_token": SecretStr("new")}, draft)
    finally:
        subprocess.run(["umount", path], check=True)
    assert json.loads(real.read_text())["access_token"] == "new"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@as_root
def test_what_cannot_be_replaced_is_found_out_before_its_successor_is_asked_for(tmp_path: Path) -> None:
    directory = ConfigDir(tmp_path / "config")
    path = directory.credentials_path("default")
    directory.write_credentials(path, {"access_token": SecretStr("x")})
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", path], check=False).returncode != 0:
        pytest.skip("this file system has no files that cannot be changed")
    try:
        with pytest.raises(ProfileError, match="could not be written: Operation not permitted"):
            directory.draft_credentials(path)
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    path.chmod(0o400)
    directory.draft_credentials(path).discard()


@posix
def test_what_has_a_place_is_kept_where_only_the_old_file_can_still_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refresh token that the old file holds has been used by then."""
    monkeypatch.chdir(tmp_path)  # the folders above are root's
    path, other = Path("credentials/default.json"), Path("credentials/other.json")
    as_user = os.geteuid() == 0
    if as_user:  # whom modes do not keep out
        os.chown(tmp_path, SOMEBODY, SOMEBODY)
        os.seteuid(SOMEBODY)
    try:
        for each in (path, other):
            write_atomically(each, lambda: b"old" * 99, mode=0o600, folder_mode=0o700)
        with (
            draft_of(path, mode=0o600, folder_mode=0o700) as draft,
            Draft(other, mode=0o600, folder_mode=0o700) as unproven,
        ):
            path.parent.chmod(0o500)
            draft.replace(lambda: b"new")
            with pytest.raises(PermissionError):
                unproven.replace(lambda: b"new")
            assert (path.read_bytes(), other.read_bytes()) == (b"new", b"old" * 99)
            path.parent.chmod(0o700)
    finally:
        if as_user:
            os.seteuid(0)
    assert {each.name for each in path.parent.iterdir()} == {path.name, other.name}


@as_root
def test_root_in_the_home_of_another_user_is_not_told_to_take_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    own = home / "own"
    own.mkdir(parents=True, mode=0o700)
    (own / "file").touch(0o600)
    for path in (home, own, own / "file"):
        os.chown(path, SOMEBODY, SOMEBODY)
    assert {found.hint for found in findings(own / "file", top=own)} == {AS_OWNER}


@as_root
def test_a_lock_that_root_makes_in_another_users_folder_is_that_users(tmp_path: Path) -> None:
    os.chown(tmp_path, SOMEBODY, SOMEBODY)
    release = try_lock(tmp_path / "lock")
    assert release is not None
    assert (tmp_path / "lock").stat().st_uid == SOMEBODY
    release()


@as_root
def test_a_lock_that_another_user_made_and_holds_is_not_waited_for(tmp_path: Path) -> None:
    import fcntl

    tmp_path.chmod(0o1777)
    path = tmp_path / "lock"
    with path.open("w") as theirs:
        os.chown(path, SOMEBODY, SOMEBODY)
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="it belongs to another user"):
            try_lock(path)
    os.chown(path, 0, 0)
    release = try_lock(path)
    assert release is not None
    release()


@as_root
@pytest.mark.parametrize("umask", [0o277, 0o700, 0o777], ids=oct)
def test_a_umask_that_keeps_the_owner_out_does_not(umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(tmp_path, SOMEBODY, SOMEBODY)
    monkeypatch.chdir(tmp_path)  # the folders above are root's
    before = os.umask(umask)
    os.seteuid(SOMEBODY)
    try:
        make_folder(Path("a/b"), mode=0o755)
        PrivateFolder(Path(), "ant-").remove()
    finally:
        os.seteuid(0)
        os.umask(before)
    assert {path.name: oct(path.stat().st_mode)[-3:] for path in tmp_path.rglob("*")} == {"a": "700", "b": "755"}


@as_root
def test_a_folder_that_is_shared_can_be_read_by_the_group_and_by_no_others(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "inner").mkdir(parents=True, mode=0o700)
    (top / "inner" / "file").touch(0o600)
    share(top, SOMEBODY)
    found = [(path.stat().st_uid, path.stat().st_gid, oct(path.stat().st_mode)[-3:])
             for path in (top, top / "inner", top / "inner" / "file")]  # fmt: skip
    assert found == [(0, SOMEBODY, "710"), (0, SOMEBODY, "750"), (0, SOMEBODY, "640")]
    (tmp_path / "link").symlink_to(top)
    with pytest.raises(OSError, match=f"Errno ({errno.ELOOP}|{errno.ENOTDIR})"):
        share(tmp_path / "link", SOMEBODY)
    (top / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match=f"Errno {errno.ELOOP}"):
        share(top, SOMEBODY)


@posix
def test_a_folder_is_removed_with_all_in_it_and_never_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious, top, here = tmp_path / "precious", tmp_path / "top", tmp_path / "here"
    precious.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    (precious / "file").touch()
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").touch()
    (top / "link").symlink_to(precious)
    for path in (top / "a" / "b", top / "a"):
        path.chmod(0)
    assert remove_folder(tmp_path / "gone" / "top")
    assert remove_folder(top, first="a/b")
    assert not os.path.lexists(top)
    assert os.listdir(here) == []
    (tmp_path / "link").symlink_to(precious)
    assert not remove_folder(tmp_path / "link")
    assert (precious / "file").exists()


@posix
def test_a_folder_is_removed_however_deep_it_is(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    folder = os.open(top, os.O_RDONLY)
    for _ in range(1500):  # more than Python nests calls, and than a process has descriptors by default
        os.mkdir("deeper", dir_fd=folder)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    assert remove_folder(top)


@posix
def test_a_private_folder_is_locked_while_its_maker_lives_and_leaves_nothing_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    first = PrivateFolder(tmp_path, "ant-")
    second = PrivateFolder(tmp_path, "ant-")
    assert first.path != second.path
    assert {stat.S_IMODE(each.path.stat().st_mode) for each in (first, second)} == {0o700}
    (first.path / "credentials").mkdir()
    share(first.path, os.getegid())
    second.remove()
    second.remove()
    third = PrivateFolder(tmp_path, "ant-")
    assert {path.name for path in tmp_path.iterdir()} == {first.path.name, third.path.name}
    for each in (first, third):
        each.remove(first="credentials")
    assert list(tmp_path.iterdir()) == []
    assert not before or len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("a".encode("utf-16"), "UTF-16"),
        (b"\xfe\xff", "UTF-16"),
        ("a".encode("utf-32"), "UTF-32"),
        (b"\x00\x00\xfe\xff\x00\x00\x00a", "UTF-32"),
        ("[{}]".encode("utf-16-le"), "UTF-16"),
        ("[{}]".encode("utf-16-be"), "UTF-16"),
        ("{}[".encode("utf-16-le"), ""),
        (("a" * 32 + "\u20ac").encode("utf-16-le"), "UTF-16"),
        (("a" * 31 + "\u20ac").encode("utf-16-le"), ""),
        ("\u00e9".encode("utf-16-le") * 4, ""),
        (bytes(8), ""),
        (b'{"a": 1}', ""),
    ],
)
def test_text_of_two_or_four_bytes_a_character_is_known_by_its_mark_or_by_its_halves(raw: bytes, found: str) -> None:
    assert wide_text(raw) == found


def test_a_file_that_is_not_a_credentials_file_is_left_alone_by_a_logout(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "thesis.json"
    other.write_text('{"chapters": 3}')
    other.chmod(0o600)
    directory = ConfigDir(home)
    directory.write("default", {"authentication": {"type": "user_oauth", "credentials_path": str(other)}})
    with pytest.raises(ProfileError, match="left alone"):
        directory.forget("default")
    directory.forget_all()
    assert other.exists()


_TOUCHING = {"chmod", "fchmod", "chown", "mkdir", "makedirs", "mkdtemp", "mkstemp", "rmtree", "symlink", "unlink"}
_TOUCHING |= {"write_text", "write_bytes", "removedirs", "rename", "NamedTemporaryFile"}
_ELSEWHERE = {
    # A certificate for one connection, in a temporary folder that is gone after it.
    ("ant_wif/diagnostics/registered.py", "write_text"),
    # The method of click's formatter, which writes help and no file.
    ("ant_cli/_click/help.py", "write_text"),
}


def calls() -> Iterator[tuple[str, str]]:
    source = Path(__file__).parents[2] / "src"
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _TOUCHING:
                yield path.relative_to(source).as_posix(), node.func.attr


def test_only_one_module_touches_the_disk() -> None:
    found = set(calls())
    assert {file for file, _ in found - _ELSEWHERE} == {"ant_wif/_files.py"}
    assert found >= _ELSEWHERE
