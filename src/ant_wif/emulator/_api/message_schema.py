"""The body of a request to the messages API, checked against the types of the newest official SDK."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ant_wif._secrets import sanitize
from ant_wif.emulator._api.json_schema import is_schema
from ant_wif.emulator._http.protocol import Refusal
from ant_wif.emulator._state.blocks import Schema, check, types_of_the_sdk

_FRACTION = {"type": "number", "minimum": 0.0, "maximum": 1.0}
# What the newest SDK has no more, and the service still takes.
_OLDER = {"temperature": _FRACTION, "top_p": _FRACTION, "top_k": {"type": "integer", "minimum": 0}}

_SPEAKERS = {"tool_use": "assistant", "tool_result": "user"}
"""Who sends a block, where a type of the SDK does not say."""
_MOST_MARKS = 4
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


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
    has_thread: bool = False
    """Whether a later request may continue from the answer."""
    continued: str | None = None
    """The answer from which this one continues."""

    def last_user_text(self) -> str:
        """Return the text of the last message of a user that has any."""
        for message in reversed(self.messages):
            text = "".join(_texts(message.get("content"))) if message["role"] == "user" else ""
            if text:
                return text
        return ""

    def file_ids(self) -> Iterator[str]:
        """Yield the files that the messages name, also in the result of a tool."""
        left = [block for message in self.messages for block in _blocks(message)]
        while left:
            block = left.pop()
            source, content = block.get("source"), block.get("content")
            named = source if isinstance(source, dict) and source.get("type") == "file" else block
            if named is source or block.get("type") == "container_upload":
                yield str(named["file_id"])
            left += [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []


def read_message_request(body: Mapping[str, Any], *, counting: bool = False) -> MessageRequest:
    """Raises `Refusal` (400) that names the place of what is wrong."""
    check(_body_type(counting=counting), body, "")
    messages = tuple(body["messages"])
    for number, message in enumerate(messages):
        # The last message may be an empty beginning of the answer.
        if not message.get("content", "?") and (message["role"] != "assistant" or number < len(messages) - 1):
            sentence = "all messages must have non-empty content except for the optional final assistant message"
            raise Refusal(400, f"messages.{number}: {sentence}")
        settings = (message.get("output_config") or {}).values()
        if "content" not in message and all(value is None for value in settings):
            raise Refusal(400, f"messages.{number}: a system message must have content or fields of output_config")
    _check_texts(messages)
    _check_tools(body)
    _check_thinking(body)
    _check_marks(body)
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
        has_thread=body.get("thread") is not None,
        continued=(body.get("thread") or {}).get("previous_message_id"),
        output_schema=((body.get("output_config") or {}).get("format") or {}).get("schema"),
    )


def _check_texts(messages: Sequence[Mapping[str, Any]]) -> None:
    for number, message in enumerate(messages):
        if any(text and not text.strip() for text in _texts(message.get("content"))):
            raise Refusal(400, "messages: text content blocks must contain non-whitespace text")
        for place, block in enumerate(_blocks(message)):
            source = block.get("source")
            if isinstance(source, dict) and source.get("type") == "base64" and not _is_base64(source["data"]):
                raise Refusal(
                    400, f"messages.{number}.content.{place}.{block['type']}.source.base64.data: invalid base64 data"
                )
    last = messages[-1]
    texts = list(_texts(last.get("content"))) if last["role"] == "assistant" else []
    if texts and texts[-1] != texts[-1].rstrip():
        raise Refusal(400, "messages: final assistant content cannot end with trailing whitespace")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _check_thinking(body: Mapping[str, Any]) -> None:
    if (body.get("thinking") or {}).get("type") != "enabled":
        return
    if body.get("temperature", 1) != 1:
        raise Refusal(400, "`temperature` may only be set to 1 when thinking is enabled")
    if (body.get("tool_choice") or {}).get("type") in {"any", "tool"}:
        raise Refusal(400, "Thinking may not be enabled when tool_choice forces tool use.")


def _check_marks(body: Mapping[str, Any]) -> None:
    """What is marked for the cache: at most four blocks, of which a result of a tool can hold some."""
    blocks = [*(body.get("system") or ()), *body.get("tools", ())]
    for block in (block for message in body["messages"] for block in _blocks(message)):
        inner = block.get("content")
        blocks += [block, *(inner if isinstance(inner, list) else ())]
    marked = sum(isinstance(block, dict) and block.get("cache_control") is not None for block in blocks)
    if marked > _MOST_MARKS:
        raise Refusal(400, f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {marked}.")


def _check_tools(body: Mapping[str, Any]) -> None:
    names: set[str] = set()
    for number, tool in enumerate(body.get("tools", ())):
        if tool.get("type") in {None, "custom"}:
            _check_own_tool(tool["input_schema"], f"tools.{number}.custom.input_schema")
        if tool.get("name") in names:
            raise Refusal(400, "tools: Tool names must be unique.")
        names |= {tool["name"]} if "name" in tool else set()
    choice = body.get("tool_choice") or {}
    if choice and not body.get("tools") and not _adds_tools(body["messages"]):
        raise Refusal(400, "tool_choice: may only be specified while providing tools")
    if choice.get("type") == "tool" and choice.get("name") not in names and not _adds_tools(body["messages"]):
        wanted = sanitize(str(choice.get("name")), limit=64)
        raise Refusal(400, f"tool_choice.name: Tool '{wanted}' not found in provided tools")


def _check_own_tool(schema: Mapping[str, Any], place: str) -> None:
    if schema.get("type") != "object":
        raise Refusal(400, f"{place}.type: " + ("Input should be 'object'" if "type" in schema else "Field required"))
    if not is_schema(schema):
        sentence = "JSON schema is invalid. It must match JSON Schema draft 2020-12"
        raise Refusal(400, f"{place}: {sentence} (https://json-schema.org/draft/2020-12).")
    if not {"oneOf", "allOf", "anyOf"}.isdisjoint(schema):
        raise Refusal(400, f"{place}: input_schema does not support oneOf, allOf, or anyOf at the top level")
    if not all(map(_PROPERTY.fullmatch, schema.get("properties") or ())):
        raise Refusal(400, f"{place}.properties: Property keys should match pattern '^{_PROPERTY.pattern}$'")


def _adds_tools(messages: Sequence[Mapping[str, object]]) -> bool:
    return any(block["type"] == "tool_addition" for message in messages for block in _blocks(message))


def _check_results(messages: Sequence[Mapping[str, object]]) -> None:
    """Each use of a tool has its result in the next message of a user, and each result has its use before."""
    open_uses: set[str] = set()
    turns = [(number, message) for number, message in enumerate(messages) if message["role"] != "system"]
    for position, (number, message) in enumerate(turns):
        for block in _blocks(message):
            if _SPEAKERS.get(str(block["type"]), message["role"]) != message["role"]:
                raise Refusal(
                    400,
                    f"messages.{number}: `{block['type']}` blocks can only be in "
                    f"`{_SPEAKERS[str(block['type'])]}` messages",
                )
        is_first = position == 0 or turns[position - 1][1]["role"] != message["role"]
        if message["role"] == "assistant":
            found = [block.get("id") for block in _blocks(message) if block["type"] == "tool_use"]
            if len(set(found)) < len(found):
                raise Refusal(400, f"messages.{number}: `tool_use` ids must be unique")
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
