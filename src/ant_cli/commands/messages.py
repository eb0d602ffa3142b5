"""`ant messages`: talk to a model."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ant_cli._click.groups import AntGroup
from ant_cli._click.options import Number, not_empty
from ant_cli._session import Session, pass_session
from ant_cli._values import TextValue, Value
from ant_cli.headers import beta_header

if TYPE_CHECKING:
    from ant_wif._api import Api

_OBJECT = "an object: {type: …, …}"
_MESSAGE = "'{role: user, content: \"…\"}'"


class _Field(NamedTuple):
    """An option and the field of the body that it sets; one that is `repeated` adds to a list."""

    flag: str
    field: str
    kind: Any
    help: str
    repeated: bool = False

    @property
    def name(self) -> str:
        return self.flag[2:].replace("-", "_")


_FIELDS = (
    _Field("--model", "model", str, "Model ID; see `ant models list`."),
    _Field(
        "--message",
        "messages",
        Value(dict, hint=_MESSAGE),
        "Message: {role: user, content: hi}. Repeatable.",
        repeated=True,
    ),
    _Field("--messages", "messages", Value(list, hint=f"[{_MESSAGE[1:-1]}]"), "All messages as a list."),
    _Field("--system", "system", TextValue(), "System prompt: a text or a list of blocks."),
    _Field("--tool", "tools", Value(dict, hint=_OBJECT), "Tool that the model may use. Repeatable.", repeated=True),
    _Field("--tools", "tools", Value(list, hint="[{name: …}]"), "All tools as a list."),
    _Field("--tool-choice", "tool_choice", Value(dict, hint="{type: auto}"), "Tool choice: {type: auto}."),
    _Field(
        "--thinking",
        "thinking",
        Value(dict, hint="{type: adaptive}"),
        "Extended thinking configuration: {type: adaptive}.",
    ),
    _Field("--output-config", "output_config", Value(dict, hint=_OBJECT), "Output configuration."),
    _Field(
        "--cache-control", "cache_control", Value(dict, hint="{type: ephemeral}"), "Prompt caching: {type: ephemeral}."
    ),
)
_CREATE_FIELDS = (
    *_FIELDS,
    _Field("--max-tokens", "max_tokens", Number(min=1), "Maximum number of tokens to generate."),
    _Field("--stop-sequence", "stop_sequences", str, "Stop sequence. Repeatable.", repeated=True),
    _Field("--metadata", "metadata", Value(dict, hint="{user_id: …}"), "Request metadata: {user_id: ...}."),
    _Field("--service-tier", "service_tier", str, "Service tier: auto or standard_only."),
)
_BETA = "Beta feature to enable, as in the header anthropic-beta. Repeatable."


def _options(fields: Iterable[_Field]) -> list[click.Parameter]:
    return [
        click.Option([each.flag, each.name], type=each.kind, multiple=each.repeated, help=each.help, callback=not_empty)
        for each in fields
    ]


@click.group(
    cls=AntGroup,
    examples=(
        "ant messages create --model claude-opus-5-5 --max-tokens 100 < body.json",
        "ant messages count-tokens < body.json",
    ),
)
def messages() -> None:
    """Create messages and count their tokens.

    The request body comes from the options and from JSON or YAML on stdin. An option overrides a field on stdin.
    Structured values are JSON or YAML: {role: user, content: hi}. In an option, a value that begins with @ names a
    file: @prompt.txt, @file://... for text, @data://... for base64. Use \\@ for a literal @.
    """


@messages.command(
    params=_options(_CREATE_FIELDS),
    examples=(
        "ant messages create --max-tokens 100 < body.json",
        "ant messages create --model claude-opus-5-5 --max-tokens 100 --system @prompt.txt < body.json",
        "ant messages create --max-tokens 100 --stream -r < body.json",
    ),
)
@click.option(
    "--stream", is_flag=True, help="Print the response as it arrives: text in a terminal, JSON events elsewhere."
)
@click.option("--beta", multiple=True, metavar="NAME", help=_BETA)
@pass_session
def create(session: Session, /, *, stream: bool, beta: tuple[str, ...], **given: object) -> None:
    """Create a message and print the response."""
    from ant_cli._output import print_item
    from ant_cli._values import encoded
    from ant_wif._api import Api

    body = _body(session, _CREATE_FIELDS, given, required=("model", "max_tokens", "messages"))
    if stream:
        body["stream"] = True
    content, headers = encoded(body), beta_header(beta)
    with Api(session.credentials()) as api:
        if body.get("stream") is True:
            _stream(session, api, content, headers)
        else:
            print_item(session, api.send("POST", "/v1/messages", content, headers=headers))


@messages.command(
    "count-tokens",
    params=_options(_FIELDS),
    examples=(
        "ant messages count-tokens < body.json",
        "ant messages count-tokens --transform input_tokens < body.json",
    ),
)
@click.option("--beta", multiple=True, metavar="NAME", help=_BETA)
@pass_session
def count_tokens(session: Session, /, *, beta: tuple[str, ...], **given: object) -> None:
    """Count the input tokens of messages."""
    from ant_cli._output import print_item
    from ant_cli._values import encoded
    from ant_wif._api import Api

    content = encoded(_body(session, _FIELDS, given, required=("model", "messages")))
    with Api(session.credentials()) as api:
        print_item(session, api.send("POST", "/v1/messages/count_tokens", content, headers=beta_header(beta)))


def _body(
    session: Session, fields: Sequence[_Field], given: Mapping[str, object], *, required: Iterable[str]
) -> dict[str, object]:
    from ant_cli._request_input import read_stdin
    from ant_cli._values import read_document

    body = read_document(read_stdin(session), "the body on stdin")
    set_by: dict[str, str] = {}
    for each in fields:
        value = given[each.name]
        if value is None or value == ():
            continue
        if each.field in set_by:
            raise click.UsageError(f"{set_by[each.field]} and {each.flag} are two ways to say the same: give one")
        set_by[each.field] = each.flag
        body[each.field] = list(value) if isinstance(value, tuple) else value
    flags = {each.field: each.flag for each in reversed(fields)}
    missing = [flags[name] for name in required if name not in body]
    if missing:
        raise click.UsageError(f"missing: {', '.join(missing)}, or the field in a body on stdin")
    return body


def _stream(session: Session, api: Api, content: bytes, headers: dict[str, str]) -> None:
    from ant_cli._output import print_item, print_items, print_text
    from ant_cli._terminal import is_terminal
    from ant_wif._api import is_json, media_type, message_events, read_answer, text_of

    as_text = session.format == "raw" or bool(session.options.get("raw_output")) or (
        session.format == "auto" and is_terminal(sys.stdout)
    )  # fmt: skip
    with api.open("POST", "/v1/messages", body=content, headers=headers) as response:
        if is_json(media_type(response.headers)):
            # Some that stand before the API collect what is streamed.
            print_item(session, read_answer(response).document())
        elif as_text and "transform" not in session.options:
            print_text(text_of(event) for event in message_events(response))
        else:
            print_items(session, message_events(response))
