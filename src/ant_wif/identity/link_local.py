"""One HTTP exchange with a server of the machine itself: no proxy, no redirect, and an end in time and size.

Over `http.client`, because what is built upon it has no limit for the whole of an answer.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from ant_wif._clock import elapsed
from ant_wif._http.flow import Reply, Unreachable
from ant_wif._secrets import clean

__all__ = ["ask"]

LARGEST_BODY = 1 << 20


def ask(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    timeout: float,
    until: float,
    tls: ssl.SSLContext | None = None,
) -> Reply | Unreachable:
    """Send a request to where `url` points, and read the answer to its end.

    `timeout` is how many seconds the server may be silent; at `until`, in seconds of
    `ant_wif._clock.elapsed`, all of it ends. `tls` is for an https URL, in place of the system's.
    """
    left = until - elapsed()
    if left <= 0:
        return Unreachable("no time is left", maybe_received=False)
    target = urlsplit(url)._replace(scheme="", netloc="").geturl()
    try:
        with contextlib.closing(_connection(url, min(timeout, left), tls)) as connection:
            connection.connect()
            with _ended(connection.sock, until):
                connection.request(method, target, body, dict(headers))
                with connection.getresponse() as response:
                    content = response.read(LARGEST_BODY + 1)
                    missing = bool(response.length) and len(content) <= LARGEST_BODY
        reason = "the answer ended early" if missing else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = clean(error, limit=200) or type(error).__name__
    # The connection was ended from here then, whatever it looked like.
    if elapsed() >= until:
        reason = "the answer did not end in time"
    if reason is not None:
        return Unreachable(reason, maybe_received=True, transient=True)
    if len(content) > LARGEST_BODY:
        return Unreachable(f"the answer is larger than {LARGEST_BODY} bytes", maybe_received=True)
    return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, content)


def _connection(url: str, timeout: float, tls: ssl.SSLContext | None) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=tls)
    return http.client.HTTPConnection(parts.netloc, timeout=timeout)


@contextlib.contextmanager
def _ended(connection: socket.socket, until: float) -> Iterator[None]:
    """Shut the connection down at `until`: its own timeout begins anew with every byte."""

    def shut() -> None:
        with contextlib.suppress(OSError):
            # Not the method of an SSL socket, which takes its state away from whoever reads.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(max(until - elapsed(), 0), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
