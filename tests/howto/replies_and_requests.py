import anthropic

from ant_wif.emulator import Emulator

WEATHER = {"name": "get_weather", "input": {"city": "Paris"}}
TOOL = {"name": "get_weather", "description": "Weather of a city", "input_schema": {"type": "object"}}

with Emulator() as emulator:
    emulator.reply(tool_use=WEATHER, when="Paris")
    emulator.reply(error=(529, "overloaded_error", "Overloaded"))
    client = anthropic.Anthropic(auth_token=emulator.login().access_token, base_url=emulator.base_url, max_retries=0)

    def ask(text: str) -> anthropic.types.Message:
        return client.messages.create(
            model="claude-opus-5-5",
            max_tokens=50,
            tools=[TOOL],
            messages=[{"role": "user", "content": text}],
        )

    print(ask("Is it raining in Paris?").stop_reason)
    try:
        ask("And in Rome?")
    except anthropic.APIStatusError as error:
        print(error.status_code)
    emulator.assert_all_used()
    print([request.json["tools"][0]["name"] for request in emulator.requests.messages()])
    client.close()
