"""Processes killed at random moments of an exchange and of storing its token, and what the next one finds.

The measured process has everything imported and forks, so that a kill costs no interpreter's start.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from stage import Stage, result, script
from table import Row

OFFICIAL_KILLS = 50
FROM_NOTHING = 10
"""Of so many kills one finds an empty folder; the others find what those before them left."""


@dataclass
class Found:
    kills: int = 0
    unfinished: int = 0
    """How many were killed before their end."""
    failed: int = 0
    damaged: int = 0
    left: int = 0
    milliseconds: float = 0
    """How long a process takes that is not killed."""

    def __str__(self) -> str:
        return (
            f"{self.kills - self.failed} of {self.kills} later calls work, {self.damaged} damaged, {self.left} left "
            f"({self.unfinished} killed within {self.milliseconds:.0f} ms)"
        )


def rows(stage: Stage) -> list[Row]:
    here, official = _here(stage), _official(stage)
    return [
        Row(
            f"{here.kills} processes killed while they exchange and store",
            str(here),
            str(official),
            "all later calls work, 0 damaged, 0 left",
            here.failed == here.damaged == here.left == 0,
            {"here": asdict(here), "official": asdict(official)},
        )
    ]


def _here(stage: Stage) -> Found:
    home = stage.home()
    environment = stage.variables(home, **stage.emulator.env("github"), ANT_CACHE_DIR=str(home / "cache"))
    return Found(**result(script(__file__, "here", str(stage.kills), str(home / "cache")), environment))


def _official(stage: Stage) -> Found:
    """It stores tokens of profiles only, and knows no source that mints: so a file that may be exchanged again."""
    home = stage.home()
    credentials = stage.federation_profile(home, jti=None)
    command = script(__file__, "official", str(min(stage.kills, OFFICIAL_KILLS)), str(credentials.parent))
    return Found(**result(command, stage.variables(home)))


def _renew_here(folder: Path) -> None:
    """Read what is stored, then exchange all the same, and replace it."""
    del folder
    import ant_wif

    credentials = ant_wif.resolve()
    assert credentials.token()
    credentials.invalidate()
    assert credentials.token()


def _renew_officially(folder: Path) -> None:
    """Exchange and store; it does so only where nothing is stored."""
    import anthropic

    with contextlib.suppress(FileNotFoundError):
        (folder / "default.json").unlink()
    cache = anthropic.Anthropic()._token_cache
    assert cache is not None
    assert cache.get_token()


def _measure(renew: Callable[[Path], None], count: int, folder: Path) -> Found:
    renew(folder)  # for its imports
    lasts = statistics.median(_lifetime(_fork(renew, folder)) for _ in range(7))
    found = Found(kills=count, milliseconds=lasts * 1000)
    for number in range(count):
        if number % FROM_NOTHING == 0:
            shutil.rmtree(folder)
            folder.mkdir(mode=0o700)
        found.unfinished += _killed(_fork(renew, folder), after=random.uniform(0, 1.1 * lasts))
        found.damaged += _damaged(folder)
        found.failed += os.waitpid(_fork(renew, folder), 0)[1] != 0
        found.damaged += _damaged(folder)
        found.left += sum(1 for _ in folder.rglob("*.tmp"))
    return found


def _fork(renew: Callable[[Path], None], folder: Path) -> int:
    child = os.fork()
    if child:
        return child
    try:
        renew(folder)
    except BaseException:  # noqa: BLE001 - a forked child must not run on into its parent's code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _lifetime(child: int) -> float:
    started = time.perf_counter()
    os.waitpid(child, 0)
    return time.perf_counter() - started


def _killed(child: int, *, after: float) -> bool:
    """Kill a child; say whether it had not ended by itself."""
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _damaged(folder: Path) -> int:
    damaged = 0
    for path in folder.rglob("*.json"):
        try:
            json.loads(path.read_text())
        except ValueError:
            damaged += 1
    return damaged


if __name__ == "__main__":
    which, kills, where = sys.argv[1:]
    outcome = _measure(_renew_here if which == "here" else _renew_officially, int(kills), Path(where))
    json.dump(asdict(outcome), sys.stdout)
