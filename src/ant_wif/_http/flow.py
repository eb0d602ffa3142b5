"""What talking to a server asks for, without doing it, and which failures pass by themselves.

Whatever talks to a server here is written once, as a generator that yields what it needs done and
receives the result (a *flow*). `ant_wif._http.transport` does it, with blocking calls or awaited ones.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import urlencode, urlsplit, urlunsplit

from ant_wif._environment import elapsed
from ant_wif._secrets import SecretBytes, SecretStr, redact, reveal, sanitize, secrets_in
from ant_wif._strict import kind_of, read_json

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")

TIMEOUT_SECONDS = 30.0
_REQUEST_ID = r"[A-Za-z0-9_.-]{1,64}"
_ERROR_FIELDS = ("error", "error_description", "error_uri", "message")
_TOKEN_FIELDS = ("access_token", "refresh_token", "id_token")


def request_id_of(headers: Mapping[str, str], known: Iterable[SecretStr]) -> str | None:
    """Return the id by which the server knows the request, under either name.

    `None` if it is not well-formed, or is a secret: one that is `known`, or one by its form.
    """
    return _as_request_id(headers.get("request-id") or headers.get("x-request-id"), known)


def masked_headers(headers: Mapping[str, str], known: Iterable[SecretStr]) -> dict[str, str]:
    """Return an answer's headers, every secret in them masked: a proxy may quote in them what was sent."""
    found = dict(headers)
    whole = "\n".join(found.values())
    if redact(whole, known) == whole:
        return found
    return {name: redact(value, known) for name, value in found.items()}


def _as_request_id(found: object, known: Iterable[SecretStr]) -> str | None:
    well_formed = isinstance(found, str) and re.fullmatch(_REQUEST_ID, found)
    return str(found) if well_formed and redact(str(found), known) == found else None


@dataclass(eq=False)
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


@dataclass(frozen=True, eq=False)
class Request:
    """One request. Values that are secret are `SecretStr` until they are written to the wire."""

    method: str
    url: str
    headers: Mapping[str, str | SecretStr] = field(default_factory=dict, repr=False)
    json: Mapping[str, object] | None = field(default=None, repr=False)
    form: Mapping[str, str | SecretStr] | None = field(default=None, repr=False)
    content: SecretBytes | None = None
    """A body that is neither, whose type is in `headers`."""
    timeout: float = TIMEOUT_SECONDS
    ca_file: Path | None = None
    """The only authorities to trust, in PEM form, where it is not the system's."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """What to check certificates with, and which to show, in place of the system's."""
    known: tuple[SecretStr, ...] = field(default=(), repr=False)
    """Secrets that the answer may quote, though the request holds them in another form."""
    token_at: tuple[str, ...] = ()
    """The names that lead to a token in a JSON answer. It need not look like one."""
    direct: bool = False
    """Whether to leave out proxies: some endpoints answer only to the machine itself."""
    socket: Path | None = None
    """The Unix socket to ask, in place of the host of `url`."""

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """All that it sends and no message may repeat."""
        sent = (*self.headers.values(), *(self.form or {}).values(), *(self.json or {}).values())
        return (*self.known, *secrets_in([*sent]))

    @property
    def content_type(self) -> str | None:
        if self.form is not None:
            return "application/x-www-form-urlencoded"
        return "application/json" if self.json is not None else None

    def body(self) -> bytes | None:
        if self.form is not None:
            return urlencode({name: unwrap(value) for name, value in self.form.items()}).encode()
        if self.content is not None:
            return self.content.get_secret_value()
        return None if self.json is None else json.dumps(self.json, default=unwrap).encode()


@dataclass(frozen=True, eq=False)
class Response:
    """What a server answered: `headers` in lower case, at most 1 MiB of `content`, which may hold a token."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: SecretBytes

    @property
    def body(self) -> bytes:
        return self.content.get_secret_value()

    def text_at(self, path: Sequence[str]) -> SecretStr | None:
        """Return a text in a JSON answer, to which `path` leads through objects, from a frame that no error passes."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return SecretStr(found) if isinstance(found, str) and found else None

    @property
    def is_redirect(self) -> bool:
        """Whether it names another place to ask, which is never followed."""
        return 300 <= self.status < 400 and "location" in self.headers

    def error(self, known: Iterable[SecretStr]) -> ErrorAnswer:
        """Return what the answer says of its failure, if it is one; see `read_error`."""
        document: object = None
        with contextlib.suppress(ValueError):
            document = read_json(self.body)
        found = read_error(document, self.headers, known)
        if self.is_redirect:
            leads = f"it redirects to {_place_of(self.headers['location'], known)}"
            return found._replace(said=f"{found.said}; {leads}" if found.fields else leads)
        if found.fields:
            return found
        read = what_it_is(self.body) if document is None else f"a JSON {kind_of(document)} that names no error"
        return found._replace(said=f"its body is {read}")


def _place_of(location: str, known: Iterable[SecretStr]) -> str:
    """Return where a redirect leads, without what may hold a secret there: user, parameters, query and fragment."""
    try:
        scheme, host, path, _, _ = urlsplit(location)
    except ValueError:
        return "something that is not a URL"
    place = urlunsplit((scheme, host.rpartition("@")[2], path.partition(";")[0], "", ""))
    return sanitize(place, known=known) or "nothing"


class ErrorAnswer(NamedTuple):
    """The standard error fields of an answer, cleaned and cut; `said` has them in one line."""

    fields: Mapping[str, str]
    said: str
    request_id: str | None

    @property
    def by_id(self) -> str:
        """How a message goes on that names the request."""
        return f", request id {self.request_id}" if self.request_id else ""


