"""Azure as App Service, virtual machines and AKS pods see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from ant_wif.emulator import Emulator, Fault
from support.federation_grant import BETA, body
from support.tokens import claims_of

Fetch = Callable[..., httpx.Response]


@pytest.fixture
def app_service(emulator: Emulator) -> Fetch:
    env = emulator.env("azure")

    def fetch(header: str = env["IDENTITY_HEADER"], **query: str) -> httpx.Response:
        query = {"api-version": "2019-08-01", "resource": env["ANT_IDENTITY_AUDIENCE"], **query}
        return httpx.get(env["IDENTITY_ENDPOINT"], params=query, headers={"x-identity-header": header})

    return fetch


@pytest.fixture
def imds(emulator: Emulator) -> Fetch:
    env = emulator.env("azure-vm")

    def fetch(headers: dict[str, str] | None = None, **query: str) -> httpx.Response:
        query = {"api-version": "2018-02-01", "resource": env["ANT_IDENTITY_AUDIENCE"], **query}
        url = f"{env['AZURE_POD_IDENTITY_AUTHORITY_HOST']}/metadata/identity/oauth2/token"
        return httpx.get(url, params=query, headers={"metadata": "true"} if headers is None else headers)

    return fetch


@pytest.fixture
def entra(emulator: Emulator) -> Fetch:
    env = emulator.env("azure-aks")

    def fetch(tenant: str = env["AZURE_TENANT_ID"], **fields: str) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": env["AZURE_CLIENT_ID"],
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": Path(env["AZURE_FEDERATED_TOKEN_FILE"]).read_text(),
            "scope": f"{env['ANT_IDENTITY_AUDIENCE']}/.default",
            **fields,
        }
        url = f"{env['AZURE_AUTHORITY_HOST']}{tenant}/oauth2/v2.0/token"
        return httpx.post(url, data={name: value for name, value in form.items() if value})

    return fetch


def exchange(emulator: Emulator, token: str) -> httpx.Response:
    request = body(emulator, token, federation_rule_id=emulator.rule("azure").id)
    return httpx.post(f"{emulator.base_url}/v1/oauth/token", headers=BETA, json=request)


@pytest.mark.parametrize("service", ["app_service", "imds", "entra"])
def test_every_service_hands_out_a_token_that_the_seeded_rule_accepts_once(
    emulator: Emulator, service: str, request: pytest.FixtureRequest
) -> None:
    fetch: Fetch = request.getfixturevalue(service)
    answer = fetch(bypass_cache="true").json()
    assert answer["token_type"] == "Bearer"
    assert [exchange(emulator, answer["access_token"]).status_code for _ in range(2)] == [200, 401]
    assert emulator.history[-1].reason == "jti_reused"


@pytest.mark.parametrize("service", ["app_service", "imds"])
def test_a_managed_identity_gets_the_same_token_unless_the_cache_is_bypassed(
    service: str, request: pytest.FixtureRequest
) -> None:
    fetch: Fetch = request.getfixturevalue(service)
    first, second, third = (
        claims_of(fetch(**query).json()["access_token"]) for query in ({}, {}, {"bypass_cache": "true"})
    )
    assert first == second
    assert first["jti"] != third["jti"]
    assert first["uti"] != third["uti"]


def test_a_cached_token_is_refreshed_before_the_day_is_over() -> None:
    now = time.time()
    with Emulator(clock=lambda: now) as emulator:
        env = emulator.env("azure")
        query = {"api-version": "2019-08-01", "resource": env["ANT_IDENTITY_AUDIENCE"]}
        headers = {"x-identity-header": env["IDENTITY_HEADER"]}
        first = httpx.get(env["IDENTITY_ENDPOINT"], params=query, headers=headers).json()
        now += 80_000
        assert httpx.get(env["IDENTITY_ENDPOINT"], params=query, headers=headers).json() == first
        now += 6_300
        assert httpx.get(env["IDENTITY_ENDPOINT"], params=query, headers=headers).json() != first


def test_a_v2_token_is_for_the_application_id_and_a_v1_token_for_the_resource(
    emulator: Emulator, app_service: Fetch
) -> None:
    new = claims_of(app_service().json()["access_token"])
    assert (new["ver"], new["iss"]) == ("2.0", emulator.issuer("azure").issuer_url)
    assert emulator.env("azure")["ANT_IDENTITY_AUDIENCE"] == f"api://{new['aud']}"
    assert new["sub"] == new["oid"]

    old = claims_of(app_service(resource="api://legacy-v1").json()["access_token"])
    assert (old["ver"], old["aud"]) == ("1.0", "api://legacy-v1")
    assert old["iss"] == str(new["iss"]).removesuffix("v2.0")
    assert "azp" not in old


@pytest.mark.parametrize("resource", ["api://legacy-v1", ""])
def test_both_issuers_publish_the_key_that_verifies_their_tokens(
    emulator: Emulator, app_service: Fetch, resource: str
) -> None:
    token = app_service(**({"resource": resource} if resource else {})).json()["access_token"]
    issuer = str(claims_of(token)["iss"])
    discovery = httpx.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration").json()
    assert discovery["issuer"] == issuer
    keys = jwt.PyJWKSet.from_dict(httpx.get(discovery["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key.key, algorithms=["RS256"], options={"verify_aud": False})


@pytest.mark.parametrize(
    ("resource", "code"), [("https://api.anthropic.com", 500011), ("api://nothing", 500011), ("nothing", 50001)]
)
@pytest.mark.parametrize("service", ["app_service", "imds", "entra"])
def test_an_unknown_resource_is_refused_with_entras_number(
    service: str, resource: str, code: int, request: pytest.FixtureRequest
) -> None:
    fetch: Fetch = request.getfixturevalue(service)
    answer = fetch(resource=resource, scope=f"{resource}/.default")
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_resource"
    assert answer.json()["error_codes"] == [code]
    assert answer.json()["error_description"].startswith(f"AADSTS{code}: ")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"api-version": "2017-09-01"}, "api-version"),
        ({"resource": ""}, "resource"),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, "No User Assigned or Delegated Managed Identity"),
    ],
)
def test_app_service_says_what_is_wrong_with_a_request(app_service: Fetch, query: dict[str, str], words: str) -> None:
    answer = app_service(**query)
    assert answer.json()["statusCode"] == answer.status_code == 400
    assert words in answer.json()["message"]


def test_app_service_wants_its_header(app_service: Fetch) -> None:
    assert app_service(header="wrong").status_code == 401


@pytest.mark.parametrize(
    ("headers", "query", "words"),
    [
        ({}, {}, "metadata header"),
        ({"metadata": "true", "x-forwarded-for": "192.0.2.1"}, {}, "X-Forwarded-For"),
        (None, {"api-version": "1999-01-01"}, "api-version"),
        (None, {"resource": ""}, "'resource' is missing"),
        (None, {"client_id": "00000000-0000-0000-0000-000000000000"}, "Identity not found"),
    ],
)
def test_imds_says_what_is_wrong_with_a_request(
    imds: Fetch, headers: dict[str, str] | None, query: dict[str, str], words: str
) -> None:
    answer = imds(headers, **query)
    assert answer.status_code == 400
    assert words in answer.text


def test_a_user_assigned_identity_is_chosen_by_its_client_id(emulator: Emulator, imds: Fetch) -> None:
    assert imds(client_id=emulator.env("azure-aks")["AZURE_CLIENT_ID"]).status_code == 200


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"client_assertion": ""}, 900144),
        ({"tenant": "00000000-0000-0000-0000-000000000000"}, 90002),
        ({"grant_type": "password"}, 70003),
        ({"client_id": "nobody"}, 700016),
        ({"client_assertion_type": "password"}, 900141),
        ({"client_assertion": "x.y.z"}, 700027),
        ({"scope": "api://nothing"}, 1002012),
    ],
)
def test_entra_says_what_is_wrong_with_a_request(entra: Fetch, fields: dict[str, str], code: int) -> None:
    answer = entra(**fields)
    assert answer.status_code in {400, 401}
    assert answer.json()["error_codes"] == [code]


def cluster_token(emulator: Emulator, **changes: object) -> str:
    claims: dict[str, Any] = {"aud": "api://AzureADTokenExchange", **changes}
    return emulator.issue("kubernetes", **claims)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sub": "system:serviceaccount:ci:other"}, 70021),
        ({"iss": "https://elsewhere.example"}, 70021),
        ({"exp": 0}, 700024),
        ({"aud": "https://api.anthropic.com"}, 700027),
    ],
)
def test_entra_trusts_one_service_account_of_the_cluster(
    emulator: Emulator, entra: Fetch, changes: dict[str, object], code: int
) -> None:
    assertion = cluster_token(emulator, **changes)
    assert entra(client_assertion=assertion).json()["error_codes"] == [code]


def test_a_fault_at_azure_meets_all_three_services() -> None:
    with Emulator() as emulator:
        env = emulator.env("azure")
        emulator.fail("azure", Fault.status(500), times=3)
        for method, path in (
            ("GET", "/azure/msi/token"),
            ("GET", "/metadata/identity/oauth2/token"),
            ("POST", "/azure/x/oauth2/v2.0/token"),
        ):
            assert httpx.request(method, f"{env['ANTHROPIC_BASE_URL']}{path}").status_code == 500
