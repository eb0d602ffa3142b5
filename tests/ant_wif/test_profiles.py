"""The configuration directory: what is read, what is refused, how it is written."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif._secrets import SecretStr
from ant_wif.errors import ProfileError
from support import preloaded
from support.samples import federation_profile, login_profile

TOKEN = "sk-ant-oat01-EXAMPLE-of-a-token"

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


@pytest.fixture
def directory(tmp_path: Path) -> ConfigDir:
    return ConfigDir.locate(Environment({"HOME": str(tmp_path)}))


def test_the_directory_is_the_argument_the_variable_or_the_default() -> None:
    environ = Environment({"HOME": "/home/me", "XDG_CONFIG_HOME": "/elsewhere"})
    assert ConfigDir.locate(environ).path == Path("/home/me/.config/anthropic")
    named = Environment({"HOME": "/home/me", "ANTHROPIC_CONFIG_DIR": "/named"})
    assert (ConfigDir.locate(named).path, ConfigDir.locate(named).via) == (Path("/named"), "env")
    assert ConfigDir.locate(named, "/given").path == Path("/given")


@posix
def test_a_directory_that_cannot_even_be_looked_at_is_refused_as_one_that_cannot_be_read() -> None:
    # A name that is too long fails as a folder of another user does, which closed it, for root too.
    directory = ConfigDir.locate(Environment({"HOME": "/home/me", "ANTHROPIC_CONFIG_DIR": f"/{'a' * 300}"}))
    for attempt in (lambda: directory.read("default"), lambda: directory.write("default", federation_profile())):
        with pytest.raises(ProfileError, match="could not be"):
            attempt()


@posix
def test_files_and_folders_get_the_documented_modes(directory: ConfigDir) -> None:
    directory.write("default", federation_profile())
    path = directory.credentials_path("default")
    directory.write_credentials(path, {"access_token": SecretStr(TOKEN)})
    directory.activate("default")
    modes = {
        "configs": 0o755, "configs/default.json": 0o644, "credentials": 0o700, "credentials/default.json": 0o600,
        "active_config": 0o644,
    }  # fmt: skip
    found = {name: stat.S_IMODE((directory.path / name).stat().st_mode) for name in modes}
    assert found == modes


def test_a_rewrite_keeps_what_this_version_does_not_know(directory: ConfigDir) -> None:
    path = directory.credentials_path("default")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"access_token": "old", "future": {"kept": [1, 2]}, "refresh_token": "r"}))
    path.chmod(0o600)
    directory.write_credentials(path, {"access_token": SecretStr(TOKEN), "expires_at": 5})
    assert json.loads(path.read_text()) == {
        "access_token": TOKEN,
        "future": {"kept": [1, 2]},
        "refresh_token": "r",
        "version": "1.0",
        "type": "oauth_token",
        "expires_at": 5,
    }


@posix
def test_a_credentials_file_that_is_a_symlink_is_neither_read_nor_written(directory: ConfigDir, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("{}")
    target.chmod(0o600)
    path = directory.credentials_path("default")
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    with pytest.raises(ProfileError, match="is a symlink"):
        directory.read_credentials(path)
    with pytest.raises(ProfileError, match="is a symlink"):
        directory.write_credentials(path, {"access_token": SecretStr(TOKEN)})
    assert target.read_text() == "{}"
    assert path.is_symlink()


def test_an_unknown_field_is_a_debug_line_and_nothing_more(
    directory: ConfigDir, caplog: pytest.LogCaptureFixture
) -> None:
    directory.write("default", federation_profile(future=True))
    with caplog.at_level("DEBUG", logger="ant_wif"):
        directory.read("default")
    assert ["future" in record.getMessage() for record in caplog.records] == [True]


@posix
def test_a_pointer_that_others_can_write_is_refused_where_its_name_is_read(directory: ConfigDir) -> None:
    directory.write("work", federation_profile())
    directory.activate("work")
    directory.pointer_path.chmod(0o666)
    with pytest.raises(ProfileError, match="active_config can be written by group or others"):
        directory.active()
    assert directory.read(directory.active("work").name).name == "work", "a profile that is named needs no pointer"


@posix
def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    """A folder that cannot be made: its place is taken by a file."""
    (tmp_path / "credentials").write_text("a file")
    directory = ConfigDir(tmp_path)
    with pytest.raises(ProfileError) as caught:
        directory.write_credentials(directory.credentials_path("default"), {"access_token": SecretStr(TOKEN)})
    assert caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["credentials"]


WRITER = """
import sys
from pathlib import Path
from ant_wif._config.config_dir import ConfigDir
from ant_wif._secrets import SecretStr

directory = ConfigDir(Path(sys.argv[1]))
path = directory.credentials_path("default")
number = 0
while True:
    number += 1
    directory.write_credentials(path, {"access_token": SecretStr(f"{number}-" + "x" * 20000), "number": number})
    print(number, flush=True)
"""


@posix
def test_a_reader_never_sees_half_a_file_and_a_killed_writer_leaves_a_whole_one(tmp_path: Path) -> None:
    directory = ConfigDir(tmp_path)
    path = directory.credentials_path("default")
    process = preloaded.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as stdout:
        stdout.readline()
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            stored = json.loads(path.read_text())
            assert stored["access_token"].startswith(f"{stored['number']}-")
        process.send_signal(signal.SIGKILL)
        process.wait()
    found = directory.read_credentials(path)
    assert found is not None
    assert found.access_token is not None


def test_deleting_the_active_profile_removes_the_pointer_too(directory: ConfigDir) -> None:
    directory.write("work", login_profile())
    directory.activate("work")
    assert {path.name for path in directory.delete("work")} == {"work.json", "active_config"}
    assert directory.active().name == "default"
