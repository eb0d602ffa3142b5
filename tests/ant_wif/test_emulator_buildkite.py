"""Buildkite: the `buildkite-agent` program of a job."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from ant_wif.emulator import Emulator
from support.tokens import claims_of

Run = Callable[..., "subprocess.CompletedProcess[str]"]
REQUEST = ("oidc", "request-token")


@pytest.fixture
def agent(emulator: Emulator) -> Run:
    env = emulator.env("buildkite")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # A shell, because it looks for the program on the PATH of the job.
        words = ["sh", "-c", 'exec buildkite-agent "$@"', "sh", *arguments]
        return subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)

    return run


def test_the_agent_prints_a_token_for_the_audience(emulator: Emulator, agent: Run) -> None:
    done = agent(*REQUEST, "--audience", "https://api.anthropic.com")
    assert (done.returncode, done.stderr) == (0, "")
    claims, env = claims_of(done.stdout), emulator.env("buildkite")
    assert claims["aud"] == "https://api.anthropic.com"
    assert claims["organization_slug"] == env["BUILDKITE_ORGANIZATION_SLUG"]
    assert claims["pipeline_slug"] == env["BUILDKITE_PIPELINE_SLUG"]
    assert str(claims["build_number"]) == env["BUILDKITE_BUILD_NUMBER"]
    assert str(claims["sub"]).endswith(f":commit:{env['BUILDKITE_COMMIT']}:step:test")
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == 300


def test_audience_lifetime_and_optional_claims_are_the_callers_to_choose(agent: Run) -> None:
    claims = claims_of(agent(*REQUEST, "--lifetime=60", "--claim", "organization_id,pipeline_id").stdout)
    assert claims["aud"] == "https://buildkite.com/acme"
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == 60
    assert {"organization_id", "pipeline_id"} <= set(claims)
    assert "cluster_id" not in claims


@pytest.mark.parametrize(
    "arguments",
    [[], ["oidc"], [*REQUEST, "--lifetime", "-1"], [*REQUEST, "--claim", "sub"], [*REQUEST, "--job", "other"]],
)
def test_the_agent_refuses_what_it_does_not_know(agent: Run, arguments: list[str]) -> None:
    done = agent(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("fatal: ")
