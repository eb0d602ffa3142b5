"""The emulator as an object: it starts, stops and leaves nothing behind."""

from __future__ import annotations

import errno
import re
import socket
import threading
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from ant_wif.emulator import Emulator, Fault
from ant_wif.emulator._state.state import ExpiringMap


def emulator_threads(base_url: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"emulator {base_url}"]


def test_starting_and_stopping_are_quick_with_a_connection_kept_alive() -> None:
    emulator = Emulator()
    began = time.perf_counter()
    emulator.start()
    started = time.perf_counter()
    with httpx.Client(base_url=emulator.base_url) as client:
        assert client.get("/_emulator/history").status_code == 200
        base_url, stopping = emulator.base_url, time.perf_counter()
        emulator.stop()
        stopped = time.perf_counter()
    assert started - began < 0.5
    assert stopped - stopping < 0.5
    assert emulator_threads(base_url) == []


def test_stopping_is_quick_with_a_request_that_never_ends() -> None:
    with Emulator() as emulator:
        host, port = emulator.base_url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /v1/oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n{"
            )
            time.sleep(0.05)
            began = time.perf_counter()
            emulator.stop()
            assert time.perf_counter() - began < 0.5


def test_it_accepts_connections_when_start_returns_and_refuses_them_after_stop() -> None:
    emulator = Emulator().start()
    base_url = emulator.base_url
    assert httpx.get(f"{base_url}/_emulator/history").json() == {"data": []}
    emulator.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(base_url)


def test_start_and_stop_may_be_repeated() -> None:
    emulator = Emulator()
    emulator.stop()
    assert emulator.start() is emulator
    base_url = emulator.base_url
    assert emulator.start().base_url == base_url
    emulator.stop()
    emulator.stop()
    with emulator:
        assert emulator.base_url == base_url
        assert emulator.issuer("github").issuer_url == f"{base_url}/github"
    with pytest.raises(RuntimeError, match="not started"):
        _ = emulator.base_url


def test_a_taken_port_is_an_error_in_the_callers_thread(emulator: Emulator) -> None:
    port = int(emulator.base_url.rpartition(":")[2])
    with pytest.raises(OSError, match=str(port)) as caught:
        Emulator(port=port).start()
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "127.0.0.1.evil.example", "::", ""])
def test_a_host_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Emulator(host=host)


def test_a_remote_host_can_be_insisted_on() -> None:
    assert Emulator(host="0.0.0.0", allow_remote=True)


def test_a_port_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="65536"):
        Emulator(port=65536)


def test_localhost_is_a_loopback_host() -> None:
    with Emulator(host="localhost") as emulator:
        assert httpx.get(f"{emulator.base_url}/_emulator/history").status_code == 200


def test_the_identifiers_are_well_formed_and_differ_between_emulators(emulator: Emulator) -> None:
    env, other = emulator.env("github"), Emulator()
    assert re.fullmatch(r"fdrl_01\w{22}", env["ANTHROPIC_FEDERATION_RULE_ID"])
    assert re.fullmatch(r"svac_01\w{22}", env["ANTHROPIC_SERVICE_ACCOUNT_ID"])
    assert re.fullmatch(r"wrkspc_01\w{22}", env["ANTHROPIC_WORKSPACE_ID"])
    assert re.fullmatch(r"[0-9a-f-]{36}", env["ANTHROPIC_ORGANIZATION_ID"])
    assert emulator.api_key.startswith("sk-ant-api03-")
    assert other.organization_id != emulator.organization_id
    assert other.rule("github").id != emulator.rule("github").id


def test_the_environment_is_that_of_a_job_with_the_emulator_for_a_backend(emulator: Emulator) -> None:
    env = emulator.env("github")
    assert env["ANTHROPIC_BASE_URL"] == emulator.base_url
    assert env["GITHUB_ACTIONS"] == env["CI"] == "true"
    assert env["ACTIONS_ID_TOKEN_REQUEST_URL"] == f"{emulator.base_url}/github/token?api-version=2.0"


@pytest.mark.parametrize("name", ["jenkins", 5, None, ["github"]])
def test_an_unknown_platform_rule_or_endpoint_is_refused_with_the_known_ones(name: Any, emulator: Emulator) -> None:
    for use in (
        emulator.env,
        emulator.issue,
        emulator.rotate_keys,
        emulator.rule,
        emulator.issuer,
        emulator.update_rule,
    ):
        with pytest.raises(ValueError, match=rf"{re.escape(repr(name))}.*github"):
            use(name)
    with pytest.raises(ValueError, match=rf"no endpoint {re.escape(repr(name))}"):
        emulator.fail(name, Fault.status(500))


@pytest.mark.parametrize("number", ["x", None, [1]])
def test_what_is_not_a_number_is_named(number: Any, emulator: Emulator) -> None:
    for use in (emulator.advance, emulator.move_to, emulator.skew):
        with pytest.raises(ValueError, match=rf"^{re.escape(repr(number))} is not a number of seconds$"):
            use(number)
    with pytest.raises(
        ValueError, match=rf"^lifetime {re.escape(repr(number))} is not a positive whole number of seconds$"
    ):
        emulator.login(lifetime=number)
    with pytest.raises(ValueError, match=rf"^port {re.escape(repr(number))} is not between 0 and 65535$"):
        Emulator(port=number)


def test_an_unknown_field_is_refused(emulator: Emulator) -> None:
    with pytest.raises(TypeError, match="colour"):
        emulator.update_rule("github", colour="green")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"token_lifetime_seconds": "x"}, "token_lifetime_seconds is not a whole number"),
        ({"token_lifetime_seconds": True}, "token_lifetime_seconds is not a whole number"),
        ({"claims": {"ref": 1}}, "claims.ref is not a string"),
        ({"subject_prefix": 5}, "subject_prefix is not a string"),
        ({"workspace_ids": "wrkspc_1"}, "workspace_ids is not a list"),
        ({"archived": "no"}, "archived is neither true nor false"),
        ({"oauth_scope": 5}, "oauth_scope is not a string"),
    ],
)
def test_a_field_of_a_rule_takes_values_of_its_own_type_only(
    changes: dict[str, object], said: str, emulator: Emulator
) -> None:
    before = emulator.rule("github")
    with pytest.raises(TypeError, match=f"^{said}$"):
        emulator.update_rule("github", **changes)
    with pytest.raises(TypeError, match=r"^max_jwt_lifetime_seconds is not a whole number$"):
        emulator.update_issuer("github", max_jwt_lifetime_seconds="1h")
    assert emulator.rule("github") == before
    given = list(before.workspace_ids)
    changed = emulator.update_rule("github", workspace_ids=given, audience=None)
    given.clear()
    assert changed == replace(before, audience=None)


def test_a_rule_can_be_changed_and_the_copies_held_do_not_change(emulator: Emulator) -> None:
    before = emulator.rules["github"]
    assert emulator.update_rule("github", token_lifetime_seconds=60).token_lifetime_seconds == 60
    assert emulator.rule("github").token_lifetime_seconds == 60
    assert before.token_lifetime_seconds == 3600


def test_what_expires_is_forgotten() -> None:
    memory: ExpiringMap[int, str] = ExpiringMap()
    for number in range(5000):
        memory.put(number, "seen", until=number + 10, now=number)
    assert memory.get(4999, now=5000) == "seen"
    assert memory.get(4999, now=5009) is None
    assert len(memory._entries) < 2000
    memory.drop(4999)
    assert memory.get(4999, now=5000) is None
