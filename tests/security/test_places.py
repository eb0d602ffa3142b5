"""Files and folders that somebody else could have changed are refused, and what is made is this user's alone."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif._files import Draft, PrivateFolder, draft_of, findings, read_object, sweep, write_atomically
from ant_wif._secrets import SecretStr
from ant_wif.errors import ProfileError

SOMEBODY = 54321
MODES = (0o644, 0o664, 0o666, 0o755, 0o775, 0o777, 0o1777)
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
@pytest.mark.parametrize("place", ["file", "configs", "config dir", "parent"])
def test_a_profile_is_read_only_where_nobody_else_could_have_written_it(
    place: str, mode: int, owner: str, home: Path
) -> None:
    path = {
        "file": home / "configs" / "default.json",
        "configs": home / "configs",
        "config dir": home,
        "parent": home.parent,
    }[place]
    uid, gid = {"own": (0, 0), "other's": (SOMEBODY, SOMEBODY), "other's group": (0, SOMEBODY)}[owner]
    os.chown(path, uid, gid)
    path.chmod(mode)
    if place == "parent":
        refused = bool(mode & 0o002 and not mode & stat.S_ISVTX)
    else:
        refused = uid != 0 or bool(mode & 0o002) or bool(mode & 0o020 and gid != 0)
    if not refused:
        assert ConfigDir(home).read("default").name == "default"
        return
    with pytest.raises(ProfileError, match=f"mode {mode:04o}") as caught:
        ConfigDir(home).read("default")
    assert (caught.value.hint or "").startswith(("chmod", "chown"))
    assert str(path) in (caught.value.hint or "")


@as_root
def test_in_a_sticky_folder_the_next_name_must_be_this_users(home: Path) -> None:
    home.parent.parent.chmod(0o1777)
    assert ConfigDir(home).read("default")
    os.chown(home.parent, SOMEBODY, SOMEBODY)
    with pytest.raises(ProfileError, match="everybody can write"):
        ConfigDir(home).read("default")


@posix
def test_a_config_directory_that_is_a_link_to_a_folder_of_the_same_user_works(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    assert ConfigDir(tmp_path / "link").read("default")
    home.chmod(0o777)
    with pytest.raises(ProfileError, match="mode 0777"):
        ConfigDir(tmp_path / "link").read("default")


@posix
def test_the_own_groups_right_to_write_is_mentioned_and_not_refused(home: Path) -> None:
    home.chmod(0o770)
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
def test_a_draft_is_swept_by_whoever_has_the_lock_and_what_it_replaced_stays(tmp_path: Path) -> None:
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
def test_a_folder_of_somebody_elses_is_not_swept(tmp_path: Path) -> None:
    theirs = tmp_path / ("ant-exec-" + 32 * "c")
    theirs.mkdir(mode=0o700)
    os.chown(theirs, SOMEBODY, SOMEBODY)
    PrivateFolder(tmp_path, "ant-exec-").remove()
    assert theirs.exists()


def test_a_file_that_is_no_credentials_file_is_left_alone_by_a_logout(home: Path, tmp_path: Path) -> None:
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
