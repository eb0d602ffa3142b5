from __future__ import annotations

import json

import anthropic
import httpx2
import pytest
from agent import PLAN, Agent, AgentError, Plan, use_tool

from ant_wif.emulator import Emulator, Fault


@pytest.fixture
def agent(anthropic_client: anthropic.Anthropic) -> Agent:
    return Agent(anthropic_client)


def test_an_answer_needs_no_tool(agent: Agent, ant_emulator: Emulator) -> None:
    ant_emulator.reply("Hello!")
    assert agent.ask("Hi") == "Hello!"


@pytest.mark.parametrize(("city", "weather"), [("Bergen", "rain"), ("Sevilla", "sun")])
def test_a_tool_is_used_and_its_result_sent(agent: Agent, ant_emulator: Emulator, city: str, weather: str) -> None:
    ant_emulator.reply(tool_use={"name": "get_weather", "input": {"city": city}}, when=city)
    ant_emulator.reply(f"In {city} there is {weather}.")
    assert agent.ask(f"How is the weather in {city}?") == f"In {city} there is {weather}."
    ant_emulator.assert_all_used()
    first, second = ant_emulator.requests.messages()
    assert [tool["name"] for tool in first.json["tools"]] == ["get_weather", "find_places"]
    (result,) = second.json["messages"][-1]["content"]
    assert (result["content"], result.get("is_error")) == (weather, None)


def test_two_tools_are_used_at_once(agent: Agent, ant_emulator: Emulator) -> None:
    uses = [
        {"name": "get_weather", "input": {"city": "Sevilla"}},
        {"name": "find_places", "input": {"city": "Sevilla", "activity": "walk"}},
    ]
    ant_emulator.reply("Let me see.", tool_use=uses)
    ant_emulator.reply("Go to Triana.")
    assert agent.ask("Where can I walk?") == "Go to Triana."
    results = ant_emulator.requests.messages()[-1].json["messages"][-1]["content"]
    assert [result["content"] for result in results] == ["sun", "Triana"]


@pytest.mark.parametrize("use", [{"name": "get_weather", "input": {"city": "Oz"}}, {"name": "fly", "input": {}}])
def test_what_a_tool_does_not_know_is_told_to_the_model(
    agent: Agent, ant_emulator: Emulator, use: dict[str, object]
) -> None:
    ant_emulator.reply(tool_use=use)
    ant_emulator.reply("I do not know.")
    assert agent.ask("And there?") == "I do not know."
    assert ant_emulator.requests.messages()[-1].json["messages"][-1]["content"][0]["is_error"]


def test_a_model_that_never_ends_is_stopped(agent: Agent, ant_emulator: Emulator) -> None:
    ant_emulator.reply(tool_use={"name": "get_weather", "input": {"city": "Bergen"}}, times=None)
    with pytest.raises(AgentError, match="no answer after 4 turns"):
        agent.ask("How is the weather in Bergen?")
    assert len(ant_emulator.requests.messages()) == 4


def test_an_answer_comes_in_pieces(agent: Agent, ant_emulator: Emulator) -> None:
    ant_emulator.reply("One piece after the other.")
    pieces = list(agent.stream("Tell me"))
    assert len(pieces) > 1
    assert "".join(pieces) == "One piece after the other."


def test_a_stream_that_breaks_is_an_error(agent: Agent, ant_emulator: Emulator) -> None:
    ant_emulator.fail("messages", Fault.truncated())
    with pytest.raises(httpx2.RemoteProtocolError):
        list(agent.stream("Tell me"))


@pytest.mark.parametrize("umbrella", [True, False])
def test_a_form_is_filled_in(agent: Agent, ant_emulator: Emulator, umbrella: bool) -> None:
    ant_emulator.reply(json.dumps({"place": "Fløyen", "umbrella": umbrella}))
    assert agent.plan("Where to?") == Plan("Fløyen", umbrella)
    assert ant_emulator.requests.messages()[0].json["output_config"]["format"]["schema"] == PLAN


def test_a_form_that_is_cut_is_an_error(agent: Agent, ant_emulator: Emulator) -> None:
    ant_emulator.reply('{"place": "Flø', stop_reason="max_tokens")
    with pytest.raises(AgentError, match="max_tokens"):
        agent.plan("Where to?")


def test_an_overloaded_service_is_asked_again(agent: Agent, ant_emulator: Emulator) -> None:
    ant_emulator.fail("messages", Fault.status(529))
    ant_emulator.reply("Here I am.")
    assert agent.ask("Hi") == "Here I am."
    assert [request.status for request in ant_emulator.requests.messages()] == [529, 200]


def test_a_service_that_stays_overloaded_is_an_error(
    anthropic_client: anthropic.Anthropic, ant_emulator: Emulator
) -> None:
    ant_emulator.fail("messages", Fault.status(529))
    with pytest.raises(anthropic.APIStatusError) as caught:
        Agent(anthropic_client.with_options(max_retries=0)).ask("Hi")
    assert caught.value.status_code == 529


def test_no_state_is_left_of_the_tests_before(agent: Agent, ant_emulator: Emulator) -> None:
    assert ant_emulator.replies_left == []
    assert agent.ask("This is an echo") == "This is an echo"


def test_the_tools_alone() -> None:
    assert use_tool("find_places", {"city": "Bergen", "activity": "walk"}) == "Fløyen"
