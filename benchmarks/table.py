"""One line of the result, and how the lines are written down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["Row", "markdown", "ratio", "write"]


@dataclass(frozen=True)
class Row:
    """What was found for one case. `figures` is what the texts were made from."""

    case: str
    here: str
    official: str
    bar: str
    met: bool
    figures: dict[str, object] = field(default_factory=dict)


def ratio(value: float) -> str:
    return f"{value:.2f} x"


def markdown(rows: Sequence[Row]) -> str:
    lines = ["| case | here | official SDK | bar |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {row.case} | {row.here} | {row.official} | {row.bar}{'' if row.met else ' **missed**'} |" for row in rows
    ]
    return "\n".join(lines) + "\n"


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the table, and beside it the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown(rows))
    path.with_suffix(".json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
