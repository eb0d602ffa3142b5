"""Replies that a test sets: each serves a whole answer and a stream from one definition."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import re
import traceback
from typing import Any

import anthropic
import httpx
import pytest

from ant_wif.emulator import Emulator, RecordedRequest
from support.samples import MODEL

VERSION = {"anthropic-version": "2023-06-01"}
WEATHER: anthropic.types.ToolParam = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def ask(sdk: anthropic.Anthropic, said: str = "Hello", **more: Any) -> anthropic.types.Message:
    return sdk.messages.create(model=MODEL, max_tokens=100, messages=[{"role": "user", "content": said}], **more)


def stream(sdk: anthropic.Anthropic, said: str = "Hello", **more: Any) -> anthropic.types.Message:
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": said}]
    with sdk.messages.stream(model=MODEL, max_tokens=100, messages=messages, **more) as streamed:
        return streamed.get_final_message()


def said(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def compared(message: anthropic.types.Message) -> dict[str, object]:
    return {
        name: value for name, value in message.to_dict().items() if name not in {"id", "parsed_output", "stop_details"}
    }


DEFINITIONS: dict[str, dict[str, Any]] = {
    "text": {"text": "It rains, and it will rain, as it has rained for as long as anybody can remember. ½"},
    "no text": {"text": ""},
    "thinking": {"thinking": "Where is Ulm?", "text": "In Swabia."},
    "a tool": {"tool_use": {"name": "w", "input": {"city": "Ulm", "days": [1, 2, {"unit": "°C"}]}, "id": "toolu_1"}},
    "two tools": {
        "text": "I look.",
        "tool_use": [{"name": "weather", "input": {"city": "Ulm"}, "id": "toolu_2"}, {"name": "time", "id": "toolu_1"}],
    },
    "blocks": {
        "content": [
            {"type": "text", "text": "As is said", "citations": [
                {"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": None,
                 "start_char_index": 0, "end_char_index": 1, "file_id": None},
            ]},
            {"type": "redacted_thinking", "data": "AAAA"},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}},
        ]
    },
    "usage": {"text": "x", "usage": {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 1000}},
    "an ending": {"text": "and so", "stop_reason": "max_tokens"},
    "a refusal": {"stop_reason": "refusal"},
    "a stop sequence": {"text": "one", "stop_reason": "stop_sequence"},
    "another model": {"text": "x", "model": "claude-of-another-time"},
}  # fmt: skip


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
def test_a_stream_amounts_to_the_whole_answer(
    sdk: anthropic.Anthropic, emulator: Emulator, definition: dict[str, Any]
) -> None:
    emulator.reply(**definition, times=2)
    whole, streamed = ask(sdk, stop_sequences=["END"]), stream(sdk, stop_sequences=["END"])
    assert compared(streamed) == compared(whole)
    assert said(whole) == definition.get("text", "As is said" if "content" in definition else "")
    ending = definition.get("stop_reason", "tool_use" if "tool_use" in definition else "end_turn")
    assert whole.stop_reason == ending
    assert whole.stop_sequence == ("END" if ending == "stop_sequence" else None)
    assert whole.model == definition.get("model", MODEL)
    for name, number in definition.get("usage", {}).items():
        assert getattr(whole.usage, name) == number
    emulator.assert_all_used()


def test_asynchronous_clients_get_the_same(emulator: Emulator) -> None:
    emulator.reply("It rains.", times=2)
    asyncio.run(_ask_twice(emulator))
    emulator.assert_all_used()


async def _ask_twice(emulator: Emulator) -> None:
    question: anthropic.types.MessageParam = {"role": "user", "content": "Hello"}
    async with anthropic.AsyncAnthropic(api_key=emulator.api_key, base_url=emulator.base_url) as sdk:
        assert said(await sdk.messages.create(model=MODEL, max_tokens=9, messages=[question])) == "It rains."
        async with sdk.messages.stream(model=MODEL, max_tokens=9, messages=[question]) as streamed:
            assert said(await streamed.get_final_message()) == "It rains."


def test_a_tool_that_is_used_several_times_has_another_id_each_time(
    sdk: anthropic.Anthropic, emulator: Emulator
) -> None:
    emulator.reply(tool_use=[{"name": "weather"}, {"name": "weather"}], times=2)
    assert len({block.to_dict()["id"] for _ in range(2) for block in ask(sdk, tools=[WEATHER]).content}) == 4


def test_an_agent_uses_a_tool_and_then_answers(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    emulator.reply(tool_use={"name": "weather", "input": {"city": "Ulm"}})
    emulator.reply("It rains.")
    first = ask(sdk, "Weather in Ulm?", tools=[WEATHER])
    (use,) = first.content
    assert use.type == "tool_use"
    assert (use.name, use.input, first.stop_reason) == ("weather", {"city": "Ulm"}, "tool_use")
    conversation: list[anthropic.types.MessageParam] = [
        {"role": "user", "content": "Weather in Ulm?"},
        first.to_param(),
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "rain"}]},
    ]
    assert said(sdk.messages.create(model=MODEL, max_tokens=9, messages=conversation, tools=[WEATHER])) == "It rains."
    assert [len(each.json["messages"]) for each in emulator.requests.messages()] == [1, 3]


def test_without_a_reply_there_is_the_echo(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    assert said(ask(sdk, "Hello")) == "Hello"
    emulator.assert_all_used()


def test_replies_come_in_order_and_run_out(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    emulator.reply("one")
    emulator.reply("two", times=2)
    assert [said(ask(sdk)) for _ in range(3)] == ["one", "two", "two"]
    with pytest.raises(anthropic.BadRequestError, match=r"has been used; .* 'two' \(set at test_emulator_replies.py:"):
        ask(sdk)
    emulator.clear_replies()
    assert said(ask(sdk)) == "Hello"


def test_a_condition_comes_first_and_a_limited_reply_before_an_unlimited_one(
    sdk: anthropic.Anthropic, emulator: Emulator
) -> None:
    emulator.reply("default", times=None)
    emulator.reply("sunny", when="weather", times=None)
    emulator.reply("stormy", when="weather")
    emulator.reply("once")
    emulator.reply("another default", times=None)
    asked = ["weather?", "weather?", "hello", "hello", "weather?"]
    assert [said(ask(sdk, each)) for each in asked] == ["stormy", "sunny", "once", "another default", "sunny"]
    (left,) = emulator.replies_left
    assert left.description == "text 'default'"


@pytest.mark.parametrize(
    "when",
    [
        "rain",
        {"system": "Be brief."},
        {"messages": [{"role": "user"}], "max_tokens": 100},
        {"tools": [{"name": "weather", "input_schema": {"type": "object"}}]},
        lambda request: "rain" in request.json["messages"][-1]["content"],
        lambda request: request.headers["Anthropic-Version"] and request.credential.workspace == "default",
    ],
)
def test_a_condition_picks_the_request(sdk: anthropic.Anthropic, emulator: Emulator, when: Any) -> None:
    emulator.reply("yes", when=when)
    assert said(ask(sdk, "Will it rain?", system="Be brief.", tools=[WEATHER])) == "yes"


@pytest.mark.parametrize(
    "when",
    [
        "snow",
        {"system": "Be long."},
        {"max_tokens": 99},
        {"messages": [{"role": "assistant"}]},
        {"tools": [{"name": "time"}]},
        {"messages": {"role": "user"}},
        lambda request: request.json.get("stream"),
    ],
)
def test_a_condition_that_never_holds_leaves_the_echo_and_is_named(
    sdk: anthropic.Anthropic, emulator: Emulator, when: Any
) -> None:
    emulator.reply("never", when=when)
    assert said(ask(sdk, "rain")) == "rain"
    with pytest.raises(
        AssertionError, match=r"that were not used: 1\. Requests to messages: 1\.\n  text 'never' when .*"
    ):
        emulator.assert_all_used()
    assert [each.times_left for each in emulator.replies_left] == [1]


def test_a_conditional_reply_that_is_used_up_is_an_error_for_its_requests_only(
    sdk: anthropic.Anthropic, emulator: Emulator
) -> None:
    emulator.reply("yes", when="rain")
    assert [said(ask(sdk, each)) for each in ("rain", "snow")] == ["yes", "snow"]
    with pytest.raises(anthropic.BadRequestError, match="every reply to such a request has been used"):
        ask(sdk, "rain")


def explode(request: RecordedRequest) -> bool:
    return bool(request.json["tols"])


def fail(_: RecordedRequest) -> bool:
    pytest.fail("not this one")


@pytest.mark.parametrize(("when", "error"), [(explode, "KeyError: 'tols'"), (fail, "Failed: not this one")])
def test_a_predicate_that_raises_is_named_to_the_client_and_to_the_test(
    sdk: anthropic.Anthropic, emulator: Emulator, when: Any, error: str
) -> None:
    emulator.reply("never", when=when)
    with pytest.raises(anthropic.BadRequestError, match=rf"the predicate of a reply raised {error}.*{when.__name__}"):
        ask(sdk)
    with pytest.raises(AssertionError, match="the predicate of a reply raised") as caught:
        emulator.assert_all_used()
    cause = caught.value.__cause__
    assert cause is not None
    assert when.__name__ in [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
    emulator.clear_replies()
    assert said(ask(sdk)) == "Hello"


@pytest.mark.parametrize("ask_for", [ask, stream])
def test_an_error_comes_in_the_apis_shape(sdk: anthropic.Anthropic, emulator: Emulator, ask_for: Any) -> None:
    emulator.reply(error=(529, "overloaded_error", "Too much"))
    with pytest.raises(anthropic.APIStatusError, match="Too much") as caught:
        ask_for(sdk)
    assert (caught.value.status_code, caught.value.type) == (529, "overloaded_error")


def test_the_official_client_retries_an_overloaded_service(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    emulator.reply(error=(529, "overloaded_error", "Overloaded"))
    emulator.reply("Now then")
    assert said(ask(sdk.with_options(max_retries=1))) == "Now then"
    assert [each.status for each in emulator.requests] == [529, 200]


START = {"type": "message_start", "message": {
    "id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": [], "stop_reason": None,
    "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
}}  # fmt: skip
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
HALF = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It ra"}}
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def test_a_stream_can_break_off_with_an_error(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    emulator.reply(events=[START, BLOCK, HALF, ERROR])
    heard: list[str] = []
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello"}]
    with (
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
        sdk.messages.stream(model=MODEL, max_tokens=9, messages=messages) as streamed,
    ):
        heard.extend(streamed.text_stream)
    assert heard == ["It ra"]


def test_events_serve_a_whole_answer_where_they_amount_to_one(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    body = {"model": MODEL, "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"x-api-key": emulator.api_key, **VERSION}
    url = f"{emulator.base_url}/v1/messages"
    emulator.reply(thinking="hm", text="It rains.", tool_use={"name": "weather", "input": {"city": "Ulm"}})
    sent = httpx.post(url, json=body, headers=headers).text
    events = [json.loads(line.removeprefix("data: ")) for line in sent.splitlines() if line.startswith("data: ")]
    emulator.reply(events=events, times=2)
    whole, streamed = ask(sdk), stream(sdk)
    assert compared(whole) == compared(streamed)
    assert said(whole) == "It rains."
    emulator.reply(events=[START, BLOCK, ERROR])
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(sdk)
    assert (caught.value.status_code, caught.value.type) == (529, "overloaded_error")


@pytest.mark.parametrize("events", [[], [START, BLOCK], ["data: {\n\n"], [BLOCK], [HALF, START], [{"type": "error"}]])
def test_a_broken_stream_is_sent_as_it_is_and_is_not_a_whole_answer(
    sdk: anthropic.Anthropic, emulator: Emulator, events: list[Any]
) -> None:
    emulator.reply(events=events, times=2)
    with pytest.raises(anthropic.BadRequestError, match="only a request with stream can have a reply of incomplete"):
        ask(sdk)
    body = {"model": MODEL, "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"x-api-key": emulator.api_key, **VERSION}
    sent = httpx.post(f"{emulator.base_url}/v1/messages", json=body, headers=headers)
    assert sent.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert sent.text.count("data: ") == len(events)


def test_a_delay_is_waited_for_and_a_client_that_leaves_is_noticed(
    sdk: anthropic.Anthropic, emulator: Emulator
) -> None:
    emulator.reply("late", delay=0.05)
    emulator.reply("never", delay=3600)
    assert said(ask(sdk)) == "late"
    with pytest.raises(anthropic.APITimeoutError):
        ask(sdk.with_options(timeout=0.2))
    assert emulator.requests[0].status == 200


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({}, "a reply needs one of text, content, tool_use, thinking, stop_reason, error, events"),
    ({"delay": 1}, "a reply needs one of"),
    ({"error": (529, "overloaded_error", "x"), "tool_use": {"name": "x"}}, "error is the whole reply .* tool_use"),
    ({"error": (529, "overloaded_error", "x"), "text": "x"}, "error is the whole reply .* text"),
    ({"error": (529, "overloaded_error", "x"), "usage": {}}, "error is the whole reply .* usage"),
    ({"error": (529, "overloaded_error", "x"), "events": []}, "error and events exclude each other"),
    ({"events": [], "thinking": "x"}, "events is the whole reply .* thinking"),
    ({"error": (200, "ok", "x")}, "status 200 is not an error status"),
    ({"error": 529}, r"error: must be \(status, type, message\)"),
    ({"error": "529"}, r"error: must be \(status, type, message\)"),
    ({"error": (529, "overloaded_error")}, r"error: must be \(status, type, message\)"),
    ({"error": (529, 1, "x")}, r"error: must be \(status, type, message\)"),
    ({"text": 7}, "text: must be a string, not int"),
    ({"text": ["x"]}, "text: must be a string, not list"),
    ({"thinking": b"x"}, "thinking: must be a string, not bytes"),
    ({"text": "x", "model": 5}, "model: must be a string"),
    ({"content": "x"}, "content: must be a list, not str"),
    ({"content": {"type": "text"}}, "content: must be a list, not dict"),
    ({"content": ["x"]}, r"content\[0\]: must be an object, not str"),
    ({"content": [{"text": "x"}]}, r"content\[0\].type: Field required"),
    ({"content": [{"type": "text", "text": {1, 2}}]}, r"content\[0\]: holds a value that JSON does not have"),
    (
        {"content": [{"type": "tex", "text": "x"}]},
        r"content\[0\]: Input tag 'tex' .* expected tags: 'text', 'thinking'",
    ),
    ({"content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}, r"content\[0\].*: Input tag 'image'"),
    (
        {"content": [{"type": "text", "text": "x", "txet": "y"}]},
        r"content\[0\].text.txet: Extra inputs are not permitted",
    ),
    ({"content": [{"type": ["text"], "text": "x"}]}, r"content\[0\].type: Input should be a valid string"),
    ({"content": [{"type": "tool_use", "input": {}}]}, r"content\[0\].tool_use.name: Field required"),
    ({"content": [{"type": "text"}]}, r"content\[0\].text.text: Field required"),
    ({"text": "x", "usage": {"output_tokens": "many"}}, "usage.output_tokens: Input should be a valid integer"),
    ({"text": "x", "usage": {"output_tokens": -1}}, "usage.output_tokens: must not be negative"),
    ({"text": "x", "usage": {"output_tokens": None}}, "usage.output_tokens: Input should be a valid integer"),
    ({"text": "x", "usage": {"completion_tokens": 1}}, "usage: 'completion_tokens' is not one of .*, input_tokens, "),
    ({"text": "x", "usage": {"cache_creation": {"ephemeral_1m": 1}}}, "usage.cache_creation.ephemeral_"),
    ({"text": "x", "usage": {"service_tier": "gold"}}, "usage.service_tier: Input should be 'standard', "),
    ({"text": "x", "model": ""}, "model: must not be empty"),
    ({"tool_use": []}, "tool_use: must not be empty"),
    ({"tool_use": "weather"}, "tool_use: must be a list"),
    ({"tool_use": {"input": {}}}, "tool_use: needs the name of a tool"),
    ({"tool_use": {"name": "x", "arguments": {}}}, "name, input and id only, and not arguments"),
    ({"tool_use": {"name": "x", "input": "{}"}}, "input must be an object, not str"),
    ({"tool_use": {"name": "x", "id": "a b"}}, "id must be a string of letters"),
    (
        {"content": [{"type": "tool_use", "id": "a b", "name": "x", "input": {}}]},
        r"content\[0\].tool_use.id: String should match",
    ),
    ({"tool_use": [{"name": "x"}, {"name": ""}]}, r"tool_use\[1\]: needs the name"),
    ({"text": "x", "stop_reason": "done"}, "stop_reason 'done' is not one of end_turn"),
    ({"text": "x", "stop_reason": "tool_use"}, "needs a tool_use"),
    ({"text": "x", "usage": 5}, "usage: must be an object"),
    ({"text": "x", "delay": -1}, "delay: must be a number of seconds"),
    ({"text": "x", "delay": float("nan")}, "delay: must be a number of seconds"),
    ({"text": "x", "delay": 10**400}, "delay: must be a number of seconds"),
    ({"text": "x", "delay": "1"}, "delay: must be a number of seconds"),
    ({"text": "x", "times": 0}, "times: must be a positive whole number"),
    ({"text": "x", "times": True}, "times: must be a positive whole number"),
    ({"text": "x", "times": 1.5}, "times: must be a positive whole number"),
    ({"text": "x", "when": ""}, "when: must be a function"),
    ({"text": "x", "when": 7}, "when: must be a function"),
    ({"text": "x", "when": {"a": {1}}}, "when: holds a value"),
    ({"text": "x", "when": {}}, "when: must not be empty"),
    ({"text": "x", "when": lambda: True}, "when: must be a function of one request: too many positional arguments"),
    ({"text": "x", "when": lambda request, more: True}, "when: must be a function of one request: missing a required"),
    ({"events": [{"data": 1}]}, r"events\[0\]: an event needs a type"),
    ({"events": "data: x"}, "events: must be a list"),
    ({"events": [7]}, r"events\[0\]: must be an object, not int"),
]


@pytest.mark.parametrize(("keywords", "said"), IMPOSSIBLE, ids=[f"{n}" for n in range(len(IMPOSSIBLE))])
def test_what_cannot_be_meant_is_refused_where_it_is_set(
    emulator: Emulator, keywords: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        emulator.reply(**keywords)
    assert emulator.replies_left == []
    # pytest shows the innermost frame that does not hide itself: the line of the test.
    assert caught.traceback.filter(caught)[-1].path.name == "test_emulator_replies.py"


async def _later(_: RecordedRequest) -> bool:
    return True


def test_a_predicate_that_is_async_and_a_keyword_that_is_unknown_are_refused(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="not async"):
        emulator.reply("x", when=_later)
    with pytest.raises(TypeError, match="unexpected keyword argument 'tool_uses'"):
        emulator.reply("x", tool_uses={})  # type: ignore[call-arg]  # what is tested


def test_what_is_changed_after_it_was_set_changes_nothing(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    use: dict[str, Any] = {"name": "weather", "input": {"city": "Ulm"}}
    emulator.reply(tool_use=use)
    use["input"]["city"] = "Ura"
    assert ask(sdk).content[0].to_dict()["input"] == {"city": "Ulm"}


def test_a_reply_says_what_it_is_and_where_it_was_set(emulator: Emulator) -> None:
    emulator.reply("yes", when="rain", times=3)
    emulator.reply(tool_use={"name": "weather"}, when=explode)
    emulator.reply("x" * 1000, when=lambda _: True, times=None)
    shown = [re.sub(r"\d+\)$", "N)", str(reply)) for reply in emulator.replies_left]
    assert shown[0] == "text 'yes' when 'rain', 3 times (set at test_emulator_replies.py:N)"
    assert shown[1] == "tool_use {'name': 'weather'} when explode() (set at test_emulator_replies.py:N)"
    assert shown[2].endswith("... when a predicate holds (set at test_emulator_replies.py:N)")


def test_a_hundred_requests_at_once_get_a_hundred_replies(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    for number in range(100):
        emulator.reply(str(number))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(lambda _: said(ask(sdk)), range(100)))
    assert sorted(map(int, heard)) == list(range(100))
    emulator.assert_all_used()


@pytest.mark.parametrize("stream", [False, True])
def test_the_sdk_s_tool_runner_sends_each_turn_once(sdk: anthropic.Anthropic, emulator: Emulator, stream: bool) -> None:
    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"Rain in {city}"

    for city in ("Ulm", "Bonn"):
        emulator.reply("Let me see.", tool_use={"name": "get_weather", "input": {"city": city}})
    emulator.reply("Take an umbrella.")
    messages: Any = [{"role": "user", "content": "Rain?"}]
    runner = sdk.beta.messages.tool_runner(
        model=MODEL, max_tokens=50, tools=[get_weather], messages=messages, stream=stream
    )
    assert "umbrella" in str(runner.until_done().content)
    assert [request.status for request in emulator.requests.messages()] == [200] * 3
    gone: Any = {"type": "continue", "previous_message_id": "msg_unknown"}
    with pytest.raises(anthropic.NotFoundError, match="thread_not_found"):
        sdk.beta.messages.create(model=MODEL, max_tokens=50, messages=messages, extra_body={"thread": gone})
    emulator.assert_all_used()


def test_each_answer_of_a_thread_can_be_continued_once(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    def ask(thread: Any) -> anthropic.types.beta.BetaMessage:
        messages: Any = [{"role": "user", "content": "Rain?"}]
        return sdk.beta.messages.create(model=MODEL, max_tokens=50, messages=messages, thread=thread)

    first: Any = {"type": "continue", "previous_message_id": ask({"type": "create"}).id}
    emulator.reply(error=(529, "overloaded_error", "Overloaded"))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        ask(first)
    emulator.clear_replies()
    second: Any = {"type": "continue", "previous_message_id": ask(first).id}
    with pytest.raises(anthropic.BadRequestError, match="thread_already_continued"):
        ask(first)
    assert ask(second).content
