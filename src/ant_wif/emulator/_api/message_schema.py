"""The body of a request to the messages API, checked against the types of the newest official SDK."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.protocol import Refusal
from ant_wif.emulator._state.blocks import Schema, check, types_of_the_sdk

_FRACTION = {"type": "number", "minimum": 0.0, "maximum": 1.0}
# What the newest SDK has no more, and the service still takes.
_OLDER = {"temperature": _FRACTION, "top_p": _FRACTION, "top_k": {"type": "integer", "minimum": 0}}


@functools.cache
def _body_type(*, counting: bool) -> Schema:
    types = types_of_the_sdk()
    if not counting:
        return {**types, "properties": {**types["properties"], **_OLDER}}
    properties = {name: types["properties"][name] for name in types["counting"]}
    return {**types, "properties": properties, "required": [name for name in types["required"] if name in properties]}


@dataclass(frozen=True)
class MessageRequest:
    """A valid request. `max_tokens` is 0 where nothing is generated, only counted."""

    model: str
    messages: tuple[Mapping[str, object], ...]
    instructions: tuple[object, ...]
    """System prompt and tools, which count as input."""
    max_tokens: int = 0
    stop_sequences: tuple[str, ...] = ()
    stream: bool = False
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: Mapping[str, Any] = field(default_factory=dict)
    output_schema: object = None
    """What the answer's text is to satisfy, as `output_config.format` has it."""

    def last_user_text(self) -> str:
        """Return the text of the last message of a user that has any."""
        for message in reversed(self.messages):
            text = "".join(_texts(message.get("content"))) if message["role"] == "user" else ""
            if text:
                return text
        return ""


def read_message_request(body: Mapping[str, Any], *, counting: bool = False) -> MessageRequest:
    """Raises `Refusal` (400) that names the place of what is wrong."""
    check(_body_type(counting=counting), body, "")
    messages = tuple(body["messages"])
    for number, message in enumerate(messages):
        # The last message may be an empty beginning of the answer.
        if not message.get("content", "?") and (message["role"] != "assistant" or number < len(messages) - 1):
            raise Refusal(400, f"messages.{number}.content: must not be empty")
    _check_tools(body)
    _check_results(messages)
    return MessageRequest(
        model=body["model"],
        messages=messages,
        instructions=(body.get("system"), body.get("tools")),
        max_tokens=body.get("max_tokens", 0),
        stop_sequences=tuple(body.get("stop_sequences", ())),
        stream=body.get("stream", False),
        tools=tuple(body.get("tools", ())),
        tool_choice=body.get("tool_choice") or {},
        output_schema=((body.get("output_config") or {}).get("format") or {}).get("schema"),
    )


def _check_tools(body: Mapping[str, Any]) -> None:
    names: set[str] = set()
    for number, tool in enumerate(body.get("tools", ())):
        if tool.get("type") in {None, "custom"} and tool["input_schema"].get("type") != "object":
            raise Refusal(400, f"tools.{number}.input_schema.type: must be object")
        if tool.get("name") in names:
            raise Refusal(400, "tools: Tool names must be unique.")
        names |= {tool["name"]} if "name" in tool else set()
    choice = body.get("tool_choice") or {}
    if choice.get("type") == "tool" and choice.get("name") not in names and not _adds_tools(body["messages"]):
        wanted = sanitize(str(choice.get("name")), limit=64)
        raise Refusal(400, f"tool_choice.name: Tool '{wanted}' not found in provided tools")


def _adds_tools(messages: Sequence[Mapping[str, object]]) -> bool:
    return any(block["type"] == "tool_addition" for message in messages for block in _blocks(message))


def _check_results(messages: Sequence[Mapping[str, object]]) -> None:
    """Each use of a tool has its result in the next message of a user, and each result has its use before."""
    open_uses: set[str] = set()
    turns = [(number, message) for number, message in enumerate(messages) if message["role"] != "system"]
    for position, (number, message) in enumerate(turns):
        is_first = position == 0 or turns[position - 1][1]["role"] != message["role"]
        if message["role"] == "assistant":
            found = [block.get("id") for block in _blocks(message) if block["type"] == "tool_use"]
            open_uses = {str(each) for each in found} | (set() if is_first else open_uses)
            continue
        results = [
            (place, str(block.get("tool_use_id")))
            for place, block in enumerate(_blocks(message))
            if block["type"] == "tool_result"
        ]
        for place, identifier in results:
            if identifier not in open_uses:
                raise Refusal(
                    400,
                    f"messages.{number}.content.{place}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{sanitize(identifier, limit=64)}. Each `tool_result` block must have a corresponding `tool_use` "
                    "block in the previous message.",
                )
            open_uses.remove(identifier)
        is_last = position + 1 == len(turns) or turns[position + 1][1]["role"] != "user"
        if open_uses and is_last:
            missing = ", ".join(sanitize(each, limit=64) for each in sorted(open_uses))
            raise Refusal(
                400,
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{missing}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
            )


def _blocks(message: Mapping[str, object]) -> list[dict[str, object]]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for block in content if isinstance(content, list) else []:
        if block["type"] == "text":
            yield block["text"]
