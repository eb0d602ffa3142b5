"""The body of a request to the messages API, as pydantic models. Imported at first use: start-up time counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, FailFast, Field, Tag, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ant_wif.emulator._http.fields import OrNull, Strict, find_flaw
from ant_wif.emulator._http.protocol import Refusal

_Object = dict[str, Any]
_Words = Annotated[str, Field(min_length=1)]
_Fraction = Annotated[float, Field(ge=0, le=1)]


class Block(Strict, extra="allow"):
    type: _Words
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
    role: Literal["user", "assistant", "system"]
    content: _Content


class CountingBody(Strict):
    model: _Words
    messages: Annotated[list[Message], Field(min_length=1), FailFast()]
    system: _Content = ""
    tools: Annotated[list[_Object], FailFast()] = Field(default_factory=list)
    tool_choice: _Object = Field(default_factory=dict)
    thinking: _Object = Field(default_factory=dict)
    output_config: _Object = Field(default_factory=dict)
    cache_control: OrNull[_Object] = None
    speed: OrNull[Literal["standard", "fast"]] = None
    # These need a beta of their own at the real service, and are taken as they come.
    billing_policy: Any = None
    compaction: Any = None
    context_management: Any = None
    mcp_servers: Any = None


class GenerationBody(CountingBody):
    max_tokens: Annotated[int, Field(ge=1)]
    stream: bool = False
    stop_sequences: Annotated[list[Annotated[str, AfterValidator(_not_blank)]], FailFast()] = Field(
        default_factory=list
    )
    temperature: _Fraction = 1.0
    top_p: _Fraction = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    metadata: _Object = Field(default_factory=dict)
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

    def last_user_text(self) -> str:
        """Return the text of the last message of a user that has any."""
        for message in reversed(self.messages):
            text = "".join(_texts(message["content"])) if message["role"] == "user" else ""
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
        # The last message may be an empty beginning of the answer.
        if not message["content"] and (message["role"] != "assistant" or number < len(messages) - 1):
            raise Refusal(400, f"messages.{number}.content: must not be empty")
    return MessageRequest(
        model=body["model"],
        messages=messages,
        instructions=(body.get("system"), body.get("tools")),
        max_tokens=body.get("max_tokens", 0),
        stop_sequences=tuple(body.get("stop_sequences", ())),
        stream=body.get("stream", False),
    )


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for block in content if isinstance(content, list) else []:
        if block["type"] == "text":
            yield block["text"]
