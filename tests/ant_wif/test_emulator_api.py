"""What a credential is good for: the models, and who may list them."""

from __future__ import annotations

import anthropic
import httpx
import pytest

from ant_wif.emulator import Emulator
from support.federation_grant import exchange
from support.samples import MODEL

VERSION = {"anthropic-version": "2026-10-21"}
OAUTH = {"anthropic-beta": "other-beta, oauth-2025-04-20"}


@pytest.fixture
def key(emulator: Emulator) -> dict[str, str]:
    return {"x-api-key": emulator.api_key, **VERSION}


def access_token(emulator: Emulator, client: httpx.Client) -> str:
    return str(exchange(client, emulator).json()["access_token"])


def test_a_federated_token_lists_models_in_the_workspace_it_is_bound_to(
    emulator: Emulator, client: httpx.Client
) -> None:
    headers = {"authorization": f"bearer {access_token(emulator, client)}", **OAUTH, **VERSION}
    response = client.get("/v1/models", headers=headers)
    assert response.status_code == 200
    assert set(response.json()["data"][0]) == set(anthropic.types.ModelInfo.model_fields)
    assert response.headers["request-id"].startswith("req_")
    assert response.headers["anthropic-organization-id"] == emulator.organization_id
    assert response.headers["anthropic-workspace-id"] == emulator.rule("github").workspace_ids[0]


def test_a_key_is_accepted_in_either_header_without_a_beta(emulator: Emulator, client: httpx.Client) -> None:
    for name, value in (("authorization", f"Bearer {emulator.api_key}"), ("x-api-key", emulator.api_key)):
        response = client.get("/v1/models", headers={name: value, **VERSION})
        assert response.status_code == 200
        assert response.headers["anthropic-workspace-id"].startswith("wrkspc_")


def test_wrong_missing_and_doubled_credentials_are_refused(emulator: Emulator, client: httpx.Client) -> None:
    token, api_key = access_token(emulator, client), emulator.api_key
    for headers in (
        {},
        {"authorization": f"Basic {token}", **OAUTH},
        {"authorization": "Bearer", **OAUTH},
        {"authorization": f"Bearer {token}x", **OAUTH},
        {"x-api-key": token, **OAUTH},
        {"x-api-key": "sk-ant-api03-unknown"},
        {"authorization": f"Bearer {token}", "x-api-key": token, **OAUTH},
        {"authorization": f"Bearer {token}", "x-api-key": api_key, **OAUTH},
        {"authorization": f"Bearer {api_key}", "x-api-key": "sk-ant-api03-unknown"},
        {"authorization": "Bearer sk-ant-api03-unknown", "x-api-key": "sk-ant-api03-unknown"},
        {"authorization": f"Basic {api_key}", "x-api-key": api_key},
    ):
        response = client.get("/v1/models", headers={**headers, **VERSION})
        assert response.status_code == 401, headers
        assert response.json()["error"]["type"] == "authentication_error"
        assert response.json()["request_id"] == response.headers["request-id"]


def test_the_same_key_in_both_headers_is_accepted(emulator: Emulator, client: httpx.Client) -> None:
    headers = {"authorization": f"Bearer {emulator.api_key}", "x-api-key": emulator.api_key, **VERSION}
    assert client.get("/v1/models", headers=headers).status_code == 200


def test_an_oauth_token_needs_its_beta_only_where_that_is_demanded() -> None:
    with (
        Emulator(require_oauth_beta=True) as strict,
        Emulator() as usual,
        httpx.Client() as client,
    ):
        for emulator, status in ((strict, 401), (strict.spawn(), 401), (usual, 200)):
            headers = {"authorization": f"Bearer {emulator.login().access_token}", **VERSION}
            assert client.get(f"{emulator.base_url}/v1/models", headers=headers).status_code == status
            assert client.get(f"{emulator.base_url}/v1/models", headers={**headers, **OAUTH}).status_code == 200


def test_betas_of_its_own_do_not_cost_an_sdk_client_its_credential(emulator: Emulator) -> None:
    """The SDK puts the betas of a call in the place of those that the client was made with."""
    token = emulator.login().access_token
    with anthropic.Anthropic(
        auth_token=token,
        base_url=emulator.base_url,
        default_headers={"anthropic-beta": "oauth-2025-04-20"},
        max_retries=0,
    ) as sdk:
        answer = sdk.beta.messages.create(
            model=MODEL,
            max_tokens=9,
            messages=[{"role": "user", "content": "Hello"}],
            betas=["context-management-2025-06-27", "output-300k-2026-03-24"],
        )
    assert answer.usage.output_tokens > 0


