"""`ant exec`'s folder in a temp folder that another user watches and fills as fast as it can."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import pytest

from ant_wif._files import PrivateFolder

SOMEBODY = 54321
RUNS = 50

# Answers each new name with links and folders under it and what could come after it, and swaps what it can.
ATTACKER = """
import os, sys
shared, target = sys.argv[1:]
print("ready", flush=True)
known = set()
while True:
    for name in set(os.listdir(shared)) - known:
        known.add(name)
        for planted in (name, name.removesuffix(".lock"), name + ".lock"):
            try:
                os.symlink(target, os.path.join(shared, planted))
                known.add(planted)
            except OSError:
                pass
        try:
            os.rename(os.path.join(shared, name), os.path.join(shared, name + "-moved"))
        except OSError:
            pass
"""


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, for a second user"
)
def test_an_attacker_who_watches_the_folder_stops_nothing_and_changes_nothing_outside() -> None:
    root = Path(mkdtemp(dir="/tmp"))  # pytest's own folders are closed to the second user
    try:
        root.chmod(0o755)
        shared, target = root / "shared", root / "target"
        shared.mkdir()
        shared.chmod(0o1777)
        (target / "credentials").mkdir(parents=True)
        target.chmod(0o755)
        (target / "credentials" / "ant-exec.json").touch()
        second = ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", "/usr/bin/env", "python3"]
        with subprocess.Popen(
            [*second, "-c", ATTACKER, str(shared), str(target)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": f"/usr/bin:/bin:{Path(sys.executable).parent}"},
        ) as attacker:
            assert attacker.stdout is not None
            assert attacker.stdout.readline() == "ready\n", "the attacker runs"
            # A busy machine may give the attacker no turn: go on until one of its links has met a run.
            runs = 0
            while runs < RUNS or not any(path.is_symlink() for path in shared.iterdir()):
                folder = PrivateFolder(shared, "ant-exec-")
                status = folder.path.lstat()
                assert stat.S_ISDIR(status.st_mode)
                assert status.st_uid == 0
                folder.remove(first="credentials/ant-exec.json")
                runs += 1
            attacker.kill()
        assert stat.S_IMODE(target.stat().st_mode) == 0o755
        assert (target / "credentials" / "ant-exec.json").exists()
        assert {path.lstat().st_uid for path in shared.iterdir()} == {SOMEBODY}
    finally:
        shutil.rmtree(root)
