"""Chat completions in the wire format of OpenAI's clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ant_wif.emulator import Emulator
from support.samples import MODEL

PATH = "/v1/chat/completions"


@pytest.fixture
def chat(emulator: Emulator) -> Iterator[httpx.Client]:
    """As OpenAI's client sends it: a key in `Authorization`, and no version."""
    headers = {"authorization": f"Bearer {emulator.api_key}"}
    with httpx.Client(base_url=emulator.base_url, headers=headers, trust_env=False) as client:
        yield client


def asked(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": list(messages) or [{"role": "user", "content": "Hello there"}], **more}


def chunks(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.headers["content-type"].startswith("text/event-stream")
    *events, end, rest = response.text.split("\n\n")
    assert (end, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


def test_a_text_is_answered_whole(chat: httpx.Client) -> None:
    answer = chat.post(PATH, json=asked()).json()
    assert (answer["object"], answer["model"], answer["choices"][0]["finish_reason"]) == (
        "chat.completion",
        MODEL,
        "stop",
    )
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Hello there", "refusal": None}
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_text_is_streamed(chat: httpx.Client) -> None:
    received = chunks(chat.post(PATH, json=asked(stream=True, stream_options={"include_usage": True})))
    *deltas, usage = received
    assert {chunk["object"] for chunk in received} == {"chat.completion.chunk"}
    assert deltas[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in deltas) == "Hello there"
    assert deltas[-1]["choices"][0]["finish_reason"] == "stop"
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 2)
    assert "usage" not in chunks(chat.post(PATH, json=asked(stream=True)))[-1]


def test_replies_serve_chat_completions(emulator: Emulator, chat: httpx.Client) -> None:
    emulator.reply("scripted", usage={"output_tokens": 50}, times=2)
    emulator.reply(tool_use={"name": "weather", "input": {"city": "Ulm"}}, times=2)
    emulator.reply(error=(529, "overloaded_error", "Overloaded"), when=lambda _: len(emulator.replies_left) == 1)
    whole = chat.post(PATH, json=asked()).json()
    assert (whole["choices"][0]["message"]["content"], whole["usage"]["completion_tokens"]) == ("scripted", 50)
    assert chunks(chat.post(PATH, json=asked(stream=True)))[1]["choices"][0]["delta"] == {"content": "scrip"}
    choice = chat.post(PATH, json=asked()).json()["choices"][0]
    call = choice["message"]["tool_calls"][0]
    assert (choice["finish_reason"], json.loads(call["function"]["arguments"])) == ("tool_calls", {"city": "Ulm"})
    streamed = chunks(chat.post(PATH, json=asked(stream=True)))
    assert streamed[1]["choices"][0]["delta"]["tool_calls"][0]["function"] == call["function"]
    emulator.reply(events=[{"type": "message_start", "message": {}}, {"type": "message_stop"}])
    assert chat.post(PATH, json=asked()).json()["choices"][0]["message"]["content"] == ""
    failed = chat.post(PATH, json=asked())
    assert (failed.status_code, failed.json()["error"]["type"]) == (529, "overloaded_error")


PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS, "strict": True}}
BARE = {"type": "function", "function": {"name": "now"}}
NAMED = {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_function_that_is_forced_is_called_and_its_result_is_taken(chat: httpx.Client, choice: object) -> None:
    tools = [WEATHER, BARE]
    question = {"role": "user", "content": "Rain?"}
    choices = chat.post(PATH, json=asked(question, tools=tools, tool_choice=choice)).json()["choices"]
    called = choices[0]["message"]
    (call,) = called["tool_calls"]
    assert (call["function"]["name"], set(json.loads(call["function"]["arguments"]))) == ("weather", {"city"})
    other = {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": ""}}
    messages = [
        question,
        {**called, "tool_calls": [call, other]},
        {"role": "tool", "tool_call_id": call["id"], "content": "It rains."},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "Noon."}]},
    ]
    answer = chat.post(PATH, json=asked(*messages, tools=tools, tool_choice="auto")).json()["choices"][0]
    assert (answer["finish_reason"], answer["message"]["content"]) == ("stop", "Rain?")
    refused = chat.post(PATH, json=asked(*messages[:3], tools=tools))
    assert (refused.status_code, "call_2" in refused.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize("more", [{}, {"parallel_tool_calls": False}])
@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_a_function_that_is_only_offered_is_not_called(chat: httpx.Client, choice: str | None, more: Any) -> None:
    body = asked(tools=[WEATHER], tool_choice=choice, **more)
    assert chat.post(PATH, json=body).json()["choices"][0]["message"]["content"] == "Hello there"
    assert chat.post(PATH, json=asked(tools=[], tool_choice="auto")).status_code == 200


def test_what_the_layer_converts_or_ignores_is_taken(emulator: Emulator, chat: httpx.Client) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "One "}, {"type": "text", "text": "two three"}]},
        {"role": "system", "content": "And kind."},
    ]
    ignored = {"seed": 1, "logprobs": True, "user": "x", "response_format": {"type": "json_object"}, "unheard": None}
    answer = chat.post(PATH, json=asked(*messages, stop="three", temperature=1.7, n=1, **ignored)).json()
    assert answer["choices"][0]["message"]["content"] == "One two "
    cut = chat.post(PATH, json=asked(max_completion_tokens=1)).json()["choices"][0]
    assert cut["finish_reason"] == "length"
    token = emulator.login().access_token
    assert chat.post(PATH, json=asked(), headers={"authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "messages: must be a list"),
        ({"messages": ["x"]}, 400, "messages.0.role: must be assistant or developer or system or tool or user"),
        ({"messages": [{"role": "user"}]}, 400, "messages.0.content: must be a string or a list of texts"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages.0.content: must be a"),
        ({"model": MODEL, "messages": []}, 400, "messages: at least one message is required"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, 400, "messages.0.role: must be assistant or developer"),
        (asked(tools=[{"type": "custom"}]), 400, "tools, tool_choice: the emulator takes functions only"),
        (asked(tools="x"), 400, "tools, tool_choice: the emulator takes functions only"),
        (asked(tools=[WEATHER], tool_choice={"type": "custom"}), 400, "tools, tool_choice: the emulator takes func"),
        (asked(tools=[WEATHER], tool_choice="all"), 400, "tool_choice: Input tag 'all'"),
        (asked(tools=[{"function": {}}]), 400, "tools.0.custom.name: Field required"),
        (asked({"role": "assistant", "tool_calls": [{"id": "a"}]}), 400, "messages.0.tool_calls: must be calls of"),
        (asked({"role": "assistant", "tool_calls": "x"}), 400, "messages.0.tool_calls: must be calls of functions"),
        (
            asked({"role": "tool", "content": "x"}),
            400,
            "messages.0.content.0.tool_result.tool_use_id: Input should be a valid string",
        ),
        (asked(n=2), 400, "n: must be 1"),
        (asked(n=[1]), 400, "n: must be 1"),
        (asked(max_tokens="x"), 400, "max_tokens: Input should be a valid integer"),
        (asked(stop=[1]), 400, "stop_sequences.0: Input should be a valid string"),
        (asked(temperature=-1), 400, "temperature: Input should be greater than or equal to 0"),
        ({**asked(), "model": "gpt-4"}, 404, "model: gpt-4"),
        ({"messages": [{"role": "user", "content": "x"}]}, 400, "model: Field required"),
    ],
)
def test_what_cannot_be_answered_is_refused(chat: httpx.Client, body: Any, status: int, said: str) -> None:
    refused = chat.post(PATH, json=body)
    assert (refused.status_code, said in refused.json()["error"]["message"]) == (status, True), refused.text


def test_the_models_need_no_version_with_a_key(emulator: Emulator, chat: httpx.Client) -> None:
    assert MODEL in {model["id"] for model in chat.get("/v1/models").json()["data"]}
    assert chat.get(f"/v1/models/{MODEL}").json()["id"] == MODEL
    assert chat.get("/v1/models", headers={"anthropic-version": "x"}).status_code == 400
    token = emulator.login().access_token
    refused = chat.get("/v1/models", headers={"authorization": f"Bearer {token}"})
    assert (refused.status_code, "anthropic-version" in refused.text) == (400, True)
    assert chat.post(PATH, json=asked(), headers={"authorization": "Bearer unknown"}).status_code == 401
