"""The token endpoint: strict about the request, silent about the reason, and once per assertion."""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anthropic
import httpx
import pytest

from ant_wif.emulator import Emulator
from support.samples import MODEL

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
BETA = "oauth-2025-04-20,oidc-federation-2026-04-01"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Emulator, httpx.Client]]:
    with Emulator() as emulator, httpx.Client(base_url=emulator.base_url) as client:
        yield emulator, client


@pytest.fixture
def emulator(shared: tuple[Emulator, httpx.Client]) -> Iterator[Emulator]:
    """The shared emulator, as seeded: a key takes a tenth of a second to generate."""
    emulator, _ = shared
    rule, issuer = emulator.rule("github"), emulator.issuer("github")
    emulator.clear_history()
    emulator.clock = Clock()
    yield emulator
    emulator._state.rules[rule.id] = rule
    emulator._state.issuers[issuer.id] = issuer


@pytest.fixture
def client(shared: tuple[Emulator, httpx.Client]) -> httpx.Client:
    return shared[1]


def body(emulator: Emulator, **changes: object) -> dict[str, object]:
    complete = {
        "grant_type": GRANT_TYPE,
        "assertion": "a.b.c",
        "federation_rule_id": emulator.rule("github").id,
        "organization_id": emulator.organization_id,
        **changes,
    }
    return {name: value for name, value in complete.items() if value is not ...}


def exchange(client: httpx.Client, emulator: Emulator, assertion: object, **changes: object) -> httpx.Response:
    request = body(emulator, assertion=assertion, **changes)
    return client.post("/v1/oauth/token", json=request, headers={"anthropic-beta": BETA})


def advance(emulator: Emulator, seconds: float) -> None:
    assert isinstance(emulator.clock, Clock)
    emulator.clock.now += seconds


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


def test_every_denial_looks_the_same(emulator: Emulator, client: httpx.Client) -> None:
    spent = emulator.issue()
    exchange(client, emulator, spent)
    now = int(emulator.clock())
    denied = {
        "jti_reused": spent,
        "malformed_assertion": "not a token",
        "alg_not_allowed": emulator.issue(alg="HS256"),
        "kid_missing": emulator.issue(kid=None),
        "issuer_mismatch": emulator.issue(iss="https://token.actions.githubusercontent.com"),
        "kid_not_found": emulator.issue(kid="another"),
        "signature_invalid": emulator.issue(key="other"),
        "claim_missing": emulator.issue(sub=None),
        "expired": emulator.issue(exp=now - 31),
        "not_yet_valid": emulator.issue(nbf=now + 31),
        "lifetime_exceeded": emulator.issue(lifetime=3601),
        "match_audience": emulator.issue(aud="https://github.com/acme"),
        "match_subject_prefix": emulator.issue(sub="repo:acme/app:pull_request"),
    }
    for reason, assertion in denied.items():
        response = exchange(client, emulator, assertion)
        assert response.status_code == 401
        assert response.json() == {
            "type": "error",
            "error": {"type": "authentication_error", "message": "Authentication failed"},
            "request_id": response.headers["request-id"],
        }
        assert (emulator.history[-1].outcome, emulator.history[-1].reason) == ("denied", reason)


def test_an_unsigned_token_is_denied(emulator: Emulator, client: httpx.Client) -> None:
    assert exchange(client, emulator, emulator.issue(alg="none")).status_code == 401
    assert emulator.history[-1].reason == "alg_not_allowed"


def test_an_unknown_or_archived_rule_is_denied_like_everything_else(emulator: Emulator, client: httpx.Client) -> None:
    unknown = exchange(client, emulator, emulator.issue(), federation_rule_id="fdrl_01unknown")
    emulator.update_rule("github", archived=True)
    archived = exchange(client, emulator, emulator.issue())
    assert (unknown.status_code, archived.status_code) == (401, 401)
    assert [record.reason for record in emulator.history] == ["rule_not_found", "rule_not_found"]


def test_a_change_of_rule_or_issuer_takes_effect_at_once(emulator: Emulator, client: httpx.Client) -> None:
    emulator.update_rule("github", audience="mine", token_lifetime_seconds=61)
    assert exchange(client, emulator, emulator.issue(aud="mine")).json()["expires_in"] == 61
    emulator.update_issuer("github", check_jti=False)
    assertion = emulator.issue(aud="mine")
    assert [exchange(client, emulator, assertion).status_code for _ in range(2)] == [200, 200]


def test_a_denial_does_not_spend_the_assertion(emulator: Emulator, client: httpx.Client) -> None:
    assertion = emulator.issue()
    for wrong in ({"service_account_id": "svac_01other"}, {"workspace_id": "default"}):
        assert exchange(client, emulator, assertion, **wrong).status_code == 401
    assert exchange(client, emulator, assertion).status_code == 200


