"""An access token, when to refresh it, and the cache that the callers of one process share."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ant_wif._environment import steady
from ant_wif._http import Flow, arun, run
from ant_wif._secrets import SecretStr
from ant_wif.errors import AntWifError, IdentityTokenReusedError

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("ant_wif.tokens")

ADVISORY_SECONDS = 120
MANDATORY_SECONDS = 30
RETRY_AFTER_FAILURE_SECONDS = 5
_SPREAD_FROM_FAILURE = 3
CLOCK_LEEWAY_SECONDS = 60


@dataclass(frozen=True)
class AccessToken:
    """A bearer token. `expires_at` is unix seconds, `None` if it never expires.

    `lifetime` is how many seconds it had when it was issued, as far as this process can know. `is_stored` says that it
    was read from a file.
    """

    secret: SecretStr
    expires_at: int | None = None
    lifetime: float | None = None
    is_stored: bool = field(default=False, compare=False)

    @property
    def advisory(self) -> float:
        """Seconds before expiry from which a refresh is tried."""
        return ADVISORY_SECONDS if self.lifetime is None else min(ADVISORY_SECONDS, self.lifetime / 2)

    @property
    def mandatory(self) -> float:
        """Seconds before expiry from which the token is not used any more."""
        return MANDATORY_SECONDS if self.lifetime is None else min(MANDATORY_SECONDS, self.lifetime / 4)

    def lasts(self, now: float) -> bool:
        """Whether it is still valid at unix time `now`, margins aside."""
        return self.expires_at is None or self.expires_at - now > 1


class TokenRequest(NamedTuple):
    """What a caller needs: a token other than the one that the API rejected, if it did.

    `has_spare` says that the caller can go on with the token it has, so the wait is short.
    `ahead` is how many seconds before expiry it wants another, if that is before the advisory time.
    `ran_out` says that there was a token, which has expired since then, rejected or not.
    """

    rejected: SecretStr | None = None
    has_spare: bool = False
    ahead: float = 0
    ran_out: bool = False


class RefreshState(Enum):
    """What a token needs: nothing, a refresh that may fail, or a refresh that must succeed."""

    NOTHING = "nothing"
    ADVISED = "advised"
    REQUIRED = "required"


def refresh_state(token: AccessToken | None, now: float, ahead: float = 0) -> RefreshState:
    """Decide on a token at unix time `now`, for a caller that wants another so many seconds before expiry.

    The two margins before expiry shrink with the token's lifetime: with fixed ones a 60-second
    token would be exchanged on every call.
    """
    if token is None:
        return RefreshState.REQUIRED
    start, end = fresh_between(token, ahead)
    if start <= now < end:
        return RefreshState.NOTHING
    # Before its start the clock was set back, and says nothing about this token any more.
    required = now < start or (token.expires_at is not None and token.expires_at - now <= token.mandatory)
    return RefreshState.REQUIRED if required else RefreshState.ADVISED


def fresh_between(token: AccessToken, ahead: float = 0) -> tuple[float, float]:
    """Return the unix times from which and until which nothing need be done about a token.

    It is left alone for a quarter of its lifetime, however far `ahead` of its expiry that ends.
    """
    if token.expires_at is None:
        return -math.inf, math.inf
    start = -math.inf if token.lifetime is None else token.expires_at - token.lifetime - CLOCK_LEEWAY_SECONDS
    longest = ahead if token.lifetime is None else min(ahead, token.lifetime * 3 / 4)
    return start, token.expires_at - max(token.advisory, longest)


def pause_after(failures: int, draw: Callable[[], float]) -> float:
    """Return the seconds from a failed refresh to the next, while there is a token to go on with.

    From the third failure on they are spread: processes that failed together do not come back together.
    """
    return RETRY_AFTER_FAILURE_SECONDS * (1 + (draw() if failures >= _SPREAD_FROM_FAILURE else 0))


class TokenCache:
    """Holds one token for all threads and tasks of a process, and lets one of them refresh it.

    `obtain` makes the flow that fetches a new token. `get` and `aget` differ in how they wait; what
    to do is decided in one place. `draw` gives numbers between 0 and 1 for `pause_after`.
    """

    def __init__(
        self,
        obtain: Callable[[TokenRequest], Flow[AccessToken]],
        *,
        clock: Callable[[], float] = steady,
        environ: Mapping[str, str] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._obtain = obtain
        self._draw = draw
        self._environ = environ
        self._clock = clock
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._fresh: tuple[float, float, AccessToken | None] = (0.0, 0.0, None)
        self._rejected: AccessToken | None = None
        self._flight: InFlightRefresh | None = None
        self._failed_at = float("-inf")
        self._pause = 0.0
        self._failures = 0
        self._ahead = 0.0

    def refresh_ahead(self, seconds: float) -> None:
        """From now on, refresh a token so long before it expires, if that is before its advisory time."""
        with self._lock:
            self._ahead = seconds
            self._fresh = (0.0, 0.0, None)

    @property
    def token(self) -> AccessToken | None:
        """The token held now, expired or not."""
        return self._token

    def fresh(self) -> AccessToken | None:
        """Return the token held now if nothing need be done about it: the short way of most calls."""
        start, end, token = self._fresh
        return token if start <= self._clock() < end else None

    def get(self, client: httpx.Client | None = None) -> AccessToken:
        """Return a token that may be used now; refresh it, or wait for who does.

        Raises AntWifError: there is none, and obtaining one failed.
        """
        while True:
            step = self._next_step(waits_on_this_thread=True)
            if isinstance(step, AccessToken):
                return step
            if isinstance(step, InFlightRefresh):
                landed = step.wait()
            else:
                try:
                    return self._complete(step.in_flight, run(step.flow, client, self._environ))
                except BaseException as error:
                    landed = self._fail(step, error)
                    if landed is None:
                        raise
            if landed is not None:
                return landed

    async def aget(self, client: httpx.AsyncClient | None = None) -> AccessToken:
        """Do what `get` does, without blocking the event loop."""
        while True:
            step = self._next_step(waits_on_this_thread=False)
            if isinstance(step, AccessToken):
                return step
            if isinstance(step, InFlightRefresh):
                landed = await step.await_()
            else:
                try:
                    return self._complete(step.in_flight, await arun(step.flow, client, self._environ))
                except BaseException as error:
                    landed = self._fail(step, error)
                    if landed is None:
                        raise
            if landed is not None:
                return landed

    def _next_step(self, *, waits_on_this_thread: bool) -> AccessToken | InFlightRefresh | Refresh:
        """Decide for one caller: a token to use, a in_flight to wait for, or a refresh to make."""
        token = self.fresh()
        if token is not None:
            return token
        with self._lock:
            return self._decide(waits_on_this_thread=waits_on_this_thread)

    def _decide(self, *, waits_on_this_thread: bool) -> AccessToken | InFlightRefresh | Refresh:
        token, now = self._token, self._clock()
        need = refresh_state(token, now, self._ahead)
        if token is not None and need is RefreshState.NOTHING:
            return token
        spare = token if need is RefreshState.ADVISED else None
        in_flight = self._flight
        if spare is not None and (in_flight or 0 <= now - self._failed_at < self._pause):
            return spare
        # A blocking call inside a coroutine would wait for the very event loop that it stops.
        if in_flight is not None and not (waits_on_this_thread and in_flight.runs_on_this_thread):
            return in_flight
        self._flight = InFlightRefresh()
        last, rejected = token or self._rejected, self._rejected.secret if self._rejected else None
        ran_out = last is not None and not last.lasts(now)
        wanted = TokenRequest(rejected, spare is not None, self._ahead, ran_out)
        return Refresh(self._flight, self._obtain(wanted), spare)

    def invalidate(self, rejected: SecretStr | None = None) -> None:
        """Drop the token, because the API rejected it. A token obtained since then is kept."""
        with self._lock:
            if self._token is None or (rejected is not None and self._token.secret != rejected):
                return
            self._rejected, self._token = self._token, None
            self._fresh = (0.0, 0.0, None)

    def _complete(self, in_flight: InFlightRefresh, token: AccessToken) -> AccessToken:
        with self._lock:
            self._token, self._rejected = token, None
            self._fresh = (*fresh_between(token, self._ahead), token)
            self._flight = None if self._flight is in_flight else self._flight
            # What came back was only what there was: the next attempt waits.
            if refresh_state(token, self._clock(), self._ahead) is RefreshState.ADVISED:
                self._pause_now()
            else:
                self._failures = 0
        in_flight.outcome.set_result(token)
        return token

    def _pause_now(self) -> None:
        self._failed_at, self._failures = self._clock(), self._failures + 1
        self._pause = pause_after(self._failures, self._draw)

    def _fail(self, refresh: Refresh, error: BaseException) -> AccessToken | None:
        """Release those who wait. Returns the token to go on with for now, or `None` to raise."""
        ours = error if isinstance(error, AntWifError) else None
        # The others share an error of ours; when the one who flew was interrupted, another flies.
        shared: AccessToken | AntWifError | None = ours
        spare = refresh.spare if ours is not None else None
        with self._lock:
            self._pause_now()
            self._flight = None if self._flight is refresh.in_flight else self._flight
            # No other token can ever be had, so this one serves to its end, as in `refresh_shared`.
            if isinstance(ours, IdentityTokenReusedError) and self._token and self._token.lasts(self._clock()):
                spare = shared = self._token
        refresh.in_flight.outcome.set_result(shared)
        if spare is not None and ours is not None:
            log.warning("the token could not be refreshed and is used while it lasts: %s", ours.summary)
        return spare


class InFlightRefresh:
    """One refresh that is under way, for the others to wait for.

    `outcome` gives the token, the error that all share, or `None` if it was abandoned.
    """

    def __init__(self) -> None:
        self.outcome: Future[AccessToken | AntWifError | None] = Future()
        self._thread = threading.get_ident()

    @property
    def runs_on_this_thread(self) -> bool:
        return self._thread == threading.get_ident()

    def wait(self) -> AccessToken | None:
        outcome = self.outcome.result()
        if isinstance(outcome, AntWifError):
            raise copy.copy(outcome)
        return outcome

    async def await_(self) -> AccessToken | None:
        import anyio

        landed = anyio.Event()
        wake = _on_this_loop(landed.set)
        self.outcome.add_done_callback(lambda _: wake())
        await landed.wait()
        return self.wait()


class Refresh(NamedTuple):
    """One caller's job: drive `flow` to its end. `spare` is served if that fails."""

    in_flight: InFlightRefresh
    flow: Flow[AccessToken]
    spare: AccessToken | None


def _on_this_loop(function: Callable[[], object]) -> Callable[[], None]:
    """Make `function` callable from any thread, to run on the event loop that runs now."""
    import asyncio

    try:
        schedule: Callable[[Callable[[], object]], object] = asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio.lowlevel

        schedule = trio.lowlevel.current_trio_token().run_sync_soon

    def wake() -> None:
        # The waiting task may have ended, and its event loop may be closed.
        with contextlib.suppress(RuntimeError):
            schedule(function)

    return wake
