"""The body of a request to the messages API: what it must have, what it may have, and where it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ant_wif.emulator._http.fields import refuse_unknown
from ant_wif.emulator._http.protocol import Refusal

MAX_BYTES = 32 << 20

_ROLES = ("user", "assistant", "system")
_MESSAGE_FIELDS = ("role", "content")


@dataclass(frozen=True)
class _Kind:
    """What a field may be; `description` ends the sentence `must be ...`."""

    accepts: Callable[[object], bool]
    description: str


@dataclass(frozen=True)
class MessageRequest:
    """A request that is in order. `max_tokens` is 0 where nothing is generated, only counted."""

    model: str
    messages: tuple[Mapping[str, object], ...]
    instructions: tuple[object, ...]
    """System prompt and tools, which count as input."""
    max_tokens: int = 0
    stop_sequences: tuple[str, ...] = ()
    stream: bool = False

    def last_user_text(self) -> str:
        """Return the text of the last message of a user that has any."""
        for message in reversed(self.messages):
            text = "".join(_texts(message["content"])) if message["role"] == "user" else ""
            if text:
                return text
        return ""


def read_generation(body: Mapping[str, object]) -> MessageRequest:
    """Read the body of `POST /v1/messages`. Raises `Refusal` (400) that names the place of what is wrong."""
    return _read(body, {**_COMMON, **_GENERATION}, required=("model", "max_tokens", "messages"))


def read_counting(body: Mapping[str, object]) -> MessageRequest:
    """Read the body of `POST /v1/messages/count_tokens`. Raises as `read_generation` does."""
    return _read(body, _COMMON, required=("model", "messages"))


def _read(body: Mapping[str, object], known: Mapping[str, _Kind], *, required: tuple[str, ...]) -> MessageRequest:
    refuse_unknown(body, known)
    for name in required:
        if name not in body:
            raise Refusal(400, f"{name}: this field is required")
    for name, value in body.items():
        if not known[name].accepts(value):
            raise Refusal(400, f"{name}: must be {known[name].description}")
    _check_blocks("system", body.get("system"))
    limit = body.get("max_tokens")
    return MessageRequest(
        model=str(body["model"]),
        messages=_messages(body["messages"]),
        instructions=(body.get("system"), body.get("tools")),
        max_tokens=limit if isinstance(limit, int) else 0,
        stop_sequences=tuple(_strings(body.get("stop_sequences"))),
        stream=body.get("stream") is True,
    )


def _messages(value: object) -> tuple[Mapping[str, object], ...]:
    messages = value if isinstance(value, list) else []
    for number, message in enumerate(messages):
        place = f"messages.{number}"
        if not isinstance(message, dict):
            raise Refusal(400, f"{place}: must be an object")
        refuse_unknown(message, _MESSAGE_FIELDS, place=f"{place}.")
        if message.get("role") not in _ROLES:
            raise Refusal(400, f"{place}.role: must be {', '.join(_ROLES[:-1])} or {_ROLES[-1]}")
        content = message.get("content")
        if not isinstance(content, str | list):
            raise Refusal(400, f"{place}.content: must be a string or a list of blocks")
        # The last message may be an empty beginning of the answer.
        if not content and (message["role"] != "assistant" or number < len(messages) - 1):
            raise Refusal(400, f"{place}.content: must not be empty")
        _check_blocks(f"{place}.content", content)
    return tuple(messages)


def _check_blocks(place: str, content: object) -> None:
    for number, block in enumerate(content if isinstance(content, list) else []):
        if not isinstance(block, dict):
            raise Refusal(400, f"{place}.{number}: must be an object")
        kind = block.get("type")
        if not isinstance(kind, str) or not kind:
            raise Refusal(400, f"{place}.{number}.type: must be a non-empty string")
        text = block.get("text")
        if kind == "text" and (not isinstance(text, str) or not text):
            raise Refusal(400, f"{place}.{number}.text: must be a non-empty string")


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for block in content if isinstance(content, list) else []:
        if block["type"] == "text":
            yield str(block["text"])


def _strings(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _at_least(least: int) -> _Kind:
    def accepts(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    return _Kind(accepts, f"a whole number of at least {least}")


def _one_of(*words: str) -> _Kind:
    return _Kind(lambda value: value is None or value in words, " or ".join(words))


_OBJECT = _Kind(lambda value: isinstance(value, dict), "an object")
_OPTIONAL_OBJECT = _Kind(lambda value: value is None or isinstance(value, dict), "an object or null")
_OBJECTS = _Kind(
    lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value), "a list of objects"
)
_STRING = _Kind(lambda value: isinstance(value, str) and bool(value), "a non-empty string")
_OPTIONAL_STRING = _Kind(lambda value: value is None or isinstance(value, str), "a string or null")
_FRACTION = _Kind(
    lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1,
    "a number from 0 to 1",
)
_ANYTHING = _Kind(lambda _: True, "anything")

_COMMON: Mapping[str, _Kind] = {
    "model": _STRING,
    "messages": _Kind(lambda value: isinstance(value, list) and bool(value), "a non-empty list of messages"),
    "system": _Kind(lambda value: isinstance(value, str | list), "a string or a list of blocks"),
    "tools": _OBJECTS,
    "tool_choice": _OBJECT,
    "thinking": _OBJECT,
    "output_config": _OBJECT,
    "cache_control": _OPTIONAL_OBJECT,
    "speed": _one_of("standard", "fast"),
    # These need a beta of their own at the real service, and are taken as they come.
    "billing_policy": _ANYTHING,
    "compaction": _ANYTHING,
    "context_management": _ANYTHING,
    "mcp_servers": _ANYTHING,
}
_GENERATION: Mapping[str, _Kind] = {
    "max_tokens": _at_least(1),
    "stream": _Kind(lambda value: isinstance(value, bool), "true or false"),
    "stop_sequences": _Kind(
        lambda value: isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value),
        "a list of strings that are not blank",
    ),
    "temperature": _FRACTION,
    "top_p": _FRACTION,
    "top_k": _at_least(0),
    "metadata": _OBJECT,
    "service_tier": _one_of("auto", "standard_only"),
    "inference_geo": _OPTIONAL_STRING,
    "container": _ANYTHING,
    "diagnostics": _ANYTHING,
    "fallback_credit_token": _ANYTHING,
    "fallbacks": _ANYTHING,
    "thread": _ANYTHING,
}
