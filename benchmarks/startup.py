"""The CPU time that `ant` takes to start, beside the libraries that it cannot do without."""

from __future__ import annotations

import statistics
import sys

from stage import ANT, Stage, in_turn
from table import Ratio, Row

PYTHON = [sys.executable, "-c"]

# What is measured, what it is compared with, the largest ratio that is acceptable, and what the
# official SDK has instead.
CASES = [
    ("ant --version", [ANT, "--version"], "import click", 1.05, None),
    ("ant auth status", [ANT, "auth", "status"], "import click, pydantic_settings", 1.1, None),
    ("import ant_wif", [*PYTHON, "import ant_wif"], "pass", 1.5, "import anthropic"),
]


def rows(stage: Stage) -> list[Row]:
    return [_compare(stage, *case) for case in CASES]


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
