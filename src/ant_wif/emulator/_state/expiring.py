"""A dictionary that forgets what has expired: access tokens, and the `jti`s of spent assertions."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_SMALLEST_SWEEP = 1024


class Expiring(Generic[K, V]):
    """Not thread-safe. Times are unix times, and passed in."""

    def __init__(self) -> None:
        self._entries: dict[K, tuple[float, V]] = {}
        self._sweep_at = _SMALLEST_SWEEP

    def put(self, key: K, value: V, *, until: float, now: float) -> None:
        if len(self._entries) >= self._sweep_at:
            self._entries = {k: entry for k, entry in self._entries.items() if entry[0] > now}
            # Twice what is alive, so that sweeping costs each entry a constant share.
            self._sweep_at = max(_SMALLEST_SWEEP, 2 * len(self._entries))
        self._entries[key] = (until, value)

    def get(self, key: K, *, now: float) -> V | None:
        until, value = self._entries.get(key, (now, None))
        return value if until > now else None

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)
