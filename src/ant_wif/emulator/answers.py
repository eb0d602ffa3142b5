"""An answer that was taken from the application and not sent yet."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Answer:
    """Send it with `send`, or piece by piece with `begin`, `go_on` and `end`."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    """Without `content-length`, which is the sender's to say."""
    body: bytes = field(repr=False)
    events: tuple[bytes, ...] = field(default=(), repr=False)
    """The pieces of a body that is a stream, whose length nobody announces; empty for any other."""

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
        """Set a member of the JSON object that the body is. Raises ValueError when it is none."""
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
