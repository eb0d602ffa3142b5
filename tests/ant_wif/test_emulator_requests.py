"""What a test can ask of the API calls that its application made."""

from __future__ import annotations

import json

import anthropic
import httpx
import pytest

from ant_wif.emulator import Emulator, Fault
from support.admin_api import Administrator
from support.federation_grant import exchange
from support.samples import MODEL

SAID = "What is the weather in Ulm?"
VERSION = {"anthropic-version": "2023-06-01"}


def ask(sdk: anthropic.Anthropic, said: str = SAID) -> None:
    sdk.messages.create(model=MODEL, max_tokens=10, messages=[{"role": "user", "content": said}])


def test_what_the_application_sent_can_be_asserted(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    ask(sdk)
    sdk.models.list(limit=3)
    first, second = emulator.requests
    assert (first.method, first.path, first.status) == ("POST", "/v1/messages", 200)
    assert first.json["messages"] == [{"role": "user", "content": SAID}]
    assert json.loads(first.body) == first.json
    assert first.headers["Content-Type"] == first.headers["content-type"] == "application/json"
    assert abs(first.at - emulator.now) < 60
    assert (second.method, second.path, second.query["limit"], second.json) == ("GET", "/v1/models", "3", None)
    assert emulator.requests.messages() == [first]


def test_calls_to_messages_are_told_from_their_neighbours(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    sdk.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": SAID}])
    with sdk.messages.stream(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": SAID}]) as stream:
        stream.get_final_message()
    assert [each.path for each in emulator.requests] == ["/v1/messages/count_tokens", "/v1/messages"]
    (streamed,) = emulator.requests.messages()
    assert (streamed.json["stream"], streamed.status) == (True, 200)


def test_the_credential_is_masked_and_named(emulator: Emulator) -> None:
    engineering = emulator.rule().workspace_ids[0]
    with httpx.Client(base_url=emulator.base_url, headers=VERSION, trust_env=False) as client:
        token = exchange(client, emulator).json()["access_token"]
        login = emulator.login(workspace_id=engineering).access_token
        for headers in (
            {"x-api-key": emulator.api_key, "cookie": "session=0123456789abcdefgh"},
            {"authorization": f"Bearer {emulator.api_key}"},
            {"authorization": f"Bearer {token}", "anthropic-beta": "oauth-2025-04-20"},
            {"authorization": f"bearer {login}", "anthropic-beta": "oauth-2025-04-20"},
            {"authorization": "Basic YWRhOm15LXZlcnktb3duLXNlY3JldA=="},
        ):
            client.get("/v1/models", headers=headers)
    # The exchange is in the history.
    found = [each.credential for each in emulator.requests]
    assert [each and (each.source, each.workspace) for each in found] == [
        ("api_key", "default"),
        ("api_key", "default"),
        ("federation", "Engineering"),
        ("login", "Engineering"),
        None,
    ]
    assert found[3] is not None
    assert found[3].workspace_id == engineering
    shown = repr(emulator.requests)
    for secret in (emulator.api_key, token, login, "YWRhOm15", "0123456789"):
        assert secret not in shown
    assert emulator.requests[0].headers["x-api-key"] == f"{emulator.api_key[:16]}..."
    assert emulator.requests[3].headers["authorization"] == f"bearer {login[:16]}..."


def test_a_request_that_was_refused_or_met_a_fault_is_there_too(emulator: Emulator) -> None:
    body = {"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "x" * 100_000}]}
    with httpx.Client(base_url=emulator.base_url, headers=VERSION, trust_env=False) as client:
        client.post("/v1/messages", json=body, headers={"x-api-key": "unknown"})
        emulator.fail("messages", Fault.status(529))
        client.post("/v1/messages", json=body, headers={"x-api-key": emulator.api_key})
        emulator.fail("messages", Fault.drop_before())
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/v1/messages", json=body, headers={"x-api-key": emulator.api_key})
        client.post("/v1/messages", content=b"{", headers={"x-api-key": emulator.api_key})
        client.get("/v1/nothing")
    assert [each.status for each in emulator.requests] == [401, 529, None, 400, 404]
    assert [each.json == body for each in emulator.requests] == [True, True, True, False, False]


def test_calls_of_an_administrator_are_there_and_identity_endpoints_are_not(emulator: Emulator) -> None:
    with httpx.Client(base_url=emulator.base_url, trust_env=False) as client:
        exchange(client, emulator)
        client.get("/_emulator/history")
        client.get("/github/.well-known/jwks")
        assert emulator.requests == []
        Administrator(emulator, client).get("federation_rules")
    (listed,) = emulator.requests
    assert listed.path == "/v1/organizations/federation_rules"
    assert listed.credential is not None
    assert listed.credential.source == "login"


def test_a_copy_does_not_change_and_the_list_can_be_cleared(sdk: anthropic.Anthropic, emulator: Emulator) -> None:
    ask(sdk)
    before = emulator.requests
    before[0].json["messages"].clear()
    assert before[0].json["messages"]
    ask(sdk)
    assert (len(before), len(emulator.requests)) == (1, 2)
    emulator.clear_requests()
    assert (len(before), len(emulator.requests)) == (1, 0)


def test_the_list_is_bounded_in_number_and_in_bytes(emulator: Emulator) -> None:
    headers = {"x-api-key": "unknown", "content-type": "application/json", **VERSION}
    with httpx.Client(base_url=emulator.base_url, headers=headers, trust_env=False) as client:
        for _ in range(5):
            client.post("/v1/messages", content=bytes(20 << 20))
    assert [len(each.body) for each in emulator.requests] == [20 << 20] * 3


def test_a_line_is_printed_for_each_request() -> None:
    lines: list[str] = []
    with Emulator(print_line=lines.append) as emulator, httpx.Client(base_url=emulator.base_url) as client:
        exchange(client, emulator)
        client.get("/v1/models?key=secret", headers={"x-api-key": emulator.api_key, **VERSION})
        client.get("/v1/%1b%5b31mred%0aline")
        emulator.fail("models", Fault.drop_before())
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/v1/models")
        client.get("/_emulator/")
    assert [line.rsplit(maxsplit=2)[0] for line in lines] == [
        "POST /v1/oauth/token 200",
        "GET /v1/models 200",
        r"GET /v1/\x1b[31mred\nline 404",
        "GET /v1/models (connection closed)",
        "GET /_emulator/ 200",
    ]
    assert all(line.endswith(" ms") for line in lines)
