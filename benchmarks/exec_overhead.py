"""What `ant exec` costs: beside `ant auth verify` at the start, and while a program runs that needs nothing of it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from stage import ANT, Stage, alone
from table import Ratio, Row

EXEC = [ANT, "exec", "--", "true"]
VERIFY = [ANT, "auth", "verify"]
IDLE_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


def rows(stage: Stage) -> list[Row]:
    return [_start(stage), _idle(stage)]


def _start(stage: Stage) -> Row:
    """Each run has an identity token and a home of its own, so each makes an exchange."""
    times: list[list[float]] = [[], []]
    for number in range(stage.runs + 1):
        for taken, command in zip(times, (EXEC, VERIFY), strict=True):
            seconds, ended = alone(command, stage.federation(stage.home()))
            if ended.status:
                raise RuntimeError(ended.error)
            if number:
                taken.append(seconds * 1000)
    here, ratio = statistics.median(times[0]), Ratio.of(*times)
    return Row(
        "`ant exec -- true`",
        f"{here:.0f} ms, {ratio} `ant auth verify`",
        "has none",
        "1.3 x `ant auth verify`",
        ratio.median <= 1.3,
        {"ms": times[0], "verify_ms": times[1]},
        ratio,
    )


def _idle(stage: Stage) -> Row:
    program = f"import time; print('ready', flush=True); time.sleep({IDLE_SECONDS + 10})"
    environment = stage.federation(stage.home())
    child = subprocess.Popen(
        [ANT, "exec", "--", sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(1)
        before = _cpu_seconds(child.pid)
        time.sleep(IDLE_SECONDS)
        percent = (_cpu_seconds(child.pid) - before) / IDLE_SECONDS * 100
        mebibytes = _resident(child.pid) / (1 << 20)
    finally:
        child.terminate()
        child.wait()
    return Row(
        "`ant exec`, idle",
        f"{percent:.3f} % of a CPU, {mebibytes:.0f} MiB",
        "has none",
        "0.1 %, 60 MiB",
        percent < 0.1 and mebibytes <= 60,
        {"percent": percent, "mebibytes": mebibytes},
    )


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("the system does not say how much memory is used")