def read_error(document: object, headers: Mapping[str, str], known: Iterable[SecretStr]) -> ErrorAnswer:
    """Keep the error fields of RFC 6749 §5.2 and of the API; they may quote secrets, such as those that are `known`."""
    fields = document if isinstance(document, dict) else {}
    found = {name: fields.get(name) for name in _ERROR_FIELDS}
    if isinstance(inner := fields.get("error"), dict):
        found |= {f"error.{name}": inner.get(name) for name in ("type", "message")}
    secrets = [*known, *(SecretStr(value) for value in map(fields.get, _TOKEN_FIELDS) if isinstance(value, str))]
    kept = {name: sanitize(value, known=secrets) for name, value in found.items() if isinstance(value, str)}
    request_id = request_id_of(headers, secrets) or _as_request_id(fields.get("request_id"), secrets)
    return ErrorAnswer(kept, ": ".join(kept.values()), request_id)


EMPTY, HTML = "empty", "an HTML page"


def what_it_is(body: bytes) -> str:
    """Name a body that is not what was expected, without quoting it."""
    start = body[:256].lstrip().lower()
    if not start:
        return EMPTY
    return HTML if start.startswith((b"<!doctype", b"<html", b"<head")) else f"{len(body)} bytes that are not JSON"


class RequestFailure(NamedTuple):
    """No usable answer came.

    `maybe_received` tells whether the server may have acted on the request, `transient` whether
    the network may do better a little later. `hint` is what to do, where more is known than that the network failed.
    """

    reason: str
    maybe_received: bool
    transient: bool = False
    hint: str | None = None


class BlockingCall(NamedTuple):
    """A call that may block, for the driver to make off the event loop."""

    function: Callable[[], Any]


class Pause(NamedTuple):
    """Seconds to let pass before the flow goes on."""

    seconds: float


Step = Request | BlockingCall | Pause
Flow = Generator[Step, Any, T]
"""A generator that yields requests and returns a result. Write `yield from` to use one in another."""


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
    if isinstance(reveal(value), str):
        return str(reveal(value))
    raise TypeError(f"{type(value).__name__} cannot be sent")


ATTEMPTS = 4
DEADLINE_SECONDS = 60.0
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 8.0


def is_transient(answer: Response | RequestFailure) -> bool:
    """Whether the same request may succeed a little later; `x-should-retry` is the server's own word on it."""
    if isinstance(answer, RequestFailure):
        return answer.transient
    stated = answer.headers.get("x-should-retry", "").strip().lower()
    # What was denied or malformed stays so, whatever the header says.
    if stated == "false" or (stated == "true" and answer.status not in {400, 401, 403}):
        return stated == "true"
    return answer.status in {408, 425, 429} or answer.status >= 500


def retry_after(answer: Response | RequestFailure) -> float | None:
    """Return the seconds that the server asks to wait: seconds, or a date beside its own (RFC 9110 §10.2.3)."""
    if isinstance(answer, RequestFailure):
        return None
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        stated = answer.headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", stated):
            return float(stated) * unit
    with contextlib.suppress(ValueError, OverflowError, KeyError):
        from email.utils import parsedate_to_datetime  # its import costs more than the rest of this module

        moment, now = (parsedate_to_datetime(answer.headers[name]) for name in ("retry-after", "date"))
        return max(0.0, moment.timestamp() - now.timestamp())
    return None


def seconds_ahead(headers: Mapping[str, str], now: float) -> float | None:
    """Return how far the `Date` of an answer is ahead of `now` (unix time), `None` where there is none."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp() - now
    except (ValueError, OverflowError):
        return None


class Backoff:
    """The patience of one operation: so many attempts, so many seconds in all.

    Delays double, each drawn evenly between nothing and its limit ("full jitter"), so that many
    processes that failed together do not come back together. What a server asks them all to wait is
    waited, and up to half as much again: the longer it is, the more of them wait for the same moment.
    """

    def __init__(
        self,
        *,
        attempts: int = ATTEMPTS,
        deadline: float = DEADLINE_SECONDS,
        now: Callable[[], float] = elapsed,
        draw: Callable[[], float] = random.random,
        passes: Callable[[Response | RequestFailure], bool] = is_transient,
    ) -> None:
        """`passes` says which failures pass by themselves."""
        self._left = attempts
        self._limit = FIRST_DELAY_SECONDS
        self._now = now
        self._until = now() + deadline
        self._draw = draw
        self._passes = passes

    def delay(self, answer: Response | RequestFailure) -> float | None:
        """Return the seconds to wait before the next attempt, or `None` to give up."""
        self._left -= 1
        if self._left <= 0 or not self._passes(answer):
            return None
        asked, left, share = retry_after(answer) or 0.0, self._until - self._now(), self._draw()
        delay = asked + share * max(self._limit, asked / 2)
        if asked < left <= delay and asked:  # not more than there is time for
            delay = asked + share * (left - asked)
        self._limit = min(2 * self._limit, LONGEST_DELAY_SECONDS)
        return delay if delay < left else None


def send_again(
    request: Request, backoff: Backoff, may_repeat: Callable[[Response | RequestFailure], bool] = lambda _: True
) -> Flow[Response | RequestFailure]:
    """Send a request until it succeeds, cannot succeed or must not be repeated, or patience ends."""
    while True:
        reply = yield from send(request)
        if isinstance(reply, Response) and 200 <= reply.status < 300:
            return reply
        delay = backoff.delay(reply) if may_repeat(reply) else None
        if delay is None:
            return reply
        yield from pause(delay)
