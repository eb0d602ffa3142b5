import pytest

import ant_wif
from pytest_ant_wif import CommandLine, Platform


@pytest.mark.parametrize("ant_platform", ["github", "gitlab", "kubernetes", "aws"], indirect=True)
def test_a_job_needs_no_key(ant_platform: Platform, ant_cli: CommandLine) -> None:
    assert ant_wif.resolve().source == "federation"
    status = ant_cli("auth", "status", "--format", "json").json()
    assert status["credential"]["usable"]


@pytest.mark.ant_platform("gitlab")
def test_what_happens_when_the_rule_is_gone(ant_platform: Platform) -> None:
    private = ant_platform.emulator.spawn()
    private.update_rule("gitlab", archived=True)
    for name, value in private.env("gitlab").items():
        ant_platform.env.setenv(name, value)
    with pytest.raises(ant_wif.ExchangeError):
        ant_wif.resolve().token()
