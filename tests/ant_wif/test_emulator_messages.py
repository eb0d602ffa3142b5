"""The messages API: an echo by any of the official client's ways, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import httpx2
import pytest

from ant_wif.emulator import Emulator, ExchangeRecord, Fault
from ant_wif.rules import REASONS
from support.samples import MODEL

SAID = "Tell me, word for word,\n  what I said: ½ + ½ = 1."
VERSION = {"anthropic-version": "2026-10-21"}


@pytest.fixture(scope="module")
def sdk(running: Emulator) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key=running.api_key, base_url=running.base_url, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def http(running: Emulator) -> Iterator[httpx.Client]:
    headers = {"x-api-key": running.api_key, **VERSION}
    with httpx.Client(base_url=running.base_url, headers=headers, trust_env=False) as client:
        yield client


def asked(**changes: object) -> dict[str, object]:
    """A request in order, with changes; what is `...` is left out."""
    body = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": SAID}], **changes}
    return {name: value for name, value in body.items() if value is not ...}


def events(text: str) -> list[dict[str, Any]]:
    """Take server-sent events apart, each of which names its type twice."""
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        kind, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert kind == f"event: {found[-1]['type']}"
    return found


def test_the_official_client_hears_what_it_said(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    answer = sdk.messages.create(model=MODEL, max_tokens=100, messages=[{"role": "user", "content": SAID}])
    (block,) = answer.content
    assert block.type == "text"
    assert (block.text, answer.role, answer.model) == (SAID, "assistant", MODEL)
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert answer.id.startswith("msg_01")
    assert answer.usage.input_tokens > answer.usage.output_tokens > 0
    assert answer._request_id is not None
    assert answer._request_id.startswith("req_01")
    raw = sdk.messages.with_raw_response.create(model=MODEL, max_tokens=1, messages=[{"role": "user", "content": "a"}])
    assert raw.headers["anthropic-organization-id"] == emulator.organization_id


def test_the_official_client_streams_the_same(sdk: anthropic.Anthropic) -> None:
    whole = sdk.messages.create(model=MODEL, max_tokens=100, messages=[{"role": "user", "content": SAID}])
    with sdk.messages.stream(model=MODEL, max_tokens=100, messages=[{"role": "user", "content": SAID}]) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) > 3
    assert "".join(pieces) == SAID
    assert final.content[0].to_dict()["text"] == SAID
    assert (final.stop_reason, final.usage.input_tokens) == ("end_turn", whole.usage.input_tokens)
    assert final.usage.output_tokens == whole.usage.output_tokens


def test_everything_that_a_conversation_may_have_is_taken(sdk: anthropic.Anthropic) -> None:
    question: anthropic.types.MessageParam = {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is on it, "},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "text", "text": "and the weather?"},
        ],
    }
    used: anthropic.types.MessageParam = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Ulm"}}],
    }
    result: anthropic.types.MessageParam = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}],
    }
    answer = sdk.messages.create(
        model=MODEL,
        max_tokens=100,
        messages=[question, used, result],
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        tools=[{"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}}],
        tool_choice={"type": "auto"},
        metadata={"user_id": "ada"},
        thinking={"type": "disabled"},
        service_tier="standard_only",
        extra_body={"temperature": 0.5, "top_p": 1, "top_k": 40},
    )
    assert answer.content[0].to_dict()["text"] == "What is on it, and the weather?"


def test_a_system_prompt_tools_and_pictures_cost_input(sdk: anthropic.Anthropic) -> None:
    def count(**more: Any) -> int:
        conversation = {"model": MODEL, "messages": [{"role": "user", "content": SAID}], **more}
        return sdk.messages.count_tokens(**conversation).input_tokens

    alone = count()
    assert count() == alone
    assert count(system="Be brief.") > alone
    assert count(tools=[{"name": "weather", "input_schema": {"type": "object"}}]) > alone
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    assert count(messages=[{"role": "user", "content": [picture]}]) > 1000


def test_an_echo_longer_than_max_tokens_is_cut(http: httpx.Client) -> None:
    whole = http.post("/v1/messages", json=asked()).json()
    cut = http.post("/v1/messages", json=asked(max_tokens=3)).json()
    assert (cut["stop_reason"], cut["usage"]["output_tokens"]) == ("max_tokens", 3)
    assert SAID.startswith(cut["content"][0]["text"])
    exact = http.post("/v1/messages", json=asked(max_tokens=whole["usage"]["output_tokens"])).json()
    assert exact["stop_reason"] == "end_turn"
    streamed = events(http.post("/v1/messages", json=asked(max_tokens=3, stream=True)).text)
    assert streamed[-2]["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}


def test_no_more_tokens_may_be_asked_for_than_a_model_gives(http: httpx.Client) -> None:
    assert http.post("/v1/messages", json=asked(max_tokens=128_000)).status_code == 200
    for number in (128_001, 10_000_000, 10**400):
        response = http.post("/v1/messages", json=asked(max_tokens=number))
        error = response.json()["error"]
        assert (response.status_code, error["type"]) == (400, "invalid_request_error")
        assert error["message"].endswith(f"which is the maximum allowed number of output tokens for {MODEL}")
    longer = {"anthropic-beta": "other, output-300k-2026-03-24"}
    assert http.post("/v1/messages", json=asked(max_tokens=300_000), headers=longer).status_code == 200


def test_nothing_is_generated_where_no_token_is_asked_for(http: httpx.Client) -> None:
    answer = http.post("/v1/messages", json=asked(max_tokens=0)).json()
    assert (answer["content"], answer["stop_reason"], answer["usage"]["output_tokens"]) == ([], "max_tokens", 0)


def test_a_system_message_may_be_without_content_and_have_settings(sdk: anthropic.Anthropic) -> None:
    effort: dict[str, object] = {"output_config": {"effort": "low"}}
    for more in (effort, {"output_config": {}, "content": "Hm"}, {"clear_at": "never", **effort, "content": "Hm"}):
        answer = sdk.beta.messages.create(
            model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "Hello"}, {"role": "system", **more}]
        )
        assert answer.content[0].to_dict()["text"] == "Hello"


USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}


def conversation(*contents: object) -> list[dict[str, object]]:
    return [{"role": ("user", "assistant")[n % 2], "content": content} for n, content in enumerate(contents)]


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        (conversation([RESULT]), "messages.0.content.0: unexpected `tool_use_id`"),
        (conversation("Hi", "Hello", [RESULT]), "messages.2.content.0: unexpected `tool_use_id`"),
        (conversation("Hi", [USE], [RESULT, RESULT]), "messages.2.content.1: unexpected `tool_use_id`"),
        (conversation("Hi", [USE], [RESULT], "Rain", [RESULT]), "messages.4.content.0: unexpected `tool_use_id`"),
        (conversation("Hi", [USE], "Well?"), "messages.2: `tool_use` ids were found without"),
        (conversation("Hi", [USE, {**USE, "id": "toolu_2"}], [RESULT]), "messages.2: `tool_use` ids were found"),
        (conversation("Hi", [USE, USE], [RESULT]), "messages.1: `tool_use` ids must be unique"),
        (
            conversation("Hi", [{**USE, "id": "a b"}], [RESULT]),
            "messages.1.content.0.tool_use.id: String should match pattern",
        ),
        (conversation([USE]), "messages.0: `tool_use` blocks can only be in `assistant` messages"),
        (conversation("Hi", [RESULT]), "messages.1: `tool_result` blocks can only be in `user` messages"),
    ],
)
def test_uses_and_results_of_tools_must_belong_together(
    http: httpx.Client, messages: list[dict[str, object]], complaint: str
) -> None:
    response = http.post("/v1/messages", json=asked(messages=messages))
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(complaint)


def test_a_result_may_follow_in_a_second_message_of_the_user(http: httpx.Client) -> None:
    messages = [*conversation("Hi", [USE], "Here:"), {"role": "user", "content": [RESULT]}]
    assert http.post("/v1/messages", json=asked(messages=messages)).status_code == 200


OWN = "tools.0.custom.input_schema: input_schema"
PROPERTY_KEYS = "tools.0.custom.input_schema.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'"
TOOL = {"name": "weather", "input_schema": {"type": "object"}}
MARK = {"cache_control": {"type": "ephemeral"}}
MARKED = {"type": "text", "text": "a", **MARK}
THINKING = {"type": "enabled", "budget_tokens": 1024}


def picture(data: str) -> dict[str, object]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tools": [{"foo": 1}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [{"input_schema": {"type": "object"}}]}, "tools.0.custom.name: Field required"),
        (
            {"tools": [TOOL, {**TOOL, "name": "a b"}]},
            "tools.1.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
        ),
        ({"tools": [TOOL, TOOL]}, "tools: Tool names must be unique."),
        ({"tools": [{**TOOL, "foo": 1}]}, "tools.0.custom.foo: Extra inputs are not permitted"),
        ({"tools": [{**TOOL, "input_schema": {"type": "string"}}]}, "tools.0.custom.input_schema.type: Input"),
        ({"tools": [{**TOOL, "input_schema": {}}]}, "tools.0.custom.input_schema.type: Field required"),
        *(
            ({"tools": [{**TOOL, "input_schema": {"type": "object", name: [True]}}]}, f"{OWN} does not support oneOf,")
            for name in ("oneOf", "allOf", "anyOf")
        ),
        *(
            ({"tools": [{**TOOL, "input_schema": {"type": "object", "properties": {name: True}}}]}, PROPERTY_KEYS)
            for name in ("a b", "filter[id]", "$top", "x" * 65, "")
        ),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}}, "tool_choice.name: Tool 'other' not "),
        (
            {"tools": [{"type": "bash_20250124", "name": "bash", "foo": 1}]},
            "tools.0.bash_20250124.foo: Extra inputs are not permitted",
        ),
        ({"tools": [{"type": "web_search_20250305"}]}, "tools.0.web_search_20250305.name: Field required"),
        ({"foo": 1}, "foo: Extra inputs are not permitted"),
        ({"thinking": {"type": "adaptive", "foo": 1}}, "thinking.adaptive.foo: Extra inputs are not permitted"),
        ({"container": {"skills": [{"type": "custom", "skill_id": "x", "foo": 1}]}}, "container.skills.0.foo: Extra"),
        (
            {"messages": conversation([{"type": "text", "text": "a", "foo": 1}])},
            "messages.0.content.0.text.foo: Extra inputs",
        ),
        (
            {"messages": conversation([{"type": "image", "source": {"type": "url", "url": "https://x", "foo": 1}}])},
            "messages.0.content.0.image.source.url.foo: Extra inputs are not permitted",
        ),
        (
            {"messages": conversation("Hi", [USE], [{**RESULT, "content": [{"type": "text", "text": "a", "foo": 1}]}])},
            "messages.2.content.0.tool_result.content.0.text.foo: Extra inputs are not permitted",
        ),
        ({"messages": [{"role": "user", "content": "a", "clear_at": "never"}]}, "messages.0.clear_at: Extra inputs"),
        ({"messages": conversation(" \n")}, "messages: text content blocks must contain non-whitespace text"),
        ({"messages": conversation([MARKED, {"type": "text", "text": " "}])}, "messages: text content blocks must"),
        ({"messages": conversation("Hi", "So ")}, "messages: final assistant content cannot end with trailing"),
        ({"messages": conversation("Hi", [{"type": "text", "text": "So\n"}])}, "messages: final assistant content"),
        (
            {"system": [MARKED], "tools": [{**TOOL, **MARK}], "messages": conversation([MARKED] * 3)},
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            {"messages": conversation([MARKED, picture("data:image/png;base64,AAAA")])},
            "messages.0.content.1.image.source.base64.data: invalid",
        ),
        (
            {"messages": conversation([picture("")])},
            "messages.0.content.0.image.source.base64.data: invalid base64 data",
        ),
        ({"tool_choice": {"type": "auto"}}, "tool_choice: may only be specified while providing tools"),
        ({"tool_choice": {"type": "any"}, "tools": []}, "tool_choice: may only be specified while providing tools"),
        ({"thinking": THINKING, "max_tokens": 1024}, "`max_tokens` must be greater than `thinking.budget_tokens`"),
        ({"thinking": THINKING, "max_tokens": 2000, "temperature": 0}, "`temperature` may only be set to 1 when"),
        (
            {"thinking": THINKING, "max_tokens": 2000, "tools": [TOOL], "tool_choice": {"type": "any"}},
            "Thinking may not be enabled when tool_choice forces tool use.",
        ),
        *(
            (
                {"tools": [{**TOOL, "input_schema": {"type": "object", **part}}]},
                "tools.0.custom.input_schema: JSON schema is",
            )
            for part in (
                {"properties": []},
                {"properties": {"a": {"type": "strin"}}},
                {"properties": {"a": 5}},
                {"required": "a"},
                {"properties": {"a": {"items": {"anyOf": [{"enum": 5}]}}}},
            )
        ),
    ],
)
def test_a_malformed_tool_or_an_unknown_field_is_refused(
    http: httpx.Client, changes: dict[str, object], complaint: str
) -> None:
    response = http.post("/v1/messages", json=asked(**changes))
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert response.json()["error"]["message"].startswith(complaint)


def test_what_is_at_the_limit_is_taken(http: httpx.Client) -> None:
    interleaved = {"anthropic-beta": "interleaved-thinking-2025-05-14"}
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"], "enum": ["x"]}, "b": True}}
    for changes, headers in (
        ({"thinking": THINKING, "max_tokens": 1024}, interleaved),
        ({"thinking": THINKING, "max_tokens": 1025, "temperature": 1, "tools": [TOOL]}, {}),
        ({"messages": conversation("Hi", "")}, {}),
        ({"messages": conversation([MARKED] * 4, "So", "Hi ")}, {}),
        ({"tools": [{**TOOL, "input_schema": schema}], "tool_choice": {"type": "none"}}, {}),
    ):
        assert http.post("/v1/messages", json=asked(**changes), headers=headers).status_code == 200


def test_the_first_stop_sequence_ends_the_echo(http: httpx.Client) -> None:
    answer = http.post("/v1/messages", json=asked(stop_sequences=["= 1", "what", "nowhere"])).json()
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", "what")
    assert answer["content"][0]["text"] == "Tell me, word for word,\n  "


def test_the_events_come_in_the_order_of_the_real_service(http: httpx.Client) -> None:
    response = http.post("/v1/messages", json=asked(stream=True))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in response.headers
    assert response.headers["request-id"].startswith("req_01")
    assert response.headers["anthropic-workspace-id"].startswith("wrkspc_01")
    found = events(response.text)
    kinds = [event["type"] for event in found]
    deltas = kinds.count("content_block_delta")
    assert deltas > 3
    assert kinds == [
        "message_start",
        "content_block_start",
        "ping",
        *["content_block_delta"] * deltas,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    begun = found[0]["message"]
    assert (begun["content"], begun["stop_reason"], begun["usage"]["output_tokens"]) == ([], None, 1)


@pytest.mark.parametrize("said", ["\n\nx  ", "a\x00b\x1b[31m", "\ud800", "data: x\n\nevent: message_stop", "語" * 5000])
def test_whatever_was_said_comes_back_as_it_is(http: httpx.Client, said: str) -> None:
    body = json.dumps(asked(max_tokens=128_000, messages=[{"role": "user", "content": said}])).encode("ascii")
    headers = {"content-type": "application/json"}
    whole = http.post("/v1/messages", content=body, headers=headers).json()
    assert whole["content"][0]["text"] == said
    streamed = events(http.post("/v1/messages", content=body[:-1] + b', "stream": true}', headers=headers).text)
    pieces = [event["delta"]["text"] for event in streamed if event["type"] == "content_block_delta"]
    assert "".join(pieces) == said
    assert len(pieces) <= 40


def test_where_no_text_was_said_the_answer_is_empty(http: httpx.Client) -> None:
    messages = [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://a.example"}}]}]
    answer = http.post("/v1/messages", json=asked(messages=messages)).json()
    assert (answer["content"], answer["stop_reason"]) == ([], "end_turn")
    streamed = events(http.post("/v1/messages", json=asked(messages=messages, stream=True)).text)
    assert [event["type"] for event in streamed] == ["message_start", "ping", "message_delta", "message_stop"]


USER = {"role": "user", "content": "Hello"}
WRONG: list[tuple[dict[str, object], str]] = [
    ({"model": ...}, "model:"),
    ({"model": 7}, "model:"),
    ({"max_tokens": ...}, "max_tokens:"),
    ({"max_tokens": -1}, "max_tokens:"),
    ({"max_tokens": True}, "max_tokens:"),
    ({"messages": ...}, "messages:"),
    ({"messages": "Hello"}, "messages:"),
    ({"messages": ["Hello"]}, "messages.0:"),
    ({"messages": [USER, {"role": "robot", "content": "Hello"}]}, "messages.1.role:"),
    ({"messages": [{"role": "user"}]}, "messages.0.content:"),
    *(
        ({"messages": [USER, {"role": "system", **more}]}, "messages.1:")
        for more in ({}, {"clear_at": "never"}, {"output_config": {}}, {"output_config": {"effort": None}})
    ),
    ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content:"),
    ({"messages": [{"role": "assistant", "content": []}, USER]}, "messages.0:"),
    ({"messages": [{"role": "user", "content": ["Hello"]}]}, "messages.0.content.0:"),
    ({"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}, "messages.0.content.0.type:"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text.text:"),
    ({"messages": [{**USER, "name": "ada"}]}, "messages.0.name:"),
    ({"system": 7}, "system:"),
    ({"system": [{"type": "text", "text": ""}]}, "system.0.text:"),
    ({"stream": "yes"}, "stream:"),
    ({"stop_sequences": ["  "]}, "stop_sequences.0:"),
    ({"temperature": 1.1}, "temperature:"),
    ({"tools": [7]}, "tools.0:"),
    ({"metadata": None}, "metadata:"),
    ({"service_tier": "gold"}, "service_tier:"),
    ({"tool_choice": None}, "tool_choice:"),
    ({"tool_choice": {"type": "tol"}}, "tool_choice:"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.tool.name:"),
    ({"tool_choice": {"type": "any", "name": "x"}}, "tool_choice.any.name:"),
    ({"thinking": {"type": "on"}}, "thinking:"),
    ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "thinking.enabled.budget_tokens:"),
    ({"metadata": {"user": "x"}}, "metadata.user:"),
    ({"output_config": {"efort": "low"}}, "output_config.efort:"),
    ({"output_config": {"effort": "lowest"}}, "output_config.effort:"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema:"),
    ({"output_config": {"format": {"type": "json", "schema": {}}}}, "output_config.format.type:"),
    ({"cache_control": {"type": "permanent"}}, "cache_control.type:"),
    ({"system": [{"type": "text", "text": "x", "cache_control": {"type": "x"}}]}, "system.0.cache_control.type:"),
    ({"messages": [{"role": "user", "content": [{"type": "picture"}]}]}, "messages.0.content.0:"),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages.0.content.0.image.source:"),
    ({"messages": conversation([{"type": "tool_result"}])}, "messages.0.content.0.tool_result.tool_use_id:"),
    ({"tools": [{"type": "bash_19991231", "name": "bash"}]}, "tools.0:"),
    ({"prompt": "Hello"}, "prompt:"),
]


@pytest.mark.parametrize(("changes", "place"), WRONG, ids=[f"{place}{n}" for n, (_, place) in enumerate(WRONG)])
def test_what_is_wrong_is_refused_with_its_place(http: httpx.Client, changes: dict[str, object], place: str) -> None:
    response = http.post("/v1/messages", json=asked(**changes))
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["message"].startswith(f"{place} ")
    assert response.json()["request_id"] == response.headers["request-id"]
    assert response.headers["anthropic-workspace-id"]


def test_the_last_message_may_be_an_empty_beginning_of_the_answer(http: httpx.Client) -> None:
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": ""}]
    assert http.post("/v1/messages", json=asked(messages=messages)).json()["content"][0]["text"] == "Hello"


@pytest.mark.parametrize("field", ["max_tokens", "stream", "temperature", "metadata", "stop_sequences"])
def test_counting_takes_no_field_of_an_answer(http: httpx.Client, field: str) -> None:
    response = http.post("/v1/messages/count_tokens", json=asked(**{"max_tokens": ..., field: 1}))
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(f"{field}: ")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_an_unknown_model_is_not_found(http: httpx.Client, path: str) -> None:
    limit: object = 1 if path == "/v1/messages" else ...
    response = http.post(path, json=asked(model="gpt-1", max_tokens=limit))
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    assert "gpt-1" in response.json()["error"]["message"]


def test_a_body_must_be_json_and_say_so(http: httpx.Client) -> None:
    body = json.dumps(asked()).encode()
    for content, kind in ((b"{", "application/json"), (b"[]", "application/json"), (body, "text/plain")):
        response = http.post("/v1/messages", content=content, headers={"content-type": kind})
        assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


def test_a_long_conversation_passes_and_an_endless_one_does_not(http: httpx.Client) -> None:
    said = "x" * (1 << 20)
    assert http.post("/v1/messages", json=asked(messages=[{"role": "user", "content": said}])).status_code == 200
    response = http.post("/v1/messages", content=bytes((32 << 20) + 1), headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["error"]["type"]) == (413, "request_too_large")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_credential_is_needed_and_looked_at_first(emulator: Emulator, path: str) -> None:
    for headers in ({}, {"x-api-key": "sk-ant-api03-unknown"}):
        response = httpx.post(f"{emulator.base_url}{path}", content=b"{", headers={**headers, **VERSION})
        assert (response.status_code, response.json()["error"]["type"]) == (401, "authentication_error")


@pytest.mark.parametrize(
    ("scope", "status"),
    [("user:inference", 200), ("user:developer", 200), ("user:profile", 403), ("org:admin user:profile", 403)],
)
def test_the_scope_must_cover_inference(emulator: Emulator, scope: str, status: int) -> None:
    token = emulator.login(scope=scope).access_token
    headers = {"authorization": f"Bearer {token}", "anthropic-beta": "oauth-2025-04-20", **VERSION}
    response = httpx.post(f"{emulator.base_url}/v1/messages", json=asked(), headers=headers)
    assert response.status_code == status
    assert response.headers["anthropic-workspace-id"]


def test_an_answer_is_from_the_workspace_that_the_credential_is_bound_to(emulator: Emulator) -> None:
    engineering = emulator.rule().workspace_ids[0]
    token = emulator.login(workspace_id=engineering).access_token
    headers = {"authorization": f"Bearer {token}", "anthropic-beta": "oauth-2025-04-20", **VERSION}
    response = httpx.post(f"{emulator.base_url}/v1/messages", json=asked(stream=True), headers=headers)
    assert response.headers["anthropic-workspace-id"] == engineering
    refused = httpx.post(
        f"{emulator.base_url}/v1/messages", json=asked(), headers={**headers, "anthropic-workspace-id": "wrkspc_none"}
    )
    assert refused.status_code == 403


def test_a_stream_that_breaks_in_the_middle_is_an_error_of_the_connection(
    sdk: anthropic.Anthropic, emulator: Emulator
) -> None:
    emulator.fail("messages", Fault.truncated())
    heard: list[str] = []
    with (
        pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"),
        sdk.messages.stream(model=MODEL, max_tokens=100, messages=[{"role": "user", "content": SAID}]) as stream,
    ):
        heard.extend(stream.text_stream)
    assert len(heard) > 1
    assert SAID.startswith("".join(heard))
    assert "".join(heard) != SAID


def test_ten_thousand_models_are_a_hundred_pages(emulator: Emulator) -> None:
    other = emulator.spawn()
    try:
        other.serve_models(f"claude-{number}" for number in range(10_000))
        with anthropic.Anthropic(api_key=other.api_key, base_url=other.base_url) as sdk:
            page, pages = sdk.models.list(limit=100), 1
            found = [model.id for model in page.data]
            while page.has_next_page():
                page, pages = page.get_next_page(), pages + 1
                found += [model.id for model in page.data]
            assert found == [f"claude-{number}" for number in range(10_000)]
            assert pages in {100, 101}
            assert sdk.models.retrieve("claude-9999").id == "claude-9999"
            answer = sdk.messages.create(
                model="claude-77", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
            )
            assert answer.model == "claude-77"
        for wrong in (["a", "a"], [""]):
            with pytest.raises(ValueError, match="id of its own"):
                other.serve_models(wrong)
        for unusable in (MODEL, [7]):
            with pytest.raises(ValueError, match="the models must be a list of ids, not "):
                other.serve_models(unusable)  # type: ignore[arg-type]  # what is tested
    finally:
        other.stop()


def test_every_reason_of_a_rule_is_explained_in_words() -> None:
    for reason, meaning in REASONS.items():
        record = ExchangeRecord(at=0, grant_type=None, outcome="denied", status=401, request_id="", reason=reason)
        explanation = record.explanation
        assert explanation is not None
        assert (explanation.means, explanation.remedy) == (meaning.means, meaning.remedy)
