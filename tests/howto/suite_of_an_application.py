from typing import Any

from ant_wif.emulator import Emulator


def summarize(client: Any, log: str) -> str:
    message = client.messages.create(
        model="claude-opus-5-5", max_tokens=50, messages=[{"role": "user", "content": f"Summarize: {log}"}]
    )
    return message.content[0].text


def test_the_summary_is_the_reply_of_the_model(anthropic_client: Any, ant_emulator: Emulator) -> None:
    ant_emulator.reply("The build failed.", times=1)
    assert summarize(anthropic_client, "exit status 1") == "The build failed."
    assert ant_emulator.requests.messages()[-1].json["max_tokens"] == 50
