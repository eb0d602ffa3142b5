"""Chat completions as the compatibility layer for OpenAI's clients has them: text and tools, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._api.answer import pieces_of, streaming, taken, whole
from ant_wif.emulator._api.authentication import authenticate
from ant_wif.emulator._api.messages import MAX_BYTES, MOST_TOKENS, read_generation, unscripted
from ant_wif.emulator._http.protocol import Refusal, json_response, read_json
from ant_wif.emulator._state.state import State

Json = dict[str, Any]

_SYSTEM = frozenset({"system", "developer"})
_ROLES = _SYSTEM | {"user", "assistant", "tool"}
_CHOICES = {"required": "any", "function": "tool"}
_FINISHED = {"max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}


def chat_routes(state: State) -> list[Route]:
    async def complete(request: Request) -> Response:
        workspace_id = authenticate(state, request, with_version=frozenset()).workspace_id
        body = await read_json(request, limit=MAX_BYTES)
        asked = read_generation(state, _as_message_request(body), request.headers, workspace_id)
        message = whole(await taken(state, request, asked), asked, lambda: unscripted(asked))
        created = int(state.clock())
        if not body.get("stream"):
            return json_response(_completion(message, created))
        options = body.get("stream_options")
        with_usage = isinstance(options, dict) and options.get("include_usage") is True
        return streaming(_chunks(message, created, with_usage=with_usage))

    return [Route("/v1/chat/completions", complete, methods=["POST"])]


def _as_message_request(body: Mapping[str, Any]) -> Json:
    """Return what the request is as one to messages. Fields that the layer does not know are ignored."""
    if body.get("n", 1) not in (None, 1):  # whatever it is, also what has no hash
        raise Refusal(400, "n: must be 1")
    messages, system = _messages(body.get("messages"))
    stop = body.get("stop")
    temperature = body.get("temperature")
    asked: Json = {
        "model": body.get("model"),
        "messages": messages,
        "max_tokens": body.get("max_completion_tokens") or body.get("max_tokens") or MOST_TOKENS,
        "system": "\n".join(system),
        "stop_sequences": [stop] if isinstance(stop, str) else stop,
        # What is above 1 counts as 1.
        "temperature": min(temperature, 1) if isinstance(temperature, int | float) else temperature,
        "top_p": body.get("top_p"),
        "stream": body.get("stream"),
        **_tools(body),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _tools(body: Mapping[str, Any]) -> Json:
    """Return the functions that the request offers, and which of them have to be used."""
    given = body.get("tools")
    if not given:
        return {}
    functions = [tool.get("function") if isinstance(tool, dict) else None for tool in _listed(given)]
    choice: Any = body.get("tool_choice")
    named: Any = choice.get("function") if isinstance(choice, dict) else {}
    if not all(isinstance(each, dict) for each in (*functions, named)):
        raise Refusal(400, "tools, tool_choice: the emulator takes functions only here")
    kind = choice.get("type") if isinstance(choice, dict) else choice
    chosen = None if kind is None else {"type": _CHOICES.get(str(kind), kind), **named}
    if chosen and kind != "none" and body.get("parallel_tool_calls") is False:
        chosen["disable_parallel_tool_use"] = True
    return {"tools": list(map(_tool, functions)), "tool_choice": chosen}


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [None]


def _tool(function: Any) -> Json:
    schema = function.get("parameters")
    tool = {"name": function.get("name"), "description": function.get("description")}
    return {
        **{name: value for name, value in tool.items() if value is not None},
        "input_schema": {"type": "object"} if schema is None else schema,
    }


def _messages(given: object) -> tuple[list[Json], list[str]]:
    """Return the turns of a conversation, and what the system says, wherever it stands."""
    if not isinstance(given, list):
        raise Refusal(400, "messages: must be a list")
    turns: list[Json] = []
    system: list[str] = []
    for number, message in enumerate(given):
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise Refusal(400, f"messages.{number}.role: must be {' or '.join(sorted(_ROLES))}")
        content, calls = message.get("content"), message.get("tool_calls") if role == "assistant" else None
        text = "" if calls and content is None else _text(content, f"messages.{number}.content")
        if role in _SYSTEM:
            system.append(text)
        elif role == "tool":
            result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": text}
            turns.append({"role": "user", "content": [result]})
        elif calls:
            uses = _uses(calls, f"messages.{number}.tool_calls")
            turns.append({"role": role, "content": [*([{"type": "text", "text": text}] if text else []), *uses]})
        else:
            turns.append({"role": role, "content": text})
    return turns, system


def _uses(calls: object, place: str) -> list[Json]:
    uses: list[Json] = []
    try:
        for call in _listed(calls):
            function = call["function"]
            arguments = json.loads(function["arguments"] or "{}")
            uses.append({"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments})
    except (TypeError, KeyError, ValueError, RecursionError):
        raise Refusal(400, f"{place}: must be calls of functions, whose arguments are JSON") from None
    return uses


def _text(content: object, place: str) -> str:
    if isinstance(content, str):
        return content
    texts = [part.get("text") if isinstance(part, dict) else None for part in _listed(content)]
    if not all(isinstance(text, str) for text in texts):
        raise Refusal(400, f"{place}: must be a string or a list of texts; the emulator takes nothing else here")
    return "".join(map(str, texts))


def _completion(message: Json, created: int) -> Json:
    texts = [str(block.get("text", "")) for block in message["content"] if block["type"] == "text"]
    uses = [block for block in message["content"] if block["type"] == "tool_use"]
    answer: Json = {"role": "assistant", "content": "".join(texts) if texts or not uses else None, "refusal": None}
    if uses:
        answer["tool_calls"] = [
            {
                "id": use.get("id"),
                "type": "function",
                "function": {"name": use.get("name"), "arguments": json.dumps(use.get("input", {}))},
            }
            for use in uses
        ]
    choice = {"index": 0, "message": answer, "finish_reason": _finish_reason(message), "logprobs": None}
    frame = _frame(message, created, "chat.completion")
    return {**frame, "choices": [choice], "usage": _usage(message)}


def _chunks(message: Json, created: int, *, with_usage: bool) -> Iterator[bytes]:
    frame = _frame(message, created, "chat.completion.chunk")
    answer = _completion(message, created)["choices"][0]["message"]

    def chunk(delta: Json, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return _data({**frame, "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces_of(answer["content"] or ""):
        yield chunk({"content": piece})
    for number, call in enumerate(answer.get("tool_calls", ())):
        yield chunk({"tool_calls": [{"index": number, **call}]})
    yield chunk({}, _finish_reason(message))
    if with_usage:
        yield _data({**frame, "choices": [], "usage": _usage(message)})
    yield b"data: [DONE]\n\n"


def _data(chunk: Json) -> bytes:
    return f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n".encode("ascii")


def _frame(message: Json, created: int, kind: str) -> Json:
    # The events of a reply may make a message that lacks what every other has.
    return {"id": message.get("id"), "object": kind, "created": created, "model": message.get("model")}


def _finish_reason(message: Json) -> str:
    return _FINISHED.get(str(message.get("stop_reason")), "stop")


def _usage(message: Json) -> Json:
    sent, made = (message.get("usage", {}).get(name, 0) for name in ("input_tokens", "output_tokens"))
    return {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made}
