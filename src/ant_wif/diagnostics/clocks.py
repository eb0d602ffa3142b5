"""How far the clocks of servers are ahead of this machine's, told by the `Date` of their answers (RFC 9110 §6.6.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

from ant_wif._http.flow import Flow, Reply, T

__all__ = ["NOTABLE_SECONDS", "drift_cause", "noting_dates", "seconds_ahead"]

NOTABLE_SECONDS = 5
"""A `Date` has whole seconds, and an answer takes its time: less than this says nothing."""


def seconds_ahead(headers: Mapping[str, str], now: float) -> float | None:
    """Return how far `Date` is ahead of `now` (unix time), `None` where there is none."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp() - now
    except (ValueError, OverflowError):
        return None


def noting_dates(flow: Flow[T], drifts: list[float], clock: Callable[[], float]) -> Flow[T]:
    """Run the flow as it is, and note of each answer how far its `Date` is ahead of this machine's clock."""
    try:
        step = next(flow)
        while True:
            try:
                answer = yield step
            except Exception as error:  # noqa: BLE001 - it is the flow's, and goes there
                step = flow.throw(error)
                continue
            ahead = seconds_ahead(answer.headers, clock()) if isinstance(answer, Reply) else None
            if ahead is not None:
                drifts.append(ahead)
            step = flow.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value


def drift_cause(ahead: float | None, whose: str) -> list[str]:
    """Return what a clock of `whose`, so many seconds ahead of this machine's, says of the times in a token."""
    if ahead is None or abs(ahead) < NOTABLE_SECONDS:
        return []
    direction = "behind" if ahead > 0 else "ahead of"
    return [f"this machine's clock is {abs(ahead):.0f} seconds {direction} that of {whose}"]
