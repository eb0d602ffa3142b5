"""Whatever comes over the wire gets the status that it should, and the next good request its answer."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import httpx
import pytest

from ant_wif.emulator import Emulator
from ant_wif.emulator._state.history import ExchangeRecord, History
from support.federation_grant import GRANT_TYPE, body

BETA = "oauth-2025-04-20,oidc-federation-2026-04-01"
VERSION = ("anthropic-version", "2026-10-21")
JSON = ("content-type", "application/json")
PATIENCE_SECONDS = 30
TOKEN = "POST /v1/oauth/token HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(autouse=True)
def up(emulator: Emulator, client: httpx.Client) -> Iterator[None]:
    """After every test, the next good exchange works, and the token of it too."""
    yield
    granted = exchange(client, emulator, emulator.issue())
    assert granted.status_code == 200
    headers = {"authorization": f"Bearer {granted.json()['access_token']}", "anthropic-beta": BETA}
    assert client.get("/v1/models", headers=[*headers.items(), VERSION]).status_code == 200
    assert client.get("/_emulator/history").json()["data"]


def sent(emulator: Emulator, *headers: tuple[str, str], content: bytes | None = None, method: str = "POST") -> int:
    """Send headers as they are, several of a name included; return the status. The body is a good one."""
    address = urlsplit(emulator.base_url)
    path = "/v1/oauth/token" if method == "POST" else "/v1/models"
    connection = HTTPConnection(str(address.hostname), address.port, timeout=PATIENCE_SECONDS)
    connection.putrequest(method, path)
    payload = (
        (json.dumps(body(emulator, emulator.issue())).encode() if content is None else content)
        if method == "POST"
        else b""
    )
    for name, value in (*headers, *([("content-length", str(len(payload)))] if method == "POST" else [])):
        connection.putheader(name, value.encode("latin-1"))
    connection.endheaders(payload)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def spoken(emulator: Emulator, *pieces: bytes) -> int | None:
    """Send bytes, as many as are taken; return the status of the answer, `None` where there is none."""
    address = urlsplit(emulator.base_url)
    with socket.create_connection((str(address.hostname), address.port or 80), PATIENCE_SECONDS) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # it has heard enough
        answer = HTTPResponse(connection)
        try:
            answer.begin()
        except (ConnectionError, ValueError, OSError):
            return None
        finally:
            answer.close()
        return answer.status


HEADER = {"alg": "RS256", "kid": "x"}


def part(content: object) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jws(payload: object, header: object = HEADER, signature: str = "AA") -> str:
    return f"{part(header)}.{part(payload)}.{signature}"


def exchange(client: httpx.Client, emulator: Emulator, assertion: str) -> httpx.Response:
    # httpx's own JSON is UTF-8, which cannot say all that JSON can.
    content = json.dumps(body(emulator, assertion))
    return client.post("/v1/oauth/token", content=content, headers=dict([JSON, ("anthropic-beta", BETA)]))


def denied(client: httpx.Client, emulator: Emulator, assertion: str) -> str | None:
    response = exchange(client, emulator, assertion)
    assert response.status_code == 401
    assert response.json()["error"] == {"type": "authentication_error", "message": "Authentication failed"}
    return emulator.history[-1].reason


# What a JWT is, `test_rules` says; this is what comes over the wire.
@pytest.mark.parametrize(
    "assertion",
    [
        " ", "\x00", "\ud800", "\u00e9.\u00e9.\u00e9", "Bearer " + jws({}), jws({}) + "\n", jws(b"{" + b"[" * 8000),
        '{"protected":"e30","payload":"e30","signature":""}',
    ],
)  # fmt: skip
def test_what_is_not_a_jwt_is_denied_as_malformed(emulator: Emulator, client: httpx.Client, assertion: str) -> None:
    assert denied(client, emulator, assertion) == "malformed_assertion"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"null", b"[]", b"{", b'{"a": 1, "a": 2}', b'{"grant_type": NaN}', b'{"a": ' + b"9" * 5000 + b"}"),
        *(b'{"grant_type": "%s"}' % text for text in (b"\xff", b"\xc0\xae", b"\xed\xa0\x80", b"\\ud800")),
        b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        json.dumps({"grant_type": GRANT_TYPE, "\ud800\x1b[31m": 1}).encode(),
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"\x00" * 65_536,
        b"{" * 65_536,
        b"[" * 65_536,
        b'{"a":' * 13_000,
        b"{" + b'"a":1,' * 10_000 + b'"a":1}',
        b"{" + b",".join(b'"%d":1' % number for number in range(6_000)) + b"}",
        b'"' * 65_536,
        b"1" * 65_536,
        b"-",
        b'{"grant_type":"' + b"\\ud800" * 10_000 + b'"}',
        b"grant_type=refresh_token",
    ],
    ids=lambda content: repr(content)[:24],
)
def test_a_body_that_is_not_a_json_object_of_known_fields_is_refused(emulator: Emulator, content: bytes) -> None:
    assert sent(emulator, JSON, ("anthropic-beta", BETA), content=content) == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([JSON, ("anthropic-beta", BETA)], 200),
        ([("Content-Type", "Application/JSON; charset=utf-8"), ("anthropic-beta", BETA)], 200),
        ([JSON, *(("anthropic-beta", each) for each in BETA.split(","))], 200),
        ([JSON, ("anthropic-beta", BETA), ("anthropic-beta", BETA)], 200),
        ([JSON, ("anthropic-beta", "oauth-2025-04-20"), ("anthropic-beta", "oauth-2025-04-20")], 400),
        ([JSON, ("anthropic-beta", BETA.upper())], 400),
        ([JSON, ("anthropic-beta", "\xff")], 400),
        ([("anthropic-beta", BETA)], 400),
        ([JSON, JSON, ("anthropic-beta", BETA)], 400),
        ([JSON, ("content-type", "application/x-www-form-urlencoded"), ("anthropic-beta", BETA)], 400),
        ([("content-type", "text/plain"), JSON, ("anthropic-beta", BETA)], 400),
        ([("content-type", "application/json, text/plain"), ("anthropic-beta", BETA)], 400),
        ([("content-type", "application/json\xff"), ("anthropic-beta", BETA)], 400),
        ([("content-type", "multipart/form-data; boundary=x"), ("anthropic-beta", BETA)], 400),
        ([("content-type", "application/x-www-form-urlencoded"), ("anthropic-beta", BETA)], 400),
        ([("content-type", ""), ("anthropic-beta", BETA)], 400),
    ],
)
def test_headers_count_each_line_and_none_is_chosen_among_several(
    emulator: Emulator, headers: list[tuple[str, str]], status: int
) -> None:
    assert sent(emulator, *headers) == status


def test_of_two_credentials_none_is_taken(emulator: Emulator, client: httpx.Client) -> None:
    granted = exchange(client, emulator, emulator.issue()).json()
    bearer = ("authorization", f"Bearer {granted['access_token']}")
    key, beta = ("x-api-key", emulator.api_key), ("anthropic-beta", BETA)
    assert sent(emulator, bearer, beta, VERSION, method="GET") == 200
    assert sent(emulator, key, VERSION, method="GET") == 200
    for pair in ((bearer, bearer), (bearer, key), (key, key), (("authorization", "Bearer x"), bearer)):
        assert sent(emulator, *pair, beta, VERSION, method="GET") == 401


def test_a_body_announced_as_giant_is_refused_before_it_comes(emulator: Emulator) -> None:
    for length in (65_537, 2**31, 2**63, 10**19):
        head = f"{TOKEN}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        assert spoken(emulator, head.encode()) == 413


def test_a_body_that_has_no_end_is_refused_while_it_comes(emulator: Emulator) -> None:
    head = f"{TOKEN}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
    assert spoken(emulator, head, *[chunk] * 17) == 413
    # What goes on for ever is hung up on: the answer may be lost with it, the server is not.
    assert spoken(emulator, head, *[chunk] * 4096) in {413, None}


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST\r\n\r\n",
        b"POST /v1/oauth/token HTTP/9.9\r\nHost: x\r\n\r\n",
        TOKEN.encode() + b"Content-Length: -1\r\n\r\n",
        TOKEN.encode() + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        TOKEN.encode() + b"Content-Length: x\r\n\r\n",
        TOKEN.encode() + b"Transfer-Encoding: gzip\r\n\r\n",
        TOKEN.encode() + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nXYZ\r\n",
        TOKEN.encode() + b"X: \x00\r\n\r\n",
        TOKEN.encode() + b"X" * 100_000,
        TOKEN.encode() + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST /v1/oauth/token HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    ],
    ids=lambda raw: repr(raw)[-24:],
)
def test_what_is_not_http_gets_an_error_or_no_response(emulator: Emulator, raw: bytes) -> None:
    assert spoken(emulator, raw) in {400, 431, 501, None}


def test_a_client_that_leaves_in_the_middle_of_its_request_does_no_harm(emulator: Emulator) -> None:
    whole = json.dumps(body(emulator, emulator.issue())).encode()
    head = f"{TOKEN}Content-Type: application/json\r\nanthropic-beta: {BETA}\r\nContent-Length: {len(whole)}\r\n\r\n"
    for cut in (1, len(head) - 3, len(head), len(head) + 10, len(head) + len(whole) - 1):
        assert spoken(emulator, (head.encode() + whole)[:cut]) in {400, None}
    assert emulator.exchanges == 0, "half a request spends nothing"


@pytest.mark.parametrize("target", ["/%00", "/%ff/%fe", "/../../etc/passwd", "/v1/oauth/token/", "//v1/oauth/token"])
def test_an_odd_path_is_not_found(emulator: Emulator, target: str) -> None:
    assert spoken(emulator, f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()) == 404


@pytest.mark.parametrize(
    "claims",
    [
        {"many": [[]] * 2900},
        {f"claim-{number}": number for number in range(500)},
        {"deep": [[[[[[[[1]] * 8] * 8] * 8]]]]},
        {"long": "x" * 10_000},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_of_claims_that_have_no_end_the_history_keeps_a_piece(
    emulator: Emulator, client: httpx.Client, claims: dict[str, object]
) -> None:
    assert denied(client, emulator, jws({"sub": "kept", **claims}, {**HEADER, "alg": "none"})) == "alg_not_allowed"
    kept = emulator.history[-1].unverified_claims
    assert kept is not None
    assert kept["sub"] == "kept"
    assert len(json.dumps(kept)) < 6_000
    assert "..." in json.dumps(kept), "it says that there was more"


def test_the_history_forgets_the_oldest_and_goes_on_counting() -> None:
    history = History()
    granted = ExchangeRecord(at=0, grant_type=GRANT_TYPE, outcome="granted", status=200, request_id="first")
    history.add(granted)
    for _ in range(1000):
        history.add(replace(granted, outcome="invalid", status=400))
    assert {record.outcome for record in history.snapshot()} == {"invalid"}
    assert len(history.snapshot()) == 1000
    assert history.granted[GRANT_TYPE] == 1
