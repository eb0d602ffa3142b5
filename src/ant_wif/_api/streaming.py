"""Answers that come piece by piece: server-sent events (WHATWG HTML §9.2), or JSON line by line."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from ant_wif._api.request import DEADLINE, broken, failed
from ant_wif._http import log_body, sent_secrets
from ant_wif._strict import read_json
from ant_wif.errors import ApiError

if TYPE_CHECKING:
    import httpx

EVENT_STREAM = "text/event-stream"
JSON_LINES = {"application/jsonl", "application/x-jsonl", "application/ndjson", "application/x-ndjson"}

T = TypeVar("T")

_PIECE = 64 << 10

_IN_A_MESSAGE = {"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"}


def events(response: httpx.Response) -> Iterator[Mapping[str, object]]:
    """Yield the JSON object of each event as it arrives.

    Raises ApiError: an event says that the API failed, or is not a JSON object; a message began and did not end.
    """
    inside = False
    for data in _within(response, _data(response)):
        found = _event(response, data)
        del data  # no error passes a frame that holds an event: it may quote what was sent
        if isinstance(found, ApiError):
            raise found
        kind = str(found.get("type"))
        inside = (inside or kind in _IN_A_MESSAGE) and kind != "message_stop"
        yield found
        del found
    if inside:
        raise broken(response, "it ended before the message did")


def _data(response: httpx.Response) -> Iterator[str]:
    """Yield what the events that are not empty carry."""
    from httpx_sse import EventSource

    if EVENT_STREAM not in response.headers.get("content-type", ""):
        raise broken(response, "it is not a stream of events")
    response.encoding = "utf-8"  # whatever its header says (§9.2.5)
    for event in EventSource(response).iter_sse():
        if event.data:
            yield event.data
        del event


def _event(response: httpx.Response, data: str) -> Mapping[str, object] | ApiError:
    log_body(data.encode("utf-8", "replace"), known=sent_secrets(response.request))
    found = None
    with contextlib.suppress(ValueError):
        found = read_json(data)
    if not isinstance(found, dict):
        return broken(response, "an event in it is not a JSON object")
    return failed(response, found) if found.get("type") == "error" else found


def message_events(response: httpx.Response) -> Iterator[Mapping[str, object]]:
    """Yield the events of a message. Raises ApiError as `events` does, and where there is none."""
    begun = False
    for event in events(response):
        begun = True
        yield event
        del event
    if not begun:
        raise broken(response, "it holds no message")


def json_lines(response: httpx.Response) -> Iterator[object]:
    """Yield what each line of an answer is, as it arrives. Raises ApiError where one is not JSON."""
    yield from (_line(response, line) for line in _within(response, _lines(response)))


def _lines(response: httpx.Response) -> Iterator[bytes]:
    kept = b""
    for chunk in response.iter_bytes():
        *whole, kept = (kept + chunk).split(b"\n")
        yield from filter(bytes.strip, whole)
    if kept.strip():
        yield kept


def pieces(response: httpx.Response) -> Iterator[bytes]:
    """Yield an answer of any other kind, such as a large file. Raises as the connection does."""
    return _within(response, response.iter_bytes(_PIECE))


def _within(response: httpx.Response, parts: Iterator[T]) -> Iterator[T]:
    """Give each part of a stream the time of a whole answer: without it, a byte now and then would do to go on."""
    deadline, seconds = response.extensions[DEADLINE], response.request.extensions["timeout"]["read"]
    while True:
        deadline.until = time.monotonic() + seconds
        try:
            part = next(parts)
        except StopIteration:
            return
        yield part
        del part


def _line(response: httpx.Response, line: bytes) -> object:
    log_body(line, known=sent_secrets(response.request))
    with contextlib.suppress(ValueError):
        return read_json(line)
    raise broken(response, "a line in it is not JSON")


def text_of(event: Mapping[str, object]) -> str:
    """Return the text that an event adds to a message, mostly a few words; empty for other events."""
    delta = event.get("delta") if event.get("type") == "content_block_delta" else None
    text = delta.get("text") if isinstance(delta, dict) and delta.get("type") == "text_delta" else None
    return text if isinstance(text, str) else ""
