"""Other users of the same machine: whose files and folders are used, and what a hostile temp folder can do."""

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
as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="acts as a second user, which takes root")

ANT = str(Path(sys.executable).with_name("ant"))
OTHER = 4242
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


def test_a_configuration_directory_that_is_a_link_of_the_same_user_works(directory: ConfigDir, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(directory.path)
    assert ConfigDir(link).read("default").type == "oidc_federation"
    directory.path.chmod(0o777)
    with pytest.raises(ProfileError):
        ConfigDir(link).read("default")


ATTACKER = """
import os, sys, time
base, victim = sys.argv[1:]
os.setgid(4242); os.setuid(4242)
print("ready", flush=True)
seen = set()
while True:
    for name in os.listdir(base):
        if name.startswith("ant-exec-") and name not in seen:
            seen.add(name)
            stem = name.removesuffix(".lock")
            for planted in (stem, f"{stem}.lock", f"{stem}.x"):
                try: os.symlink(victim, f"{base}/{planted}")
                except OSError: pass
    time.sleep(0.0005)
"""


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A sticky temp folder that another user watches, and a tree of the victim's that must not change."""
    shared, victim = tmp_path / "tmp", tmp_path / "victim"
    (victim / "credentials").mkdir(parents=True)
    (victim / "credentials" / "ant-exec.json").write_text("precious")
    victim.chmod(0o755)
    shared.mkdir()
    shared.chmod(0o1777)
    # pytest's folders are closed to others; the attacker has to get through.
    for above in [shared, *shared.parents]:
        if above.is_relative_to("/tmp") and above != shared:
            above.chmod(above.stat().st_mode | 0o011)
    attacker = subprocess.Popen([sys.executable, "-c", ATTACKER, str(shared), str(victim)], stdout=subprocess.PIPE)
    assert attacker.stdout is not None
    assert attacker.stdout.readline() == b"ready\n"
    yield shared, victim
    attacker.kill()
    attacker.wait()
    attacker.stdout.close()
    for planted in shared.iterdir():
        planted.unlink() if planted.is_symlink() else None


@as_root
def test_whoever_watches_the_temp_folder_stops_no_run_and_changes_nothing_outside(
    hostile: tuple[Path, Path], emulator: Emulator, tmp_path: Path
) -> None:
    shared, victim = hostile
    environ = {**emulator.env("github"), "HOME": str(tmp_path), "TMPDIR": str(shared), "PATH": os.environ["PATH"]}
    environ.pop("RUNNER_TEMP", None)
    for name in [name for name in environ if name.startswith("GITHUB_ACTIONS")]:
        del environ[name]
    environ |= {"ANTHROPIC_IDENTITY_TOKEN": emulator.issue("github")}
    for _ in range(5):
        done = subprocess.run([ANT, "exec", "--", "true"], env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert stat.S_IMODE(victim.stat().st_mode) == 0o755
    assert (victim / "credentials" / "ant-exec.json").read_text() == "precious"


def test_the_api_key_of_the_environment_is_used_whatever_the_configuration_directory_is(directory: ConfigDir) -> None:
    directory.path.chmod(0o777)
    environ = {
        "HOME": "/nonexistent",
        "ANTHROPIC_CONFIG_DIR": str(directory.path),
        "ANTHROPIC_API_KEY": "sk-ant-api03-X",
    }
    assert ant_wif.resolve(environ=environ).origin == "ANTHROPIC_API_KEY"
