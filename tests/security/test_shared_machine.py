"""Other users of the same machine: whose files and folders are used."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import ant_wif
from ant_wif._config import ConfigDir
from ant_wif.emulator import Emulator
from ant_wif.errors import ProfileError
from support import preloaded
from support.preloaded import ANT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")

PROFILE = {"authentication": {"type": "oidc_federation", "identity_token": {"source": "command", "command": ["true"]}}}


@pytest.fixture
def directory(tmp_path: Path) -> ConfigDir:
    found = ConfigDir(tmp_path / "config")
    found.write("default", PROFILE)
    return found


# One process for all commands: each is short, and to start it is not.
COMMANDS = """
import json, os, sys
from ant_cli.main import main
os.umask(int(sys.argv[1]))
for arguments in json.loads(sys.argv[2]):
    sys.argv = ["ant", *arguments]
    if status := main():
        sys.exit(f"{arguments} ended with {status}")
"""
WRITING = [
    ["auth", "print-credentials", "--access-token"],
    ["profile", "create", "ci", "--federation", "--identity-token-file", "/var/run/token"],
    ["profile", "set", "workspace_id", "wrkspc_01X", "--profile", "ci"],
    ["profile", "activate", "ci"],
    ["profile", "create", "other", "--federation", "--identity-token-file", "/var/run/token"],
    ["auth", "logout", "--profile", "other"],
    ["identity", "token", "--output", "HOME/made/token"],
    ["exec", "--", "sh", "-c", "cp -a $ANTHROPIC_CONFIG_DIR HOME/exec"],
]


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o027, 0o077])
def test_what_is_made_has_its_own_mode_whatever_the_umask(umask: int, tmp_path: Path, emulator: Emulator) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    environ = {**emulator.env("github"), "HOME": str(home), "PATH": os.environ["PATH"]}
    commands = json.dumps(WRITING).replace("HOME", str(home))
    preloaded.run([sys.executable, "-c", COMMANDS, str(umask), commands], env=environ, check=True, capture_output=True)
    log_in(environ, umask, emulator)
    made = {path.relative_to(home) for path in home.rglob("*")}
    assert {Path("made/token"), Path("exec/credentials"), Path(".config/anthropic/active_config")} <= made
    assert Path(".config/anthropic/credentials/person.json") in made
    for path in made:
        mode = stat.S_IMODE((home / path).stat().st_mode)
        public = path.name in {"configs", "active_config"} or path.parent.name == "configs"
        expected = {True: 0o755, False: 0o700} if (home / path).is_dir() else {True: 0o644, False: 0o600}
        assert mode == expected[public], f"{path} has {mode:04o}"


def log_in(environ: dict[str, str], umask: int, emulator: Emulator) -> None:
    """Log in as `person`, by the code that the page shows."""
    with preloaded.Popen(
        [ANT, "auth", "login", "--no-browser", "--profile", "person", "--console-url", emulator.base_url],
        env=environ,
        umask=umask,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as ant:
        assert ant.stdin is not None
        assert ant.stderr is not None
        url = next(line.strip() for line in ant.stderr if line.strip().startswith("http"))
        ant.stdin.write(f"{emulator.approve(url).code}\n")
        ant.stdin.close()
        ant.stderr.read()
    assert ant.returncode == 0


def test_the_status_reports_it_and_exits_0_where_a_command_is_refused(directory: ConfigDir) -> None:
    directory.path.chmod(0o777)
    environ = {"HOME": str(directory.path.parent), "ANTHROPIC_CONFIG_DIR": str(directory.path), "PATH": ""}
    status = preloaded.run([ANT, "auth", "status"], env=environ, capture_output=True, text=True, check=False)
    refused = preloaded.run([ANT, "models", "list"], env=environ, capture_output=True, text=True, check=False)
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
