"""What can go wrong between a client and the service, one method for each way.

`status` and `drop_before` come before the emulator looks at the request: nothing is spent and nothing is
recorded. All others let the request have its effect, and spoil the answer.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ant_wif.emulator._http.protocol import error_response
from ant_wif.emulator._http.server import connection


@dataclass(frozen=True)
class Answer:
    """Send it with `send`, or piece by piece with `begin`, `go_on` and `end`."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    """Without `content-length`, which is the sender's to say."""
    body: bytes = field(repr=False)
    events: tuple[bytes, ...] = field(default=(), repr=False)
    """The pieces of a body that is a stream, whose length is not announced; empty for any other."""

    @property
    def length(self) -> int | None:
        """What is announced of the body, in bytes."""
        return None if self.events else len(self.body)

    @property
    def first_half(self) -> bytes:
        return b"".join(self.events[: len(self.events) // 2]) or self.body[: len(self.body) // 2]

    def with_body(self, body: bytes, *, content_type: bytes) -> Answer:
        others = tuple((name, value) for name, value in self.headers if name != b"content-type")
        return replace(self, body=body, events=(), headers=((b"content-type", content_type), *others))

    def with_field(self, name: str, value: str) -> Answer:
        """Set a member of the JSON object that the body is. Raises ValueError if it is not one."""
        return replace(self, body=json.dumps({**json.loads(self.body), name: value}).encode("ascii"))

    async def send(self, send: Send) -> None:
        await self.begin(send, length=self.length)
        await self.go_on(send, self.body)
        await self.end(send)

    async def begin(self, send: Send, *, length: int | None) -> None:
        """Send status and headers. Without a `length` in bytes, none is announced."""
        announced = () if length is None else ((b"content-length", str(length).encode("ascii")),)
        await send({"type": "http.response.start", "status": self.status, "headers": [*self.headers, *announced]})

    async def go_on(self, send: Send, piece: bytes) -> None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """Let `app` process a request, and return what it would have answered."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    start, *rest = messages
    headers = tuple((name, value) for name, value in start["headers"] if name != b"content-length")
    pieces = tuple(message["body"] for message in rest if message.get("body"))
    streamed = len(headers) == len(start["headers"])
    return Answer(start["status"], headers, b"".join(pieces), pieces if streamed else ())


async def discard_body(receive: Receive) -> None:
    """Read a request to its end, so that its sender is not disturbed while it writes."""
    while (await receive()).get("more_body", False):
        pass


Act = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]

_LOGIN_PAGE = b"<!DOCTYPE html><title>Sign in to the network</title>"
_MESSAGES = {
    **{status.value: status.phrase for status in HTTPStatus if status >= 400},
    429: "This request would exceed the rate limit",
    500: "Internal server error",
    529: "Overloaded",
}
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Fault:
    """One way to fail, made by one of the methods; give it to `Emulator.fail`. Durations are in seconds."""

    description: str
    act: Act = field(repr=False)
    only_for: str | None = None
    """The one endpoint at which it makes sense."""

    @classmethod
    def status(cls, status: int, *, retry_after: int | str | None = None) -> Fault:
        """Answer with a status from 400 to 599 in the API's error shape, without having looked at the request.

        `retry_after` becomes the header of that name: seconds, or a text that is sent as it is.
        Raises ValueError for another status, and for a text that no header can have.
        """
        if not _is_whole(status) or not 400 <= status <= 599:
            raise ValueError(f"status {status!r} is not an error status from 400 to 599")
        after = str(retry_after)
        if not (after.isascii() and after.isprintable() and after == after.strip()):
            raise ValueError(f"retry_after {retry_after!a} cannot stand in a header")
        headers = {} if retry_after is None else {"retry-after": after}

        async def act(_: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            await discard_body(receive)
            response = error_response(Request(scope), status, _MESSAGES.get(status, "An error"), headers)
            await response(scope, receive, send)

        return cls(f"status {status}", act)

    @classmethod
    def drop_before(cls) -> Fault:
        """Read the request and close the connection, without having looked at it."""

        async def act(_: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001  # an Act
            await discard_body(receive)
            await connection(scope).hang_up()

        return cls("connection dropped before the request is processed", act)

    @classmethod
    def drop_after(cls) -> Fault:
        """Process the request and close the connection without an answer."""

        async def act(scope: Scope, _: Answer, __: Send) -> None:
            await connection(scope).hang_up()

        return cls("connection dropped after the request is processed", _spoiled(act))

    @classmethod
    def delay(cls, seconds: float) -> Fault:
        """Process the request at once, and answer after `seconds`."""

        async def act(scope: Scope, answer: Answer, send: Send) -> None:
            if not await connection(scope).ends_within(_duration(seconds)):
                await answer.send(send)

        _duration(seconds)
        return cls(f"answer delayed by {seconds} s", _spoiled(act))

    @classmethod
    def truncated(cls) -> Fault:
        """Announce the whole body, send half of it, and close the connection. Of a stream send half the events."""

        async def act(scope: Scope, answer: Answer, send: Send) -> None:
            await answer.begin(send, length=answer.length)
            await answer.go_on(send, answer.first_half)
            await connection(scope).hang_up()

        return cls("body truncated", _spoiled(act))

    @classmethod
    def oversized(cls, size: int = 2 << 20) -> Fault:
        """Fill the body up with blanks to `size` bytes, which no Content-Length announces.

        Raises ValueError for a size below 0.
        """

        async def act(scope: Scope, answer: Answer, send: Send) -> None:
            await answer.begin(send, length=None)
            await answer.go_on(send, answer.body)
            for start in range(len(answer.body), size, _PIECE_BYTES):
                if await connection(scope).ends_within(0):
                    return
                await answer.go_on(send, b" " * min(_PIECE_BYTES, size - start))
            await answer.end(send)

        if not _is_whole(size) or size < 0:
            raise ValueError(f"size {size!r} is not a number of bytes")
        return cls(f"body of {size} bytes", _spoiled(act))

    @classmethod
    def not_json(cls) -> Fault:
        """Put an HTML page in the place of the body, with the status left as it is."""

        async def act(_: Scope, answer: Answer, send: Send) -> None:
            await answer.with_body(_LOGIN_PAGE, content_type=b"text/html; charset=utf-8").send(send)

        return cls("body of HTML", _spoiled(act))

    @classmethod
    def trickle(cls, seconds: float) -> Fault:
        """Send the headers at once and the body byte by byte, evenly over `seconds`."""

        async def act(scope: Scope, answer: Answer, send: Send) -> None:
            pause = _duration(seconds) / max(1, len(answer.body))
            await answer.begin(send, length=answer.length)
            for byte in answer.body:
                if await connection(scope).ends_within(pause):
                    return
                await answer.go_on(send, bytes([byte]))
            await answer.end(send)

        _duration(seconds)
        return cls(f"body trickled over {seconds} s", _spoiled(act))

    @classmethod
    def wrong_token_type(cls, kind: str = "mac") -> Fault:
        """Name another `token_type` than Bearer in what the token endpoint grants. An error stays as it is."""

        async def act(_: Scope, answer: Answer, send: Send) -> None:
            await (answer.with_field("token_type", kind) if answer.status == 200 else answer).send(send)

        return cls(f"token_type {kind!r}", _spoiled(act), only_for="token")


def _spoiled(act: Callable[[Scope, Answer, Send], Awaitable[None]]) -> Act:
    """Let the request be processed, and then decide over its answer."""

    async def process(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await act(scope, await answer_of(app, scope, receive), send)

    return process


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _duration(seconds: object) -> float:
    # An integer has no bounds, and the event loop takes none that is beyond those of a float.
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= sys.float_info.max:
        raise ValueError(f"{seconds!r} is not a duration in seconds")
    return seconds


# Endpoint -> the requests that it takes, as method and path.
_ENDPOINTS = {
    "token": re.compile(r"POST /v1/oauth/token"),
    "models": re.compile(r"GET /v1/models(/[^/]+)?"),
    "messages": re.compile(r"POST /v1/messages"),
    "count_tokens": re.compile(r"POST /v1/messages/count_tokens"),
    "batches": re.compile(r"[A-Z]+ /v1/messages/batches(/.+)?"),
    "chat": re.compile(r"POST /v1/chat/completions"),
    "files": re.compile(r"[A-Z]+ /v1/files(/.+)?"),
    "admin": re.compile(r"[A-Z]+ /v1/organizations/.+"),
    "oidc": re.compile(r"GET /github/token"),
    "google": re.compile(r"GET /computeMetadata/v1/instance/service-accounts/[^/]+/identity|POST /google/token"),
    "azure": re.compile(r"GET (/azure/msi|/metadata/identity/oauth2)/token|POST /azure/[^/]+/oauth2/v2\.0/token"),
    "kubernetes": re.compile(r"POST /api/v1/namespaces/[^/]+/serviceaccounts/[^/]+/token"),
    "oauth": re.compile(r"POST /oauth/token"),
    "authorize": re.compile(r"(GET|POST) /oauth/authorize"),
    "discovery": re.compile(r"GET /.+/\.well-known/openid-configuration"),
    "jwks": re.compile(r"GET /.+/\.well-known/jwks"),
}


@dataclass
class _Planned:
    fault: Fault
    times: int


class FaultPlan:
    """For each endpoint the faults that its next requests meet. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: dict[str, deque[_Planned]] = {endpoint: deque() for endpoint in _ENDPOINTS}

    def add(self, endpoint: str, fault: Fault, times: int) -> None:
        """Raises ValueError as `Emulator.fail` says."""
        if not isinstance(fault, Fault):
            raise ValueError(f"fault: must be one such as Fault.status(500), not {fault!r}")  # noqa: TRY004  # as below
        if str(endpoint) not in _ENDPOINTS:
            raise ValueError(f"no endpoint {endpoint!r}; there are {', '.join(_ENDPOINTS)}")
        if fault.only_for not in {None, endpoint}:
            raise ValueError(f"the fault {fault.description!r} can only happen at {fault.only_for!r}")
        if not _is_whole(times) or times < 1:
            raise ValueError(f"times {times!r} is not a positive whole number")
        with self._lock:
            self._planned[endpoint].append(_Planned(fault, times))

    def clear(self) -> None:
        with self._lock:
            for planned in self._planned.values():
                planned.clear()

    def savepoint(self) -> Callable[[], None]:
        """Return what brings back the faults that are planned now."""
        with self._lock:
            kept = {endpoint: [replace(each) for each in planned] for endpoint, planned in self._planned.items()}

        def bring_back() -> None:
            with self._lock:
                self._planned = {endpoint: deque(map(replace, planned)) for endpoint, planned in kept.items()}

        return bring_back

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that this request meets, and count it as met."""
        for endpoint, requests in _ENDPOINTS.items():
            if requests.fullmatch(f"{method} {path}"):
                return self._next(endpoint)
        return None

    def _next(self, endpoint: str) -> Fault | None:
        with self._lock:
            planned = self._planned[endpoint]
            if not planned:
                return None
            first = planned[0]
            first.times -= 1
            if first.times == 0:
                planned.popleft()
            return first.fault


class Faults:
    """ASGI middleware: a request for which a fault is planned meets it, all others pass."""

    def __init__(self, app: ASGIApp, plan: FaultPlan) -> None:
        self._app = app
        self._plan = plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._plan.take(scope["method"], scope["path"])
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await fault.act(self._app, scope, receive, send)


_METHODS: tuple[Callable[..., Fault], ...] = (
    *(Fault.status, Fault.drop_before, Fault.drop_after, Fault.delay, Fault.truncated),
    *(Fault.oversized, Fault.not_json, Fault.trickle, Fault.wrong_token_type),
)
_FAULTS = {method.__name__: method for method in _METHODS}
# By the annotation of an argument: the types that it may have, and how a refusal calls them.
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "a string"),
    "int | str | None": ((int, str), "a whole number or a string"),
}


def named_fault(name: object, arguments: Mapping[str, object]) -> Fault:
    """Return the fault that a method of `Fault` makes. Raises ValueError that says what is wrong."""
    make = _FAULTS.get(name) if isinstance(name, str) else None
    if make is None:
        raise ValueError(f"fault: must be one of {', '.join(_FAULTS)}")
    known = inspect.signature(make).parameters
    for argument, value in arguments.items():
        if argument not in known:
            raise ValueError(f"the fault {name} has no such argument; it has {', '.join(known) or 'none'}")
        types, words = _KINDS[known[argument].annotation]
        # A truth value is an int to Python, and none to anybody else.
        if not isinstance(value, types) or isinstance(value, bool):
            raise ValueError(f"{argument}: must be {words}")  # noqa: TRY004  # callers handle one kind of error
    for argument, parameter in known.items():
        if parameter.default is parameter.empty and argument not in arguments:
            raise ValueError(f"{argument}: this field is required for the fault {name}")
    return make(**arguments)
