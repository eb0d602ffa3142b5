"""Answers that come piece by piece: server-sent events (WHATWG HTML §9.2), or JSON line by line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ant_wif._api.request import broken, failed
from ant_wif._http import log_body, sent_secrets
from ant_wif._strict import read_json

if TYPE_CHECKING:
    import httpx

__all__ = ["EVENT_STREAM", "JSON_LINES", "events", "json_lines", "message_events", "text_of"]

EVENT_STREAM = "text/event-stream"
JSON_LINES = {"application/jsonl", "application/x-jsonl", "application/ndjson", "application/x-ndjson"}

_IN_A_MESSAGE = {"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"}


def events(response: httpx.Response) -> Iterator[Mapping[str, object]]:
    """Yield the JSON object of each event as it arrives.

    Raises:
        ApiError: an event says that the API failed, or is no JSON object; a message began and did not end.
    """
    from httpx_sse import EventSource

    response.encoding = "utf-8"  # whatever its header says (§9.2.5)
    known, inside = sent_secrets(response.request), False
    for event in EventSource(response).iter_sse():
        if not event.data:
            continue
        log_body(event.data.encode("utf-8", "replace"), known=known)
        try:
            found = read_json(event.data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise broken(response, "an event in it is no JSON object")
        if found.get("type") == "error":
            raise failed(response, found)
        inside = (inside or found.get("type") in _IN_A_MESSAGE) and found.get("type") != "message_stop"
        yield found
    if inside:
        raise broken(response, "it ended before the message did")


def message_events(response: httpx.Response) -> Iterator[Mapping[str, object]]:
    """Yield the events of a message. Raises ApiError as `events` does, and where there is none."""
    begun = False
    for event in events(response):
        begun = True
        yield event
    if not begun:
        raise broken(response, "it holds no message")


def json_lines(response: httpx.Response) -> Iterator[object]:
    """Yield what each line of an answer is, as it arrives. Raises ApiError where one is no JSON."""
    kept = b""
    for chunk in response.iter_bytes():
        *whole, kept = (kept + chunk).split(b"\n")
        yield from (_line(response, line) for line in whole if line.strip())
    if kept.strip():
        yield _line(response, kept)


def _line(response: httpx.Response, line: bytes) -> object:
    log_body(line, known=sent_secrets(response.request))
    with contextlib.suppress(ValueError):
        return read_json(line)
    raise broken(response, "a line in it is no JSON")


def text_of(event: Mapping[str, object]) -> str:
    """Return the text that an event adds to a message, mostly a few words; empty for other events."""
    delta = event.get("delta") if event.get("type") == "content_block_delta" else None
    text = delta.get("text") if isinstance(delta, dict) and delta.get("type") == "text_delta" else None
    return text if isinstance(text, str) else ""
