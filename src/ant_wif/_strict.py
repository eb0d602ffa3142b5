"""JSON that can be written as JSON again: no NaN, no number beyond all bounds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

__all__ = ["read_json"]


def read_json(text: bytes | str, *, object_of: Callable[[list[tuple[str, object]]], object] | None = None) -> object:
    """Read a document; `object_of` makes an object of its fields. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=object_of)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)
