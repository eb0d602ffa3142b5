import anthropic

from ant_wif.emulator import Emulator

with Emulator() as emulator:
    client = anthropic.Anthropic(
        auth_token=emulator.login().access_token,
        base_url=emulator.base_url,
        default_headers={"anthropic-beta": "oauth-2025-04-20"},
    )
    with client.messages.stream(
        model="claude-opus-5-5", max_tokens=50, messages=[{"role": "user", "content": "Say this"}]
    ) as stream:
        print("".join(stream.text_stream))
    emulator.advance(3600)
    try:
        client.models.list()
    except anthropic.AuthenticationError as error:
        print(error.status_code)
    client.close()
