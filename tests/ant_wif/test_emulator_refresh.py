"""The refresh grant and the logins it keeps alive: one token at a time, and never the same twice."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict

import httpx
import pytest

from ant_wif.emulator import Emulator, Login
from support.clock import Clock, advance
from support.federation_grant import exchange
from support.processes import in_threads
from support.samples import pairs

BETA = {"anthropic-beta": "oauth-2025-04-20"}
VERSION = {"anthropic-version": "2026-10-21"}
FEDERATION_BETA = "oidc-federation-2026-04-01"


@pytest.fixture
def emulator(emulator: Emulator) -> Emulator:
    emulator.clock = Clock(1_800_000_000.5)
    return emulator


@pytest.fixture
def login(emulator: Emulator) -> Login:
    return emulator.login()


def refresh(client: httpx.Client, login: Login, *, beta: str = "oauth-2025-04-20", **changes: object) -> httpx.Response:
    complete = {
        "grant_type": "refresh_token",
        "refresh_token": login.refresh_token,
        "client_id": login.client_id,
        **changes,
    }
    body = {name: value for name, value in complete.items() if value is not ...}
    return client.post("/v1/oauth/token", json=body, headers={"anthropic-beta": beta} if beta else {})


def list_models(client: httpx.Client, token: str, **headers: str) -> httpx.Response:
    return client.get("/v1/models", headers={"authorization": f"Bearer {token}", **BETA, **VERSION, **headers})


def federation_token(emulator: Emulator, client: httpx.Client) -> str:
    return str(exchange(client, emulator).json()["access_token"])


def test_a_login_has_what_a_client_writes_into_a_credentials_file(emulator: Emulator) -> None:
    login = emulator.login()
    assert login.access_token.startswith("sk-ant-oat01-")
    assert login.refresh_token.startswith("sk-ant-ort01-")
    assert login.expires_at == 1_800_000_000 + 3600
    assert login.scope == "user:profile user:inference user:developer"
    assert login.organization_uuid == emulator.organization_id
    assert (login.organization_name, login.workspace_name) == ("Acme", "default")
    assert "@" in login.account_email
    assert login.client_id == "41077d10-94b8-4194-be48-d251e9eb21b4"
    assert json.loads(json.dumps(asdict(login)))["workspace_id"] == login.workspace_id


def test_a_login_can_be_had_in_another_workspace_scope_lifetime_and_client(emulator: Emulator) -> None:
    engineering = emulator.rule().workspace_ids[0]
    login = emulator.login(scope="org:admin", workspace_id=engineering, lifetime=60, client_id="mine")
    assert (login.scope, login.client_id) == ("org:admin", "mine")
    assert (login.workspace_id, login.workspace_name) == (engineering, "Engineering")
    assert login.expires_at == 1_800_000_060


def test_the_secrets_of_a_login_do_not_show_and_cannot_be_replaced(login: Login) -> None:
    assert "sk-ant" not in repr(login)
    with pytest.raises(FrozenInstanceError):
        login.refresh_token = "another"  # type: ignore[misc]  # that it is refused is the point


def test_a_login_to_a_workspace_or_for_a_time_that_cannot_be_is_an_error(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="wrkspc_01none"):
        emulator.login(workspace_id="wrkspc_01none")
    with pytest.raises(ValueError, match="lifetime 0"):
        emulator.login(lifetime=0)


def test_a_refresh_hands_out_new_tokens_and_says_whose_they_are(
    emulator: Emulator, client: httpx.Client, login: Login
) -> None:
    response = refresh(client, login)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    granted = response.json()
    assert granted.pop("access_token").startswith("sk-ant-oat01-")
    assert granted.pop("refresh_token").startswith("sk-ant-ort01-")
    assert len(granted["account"].pop("uuid")) == 36
    assert granted == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": login.scope,
        "organization": {"uuid": emulator.organization_id, "name": "Acme"},
        "account": {"email_address": login.account_email},
        "workspace": {"id": login.workspace_id, "name": "default"},
    }


def test_the_refresh_token_rotates(emulator: Emulator, client: httpx.Client, login: Login) -> None:
    assert emulator.is_live_refresh_token(login.refresh_token)
    second = refresh(client, login).json()["refresh_token"]
    assert not emulator.is_live_refresh_token(login.refresh_token)
    assert emulator.is_live_refresh_token(second)

    assert refresh(client, login).status_code == 400
    assert emulator.refreshes[-1].reason == "refresh_token_reused"
    assert emulator.is_live_refresh_token(second), "the login survives a reuse"
    assert refresh(client, login, refresh_token=second).status_code == 200


def test_every_denial_is_the_same_invalid_grant(emulator: Emulator, client: httpx.Client, login: Login) -> None:
    ended = emulator.login()
    emulator.revoke(ended.refresh_token)
    denied = {
        "refresh_token_unknown": refresh(client, login, refresh_token="never handed out"),
        "client_id_mismatch": refresh(client, login, client_id="another"),
        "refresh_token_revoked": refresh(client, ended),
    }
    refresh(client, login)
    denied["refresh_token_reused"] = refresh(client, login)
    for response in denied.values():
        assert response.status_code == 400
        assert response.json() == {"error": "invalid_grant", "error_description": "Refresh token not found or invalid"}
        assert response.headers["request-id"].startswith("req_")
    reasons = {record.request_id: record.reason for record in emulator.refreshes}
    assert [reasons[response.headers["request-id"]] for response in denied.values()] == list(denied)


def test_an_access_token_is_not_a_refresh_token(emulator: Emulator, client: httpx.Client, login: Login) -> None:
    assert refresh(client, login, refresh_token=login.access_token).status_code == 400
    assert list_models(client, login.refresh_token).status_code == 401
    assert not emulator.is_live_refresh_token(login.access_token)


def test_of_two_simultaneous_refreshes_exactly_one_wins(emulator: Emulator) -> None:
    for _ in range(20):
        login = emulator.login()
        statuses = in_threads(2, emulator.base_url, lambda own, login=login: refresh(own, login).status_code)
        assert sorted(statuses) == [200, 400]
    reasons = [record.reason for record in emulator.refreshes]
    assert (reasons.count(None), reasons.count("refresh_token_reused")) == (20, 20)


def test_the_history_tells_of_each_refresh_and_holds_no_token(
    emulator: Emulator, client: httpx.Client, login: Login
) -> None:
    granted = refresh(client, login)
    refresh(client, login)
    refresh(client, login, refresh_token="never handed out")
    refresh(client, login, refresh_token=...)
    assert [
        (record.grant_type, record.outcome, record.status, record.reason, record.workspace_id)
        for record in emulator.refreshes
    ] == [
        ("refresh_token", "granted", 200, None, login.workspace_id),
        ("refresh_token", "denied", 400, "refresh_token_reused", login.workspace_id),
        ("refresh_token", "denied", 400, "refresh_token_unknown", None),
        ("refresh_token", "invalid", 400, None, None),
    ]
    first = emulator.refreshes[0]
    assert (first.at, first.request_id) == (emulator.clock(), granted.headers["request-id"])
    shown = client.get("/_emulator/history").text
    assert not any(secret in shown for secret in (login.refresh_token, granted.json()["refresh_token"], "sk-ant"))


def test_exchanges_and_refreshes_are_counted_apart(emulator: Emulator, client: httpx.Client, login: Login) -> None:
    refresh(client, login)
    federation_token(emulator, client)
    assert (emulator.exchanges, len(emulator.refreshes), len(emulator.history)) == (1, 1, 2)
    emulator.clear_history()
    assert (emulator.exchanges, emulator.refreshes) == (0, [])


@pytest.mark.parametrize("beta", ["", "another", f"oauth-2025-04-20,{FEDERATION_BETA}", FEDERATION_BETA])
def test_the_oauth_beta_is_needed_and_the_federation_beta_refused(
    emulator: Emulator, client: httpx.Client, login: Login, beta: str
) -> None:
    response = refresh(client, login, beta=beta)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("anthropic-beta: ")
    assert emulator.is_live_refresh_token(login.refresh_token)


@pytest.mark.parametrize(
    ("field", "value"),
    pairs(
        {
            "refresh_token": [..., "", None, ["a"]],
            "client_id": [..., "", 5],
            "grant_type": [...],
            "scope": ["user:profile"],
            "assertion": ["a.b.c"],
            "organization_id": ["0f3c1a52-7b7e-4a51-9c0e-6c1f2d3e4b5a"],
        }
    ),
)
def test_a_malformed_request_is_told_its_field_and_uses_nothing_up(
    emulator: Emulator, client: httpx.Client, login: Login, field: str, value: object
) -> None:
    response = refresh(client, login, **{field: value})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["message"].startswith(f"{field}: ")
    assert (emulator.history[-1].outcome, emulator.history[-1].status) == ("invalid", 400)
    assert emulator.is_live_refresh_token(login.refresh_token)


def test_the_access_tokens_of_a_login_call_the_api_until_they_expire(emulator: Emulator, client: httpx.Client) -> None:
    login = emulator.login(lifetime=60)
    assert list_models(client, login.access_token).headers["anthropic-workspace-id"] == login.workspace_id
    advance(emulator, 60)
    assert list_models(client, login.access_token).status_code == 401

    granted = refresh(client, login).json()
    assert granted["expires_in"] == 60
    assert list_models(client, granted["access_token"]).status_code == 200


def test_a_refresh_leaves_the_earlier_access_token_its_time(
    emulator: Emulator, client: httpx.Client, login: Login
) -> None:
    refresh(client, login)
    assert list_models(client, login.access_token).status_code == 200


def test_to_revoke_any_refresh_token_of_a_login_ends_it(emulator: Emulator, client: httpx.Client, login: Login) -> None:
    second = refresh(client, login).json()["refresh_token"]
    emulator.revoke(login.refresh_token)
    assert not emulator.is_live_refresh_token(second)
    assert refresh(client, login, refresh_token=second).status_code == 400
    assert emulator.refreshes[-1].reason == "refresh_token_revoked"


def test_a_header_chooses_the_workspace_for_a_login_and_for_nothing_else(
    emulator: Emulator, client: httpx.Client, login: Login
) -> None:
    engineering = emulator.rule().workspace_ids[0]
    chosen = list_models(client, login.access_token, **{"anthropic-workspace-id": engineering})
    assert (chosen.status_code, chosen.headers["anthropic-workspace-id"]) == (200, engineering)
    default = list_models(client, login.access_token, **{"anthropic-workspace-id": "default"})
    assert default.headers["anthropic-workspace-id"] == login.workspace_id != engineering
    assert list_models(client, login.access_token).headers["anthropic-workspace-id"] == login.workspace_id

    federated = federation_token(emulator, client)
    for other in (login.workspace_id, "wrkspc_01none"):
        answer = list_models(client, federated, **{"anthropic-workspace-id": other})
        assert (answer.status_code, answer.headers["anthropic-workspace-id"]) == (200, engineering)


@pytest.mark.parametrize("wanted", ["wrkspc_01none", ""])
def test_a_workspace_that_a_login_does_not_have_is_refused(client: httpx.Client, login: Login, wanted: str) -> None:
    answer = list_models(client, login.access_token, **{"anthropic-workspace-id": wanted})
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")
