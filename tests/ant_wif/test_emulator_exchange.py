"""The token endpoint: strict about the request, silent about the reason, and once per assertion."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from ant_wif.emulator import Emulator
from support.clock import Clock, advance
from support.federation_grant import BETA, GRANT_TYPE, body, exchange
from support.processes import in_threads
from support.registrations import as_seeded
from support.samples import pairs


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    """The emulator of the module, as seeded: a key takes a tenth of a second to generate."""
    running.clock = Clock()
    with as_seeded(running):
        yield running


def test_a_token_of_the_seeded_job_is_exchanged(emulator: Emulator, client: httpx.Client) -> None:
    response = exchange(client, emulator, emulator.issue())
    assert response.status_code == 200
    granted = response.json()
    assert granted["access_token"].startswith("sk-ant-oat01-")
    assert len(granted["access_token"]) >= 80
    assert granted["token_type"] == "Bearer"
    assert granted["expires_in"] == 600
    assert granted["scope"] == "workspace:developer"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["request-id"].startswith("req_")
    assert emulator.exchanges == 1


def test_the_history_tells_what_happened_and_holds_no_token(emulator: Emulator, client: httpx.Client) -> None:
    assertion = emulator.issue()
    granted = exchange(client, emulator, assertion)
    exchange(client, emulator, assertion)
    client.post("/v1/oauth/token", json={})
    first, second, third = emulator.history
    assert (first.outcome, first.status, first.reason) == ("granted", 200, None)
    assert first.request_id == granted.headers["request-id"]
    assert first.rule_id == emulator.rule("github").id
    assert first.issuer == f"{emulator.base_url}/github"
    assert first.workspace_id == emulator.rule("github").workspace_ids[0]
    assert first.at == emulator.clock()
    assert first.unverified_claims is not None
    assert first.unverified_claims["sub"] == "repo:acme/app:ref:refs/heads/main"
    assert (second.outcome, second.status, second.reason) == ("denied", 401, "jti_reused")
    assert (third.outcome, third.status, third.reason) == ("invalid", 400, None)

    shown = client.get("/_emulator/history").text
    assert [record["outcome"] for record in json.loads(shown)["data"]] == ["granted", "denied", "invalid"]
    assert granted.json()["access_token"] not in shown
    assert not any(part in shown for part in assertion.split("."))


def test_a_change_of_rule_or_issuer_takes_effect_at_once(emulator: Emulator, client: httpx.Client) -> None:
    emulator.update_rule("github", audience="mine", token_lifetime_seconds=61)
    assert exchange(client, emulator, emulator.issue(aud="mine")).json()["expires_in"] == 61
    emulator.update_issuer("github", check_jti=False)
    assertion = emulator.issue(aud="mine")
    assert [exchange(client, emulator, assertion).status_code for _ in range(2)] == [200, 200]


def test_of_fifty_simultaneous_exchanges_of_one_assertion_one_wins(emulator: Emulator) -> None:
    assertion = emulator.issue()
    statuses = in_threads(50, emulator.base_url, lambda own: exchange(own, emulator, assertion).status_code)
    assert (statuses.count(200), statuses.count(401)) == (1, 49)
    assert [record.reason for record in emulator.history].count("jti_reused") == 49
    assert emulator.exchanges == 1


def test_a_spent_assertion_stays_spent_for_as_long_as_it_would_be_accepted(
    emulator: Emulator, client: httpx.Client
) -> None:
    assertion = emulator.issue()
    exchange(client, emulator, assertion)
    for seconds, reason in ((329, "jti_reused"), (1, "expired")):
        advance(emulator, seconds)
        exchange(client, emulator, assertion)
        assert emulator.history[-1].reason == reason


def test_a_workspace_asked_for_or_not_is_the_rules_only_one(emulator: Emulator, client: httpx.Client) -> None:
    workspace_id = emulator.env("github")["ANTHROPIC_WORKSPACE_ID"]
    exchange(client, emulator, emulator.issue())
    exchange(client, emulator, emulator.issue(), workspace_id=workspace_id)
    exchange(client, emulator, emulator.issue(), workspace_id="default")
    assert [(record.workspace_id, record.reason) for record in emulator.history] == [
        (workspace_id, None),
        (workspace_id, None),
        ("default", "workspace_not_enabled"),
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    pairs(
        {
            "assertion": [..., "", None, 5],
            "federation_rule_id": [..., "github", "fdrl_", "fdrl_01\n", ["fdrl_01"]],
            "organization_id": [..., "org_01", None],
            "service_account_id": ["", None, "ci"],
            "workspace_id": ["", None, "Default", {}],
            "grant_type": [..., "", "client_credentials", [GRANT_TYPE]],
            "scope": ["workspace:developer"],
            "audience": ["https://api.anthropic.com"],
        }
    ),
)
def test_a_malformed_request_is_told_its_field(
    emulator: Emulator, client: httpx.Client, field: str, value: object
) -> None:
    request = body(emulator, emulator.issue(), **{field: value})
    response = client.post("/v1/oauth/token", json=request, headers=BETA)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["message"].startswith(f"{field}: ")
    assert response.json()["request_id"] == response.headers["request-id"]
    assert (emulator.history[-1].outcome, emulator.history[-1].status) == ("invalid", 400)


@pytest.mark.parametrize(
    "beta", [None, "", "oauth-2025-04-20", "oidc-federation-2026-04-01", "oauth-2025-04-20 oidc-federation-2026-04-01"]
)
def test_both_beta_headers_are_needed(emulator: Emulator, client: httpx.Client, beta: str | None) -> None:
    headers = {} if beta is None else {"anthropic-beta": beta}
    response = client.post("/v1/oauth/token", json=body(emulator, "a.b.c"), headers=headers)
    assert response.status_code == 400
    assert "anthropic-beta" in response.json()["error"]["message"]


def test_a_body_over_64_kib_is_refused_whether_announced_or_not(emulator: Emulator, client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield from [b" " * 16_384] * 5

    for content in (b" " * 65_537, chunks()):
        response = client.post("/v1/oauth/token", content=content, headers={"content-type": "application/json"})
        assert response.status_code == 413
        assert response.json()["error"]["type"] == "request_too_large"
    assert [record.status for record in emulator.history] == [413, 413]


def test_odd_claims_do_not_break_the_history(emulator: Emulator, client: httpx.Client) -> None:
    nested: object = 1
    for _ in range(200):
        nested = [nested]
    assert exchange(client, emulator, emulator.issue(odd="\ud800", deep=nested)).status_code == 200
    assert client.get("/_emulator/history").json()["data"][-1]["unverified_claims"]["odd"] == "\ud800"


def test_only_post_is_answered(client: httpx.Client) -> None:
    response = client.get("/v1/oauth/token")
    assert (response.status_code, response.json()["type"]) == (405, "error")
    assert response.headers["allow"] == "POST"


def test_clearing_the_history_does_not_give_assertions_back(emulator: Emulator, client: httpx.Client) -> None:
    assertion = emulator.issue()
    exchange(client, emulator, assertion)
    emulator.clear_history()
    assert (emulator.history, emulator.exchanges) == ([], 0)
    assert exchange(client, emulator, assertion).status_code == 401
