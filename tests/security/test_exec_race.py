"""`ant exec`'s folder in a temp folder that another user watches by inotify and fills as fast as the system lets it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from ant_wif._files import PrivateFolder
from ant_wif.emulator import Emulator
from support import folder_attacker, preloaded
from support.preloaded import ANT

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="acts as a second user with inotify, which takes root on Linux"
)
SOMEBODY = 54321


class Scene:
    """A sticky folder under attack, and a tree of the victim's that must not change."""

    def __init__(self, root: Path) -> None:
        self.shared, self.target, self.program = root / "shared", root / "target", root / "attacker.py"
        root.chmod(0o755)
        self.shared.mkdir()
        self.shared.chmod(0o1777)
        (self.target / "credentials").mkdir(parents=True)
        self.target.chmod(0o755)
        (self.target / "credentials" / "ant-exec.json").write_text("precious")
        shutil.copy(folder_attacker.__file__, self.program)
        self.attacker = subprocess.Popen(
            [sys.executable, self.program, self.shared, self.target, str(SOMEBODY)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.attacker.stdout is not None
        assert self.attacker.stdout.readline() == "ready\n", "the attacker runs"

    def planted(self) -> bool:
        return any(path.is_symlink() for path in self.shared.iterdir())

    def end(self) -> None:
        """Stop the attack, and assert that it changed and got nothing."""
        assert self.attacker.stdout is not None
        first = self.attacker.stdout.readline()  # comes: the system keeps the events until the attacker has read them
        assert first.startswith("planted")
        self.attacker.kill()
        assert "exchanged" not in self.attacker.stdout.read()
        assert stat.S_IMODE(self.target.stat().st_mode) == 0o755
        assert (self.target / "credentials" / "ant-exec.json").read_text() == "precious"
        assert {path.lstat().st_uid for path in self.shared.iterdir()} == {SOMEBODY}, "nothing of ours is left"


@pytest.fixture
def scene() -> Iterator[Scene]:
    root = Path(mkdtemp(dir="/tmp"))  # pytest's own folders are closed to the second user
    under_attack = Scene(root)
    try:
        yield under_attack
    finally:
        under_attack.attacker.kill()
        under_attack.attacker.wait()
        assert under_attack.attacker.stdout is not None
        under_attack.attacker.stdout.close()
        shutil.rmtree(root)


def test_two_hundred_folders_are_made_and_removed_under_attack(scene: Scene) -> None:
    runs = 0
    # A busy machine may give the attacker no turn: go on until one of its links has met a run.
    while runs < 200 or not scene.planted():
        folder = PrivateFolder(scene.shared, "ant-exec-")
        status = folder.path.lstat()
        assert stat.S_ISDIR(status.st_mode)
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o700)
        folder.remove(first="credentials/ant-exec.json")
        runs += 1
    scene.end()


@pytest.mark.parametrize("runs", [3, pytest.param(200, marks=pytest.mark.long)])
def test_no_run_of_ant_exec_fails_under_attack(scene: Scene, runs: int, tmp_path: Path) -> None:
    with Emulator() as emulator:
        environ = {**emulator.env("github"), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        environ.pop("RUNNER_TEMP", None)
        for _ in range(runs):
            done = preloaded.run(
                [ANT, "exec", "--", "true"],
                env={**environ, "TMPDIR": str(scene.shared)},
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    scene.end()


def test_what_a_killed_run_left_is_swept_under_attack_and_nothing_else(scene: Scene, tmp_path: Path) -> None:
    """The attacker may exchange nothing of ours, so a sweep never walks into what it put there."""
    left = PrivateFolder(scene.shared, "ant-exec-")
    (left.path / "credentials").mkdir()
    (left.path / "credentials" / "link").symlink_to(scene.target)
    left._unlock()  # as when its process is killed
    while not scene.planted():
        PrivateFolder(scene.shared, "ant-exec-").remove()
    PrivateFolder(scene.shared, "ant-exec-").remove()
    # Its name is free then, and a late attacker may put a link there.
    assert left.path.is_symlink() or not left.path.exists()
    scene.end()
