"""Keeps what other programs read current: renews ahead of expiry, and says when it cannot."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from ant_wif._clock import steady
from ant_wif._secrets import SecretStr, clean
from ant_wif._tokens.access_token import AccessToken

__all__ = ["Broker"]

log = logging.getLogger("ant_wif.broker")

_LONGEST_SECONDS = 30.0
"""How long the thread sleeps at most: a suspended machine wakes to a token that may have expired."""
RETRY_SECONDS = 5.0


class Broker:
    """Hands each new token that `obtain` returns to `put`, until it is closed.

    `obtain` keeps to the schedule of `ant_wif._tokens.access_token`, as `Credentials.access_token` does. `put` raises
    AntWifError where it cannot take a token; that is tried again. After `close` it is not called.
    """

    def __init__(
        self,
        obtain: Callable[[], AccessToken],
        put: Callable[[AccessToken], None],
        *,
        clock: Callable[[], float] = steady,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._obtain = obtain
        self._put = put
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._handed: SecretStr | None = None
        self._thread = threading.Thread(target=self.run, daemon=True, name="ant-broker")

    def step(self) -> float:
        """Do what is due now; return in how many seconds to look again.

        Raises:
            AntWifError: there is no token that could be used, or it cannot be handed over.
        """
        token = self._obtain()
        if not token.lasts(self._clock()):
            log.warning("the token has expired, and there is no newer one")
        if token.secret != self._handed:
            with self._lock:
                if not self._closed.is_set():
                    self._put(token)
                    self._handed = token.secret
        if token.expires_at is None:
            return _LONGEST_SECONDS
        left = token.expires_at - token.advisory - self._clock()
        # When a renewal is due, several attempts are made before the token must not be used any more.
        return min(max(left, min(self._retry_seconds, token.mandatory / 2)), _LONGEST_SECONDS)

    def run(self) -> None:
        """Keep the token current on this thread, until the broker is closed."""
        wait = 0.0
        while not self._closed.wait(wait):
            try:
                wait = self.step()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may do better
                log.warning("the token could not be renewed: %s", clean(error))
                wait = self._retry_seconds

    def start(self) -> None:
        """Keep the token current on a thread of the broker's own."""
        self._thread.start()

    def close(self) -> None:
        """End that. What the thread is doing may go on for a while, but reaches nobody."""
        self._closed.set()
        with self._lock:
            pass

    def __enter__(self) -> Broker:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
