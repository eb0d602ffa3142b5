"""AWS: an issuer that signs for whoever plays STS."""

from __future__ import annotations

import time

import httpx
import jwt
import pytest

import ant_wif
from ant_wif.emulator import Emulator
from support.jobs import federation_of

STS = "https://sts.amazonaws.com/"


def decoded(emulator: Emulator, token: str) -> dict[str, object]:
    keys = jwt.PyJWKSet.from_dict(httpx.get(f"{emulator.issuer('aws').issuer_url}/.well-known/jwks").json())
    header = jwt.get_unverified_header(token)
    claims: dict[str, object] = jwt.decode(
        token, keys[header["kid"]].key, algorithms=[header["alg"]], options={"verify_aud": False}
    )
    return claims


def test_a_token_has_the_claims_of_sts(emulator: Emulator) -> None:
    claims = decoded(emulator, emulator.issue("aws"))
    assert claims["sub"] == "arn:aws:iam::123456789012:role/ci"
    context = claims[STS]
    assert isinstance(context, dict)
    assert {"aws_account", "org_id", "principal_id", "request_tags"} <= set(context)
    assert "jti" in claims


@pytest.mark.parametrize("alg", ["RS256", "ES384"])
def test_the_rule_accepts_what_was_signed_as_aws_with_either_algorithm(emulator: Emulator, alg: str) -> None:
    claims = {"sub": "arn:aws:iam::123456789012:role/ci", "aud": "https://api.anthropic.com", "jti": alg}
    token = emulator.sign_as("aws", claims, alg)
    assert jwt.get_unverified_header(token)["alg"] == alg
    assert decoded(emulator, token)["jti"] == alg
    env = {"HOME": "/nonexistent", "ANT_CACHE": "memory", "ANTHROPIC_IDENTITY_TOKEN": token}
    federation = federation_of(emulator.env("aws"))
    assert ant_wif.resolve(environ=env | federation).token()


def test_another_process_signs_through_the_control_route(emulator: Emulator) -> None:
    claims = {"sub": "someone", "exp": 4102444800, "iat": 1, STS: {"aws_account": "1"}}
    answer = httpx.post(f"{emulator.base_url}/_emulator/aws/sign", json={"claims": claims, "alg": "ES384"})
    assert decoded(emulator, answer.json()["token"]) == {**claims, "iss": emulator.issuer("aws").issuer_url}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"claims": []}', b'{"claims": {}, "alg": 1}', b'{"claims": {}, "alg": "none"}',
     b'{"claims": {}, "alg": "ES256"}', b'{"claims": {}, "key": "other"}'],
)  # fmt: skip
def test_the_control_route_refuses_what_it_cannot_sign(emulator: Emulator, body: bytes) -> None:
    assert httpx.post(f"{emulator.base_url}/_emulator/aws/sign", content=body).status_code == 400
    assert httpx.post(f"{emulator.base_url}/_emulator/jenkins/sign", json={"claims": {}}).status_code == 400


def test_signing_adds_issuer_and_times_by_the_emulators_clock_and_leaves_out_null_claims() -> None:
    now = time.time() - 1000
    with Emulator(clock=lambda: now) as emulator:
        token = emulator.sign_as("aws", {"sub": "someone", "exp": None})
        claims = jwt.decode(token, options={"verify_signature": False})
    assert claims == {"sub": "someone", "iss": emulator.issuer("aws").issuer_url, "iat": int(now)}


def test_an_algorithm_without_a_key_cannot_be_signed_with(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="it signs with RS256, ES384"):
        emulator.sign_as("aws", {}, "ES256")
    for alg in ("ES384", "EdDSA"):
        with pytest.raises(ValueError, match=f"cannot sign with alg '{alg}'"):
            emulator.issue("github", alg=alg)


def test_a_signature_of_the_unpublished_curve_key_is_denied(emulator: Emulator) -> None:
    token = emulator.issue("aws", alg="ES384", key="other")
    with pytest.raises(jwt.InvalidSignatureError):
        decoded(emulator, token)


def test_the_job_is_a_function_that_boto3_finds_credentials_and_a_region_for(emulator: Emulator) -> None:
    env = emulator.env("aws")
    assert env["AWS_LAMBDA_FUNCTION_NAME"]
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"} <= set(env)
