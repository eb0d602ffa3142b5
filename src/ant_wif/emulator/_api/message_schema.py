"""The body of a request to the messages API, as pydantic models. Imported at first use: start-up time counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, FailFast, Field, Tag, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.fields import NOT_PERMITTED, OrNull, Strict, find_flaw
from ant_wif.emulator._http.protocol import Refusal
from ant_wif.emulator._state.blocks import check_blocks, check_tool_type

_Object = dict[str, Any]
_TOOL_MEMBERS = frozenset(
    [
        "type",
        "name",
        "input_schema",
        "description",
        "allowed_callers",
        "cache_control",
        "defer_loading",
        "eager_input_streaming",
        "input_examples",
        "strict",
    ]
)
_OMITTED: Any = None
"""The default of a field that may be missing, and not be null."""
_Words = Annotated[str, Field(min_length=1)]
_Fraction = Annotated[float, Field(ge=0, le=1)]


class CacheControl(Strict):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class Block(Strict, extra="allow"):
    type: _Words
    cache_control: OrNull[CacheControl] = None
    text: Any = Field(default=None, validate_default=True)

    @field_validator("text")
    @classmethod
    def _check_text(cls, text: object, info: ValidationInfo) -> object:
        if info.data.get("type") == "text" and not (isinstance(text, str) and text):
            raise PydanticCustomError("no_text", "must be a non-empty string")
        return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return text


_Content = Annotated[
    Annotated[str, Tag("str")] | Annotated[list[Block], Tag("list")],
    Discriminator(
        lambda value: type(value).__name__,
        custom_error_type="content",
        custom_error_message="must be a string or a list of blocks",
    ),
]


class Message(Strict):
    """`content` may be missing from a system message only, which may have the other two."""

    role: Literal["user", "assistant", "system"]
    content: _Content = ""
    clear_at: OrNull[Literal["next_user_message", "never"]] = None
    output_config: OrNull[_Object] = None


class Tool(Strict, extra="allow"):
    """A tool of the caller's own, and one of the service's where `type` names it."""

    type: OrNull[_Words] = None
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")] = ""
    input_schema: _Object = Field(default_factory=dict)
    cache_control: OrNull[CacheControl] = None


class FreeChoice(Strict):
    type: Literal["auto", "any"]
    disable_parallel_tool_use: bool = False


class NamedChoice(Strict):
    type: Literal["tool"]
    name: str
    disable_parallel_tool_use: bool = False


class NoChoice(Strict):
    type: Literal["none"]


class Thinking(Strict, extra="allow"):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: Annotated[int, Field(ge=1024)] = 1024


class Metadata(Strict):
    user_id: OrNull[str] = None


class OutputFormat(Strict):
    type: Literal["json_schema"]
    json_schema: Annotated[_Object, Field(alias="schema")]


class OutputConfig(Strict):
    effort: OrNull[Literal["low", "medium", "high", "xhigh", "max"]] = None
    format: OrNull[OutputFormat] = None
    task_budget: OrNull[_Object] = None


class CountingBody(Strict):
    model: _Words
    messages: Annotated[list[Message], Field(min_length=1), FailFast()]
    system: _Content = ""
    tools: Annotated[list[Tool], FailFast()] = Field(default_factory=list)
    tool_choice: Annotated[FreeChoice | NamedChoice | NoChoice, Field(discriminator="type")] = _OMITTED
    thinking: Thinking = _OMITTED
    output_config: OutputConfig = _OMITTED
    cache_control: OrNull[CacheControl] = None
    speed: OrNull[Literal["standard", "fast"]] = None
    # These need a beta of their own at the real service, and are taken as they come.
    billing_policy: Any = None
    compaction: Any = None
    context_management: Any = None
    mcp_servers: Any = None


class GenerationBody(CountingBody):
    max_tokens: Annotated[int, Field(ge=0)]
    stream: bool = False
    stop_sequences: Annotated[list[Annotated[str, AfterValidator(_not_blank)]], FailFast()] = Field(
        default_factory=list
    )
    temperature: _Fraction = 1.0
    top_p: _Fraction = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    metadata: Metadata = _OMITTED
    service_tier: OrNull[Literal["auto", "standard_only"]] = None
    inference_geo: OrNull[str] = None
    container: Any = None
    diagnostics: Any = None
    fallback_credit_token: Any = None
    fallbacks: Any = None
    thread: Any = None


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


def read_message_request(body: Mapping[str, Any], model: type[CountingBody]) -> MessageRequest:
    """Raises `Refusal` (400) that names the place of what is wrong."""
    flaw = find_flaw(model, body)
    if flaw is not None:
        place, sentence = flaw
        raise Refusal(400, f"{'.'.join(map(str, place)) or 'body'}: {sentence}")
    messages = tuple(body["messages"])
    for number, message in enumerate(messages):
        _check_members(message, f"messages.{number}")
        check_blocks(message.get("content"), f"messages.{number}.content")
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


def _check_members(message: Mapping[str, object], place: str) -> None:
    if message["role"] == "system":
        return
    if "content" not in message:
        raise Refusal(400, f"{place}.content: this field is required")
    for name in ("clear_at", "output_config"):
        if name in message:
            raise Refusal(400, f"{place}.{name}: {NOT_PERMITTED}")


def _check_tools(body: Mapping[str, Any]) -> None:
    names: set[str] = set()
    for number, tool in enumerate(body.get("tools", ())):
        check_tool_type(tool.get("type"), f"tools.{number}")
        if tool.get("type") in {None, "custom"}:
            for name in ("name", "input_schema"):
                if name not in tool:
                    raise Refusal(400, f"tools.{number}.{name}: this field is required")
            for name in tool:
                if name not in _TOOL_MEMBERS:
                    raise Refusal(400, f"tools.{number}.{sanitize(name, limit=64)}: {NOT_PERMITTED}")
            if tool["input_schema"].get("type") != "object":
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
