"""`ant identity token --watch`: a file that always holds an identity token that can still be exchanged."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ant_wif.emulator import Emulator
from support import preloaded
from support.preloaded import ANT

from .conftest import Ant


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def short(emulator: Emulator, lived: int, left: int) -> str:
    now = int(time.time())
    return emulator.issue("github", iat=now - lived, nbf=now - lived, exp=now + left)


def test_the_file_is_rewritten_before_each_expiry_until_it_is_stopped(emulator: Emulator, tmp_path: Path) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    source.touch(mode=0o600)
    preloaded.run([ANT, "--version"], env={}, capture_output=True)  # what is imported once takes none of these seconds
    source.write_text(short(emulator, 8, 8))  # half of its life is over: another is due
    child = preloaded.Popen(
        [ANT, "identity", "token", "--watch", "--output", str(output)],
        env={
            "HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
            "ANTHROPIC_IDENTITY_TOKEN_FILE": str(source),
            "GITHUB_ACTIONS": "true",  # where no masking command shows the token either
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stderr is not None
        assert f"wrote {output}, and will again before each expiry" in child.stderr.readline()
        assert stat.S_IMODE(output.stat().st_mode) == 0o600
        source.write_text(short(emulator, 6, 10))
        until(lambda: output.read_text().strip() == source.read_text())
        # What cannot be had for a while is told; the file keeps what it has.
        kept = output.read_text()
        source.write_text("garbage")
        assert child.stderr.readline().startswith("ant: warning: ")
        assert output.read_text() == kept
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=30)
    assert child.returncode == -signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir() if ".tmp" in path.name] == []


def test_a_token_that_can_never_be_fetched_is_an_error_at_once(ant: Ant, tmp_path: Path) -> None:
    outcome = ant("identity", "token", "--watch", "--output", str(tmp_path / "output"))
    assert outcome.status == 3
    assert "hint: " in outcome.err
    assert not (tmp_path / "output").exists()


def test_watching_without_a_file_is_wrong_usage(ant: Ant) -> None:
    outcome = ant("identity", "token", "--watch")
    assert outcome.status == 2
    assert "--watch needs --output FILE" in outcome.err


def test_the_help_says_why_ant_exec_is_the_better_choice(ant: Ant) -> None:
    text = " ".join(ant("identity", "token", "--help").out.split())
    assert "`ant exec` instead: it makes one exchange for all of them" in text


@pytest.mark.parametrize("where", ["nowhere/deep/file", "."])
def test_a_place_that_cannot_be_written_is_named(where: str, ant: Ant, emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "nowhere").touch()
    outcome = ant("identity", "token", "--watch", "--output", str(tmp_path / where), **emulator.env("github"))
    assert outcome.status == (2 if where == "." else 1)
    assert "error: " in outcome.err
