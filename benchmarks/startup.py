"""The CPU time that `ant` takes to start, beside the libraries that it cannot do without."""

from __future__ import annotations

import statistics
import sys

from stage import ANT, Stage, in_turn, result
from table import Ratio, Row

PYTHON = [sys.executable, "-c"]

# What is measured, what it is compared with, the largest ratio that is acceptable, and what the
# official SDK has instead.
CASES = [
    ("ant --version", [ANT, "--version"], "import click", 1.05, None),
    ("ant auth status", [ANT, "auth", "status"], "import click, pydantic_settings", 1.1, None),
    ("import ant_wif", [*PYTHON, "import ant_wif"], "pass", 1.5, "import anthropic"),
]
DETECTION = """
import time
from pathlib import Path
from ant_wif.identity import Context, detect
started = time.process_time()
assert detect(Context(root=Path.home())) is None
print(time.process_time() - started)
"""
DETECTION_TIMES = 11
DETECTION_MILLISECONDS = 50.0


def rows(stage: Stage) -> list[Row]:
    return [*(_compare(stage, *case) for case in CASES), _detection(stage)]


def _detection(stage: Stage) -> Row:
    """The CPU time of the first look for a platform in a process, with the modules that it imports."""
    times = [result([*PYTHON, DETECTION], stage.variables(stage.home())) for _ in range(DETECTION_TIMES)]
    milliseconds = statistics.median(times) * 1000
    return Row(
        "`detect()` on a machine of no platform",
        f"{milliseconds:.1f} ms",
        "has none",
        f"at most {DETECTION_MILLISECONDS:.0f} ms",
        milliseconds <= DETECTION_MILLISECONDS,
        {"seconds": times},
    )


def _compare(stage: Stage, measured: str, command: list[str], beside: str, bar: float, official: str | None) -> Row:
    commands = (command, [*PYTHON, beside], [*PYTHON, official or "pass"])
    here, other, theirs = in_turn(stage, *((each, lambda: stage.variables(stage.home())) for each in commands))
    ratio = Ratio.of(here, other)
    return Row(
        f"`{measured}`",
        f"{statistics.median(here) * 1000:.0f} ms, {ratio} `{beside}`",
        f"`{official}`: {statistics.median(theirs) * 1000:.0f} ms" if official else "has none",
        f"{bar} x `{beside}`",
        ratio.median <= bar,
        {"seconds": here, "beside_seconds": other, "official_seconds": theirs if official else None},
        ratio,
    )
