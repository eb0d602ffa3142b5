"""How the API speaks: JSON bodies, request ids, and one shape for every refusal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import formatdate

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ant_wif._strict import read_object
from ant_wif.emulator._http.ids import tagged_id

MAX_BODY_BYTES = 64 * 1024

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
OAUTH_BETA = "oauth-2025-04-20"


class Refusal(Exception):  # noqa: N818  # an answer, on its way to the client
    """Raised in a route: returns this status in the API's error format.

    `kind` is the error's type, by default that of the status. `code` is what an SDK tells it by, in `details`.
    """

    def __init__(self, status: int, message: str, kind: str | None = None, *, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code

    def payload(self, request_id: str) -> dict[str, object]:
        usual = "api_error" if self.status >= 500 else "invalid_request_error"
        error = {"type": self.kind or _ERROR_TYPES.get(self.status, usual), "message": self.message}
        details = {} if self.code is None else {"details": {"error_code": self.code}}
        return {"type": "error", "error": {**error, **details}, "request_id": request_id}


def json_response(
    payload: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    # ASCII, because claims may hold lone surrogates, which UTF-8 cannot.
    body = json.dumps(payload, separators=(",", ":")).encode("ascii")
    return Response(body, status, headers, media_type="application/json")


_LAST_SECOND = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc).timestamp()


def timestamp(at: float) -> str:
    """Return unix time as RFC 3339 has it."""
    moment = datetime.fromtimestamp(max(0.0, min(at, _LAST_SECOND)), tz=timezone.utc)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def status_of(error_type: str) -> int:
    """Return the status that an error of this type comes with."""
    return next((status for status, kind in _ERROR_TYPES.items() if kind == error_type), 500)


def error_response(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error in the API's shape."""
    return json_response(Refusal(status, message).payload(request_id(request)), status, headers)


async def answer_refusal(request: Request, exc: Exception) -> Response:
    if isinstance(exc, Refusal):
        return json_response(exc.payload(request_id(request)), exc.status)
    if isinstance(exc, HTTPException):
        return error_response(request, exc.status_code, exc.detail, exc.headers)
    # The client went away in the middle of its request: the response is not read.
    return Response(status_code=400)


async def read_body(request: Request, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """Return the body. Raises `Refusal` (413) as soon as it is known to be longer than `limit` bytes."""
    too_long = Refusal(413, f"The request body is longer than {limit} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise too_long
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_long
    return bytes(body)


def media_type(request: Request) -> str:
    """Return what the body is said to be, without parameters; nothing where that is not said exactly once."""
    lines = request.headers.getlist("content-type")
    return lines[0].partition(";")[0].strip().lower() if len(lines) == 1 else ""


async def read_json(request: Request, *, limit: int = MAX_BODY_BYTES) -> dict[str, object]:
    """Return the JSON object that the body is. Raises `Refusal` (400, 413)."""
    if media_type(request) != "application/json":
        raise Refusal(400, "Content-Type: must be application/json")
    body = await read_body(request, limit=limit)
    try:
        return read_object(body)
    except ValueError:
        raise Refusal(400, "The request body is not a well-formed JSON object") from None


def listed(headers: Headers, name: str) -> set[str]:
    """Return the values of a header that is a comma-separated list, sent once or several times."""
    return {value.strip() for line in headers.getlist(name) for value in line.split(",")}


def request_id(request: Request) -> str:
    return str(request.state.request_id)


def add_response_header(request: Request, name: str, value: str) -> None:
    """Give this request's response a header, also when it turns out to be an error."""
    request.state.response_headers.append((name.encode("ascii"), value.encode("ascii")))


class RequestIds:
    """ASGI middleware: `request-id` and `date` on every response, and whatever `add_response_header` was told.

    The date is that of `clock`, the emulator's.
    """

    def __init__(self, app: ASGIApp, clock: Callable[[], float]) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        identifier = tagged_id("req")
        date = formatdate(self._clock(), usegmt=True)
        extra = [(b"request-id", identifier.encode("ascii")), (b"date", date.encode("ascii"))]
        scope["state"] = {**scope.get("state", {}), "request_id": identifier, "response_headers": extra}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def bearer(request: Request) -> str | None:
    """Return the bearer token (RFC 6750 §2.1), or `None` where there is not exactly one."""
    lines = request.headers.getlist("authorization")
    scheme, _, token = lines[0].partition(" ") if len(lines) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else None
