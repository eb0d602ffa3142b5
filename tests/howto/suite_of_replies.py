import json

import anthropic

from ant_wif.emulator import Emulator, Fault

QUESTION = [{"role": "user", "content": "Is it raining in Bergen?"}]


def ask(client: anthropic.Anthropic) -> anthropic.types.Message:
    """Your application: it takes the client from outside."""
    tool = {"name": "get_weather", "description": "Weather of a city", "input_schema": {"type": "object"}}
    return client.messages.create(model="claude-opus-5-5", max_tokens=100, tools=[tool], messages=QUESTION)


def test_the_model_uses_a_tool(anthropic_client: anthropic.Anthropic, ant_emulator: Emulator) -> None:
    ant_emulator.reply(tool_use={"name": "get_weather", "input": {"city": "Bergen"}})
    assert ask(anthropic_client).content[0].input == {"city": "Bergen"}
    (request,) = ant_emulator.requests.messages()
    assert request.json["messages"] == QUESTION


def test_the_answer_comes_in_pieces(anthropic_client: anthropic.Anthropic, ant_emulator: Emulator) -> None:
    ant_emulator.reply("It is raining.")
    with anthropic_client.messages.stream(model="claude-opus-5-5", max_tokens=100, messages=QUESTION) as stream:
        assert "".join(stream.text_stream) == "It is raining."


def test_an_overloaded_service_is_asked_again(anthropic_client: anthropic.Anthropic, ant_emulator: Emulator) -> None:
    ant_emulator.fail("messages", Fault.status(529))
    ant_emulator.reply(json.dumps({"rain": True}))
    assert json.loads(ask(anthropic_client).content[0].text) == {"rain": True}
    assert [request.status for request in ant_emulator.requests.messages()] == [529, 200]
