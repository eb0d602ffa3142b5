import anthropic
import pytest

from ant_wif import Credentials
from ant_wif.emulator import Emulator
from pytest_ant_wif import AntEnv


@pytest.fixture
def sdk_environment(ant_env: AntEnv, ant_token: str, ant_credentials: Credentials) -> None:
    ant_env.setenv("ANTHROPIC_AUTH_TOKEN", ant_token)
    ant_env.setenv("ANTHROPIC_BASE_URL", ant_credentials.base_url)


@pytest.mark.usefixtures("sdk_environment")
def test_a_program_that_makes_its_own_client(ant_emulator: Emulator) -> None:
    ant_emulator.reply("It is raining.")
    message = [{"role": "user", "content": "Is it raining in Bergen?"}]
    with anthropic.Anthropic() as client:
        reply = client.messages.create(model="claude-opus-5-5", max_tokens=100, messages=message)
    assert reply.content[0].text == "It is raining."
