"""Unix time that does not jump while this process runs."""

from __future__ import annotations

import time

__all__ = ["elapsed", "steady"]

# Counts through a suspended machine where the system can, so that a laptop wakes to an expired token.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def elapsed() -> float:
    """Return seconds since some fixed moment; nobody sets this clock."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


_OFFSET = time.time() - elapsed()


def steady() -> float:
    """Return unix seconds, counted from what the clock said when this process started.

    A machine whose clock is corrected by an hour while a token is held would otherwise drop a
    good token, or keep one that has expired.
    """
    return _OFFSET + elapsed()
