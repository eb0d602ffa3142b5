"""Loopback APIs with lists of any length, and with answers that break."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from loopback import Recorded, TokenEndpoint

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
        import json

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