def test_a_revoked_token_is_refused(emulator: Emulator, client: httpx.Client) -> None:
    token = access_token(emulator, client)
    headers = {"authorization": f"Bearer {token}", **OAUTH, **VERSION}
    assert client.get("/v1/models", headers=headers).status_code == 200
    emulator.revoke(token)
    assert client.get("/v1/models", headers=headers).status_code == 401


def test_a_token_expires_by_the_emulators_clock() -> None:
    now = 1_800_000_000.0
    with Emulator(clock=lambda: now) as emulator, httpx.Client(base_url=emulator.base_url) as client:
        headers = {"authorization": f"Bearer {access_token(emulator, client)}", **OAUTH, **VERSION}
        now += 599
        assert client.get("/v1/models", headers=headers).status_code == 200
        now += 1
        assert client.get("/v1/models", headers=headers).status_code == 401


@pytest.mark.parametrize("version", [None, "", "latest"])
def test_a_version_is_required(client: httpx.Client, key: dict[str, str], version: str | None) -> None:
    del key["anthropic-version"]
    headers = key if version is None else {**key, "anthropic-version": version}
    response = client.get("/v1/files", headers=headers)
    assert response.status_code == 400
    assert "anthropic-version" in response.json()["error"]["message"]


def page(client: httpx.Client, key: dict[str, str], **query: str) -> dict[str, object]:
    response = client.get("/v1/models", params=query, headers=key)
    assert response.status_code == 200
    return dict(response.json())


def ids(listed: dict[str, object]) -> list[str]:
    data = listed["data"]
    assert isinstance(data, list)
    return [model["id"] for model in data]


def test_pages_lead_through_all_models_in_both_directions(client: httpx.Client, key: dict[str, str]) -> None:
    everything = ids(page(client, key))
    assert len(everything) >= 5

    forward, cursor = [], page(client, key, limit="2")
    forward += ids(cursor)
    while cursor["has_more"]:
        cursor = page(client, key, limit="2", after_id=str(cursor["last_id"]))
        forward += ids(cursor)
    assert forward == everything

    backward, cursor = [], page(client, key, limit="2", before_id=everything[-1])
    backward = ids(cursor)
    while cursor["has_more"]:
        cursor = page(client, key, limit="2", before_id=str(cursor["first_id"]))
        backward = ids(cursor) + backward
    assert backward == everything[:-1]


def test_the_page_after_the_last_model_is_empty(client: httpx.Client, key: dict[str, str]) -> None:
    last = str(page(client, key)["last_id"])
    empty = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert page(client, key, after_id=last) == empty


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "ten"},
        {"limit": ""},
        {"limit": "1_0"},
        {"limit": "٣"},
        {"limit": "9" * 5000},
        {"after_id": "unknown"},
        {"before_id": ""},
        {"after_id": "a", "before_id": "b"},
    ],
)
def test_a_wrong_query_is_refused(client: httpx.Client, key: dict[str, str], query: dict[str, str]) -> None:
    response = client.get("/v1/models", params=query, headers=key)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_model_is_found_by_its_id_and_an_unknown_one_is_not(client: httpx.Client, key: dict[str, str]) -> None:
    known = ids(page(client, key))[0]
    assert client.get(f"/v1/models/{known}", headers=key).json()["id"] == known
    for unknown in ("gpt-1", "claude-", "claude-%20a", "claude-%C3%A4", "%ff", "%0a%1b[31m"):
        response = client.get(f"/v1/models/{unknown}", headers=key)
        assert response.status_code == 404
        assert response.json()["error"]["type"] == "not_found_error"
        assert response.headers["anthropic-organization-id"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/models/", "/v1/models/a/b", "/v2/oauth/token", "/%00"])
def test_an_unknown_path_is_not_found_in_the_apis_shape(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    assert response.json()["request_id"] == response.headers["request-id"]


def test_a_wrong_method_is_refused_in_the_apis_shape(client: httpx.Client, key: dict[str, str]) -> None:
    response = client.post("/v1/models", headers=key)
    assert (response.status_code, response.json()["type"]) == (405, "error")
