"""What is around a suite must not get in its way, and the suite not in the way of the credential."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from ant_wif.emulator import Emulator

Run = Callable[..., pytest.RunResult]
Job = Callable[[Mapping[str, str]], None]

BEHIND_A_PROXY = """
import os

import httpx

def test_clients_reach_the_emulator(ant_client, ant_headers, ant_credentials, ant_platform):
    assert ant_client.get("/v1/models").status_code == 200
    # The official SDK, too, asks httpx, which reads NO_PROXY.
    assert httpx.get(f"{ant_credentials.base_url}/v1/models", headers=ant_headers).status_code == 200
    assert ant_platform.credentials().token()

def test_a_program_under_exec_is_captured_and_does_not_replace_the_suite(ant_platform, ant_cli):
    for option in ([], ["--env"]):
        outcome = ant_cli("exec", *option, "--", "sh", "-c", "echo hi; exit 3")
        assert (outcome.exit_code, outcome.stdout) == (3, "hi\\n"), outcome

def test_what_was_left_out_of_the_proxy_before_stays_so():
    assert "internal.example" in os.environ["NO_PROXY"].split(",")
"""

LIVE = """
import pytest

def test_the_credential_works_in_an_isolated_environment(ant_env, ant_credentials):
    assert ant_credentials.token()

@pytest.mark.ant_platform("github")
def test_it_is_refreshed_on_a_pretended_platform(ant_platform, ant_credentials, ant_client):
    ant_credentials.invalidate()
    assert ant_client.get("/v1/models").status_code == 200
"""


def test_a_proxy_is_not_asked_for_what_is_on_loopback(pytester: pytest.Pytester, run: Run, job: Job) -> None:
    nowhere = "http://127.0.0.1:9"
    job({"HTTP_PROXY": nowhere, "http_proxy": nowhere, "ALL_PROXY": nowhere, "NO_PROXY": "internal.example"})
    pytester.makepyfile(BEHIND_A_PROXY)
    run("--ant-mode", "emulator").assert_outcomes(passed=3)


def test_the_credential_of_a_live_run_sees_nothing_of_what_tests_do_to_the_environment(
    pytester: pytest.Pytester, run: Run, job: Job, platform: Emulator
) -> None:
    job({**platform.env("github"), "ANT_CACHE": "memory"})
    pytester.makepyfile(LIVE)
    run("--ant-mode", "live").assert_outcomes(passed=2)
    assert platform.exchanges == 2
