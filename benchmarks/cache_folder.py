"""What a full cache folder costs the process that finds its token there, and the one that has to exchange."""

from __future__ import annotations

import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from stage import Stage, alone, complain, in_turn
from table import Ratio, Row

ENTRIES = 10_000
BAR = 1.1
TOKEN = [sys.executable, "-c", "import ant_wif; ant_wif.resolve().token()"]


def rows(stage: Stage) -> list[Row]:
    full, sparse = Cache.filled(stage, ENTRIES), Cache.filled(stage, 0)
    return [
        _row("is found", *in_turn(stage, (TOKEN, full.hit), (TOKEN, sparse.hit))),
        _row("is not there and exchanged for", *in_turn(stage, (TOKEN, full.miss), (TOKEN, sparse.miss))),
    ]


def _row(what: str, full: list[float], sparse: list[float]) -> Row:
    ratio = Ratio.of(full, sparse)
    return Row(
        f"a token {what}, with {ENTRIES:,} others in the cache folder, CPU time",
        f"{statistics.median(full) * 1000:.0f} ms, {ratio} with none",
        "has none",
        f"{BAR} x with none",
        ratio.median <= BAR,
        {"seconds": full, "sparse_seconds": sparse},
        ratio,
    )


@dataclass(frozen=True)
class Cache:
    """The environment of a process with a cache folder of its own, and where its token is in it."""

    environment: dict[str, str]
    entry: Path

    @classmethod
    def filled(cls, stage: Stage, entries: int) -> Cache:
        """Have a token exchanged, and make other files of its entry and of the record of its identity token."""
        home = stage.home()
        folder = home / "cache"
        environment = {**stage.federation(home, jti=None), "ANT_CACHE_DIR": str(folder)}
        complain([alone(TOKEN, environment)[1]])
        (entry,), (record,) = folder.glob("*.json"), (folder / "spent").glob("*.json")
        for path in (entry, record):
            for number in range(entries):
                shutil.copy2(path, path.with_name(f"{number:032x}.json"))
        return cls(environment, entry)

    def hit(self) -> dict[str, str]:
        return self.environment

    def miss(self) -> dict[str, str]:
        self.entry.unlink()
        return self.environment
