from __future__ import annotations

import json

import anthropic
import pytest
from agent import AgentError, AsyncAgent, Plan

from ant_wif.emulator import Emulator, Fault

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def agent(async_anthropic_client: anthropic.AsyncAnthropic) -> AsyncAgent:
    return AsyncAgent(async_anthropic_client)


async def test_an_answer_needs_no_tool(agent: AsyncAgent, ant_emulator: Emulator) -> None:
    ant_emulator.reply("Hello!")
    assert await agent.ask("Hi") == "Hello!"


@pytest.mark.parametrize(("city", "weather"), [("Bergen", "rain"), ("Sevilla", "sun")])
async def test_a_tool_is_used_and_its_result_sent(
    agent: AsyncAgent, ant_emulator: Emulator, city: str, weather: str
) -> None:
    ant_emulator.reply(tool_use={"name": "get_weather", "input": {"city": city}}, when=city)
    ant_emulator.reply(f"In {city} there is {weather}.")
    assert await agent.ask(f"How is the weather in {city}?") == f"In {city} there is {weather}."
    ant_emulator.assert_all_used()
    assert ant_emulator.requests.messages()[-1].json["messages"][-1]["content"][0]["content"] == weather


@pytest.mark.parametrize("use", [{"name": "get_weather", "input": {"city": "Oz"}}, {"name": "fly", "input": {}}])
async def test_what_a_tool_does_not_know_is_told_to_the_model(
    agent: AsyncAgent, ant_emulator: Emulator, use: dict[str, object]
) -> None:
    ant_emulator.reply(tool_use=use)
    ant_emulator.reply("I do not know.")
    assert await agent.ask("And there?") == "I do not know."
    assert ant_emulator.requests.messages()[-1].json["messages"][-1]["content"][0]["is_error"]


async def test_a_model_that_never_ends_is_stopped(agent: AsyncAgent, ant_emulator: Emulator) -> None:
    ant_emulator.reply(tool_use={"name": "get_weather", "input": {"city": "Bergen"}}, times=None)
    with pytest.raises(AgentError, match="no answer after 4 turns"):
        await agent.ask("How is the weather in Bergen?")


async def test_an_answer_comes_in_pieces(agent: AsyncAgent, ant_emulator: Emulator) -> None:
    ant_emulator.reply("One piece after the other.")
    assert "".join([piece async for piece in agent.stream("Tell me")]) == "One piece after the other."


@pytest.mark.parametrize("umbrella", [True, False])
async def test_a_form_is_filled_in(agent: AsyncAgent, ant_emulator: Emulator, umbrella: bool) -> None:
    ant_emulator.reply(json.dumps({"place": "Fløyen", "umbrella": umbrella}))
    assert await agent.plan("Where to?") == Plan("Fløyen", umbrella)


@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
async def test_a_form_that_is_not_complete_is_an_error(agent: AsyncAgent, ant_emulator: Emulator, reason: str) -> None:
    ant_emulator.reply('{"place": "Flø', stop_reason=reason)
    with pytest.raises(AgentError, match=reason):
        await agent.plan("Where to?")


async def test_an_overloaded_service_is_asked_again(agent: AsyncAgent, ant_emulator: Emulator) -> None:
    ant_emulator.fail("messages", Fault.status(529))
    ant_emulator.reply("Here I am.")
    assert await agent.ask("Hi") == "Here I am."


async def test_a_service_that_stays_overloaded_is_an_error(
    async_anthropic_client: anthropic.AsyncAnthropic, ant_emulator: Emulator
) -> None:
    ant_emulator.fail("messages", Fault.status(529))
    with pytest.raises(anthropic.APIStatusError):
        await AsyncAgent(async_anthropic_client.with_options(max_retries=0)).ask("Hi")


async def test_no_state_is_left_of_the_tests_before(agent: AsyncAgent, ant_emulator: Emulator) -> None:
    assert ant_emulator.replies_left == []
    assert await agent.ask("This is an echo") == "This is an echo"
