"""GitHub Actions as its jobs and its relying parties see it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import jwt
import pytest

from ant_wif.emulator import Emulator


@pytest.fixture(scope="module")
def job(running: Emulator) -> Iterator[httpx.Client]:
    request_token = running.env("github")["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    with httpx.Client(headers={"authorization": f"bearer {request_token}"}) as client:
        yield client


@pytest.fixture
def url(emulator: Emulator) -> str:
    return emulator.env("github")["ACTIONS_ID_TOKEN_REQUEST_URL"]


def test_a_job_gets_a_token_that_the_published_keys_verify(emulator: Emulator, job: httpx.Client, url: str) -> None:
    answer = job.get(f"{url}&audience=https%3A%2F%2Fapi.anthropic.com").json()
    assert answer["count"] == len(answer["value"])

    issuer = emulator.issuer("github").issuer_url
    discovery = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
    assert discovery["issuer"] == issuer
    keys = jwt.PyJWKSet.from_dict(httpx.get(discovery["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(answer["value"])["kid"]]
    claims = jwt.decode(
        answer["value"], key.key, algorithms=["RS256"], audience="https://api.anthropic.com", issuer=issuer
    )
    assert claims["sub"] == "repo:acme/app:ref:refs/heads/main"
    assert claims["repository_owner"] == "acme"
    assert claims["exp"] - claims["iat"] == 300
    assert claims["nbf"] <= claims["iat"]


def test_the_published_keys_are_public(emulator: Emulator) -> None:
    jwks = httpx.get(f"{emulator.base_url}/github/.well-known/jwks").json()
    assert set(jwks["keys"][0]) == {"kty", "use", "kid", "n", "e"}


def test_every_request_issues_a_token_of_its_own(job: httpx.Client, url: str) -> None:
    claims = [jwt.decode(job.get(url).json()["value"], options={"verify_signature": False}) for _ in range(2)]
    assert claims[0]["jti"] != claims[1]["jti"]
    assert claims[0]["aud"] == "https://github.com/acme"


@pytest.mark.parametrize("authorization", [None, "", "bearer", "bearer wrong", "bearer \xe9", "basic abc"])
def test_without_the_request_token_there_is_no_token(url: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization.encode("latin-1")}
    response = httpx.get(url, headers=headers)
    assert response.status_code == 401
    assert response.json()["type"] == "error"


def test_an_issued_token_takes_claims_and_headers_and_leaves_out_null_ones(emulator: Emulator) -> None:
    token = emulator.issue(sub="someone", jti=None, headers={"typ": None, "x5t": "y"}, lifetime=60)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("someone", 60)
    assert "jti" not in claims
    header = jwt.get_unverified_header(token)
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
        claims = jwt.decode(job.get(url).json()["value"], options={"verify_signature": False})
        assert claims["sub"] == subject
        told = httpx.get(settings, headers={"authorization": "Bearer gh-example"}).json()
        assert told["sub_claim_prefix"] == prefix
        assert told["use_immutable_subject"] == ("immutable" in options)
        assert told["use_default"] == ("include_claim_keys" not in options)
    emulator.github_subjects()


def test_a_repository_of_today_has_a_platform_and_a_rule_of_its_own(emulator: Emulator) -> None:
    claims = jwt.decode(emulator.issue("github-immutable"), options={"verify_signature": False})
    assert claims["sub"] == emulator.rule("github-immutable").subject_prefix
    assert claims["sub"] == "repo:acme@90210/app@734201985:ref:refs/heads/main"
