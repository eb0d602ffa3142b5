"""Which failures pass by themselves, and how long to wait for that."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable

from ant_wif._environment import elapsed
from ant_wif._http.flow import Flow, Request, RequestFailure, Response, pause, send

__all__ = ["Backoff", "is_transient", "retry_after", "send_again"]

ATTEMPTS = 4
DEADLINE_SECONDS = 60.0
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 8.0


def is_transient(answer: Response | RequestFailure) -> bool:
    """Whether the same request may succeed a little later; `x-should-retry` is the server's own word on it."""
    if isinstance(answer, RequestFailure):
        return answer.transient
    stated = answer.headers.get("x-should-retry", "").strip().lower()
    # What was denied or malformed stays so, whatever the header says.
    if stated == "false" or (stated == "true" and answer.status not in {400, 401, 403}):
        return stated == "true"
    return answer.status in {408, 425, 429} or answer.status >= 500


def retry_after(answer: Response | RequestFailure) -> float | None:
    """Return the seconds that the server asks to wait: seconds, or a date beside its own (RFC 9110 §10.2.3)."""
    if isinstance(answer, RequestFailure):
        return None
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        stated = answer.headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", stated):
            return float(stated) * unit
    with contextlib.suppress(ValueError, OverflowError, KeyError):
        from email.utils import parsedate_to_datetime  # its import costs more than the rest of this module

        moment, now = (parsedate_to_datetime(answer.headers[name]) for name in ("retry-after", "date"))
        return max(0.0, moment.timestamp() - now.timestamp())
    return None


class Backoff:
    """The patience of one operation: so many attempts, so many seconds in all.

    Delays double, each drawn evenly between nothing and its limit ("full jitter"), so that many
    processes that failed together do not come back together. What a server asks them all to wait is
    waited, and up to half as much again: the longer it is, the more of them wait for the same moment.
    """

    def __init__(
        self,
        *,
        attempts: int = ATTEMPTS,
        deadline: float = DEADLINE_SECONDS,
        now: Callable[[], float] = elapsed,
        draw: Callable[[], float] = random.random,
        passes: Callable[[Response | RequestFailure], bool] = is_transient,
    ) -> None:
        """`passes` says which failures pass by themselves."""
        self._left = attempts
        self._limit = FIRST_DELAY_SECONDS
        self._now = now
        self._until = now() + deadline
        self._draw = draw
        self._passes = passes

    def delay(self, answer: Response | RequestFailure) -> float | None:
        """Return the seconds to wait before the next attempt, or `None` to give up."""
        self._left -= 1
        if self._left <= 0 or not self._passes(answer):
            return None
        asked, left, share = retry_after(answer) or 0.0, self._until - self._now(), self._draw()
        delay = asked + share * max(self._limit, asked / 2)
        if asked < left <= delay and asked:  # not more than there is time for
            delay = asked + share * (left - asked)
        self._limit = min(2 * self._limit, LONGEST_DELAY_SECONDS)
        return delay if delay < left else None


def send_again(
    request: Request, backoff: Backoff, may_repeat: Callable[[Response | RequestFailure], bool] = lambda _: True
) -> Flow[Response | RequestFailure]:
    """Send a request until it succeeds, cannot succeed or must not be repeated, or patience ends."""
    while True:
        reply = yield from send(request)
        if isinstance(reply, Response) and 200 <= reply.status < 300:
            return reply
        delay = backoff.delay(reply) if may_repeat(reply) else None
        if delay is None:
            return reply
        yield from pause(delay)
