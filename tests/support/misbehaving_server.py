"""A loopback server that misbehaves as told, and identity tokens that no issuer signed.

    with HostileServer(redirect("http://127.0.0.1:1/")) as server:
        ...
        assert len(server.requests) == 1

It speaks in bytes, so that it can say what no HTTP library would.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

GENEROUS_SECONDS = 60.0
"""Longer than anything here takes: reached only where a test has failed already."""


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    head: str
    body: bytes

    @property
    def target(self) -> str:
        return self.head.split(" ", 2)[1]

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == name.lower():
                return value.strip()
        return None

    def json(self) -> dict[str, object]:
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


@dataclass(frozen=True)
class Act:
    """What is done with a connection; `reads` says whether the request is read first."""

    do: Callable[[socket.socket, Received], None]
    reads: bool = True


Behaviour = bytes | Act | Callable[[Received], bytes]


class HostileServer:
    """Listens on 127.0.0.1 and treats every connection by `behaviour`, which may be replaced at any time.

    A behaviour is the bytes to answer with, a function from the request to them, or an `Act`. Every
    connection is closed after one answer.
    """

    def __init__(self, behaviour: Behaviour = b"") -> None:
        self.behaviour = behaviour
        self.requests: list[Received] = []
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, name=f"hostile {self.base_url}", daemon=True)

    def __enter__(self) -> HostileServer:
        self._accepting.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        # Closing a listener does not wake who accepts on it; a connection does.
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname()).close()
        self._accepting.join(GENEROUS_SECONDS)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(GENEROUS_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._closing:
                connection.close()
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):
                connection.settimeout(GENEROUS_SECONDS)
                behaviour = self.behaviour
                if isinstance(behaviour, Act) and not behaviour.reads:
                    behaviour.do(connection, Received("", b""))
                    return
                request = _read(connection)
                if request is None:
                    return
                with self._lock:
                    self.requests.append(request)
                if isinstance(behaviour, Act):
                    behaviour.do(connection, request)
                else:
                    connection.sendall(behaviour if isinstance(behaviour, bytes) else behaviour(request))
        finally:
            with self._lock:
                self._open.discard(connection)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            connection.close()


def _read(connection: socket.socket) -> Received | None:
    raw = b""
    while b"\r\n\r\n" not in raw:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        raw += chunk
    head, _, body = raw.partition(b"\r\n\r\n")
    request = Received(head.decode("latin-1"), body)
    missing = int(request.header("content-length") or 0) - len(body)
    while missing > 0:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        body, missing = body + chunk, missing - len(chunk)
    return Received(request.head, body)


def reply(
    body: bytes | str | object = b"",
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> bytes:
    """A whole answer; a body that is neither bytes nor text is sent as JSON."""
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    fields = {"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode("latin-1", "replace") + body


def grant(access_token: str = "sk-ant-oat01-of-a-hostile-server", **changes: object) -> dict[str, object]:
    """What the token endpoint answers; a change to `None` leaves the field out."""
    fields: dict[str, object] = {"access_token": access_token, "token_type": "Bearer", "expires_in": 3600, **changes}
    return {name: value for name, value in fields.items() if value is not None}


def denial(
    status: int = 401,
    kind: str = "authentication_error",
    message: str = "Authentication failed",
    **headers: str,
) -> bytes:
    """An error of the API; `retry_after="99"` has nobody wait for another attempt."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_hostile"}
    return reply(body, status=status, headers={"request-id": "req_hostile", **named})


def html(status: int = 200) -> bytes:
    return reply("<!DOCTYPE html><title>Sign in</title>", status=status, content_type="text/html")


def redirect(to: str, status: int = 307) -> bytes:
    return reply(b"", status=status, headers={"Location": to})


def large_body(size: int = 2 << 20) -> bytes:
    return reply(json.dumps(grant(padding="x" * size)))


def chunked_large_body(size: int = 2 << 20) -> bytes:
    """The same without a Content-Length that would betray it."""
    body = json.dumps(grant(padding="x" * size)).encode()
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    return head + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"


def gzip_bomb(unpacked: int = 64 << 20) -> bytes:
    return reply(gzip.compress(b" " * unpacked), headers={"Content-Encoding": "gzip"})


def trickle(answer: bytes, *, at_once: int, pieces: int = 40, pause: float = 0.05) -> Act:
    """Send `at_once` bytes, then single ones with a pause after each, and in the end the rest."""

    def do(connection: socket.socket, _: Received) -> None:
        connection.sendall(answer[:at_once])
        for position in range(at_once, at_once + pieces):
            connection.sendall(answer[position : position + 1])
            time.sleep(pause)
        connection.sendall(answer[at_once + pieces :])

    return Act(do)


def held(until: threading.Event, answer: bytes) -> Act:
    """Answer when `until` is set."""

    def do(connection: socket.socket, _: Received) -> None:
        until.wait(GENEROUS_SECONDS)
        connection.sendall(answer)

    return Act(do)


def drop_before_reading() -> Act:
    return Act(lambda connection, _: None, reads=False)


def drop_after_reading() -> Act:
    return Act(lambda connection, _: None)


def in_turn(*behaviours: bytes | Act) -> Act:
    """The first connection gets the first behaviour, and so on; the last is for all that follow."""
    left, lock = list(behaviours), threading.Lock()

    def do(connection: socket.socket, request: Received) -> None:
        with lock:
            behaviour = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(behaviour, Act):
            behaviour.do(connection, request)
        else:
            connection.sendall(behaviour)

    return Act(do)


def forged_jwt(claims: Mapping[str, object] | None = None, header: Mapping[str, object] | None = None) -> str:
    """A JWT of the right shape with a signature of nobody; `None` leaves a claim or header field out."""
    fields: dict[str, object] = {"alg": "RS256", "typ": "JWT", "kid": "key-1", **(header or {})}
    said: dict[str, object] = {
        "iss": "https://token.actions.example",
        "sub": "repo:acme/app:ref:refs/heads/main",
        "aud": "https://api.anthropic.com",
        "exp": int(time.time()) + 86_400,  # some are made when tests are collected, and used at the end
        "iat": int(time.time()),
        "jti": "b7f4",
        **(claims or {}),
    }
    return raw_jwt(_json(fields), _json(said))


def raw_jwt(header: bytes, claims: bytes) -> str:
    signature = hashlib.sha512(header + claims).digest() * 2
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, claims, signature))


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(
        {name: value for name, value in fields.items() if value is not None}, separators=(",", ":")
    ).encode()
