"""Answers that come as a stream of events (server-sent events, WHATWG HTML §9.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ant_wif.errors import ApiError
from ant_wif.refusals import error_fields, request_id_of
from ant_wif.wiretap import log_body

if TYPE_CHECKING:
    import httpx

__all__ = ["EVENT_STREAM", "events", "message_events", "text_of"]

EVENT_STREAM = "text/event-stream"


def events(response: httpx.Response) -> Iterator[Mapping[str, object]]:
    """Yield the JSON object of each event as it arrives.

    Raises:
        ApiError: an event says that the API failed, or is no JSON object.
    """
    from httpx_sse import EventSource

    for event in EventSource(response).iter_sse():
        if not event.data:
            continue
        log_body(event.data.encode("utf-8", "replace"))
        try:
            found = json.loads(event.data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise _broken(response, "an event in it is no JSON object")
        if found.get("type") == "error":
            raise _failed(response, found)
        yield found


def message_events(response: httpx.Response) -> Iterator[Mapping[str, object]]:
    """Yield the events of a message. Raises ApiError as `events` does, and where the last one does not come."""
    ended = False
    for event in events(response):
        ended = event.get("type") == "message_stop"
        yield event
    if not ended:
        raise _broken(response, "it ended before the message did")


def text_of(event: Mapping[str, object]) -> str:
    """Return the text that an event adds to a message, mostly a few words; empty for other events."""
    delta = event.get("delta") if event.get("type") == "content_block_delta" else None
    text = delta.get("text") if isinstance(delta, dict) and delta.get("type") == "text_delta" else None
    return text if isinstance(text, str) else ""


def _failed(response: httpx.Response, event: Mapping[str, object]) -> ApiError:
    body = error_fields(event)
    return ApiError(
        f"the API failed in the middle of its answer: {': '.join(body.values()) or 'it does not say why'}",
        hint="what came before is not all; run again in a minute",
        request_id=request_id_of(response.headers),
        body=body,
    )


def _broken(response: httpx.Response, problem: str) -> ApiError:
    return ApiError(
        f"the stream of the API's answer is not whole: {problem}",
        hint="what came before is not all; run again",
        request_id=request_id_of(response.headers),
    )
