"""What it costs to judge owners and modes of a profile's files and of every folder above them.

The time inside the checks is measured while they run, in the same process as the whole.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stage import Stage, result, script
from table import Row

TIMES = 40
STATUS_MILLISECONDS = 3.0
RESOLVE_SHARE = 0.02


def rows(stage: Stage) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:  # as deep as /home/runner: each folder above is looked at
        home = Path(folder)
        stage.federation_profile(home, jti=None)
        found = result(script(__file__), stage.variables(home))
        once = [result(script(__file__, "once"), stage.variables(home))["once"] for _ in range(stage.runs)]
    status = [inside for inside, _ in found["status"]]
    milliseconds = statistics.median(status) * 1000
    return [
        Row(
            "owner and mode checks in `ant auth status`",
            f"{milliseconds:.2f} ms",
            "has none",
            f"at most {STATUS_MILLISECONDS} ms",
            milliseconds <= STATUS_MILLISECONDS,
            {"seconds": status},
        ),
        _share("in a new process", once),
        _share("in a process that has imported all", found["resolve"]),
    ]


def _share(where: str, found: list[tuple[float, float]]) -> Row:
    share = statistics.median(inside / whole for inside, whole in found)
    return Row(
        f"owner and mode checks in `resolve()` and the first token, {where}",
        f"{share:.1%} ({statistics.median(inside for inside, _ in found) * 1000:.2f} ms)",
        "has none",
        f"at most {RESOLVE_SHARE:.0%}",
        share <= RESOLVE_SHARE,
        {"seconds": found},
    )


def _measure() -> int:
    """The measured process. `once` measures what is done first in it; else everything is imported before."""
    import ant_wif
    from ant_wif import _export, _files
    from ant_wif._config import cache_dir, config_dir
    from ant_wif.diagnostics import describe

    inside = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any, **named: Any) -> Any:
            nonlocal inside
            started = time.perf_counter()
            try:
                found = function(*arguments, **named)
                return iter(list(found)) if isinstance(found, Iterator) else found
            finally:
                inside += time.perf_counter() - started

        return measured

    findings, refuse = timed(_files.findings), timed(_files._refuse)
    for module in (config_dir, _export):
        module.check_place = timed(_files.check_place)  # type: ignore[attr-defined]  # of the measured process only
    for module in (cache_dir, describe):
        module.findings = findings  # type: ignore[attr-defined]
    _files._refuse = refuse

    def resolve() -> None:
        shutil.rmtree(Path.home() / ".config" / "anthropic" / "credentials", ignore_errors=True)
        ant_wif.resolve().token()

    def measure(work: Callable[[], object]) -> tuple[float, float]:
        nonlocal inside
        inside, started = 0.0, time.perf_counter()
        work()
        return inside, time.perf_counter() - started

    found: dict[str, Any] = {"once": measure(resolve)}
    if "once" not in sys.argv:
        for name, work in (("resolve", resolve), ("status", ant_wif.report)):
            work()
            found[name] = [measure(work) for _ in range(TIMES)]
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(_measure())
