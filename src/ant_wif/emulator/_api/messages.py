"""Models, and messages to them (an echo) with their count of tokens: enough to prove that a credential works."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ant_wif._secrets import sanitize
from ant_wif.emulator._api.authentication import authenticate
from ant_wif.emulator._http.fields import page_answer, page_by_id
from ant_wif.emulator._http.ids import tagged_id
from ant_wif.emulator._http.protocol import Refusal, json_response, listed, read_json
from ant_wif.emulator._state.state import State

if TYPE_CHECKING:
    from ant_wif.emulator._api.message_schema import MessageRequest

# Real models cut text otherwise; what counts is that the same text gives the same number.
_TOKEN = re.compile(r"\s*\S{1,5}|\s+")
_MAX_BYTES = 32 << 20
_FRAME_TOKENS = 3
"""What every message costs beyond its content."""
_PICTURE_TOKENS = 1500
_MOST_DELTAS = 40
MOST_TOKENS = 128_000
_LONG_OUTPUT, _MOST_TOKENS_LONG = "output-300k-2026-03-24", 300_000


@dataclass(frozen=True)
class Echo:
    """`tokens` joined are the text. `stop_sequence` is what ended it, where that is the reason."""

    model: str
    tokens: tuple[str, ...]
    input_tokens: int
    stop_reason: str
    stop_sequence: str | None

    @classmethod
    def of(cls, request: MessageRequest) -> Echo:
        text, stopped_by = _up_to(request.stop_sequences, request.last_user_text())
        # One more than may be, to see that there are more; not all, for the text may be long.
        most = min(request.max_tokens, len(text)) + 1
        tokens = tuple(found.group() for found in islice(_TOKEN.finditer(text), most))
        if len(tokens) > request.max_tokens:
            tokens, reason, stopped_by = tokens[: request.max_tokens], "max_tokens", None
        else:
            reason = "end_turn" if stopped_by is None else "stop_sequence"
        return cls(request.model, tokens, count_input(request), reason, stopped_by)

    def message(self) -> dict[str, object]:
        """Return the whole answer. Where nothing was said to echo, it has no content."""
        content = [{"type": "text", "text": "".join(self.tokens)}] if self.tokens else []
        return self._message(content, self.stop_reason, self.stop_sequence, len(self.tokens))

    def events(self) -> Iterator[bytes]:
        """Return the same as server-sent events, in the order of the real service."""
        yield _event("message_start", message=self._message([], None, None, 1))
        if self.tokens:
            yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        yield _event("ping")
        for text in self._pieces():
            yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
        if self.tokens:
            yield _event("content_block_stop", index=0)
        ending = {"stop_reason": self.stop_reason, "stop_sequence": self.stop_sequence}
        yield _event("message_delta", delta=ending, usage=self._usage(len(self.tokens)))
        yield _event("message_stop")

    def _pieces(self) -> Iterator[str]:
        size = -(-len(self.tokens) // _MOST_DELTAS) or 1
        for start in range(0, len(self.tokens), size):
            yield "".join(self.tokens[start : start + size])

    def _message(
        self, content: list[dict[str, str]], reason: str | None, sequence: str | None, output_tokens: int
    ) -> dict[str, object]:
        return {
            "id": tagged_id("msg"),
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": {
                **self._usage(output_tokens),
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "service_tier": "standard",
            },
        }

    def _usage(self, output_tokens: int) -> dict[str, object]:
        return {
            "input_tokens": self.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
        }


def count_input(request: MessageRequest) -> int:
    """Return how many tokens a request has: all of its texts, and a fixed number for each picture."""
    said = [message.get("content") for message in request.messages]
    return len(said) * _FRAME_TOKENS + _count([*request.instructions, *said])


def _count(value: object) -> int:
    # Without recursion: how deep a request is nested is for its sender to choose.
    total, left = 0, [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            total += sum(1 for _ in _TOKEN.finditer(item))
        elif isinstance(item, list):
            left.extend(item)
        elif isinstance(item, dict) and item.get("type") in {"image", "document"}:
            total += _PICTURE_TOKENS
        elif isinstance(item, dict):
            left.extend(item.values())
    return total


def _up_to(stop_sequences: tuple[str, ...], text: str) -> tuple[str, str | None]:
    """Return the text before the first of the sequences, and which that is."""
    found = [(text.index(sequence), sequence) for sequence in stop_sequences if sequence in text]
    position, sequence = min(found, default=(len(text), None))
    return text[:position], sequence


def _event(kind: str, **members: Mapping[str, object] | int) -> bytes:
    # ASCII, because what is echoed may hold lone surrogates, which UTF-8 cannot.
    data = json.dumps({"type": kind, **members}, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode("ascii")


def message_routes(state: State) -> list[Route]:
    async def generate(request: Request) -> Response:
        asked = await _read(state, request, "GenerationBody")
        echo = Echo.of(asked)
        if not asked.stream:
            return json_response(echo.message())
        return StreamingResponse(
            _sent(echo), media_type="text/event-stream; charset=utf-8", headers={"cache-control": "no-cache"}
        )

    async def count(request: Request) -> Response:
        return json_response({"input_tokens": count_input(await _read(state, request, "CountingBody"))})

    return [
        Route("/v1/messages", generate, methods=["POST"]),
        Route("/v1/messages/count_tokens", count, methods=["POST"]),
    ]


async def _read(state: State, request: Request, kind: Literal["GenerationBody", "CountingBody"]) -> MessageRequest:
    authenticate(state, request)
    body = await read_json(request, limit=_MAX_BYTES)
    from ant_wif.emulator._api import message_schema

    asked = message_schema.read_message_request(body, getattr(message_schema, kind))
    if asked.model not in state.models:
        raise unknown_model(asked.model)
    most = _MOST_TOKENS_LONG if _LONG_OUTPUT in listed(request.headers, "anthropic-beta") else MOST_TOKENS
    if asked.max_tokens > most:
        sentence = f"{min(asked.max_tokens, 10**18)} > {most}, which is the maximum allowed number of output tokens"
        raise Refusal(400, f"max_tokens: {sentence} for {sanitize(asked.model, limit=64)}")
    return asked


async def _sent(echo: Echo) -> AsyncIterator[bytes]:
    for event in echo.events():
        yield event


def model_routes(state: State) -> list[Route]:
    async def list_models(request: Request) -> Response:
        authenticate(state, request)
        models = state.models
        page, has_more = page_by_id(request.query_params, "model", len(models), models.position)
        return json_response(page_answer(models.part(page.start, page.stop), has_more=has_more))

    async def get_model(request: Request) -> Response:
        authenticate(state, request)
        wanted = request.path_params["model_id"]
        model = state.models.find(wanted)
        if model is None:
            raise unknown_model(wanted)
        return json_response(model)

    return [
        Route("/v1/models", list_models, methods=["GET"]),
        Route("/v1/models/{model_id}", get_model, methods=["GET"]),
    ]


def unknown_model(wanted: str) -> Refusal:
    return Refusal(404, f"model: {sanitize(wanted, limit=64)}")
