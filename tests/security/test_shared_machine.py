"""Other users of the same machine: whose files and folders are used."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ant_wif
from ant_wif._config import ConfigDir
from ant_wif.emulator import Emulator
from ant_wif.errors import ProfileError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")

ANT = str(Path(sys.executable).with_name("ant"))
PROFILE = {"authentication": {"type": "oidc_federation", "identity_token": {"source": "command", "command": ["true"]}}}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def directory(tmp_path: Path) -> ConfigDir:
    found = ConfigDir(tmp_path / "config")
    found.write("default", PROFILE)
    return found


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
@pytest.mark.parametrize(
    "command",
    [
        ("profile", "create", "ci", "--federation", "--identity-token-file", "/var/run/token"),
        ("auth", "print-credentials", "--access-token"),
    ],
    ids=["profile create", "an exchange that is cached"],
)
def test_what_is_made_has_its_own_mode_whatever_the_umask(
    umask: int, command: tuple[str, ...], tmp_path: Path, emulator: Emulator
) -> None:
    environ = {**emulator.env("github"), "HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}
    (tmp_path / "home").mkdir(mode=0o700)
    subprocess.run([ANT, *command], env=environ, umask=umask, check=True, capture_output=True)
    made = sorted((tmp_path / "home").rglob("*"))
    assert made
    for path in made:
        mode = stat.S_IMODE(path.stat().st_mode)
        public = path.name == "configs" or path.parent.name == "configs"
        expected = {True: 0o755 if path.is_dir() else 0o644, False: 0o700 if path.is_dir() else 0o600}[public]
        assert mode == expected, f"{path} has {mode:04o}"


def test_the_status_reports_it_and_exits_0_where_a_command_is_refused(directory: ConfigDir) -> None:
    directory.path.chmod(0o777)
    environ = {"HOME": str(directory.path.parent), "ANTHROPIC_CONFIG_DIR": str(directory.path), "PATH": ""}
    status = subprocess.run([ANT, "auth", "status"], env=environ, capture_output=True, text=True, check=False)
    refused = subprocess.run([ANT, "models", "list"], env=environ, capture_output=True, text=True, check=False)
    assert status.returncode == 0
    assert "chmod go-w ~/config" in status.stdout
    assert refused.returncode == 3
    assert f"hint: chmod go-w {directory.path}" in refused.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives a folder to another group, which takes root")
def test_the_status_mentions_who_else_may_write_there(directory: ConfigDir) -> None:
    environ = {"HOME": str(directory.path.parent), "ANTHROPIC_CONFIG_DIR": str(directory.path)}

    def warned() -> list[tuple[str, str]]:
        return [
            (each.code, each.fix) for each in ant_wif.report(environ=environ).warnings if each.code == "loose_place"
        ]

    assert warned() == []
    directory.path.chmod(0o770)
    assert warned() == [("loose_place", f"chmod g-w {directory.path}")]
    directory.path.chmod(0o700)
    above = directory.path.parent
    os.chown(above, -1, 4242)
    above.chmod(0o770)
    assert warned() == [("loose_place", f"chmod g-w {above}")]


def test_a_configuration_directory_that_is_a_link_of_the_same_user_works(directory: ConfigDir, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(directory.path)
    assert ConfigDir(link).read("default").type == "oidc_federation"
    directory.path.chmod(0o777)
    with pytest.raises(ProfileError):
        ConfigDir(link).read("default")


def test_the_api_key_of_the_environment_is_used_whatever_the_configuration_directory_is(directory: ConfigDir) -> None:
    directory.path.chmod(0o777)
    environ = {
        "HOME": "/nonexistent",
        "ANTHROPIC_CONFIG_DIR": str(directory.path),
        "ANTHROPIC_API_KEY": "sk-ant-api03-X",
    }
    assert ant_wif.resolve(environ=environ).origin == "ANTHROPIC_API_KEY"
