"""Each fault as a real client meets it, and what it leaves behind."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from ant_wif.emulator import Emulator, Fault
from support.federation_grant import BETA, body, exchange
from support.processes import in_threads
from support.samples import MODEL

MIB = 1 << 20


@pytest.fixture
def emulator(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> Iterator[Emulator]:
    """That the server complains of nothing is checked."""
    with caplog.at_level(logging.WARNING, logger="uvicorn.error"):
        yield emulator
    assert [record.getMessage() for record in caplog.records] == []


VERSION = {"anthropic-version": "2026-10-21"}


@pytest.fixture
def client(emulator: Emulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=emulator.base_url, timeout=10) as opened:
        yield opened


def list_models(client: httpx.Client, emulator: Emulator, path: str = "/v1/models") -> httpx.Response:
    return client.get(path, headers={"x-api-key": emulator.api_key, **VERSION})


def ask_for_identity_token(client: httpx.Client, emulator: Emulator) -> httpx.Response:
    job = emulator.env("github")
    headers = {"authorization": f"bearer {job['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    return client.get(job["ACTIONS_ID_TOKEN_REQUEST_URL"], headers=headers)


def send_message(
    client: httpx.Client, emulator: Emulator, path: str = "/v1/messages", **more: object
) -> httpx.Response:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], **more}
    return client.post(path, json=body, headers={"x-api-key": emulator.api_key, **VERSION})


def list_rules(client: httpx.Client, emulator: Emulator) -> httpx.Response:
    token = emulator.login(scope="org:admin").access_token
    headers = {"authorization": f"Bearer {token}", "anthropic-beta": "oauth-2025-04-20", **VERSION}
    return client.get("/v1/organizations/federation_rules", headers=headers)


ENDPOINTS: dict[str, Callable[[httpx.Client, Emulator], httpx.Response]] = {
    "token": exchange,
    "models": list_models,
    "messages": partial(send_message, max_tokens=100),
    "count_tokens": partial(send_message, path="/v1/messages/count_tokens"),
    "batches": partial(list_models, path="/v1/messages/batches"),
    "files": partial(list_models, path="/v1/files"),
    "chat": partial(send_message, path="/v1/chat/completions"),
    "admin": list_rules,
    "oidc": ask_for_identity_token,
    "discovery": lambda client, _: client.get("/github/.well-known/openid-configuration"),
    "jwks": lambda client, _: client.get("/google/.well-known/jwks"),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("status", "kind"), [(429, "rate_limit_error"), (500, "api_error"), (503, "api_error"), (529, "overloaded_error")]
)
def test_a_status_comes_in_the_apis_shape_at_every_endpoint(
    emulator: Emulator, client: httpx.Client, endpoint: str, status: int, kind: str
) -> None:
    emulator.fail(endpoint, Fault.status(status))
    failed = ENDPOINTS[endpoint](client, emulator)
    assert (failed.status_code, failed.json()["type"], failed.json()["error"]["type"]) == (status, "error", kind)
    assert failed.json()["request_id"] == failed.headers["request-id"]
    assert "retry-after" not in failed.headers
    assert ENDPOINTS[endpoint](client, emulator).status_code == 200


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (418, "invalid_request_error"),
        (499, "invalid_request_error"),
        (502, "api_error"),
        (504, "timeout_error"),
        (599, "api_error"),
    ],
)
def test_every_error_status_can_be_asked_for(emulator: Emulator, client: httpx.Client, status: int, kind: str) -> None:
    emulator.fail("models", Fault.status(status))
    failed = ENDPOINTS["models"](client, emulator)
    assert (failed.status_code, failed.json()["error"]["type"]) == (status, kind)
    assert failed.json()["error"]["message"]


@pytest.mark.parametrize("after", [1, "Fri, 31 Dec 2027 23:59:59 GMT"])
def test_a_status_may_say_when_to_come_again(emulator: Emulator, client: httpx.Client, after: int | str) -> None:
    emulator.fail("token", Fault.status(429, retry_after=after))
    assert exchange(client, emulator).headers["retry-after"] == str(after)


def test_a_status_spends_nothing_and_is_not_recorded(emulator: Emulator, client: httpx.Client) -> None:
    assertion, login = emulator.issue(), emulator.login()
    emulator.fail("token", Fault.status(529), times=2)
    assert [exchange(client, emulator, assertion).status_code for _ in range(3)] == [529, 529, 200]
    assert len(emulator.history) == 1
    assert emulator.is_live_refresh_token(login.refresh_token)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("fault", [Fault.drop_before(), Fault.drop_after()], ids=["before", "after"])
def test_a_dropped_connection_gives_no_answer(
    emulator: Emulator, client: httpx.Client, endpoint: str, fault: Fault
) -> None:
    emulator.fail(endpoint, fault)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        ENDPOINTS[endpoint](client, emulator)
    assert ENDPOINTS[endpoint](client, emulator).status_code == 200


def test_a_connection_dropped_before_does_not_spend_the_assertion(emulator: Emulator, client: httpx.Client) -> None:
    assertion = emulator.issue()
    emulator.fail("token", Fault.drop_before())
    with pytest.raises(httpx.RemoteProtocolError):
        exchange(client, emulator, assertion)
    assert emulator.history == []
    assert exchange(client, emulator, assertion).status_code == 200


def test_a_connection_dropped_after_spends_the_assertion(emulator: Emulator, client: httpx.Client) -> None:
    assertion = emulator.issue()
    emulator.fail("token", Fault.drop_after())
    with pytest.raises(httpx.RemoteProtocolError):
        exchange(client, emulator, assertion)
    assert exchange(client, emulator, assertion).status_code == 401
    assert [record.reason for record in emulator.history] == [None, "jti_reused"]


def test_a_delayed_answer_comes_late_with_the_request_processed_at_once(
    emulator: Emulator, client: httpx.Client
) -> None:
    emulator.fail("token", Fault.delay(0.3))
    began = time.monotonic()
    assert exchange(client, emulator).status_code == 200
    assert time.monotonic() - began >= 0.3

    emulator.fail("token", Fault.delay(60))
    patience = httpx.Timeout(30, read=0.3)
    with pytest.raises(httpx.ReadTimeout), httpx.Client(base_url=emulator.base_url, timeout=patience) as hasty:
        exchange(hasty, emulator)
    late = time.monotonic() + 30
    while emulator.exchanges < 2:
        assert time.monotonic() < late
        time.sleep(0.01)


def test_a_truncated_body_ends_before_its_announced_length(emulator: Emulator, client: httpx.Client) -> None:
    emulator.fail("token", Fault.truncated())
    request = body(emulator, emulator.issue())
    with client.stream("POST", "/v1/oauth/token", json=request, headers=BETA) as response:
        assert response.status_code == 200
        announced = int(response.headers["content-length"])
        with pytest.raises(httpx.RemoteProtocolError, match=f"received {announced // 2} bytes, expected {announced}"):
            response.read()
    assert exchange(client, emulator).status_code == 200


def test_a_truncated_stream_has_half_the_events_and_then_nothing(emulator: Emulator, client: httpx.Client) -> None:
    whole = send_message(client, emulator, max_tokens=100, stream=True).text
    emulator.fail("messages", Fault.truncated())
    headers = {"x-api-key": emulator.api_key, "anthropic-version": "2026-10-21"}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    request = client.build_request(
        "POST", "/v1/messages", json={**body, "max_tokens": 9, "stream": True}, headers=headers
    )
    response = client.send(request, stream=True)
    assert (response.status_code, "content-length" in response.headers) == (200, False)
    heard: list[str] = []
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        heard.extend(response.iter_text())
    response.close()
    events = "".join(heard).count("\n\n")
    assert events == whole.count("\n\n") // 2
    assert "".join(heard).endswith("\n\n")


@pytest.mark.parametrize("fault", [Fault.delay(0.01), Fault.trickle(0.01)], ids=["delay", "trickle"])
def test_a_late_stream_is_a_stream_still(emulator: Emulator, client: httpx.Client, fault: Fault) -> None:
    emulator.fail("messages", fault)
    response = send_message(client, emulator, max_tokens=100, stream=True)
    assert response.text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')
    assert "content-length" not in response.headers


def test_an_oversized_body_is_over_a_mebibyte_and_does_not_announce_it(
    emulator: Emulator, client: httpx.Client
) -> None:
    emulator.fail("token", Fault.oversized())
    response = exchange(client, emulator)
    assert len(response.content) > MIB
    assert "content-length" not in response.headers
    assert response.json()["token_type"] == "Bearer"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_body_that_is_not_json_is_a_page(emulator: Emulator, client: httpx.Client, endpoint: str) -> None:
    emulator.fail(endpoint, Fault.not_json())
    response = ENDPOINTS[endpoint](client, emulator)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.text.startswith("<!DOCTYPE html>")


def test_a_trickle_keeps_a_timeout_between_bytes_from_firing(emulator: Emulator) -> None:
    emulator.fail("token", Fault.trickle(1.0))
    began = time.monotonic()
    with httpx.Client(base_url=emulator.base_url, timeout=0.5) as client:
        assert exchange(client, emulator).json()["token_type"] == "Bearer"
    assert time.monotonic() - began >= 1.0


def test_a_wrong_token_type_is_all_that_is_wrong(emulator: Emulator, client: httpx.Client) -> None:
    emulator.fail("token", Fault.wrong_token_type(), times=2)
    granted = exchange(client, emulator).json()
    assert granted["token_type"] == "mac"
    assert granted["access_token"].startswith("sk-ant-oat01-")
    denied = exchange(client, emulator, "not a token")
    assert (denied.status_code, "token_type" in denied.json()) == (401, False)


def test_faults_come_in_order_and_each_as_often_as_asked(emulator: Emulator, client: httpx.Client) -> None:
    emulator.fail("models", Fault.status(429), times=2)
    emulator.fail("models", Fault.status(500))
    assert [list_models(client, emulator).status_code for _ in range(4)] == [429, 429, 500, 200]


def test_a_fault_at_one_endpoint_leaves_the_others_alone(emulator: Emulator, client: httpx.Client) -> None:
    emulator.fail("token", Fault.status(500))
    assert list_models(client, emulator).status_code == 200
    assert ask_for_identity_token(client, emulator).status_code == 200
    assert client.get("/v1/oauth/token").status_code == 405
    assert exchange(client, emulator).status_code == 500


def test_cleared_faults_do_not_happen(emulator: Emulator, client: httpx.Client) -> None:
    for endpoint in ENDPOINTS:
        emulator.fail(endpoint, Fault.drop_before(), times=100)
    emulator.clear_faults()
    for ask in ENDPOINTS.values():
        assert ask(client, emulator).status_code == 200


def test_each_planned_fault_is_met_once_by_many_threads(emulator: Emulator) -> None:
    def work(own: httpx.Client) -> list[int]:
        emulator.fail("models", Fault.status(503), times=3)
        return [list_models(own, emulator).status_code for _ in range(3)]

    statuses = [status for found in in_threads(10, emulator.base_url, work) for status in found]
    assert statuses == [503] * 30


def test_a_wish_that_cannot_be_is_an_error(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match=r"'tokens'.*token, models, messages"):
        emulator.fail("tokens", Fault.drop_before())
    for times in (0, "2", None, True, 1.5):
        with pytest.raises(ValueError, match=f"times {times!r} is not a positive whole number"):
            emulator.fail("token", Fault.drop_before(), times=times)  # type: ignore[arg-type]  # what is tested
    for fault in (500, "status", Fault, Fault.drop_before):
        with pytest.raises(ValueError, match=r"fault: must be one such as Fault.status\(500\), not "):
            emulator.fail("token", fault)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ValueError, match="only happen at 'token'"):
        emulator.fail("models", Fault.wrong_token_type())
    for status in (0, 99, 204, 399, 600, "500", 500.0):
        with pytest.raises(ValueError, match=rf"status {status!r} is not .* 400 to 599"):
            Fault.status(status)  # type: ignore[arg-type]  # what is tested
    for seconds in (-1.0, float("inf"), float("nan"), "1", None, True):
        with pytest.raises(ValueError, match="duration"):
            Fault.delay(seconds)  # type: ignore[arg-type]  # what is tested
        with pytest.raises(ValueError, match="duration"):
            Fault.trickle(seconds)  # type: ignore[arg-type]  # what is tested


def test_a_body_may_be_longer_than_any_memory(emulator: Emulator, client: httpx.Client) -> None:
    emulator.fail("models", Fault.oversized(1 << 50))
    with client.stream("GET", "/v1/models") as response:
        assert sum(len(piece) for piece, _ in zip(response.iter_bytes(MIB), range(4), strict=False)) == 4 * MIB
    assert list_models(client, emulator).status_code == 200


@pytest.mark.parametrize("fault", [Fault.delay(60), Fault.trickle(60)], ids=["delay", "trickle"])
def test_stopping_does_not_wait_for_a_fault(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    with Emulator() as emulator, ThreadPoolExecutor(max_workers=1) as pool:
        emulator.fail("token", fault)
        with httpx.Client(base_url=emulator.base_url, timeout=30) as client:
            answer = pool.submit(exchange, client, emulator)
            while not emulator.history and not answer.done():
                time.sleep(0.01)
            began = time.monotonic()
            emulator.stop()
            assert time.monotonic() - began < 5
            with pytest.raises(httpx.RemoteProtocolError):
                answer.result(timeout=5)
    assert caplog.records == []


def test_faults_outlast_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    emulator = Emulator()
    emulator.fail("models", Fault.status(500))
    with emulator, httpx.Client(base_url=emulator.base_url) as client:
        assert [list_models(client, emulator).status_code for _ in range(2)] == [500, 200]
