"""The transport that google-auth uses here: no proxy, no redirect, and limits in time and size.

Built on `http.client`, because `requests` has no limit for a whole response.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import google.auth.exceptions
import google.auth.transport
import google.auth.transport.requests

from ant_wif._environment import elapsed
from ant_wif._http import RequestFailure, Response, is_loopback, is_transient, proxy_secrets
from ant_wif._secrets import SecretBytes, SecretStr, sanitize

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
) -> Response | RequestFailure:
    """Send a request to where `url` points, and read the answer to its end.

    `timeout` is how many seconds the server may be silent; at `until`, in seconds of
    `ant_wif._environment.elapsed`, all of it ends. `tls` is for an https URL, in place of the system's.
    """
    left = until - elapsed()
    if left <= 0:
        return RequestFailure("no time is left", maybe_received=False)
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
        reason = sanitize(error, limit=200) or type(error).__name__
    # The connection was ended from here then, whatever it looked like.
    if elapsed() >= until:
        reason = "the answer did not end in time"
    if reason is not None:
        return RequestFailure(reason, maybe_received=True, transient=True)
    if len(content) > LARGEST_BODY:
        return RequestFailure(f"the answer is larger than {LARGEST_BODY} bytes", maybe_received=True)
    return Response(
        response.status, {name.lower(): value for name, value in response.getheaders()}, SecretBytes(content)
    )


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
            # Not the method of an SSL socket, which takes its state away from the reader.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(max(until - elapsed(), 0), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


TIMEOUT_SECONDS = 10
_UNIVERSE = "http://metadata.google.internal/computeMetadata/v1/universe/universe-domain"
_DEFAULT_UNIVERSE = "googleapis.com"


class MetadataServerError(google.auth.exceptions.GoogleAuthError):
    """The metadata server cannot answer now. Not a `TransportError`, which google-auth waits out for 15 seconds."""

    def __init__(self, message: str, outcome: Response | RequestFailure) -> None:
        super().__init__(message)  # type: ignore[no-untyped-call]  # google-auth has no types
        self.outcome = outcome


class CheckedRequest(google.auth.transport.requests.Request):
    """Asks the metadata server without a proxy, follows it nowhere, and refuses an answer without its header.

    The server is that which `environ` names now: google-auth looks only once, when it is imported. It is
    asked until `until`, in seconds of `ant_wif._environment.elapsed`, each time for ten seconds at most.
    `status` is that of the last answer, `known` what no message may quote: tokens, and passwords of proxies.
    """

    def __init__(self, environ: Mapping[str, str], until: float) -> None:
        super().__init__()
        self.status: int | None = None
        self.known = list(proxy_secrets(environ))
        self._until = until
        self._host = environ.get("GCE_METADATA_HOST") or environ.get("GCE_METADATA_ROOT")

    def __call__(self, url: str, *arguments: Any, **options: Any) -> Any:
        options["timeout"] = min(options.get("timeout") or TIMEOUT_SECONDS, TIMEOUT_SECONDS)
        self.status = None
        if urlsplit(url).path.startswith("/computeMetadata/"):
            response = self._metadata(url, *arguments, **options)
        else:
            if is_loopback(urlsplit(url).hostname or ""):
                options["proxies"] = {"http": "", "https": ""}  # requests would take those of the environment
            response = super().__call__(url, *arguments, **options)  # type: ignore[no-untyped-call]  # google-auth has no types
            self.status = response.status
        return response

    def _metadata(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float,
    ) -> _Answer:
        if self._host:
            url = urlsplit(url)._replace(netloc=self._host).geturl()
        until = min(self._until, elapsed() + TIMEOUT_SECONDS)
        # Where the metadata server has certificates, google-auth mounts an adapter that knows them.
        tls = getattr(self.session.get_adapter(url), "ssl_context", None)
        reply = ask(method, url, headers or {}, body, timeout=timeout, until=until, tls=tls)
        if isinstance(reply, RequestFailure):
            raise MetadataServerError(f"the metadata server could not be reached: {reply.reason}", reply)
        self.status = reply.status
        if is_transient(reply):
            raise MetadataServerError(f"the metadata server returned HTTP {reply.status}", reply)
        if reply.headers.get("metadata-flavor") != "Google":
            raise google.auth.exceptions.InvalidOperation("the answer lacks the header Metadata-Flavor: Google")
        if urlsplit(url).path.endswith("/identity"):
            self.known.append(SecretStr(reply.body.decode("utf-8", "replace")))
        return _Answer(reply)


@dataclass(frozen=True)
class _Answer(google.auth.transport.Response):
    """A reply, under the names by which google-auth reads one."""

    reply: Response

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.reply.headers

    @property
    def data(self) -> bytes:
        return self.reply.body


def universe(request: CheckedRequest) -> str:
    """Ask under which domain the APIs are. google-auth would, with a transport of its own."""
    response = request(_UNIVERSE, headers={"Metadata-Flavor": "Google"})
    if response.status != 200:
        return _DEFAULT_UNIVERSE
    domain: str = response.data.decode("utf-8", "replace").strip()
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", domain):
        raise google.auth.exceptions.InvalidValue("the metadata server names no domain of Google's APIs")
    return domain
