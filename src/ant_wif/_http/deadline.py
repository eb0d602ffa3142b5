"""One deadline for a whole request, from the connect to the last byte."""

from __future__ import annotations

import time
from dataclasses import dataclass

__all__ = ["Deadline"]


@dataclass
class Deadline:
    """The moment at which whatever is sent and read on a connection ends; `None` is never."""

    until: float | None = None
    """Seconds of `time.monotonic`."""

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    @property
    def passed(self) -> bool:
        return self.until is not None and time.monotonic() >= self.until

    def left(self, timeout: float | None) -> float | None:
        """Return how long one operation may take. Raises httpcore.ReadTimeout: no time is left."""
        if self.until is None:
            return timeout
        left = self.until - time.monotonic()
        if left <= 0:
            import httpcore

            raise httpcore.ReadTimeout("the answer did not end in time")
        return left if timeout is None else min(left, timeout)
