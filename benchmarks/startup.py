"""How long `ant` takes to start, beside the libraries that it cannot do without.

Medians of alternating runs, so that a busy machine slows both sides alike.
"""

from __future__ import annotations

import statistics
import sys

from stage import ANT, Stage, alone
from table import Row, ratio

PYTHON = [sys.executable, "-c"]

# What is measured, what it is compared with, the largest ratio that is acceptable, and what the
# official SDK has instead.
CASES = [
    ("ant --version", [ANT, "--version"], "import click", 1.5, None),
    ("ant auth status", [ANT, "auth", "status"], "import click, pydantic_settings", 1.25, None),
    ("import ant_wif", [*PYTHON, "import ant_wif"], "pass", 1.5, "import anthropic"),
]


def rows(stage: Stage) -> list[Row]:
    return [_compare(stage, *case) for case in CASES]


def _compare(stage: Stage, measured: str, command: list[str], beside: str, bar: float, official: str | None) -> Row:
    commands = [command, [*PYTHON, beside], [*PYTHON, official or "pass"]]
    times: list[list[float]] = [[], [], []]
    for number in range(stage.runs + 1):
        for taken, each in zip(times, commands, strict=True):
            seconds = _seconds(stage, each)
            if number:  # the first run writes bytecode
                taken.append(seconds * 1000)
    here, other, theirs = (statistics.median(taken) for taken in times)
    return Row(
        f"`{measured}`",
        f"{here:.0f} ms ({ratio(here / other)} `{beside}`)",
        f"`{official}`: {theirs:.0f} ms" if official else "has none",
        f"{bar} x `{beside}`",
        here / other <= bar,
        {"ms": here, "beside_ms": other, "ratio": here / other, "official_ms": theirs if official else None},
    )


def _seconds(stage: Stage, command: list[str]) -> float:
    seconds, ended = alone(command, stage.variables(stage.home()))
    if ended.status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {ended.status}:\n{ended.error[-2000:]}")
    return seconds
