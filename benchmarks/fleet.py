"""What a fleet of CI jobs does to the token endpoint in a day, simulated with this project's own schedule and retries.

    $ python benchmarks/fleet.py                  # the table of docs/scale.md
    $ python benchmarks/fleet.py --jobs 500       # the same for another number of jobs an hour

No request is sent and no time passes. Random numbers come from a seed: every run prints the same table.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ant_wif._http import Response
from ant_wif._http.flow import ATTEMPTS, Backoff
from ant_wif._secrets import SecretBytes, SecretStr
from ant_wif._tokens.access_token import AccessToken, RefreshState, fresh_between, pause_after, refresh_state

HOUR = 3600
SECRET = SecretStr("simulated")


@dataclass(frozen=True)
class Fleet:
    """Jobs, and what stands against them. Times are in seconds.

    Without `within`, jobs start at any time; with it, all of an hour's jobs start within so many seconds of the full
    hour. `limit` is in requests a second, `burst` what may come at once.
    """

    jobs: int = 10_000
    hours: int = 24
    processes: int = 4
    shared: bool = True
    duration: float = 20 * 60
    lifetime: float = 600
    within: float | None = None
    outage: tuple[float, float] = (0, 0)
    limit: float = 100
    burst: float = 200
    retry_after: int = 10
    jitter: bool = True


@dataclass
class Outcome:
    """What came of it. A process fails when it has no token left and four attempts at another have failed."""

    granted: int = 0
    refused: int = 0
    failed: int = 0
    by_second: Counter[int] = field(default_factory=Counter)

    def peak(self, start: float = 0, end: float = float("inf")) -> int:
        """Return the most requests in one second."""
        return max((count for second, count in self.by_second.items() if start <= second < end), default=0)


class Endpoint:
    """Is down during the outage, and otherwise grants what its bucket holds."""

    def __init__(self, fleet: Fleet, outcome: Outcome) -> None:
        self._fleet, self._outcome = fleet, outcome
        self._left, self._filled_at = fleet.burst, 0.0

    def refusal(self, now: float) -> Response | None:
        """Take a request; return why it is refused, or `None`."""
        fleet, outcome = self._fleet, self._outcome
        outcome.by_second[int(now)] += 1
        self._left = min(fleet.burst, self._left + (now - self._filled_at) * fleet.limit)
        self._filled_at = now
        down = fleet.outage[0] <= now < fleet.outage[1]
        if not down and self._left >= 1:
            self._left -= 1
            outcome.granted += 1
            return None
        outcome.refused += 1
        return Response(503 if down else 429, {} if down else {"retry-after": str(fleet.retry_after)}, SecretBytes(b""))


class Requester:
    """One process, or one job whose processes share a token, from its start to its end."""

    def __init__(self, ends: float, lifetime: float, draw: Callable[[], float], clock: Callable[[], float]) -> None:
        self._ends, self._lifetime, self._draw, self._clock = ends, lifetime, draw, clock
        self._token: AccessToken | None = None
        self._backoff: Backoff | None = None
        self._failures = 0
        self.failed = False

    def next_request(self, refusal: Response | None) -> float | None:
        """Return when to send the next request, after the response to the last one; `None` if there is none."""
        now = self._clock()
        if refusal is None:
            self._token = AccessToken(SECRET, int(now + self._lifetime), self._lifetime)
            self._backoff, self._failures = None, 0
            return self._if_it_runs(fresh_between(self._token)[1])
        has_spare = refresh_state(self._token, now) is RefreshState.ADVISED
        if self._backoff is None:
            self._backoff = Backoff(attempts=1 if has_spare else ATTEMPTS, now=self._clock, draw=self._draw)
        delay = self._backoff.delay(refusal)
        if delay is None:
            self._backoff = None
            self._failures += 1
            if not has_spare:
                self.failed = True
                return None
            delay = pause_after(self._failures, self._draw)
        return self._if_it_runs(now + delay)

    def _if_it_runs(self, moment: float) -> float | None:
        return moment if moment < self._ends else None


def simulate(fleet: Fleet, seed: int = 1) -> Outcome:
    """Run a fleet, all of it in simulated time."""
    starts, jitter = random.Random(seed), random.Random(seed + 1)
    draw = jitter.random if fleet.jitter else (lambda: 1.0)
    outcome, now = Outcome(), 0.0
    endpoint = Endpoint(fleet, outcome)

    def clock() -> float:
        return now

    events: list[tuple[float, int, Requester | None]] = []
    for hour in range(fleet.hours):
        for _ in range(fleet.jobs):
            start = hour * HOUR + starts.random() * (HOUR if fleet.within is None else fleet.within)
            events += [(start, len(events) + each, None) for each in range(1 if fleet.shared else fleet.processes)]
    heapq.heapify(events)
    while events:
        now, number, requester = heapq.heappop(events)
        requester = requester or Requester(now + fleet.duration, fleet.lifetime, draw, clock)
        following = requester.next_request(endpoint.refusal(now))
        outcome.failed += requester.failed
        if following is not None:
            heapq.heappush(events, (following, number, requester))
    return outcome


NOON = 12 * HOUR
OUTAGE = (NOON + 600, NOON + 900)
CASES: list[tuple[str, dict[str, object]]] = [
    ("jobs start at any time", {}),
    ("… each of four processes with a token of its own", {"shared": False}),
    ("… tokens of 1 hour", {"lifetime": 3600}),
    ("… tokens of 5 minutes", {"lifetime": 300}),
    ("… 5 minutes' outage, no jitter", {"outage": OUTAGE, "jitter": False}),
    ("… 5 minutes' outage", {"outage": OUTAGE}),
    ("all at the full hour, no jitter", {"within": 1, "jitter": False}),
    ("all at the full hour", {"within": 1}),
    ("… tokens of 1 hour", {"within": 1, "lifetime": 3600}),
    ("spread over 2 minutes, tokens of 1 hour", {"within": 120, "lifetime": 3600}),
    ("spread over 10 minutes, tokens of 1 hour", {"within": 600, "lifetime": 3600}),
]


def table(jobs: int, hours: int) -> Iterator[str]:
    """Yield the lines of a table in Markdown, a case each."""
    yield "| fleet | tokens granted | requests refused | failed | peak, requests a second | peak after the outage |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, changes in CASES:
        fleet = replace(Fleet(jobs=jobs, hours=hours), **changes)  # type: ignore[arg-type]  # fields of the class
        outcome = simulate(fleet)
        after = f"{outcome.peak(fleet.outage[1], fleet.outage[1] + 120):,}" if fleet.outage[1] else ""
        found = f"{outcome.granted:,} | {outcome.refused:,} | {outcome.failed:,} | {outcome.peak():,} | {after}"
        yield f"| {name} | {found} |".replace("|  |", "| |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs an hour")
    parser.add_argument("--hours", type=int, default=24, help="length of the simulation; the outage is in the 13th")
    options = parser.parse_args()
    for line in table(options.jobs, options.hours):
        print(line, flush=True)
