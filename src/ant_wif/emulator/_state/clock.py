"""The emulator's time, which a test may move."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

# No date can be written after the year 9999: from its beginning there is time left to go by.
_LATEST = 253_370_764_800
_BEYOND = "the clock can be moved between the years 1970 and 9999 only"


class MovedClock:
    """Unix time of another clock, moved. `skew` is what the service's own clock is ahead of that, in seconds.

    Thread-safe.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._moved = 0.0
        self._skew = 0.0

    def now(self) -> float:
        """Return the time of the platforms, which issue identity tokens."""
        return self._clock() + self._moved

    def service_now(self) -> float:
        """Return the time that the service judges by."""
        return self.now() + self._skew

    def advance(self, seconds: float) -> None:
        """Raises ValueError where that leads beyond the years 1970 to 9999, as the others do."""
        with self._lock:
            self._set(self._moved + _float(seconds), self._skew)

    def move_to(self, moment: float) -> None:
        with self._lock:
            self._set(_float(moment) - self._clock(), self._skew)

    def skew(self, seconds: float) -> None:
        with self._lock:
            self._set(self._moved, _float(seconds))

    def reset(self) -> None:
        with self._lock:
            self._moved = self._skew = 0.0

    def _set(self, moved: float, skew: float) -> None:
        for moment in (self._clock() + moved, self._clock() + moved + skew):
            if not (math.isfinite(moment) and 0 <= moment <= _LATEST):
                raise ValueError(_BEYOND)
        self._moved, self._skew = moved, skew


def _float(seconds: float) -> float:
    # Callers may give an integer, which has no bounds.
    try:
        return float(seconds)
    except OverflowError:
        raise ValueError(_BEYOND) from None
