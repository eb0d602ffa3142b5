"""What was asked of the emulator: every attempt at the token endpoint, and every API call that it received.

The authentication history has the attempts by any grant, and why each was denied. Tests look at the calls, which a
middleware records.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ant_wif._secrets import mask, sanitize
from ant_wif._strict import read_json
from ant_wif.emulator._http.protocol import json_response
from ant_wif.emulator._state import savepoint
from ant_wif.rules import REASONS

_AGAIN = "Log in again."


@dataclass(frozen=True)
class DenialExplanation:
    means: str
    remedy: str


_EXPLANATIONS: Mapping[str, DenialExplanation] = {
    **{reason: DenialExplanation(meaning.means, meaning.remedy) for reason, meaning in REASONS.items()},
    "refresh_token_unknown": DenialExplanation("The refresh token was never handed out here.", _AGAIN),
    "refresh_token_reused": DenialExplanation(
        "The refresh token was replaced by a newer one: each is good for one refresh.",
        "Keep the newest one, and let one process refresh for all.",
    ),
    "refresh_token_revoked": DenialExplanation("The refresh token belongs to a login that ended.", _AGAIN),
    "client_id_mismatch": DenialExplanation(
        "The refresh token or the code was handed out to another client.",
        "Send the `client_id` that the login was made with.",
    ),
    "code_unknown": DenialExplanation("The code was never handed out here.", _AGAIN),
    "code_used": DenialExplanation(
        "The code was redeemed before. The login that it began has ended, with all its tokens.", _AGAIN
    ),
    "code_expired": DenialExplanation("The code is older than a minute.", "Log in again, and redeem the code at once."),
    "redirect_uri_mismatch": DenialExplanation(
        "The code was approved for another redirect URI.", "Send exactly the one of the authorize URL."
    ),
    "state_mismatch": DenialExplanation(
        "The code was approved for another state.",
        "Send the `state` of the authorize URL, and the code that came with it.",
    ),
    "verifier_mismatch": DenialExplanation(
        "The `code_verifier` is not the one whose challenge was in the authorize URL.",
        "Keep one verifier from the authorize URL to the exchange of its code.",
    ),
}


Outcome = Literal["granted", "denied", "invalid"]

_REMEMBERED = 1_000
_DEEPEST_CLAIM = 6
_MOST_VALUES = 300
_LONGEST_TEXT = 1_024


@dataclass(frozen=True, kw_only=True)
class ExchangeRecord:
    """One attempt. `at` is unix time by the emulator's clock; there is no token in it.

    `outcome` is `invalid` for a malformed request (status 400 or 413), which has no `reason`.
    """

    at: float
    grant_type: str | None
    outcome: Outcome
    status: int
    request_id: str
    reason: str | None = None
    rule_id: str | None = None
    rule_name: str | None = None
    issuer: str | None = None
    workspace_id: str | None = None
    unverified_claims: Mapping[str, object] | None = None

    @property
    def explanation(self) -> DenialExplanation | None:
        """What the reason means and what to do about it, where there is one."""
        return _EXPLANATIONS.get(self.reason or "")


class History:
    """The last attempts, and for each grant type how many were granted. Hold the state's lock to add."""

    def __init__(self) -> None:
        self._records: deque[ExchangeRecord] = deque(maxlen=_REMEMBERED)
        self.granted: Counter[str] = Counter()

    def add(self, record: ExchangeRecord) -> None:
        self._records.append(record)
        if record.outcome == "granted" and record.grant_type is not None:
            self.granted[record.grant_type] += 1

    def snapshot(self) -> list[ExchangeRecord]:
        return list(self._records)

    def savepoint(self) -> Callable[[], None]:
        """Return what brings back the attempts of now."""
        return savepoint(self, "_records", "granted")

    def clear(self) -> None:
        self._records.clear()
        self.granted.clear()


def displayable_claims(claims: Mapping[str, object] | None) -> dict[str, object] | None:
    """Return a copy that any JSON writer can take, and cut: the claims come from anyone, deep and large."""
    kept = _cut(claims, _DEEPEST_CLAIM + 1, iter(range(_MOST_VALUES)))
    return kept if isinstance(kept, dict) else None


def history_routes(history: History) -> list[Route]:
    async def show(_: Request) -> Response:
        return json_response({"data": [_entry(record) for record in history.snapshot()]})

    return [Route("/_emulator/history", show, methods=["GET"])]


def _entry(record: ExchangeRecord) -> dict[str, object]:
    explanation = record.explanation
    return {**asdict(record), "explanation": None if explanation is None else asdict(explanation)}


