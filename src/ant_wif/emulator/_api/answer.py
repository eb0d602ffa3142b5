"""The answer to a message: from one definition whole, or as a stream of events."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ant_wif.emulator._http.ids import tagged_id
from ant_wif.emulator._http.protocol import Refusal, json_response, status_of
from ant_wif.emulator._http.server import connection
from ant_wif.emulator._state.history import RecordedRequest, recorded
from ant_wif.emulator._state.replies import NoReplyError, ScriptedReply
from ant_wif.emulator._state.state import State

if TYPE_CHECKING:
    from ant_wif.emulator._api.message_schema import MessageRequest

Json = dict[str, Any]

# Real models cut text otherwise; what counts is that the same text gives the same number.
TOKEN = re.compile(r"\s*\S{1,5}|\s+")
_PICTURE_TOKENS = 1500
_FRAME_TOKENS = 3
"""What every message costs beyond its content."""
_MOST_DELTAS = 40
_MOST_THREADS = 1_000
"""How many conversations are kept; the oldest are forgotten first."""
_UNCOUNTED = frozenset({"type", "id", "signature"})
_TOOL_TYPES = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


@dataclass(frozen=True)
class MessageAnswer:
    """`usage` is what the numbers of tokens are replaced with, or what is said beside them."""

    model: str
    content: tuple[Json, ...]
    input_tokens: int
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    usage: Mapping[str, object] = field(default_factory=dict)
    id: str = field(default_factory=lambda: tagged_id("msg"))

    def message(self) -> Json:
        """Return the whole answer."""
        return self._message(list(self.content), self.stop_reason, self.stop_sequence, self._output_tokens)

    def events(self) -> Iterator[bytes]:
        """Return the same as server-sent events, in the order of the real service."""
        yield _event("message_start", message=self._message([], None, None, 1))
        for index, block in enumerate(self.content):
            start, deltas = _streamed(block)
            yield _event("content_block_start", index=index, content_block=start)
            if index == 0:
                yield _event("ping")
            for delta in deltas:
                yield _event("content_block_delta", index=index, delta=delta)
            yield _event("content_block_stop", index=index)
        if not self.content:
            yield _event("ping")
        ending = {"stop_reason": self.stop_reason, "stop_sequence": self.stop_sequence}
        yield _event("message_delta", delta=ending, usage={**self._counts(self._output_tokens), **self.usage})
        yield _event("message_stop")

    @property
    def _output_tokens(self) -> int:
        return count([value for block in self.content for name, value in block.items() if name not in _UNCOUNTED])

    def _message(self, content: list[Json], reason: str | None, sequence: str | None, output_tokens: int) -> Json:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": {
                **self._counts(output_tokens),
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "service_tier": "standard",
                **self.usage,
            },
        }

    def _counts(self, output_tokens: int) -> Json:
        return {
            "input_tokens": self.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
        }


def _streamed(block: Json) -> tuple[Json, Iterator[Json]]:
    """Return how a block begins in a stream, and what is added to it."""
    if block["type"] == "text":
        return _text_start(block), _text_deltas(block)
    if block["type"] == "thinking":
        return {**block, "thinking": "", "signature": ""}, _thinking_deltas(block)
    if block["type"] in _TOOL_TYPES:
        written = json.dumps(block.get("input", {}))
        pieces = pieces_of(written) if block.get("input") else ("",)
        return {**block, "input": {}}, ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block, iter(())


def _text_start(block: Json) -> Json:
    return {**block, "text": "", **({"citations": []} if block.get("citations") else {})}


def _text_deltas(block: Json) -> Iterator[Json]:
    for text in pieces_of(str(block.get("text", ""))):
        yield {"type": "text_delta", "text": text}
    for citation in block.get("citations") or ():
        yield {"type": "citations_delta", "citation": citation}


def _thinking_deltas(block: Json) -> Iterator[Json]:
    for text in pieces_of(str(block.get("thinking", ""))):
        yield {"type": "thinking_delta", "thinking": text}
    yield {"type": "signature_delta", "signature": block.get("signature", "")}


def pieces_of(text: str) -> Iterator[str]:
    """Return a text in pieces of whole tokens, of which there are at most 40."""
    tokens = TOKEN.findall(text)
    size = -(-len(tokens) // _MOST_DELTAS) or 1
    for start in range(0, len(tokens), size):
        yield "".join(tokens[start : start + size])


def count(value: object) -> int:
    """Return how many tokens all texts in `value` have. The names of members and types do not count."""
    # Without recursion: how deep a request is nested is for its sender to choose.
    total, left = 0, [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            total += sum(1 for _ in TOKEN.finditer(item))
        elif isinstance(item, list):
            left.extend(item)
        elif isinstance(item, dict) and item.get("type") in ("image", "document"):  # in a schema it may be a list
            total += _PICTURE_TOKENS
        elif isinstance(item, dict):
            left.extend(item.values())
    return total


def count_input(request: MessageRequest) -> int:
    """Return how many tokens a request has: all of its texts, and a fixed number for each picture."""
    said = [message.get("content") for message in request.messages]
    return len(said) * _FRAME_TOKENS + count([*request.instructions, *said])


def _event(kind: str, **members: object) -> bytes:
    return _written({"type": kind, **members})


def _written(event: Json | str) -> bytes:
    if isinstance(event, str):
        return event.encode("utf-8", "replace")
    # ASCII, because what is echoed may hold lone surrogates, which UTF-8 cannot.
    return f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode("ascii")


async def respond(
    state: State,
    request: Request,
    asked: MessageRequest,
    workspace_id: str,
    unscripted: Callable[[], MessageAnswer],
) -> Response:
    """Answer with the reply that a test set, or, where it set none, with what `unscripted` returns.

    Raises `Refusal`: the reply is an error or cannot be made whole, every reply has been used, a predicate failed.
    """
    reply = await taken(state, request, asked)
    if reply is not None and reply.events is not None and asked.stream:
        return streaming(map(_written, reply.events))
    if not asked.stream:
        message = whole(reply, asked, unscripted)
        _keep(state, asked, workspace_id, message)
        return json_response(message)
    answer = _answer(reply, asked, unscripted)
    _keep(state, asked, workspace_id, answer.message())
    return streaming(answer.events())


def _keep(state: State, asked: MessageRequest, workspace_id: str, message: Json) -> None:
    """Keep what was said for a request that continues from this answer."""
    if not asked.has_thread:
        return
    content = message.get("content")
    said = ({"role": "assistant", "content": content},) if content else ()
    with state.lock:
        if asked.continued in state.threads:
            state.threads[asked.continued] = (workspace_id, None)
        state.threads[str(message.get("id"))] = (workspace_id, (*asked.messages, *said))
        while len(state.threads) > _MOST_THREADS:
            del state.threads[next(iter(state.threads))]


async def taken(state: State, request: Request, asked: MessageRequest) -> ScriptedReply | None:
    """Return the reply that a test set, when its delay is over. Raises `Refusal` as `respond` does."""
    reply = take(state, recorded(request), asked)
    if reply is not None and reply.delay:
        await connection(request.scope).ends_within(reply.delay)
    return reply


def take(state: State, record: RecordedRequest | None, asked: MessageRequest) -> ScriptedReply | None:
    try:
        return state.replies.take(record, asked.last_user_text())
    except NoReplyError as error:
        raise Refusal(400, f"emulator: {error}") from None


def whole(reply: ScriptedReply | None, asked: MessageRequest, unscripted: Callable[[], MessageAnswer]) -> Json:
    """Return the response to a request without a stream. Raises `Refusal` as `respond` does."""
    if reply is not None and reply.events is not None:
        return _whole_of_events(reply)
    return _answer(reply, asked, unscripted).message()


def _answer(
    reply: ScriptedReply | None, asked: MessageRequest, unscripted: Callable[[], MessageAnswer]
) -> MessageAnswer:
    if reply is None:
        return unscripted()
    if reply.error is not None:
        status, kind, message = reply.error
        raise Refusal(status, message, kind)
    return MessageAnswer(
        model=reply.model or asked.model,
        content=reply.blocks(),
        input_tokens=count_input(asked),
        stop_reason=reply.stop_reason,
        stop_sequence=next(iter(asked.stop_sequences), None) if reply.stop_reason == "stop_sequence" else None,
        usage=reply.usage,
    )


def streaming(events: Iterable[bytes]) -> Response:
    """Return a response of server-sent events."""

    async def send() -> AsyncIterator[bytes]:
        for event in events:
            yield event

    headers = {"cache-control": "no-cache"}
    return StreamingResponse(send(), media_type="text/event-stream; charset=utf-8", headers=headers)


def _whole_of_events(reply: ScriptedReply) -> Json:
    """Return what the events of a reply amount to."""
    message: Json | None = None
    for event in reply.events or ():
        if isinstance(event, str):
            break
        try:
            if event["type"] == "error":
                error = event["error"]
                raise Refusal(status_of(error["type"]), error["message"], error["type"])
            message = _after(message, event)
        except (KeyError, IndexError, TypeError, ValueError):
            break
        if event["type"] == "message_stop" and message is not None:
            return message
    raise Refusal(400, f"emulator: only a request with stream can have a reply of incomplete events: {reply}")


def _after(message: Json | None, event: Json) -> Json | None:
    """Return what a message is after another event. Raises KeyError, IndexError, TypeError, ValueError."""
    kind = event["type"]
    if kind == "message_start":
        return {**event["message"], "content": []}
    if message is None or kind == "ping":
        return message
    content: list[Json] = message["content"]
    if kind == "content_block_start":
        content.append(dict(event["content_block"]))
    elif kind == "content_block_delta":
        _add(content[event["index"]], event["delta"])
    elif kind == "content_block_stop":
        block = content[event["index"]]
        block["input"] = (
            json.loads(block.pop("partial_json") or "{}") if "partial_json" in block else block.get("input")
        )
        if block["input"] is None:
            del block["input"]
    elif kind == "message_delta":
        return {**message, **event["delta"], "usage": {**message.get("usage", {}), **event.get("usage", {})}}
    return message


def _add(block: Json, delta: Json) -> None:
    if delta["type"] == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        return
    for name in ("text", "thinking", "signature", "partial_json"):
        if name in delta:
            block[name] = block.get(name, "") + delta[name]
