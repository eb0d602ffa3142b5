"""The listener that the browser comes back to: loopback only, one path, one method (RFC 8252 §7.3)."""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from enum import Enum
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ant_wif._environment import IS_POSIX, user_id
from ant_wif._tokens import AuthorizationFailure, AuthorizationResponseError
from ant_wif.errors import AntWifError, LoginError

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 1.125rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto 0; padding: 0 1.5rem; }}
h1 {{ line-height: 1.2; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
</main>
</body>
</html>
"""


class Page(Enum):
    """The pages: title and text."""

    SUCCESS = ("Logged in", "The terminal has what it needs. You can close this window.")
    DENIED = ("Login denied", "Nothing was stored. You can close this window; the terminal says how to try again.")
    STATE = (
        "This page belongs to another login",
        "Its state is not the one that the terminal waits for, so nothing was stored, and the terminal still waits. "
        "Close this window, and use the page that the terminal names.",
    )
    CODE = (
        "The answer was incomplete",
        "It held no code, so nothing was stored. Close this window, and run the command again.",
    )
    FAILED = ("Login failed", "Nothing was stored. You can close this window; the terminal says why.")
    WAITING = ("Still working", "You can close this window; the terminal shows the result.")
    UNKNOWN = ("Nothing here", "This address serves one login of a terminal, and only its callback.")


def page(which: Page) -> bytes:
    """Return a page as HTML."""
    title, text = which.value
    return _HTML.format(title=escape(title), text=escape(text)).encode()


PATH = "/callback"
_OF_A_LOGIN = {"state", "code", "error"}
_REQUEST_SECONDS = 3
_VERDICT_SECONDS = 60
_ANSWER_SECONDS = 2
_MOST_UNREAD = 64
_PAGES: dict[AuthorizationFailure, Page] = {
    "state": Page.STATE,
    "denied": Page.DENIED,
    "code": Page.CODE,
    "refused": Page.FAILED,
    "rejected": Page.FAILED,
}

Deliver = Callable[[dict[str, str]], None]
_PORTS_TRIED = 8
_NO_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}


class Listener:
    """Listens on 127.0.0.1 and, where there is IPv6, on ::1. A context manager: nothing listens after it.

    Each `GET /callback` whose `state` is one that `is_ours` is handed to `deliver`; the browser is answered when
    `settle` says what came of it. Anything else is refused and forgotten: any program of this machine can send it.
    """

    def __init__(self, port: int, deliver: Deliver, is_ours: Callable[[str], bool]) -> None:
        """Raises LoginError: the port is taken, or may not be used."""
        self._servers = _bound(port, deliver, is_ours)
        self.port: int = self._servers[0].server_address[1]
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in self._servers
        ]

    def opening(self, url: str) -> str:
        """Return an address that leads to `url`, once: other users see what a browser is started with."""
        path = f"/{secrets.token_urlsafe(24)}"
        self._servers[0].openings[path] = url
        return f"http://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Listener:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        self.settle(exc if isinstance(exc, AntWifError) else None if exc is None else LoginError("interrupted"))
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            server.let_them_answer()
            server.server_close()
            thread.join()

    def settle(self, failure: AntWifError | None) -> None:
        """Say what came of the login; the waiting browser shows it."""
        for server in self._servers:
            server.settle(failure)


def _bound(port: int, deliver: Deliver, is_ours: Callable[[str], bool]) -> list[_ListenerServer]:
    """Bind one port of both addresses: a browser may take `localhost` for either. Raises LoginError."""
    left = _PORTS_TRIED if port == 0 else 1
    while True:
        left -= 1
        try:
            first = _ListenerServer(("127.0.0.1", port), deliver, is_ours)
        except (OSError, OverflowError) as error:
            raise _unusable(port, "127.0.0.1", error) from None
        try:
            return [first, _ListenerServer6(("::1", first.server_address[1]), deliver, is_ours)]
        except OSError as error:
            if error.errno in _NO_IPV6:
                return [first]
            first.server_close()
            if not left:
                raise _unusable(first.server_address[1], "::1", error) from None


def _unusable(port: int, host: str, error: Exception) -> LoginError:
    return LoginError(
        f"port {port} on {host} cannot be used: {getattr(error, 'strerror', None) or type(error).__name__}",
        hint="choose another with --callback-port, or leave it out for a free one",
    )


class _ListenerServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # On POSIX this lets the next run have the port of the one before, and never two at the same time.
    allow_reuse_address = IS_POSIX
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], deliver: Deliver, is_ours: Callable[[str], bool]) -> None:
        super().__init__(address, _Handler)
        self.deliver = deliver
        self.is_ours = is_ours
        self.openings: dict[str, str] = {}
        self._unread: dict[Any, float] = {}
        self._settled = threading.Event()
        self._failure: AntWifError | None = None
        self._waiting: list[threading.Thread] = []

    def server_bind(self) -> None:
        """Bind without asking the network for this host's name, as the base class would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # of an internet address

    def settle(self, failure: AntWifError | None) -> None:
        if not self._settled.is_set():
            self._failure = failure
            self._settled.set()

    def verdict(self) -> Page:
        """Wait for what came of the login."""
        self._waiting.append(threading.current_thread())
        if not self._settled.wait(_VERDICT_SECONDS):
            return Page.WAITING
        if self._failure is None:
            return Page.SUCCESS
        return _PAGES[self._failure.reason] if isinstance(self._failure, AuthorizationResponseError) else Page.FAILED

    def let_them_answer(self) -> None:
        """Give the browsers that wait for the verdict the time to be told."""
        for thread in list(self._waiting):
            thread.join(_ANSWER_SECONDS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a request on a thread of its own. Of too many that say nothing, the oldest makes room."""
        while len(self._unread) >= _MOST_UNREAD:
            self._drop(next(iter(self._unread)))
        self._unread[request] = time.monotonic()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Drop, several times a second, who does not come to the point: a byte now and then is not a request."""
        for request, since in list(self._unread.items()):
            if time.monotonic() - since > _REQUEST_SECONDS:
                self._drop(request)

    def was_read(self, request: Any) -> None:
        self._unread.pop(request, None)

    def _drop(self, request: Any) -> None:
        self.was_read(request)
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.was_read(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away or sent no HTTP."""
        del request, client_address


class _ListenerServer6(_ListenerServer):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _ListenerServer
    timeout = _REQUEST_SECONDS
    server_version = "ant"
    sys_version = ""

    def parse_request(self) -> bool:
        """Note that the client came to the point."""
        parsed = super().parse_request()
        self.server.was_read(self.request)
        return parsed

    def do_GET(self) -> None:
        query = self._callback()
        if query is not None and self.server.is_ours(query.get("state", "")):
            self.server.deliver(query)
            self._answer(200, self.server.verdict())
        elif query is not None:
            self._answer(200, Page.STATE)
        elif self.path in self.server.openings and _is_of_this_user(self.client_address[1], self.server.server_port):
            self.send_response(302)
            self.send_header("Location", self.server.openings.pop(self.path))
            self._end_headers(0)
        else:
            self._answer(404, Page.UNKNOWN)

    def _callback(self) -> dict[str, str] | None:
        """Return the query of a callback; `None` for a request that has nothing to do with a login."""
        try:
            parts = urlsplit(self.path)
            values = parse_qs(parts.query, max_num_fields=50)
            host = urlsplit(f"//{self.headers.get('host', '')}").hostname
        except ValueError:
            return None
        if parts.path != PATH or host not in {"localhost", "127.0.0.1", "::1"} or not values.keys() & _OF_A_LOGIN:
            return None
        return {name: found[0] for name, found in values.items()}

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is not a `GET` without repeating any of it."""
        del message, explain
        self._answer(code, Page.UNKNOWN)

    def _answer(self, status: int, which: Page) -> None:
        body = page(which)
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self._end_headers(len(body))
        self.wfile.write(body)

    def _end_headers(self, length: int) -> None:
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the request line holds the code."""


def _is_of_this_user(port: int, own_port: int) -> bool:
    """Whether a connection from a port of 127.0.0.1 is this user's or root's, where the system says (Linux)."""
    loopback = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}"
    ends = [f"{loopback}:{port:04X}", f"{loopback}:{own_port:04X}"]
    with contextlib.suppress(OSError):
        connections = (line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines())
        owner = next((int(each[7]) for each in connections if each[1:3] == ends), None)
        return owner is None or owner in {0, user_id()}
    return True
