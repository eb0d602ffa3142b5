"""How a request is sent: one description, two drivers.

Whatever talks to a server here is written once, as a generator that yields what it needs done
and receives the result (a *flow*). `run` drives a flow with blocking calls, `arun` with awaited
ones. Neither decides anything.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import urlencode

from ant_wif._version import __version__
from ant_wif.secrets import SecretStr, clean
from ant_wif.wiretap import log_failure, log_reply, log_request

if TYPE_CHECKING:
    import httpx

__all__ = [
    "USER_AGENT",
    "Call",
    "Flow",
    "Pause",
    "Reply",
    "Request",
    "Unreachable",
    "arun",
    "call",
    "pause",
    "run",
    "send",
]

T = TypeVar("T")

USER_AGENT = f"ant-wif/{__version__}"
TIMEOUT_SECONDS = 30.0
REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
LARGEST_BODY = 1 << 20


@dataclass(frozen=True)
class Request:
    """One request. Values that are secret are `SecretStr` until they are written to the wire."""

    method: str
    url: str
    headers: Mapping[str, str | SecretStr] = field(default_factory=dict, repr=False)
    json: Mapping[str, object] | None = field(default=None, repr=False)
    form: Mapping[str, str | SecretStr] | None = field(default=None, repr=False)
    timeout: float = TIMEOUT_SECONDS
    ca_file: Path | None = None
    """The only authorities to trust, in PEM form, where it is not the system's."""
    known: tuple[SecretStr, ...] = field(default=(), repr=False)
    """Secrets that the answer may quote, though the request holds them in another form."""
    direct: bool = False
    """Whether to leave out proxies: some endpoints answer only to the machine itself."""

    @property
    def content_type(self) -> str | None:
        if self.form is not None:
            return "application/x-www-form-urlencoded"
        return "application/json" if self.json is not None else None

    def body(self) -> bytes | None:
        if self.form is not None:
            return urlencode({name: _plain(value) for name, value in self.form.items()}).encode()
        return None if self.json is None else json.dumps(self.json, default=_plain).encode()


@dataclass(frozen=True)
class Reply:
    """What a server answered: `headers` in lower case, at most 1 MiB of `body`."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def request_id(self) -> str | None:
        found = self.headers.get("request-id") or self.headers.get("x-request-id")
        return found if found and REQUEST_ID.fullmatch(found) else None


@dataclass(frozen=True)
class Unreachable:
    """No usable answer came.

    `maybe_received` tells whether the server may have acted on the request, `transient` whether
    the network may do better a little later.
    """

    reason: str
    maybe_received: bool
    transient: bool = False


@dataclass(frozen=True)
class Call(Generic[T]):
    """A call that may block, for the driver to make off the event loop."""

    function: Callable[[], T]


@dataclass(frozen=True)
class Pause:
    """Seconds to let pass before the flow goes on."""

    seconds: float


Step = Request | Call[Any] | Pause
Flow = Generator[Step, Any, T]


def send(request: Request) -> Flow[Reply | Unreachable]:
    """Send one request. Redirects are not followed."""
    return cast("Reply | Unreachable", (yield request))


def call(function: Callable[[], T]) -> Flow[T]:
    """Make a call that may block, such as reading a file."""
    return cast("T", (yield Call(function)))


def pause(seconds: float) -> Flow[bool]:
    """Let time pass; return whether other work of this thread could go on meanwhile."""
    return cast("bool", (yield Pause(seconds)))


def run(flow: Flow[T], client: httpx.Client | None = None) -> T:
    """Drive a flow to its result with blocking calls; a given `client` is used and left open."""
    outcome: object = None
    failure: BaseException | None = None
    try:
        while True:
            step = flow.throw(failure) if failure else flow.send(outcome)
            outcome, failure = None, None
            try:
                if isinstance(step, Request):
                    outcome = _send(step, client)
                elif isinstance(step, Pause):
                    time.sleep(step.seconds)
                    outcome = False
                else:
                    outcome = step.function()
            except BaseException as error:  # noqa: BLE001 - the flow decides, and raises it again
                failure = error
    except StopIteration as done:
        return cast("T", done.value)
    finally:
        failure = None  # an exception must not hold the frame that holds it


async def arun(flow: Flow[T], client: httpx.AsyncClient | None = None) -> T:
    """Drive a flow to its result without blocking the event loop."""
    import anyio
    import anyio.to_thread

    outcome: object = None
    failure: BaseException | None = None
    try:
        while True:
            step = flow.throw(failure) if failure else flow.send(outcome)
            outcome, failure = None, None
            try:
                if isinstance(step, Request):
                    outcome = await _asend(step, client)
                elif isinstance(step, Pause):
                    await anyio.sleep(step.seconds)
                    outcome = True
                else:
                    # A limiter of its own: the shared one may be taken up by threads that wait for this very flow.
                    outcome = await anyio.to_thread.run_sync(step.function, limiter=anyio.CapacityLimiter(1))
            except BaseException as error:  # noqa: BLE001 - the flow decides, and raises it again
                failure = error
    except StopIteration as done:
        return cast("T", done.value)
    finally:
        failure = None


def _send(request: Request, client: httpx.Client | None) -> Reply | Unreachable:
    import httpx

    deadline = time.monotonic() + request.timeout
    try:
        with contextlib.ExitStack() as stack:
            special = httpx.Client(**_options(request)) if _is_special(request) else None
            sender = special or client or httpx.Client()
            if sender is not client:
                stack.enter_context(sender)
            response = sender.send(_outgoing(request), stream=True, auth=None, follow_redirects=False)
            stack.callback(response.close)
            body = _Body(deadline)
            for chunk in response.iter_raw():
                body.add(chunk)
            return _reply(request, response, body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return _unreachable(request, error)


async def _asend(request: Request, client: httpx.AsyncClient | None) -> Reply | Unreachable:
    import httpx

    deadline = time.monotonic() + request.timeout
    try:
        async with contextlib.AsyncExitStack() as stack:
            special = httpx.AsyncClient(**_options(request)) if _is_special(request) else None
            sender = special or client or httpx.AsyncClient()
            if sender is not client:
                await stack.enter_async_context(sender)
            response = await sender.send(_outgoing(request), stream=True, auth=None, follow_redirects=False)
            stack.push_async_callback(response.aclose)
            body = _Body(deadline)
            async for chunk in response.aiter_raw():
                body.add(chunk)
            return _reply(request, response, body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return _unreachable(request, error)


def _is_special(request: Request) -> bool:
    """Whether a client made for anything else would not do."""
    return request.direct or request.ca_file is not None


def _options(request: Request) -> dict[str, Any]:
    import ssl

    verify = True if request.ca_file is None else ssl.create_default_context(cafile=str(request.ca_file))
    return {"verify": verify, "trust_env": not request.direct}


class _UnusableAnswerError(ValueError):
    """The answer is too large or too slow to be read to its end."""


class _Body:
    """Collects a response body within the limits of size and time."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > LARGEST_BODY:
            raise _UnusableAnswerError(f"the answer is larger than {LARGEST_BODY} bytes")
        if time.monotonic() > self._deadline:
            raise _UnusableAnswerError("the answer did not end in time")
        self._chunks.append(chunk)

    def __bytes__(self) -> bytes:
        return b"".join(self._chunks)


