"""An agent that says what to do outside: it asks two tools, streams its answers, and fills in a form."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import anthropic

MODEL = "claude-opus-5-5"
TOOLS: list[Any] = [
    {
        "name": "get_weather",
        "description": "The weather of a city.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
    {
        "name": "find_places",
        "description": "Places in a city, by what one does there.",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "activity": {"type": "string"}},
            "required": ["city", "activity"],
        },
    },
]
PLAN: dict[str, Any] = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "umbrella": {"type": "boolean"}},
    "required": ["place", "umbrella"],
    "additionalProperties": False,
}
_RAIN = {"Bergen": True, "Sevilla": False}
_PLACES = {("Bergen", "walk"): ["Fløyen"], ("Sevilla", "walk"): ["Triana"]}


class AgentError(Exception):
    """The model did not come to an answer."""


@dataclass(frozen=True)
class Plan:
    place: str
    umbrella: bool


def use_tool(name: str, given: dict[str, str]) -> str:
    """Return what a tool says, as text for the model. Raises KeyError for a city or a tool that is not known."""
    if name == "get_weather":
        return "rain" if _RAIN[given["city"]] else "sun"
    if name == "find_places":
        return ", ".join(_PLACES[given["city"], given["activity"]])
    raise KeyError(name)


def _results(message: anthropic.types.Message) -> list[Any]:
    results = []
    for block in message.content:
        if block.type == "tool_use":
            try:
                result = {"content": use_tool(block.name, block.input)}
            except KeyError as error:
                result = {"content": f"not known: {error}", "is_error": True}
            results.append({"type": "tool_result", "tool_use_id": block.id, **result})
    return results


def _text(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _form(question: str) -> dict[str, Any]:
    output = {"format": {"type": "json_schema", "schema": PLAN}}
    return {"messages": [{"role": "user", "content": question}], "output_config": output}


def _plan(message: anthropic.types.Message) -> Plan:
    if message.stop_reason != "end_turn":
        raise AgentError(f"the form is not complete: {message.stop_reason}")
    return Plan(**json.loads(_text(message)))


class Agent:
    def __init__(self, client: anthropic.Anthropic, max_turns: int = 4) -> None:
        self._client = client
        self._max_turns = max_turns

    def ask(self, question: str) -> str:
        """Answer a question, with the tools. Raises AgentError where the model goes on asking for them."""
        messages: list[Any] = [{"role": "user", "content": question}]
        for _ in range(self._max_turns):
            message = self._client.messages.create(model=MODEL, max_tokens=500, tools=TOOLS, messages=messages)
            if message.stop_reason != "tool_use":
                return _text(message)
            messages += [
                {"role": "assistant", "content": message.content},
                {"role": "user", "content": _results(message)},
            ]
        raise AgentError(f"no answer after {self._max_turns} turns")

    def stream(self, question: str) -> Iterator[str]:
        """Answer piece by piece, without tools."""
        messages: list[Any] = [{"role": "user", "content": question}]
        with self._client.messages.stream(model=MODEL, max_tokens=500, messages=messages) as stream:
            yield from stream.text_stream

    def plan(self, question: str) -> Plan:
        """Answer in a form. Raises AgentError where it is not complete."""
        return _plan(self._client.messages.create(model=MODEL, max_tokens=500, **_form(question)))


class AsyncAgent:
    def __init__(self, client: anthropic.AsyncAnthropic, max_turns: int = 4) -> None:
        self._client = client
        self._max_turns = max_turns

    async def ask(self, question: str) -> str:
        """Do what `Agent.ask` does."""
        messages: list[Any] = [{"role": "user", "content": question}]
        for _ in range(self._max_turns):
            message = await self._client.messages.create(model=MODEL, max_tokens=500, tools=TOOLS, messages=messages)
            if message.stop_reason != "tool_use":
                return _text(message)
            messages += [
                {"role": "assistant", "content": message.content},
                {"role": "user", "content": _results(message)},
            ]
        raise AgentError(f"no answer after {self._max_turns} turns")

    async def stream(self, question: str) -> AsyncIterator[str]:
        """Do what `Agent.stream` does."""
        messages: list[Any] = [{"role": "user", "content": question}]
        async with self._client.messages.stream(model=MODEL, max_tokens=500, messages=messages) as stream:
            async for text in stream.text_stream:
                yield text

    async def plan(self, question: str) -> Plan:
        """Do what `Agent.plan` does."""
        return _plan(await self._client.messages.create(model=MODEL, max_tokens=500, **_form(question)))
