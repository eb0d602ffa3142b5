"""A process that is killed at any moment damages nothing, and leaves nothing that the next one does not remove."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ant_wif._config import ConfigDir
from ant_wif.emulator import Emulator
from support import preloaded
from support.login import keep_a_login

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forks of a process that has imported everything")

# Forks a process that does the task; kills it after a part of the time that the task takes; says after each kill
# `killed`, or `ended` where the task was faster, and waits for a line before the next one.
KILLER = """
import os, random, signal, sys, time
from ant_cli.main import main
import ant_cli.commands.exec, ant_wif._export, ant_wif._http.transport, ant_wif._tokens.grants.jwt_bearer
import ant_wif._tokens.grants.endpoint, ant_wif._tokens.shared_refresh, filelock, pydantic_settings
number, *arguments = sys.argv[1:]
def start():
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(1, 0)
        sys.argv = ["ant", *arguments]
        os._exit(main() or 0)
    return child
began = time.monotonic()
_, status = os.waitpid(start(), 0)
took = time.monotonic() - began
print("first", os.waitstatus_to_exitcode(status), flush=True)
sys.stdin.readline()
for each in range(int(number)):
    child = start()
    time.sleep(random.uniform(0, took))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    took *= 1.2 if killed else 0.7  # the first may have been slow
    print("killed" if killed else "ended", flush=True)
    sys.stdin.readline()
"""


def after_each_kill(number: int, environ: dict[str, str], *arguments: str) -> Iterator[None]:
    """Kill `ant` with these arguments so many times, and yield after each."""
    with preloaded.Popen(
        [sys.executable, "-c", KILLER, str(number), *arguments],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as killer:
        assert killer.stdin is not None
        assert killer.stdout is not None
        outcomes = []
        for line in killer.stdout:
            outcomes.append(line.strip())
            yield
            killer.stdin.write("\n")
            killer.stdin.flush()
    assert outcomes[0] == "first 0", "the task works where nothing kills it"
    assert len(outcomes) == number + 1
    assert "killed" in outcomes


def assert_whole(*folders: Path) -> None:
    """Every file is whole and its owner's alone; every folder is closed."""
    for path in (path for folder in folders for path in folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert not mode & 0o022, path
        if path.suffix == ".json":
            json.loads(path.read_text())


def names(folder: Path) -> set[str]:
    return {path.suffix for path in folder.rglob("*") if path.is_file()}


NUMBERS = [8, pytest.param(334, marks=pytest.mark.long)]


@pytest.mark.parametrize("number", NUMBERS)
def test_an_exchange(number: int, emulator: Emulator, tmp_path: Path) -> None:
    environ = {**emulator.env("github"), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    cache = Path(environ.get("RUNNER_TEMP", tmp_path))
    for _ in after_each_kill(number, environ, "auth", "print-credentials", "--access-token"):
        assert_whole(cache, tmp_path)
        for path in cache.rglob("*.json"):  # so that the next one exchanges again
            path.unlink()
    for path in cache.rglob("*.tmp"):  # of assertions that are never used again: swept an hour later
        os.utime(path, (1, 1))
    command = [preloaded.ANT, "auth", "print-credentials", "--access-token"]
    preloaded.run(command, env=environ, check=True, capture_output=True)
    assert names(cache) | names(tmp_path) <= {".json", ".lock"}, "no draft is left"


@pytest.mark.parametrize("number", NUMBERS)
def test_a_refresh_of_a_login(number: int, emulator: Emulator, tmp_path: Path) -> None:
    directory = ConfigDir(tmp_path / ".config" / "anthropic")
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    path = directory.credentials_path("default")
    command = ("auth", "print-credentials", "--access-token")

    def expire() -> None:
        keep_a_login(directory, emulator)
        path.write_text(json.dumps({**json.loads(path.read_text()), "expires_at": 1}))

    expire()
    granted = 0
    for _ in after_each_kill(number, environ, *command):
        assert_whole(directory.path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        kept = json.loads(path.read_text())
        # Killed between the server's answer and the rename, a login is lost, and no client can help that.
        sent = len(emulator.refreshes) - granted
        granted = len(emulator.refreshes)
        assert sent or emulator.is_live_refresh_token(kept["refresh_token"])
        expire()
    preloaded.run([preloaded.ANT, *command], env=environ, check=True, capture_output=True)
    assert {each.name for each in path.parent.iterdir()} <= {path.name, f".{path.name}.lock"}, "no draft is left"


@pytest.mark.parametrize("number", NUMBERS)
def test_ant_exec(number: int, emulator: Emulator, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir(mode=0o700)
    environ = {**emulator.env("github"), "HOME": str(tmp_path), "TMPDIR": str(temporary), "PATH": os.environ["PATH"]}
    environ.pop("RUNNER_TEMP", None)
    for _ in after_each_kill(number, environ, "exec", "--", "true"):
        assert_whole(temporary)
    preloaded.run([preloaded.ANT, "exec", "--", "true"], env=environ, check=True, capture_output=True)
    assert list(temporary.iterdir()) == []
