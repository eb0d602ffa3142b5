"""File systems that lack what others have: modes, locks, root's power, room; and a home that is nobody's."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from ant_wif._config import ConfigDir
from ant_wif.emulator import Emulator
from support import preloaded
from support.login import keep_a_login

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes, locks and file size limits are POSIX")
ROOT = os.name == "posix" and os.geteuid() == 0
ANT = [preloaded.ANT]
OTHER = 4242

# `flock` fails as on NFS without a lock daemon.
WITHOUT_LOCKS = """
import errno, fcntl, sys
def refuse(*_):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = fcntl.lockf = refuse
from ant_cli.main import main
sys.exit(main())
"""
# One process for all commands: each is short, and to start it is not.
EACH = """
import json, sys
from ant_cli.main import main
def status_of(words):
    sys.argv = ["ant", *words]
    return main()
print([status_of(words) for words in json.loads(sys.argv[1])])
"""
# What each prints, apart.
EACH_APART = """
import contextlib, io, json, sys
from ant_cli.main import main
outcomes = []
for words in json.loads(sys.argv[1]):
    sys.argv, errors = ["ant", *words], io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(sys.stderr):
        outcomes.append((main(), errors.getvalue()))
print(json.dumps(outcomes))
"""


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A job whose home is on a usual file system."""
    with Emulator() as emulator:
        job = {**emulator.env("github"), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        job.pop("RUNNER_TEMP", None)
        yield job


def run(
    environ: dict[str, str], *arguments: str, ant: list[str] = ANT, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    done = preloaded.run(
        [*prefix, *ant, *arguments], env=environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
    return done


@pytest.fixture(params=["--chmod-ignore", "--chmod-deny"])
def without_modes(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder whose file system says 0755 of everything, whatever is set, as FAT does."""
    if not ROOT or shutil.which("bindfs") is None:
        pytest.skip("mounts a file system without modes, which takes root and bindfs")
    base = Path(mkdtemp(dir="/tmp"))
    real, mounted = base / "real", base / "mounted"
    real.mkdir()
    mounted.mkdir()
    mount = subprocess.run(["bindfs", "--perms=0755", request.param, str(real), str(mounted)], check=False)
    if mount.returncode != 0:
        shutil.rmtree(base)
        pytest.skip("this machine mounts no FUSE file systems")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)
    shutil.rmtree(base)


def test_no_token_is_written_where_the_file_system_would_show_it_to_others(
    without_modes: Path, environ: dict[str, str]
) -> None:
    there = {**environ, "HOME": str(without_modes)}
    assert run(there, "models", "list", "--limit", "1").returncode == 0
    written = [path for path in without_modes.rglob("*") if path.is_file()]
    assert not [path for path in written if b"sk-ant-" in path.read_bytes()]
    assert run(there, "profile", "create", "ci", "--federation", "--identity-token-file", "/t").returncode == 0
    assert "ci" in run(there, "profile", "list").stdout


def test_a_program_is_not_started_with_a_credential_that_others_could_read(
    without_modes: Path, environ: dict[str, str]
) -> None:
    refused = run({**environ, "TMPDIR": str(without_modes)}, "exec", "--", "true")
    assert refused.returncode == 1
    assert "does not keep modes" in refused.stderr
    assert "hint: set TMPDIR" in refused.stderr
    assert list(without_modes.iterdir()) == []


def test_a_login_is_refused_where_it_could_not_be_kept_private(without_modes: Path, environ: dict[str, str]) -> None:
    refused = run({**environ, "HOME": str(without_modes)}, "auth", "login", "--no-browser")
    assert refused.returncode == 1
    assert "does not keep modes" in refused.stderr
    assert "mount this one with umask=077" in refused.stderr
    assert "ANTHROPIC_CONFIG_DIR" in refused.stderr


def test_everything_works_without_locks_and_says_that_tokens_are_not_shared(environ: dict[str, str]) -> None:
    ant = [sys.executable, "-c", WITHOUT_LOCKS]
    listed = run(environ, "models", "list", "--limit", "1", ant=ant)
    assert listed.returncode == 0
    assert "tokens are not shared with other processes" in listed.stderr
    temporary = Path(environ["HOME"]) / "tmp"
    temporary.mkdir(mode=0o700)
    for _ in range(2):
        assert run({**environ, "TMPDIR": str(temporary)}, "exec", "--", "true", ant=ant).returncode == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(not ROOT or shutil.which("setpriv") is None, reason="acts as a second user, which takes root")
def test_a_user_whose_home_is_the_root_folder_can_do_all_that_writes_nothing(environ: dict[str, str]) -> None:
    user = ("setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups")
    if subprocess.run([*user, sys.executable, "-c", ""], check=False, capture_output=True).returncode != 0:
        pytest.skip("this Python is not open to a second user")
    # pytest's own folder is closed to that user, and so is what lies in it.
    there = {**environ, "HOME": "/", "TMPDIR": "/tmp"}
    commands = [
        ["profile", "create", "ci", "--federation", "--identity-token-file", "/t"],
        *(["models", "list", "--limit", "1"], ["auth", "status"], ["cache", "list"], ["exec", "--", "true"]),
    ]
    done = run(there, json.dumps(commands), ant=[sys.executable, "-c", EACH], prefix=user)
    assert done.stdout.splitlines()[-1] == "[1, 0, 0, 0, 0]"
    assert "/.config/anthropic/configs" in done.stderr
    assert "hint: " in done.stderr


@pytest.mark.skipif(not ROOT or shutil.which("setpriv") is None, reason="takes root's power away, which takes root")
def test_root_that_may_not_read_a_users_files_is_told_which(environ: dict[str, str]) -> None:
    """As on NFS with root squash: the owner is another, and root has no more rights than anybody."""
    home = Path(environ["HOME"])
    directory = home / ".config" / "anthropic"
    for folder, content in (
        ("configs", {"authentication": {"type": "user_oauth", "client_id": "client"}}),
        ("credentials", {"type": "oauth_token", "access_token": "old", "refresh_token": "secret", "expires_at": 1}),
    ):
        (directory / folder).mkdir(parents=True, mode=0o755)
        (directory / folder / "default.json").write_text(json.dumps({"version": "1.0", **content}))
        (directory / folder / "default.json").chmod(0o600 if folder == "credentials" else 0o644)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, OTHER, OTHER)
    squashed = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    os.chown(home, OTHER, OTHER)

    def each(*commands: str) -> list[tuple[int, str]]:
        """The status of each command, and its messages."""
        there = {"HOME": str(home), "PATH": environ["PATH"]}
        words = json.dumps([command.split() for command in commands])
        done = run(there, words, ant=[sys.executable, "-c", EACH_APART], prefix=squashed)
        outcomes: list[tuple[int, str]] = json.loads(done.stdout)
        assert not [message for _, message in outcomes if "Traceback" in message or "unexpected" in message]
        return outcomes

    home.chmod(0o755)
    (status, _), (refused, message) = each("auth status", "models list")
    assert (status, refused) == (0, 3)
    assert f"ls -l {directory}/credentials/default.json" in message
    assert (directory / "credentials" / "default.json").stat().st_uid == OTHER
    home.chmod(0o700)
    (refused, message), (status, _), *others = each(
        "models list", "auth status", "cache list", "profile list", "auth login --no-browser"
    )
    assert (status, refused) == (0, 3)
    assert "configs/default.json (Permission denied)" in message
    for status, message in others:
        assert (status, "Permission denied" in message) == (1, True), message


# A file may not grow beyond so many bytes, for many such numbers: the system's own limit stands in for a full disk.
MANY_SIZES = """
import json, resource, signal, sys
from pathlib import Path
import ant_wif
from ant_wif.errors import AntWifError
path, environ = Path(sys.argv[1]), json.loads(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
before = path.read_bytes()
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
refused = renewed = 0
for size in [*range(0, len(before) + 64, 5), *range(16 << 10, (16 << 10) + 2 * len(before), 7)]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        ant_wif.resolve(environ=environ).token()
    except AntWifError:
        assert path.read_bytes() == before, "the login that there is stays"
        refused += 1
    else:
        renewed += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert {each.name for each in path.parent.iterdir()} <= {path.name, f".{path.name}.lock"}, "nothing is left"
    if renewed:
        break
print(len(before), refused, renewed)
"""


def test_a_disk_that_is_full_after_any_number_of_bytes_costs_no_login(tmp_path: Path) -> None:
    with Emulator() as emulator:
        directory = ConfigDir(tmp_path / "config")
        environ = {"HOME": str(tmp_path), "ANTHROPIC_CONFIG_DIR": str(directory.path)}
        keep_a_login(directory, emulator)
        path = directory.credentials_path("default")
        path.write_text(json.dumps({**json.loads(path.read_text()), "expires_at": 1}))
        done = preloaded.run(
            [sys.executable, "-c", MANY_SIZES, str(path), json.dumps(environ)],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        size, refused, renewed = map(int, done.stdout.split())
        assert refused > size / 5
        assert renewed == 1
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(emulator.refreshes) == 1, "no refresh was sent whose answer could not have been kept"