def _cut(value: object, depth: int, left: Iterator[int]) -> object:
    """`left` runs out when as many values are kept as may be, of all that the claims hold."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}..."
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return "..."
    if isinstance(value, list):
        items = [_cut(item, depth - 1, left) for item, _ in zip(value, left, strict=False)]
        return items if len(items) == len(value) else [*items, "..."]
    members = {
        # Most claims are short texts, which are to cost next to nothing: each exchange is recorded.
        name: item if type(item) is str and len(item) <= _LONGEST_TEXT else _cut(item, depth - 1, left)
        for (name, item), _ in zip(value.items(), left, strict=False)
    }
    return members if len(members) == len(value) else {**members, "...": "..."}


_MOST_REQUESTS = 10_000
_MOST_BYTES = 64 << 20
_TOO_LARGE = 413
_SECRET_HEADERS = frozenset({b"authorization", b"x-api-key", b"cookie", b"proxy-authorization"})


@dataclass(frozen=True)
class RecordedCredential:
    """The credential that a request was accepted with."""

    source: str
    """`api_key`, `federation` (an exchanged identity token) or `login` (a person's)."""
    workspace: str | None
    """The name of the workspace that the request used, such as `default`."""
    workspace_id: str


@dataclass(eq=False)
class RecordedRequest:
    """One API call, as the emulator received it. The values of headers that hold a credential are masked."""

    method: str
    path: str
    query: QueryParams
    """The parameters after the `?`, by name; `getlist(name)` has all values of one."""
    headers: Headers
    """By name, in upper or lower case."""
    at: float
    """When the request arrived: unix time in seconds, by the emulator's clock."""
    status: int | None = None
    """The status of the response; `None` while there is no response, and where a fault dropped the connection."""
    milliseconds: float | None = None
    """The time from the request to the end of the response; `None` until then."""
    credential: RecordedCredential | None = None
    """`None` where the emulator refused the credential, or a fault answered before it was looked at."""
    received: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def body(self) -> bytes:
        """The body as it was sent; of a body of more than 64 MiB, the beginning."""
        return bytes(self.received)

    @property
    def json(self) -> Any:
        """The parsed body, which is the caller's to change; `None` where the body is empty or not JSON."""
        try:
            return json.loads(self.received)
        except (ValueError, RecursionError):
            return None

    def entry(self) -> dict[str, object]:
        """Return the request as JSON has it. Every parameter of the query has a list of values."""
        return {
            "method": self.method,
            "path": self.path,
            "query": {name: self.query.getlist(name) for name in self.query},
            "headers": dict(self.headers),
            "json": self._strict_json(),
            "credential": None if self.credential is None else asdict(self.credential),
            "status": self.status,
            "at": self.at,
            "milliseconds": self.milliseconds,
        }

    def line(self) -> str:
        """Return the request in one line for a terminal, without its query, in which a secret may be."""
        outcome = "(connection closed)" if self.status is None else self.status
        return f"{self.method} {sanitize(self.path)} {outcome} {self.milliseconds or 0:.0f} ms"

    def _strict_json(self) -> object:
        try:
            return read_json(self.body)
        except ValueError:
            return None


class RequestList(list[RecordedRequest]):
    """API calls in the order in which they arrived."""

    def messages(self) -> RequestList:
        """Return the calls to `POST /v1/messages` only."""
        return RequestList(each for each in self if (each.method, each.path) == ("POST", "/v1/messages"))


class RequestLog:
    """The last 10,000 API calls, of at most 64 MiB of bodies in all: the oldest are forgotten first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # With how many bytes the body of each counts: none before the request has been received.
        self._requests: OrderedDict[RecordedRequest, int] = OrderedDict()
        self._bytes = 0

    def add(self, request: RecordedRequest) -> None:
        with self._lock:
            self._requests[request] = 0
            self._forget_oldest()

    def count(self, request: RecordedRequest) -> None:
        """Count what has been received of a body."""
        with self._lock:
            if request in self._requests:
                self._bytes += len(request.received) - self._requests[request]
                self._requests[request] = len(request.received)
                self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self._requests) > _MOST_REQUESTS or (self._bytes > _MOST_BYTES and len(self._requests) > 1):
            self._bytes -= self._requests.popitem(last=False)[1]

    def snapshot(self) -> RequestList:
        with self._lock:
            return RequestList(self._requests)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()
            self._bytes = 0

    def savepoint(self) -> Callable[[], None]:
        """Return what brings back the requests of now."""
        return savepoint(self, "_requests", "_bytes", lock=self._lock)


def note_credential(request: Request, credential: RecordedCredential) -> None:
    """Have the record of this request say which credential it was accepted with."""
    record = recorded(request)
    if record is not None:
        record.credential = credential


def recorded(request: Request) -> RecordedRequest | None:
    """Return the record of this request, or `None` where it is not an API call."""
    found: RecordedRequest | None = getattr(request.state, "record", None)
    return found


class Recorder:
    """ASGI middleware: keeps every API call, and gives `print_line` a line for each request, if there is one.

    Identity endpoints are in the history and not here. `clock` is the emulator's.
    """

    def __init__(
        self,
        app: ASGIApp,
        log: RequestLog,
        clock: Callable[[], float],
        print_line: Callable[[str], object] | None = None,
    ) -> None:
        self._app = app
        self._log = log
        self._clock = clock
        self._print_line = print_line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        is_api_call = path.startswith("/v1/") and not path.startswith("/v1/oauth/")
        if not is_api_call and self._print_line is None:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        record = RecordedRequest(
            scope["method"], path, QueryParams(scope["query_string"]), _masked(scope["headers"]), self._clock()
        )
        if is_api_call:
            self._log.add(record)
            scope["state"]["record"] = record
        is_read = not is_api_call

        async def read() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = is_read or not message.get("more_body", False)
            if is_api_call:
                record.received += message.get("body", b"")[: _MOST_BYTES - len(record.received)]
            return message

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                # What is refused before it is read is to be in the list as well.
                while not is_read and record.status != _TOO_LARGE and len(record.received) < _MOST_BYTES:
                    await read()
                self._log.count(record)
            await send(message)

        try:
            await self._app(scope, read, note)
        finally:
            record.milliseconds = (time.perf_counter() - began) * 1000
            self._log.count(record)
            if self._print_line is not None:
                self._print_line(record.line())


def _masked(headers: list[tuple[bytes, bytes]]) -> Headers:
    return Headers(raw=[(name, _mask(value) if name in _SECRET_HEADERS else value) for name, value in headers])


def _mask(value: bytes) -> bytes:
    text = value.decode("latin-1")
    scheme, _, secret = text.partition(" ")
    if scheme.lower() == "bearer":
        return f"{scheme} {mask(secret)}".encode("latin-1")
    # Of anything but a token or a key, the beginning may be a password.
    return (mask(text) if text.startswith("sk-ant-") else f"({len(text)} characters)").encode("latin-1")
