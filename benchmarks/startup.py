"""How long `ant` takes to start, beside the libraries that it cannot do without, in one run.

Medians of alternating runs, so that a busy machine slows both sides alike. Exit status 1 when a
ratio is over its bar.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ANT = [str(Path(sys.executable).with_name("ant"))]
PYTHON = [sys.executable, "-c"]

# What is measured, what it is compared with, and the largest ratio that is acceptable.
CASES = [
    ("ant --version", [*ANT, "--version"], "import click", [*PYTHON, "import click"], 1.5),
    (
        "ant auth status",
        [*ANT, "auth", "status"],
        "import click, pydantic_settings",
        [*PYTHON, "import click, pydantic_settings"],
        1.25,
    ),
    ("import ant_wif", [*PYTHON, "import ant_wif"], "pass", [*PYTHON, "pass"], 1.5),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    rows = [_compare(*case, runs=options.runs) for case in CASES]
    print("| measured | ms | beside | ms | ratio | at most |")
    print("| --- | ---: | --- | ---: | ---: | ---: |")
    for row in rows:
        print("| {measured} | {ms:.0f} | {beside} | {beside_ms:.0f} | {ratio:.2f} | {bar} |".format(**row))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return int(any(float(str(row["ratio"])) > float(str(row["bar"])) for row in rows))


def _compare(
    measured: str, command: list[str], beside: str, other: list[str], bar: float, *, runs: int
) -> dict[str, object]:
    mine: list[float] = []
    theirs: list[float] = []
    _milliseconds(command), _milliseconds(other)  # the first run writes bytecode
    for _ in range(runs):
        mine.append(_milliseconds(command))
        theirs.append(_milliseconds(other))
    ms, beside_ms = statistics.median(mine), statistics.median(theirs)
    return {
        "measured": measured, "ms": ms, "beside": beside, "beside_ms": beside_ms, "ratio": ms / beside_ms, "bar": bar,
    }  # fmt: skip


def _milliseconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    )
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
