"""What talking to a server asks for, without doing it.

Whatever talks to a server here is written once, as a generator that yields what it needs done and
receives the result (a *flow*). `ant_wif._http.transport` does it, with blocking calls or awaited ones.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlencode

from ant_wif._secrets import SecretBytes, SecretStr

__all__ = [
    "REQUEST_ID",
    "TIMEOUT_SECONDS",
    "BlockingCall",
    "Flow",
    "Pause",
    "Request",
    "RequestFailure",
    "Response",
    "call",
    "pause",
    "request_id_of",
    "send",
    "unwrap",
]

T = TypeVar("T")

TIMEOUT_SECONDS = 30.0
REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the id by which the server knows the request, under either name; `None` if it is not well-formed."""
    found = headers.get("request-id") or headers.get("x-request-id")
    return found if found and REQUEST_ID.fullmatch(found) else None


@dataclass
class Deadline:
    """The moment at which whatever is sent and read on a connection ends; `None` is never."""

    until: float | None = None
    """Seconds of `time.monotonic`."""

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    @property
    def passed(self) -> bool:
        return self.until is not None and time.monotonic() >= self.until

    def left(self, timeout: float | None) -> float | None:
        """Return how long one operation may take. Raises httpcore.ReadTimeout: no time is left."""
        if self.until is None:
            return timeout
        left = self.until - time.monotonic()
        if left <= 0:
            import httpcore

            raise httpcore.ReadTimeout("the answer did not end in time")
        return left if timeout is None else min(left, timeout)


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
    def secrets(self) -> tuple[SecretStr, ...]:
        """All that it sends and no message may repeat."""
        sent = (*self.headers.values(), *(self.form or {}).values(), *(self.json or {}).values())
        return (*self.known, *(value for value in sent if isinstance(value, SecretStr)))

    @property
    def content_type(self) -> str | None:
        if self.form is not None:
            return "application/x-www-form-urlencoded"
        return "application/json" if self.json is not None else None

    def body(self) -> bytes | None:
        if self.form is not None:
            return urlencode({name: unwrap(value) for name, value in self.form.items()}).encode()
        return None if self.json is None else json.dumps(self.json, default=unwrap).encode()


@dataclass(frozen=True)
class Response:
    """What a server answered: `headers` in lower case, at most 1 MiB of `content`, which may hold a token."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: SecretBytes

    @property
    def body(self) -> bytes:
        return self.content.get_secret_value()

    @property
    def request_id(self) -> str | None:
        return request_id_of(self.headers)


@dataclass(frozen=True)
class RequestFailure:
    """No usable answer came.

    `maybe_received` tells whether the server may have acted on the request, `transient` whether
    the network may do better a little later.
    """

    reason: str
    maybe_received: bool
    transient: bool = False


@dataclass(frozen=True)
class BlockingCall(Generic[T]):
    """A call that may block, for the driver to make off the event loop."""

    function: Callable[[], T]


@dataclass(frozen=True)
class Pause:
    """Seconds to let pass before the flow goes on."""

    seconds: float


Step = Request | BlockingCall[Any] | Pause
Flow = Generator[Step, Any, T]


def send(request: Request) -> Flow[Response | RequestFailure]:
    """Send one request. Redirects are not followed."""
    return cast("Response | RequestFailure", (yield request))


def call(function: Callable[[], T]) -> Flow[T]:
    """Make a call that may block, such as reading a file."""
    return cast("T", (yield BlockingCall(function)))


def pause(seconds: float) -> Flow[bool]:
    """Let time pass; return whether other work of this thread could go on meanwhile."""
    return cast("bool", (yield Pause(seconds)))


def unwrap(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, str):
        return value
    raise TypeError(f"{type(value).__name__} cannot be sent")
