"""A suite in another language controls the emulator over HTTP, and a page of the web does not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import jwt
import pytest

from ant_wif.emulator import Emulator, Fault
from support.consent_page import list_models
from support.federation_grant import exchange
from support.samples import MODEL

Body = dict[str, object]


@pytest.fixture(scope="module")
def client(running: Emulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.base_url, trust_env=False, timeout=5) as opened:
        yield opened


def test_faults_are_planned_and_cleared(emulator: Emulator, client: httpx.Client) -> None:
    plan: Body = {"endpoint": "token", "fault": "status", "status": 429, "retry_after": 1, "times": 2}
    planned = client.post("/_emulator/faults", json=plan)
    assert (planned.status_code, planned.json()) == (200, {"endpoint": "token", "fault": "status 429", "times": 2})
    failed = exchange(client, emulator)
    assert (failed.status_code, failed.headers["retry-after"]) == (429, "1")
    assert client.delete("/_emulator/faults").status_code == 204
    assert exchange(client, emulator).status_code == 200


def what_comes(client: httpx.Client, emulator: Emulator) -> str:
    try:
        response = exchange(client, emulator)
    except httpx.RemoteProtocolError as error:
        return "half" if "complete message" in str(error) else "nothing"
    if b"<title>" in response.content:
        return "a page"
    return f"{response.json()['token_type']}, {'content-length' in response.headers}"


@pytest.mark.parametrize(
    ("fault", "comes"),
    [
        ({"fault": "drop_before"}, "nothing"),
        ({"fault": "drop_after"}, "nothing"),
        ({"fault": "delay", "seconds": 0}, "Bearer, True"),
        ({"fault": "trickle", "seconds": 0.01}, "Bearer, True"),
        ({"fault": "truncated"}, "half"),
        ({"fault": "oversized", "size": 100_000}, "Bearer, False"),
        ({"fault": "not_json"}, "a page"),
        ({"fault": "wrong_token_type", "kind": "mac"}, "mac, True"),
    ],
)
def test_every_fault_has_a_name(emulator: Emulator, client: httpx.Client, fault: Body, comes: str) -> None:
    planned = client.post("/_emulator/faults", json={"endpoint": "token", **fault})
    assert planned.json()["times"] == 1
    assert what_comes(client, emulator) == comes
    assert what_comes(client, emulator) == "Bearer, True"


def test_the_time_is_moved_and_set_back(emulator: Emulator, client: httpx.Client) -> None:
    token = exchange(client, emulator).json()["access_token"]
    before = client.get("/_emulator/clock").json()["now"]
    after = client.post("/_emulator/clock", json={"advance": 7200}).json()["now"]
    assert 7200 <= after - before < 7260
    assert list_models(client, token).status_code == 401
    assert client.delete("/_emulator/clock").json()["now"] < before + 60
    assert list_models(client, token).status_code == 200
    assert client.post("/_emulator/clock", json={"move_to": 1_800_000_000}).json()["now"] >= 1_800_000_000
    client.post("/_emulator/clock", json={"skew": -600})
    exchange(client, emulator)
    assert emulator.history[-1].reason == "not_yet_valid"


def test_the_history_is_forgotten(emulator: Emulator, client: httpx.Client) -> None:
    exchange(client, emulator)
    assert client.delete("/_emulator/history").status_code == 204
    assert client.get("/_emulator/history").json() == {"data": []}
    assert emulator.exchanges == 0


def test_keys_are_rotated(emulator: Emulator, client: httpx.Client) -> None:
    before = emulator.issue()
    assert client.post("/_emulator/github/keys", json={"keep_old": True}).status_code == 204
    assert exchange(client, emulator, before).status_code == 200
    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(emulator.issue())["kid"]
    before = emulator.issue()
    assert client.post("/_emulator/github/keys", json={}).status_code == 204
    exchange(client, emulator, before)
    assert emulator.history[-1].reason == "kid_not_found"


WRONG: list[tuple[str, object, str]] = [
    ("faults", {}, "endpoint"),
    ("faults", {"endpoint": "token"}, "fault"),
    ("faults", {"endpoint": "token", "fault": 7}, "fault"),
    ("faults", {"endpoint": "tokens", "fault": "truncated"}, "tokens"),
    ("faults", {"endpoint": ["token"], "fault": "truncated"}, "endpoint"),
    ("faults", {"endpoint": "token", "fault": "explosion"}, "drop_before"),
    ("faults", {"endpoint": "token", "fault": "truncated", "times": 0}, "times"),
    ("faults", {"endpoint": "token", "fault": "truncated", "times": True}, "times"),
    ("faults", {"endpoint": "token", "fault": "truncated", "seconds": 1}, "no such argument"),
    ("faults", {"endpoint": "token", "fault": "delay"}, "seconds"),
    ("faults", {"endpoint": "token", "fault": "delay", "seconds": "1"}, "seconds: must be a number"),
    ("faults", {"endpoint": "token", "fault": "delay", "seconds": -1}, "duration"),
    ("faults", {"endpoint": "token", "fault": "status", "status": 399}, "400 to 599"),
    ("faults", {"endpoint": "token", "fault": "status", "status": True}, "status: must be a whole number"),
    ("faults", {"endpoint": "models", "fault": "wrong_token_type"}, "only happen at 'token'"),
    ("clock", {}, "one of"),
    ("clock", {"advance": 1, "skew": 1}, "one of"),
    ("clock", {"advance": "1"}, "advance: must be a number"),
    ("clock", {"advance": True}, "advance: must be a number"),
    ("clock", {"advance": 1e300}, "1970 and 9999"),
    ("clock", {"move_to": 253_402_300_799}, "1970 and 9999"),
    ("clock", {"freeze": 1}, "freeze"),
    *(("clock", {move: 10**400}, "1970 and 9999") for move in ("advance", "move_to", "skew")),
    *(
        ("faults", {"endpoint": "token", "fault": slow, "seconds": 10**400}, "duration")
        for slow in ("delay", "trickle")
    ),
    *(
        ("faults", {"endpoint": "token", "fault": "status", "status": 429, "retry_after": after}, "retry_after")
        for after in ("1\r\nx: y", " ", "\u4e2d")
    ),
    ("faults", {"endpoint": "token", "fault": "oversized", "size": -1}, "size"),
    ("github/keys", {"keep_old": 1}, "keep_old"),
    ("github/keys", {"keep": True}, "keep:"),
    ("jenkins/keys", {}, "jenkins"),
    ("clock", [], "JSON object"),
]


@pytest.mark.parametrize(("path", "body", "said"), WRONG, ids=[f"{n}-{path}" for n, (path, *_) in enumerate(WRONG)])
def test_what_cannot_be_is_refused_and_nothing_changes(
    emulator: Emulator, client: httpx.Client, path: str, body: object, said: str
) -> None:
    now = client.get("/_emulator/clock").json()["now"]
    response = client.post(f"/_emulator/{path}", json=body)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert said in response.json()["error"]["message"]
    assert client.get("/_emulator/clock").json()["now"] < now + 60
    assert exchange(client, emulator).status_code == 200


STEPS = [
    ("POST", "/_emulator/faults", {"endpoint": "token", "fault": "drop_before"}),
    ("DELETE", "/_emulator/faults", None),
    ("POST", "/_emulator/clock", {"advance": 3600}),
    ("DELETE", "/_emulator/clock", None),
    ("DELETE", "/_emulator/history", None),
    ("POST", "/_emulator/github/keys", {}),
    ("POST", "/_emulator/github/sign", {"claims": {}}),
    ("GET", "/_emulator/history", None),
    ("GET", "/_emulator/env/github", None),
    ("GET", "/_emulator/", None),
]


@pytest.mark.parametrize(("method", "path", "body"), STEPS, ids=[f"{method} {path}" for method, path, _ in STEPS])
def test_a_page_of_another_site_gets_nowhere(
    emulator: Emulator, client: httpx.Client, method: str, path: str, body: Body | None
) -> None:
    exchange(client, emulator)
    port = httpx.URL(emulator.base_url).port
    strangers: list[dict[str, str]] = [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"http://localhost:{port}"},  # another origin than 127.0.0.1, which the client asks
        {"origin": f"http://127.0.0.1:{port}.evil.example"},
        {"host": f"evil.example:{port}", "origin": f"http://evil.example:{port}"},
        {"host": f"evil.example:{port}"},
        {"host": f"127.0.0.1.evil.example:{port}"},
        {"host": f"localhost@evil.example:{port}"},
        {"host": ""},
        {"host": "[::1"},
    ]
    for headers in strangers:
        content = None if body is None else json.dumps(body)
        response = client.request(
            method, path, content=content, headers={"content-type": "application/json", **headers}
        )
        assert (response.status_code, response.json()["error"]["type"]) == (403, "permission_error"), headers
    assert len(emulator.history) == 1
    assert exchange(client, emulator).status_code == 200


def test_the_emulators_own_names_and_pages_may_ask(emulator: Emulator, client: httpx.Client) -> None:
    port = httpx.URL(emulator.base_url).port
    for host in ("localhost", "127.0.0.1", "127.0.0.2", "[::1]", "LOCALHOST"):
        headers = {"host": f"{host}:{port}", "origin": f"http://{host}:{port}".lower()}
        assert client.delete("/_emulator/history", headers=headers).status_code == 204
    assert client.get("/_emulator/", headers={"host": "localhost"}).status_code == 200


def test_an_emulator_for_other_machines_answers_to_any_name_and_to_no_other_site() -> None:
    with (
        Emulator("0.0.0.0", allow_remote=True) as emulator,
        httpx.Client(base_url=emulator.base_url.replace("0.0.0.0", "127.0.0.1"), trust_env=False) as client,
    ):
        assert client.get("/_emulator/clock", headers={"host": "emulator:8080"}).status_code == 200
        same = {"host": "emulator:8080", "origin": "http://emulator:8080"}
        assert client.delete("/_emulator/history", headers=same).status_code == 204
        other = {"host": "emulator:8080", "origin": "http://evil.example"}
        assert client.delete("/_emulator/history", headers=other).status_code == 403


KEY = "x-api-key"


def ask(client: httpx.Client, emulator: Emulator, said: str) -> httpx.Response:
    body = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": said}]}
    headers = {KEY: emulator.api_key, "anthropic-version": "2023-06-01"}
    return client.post("/v1/messages", json=body, headers=headers)


def test_replies_are_set_listed_used_and_forgotten(emulator: Emulator, client: httpx.Client) -> None:
    replies: list[Body] = [
        {"tool_use": {"name": "weather", "input": {"city": "Ulm"}}, "when": "Ulm"},
        {"error": [529, "overloaded_error", "Overloaded"], "when": {"max_tokens": 9}, "times": 2},
        {"text": "for ever", "times": None},
    ]
    assert [client.post("/_emulator/replies", json=each).json() for each in replies] == [
        {"left": number} for number in (1, 2, 3)
    ]
    assert ask(client, emulator, "Ulm?").json()["content"][0]["input"] == {"city": "Ulm"}
    assert ask(client, emulator, "Rome?").status_code == 529
    left = client.get("/_emulator/replies").json()["data"]
    assert [(each["times_left"], each["times_used"]) for each in left] == [(1, 1), (None, 0)]
    assert left[0]["description"] == (
        "error [529, 'overloaded_error', 'Overloaded'] when {'max_tokens': 9} (set at POST /_emulator/replies)"
    )
    assert client.delete("/_emulator/replies").status_code == 204
    assert client.get("/_emulator/replies").json() == {"data": []}
    assert ask(client, emulator, "Rome?").json()["content"][0]["text"] == "Rome?"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"txt": "x"}, "txt: Extra inputs are not permitted"),
        ({"self": "x", "text": "x"}, "self: Extra inputs are not permitted"),
        ({}, "a reply needs one of text"),
        ({"error": [529, "overloaded_error", "x"], "tool_use": {"name": "x"}}, "error is the whole reply"),
        ({"text": "x", "when": ["x"]}, "when: must be a function, a part of the last user text, or a part of the body"),
        ({"text": "x", "times": 0}, "times: must be a positive whole number"),
        ({"text": "x", "delay": None}, "delay: must be a number of seconds"),
        ({"text": ["x"]}, "text: must be a string, not list"),
    ],
)
def test_a_reply_that_cannot_be_meant_is_refused(
    emulator: Emulator, client: httpx.Client, body: Body, said: str
) -> None:
    refused = client.post("/_emulator/replies", json=body)
    assert refused.status_code == 400
    assert said in refused.json()["error"]["message"]
    assert emulator.replies_left == []


def test_the_api_calls_are_listed_and_forgotten(emulator: Emulator, client: httpx.Client) -> None:
    client.delete("/_emulator/requests")
    ask(client, emulator, "Where is Ulm?")
    client.get("/v1/models?limit=3&ids[]=a&ids[]=b", headers={KEY: "sk-ant-unknown-key-of-nobody"})
    client.post("/v1/messages", content=b'{"a": NaN}', headers={KEY: emulator.api_key})
    first, second, third = client.get("/_emulator/requests").json()["data"]
    assert (first["method"], first["path"], first["status"]) == ("POST", "/v1/messages", 200)
    assert first["json"]["messages"][0]["content"] == "Where is Ulm?"
    assert first["credential"]["source"] == "api_key"
    assert first["headers"][KEY].endswith("...")
    assert (second["query"], second["status"], second["credential"]) == (
        {"limit": ["3"], "ids[]": ["a", "b"]},
        401,
        None,
    )
    assert (third["json"], third["status"]) == (None, 400)
    only = client.get("/_emulator/requests", params={"path": "/v1/models"}).json()["data"]
    assert only == [second]
    assert client.get("/_emulator/requests", params={"paths": "/v1/models"}).status_code == 400
    assert client.delete("/_emulator/requests").status_code == 204
    assert client.get("/_emulator/requests").json() == {"data": []}


def test_replies_and_requests_are_kept_from_pages_of_other_sites(emulator: Emulator, client: httpx.Client) -> None:
    elsewhere = {"origin": "https://example.com"}
    assert client.post("/_emulator/replies", json={"text": "x"}, headers=elsewhere).status_code == 403
    assert client.get("/_emulator/requests", headers=elsewhere).status_code == 403
    assert emulator.replies_left == []


def test_a_reset_brings_back_what_the_emulator_started_with(client: httpx.Client) -> None:
    with Emulator() as other, httpx.Client(base_url=other.base_url, trust_env=False) as asking:
        headers = {KEY: other.api_key, "anthropic-version": "2023-06-01"}
        seeded, keys = other.rule("github"), asking.get("/github/.well-known/jwks").json()
        for _ in range(2):
            other.reply("x")
            other.fail("messages", Fault.status(500))
            other.advance(3600)
            other.rotate_keys("github")
            other.update_rule("github", subject_prefix="repo:other")
            other.serve_models(["claude-one"])
            asking.post("/v1/files", files={"file": b"x"}, headers=headers)
            batch = {"custom_id": "a", "params": {}}
            asking.post("/v1/messages/batches", json={"requests": [batch]}, headers=headers)
            spawned = other.spawn()
            assert asking.post("/_emulator/reset").status_code == 204
            assert (other.replies_left, list(other.requests), other.history) == ([], [], [])
            assert (other.rule("github"), abs(other.now - time.time()) < 60) == (seeded, True)
            assert asking.get("/github/.well-known/jwks").json() == keys
            for path in ("/v1/files", "/v1/messages/batches"):
                assert asking.get(path, headers=headers).json()["data"] == []
            assert ask(asking, other, "Hello").json()["content"][0]["text"] == "Hello"
            with pytest.raises(RuntimeError, match="not started"):
                _ = spawned.base_url
            assert exchange(asking, other).status_code == 200


def test_a_reset_after_a_restart_keeps_the_new_address() -> None:
    with Emulator() as other:
        other.reset()
        other.stop()
        other.start()
        other.reset()
        assert other.issuer("github").issuer_url.startswith(other.base_url)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403),
        ("evil.example.", 403),
        ("emulator", 200),
        ("host.docker.internal", 200),
        ("emulator.ci.svc.cluster.local", 200),
        ("192.0.2.1", 200),
        ("localhost", 200),
        ("127.0.0.1@evil.example", 403),
    ],
)
def test_an_emulator_for_other_machines_is_not_controlled_by_a_site_that_has_its_name_resolve_to_it(
    host: str, status: int
) -> None:
    with Emulator("0.0.0.0", allow_remote=True) as emulator:
        address, port = emulator.base_url.replace("0.0.0.0", "127.0.0.1"), emulator.base_url.rpartition(":")[2]
        named = {"Host": f"{host}:{port}", "Origin": f"http://{host}:{port}"}
        answer = httpx.get(f"{address}/_emulator/requests", headers=named, trust_env=False)
    assert answer.status_code == status, answer.text
