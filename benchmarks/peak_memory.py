"""The most memory that a process with credentials takes, up to its first exchange."""

from __future__ import annotations

import statistics
import sys

from stage import Stage, result
from table import Row

MEBIBYTES = 60
RUNS = 3

HERE = """
import ant_wif
held = ant_wif.resolve()
assert held.token()
"""
OFFICIAL = """
import anthropic
held = anthropic.Anthropic()
assert held._token_cache.get_token()
"""
# In MiB. Where Linux tells it, from there: its `ru_maxrss` counts the parent before exec, too.
PEAK = """
import os, re, resource, sys
if os.path.exists("/proc/self/status"):
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024)
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak / 1024 / (1024 if sys.platform == "darwin" else 1))
"""


def rows(stage: Stage) -> list[Row]:
    here, official = (
        statistics.median(
            result([sys.executable, "-c", program + PEAK], stage.federation(stage.home())) for _ in range(RUNS)
        )
        for program in (HERE, OFFICIAL)
    )
    return [
        Row(
            "peak memory after one exchange",
            f"{here:.0f} MiB",
            f"{official:.0f} MiB",
            f"under {MEBIBYTES} MiB",
            here < MEBIBYTES,
            {"mebibytes": here, "official_mebibytes": official},
        )
    ]
