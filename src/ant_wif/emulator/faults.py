"""What can go wrong between a client and the service, one method for each way.

`status` and `drop_before` come before the emulator looks at the request: nothing is spent and nothing is
recorded. All others let the request have its effect, and spoil the answer.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ant_wif.emulator._http.protocol import error_response
from ant_wif.emulator._http.server import connection
from ant_wif.emulator.answers import Answer, answer_of, discard_body

Act = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]

_LOGIN_PAGE = b"<!DOCTYPE html><title>Sign in to the network</title>"
_MESSAGES = {
    429: "This request would exceed the rate limit",
    500: "Internal server error",
    503: "Service unavailable",
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
        """Answer 429, 500, 503 or 529 in the API's error shape, without having looked at the request.

        `retry_after` becomes the header of that name: seconds, or a text that is sent as it is.
        Raises ValueError for another status, and for a text that no header can have.
        """
        if status not in _MESSAGES:
            raise ValueError(f"status {status} is not one of {', '.join(map(str, _MESSAGES))}")
        after = str(retry_after)
        if not (after.isascii() and after.isprintable() and after == after.strip()):
            raise ValueError(f"retry_after {retry_after!a} cannot stand in a header")
        headers = {} if retry_after is None else {"retry-after": after}

        async def act(_: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            await discard_body(receive)
            response = error_response(Request(scope), status, _MESSAGES[status], headers)
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

        if size < 0:
            raise ValueError(f"size {size} is not a number of bytes")
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


def _duration(seconds: float) -> float:
    # An integer has no bounds, and the event loop takes none that is beyond those of a float.
    if not 0 <= seconds <= sys.float_info.max:
        raise ValueError(f"{seconds!r} is not a duration in seconds")
    return seconds
