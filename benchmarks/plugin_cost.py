"""What the pytest plugin costs a run that does not use it, and how soon its first fixtures are ready.

By the CPU time of alternating runs, so that a busy machine slows both sides alike.
"""

from __future__ import annotations

import json
import statistics
import sys
from importlib.metadata import entry_points
from pathlib import Path

from stage import Stage, alone, in_turn
from table import Ratio, Row

NO_TEST_FOUND = 5
UNUSED_TIMES = 4
_MANY = "import pytest\n\n@pytest.mark.parametrize('n', range({}))\ndef test_one(n):\n    {}\n"
BESIDE = (
    ("3,000 empty tests", _MANY.format(3000, "pass"), 1.03, 0),
    (
        "20 tests that print 640 kB each",
        _MANY.format(20, "print('a line of output: 12345, and more\\n' * 17_000)"),
        1.05,
        0,
    ),
    (
        "20 failing tests that print 640 kB each",
        _MANY.format(20, "print('a line of output: 12345, and more\\n' * 17_000); assert 0"),
        1.05,
        1,
    ),
)
UNUSED_MS = 5
EMULATOR_MS = 300
CREDENTIALS_MS = 100

# The plugin is what differs: others of the machine take no part.
OTHERS = sorted({each.name for each in entry_points(group="pytest11")} - {"ant_wif"})
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"-pno:{name}" for name in OTHERS)]
SUITE = """
import json
import time
from pathlib import Path


def test_ready(request):
    began = time.perf_counter()
    request.getfixturevalue("ant_emulator")
    emulator = time.perf_counter()
    found = request.getfixturevalue("ant_credentials")
    credentials = time.perf_counter()
    found.token()
    token = time.perf_counter()
    times = [emulator - began, credentials - emulator, token - credentials]
    Path(__file__).with_name("times.json").write_text(json.dumps(times))
"""


def rows(stage: Stage) -> list[Row]:
    return [_unused(stage), *(_beside(stage, *each) for each in BESIDE), *_fixtures(stage)]


def _beside(stage: Stage, what: str, suite: str, most: float, status: int) -> Row:
    """Run tests that use nothing of the plugin, in pairs: with it and without. The ratio is the pairs' median."""
    home = stage.home()
    (home / "test_beside.py").write_text(suite)
    loaded, without = _with_and_without(stage, home, status)
    ratio = Ratio.of(loaded, without)
    return Row(
        f"{what}, the plugin loaded",
        f"{ratio} without",
        "has none",
        f"{most:.2f} x without",
        ratio.median <= most,
        {"seconds": loaded, "without_seconds": without},
        ratio,
    )


def _unused(stage: Stage) -> Row:
    """Collect an empty suite with the plugin loaded as it is by everyone, and without."""
    loaded, without = _with_and_without(stage, stage.home(), NO_TEST_FOUND, "--collect-only", times=UNUSED_TIMES)
    # Of each run and the one beside it, so that what slows the machine for a while slows both.
    more = statistics.median(one - other for one, other in zip(loaded, without, strict=True)) * 1000
    return Row(
        "`pytest --collect-only` of an empty suite, the plugin loaded",
        f"{more:+.1f} ms on {statistics.median(without) * 1000:.0f} ms",
        "has none",
        f"+{UNUSED_MS} ms",
        more <= UNUSED_MS,
        {"seconds": loaded, "without_seconds": without},
    )


def _with_and_without(stage: Stage, home: Path, status: int, *options: str, times: int = 1) -> list[list[float]]:
    """Return the CPU seconds of runs with the plugin and of runs without it, in pairs."""
    command = [*PYTEST, f"--rootdir={home}", *options, str(home)]
    both = (command, [*command, "-p", "no:ant_wif"])
    return in_turn(stage, *((each, lambda: stage.variables(home)) for each in both), status=status, times=times)


def _fixtures(stage: Stage) -> list[Row]:
    """Each run is a fresh process, so that imports count; the first exchange imports an HTTP client."""
    times = [_once(stage) for _ in range(stage.runs + 1)][1:]
    emulator, credentials, token = (statistics.median(taken) * 1000 for taken in zip(*times, strict=True))
    return [
        Row("`ant_emulator` is ready", f"{emulator:.0f} ms", "has none", f"{EMULATOR_MS} ms", emulator < EMULATOR_MS),
        Row(
            "`ant_credentials` is ready, after `ant_emulator`",
            f"{credentials:.0f} ms (its first token {token:.0f} ms later)",
            "has none",
            f"{CREDENTIALS_MS} ms",
            credentials < CREDENTIALS_MS,
            {"emulator_ms": emulator, "credentials_ms": credentials, "token_ms": token},
        ),
    ]


def _once(stage: Stage) -> list[float]:
    home = stage.home()
    (home / "test_ready.py").write_text(SUITE)
    _, ended = alone([*PYTEST, f"--rootdir={home}", str(home / "test_ready.py")], stage.variables(home))
    if ended.status != 0:
        raise RuntimeError(f"pytest ended with {ended.status}:\n{ended.output}{ended.error}")
    times: list[float] = json.loads((home / "times.json").read_text())
    return times
