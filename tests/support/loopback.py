"""Servers on a loopback port that answer as a test wants and record the requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Recorded:
    """One request: `headers` in lower case, `body` as it came, `path` absolute if it came by way of a proxy."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, object]:
        """The JSON object of the body, empty if there is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class TokenEndpoint:
    """Answers every request, whatever its path.

    with TokenEndpoint(status=401, body={"error": "invalid_grant"}) as endpoint:
        ...
        assert endpoint.requests[0].fields["assertion"] == jwt

    `status`, `headers`, `body` and `delay` may be changed at any time. `body` is bytes, or an object
    that is sent as JSON; left out, each answer grants another token (`sk-ant-oat01-minted-1`, `…-2`) for
    `expires_in` seconds. `delay` is how many seconds an answer takes; `stop` cuts it short.
    """

    def __init__(
        self,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        body: bytes | Mapping[str, object] | None = None,
        delay: float = 0.0,
        expires_in: int = 3600,
    ) -> None:
        self.status = status
        self.headers = dict(headers or {})
        self.body = body
        self.delay = delay
        self.expires_in = expires_in
        self._lock = threading.Lock()
        self._requests: list[Recorded] = []
        self._stopping = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> TokenEndpoint:
        self._stopping.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        # `server_close` joins the threads that still answer, so that no socket outlives the test.
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> TokenEndpoint:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        assert self._server is not None, "the endpoint is not started"
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Recorded]:
        """What was asked since the start or `clear`, oldest first: a copy."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def answer(self, request: Recorded) -> tuple[int, dict[str, str], bytes]:
        """Record a request and say what to answer."""
        with self._lock:
            self._requests.append(request)
            number = len(self._requests)
            status, headers, body, delay = self.status, dict(self.headers), self.body, self.delay
        if delay:
            self._stopping.wait(delay)
        if body is None:
            body = {
                "access_token": f"sk-ant-oat01-minted-{number}",
                "token_type": "Bearer",
                "expires_in": self.expires_in,
            }
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return status, {"Content-Type": "application/json", **headers, "Content-Length": str(len(raw))}, raw


def _handler_of(endpoint: TokenEndpoint) -> type[BaseHTTPRequestHandler]:
    # HTTP/1.0, the default, ends the connection with the answer: no thread waits for another request.
    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            recorded = Recorded(self.command, self.path, headers, self.rfile.read(length))
            status, answered, raw = endpoint.answer(recorded)
            try:
                self.send_response(status)
                for name, value in answered.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)
            except ConnectionError:
                self.close_connection = True  # the client did not wait for a late answer

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond  # noqa: N815 - the names that the base class looks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


Reply = tuple[int, dict[str, str], bytes]


class Scripted(TokenEndpoint):
    """Answers each request with what a function makes of it."""

    def __init__(self, script: Callable[[Recorded], object]) -> None:
        super().__init__()
        self._script = script

    def answer(self, request: Recorded) -> Reply:
        self.body = {}
        status, headers, _ = super().answer(request)
        found = self._script(request)
        if isinstance(found, tuple):
            return found
        raw = json.dumps(found).encode()
        return status, {**headers, "Content-Length": str(len(raw))}, raw


def models(count: int) -> Scripted:
    """Return an API that has so many models, in pages as long as is asked for."""

    def page(request: Recorded) -> object:
        query = parse_qs(urlsplit(request.path).query)
        start = int(query.get("after_id", ["-1"])[0]) + 1
        end = min(start + int(query.get("limit", ["20"])[0]), count)
        items = [{"id": str(number), "display_name": "x" * 400} for number in range(start, end)]
        return {"data": items, "has_more": end < count, "first_id": str(start), "last_id": str(end - 1)}

    return Scripted(page)


def cut(body: bytes, *, announced: int, media_type: str = "application/json") -> Reply:
    """Return an answer that ends before it should."""
    return 200, {"Content-Type": media_type, "Content-Length": str(announced)}, body


def stream(*events: str, media_type: str = "text/event-stream") -> Reply:
    """Return an answer of server-sent events."""
    body = "".join(f"data: {event}\n\n" for event in events).encode()
    return 200, {"Content-Type": media_type, "Content-Length": str(len(body))}, body
