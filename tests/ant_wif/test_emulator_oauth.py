"""An OAuth server such as Okta, and the ways in which its clients prove themselves."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ant_wif.emulator import Emulator, Fault
from support.identity_failures import rsa_key

GRANT = {"grant_type": "client_credentials"}
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEY = rsa_key()
PUBLIC_KEY = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

Assert = Callable[..., dict[str, str]]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as started:
        yield started


@pytest.fixture
def url(emulator: Emulator) -> str:
    return str(emulator.identity_token("oauth")["token_url"])


@pytest.fixture
def client(emulator: Emulator) -> tuple[str, str]:
    return str(emulator.identity_token("oauth")["client_id"]), emulator.env("oauth")["OAUTH_CLIENT_SECRET"]


@pytest.fixture
def assertion(url: str) -> Assert:
    def build(client_id: str, key: rsa.RSAPrivateKey = KEY, **changes: object) -> dict[str, str]:
        now = int(time.time())
        claims = {"iss": client_id, "sub": client_id, "aud": url, "iat": now, "exp": now + 60, "jti": uuid.uuid4().hex}
        wanted = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        signed = jwt.encode(wanted, key, algorithm="RS256")
        return {**GRANT, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}

    return build


def claims_of(answer: httpx.Response) -> dict[str, object]:
    assert answer.status_code == 200, answer.text
    assert "refresh_token" not in answer.json()
    claims: dict[str, object] = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    return claims


def test_a_client_gets_a_token_with_its_secret_in_the_header_or_in_the_form(url: str, client: tuple[str, str]) -> None:
    basic = httpx.post(url, data=GRANT, auth=client)
    post = httpx.post(url, data={**GRANT, "client_id": client[0], "client_secret": client[1]})
    for answer in (basic, post):
        claims = claims_of(answer)
        assert claims["sub"] == claims["cid"] == client[0]
        assert claims["aud"] == "https://api.anthropic.com"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("parameter", ["audience", "resource"])
def test_the_token_is_for_the_audience_that_was_asked_for(url: str, client: tuple[str, str], parameter: str) -> None:
    assert claims_of(httpx.post(url, data={**GRANT, parameter: "api://other"}, auth=client))["aud"] == "api://other"


@pytest.mark.parametrize("wrong", [("", ""), ("nobody", "x"), ("", "x")])
def test_a_wrong_secret_is_refused(url: str, client: tuple[str, str], wrong: tuple[str, str]) -> None:
    refused = httpx.post(url, data=GRANT, auth=(wrong[0] or client[0], wrong[1]))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({**GRANT, "scope": "admin"}, 400, "invalid_scope"),
        ({**GRANT, "client_secret": "twice"}, 401, "invalid_request"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(
    url: str, client: tuple[str, str], form: dict[str, str], status: int, error: str
) -> None:
    refused = httpx.post(url, data=form or {"x": "y"}, auth=client)
    assert (refused.status_code, refused.json()["error"]) == (status, error)


def test_what_is_not_a_form_is_refused(url: str, client: tuple[str, str]) -> None:
    assert httpx.post(url, json=GRANT, auth=client).json()["error"] == "invalid_request"
    form = {"content-type": "application/x-www-form-urlencoded"}
    for content in (b"grant_type=a&grant_type=b", b"grant_type", b"\xff=\xff"):
        assert httpx.post(url, content=content, headers=form, auth=client).json()["error"] == "invalid_request"
    for authorization in ("Basic !", "Bearer x", "Basic"):
        headers = {"authorization": authorization}
        assert httpx.post(url, data=GRANT, headers=headers).json()["error"] == "invalid_client"
    assert httpx.post(url, data=GRANT).json()["error"] == "invalid_client"


def test_a_client_with_a_key_proves_itself_with_an_assertion_once(
    emulator: Emulator, url: str, client: tuple[str, str], assertion: Assert
) -> None:
    registered = emulator.oauth_client(client_id=client[0], public_key=PUBLIC_KEY)
    assert registered.client_secret is None
    form = assertion(client[0])
    assert claims_of(httpx.post(url, data=form))["sub"] == client[0]
    again = httpx.post(url, data=form)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert httpx.post(url, data=GRANT, auth=client).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://elsewhere.example"},
        {"exp": 0},
        {"exp": None},
        {"sub": "other"},
        {"iss": "other"},
        {"jti": None},
        {"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)},
    ],
)
def test_an_assertion_that_is_not_for_this_server_now_is_refused(
    emulator: Emulator, url: str, assertion: Assert, changes: dict[str, object]
) -> None:
    client_id = emulator.oauth_client(public_key=PUBLIC_KEY).client_id
    refused = httpx.post(url, data=assertion(client_id, **changes))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert claims_of(httpx.post(url, data=assertion(client_id)))["sub"] == client_id


def test_a_client_of_ones_own_is_not_the_one_that_the_rule_accepts(emulator: Emulator, url: str) -> None:
    registered = emulator.oauth_client()
    assert registered.client_secret is not None
    assert registered.client_secret not in repr(registered)
    claims = claims_of(httpx.post(url, data=GRANT, auth=(registered.client_id, registered.client_secret)))
    assert claims["sub"] == registered.client_id != emulator.rule("oauth").subject_prefix


def test_what_is_not_a_public_key_cannot_be_registered(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="public key"):
        emulator.oauth_client(public_key="-----BEGIN NONSENSE-----")


def test_a_fault_at_oauth_meets_the_next_request(emulator: Emulator, url: str, client: tuple[str, str]) -> None:
    emulator.fail("oauth", Fault.status(503))
    assert [httpx.post(url, data=GRANT, auth=client).status_code for _ in range(2)] == [503, 200]
