"""Time for tests."""

from __future__ import annotations

from ant_wif.emulator import Emulator


class Clock:
    """Unix time that moves when it is told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def advance(emulator: Emulator, seconds: float) -> None:
    """Let seconds pass for an emulator that has such a clock."""
    assert isinstance(emulator.clock, Clock)
    emulator.clock.now += seconds
