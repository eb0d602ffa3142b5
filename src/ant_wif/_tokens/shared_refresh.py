"""One exchange for all processes: a process without a token takes the lock, looks again, and then obtains one."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ant_wif._environment import elapsed, span
from ant_wif._files import Release, try_lock
from ant_wif._http import Flow, T, call, pause
from ant_wif._secrets import sanitize_path
from ant_wif._tokens.access_token import AccessToken, RefreshState, TokenRequest, refresh_state
from ant_wif._tokens.store import TokenStore
from ant_wif.errors import AntWifError, ConfigurationError, IdentityTokenReusedError

log = logging.getLogger("ant_wif.store")

LONGEST_WAIT_SECONDS = 120.0
POLL_SECONDS = 0.03

Obtain = Callable[[TokenRequest], Flow[AccessToken]]

_warned: set[str] = set()
_holders: dict[Path, int] = {}
"""The locks that this process holds, each with the thread whose caller has it."""


def refresh_shared(
    store: TokenStore, obtain: Obtain, wanted: TokenRequest, clock: Callable[[], float]
) -> Flow[AccessToken]:
    """Return the token in the store, or obtain one, such that of many processes one does.

    `obtain` is run with the lock held, and writes what it obtains to the store. Where no lock can be
    had, it is run without, after one warning. A token that is soon due is returned when another
    caller refreshes it, or when the refresh fails.

    Raises AntWifError: there is no usable token, and obtaining one failed.
    """
    look = _StoreReader(store, wanted, clock)
    kept = yield from call(look)
    if kept.need is RefreshState.NOTHING:
        return kept.usable()
    turn = _Lease(store)
    try:
        kept = yield from _wait_for(turn, look, kept)
        if kept.need is RefreshState.NOTHING or (turn.others and kept.need is RefreshState.ADVISED):
            return kept.usable()
        has_spare = wanted.has_spare or kept.need is RefreshState.ADVISED
        ran_out = wanted.ran_out or (kept.token is not None and not kept.lasts)
        return (yield from obtain(wanted._replace(has_spare=has_spare, ran_out=ran_out)))
    except AntWifError as error:
        if not kept.outlasts(error):
            raise
        log.warning("the stored token could not be refreshed and is used while it lasts: %s", error.summary)
        return kept.usable()
    finally:
        turn.end()


def _wait_for(turn: _Lease, look: _StoreReader, kept: _Snapshot) -> Flow[_Snapshot]:
    """Wait until it is this caller's turn, or there is a token to use. Return what the store holds then."""
    yield from call(turn.prepare)

    def attempt() -> _Snapshot | None:
        nonlocal kept
        turn.take()
        kept = look()
        return None if turn.others and kept.need is RefreshState.REQUIRED else kept

    # A blocking call inside a coroutine would wait for the very event loop that it stops.
    wait = poll(attempt, LONGEST_WAIT_SECONDS, give_up=turn.is_held_by_this_thread)
    if turn.possible and (yield from wait) is None and not turn.is_held_by_this_thread():
        _warn_once(f"{sanitize_path(turn.path)} was held for {span(LONGEST_WAIT_SECONDS)}; going on without it")
    return kept


def poll(
    attempt: Callable[[], T | None], seconds: float, *, give_up: Callable[[], bool] = lambda: False
) -> Flow[T | None]:
    """Make a call until it returns something, for so many seconds; `None` if it did not.

    `give_up` is asked where no other work of this thread can go on meanwhile.
    """
    started = elapsed()
    while True:
        found = yield from call(attempt)
        waited = elapsed() - started
        if found is not None or waited > seconds:
            return found
        # Rarer the longer it takes, or hundreds of waiters would slow down the one they wait for; and drawn, so that
        # they do not all look at once.
        pause_seconds = min(max(POLL_SECONDS, waited / 10), 1) * (0.5 + random.random())  # noqa: S311 - not a secret
        others_ran = yield from pause(pause_seconds)
        if not others_ran and give_up():
            return None


class _Lease:
    """This caller's turn to obtain a token: the store's lock."""

    def __init__(self, store: TokenStore) -> None:
        self._store = store
        self._release: Release | None = None
        self._thread = threading.get_ident()
        self.path = store.lock_path
        self.possible = True
        self.others = False
        """Whether another process has it."""

    def prepare(self) -> None:
        try:
            self._store.prepare()
        except ConfigurationError as error:
            self._impossible(error.summary)

    def take(self) -> None:
        """Try once."""
        try:
            self._release = try_lock(self.path)
            self.others = self._release is None
            if self._release is not None:
                _holders[self.path] = self._thread
                self._store.sweep()
        except OSError as error:
            problem = error.strerror or type(error).__name__
            self._impossible(f"{sanitize_path(self.path)} cannot be locked: {problem}")

    def end(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            _holders.pop(self.path, None)
            release()

    def is_held_by_this_thread(self) -> bool:
        """Whether its holder is driven by the thread that drives this."""
        return _holders.get(self.path) == self._thread

    def _impossible(self, reason: str) -> None:
        self.possible = self.others = False
        _warn_once(f"tokens are not shared with other processes: {reason}")


class _Snapshot(NamedTuple):
    """What the store held at one moment, the token that the API rejected left out."""

    token: AccessToken | None
    need: RefreshState
    lasts: bool

    def usable(self) -> AccessToken:
        assert self.token is not None, "only a token that is there is used"  # noqa: S101
        return self.token

    def outlasts(self, error: AntWifError) -> bool:
        """Whether the token serves in spite of the error: for good, or because no other can ever be had."""
        return self.need is RefreshState.ADVISED or (self.lasts and isinstance(error, IdentityTokenReusedError))


@dataclass(frozen=True)
class _StoreReader:
    """Reads the store and judges what it holds."""

    store: TokenStore
    wanted: TokenRequest
    clock: Callable[[], float]

    def __call__(self) -> _Snapshot:
        token, now = self.store.read(), self.clock()
        if token is None or token.secret == self.wanted.rejected:
            return _Snapshot(None, RefreshState.REQUIRED, lasts=False)
        return _Snapshot(token, refresh_state(token, now, self.wanted.ahead), lasts=token.lasts(now))


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        log.warning("%s", message)
