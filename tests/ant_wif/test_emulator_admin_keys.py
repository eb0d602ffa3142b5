"""Where the keys of a registered issuer come from, and what an exchange makes of them."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from ant_wif.emulator import Emulator
from ant_wif.emulator._issuers import SigningKey
from ant_wif.emulator._oauth.jwks import FetchedKeys
from ant_wif.rules import KeySetUnavailableError
from support.admin_api import Administrator, Idp
from support.federation_grant import exchange


@pytest.fixture
def idp() -> Iterator[Idp]:
    with Idp() as started:
        assert isinstance(started, Idp)
        started.publish()
        yield started


def outcome(admin: Administrator, rule_id: str, token: str) -> str | None:
    """Return why an exchange was denied, or `None` where it was granted."""
    answer = exchange(admin.client, admin.emulator, token, federation_rule_id=rule_id)
    reason = admin.emulator.history[-1].reason
    assert (answer.status_code == 200) == (reason is None)
    return reason


def rule_for(admin: Administrator, **issuer: object) -> str:
    registered = admin.issuer(**issuer)
    return str(admin.rule(issuer_id=registered["id"], match={"subject_prefix": "job:*"})["id"])


def issuer_of(admin: Administrator, rule_id: str) -> dict[str, object]:
    issuer_id = admin.get(f"federation_rules/{rule_id}")["issuer_id"]
    found: dict[str, object] = admin.get(f"federation_issuers/{issuer_id}")
    return found


def test_inline_keys_verify_without_any_request(emulator: Emulator, admin: Administrator, idp: Idp) -> None:
    rule = rule_for(admin, issuer_url="job-runner", jwks={"type": "inline", **idp.key.jwks()})
    assert outcome(admin, rule, idp.token(iss="job-runner")) is None
    other, idp.key = idp.key, SigningKey()
    assert outcome(admin, rule, idp.token(iss="job-runner")) == "kid_not_found"
    assert other.kid("RS256") != idp.key.kid("RS256")
    assert idp.requests == []
    assert issuer_of(admin, rule)["poll_status"] is None


@pytest.mark.parametrize("kind", ["discovery", "discovery_base", "explicit_url"])
def test_keys_are_fetched_from_where_the_issuer_says(
    emulator: Emulator, admin: Administrator, idp: Idp, kind: str
) -> None:
    url, jwks = {
        "discovery": (idp.base_url, {"type": "discovery"}),
        "discovery_base": ("urn:runner", {"type": "discovery", "discovery_base": f"{idp.base_url}/realm/"}),
        "explicit_url": ("urn:runner", {"type": "explicit_url", "url": f"{idp.base_url}/jwks?v=1"}),
    }[kind]
    rule = rule_for(admin, issuer_url=url, jwks=jwks)
    assert outcome(admin, rule, idp.token(iss=url)) is None
    assert [request.path for request in idp.requests] == {
        "discovery": ["/.well-known/openid-configuration", "/keys"],
        "discovery_base": ["/realm/.well-known/openid-configuration", "/keys"],
        "explicit_url": ["/jwks?v=1"],
    }[kind]


def test_fetched_keys_are_kept_for_five_minutes(emulator: Emulator, admin: Administrator, idp: Idp) -> None:
    rule = rule_for(admin, issuer_url=idp.base_url)
    assert outcome(admin, rule, idp.token()) is None
    asked = len(idp.requests)
    emulator.advance(299)
    assert outcome(admin, rule, idp.token(emulator.now)) is None
    assert len(idp.requests) == asked
    emulator.advance(2)
    assert outcome(admin, rule, idp.token(emulator.now)) is None
    assert len(idp.requests) == 2 * asked


def test_a_new_key_is_looked_for_once_in_ten_seconds(emulator: Emulator, admin: Administrator, idp: Idp) -> None:
    rule = rule_for(admin, issuer_url=idp.base_url)
    assert outcome(admin, rule, idp.token()) is None
    idp.rotate()
    assert outcome(admin, rule, idp.token()) == "kid_not_found"
    asked = len(idp.requests)
    emulator.advance(11)
    assert outcome(admin, rule, idp.token(emulator.now)) is None
    idp.key = SigningKey()
    emulator.advance(11)
    for _ in range(3):
        assert outcome(admin, rule, idp.token(emulator.now)) == "kid_not_found"
    assert len(idp.requests) == asked + 4


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, gzip.compress(b"x" * 300_000, mtime=0), "content encoding gzip, gzip"),
        (500, b"{}", "answered 500"),
        (302, b"", "answered 302"),
        (200, b"<html>", "not a JSON object"),
        (200, b'{"keys": []}', "jwks_uri must be there"),
        (200, b'{"jwks_uri": "http://192.0.2.1/keys"}', "jwks_uri must use https"),
        (200, b'{"jwks_uri": "file:///etc/passwd"}', "jwks_uri must be a URL"),
        (200, b'{"jwks_uri": 7}', "jwks_uri must be there"),
        (200, b"[" * 5000, "not a JSON object"),
        (200, b"x" * 300_000, "more than 262144 bytes"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_issuer_that_answers_nonsense_denies(
    emulator: Emulator, admin: Administrator, idp: Idp, status: int, body: bytes, said: str
) -> None:
    rule = rule_for(admin, issuer_url=idp.base_url)
    idp.status, idp.body = status, body
    idp.headers = {"Content-Encoding": "gzip, gzip"} if body.startswith(b"\x1f") else {}
    assert outcome(admin, rule, idp.token()) == "jwks_unavailable"
    keys = FetchedKeys(idp.base_url, time.time, is_discovery=True)
    asyncio.run(keys.prepare("any"))
    with pytest.raises(KeySetUnavailableError, match=said):
        keys()
    idp.headers.clear()
    poll = issuer_of(admin, rule)["poll_status"]
    assert poll == {"consecutive_failures": 1, "last_fetched_at": None, "next_poll_at": None}
    idp.publish()
    assert outcome(admin, rule, idp.token()) is None
    found = issuer_of(admin, rule)["poll_status"]
    assert isinstance(found, dict)
    assert found["consecutive_failures"] == 0
    assert found["next_poll_at"] > found["last_fetched_at"]


def test_an_issuer_that_does_not_respond_denies(emulator: Emulator, admin: Administrator) -> None:
    with Idp() as gone:
        assert isinstance(gone, Idp)
        url = gone.base_url
        token = gone.token()
    rule = rule_for(admin, issuer_url=url)
    assert outcome(admin, rule, token) == "jwks_unavailable"


def test_keys_that_were_good_outlive_a_failure_until_they_are_old(
    emulator: Emulator, admin: Administrator, idp: Idp
) -> None:
    rule = rule_for(admin, issuer_url=idp.base_url)
    assert outcome(admin, rule, idp.token()) is None
    idp.status = 500
    emulator.advance(20)
    assert outcome(admin, rule, idp.token(emulator.now, jti="1")) is None
    other, idp.key = idp.key, SigningKey()
    assert outcome(admin, rule, idp.token(emulator.now)) == "kid_not_found"
    idp.key = other
    assert outcome(admin, rule, idp.token(emulator.now, jti="2")) is None
    emulator.advance(300)
    assert outcome(admin, rule, idp.token(emulator.now)) == "jwks_unavailable"


def test_a_changed_issuer_has_other_keys(emulator: Emulator, admin: Administrator, idp: Idp) -> None:
    rule = rule_for(admin, issuer_url=idp.base_url)
    assert outcome(admin, rule, idp.token()) is None
    issuer_id = issuer_of(admin, rule)["id"]
    inline = {"type": "inline", **SigningKey().jwks()}
    admin.post(f"federation_issuers/{issuer_id}", {"jwks": inline})
    assert outcome(admin, rule, idp.token()) == "kid_not_found"
    admin.post(f"federation_issuers/{issuer_id}", {"jwks": {"type": "discovery"}})
    assert outcome(admin, rule, idp.token()) is None
    admin.post(f"federation_issuers/{issuer_id}", {"issuer_url": f"{idp.base_url}/other"})
    assert outcome(admin, rule, idp.token()) == "issuer_mismatch"


@pytest.mark.parametrize("spelled", ["own", "jwks", "localhost"])
def test_the_emulators_own_issuers_can_be_registered_however_they_are_spelled(
    emulator: Emulator, admin: Administrator, spelled: str
) -> None:
    own = emulator.issuer("github").issuer_url
    jwks = {
        "own": {"type": "discovery"},
        "jwks": {"type": "explicit_url", "url": f"{own}/.well-known/jwks"},
        "localhost": {"type": "discovery", "discovery_base": own.replace("127.0.0.1", "localhost")},
    }[spelled]
    issuer = admin.issuer(issuer_url=own, jwks=jwks)
    rule = admin.rule(issuer_id=issuer["id"])
    assert outcome(admin, rule["id"], emulator.issue()) is None


def test_what_is_not_a_token_fetches_no_keys(emulator: Emulator, admin: Administrator, idp: Idp) -> None:
    rule = rule_for(admin, issuer_url=idp.base_url)
    assert outcome(admin, rule, "not.a.token") == "malformed_assertion"
    admin.post(f"federation_rules/{rule}/archive")
    assert outcome(admin, rule, idp.token()) == "rule_not_found"
    assert idp.requests == []


def test_stopping_does_not_wait_for_an_issuer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Emulator() as emulator,
        httpx.Client(base_url=emulator.base_url, trust_env=False) as client,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        admin = Administrator(emulator, client)
        rule = rule_for(admin, issuer_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        answer = pool.submit(exchange, client, emulator, federation_rule_id=rule)
        asked, _ = silent.accept()
        with asked:
            emulator.stop()
            with pytest.raises(httpx.RemoteProtocolError):
                answer.result(timeout=5)
    assert caplog.records == []