def _outgoing(request: Request) -> httpx.Request:
    """Build the request apart from any client, so that no default header, cookie or login joins it."""
    import httpx

    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        # A compressed answer could unpack to any size.
        "Accept-Encoding": "identity",
        **{name: _plain(value) for name, value in request.headers.items()},
    }
    if request.content_type is not None:
        headers.setdefault("Content-Type", request.content_type)
    outgoing = httpx.Request(
        request.method,
        request.url,
        headers=headers,
        content=request.body(),
        extensions={"timeout": httpx.Timeout(request.timeout).as_dict()},
    )
    log_request(outgoing)
    return outgoing


def _reply(request: Request, response: httpx.Response, body: _Body) -> Reply:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise _UnusableAnswerError("the answer is compressed, which was not asked for")
    reply = Reply(response.status_code, dict(response.headers), bytes(body))
    log_reply(request.url, reply.status, reply.headers, reply.body, known=request.known)
    return reply


def _plain(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, str):
        return value
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _unreachable(request: Request, error: Exception) -> Unreachable:
    """Put a failure to send into words that hold no header: httpx and h11 quote those they dislike."""
    import httpx

    before_sending = (
        httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError,
        httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL,
    )  # fmt: skip
    maybe_received = isinstance(error, (httpx.HTTPError, _UnusableAnswerError))
    if isinstance(error, before_sending):
        maybe_received = False
    if isinstance(error, (httpx.LocalProtocolError, UnicodeError)):
        reason = "a header or the URL holds a character that cannot be sent"
    elif isinstance(error, httpx.RemoteProtocolError):
        reason = "the connection ended early, or what answers there does not speak HTTP"
    elif isinstance(error, httpx.TimeoutException):
        reason = f"no answer within {request.timeout:g} seconds"
    else:
        reason = clean(error, limit=200) or type(error).__name__
    log_failure(request.method, request.url, reason)
    never = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
    transient = isinstance(error, httpx.TransportError) and not isinstance(error, never)
    return Unreachable(reason, maybe_received, transient and "CERTIFICATE_VERIFY_FAILED" not in str(error))
