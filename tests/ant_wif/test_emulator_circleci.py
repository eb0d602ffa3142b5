"""CircleCI: the `circleci` program of a job."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ant_wif.emulator import Emulator
from support.tokens import claims_of

Run = Callable[..., "subprocess.CompletedProcess[str]"]
AUDIENCE = '{"aud": "https://api.anthropic.com"}'


@pytest.fixture
def circleci(emulator: Emulator) -> Run:
    env = emulator.env("circleci")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # A shell, because it looks for the program on the PATH of the job.
        words = ["sh", "-c", 'exec circleci "$@"', "sh", *arguments]
        return subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)

    return run


def test_the_program_prints_a_token_of_the_root_issuer_for_the_audience(emulator: Emulator, circleci: Run) -> None:
    done = circleci("run", "oidc", "get", "--claims", AUDIENCE, "--root-issuer")
    assert (done.returncode, done.stderr) == (0, "")
    claims = claims_of(done.stdout)
    assert claims["iss"] == emulator.issuer("circleci").issuer_url
    assert claims["aud"] == "https://api.anthropic.com"
    assert claims["oidc.circleci.com/vcs-ref"] == "refs/heads/main"
    assert "jti" not in claims


def test_without_root_issuer_the_issuer_is_the_organizations(emulator: Emulator, circleci: Run) -> None:
    claims = claims_of(circleci("run", "oidc", "get").stdout)
    organization = emulator.env("circleci")["CIRCLE_ORGANIZATION_ID"]
    assert claims["iss"] == f"{emulator.issuer('circleci').issuer_url}/org/{organization}"
    assert claims["aud"] == organization
    assert httpx.get(f"{claims['iss']}/.well-known/openid-configuration").json()["issuer"] == claims["iss"]


def test_the_tokens_in_the_variables_have_the_organization_for_an_audience(emulator: Emulator) -> None:
    env = emulator.env("circleci")
    for name, ending in (("CIRCLE_OIDC_TOKEN", ""), ("CIRCLE_OIDC_TOKEN_V2", "/vcs-ref/refs/heads/main")):
        claims = claims_of(env[name])
        assert claims["aud"] == env["CIRCLE_ORGANIZATION_ID"]
        assert str(claims["sub"]).endswith(ending)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run", "oidc"],
        ["version"],
        ["run", "oidc", "get", "--claims", "{"],
        ["run", "oidc", "get", "--claims", "[]"],
        ["run", "oidc", "get", "--claims", '{"aud": ""}'],
        ["run", "oidc", "get", "--claims", '{"sub": "x"}'],
        ["run", "oidc", "get", "--root"],
    ],
)
def test_the_program_refuses_what_it_does_not_know(circleci: Run, arguments: list[str]) -> None:
    done = circleci(*arguments)
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr.startswith("Error: ")


def test_only_the_program_may_ask_the_emulator(emulator: Emulator) -> None:
    url = f"{emulator.base_url}/circleci/command"
    assert httpx.post(url, json={"arguments": ["run", "oidc", "get"]}).status_code == 401


def test_the_program_says_so_when_there_is_no_emulator_any_more(tmp_path: Path) -> None:
    folder = tmp_path / "a folder with blanks"
    with Emulator() as emulator:
        programs = emulator.executables(folder)
    assert [Path(program).name for program in programs] == ["circleci", "buildkite-agent"]
    for program in programs:
        done = subprocess.run([program, "run"], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        assert "the emulator does not answer" in done.stderr


def test_a_token_expires_by_the_emulators_clock() -> None:
    with Emulator(clock=lambda: time.time() + 100_000) as emulator:
        claims = claims_of(emulator.issue("circleci"))
    assert int(str(claims["iat"])) > time.time() + 90_000
