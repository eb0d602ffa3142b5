"""One line of the result, how the lines are written down, and how they compare with those of an earlier run."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["Ratio", "Row", "keep_baseline", "markdown", "read_baseline", "write"]


@dataclass(frozen=True)
class Ratio:
    """How many times the other figure one is, for each pair of figures that were measured in turn."""

    each: tuple[float, ...]

    @classmethod
    def of(cls, here: Sequence[float], other: Sequence[float]) -> Ratio:
        return cls(tuple(mine / theirs for mine, theirs in zip(here, other, strict=True)))

    @property
    def median(self) -> float:
        return statistics.median(self.each)

    def __str__(self) -> str:
        """Return the median, and where the middle half of all is."""
        if len(self.each) == 1:
            return f"{self.median:.2f} x"
        low, _, high = statistics.quantiles(self.each, n=4, method="inclusive")
        return f"{self.median:.2f} x ({low:.2f} to {high:.2f})"


@dataclass(frozen=True)
class Row:
    """What was found for one case. `figures` is what the texts were made from.

    `ratio` is what a later run is compared with: unlike a time, it hardly depends on the machine.
    """

    case: str
    here: str
    official: str
    bar: str
    met: bool
    figures: dict[str, object] = field(default_factory=dict)
    ratio: Ratio | None = None


def markdown(rows: Sequence[Row], baseline: Mapping[str, float]) -> str:
    lines = ["| case | here | official SDK | bar | baseline |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.case} | {row.here} | {row.official} | {row.bar}{'' if row.met else ' **missed**'} "
        f"| {_since(row.ratio, baseline.get(row.case))} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _since(ratio: Ratio | None, before: float | None) -> str:
    if ratio is None:
        return "not a ratio"
    return "none stored" if before is None else f"{before:.2f} x, now {ratio.median / before - 1:+.0%}"


def write(rows: Sequence[Row], path: Path, baseline: Mapping[str, float]) -> None:
    """Write the table, and beside it the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown(rows, baseline))
    path.with_suffix(".json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def read_baseline(path: Path) -> dict[str, float]:
    """Return the ratios of an earlier run by their case."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def keep_baseline(rows: Sequence[Row], path: Path) -> None:
    """Keep the ratios of this run; those of cases that were not measured stay."""
    measured = {row.case: round(row.ratio.median, 3) for row in rows if row.ratio is not None}
    path.write_text(json.dumps({**read_baseline(path), **measured}, indent=2, ensure_ascii=False) + "\n")
