"""Many processes that share a federation profile, whose identity token can be exchanged once."""

from __future__ import annotations

from forked import granted
from stage import Stage
from table import Row

PROCESSES = 32


def rows(stage: Stage) -> list[Row]:
    succeeded, attempts = _cold(stage, "here")
    theirs, seen = _cold(stage, "official")
    return [
        Row(
            f"{PROCESSES} processes at the same moment, one federation profile, nothing stored",
            f"{succeeded} succeed, {attempts} exchange",
            f"{theirs} succeed, {seen} requests",
            f"{PROCESSES} succeed, 1 exchange",
            succeeded == PROCESSES and attempts == 1,
            {"succeeded": succeeded, "attempts": attempts, "official_succeeded": theirs, "official_attempts": seen},
        )
    ]


def _cold(stage: Stage, which: str) -> tuple[int, int]:
    home = stage.home()
    stage.federation_profile(home)
    return len(granted(stage, which, stage.variables(home), PROCESSES)), stage.attempts
