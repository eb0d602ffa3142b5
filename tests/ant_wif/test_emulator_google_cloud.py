"""Google Cloud as google-auth, curl and relying parties see it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest

from ant_wif.emulator import Emulator, Fault
from support import preloaded
from support.federation_grant import BETA, body
from support.tokens import claims_of

AUDIENCE = "https://api.anthropic.com"
IDENTITY = "/computeMetadata/v1/instance/service-accounts/default/identity"
EMAIL = "builder@acme-ci.iam.gserviceaccount.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

FETCH = """
import google.auth.transport.requests, google.oauth2.id_token
request = google.auth.transport.requests.Request()
credentials = google.oauth2.id_token.fetch_id_token_credentials("https://api.anthropic.com", request=request)
credentials.refresh(request)
print(credentials.token)
"""
COMPUTE_ENGINE = """
import google.auth.compute_engine, google.auth.transport.requests
request = google.auth.transport.requests.Request()
credentials = google.auth.compute_engine.IDTokenCredentials(
    request, "https://api.anthropic.com", use_metadata_identity_endpoint=True
)
credentials.refresh(request)
assert credentials.service_account_email.endswith("@acme-ci.iam.gserviceaccount.com")
print(credentials.token)
"""
DEFAULT = """
import google.auth, google.auth.transport.requests
credentials, project = google.auth.default()
credentials.refresh(google.auth.transport.requests.Request())
print(credentials.service_account_email, project, credentials.universe_domain)
"""


@pytest.fixture
def metadata(emulator: Emulator) -> Iterator[httpx.Client]:
    host = emulator.env("google_cloud")["GCE_METADATA_HOST"]
    with httpx.Client(base_url=f"http://{host}", headers={"metadata-flavor": "Google"}) as client:
        yield client


def python(program: str, environ: dict[str, str], home: Path) -> str:
    """Run a program in a process, because google-auth reads its environment when it is imported."""
    done = preloaded.run(
        [sys.executable, "-c", program],
        env={**environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("program", [FETCH, COMPUTE_ENGINE], ids=["fetch_id_token_credentials", "compute_engine"])
def test_google_auth_gets_a_token_that_the_seeded_rule_accepts(
    emulator: Emulator, tmp_path: Path, program: str
) -> None:
    token = python(program, emulator.env("google_cloud"), tmp_path)
    assert claims_of(token)["email"] == EMAIL
    assert exchange(emulator, token).status_code == 200


def test_google_auth_finds_its_default_credentials_and_the_project(emulator: Emulator, tmp_path: Path) -> None:
    assert python(DEFAULT, emulator.env("gcp"), tmp_path) == f"{EMAIL} acme-ci googleapis.com"


def test_google_auth_gets_a_token_with_a_service_account_key(emulator: Emulator, tmp_path: Path) -> None:
    key = emulator.google_service_account(tmp_path / "keys" / "key.json")
    assert Path(key).stat().st_mode & 0o777 == 0o600
    token = python(FETCH, {"GOOGLE_APPLICATION_CREDENTIALS": key}, tmp_path)
    assert claims_of(token)["azp"] == EMAIL
    assert exchange(emulator, token).status_code == 200


def exchange(emulator: Emulator, token: str) -> httpx.Response:
    request = body(emulator, token, federation_rule_id=emulator.rule("google-cloud").id)
    return httpx.post(f"{emulator.base_url}/v1/oauth/token", headers=BETA, json=request)


def test_without_format_full_there_is_no_email(metadata: httpx.Client) -> None:
    standard = claims_of(metadata.get(IDENTITY, params={"audience": AUDIENCE}).text)
    full = claims_of(metadata.get(IDENTITY, params={"audience": AUDIENCE, "format": "full"}).text)
    assert set(standard) == {"iss", "sub", "azp", "aud", "iat", "exp"}
    assert set(full) - set(standard) == {"email", "email_verified", "google"}
    assert str(full["sub"]).isdecimal()
    assert len(str(full["sub"])) == 21


def test_the_same_token_is_handed_out_until_it_nears_its_end() -> None:
    now = time.time()
    with Emulator(clock=lambda: now) as emulator:
        url, headers = f"{emulator.base_url}{IDENTITY}", {"metadata-flavor": "Google"}
        first = httpx.get(url, params={"audience": AUDIENCE}, headers=headers).text
        now += 3000
        assert httpx.get(url, params={"audience": AUDIENCE}, headers=headers).text == first
        assert httpx.get(url, params={"audience": "https://other.example"}, headers=headers).text != first
        now += 400
        assert httpx.get(url, params={"audience": AUDIENCE}, headers=headers).text != first


@pytest.mark.parametrize("headers", [{}, {"metadata-flavor": "google"}, {"x-forwarded-for": "192.0.2.1"}])
def test_what_a_browser_or_a_proxy_may_have_sent_is_refused(emulator: Emulator, headers: dict[str, str]) -> None:
    flavor = {"metadata-flavor": "Google"} if "x-forwarded-for" in headers else {}
    url = f"{emulator.base_url}{IDENTITY}?audience={AUDIENCE}"
    refused = httpx.get(url, headers=flavor | headers)
    assert refused.status_code == 403
    assert refused.headers["metadata-flavor"] == "Google"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (IDENTITY, 400),
        (f"{IDENTITY}?audience=", 400),
        (f"{IDENTITY}?audience=a&format=short", 400),
        (IDENTITY.replace("default", "other@acme-ci.iam.gserviceaccount.com") + "?audience=a", 404),
        ("/computeMetadata/v1/nothing", 404),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(metadata: httpx.Client, path: str, status: int) -> None:
    assert metadata.get(path).status_code == status


def test_the_service_account_is_found_by_its_email_too(metadata: httpx.Client) -> None:
    root = "/computeMetadata/v1/instance/service-accounts"
    assert metadata.get(f"{root}/{EMAIL}/email").text == EMAIL
    assert metadata.get(f"{root}/{EMAIL}/", params={"recursive": "true"}).json()["aliases"] == ["default"]
    assert metadata.get(f"{root}/default/token").json()["token_type"] == "Bearer"
    assert "cloud-platform" in metadata.get(f"{root}/default/scopes").text
    assert metadata.get("/").headers["metadata-flavor"] == "Google"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"aud": "https://elsewhere.example"}, "invalid_grant"),
        ({"iss": "other@acme-ci.iam.gserviceaccount.com"}, "invalid_grant"),
        ({"exp": 0}, "invalid_grant"),
        ({"exp": 4102444800}, "invalid_grant"),
        ({"target_audience": None}, "invalid_scope"),
    ],
)
def test_the_token_endpoint_wants_an_assertion_of_the_key_for_itself(
    emulator: Emulator, tmp_path: Path, changes: dict[str, object], error: str
) -> None:
    key = json.loads(Path(emulator.google_service_account(tmp_path / "key.json")).read_text())
    now = int(time.time())
    claims = {"iss": EMAIL, "aud": key["token_uri"], "iat": now, "exp": now + 600, "target_audience": AUDIENCE}
    for wanted, status in ((claims, 200), (claims | changes, 400)):
        assertion = jwt.encode(wanted, key["private_key"], algorithm="RS256")
        answer = httpx.post(key["token_uri"], data={"grant_type": GRANT, "assertion": assertion})
        assert answer.status_code == status, answer.text
    assert answer.json()["error"] == error


def test_an_assertion_of_another_key_is_refused(emulator: Emulator, tmp_path: Path) -> None:
    stranger = emulator.issue("google_cloud", iss=EMAIL, aud=f"{emulator.base_url}/google/token")
    url = f"{emulator.base_url}/google/token"
    assert "signature" in httpx.post(url, data={"grant_type": GRANT, "assertion": stranger}).json()["error_description"]
    assert httpx.post(url, json={"grant_type": GRANT}).status_code == 400
    assert httpx.post(url, data={"grant_type": "password"}).json()["error"] == "unsupported_grant_type"


def test_a_fault_at_google_meets_the_request_for_an_identity_and_no_other() -> None:
    with Emulator() as emulator:
        emulator.fail("google", Fault.status(503))
        headers = {"metadata-flavor": "Google"}
        assert httpx.get(emulator.base_url, headers=headers).status_code == 200
        url = f"{emulator.base_url}{IDENTITY}?audience={AUDIENCE}"
        assert [httpx.get(url, headers=headers).status_code for _ in range(2)] == [503, 200]