def test_of_fifty_simultaneous_exchanges_of_one_assertion_one_wins(emulator: Emulator) -> None:
    assertion, together, trust = emulator.issue(), threading.Barrier(50), ssl.create_default_context()

    def take(_: int) -> int:
        with httpx.Client(base_url=emulator.base_url, verify=trust) as own:
            own.get("/_emulator/history")  # the connection is there before the race begins
            together.wait(60)
            return exchange(own, emulator, assertion).status_code

    with ThreadPoolExecutor(max_workers=50) as pool:
        statuses = list(pool.map(take, range(50)))
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
    [
        ("assertion", ...),
        ("assertion", ""),
        ("assertion", None),
        ("assertion", 5),
        ("federation_rule_id", ...),
        ("federation_rule_id", "github"),
        ("federation_rule_id", "fdrl_"),
        ("federation_rule_id", "fdrl_01\n"),
        ("federation_rule_id", ["fdrl_01"]),
        ("organization_id", ...),
        ("organization_id", "org_01"),
        ("organization_id", None),
        ("service_account_id", ""),
        ("service_account_id", None),
        ("service_account_id", "ci"),
        ("workspace_id", ""),
        ("workspace_id", None),
        ("workspace_id", "Default"),
        ("workspace_id", {}),
        ("grant_type", ...),
        ("grant_type", ""),
        ("grant_type", "client_credentials"),
        ("grant_type", [GRANT_TYPE]),
        ("scope", "workspace:developer"),
        ("audience", "https://api.anthropic.com"),
    ],
)
def test_a_malformed_request_is_told_its_field(
    emulator: Emulator, client: httpx.Client, field: str, value: object
) -> None:
    response = exchange(client, emulator, **{"assertion": emulator.issue(), field: value})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["message"].startswith(f"{field}: ")
    assert response.json()["request_id"] == response.headers["request-id"]
    assert (emulator.history[-1].outcome, emulator.history[-1].status) == ("invalid", 400)


@pytest.mark.parametrize(
    "beta",
    [
        None,
        "",
        "oauth-2025-04-20",
        "oidc-federation-2026-04-01",
        "oauth-2025-04-20 oidc-federation-2026-04-01",
    ],
)
def test_both_beta_headers_are_needed(emulator: Emulator, client: httpx.Client, beta: str | None) -> None:
    headers = {} if beta is None else {"anthropic-beta": beta}
    response = client.post("/v1/oauth/token", json=body(emulator), headers=headers)
    assert response.status_code == 400
    assert "anthropic-beta" in response.json()["error"]["message"]


def test_beta_headers_may_come_one_by_one(emulator: Emulator, client: httpx.Client) -> None:
    response = client.post(
        "/v1/oauth/token",
        json=body(emulator, assertion=emulator.issue()),
        headers=[("anthropic-beta", value) for value in BETA.split(",")],
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'{"grant_type": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        json.dumps({"grant_type": "\ud800"}).encode(),
        json.dumps({"grant_type": GRANT_TYPE, "\ud800\x1b[31m": 1}).encode(),
    ],
)
def test_any_body_gets_a_proper_refusal(client: httpx.Client, emulator: Emulator, content: bytes) -> None:
    headers = {"content-type": "application/json; charset=utf-8", "anthropic-beta": BETA}
    response = client.post("/v1/oauth/token", content=content, headers=headers)
    assert (response.status_code, response.json()["type"]) == (400, "error")
    assert response.json()["error"]["message"].isprintable()
    assert client.get("/_emulator/history").status_code == 200


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", "application/jsonx"])
def test_the_body_must_be_announced_as_json(emulator: Emulator, client: httpx.Client, media_type: str) -> None:
    content = json.dumps(body(emulator)).encode()
    headers = {"content-type": media_type, "anthropic-beta": BETA}
    assert client.post("/v1/oauth/token", content=content, headers=headers).status_code == 400


def test_a_body_over_64_kib_is_refused_whether_announced_or_not(emulator: Emulator, client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield from [b" " * 16_384] * 5

    for content in (b" " * 65_537, chunks()):
        response = client.post("/v1/oauth/token", content=content, headers={"content-type": "application/json"})
        assert response.status_code == 413
        assert response.json()["error"]["type"] == "request_too_large"
    assert [record.status for record in emulator.history] == [413, 413]


def test_an_assertion_over_16_kib_is_denied(emulator: Emulator, client: httpx.Client) -> None:
    assert exchange(client, emulator, emulator.issue(fill="x" * 16_384)).status_code == 401
    assert emulator.history[-1].reason == "malformed_assertion"


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


def test_the_official_sdk_authenticates_once_per_identity_token(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_file = tmp_path / "identity-token"
    token_file.write_text(emulator.issue())
    for name in os.environ:
        if name.startswith("ANTHROPIC_"):
            monkeypatch.delenv(name)
    for name, value in emulator.env().items():
        if name.startswith("ANTHROPIC_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN_FILE", str(token_file))
    monkeypatch.setenv("HOME", str(tmp_path))

    with anthropic.Anthropic(max_retries=0) as client:
        assert [model.id for model in client.models.list(limit=2)] == [model.id for model in client.models.list()]
        assert client.models.retrieve(MODEL).id == MODEL
    assert [record.outcome for record in emulator.history] == ["granted"]
    with anthropic.Anthropic(max_retries=0) as client, pytest.raises(anthropic.AnthropicError):
        client.models.list()
    assert emulator.history[-1].reason == "jti_reused"
    assert emulator.exchanges == 1
