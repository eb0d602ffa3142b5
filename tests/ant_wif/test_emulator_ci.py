"""CI platforms as their jobs see them: a token from an endpoint, from a program on the PATH, or in a variable."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import jwt
import pytest

from ant_wif.emulator import Emulator
from support.tokens import claims_of

AUDIENCE = "https://api.anthropic.com"


def lifetime(claims: dict[str, object]) -> int:
    return int(str(claims["exp"])) - int(str(claims["iat"]))


# --- GitHub Actions --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def job(running: Emulator) -> Iterator[httpx.Client]:
    request_token = running.env("github")["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    with httpx.Client(headers={"authorization": f"bearer {request_token}"}) as client:
        yield client


@pytest.fixture
def url(emulator: Emulator) -> str:
    return emulator.env("github")["ACTIONS_ID_TOKEN_REQUEST_URL"]


def test_a_job_of_github_gets_a_token_for_the_audience_that_it_asks_for(job: httpx.Client, url: str) -> None:
    answer = job.get(url, params={**httpx.URL(url).params, "audience": AUDIENCE}).json()
    assert answer["count"] == len(answer["value"])
    claims = claims_of(answer["value"])
    assert claims["aud"] == AUDIENCE
    assert claims["sub"] == "repo:acme/app:ref:refs/heads/main"
    assert claims["repository_owner"] == "acme"
    assert lifetime(claims) == 300
    assert int(str(claims["nbf"])) <= int(str(claims["iat"]))


def test_the_published_keys_are_public(emulator: Emulator) -> None:
    jwks = httpx.get(f"{emulator.base_url}/github/.well-known/jwks").json()
    assert set(jwks["keys"][0]) == {"kty", "use", "kid", "n", "e"}


def test_every_request_issues_a_token_of_its_own(job: httpx.Client, url: str) -> None:
    first, second = (claims_of(job.get(url).json()["value"]) for _ in range(2))
    assert first["jti"] != second["jti"]
    assert first["aud"] == "https://github.com/acme"


@pytest.mark.parametrize("authorization", [None, "", "bearer", "bearer wrong", "bearer \xe9", "basic abc"])
def test_without_the_request_token_there_is_no_token(url: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization.encode("latin-1")}
    response = httpx.get(url, headers=headers)
    assert response.status_code == 401
    assert response.json()["type"] == "error"


def test_an_issued_token_takes_claims_and_headers_and_leaves_out_null_ones(emulator: Emulator) -> None:
    token = emulator.issue(sub="someone", jti=None, headers={"typ": None, "x5t": "y"}, lifetime=60)
    claims, header = claims_of(token), jwt.get_unverified_header(token)
    assert (claims["sub"], lifetime(claims)) == ("someone", 60)
    assert "jti" not in claims
    assert header["x5t"] == "y"
    assert "typ" not in header


def test_a_repository_s_subjects_are_what_its_settings_say(job: httpx.Client, url: str, emulator: Emulator) -> None:
    settings = f"{emulator.base_url}/github/api/repos/acme/app/actions/oidc/customization/sub"
    assert httpx.get(settings).status_code == 401
    for options, subject, prefix in (
        ({}, "repo:acme/app:ref:refs/heads/main", "repo:acme/app"),
        (
            {"immutable": True},
            "repo:acme@90210/app@734201985:ref:refs/heads/main",
            "repo:acme@90210/app@734201985",
        ),
        (
            {"include_claim_keys": ["repository_owner", "workflow_ref"]},
            "repository_owner:acme:workflow_ref:acme/app/.github/workflows/ci.yml@refs/heads/main",
            "repo:acme/app",
        ),
    ):
        emulator.github_subjects(**options)  # type: ignore[arg-type]  # a table of options
        assert claims_of(job.get(url).json()["value"])["sub"] == subject
        told = httpx.get(settings, headers={"authorization": "Bearer gh-example"}).json()
        assert told["sub_claim_prefix"] == prefix
        assert told["use_immutable_subject"] == ("immutable" in options)
        assert told["use_default"] == ("include_claim_keys" not in options)
    emulator.github_subjects()


def test_a_repository_of_today_has_a_platform_and_a_rule_of_its_own(emulator: Emulator) -> None:
    claims = claims_of(emulator.issue("github-immutable"))
    assert claims["sub"] == emulator.rule("github-immutable").subject_prefix
    assert claims["sub"] == "repo:acme@90210/app@734201985:ref:refs/heads/main"


# --- GitLab CI and Azure Pipelines -----------------------------------------------------------------------------------


def test_a_job_of_gitlab_begins_with_a_token_in_its_variables_and_gets_no_other(emulator: Emulator) -> None:
    job, next_job = emulator.env("gitlab"), emulator.env("gitlab")
    claims = claims_of(job["ANTHROPIC_ID_TOKEN"])
    assert job["GITLAB_CI"] == "true"
    assert claims["iss"] == emulator.issuer("gitlab").issuer_url
    assert claims["sub"] == "project_path:acme/app:ref_type:branch:ref:main"
    assert claims["project_path"] == job["CI_PROJECT_PATH"]
    assert claims["pipeline_source"] == job["CI_PIPELINE_SOURCE"]
    assert claims["user_login"] == job["GITLAB_USER_LOGIN"]
    assert claims["aud"] == AUDIENCE
    assert claims["jti"] != claims_of(next_job["ANTHROPIC_ID_TOKEN"])["jti"]


def test_azure_devops_gives_a_token_of_the_service_connection_to_its_job_only(emulator: Emulator) -> None:
    job = emulator.env("azure_pipelines")
    url, headers = job["SYSTEM_OIDCREQUESTURI"], {"Authorization": f"Bearer {job['SYSTEM_ACCESSTOKEN']}"}
    query = {"api-version": "7.1", "serviceConnectionId": job["ANT_AZURE_SERVICE_CONNECTION_ID"]}
    claims = claims_of(httpx.post(url, params=query, headers=headers).json()["oidcToken"])
    assert claims["sub"] == "sc://acme/app/anthropic"
    assert claims["aud"] == "api://AzureADTokenExchange"
    refused = [
        httpx.post(url, params=query),
        httpx.post(url, params=query, headers={"Authorization": "Bearer another"}),
        httpx.post(url, params={**query, "serviceConnectionId": "another"}, headers=headers),
        httpx.post(url, params={**query, "api-version": "1.0"}, headers=headers),
    ]
    assert [answer.status_code for answer in refused] == [401, 401, 404, 400]


# --- programs of CircleCI and Buildkite ------------------------------------------------------------------------------

Run = Callable[..., "subprocess.CompletedProcess[str]"]
OIDC_GET = ("run", "oidc", "get")
REQUEST_TOKEN = ("oidc", "request-token")


def called(program: str, env: dict[str, str], arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    # A shell, because it looks for the program on the PATH of the job.
    words = ["sh", "-c", f'exec {program} "$@"', "sh", *arguments]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def circleci(emulator: Emulator) -> Run:
    env = emulator.env("circleci")
    return lambda *arguments: called("circleci", env, arguments)


@pytest.fixture
def buildkite(emulator: Emulator) -> Run:
    env = emulator.env("buildkite")
    return lambda *arguments: called("buildkite-agent", env, arguments)


def test_circleci_prints_a_token_of_the_root_issuer_for_the_audience(emulator: Emulator, circleci: Run) -> None:
    done = circleci(*OIDC_GET, "--claims", f'{{"aud": "{AUDIENCE}"}}', "--root-issuer")
    assert (done.returncode, done.stderr) == (0, "")
    claims = claims_of(done.stdout)
    assert claims["iss"] == emulator.issuer("circleci").issuer_url
    assert claims["aud"] == AUDIENCE
    assert claims["oidc.circleci.com/vcs-ref"] == "refs/heads/main"
    assert "jti" not in claims


def test_without_root_issuer_the_issuer_is_the_organizations(emulator: Emulator, circleci: Run) -> None:
    claims = claims_of(circleci(*OIDC_GET).stdout)
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


def test_buildkite_prints_a_token_for_the_audience(emulator: Emulator, buildkite: Run) -> None:
    done = buildkite(*REQUEST_TOKEN, "--audience", AUDIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    claims, env = claims_of(done.stdout), emulator.env("buildkite")
    assert claims["aud"] == AUDIENCE
    assert claims["organization_slug"] == env["BUILDKITE_ORGANIZATION_SLUG"]
    assert claims["pipeline_slug"] == env["BUILDKITE_PIPELINE_SLUG"]
    assert str(claims["build_number"]) == env["BUILDKITE_BUILD_NUMBER"]
    assert str(claims["sub"]).endswith(f":commit:{env['BUILDKITE_COMMIT']}:step:test")
    assert lifetime(claims) == 300


def test_audience_lifetime_and_optional_claims_are_buildkite_s_callers_to_choose(buildkite: Run) -> None:
    claims = claims_of(buildkite(*REQUEST_TOKEN, "--lifetime=60", "--claim", "organization_id,pipeline_id").stdout)
    assert claims["aud"] == "https://buildkite.com/acme"
    assert lifetime(claims) == 60
    assert {"organization_id", "pipeline_id"} <= set(claims)
    assert "cluster_id" not in claims


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("circleci", ()),
        ("circleci", ("run", "oidc")),
        ("circleci", ("version",)),
        *(("circleci", (*OIDC_GET, "--claims", claims)) for claims in ("{", "[]", '{"aud": ""}', '{"sub": "x"}')),
        ("circleci", (*OIDC_GET, "--root")),
        ("buildkite", ()),
        ("buildkite", ("oidc",)),
        *(("buildkite", (*REQUEST_TOKEN, *more)) for more in (("--lifetime", "-1"), ("--claim", "sub"))),
        ("buildkite", (*REQUEST_TOKEN, "--job", "other")),
    ],
)
def test_a_program_refuses_what_it_does_not_know(
    program: str, arguments: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    done = request.getfixturevalue(program)(*arguments)
    status, beginning = {"circleci": (255, "Error: "), "buildkite": (1, "fatal: ")}[program]
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(beginning)


def test_only_the_program_may_ask_the_emulator(emulator: Emulator) -> None:
    url = f"{emulator.base_url}/circleci/command"
    assert httpx.post(url, json={"arguments": OIDC_GET}).status_code == 401


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
