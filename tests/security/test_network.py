"""Hosts are reached as the protocol says: loopback directly, proxies and authorities by name, within one deadline."""

from __future__ import annotations

import base64
import contextlib
import gzip
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import anyio
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

import ant_wif
from ant_wif._api import Api, pieces, read_answer
from ant_wif._http import Request, RequestFailure, Response, arun, request_id_of, run, send
from ant_wif._http.urls import proxy_for, tls_context
from ant_wif._secrets import SecretStr
from ant_wif.errors import ApiError, ConfigurationError
from support.misbehaving_server import Act, HostileServer, Received, forged_jwt, redirect, reply, trickle

PROXY = "http://proxy.example:3128"
KEY = "sk-ant-api03-EXAMPLE-of-no-use"
PASSWORD = "hunter2hunter2"
DEADLINE = 0.5
AMPLE = 60.0


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.8.7", "[::1]"])
def test_a_loopback_host_is_never_reached_through_a_proxy(name: str, host: str) -> None:
    for scheme in ("http", "https"):
        assert proxy_for(f"{scheme}://{host}:8080/v1/models", {name: PROXY}) is None


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_sees_no_request_to_this_machine(name: str) -> None:
    with HostileServer(reply({"data": []})) as api, HostileServer(reply({"data": []})) as proxy:
        environ = {name: proxy.base_url, "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.base_url, "HOME": "/gone"}
        with Api(ant_wif.resolve(environ=environ)) as client:
            client.get("/v1/models")
        for answer in both_ways(Request("GET", api.base_url), environ):
            assert isinstance(answer, Response)
        assert proxy.connections == 0
        assert len(api.requests) == 3


def test_the_proxy_of_the_passed_environment_is_used() -> None:
    with HostileServer(reply({})) as proxy:
        for answer in both_ways(Request("GET", "http://api.example/x"), {"HTTP_PROXY": proxy.base_url}):
            assert isinstance(answer, Response)
        assert [request.target for request in proxy.requests] == ["http://api.example/x"] * 2


BASIC = base64.b64encode(f"bob:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (f"HTTP/1.1 407 {BASIC}, or {PASSWORD} ##vso[task.x]\r\n\r\n".encode(), "returned HTTP 407"),
        (reply({}, status=403), "returned HTTP 403"),
        (reply({}, status=502), "returned HTTP 502"),
        (redirect("http://127.0.0.1:1/"), "returned HTTP 307"),
        (trickle(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200, at_once=1), "did not answer in time"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000, "sent too much"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "sent too much"),
        (b"\0\xff\x12 garbage\n", "does not speak the protocol"),
        (b"", "closed the connection"),
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_named_and_quotes_nothing(
    answer: bytes | Act, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with HostileServer(answer) as proxy:
        port = proxy.base_url.rpartition(":")[2]
        environ = {"HTTPS_PROXY": f"http://bob:{PASSWORD}@127.0.0.1:{port}"}
        allowed = DEADLINE if "in time" in said else AMPLE
        request = Request("POST", "https://api.example/x", json={"a": SecretStr("of no use")}, timeout=allowed)
        for failure in both_ways(request, environ):
            assert isinstance(failure, RequestFailure)
            assert f"the proxy http://127.0.0.1:{port} (HTTPS_PROXY)" in failure.reason
            assert said in failure.reason
            # Nothing was sent to the API, so an identity token that works once may be sent again.
            assert not failure.maybe_received
            assert failure.transient == (not re.search("40[37]", said))
            assert "HTTPS_PROXY" in (failure.hint or "")
            for secret in (PASSWORD, BASIC):
                assert secret not in caplog.text + str(failure)
            assert "##vso[" not in str(failure)


def test_a_client_of_the_api_names_such_a_proxy_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with HostileServer(f"HTTP/1.1 407 {BASIC}, or {PASSWORD}\r\n\r\n".encode()) as proxy:
        port = proxy.base_url.rpartition(":")[2]
        environ = {"HTTPS_PROXY": f"http://bob:{PASSWORD}@127.0.0.1:{port}", "HOME": "/gone", "ANTHROPIC_API_KEY": KEY}
        with Api(ant_wif.resolve(environ=environ)) as client, pytest.raises(ApiError) as caught:
            client.get("/v1/models")
        assert len(proxy.requests) == 1
    assert f"the proxy http://127.0.0.1:{port} (HTTPS_PROXY) returned HTTP 407" in str(caught.value)
    assert not [each for each in (PASSWORD, BASIC, KEY) if each in f"{caplog.text}{caught.value}{caught.value.hint}"]


@pytest.mark.parametrize("scheme", ["http://", ""])
@pytest.mark.parametrize("login", ["", f"bob:{PASSWORD}@", f"{PASSWORD}@"])
def test_a_proxy_that_is_not_there_is_named_without_its_login(scheme: str, login: str) -> None:
    with HostileServer() as gone:
        address = gone.base_url.removeprefix("http://")
    for failure in both_ways(Request("GET", "https://api.example/x"), {"ALL_PROXY": f"{scheme}{login}{address}"}):
        assert isinstance(failure, RequestFailure)
        assert f"the proxy {scheme}{address} (ALL_PROXY) cannot be reached" in failure.reason
        assert PASSWORD not in f"{failure}"


@pytest.mark.parametrize(
    ("no_proxy", "url", "exempt"),
    [
        ("*", "https://api.example", True),
        ("localhost,[::1]", "https://api.example", False),
        ("[2001:db8::1]", "https://[2001:db8::1]/x", True),
        ("[2001:db8::1]:444", "https://[2001:db8::1]/x", False),
        ("2001:db8::/32", "https://[2001:db8::7]", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8", "https://10.example", False),
        ("10.1.2.3", "https://10.1.2.3:8443", True),
        ("api.example", "https://api.example", True),
        ("api.example", "https://eu.api.example", True),
        ("api.example", "https://notapi.example", False),
        (".example", "https://api.example", True),
        ("*.example", "https://api.example", True),
        ("*.example:443", "https://api.example", True),
        ("*.example:8443", "https://api.example", False),
        ("API.Example.", "https://api.example", True),
        (" , ,\tapi.example ,", "https://api.example", True),
        ("one.example api.example", "https://api.example", True),
        ("https://api.example", "https://api.example", False),
        ("[::1", "https://api.example", False),
        (":::,10.0.0.0/99,a b\x00,%", "https://api.example", False),
    ],
)
def test_no_proxy_is_read_as_curl_and_go_read_it(no_proxy: str, url: str, *, exempt: bool) -> None:
    assert (proxy_for(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) is None) is exempt


def test_an_unknown_entry_is_ignored_with_a_debug_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "ant_wif.http")
    assert proxy_for("https://api.example", {"HTTPS_PROXY": PROXY, "NO_PROXY": f"http://joe:{PASSWORD}@x/"}) == PROXY
    assert "NO_PROXY" in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("HTTPS_PROXY", "http://proxy..example:3128", "http://proxy..example:3128"),
        ("ALL_PROXY", f"socks5://joe:{PASSWORD}@proxy.example:1080", "socks5://proxy.example:1080"),
        ("HTTPS_PROXY", f"gopher://joe:{PASSWORD}@proxy.example", "gopher://proxy.example"),
        ("https_proxy", f"http://joe:{PASSWORD}@[::1", "http://[::1"),
        ("HTTPS_PROXY", f"http://joe:{PASSWORD}@proxy.example:99999", "http://proxy.example:99999"),
        ("HTTPS_PROXY", "http://", "http://"),
        ("HTTPS_PROXY", f"joe:{PASSWORD}@proxy..example:3128", "found http://proxy..example:3128"),
        ("HTTPS_PROXY", f"joe:{PASSWORD}://@proxy.example:3128", "found http://proxy.example:3128"),
        ("HTTPS_PROXY", "http://proxy example:3128", "http://proxy example:3128"),
        ("HTTPS_PROXY", "socks4://proxy.example", "socks4://proxy.example"),
        ("HTTPS_PROXY", "//proxy.example:3128", "//proxy.example:3128"),
        ("SSL_CERT_DIR", "/dev", "/dev"),
        ("SSL_CERT_DIR", "/gone:/dev", "/gone:/dev"),
        ("SSL_CERT_FILE", "/gone/ca.pem", "/gone/ca.pem"),
        ("SSL_CERT_FILE", "/dev/null", "/dev/null"),
        ("SSL_CERT_DIR", "/gone", "/gone"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_before_anything_is_sent(
    name: str, value: str, shown: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(forged_jwt())
    environ = {name: value, "HOME": str(tmp_path)}
    federated = ant_wif.federate(
        ant_wif.identity.File(str(token)),
        federation_rule_id="fdrl_01",
        organization_id="8f2b5a40-1d0e-4c8e-9a55-0f2d3c4b5a69",
        environ=environ,
    )
    request = Request("GET", "https://api.example")

    async def asynchronously() -> object:
        return await arun(send(request), environ=environ)

    entries: list[Callable[[], object]] = [
        federated.token,
        lambda: run(send(request), environ=environ),
        lambda: anyio.run(asynchronously),
        lambda: Api(ant_wif.resolve(environ={**environ, "ANTHROPIC_API_KEY": KEY})),
    ]
    for entry in entries:
        with pytest.raises(ConfigurationError, match=name) as caught:
            entry()
        assert shown in str(caught.value)
        assert PASSWORD not in f"{caught.value} {caught.value.hint}"
        assert caught.value.hint


def test_the_authorities_of_a_file_are_trusted(tmp_path: Path) -> None:
    import certifi

    copy = tmp_path / "ca.pem"
    copy.write_bytes(Path(certifi.where()).read_bytes())
    assert tls_context({"SSL_CERT_FILE": str(copy)}).cert_store_stats()["x509_ca"] > 0


AUTHORITY = "Acme Inspection Authority"


def certificate(
    name: str, signer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None, *, host: str = "localhost", age: int = 0
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate that was issued `age` days ago for a day, signed by itself without a `signer`."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = signer[1] if signer else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = datetime.now(timezone.utc) - timedelta(days=age, hours=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0] if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        # From Python 3.13 on, a certificate without these is refused as well.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, key_cert_sign=signer is None, crl_sign=signer is None, encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    return builder.sign(issuer, hashes.SHA256()), key


@contextlib.contextmanager
def serving(chain: Path) -> Iterator[tuple[str, list[bytes]]]:
    """A server with that certificate: its URL, and what came over a connection that was set up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    received: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), accepted, context.wrap_socket(accepted, server_side=True) as connection:
                received.append(connection.recv(4096))
                if received[-1]:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://localhost:{listener.getsockname()[1]}", received
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("host", "age", "known", "says", "hint"),
    [
        ("localhost", 0, False, "unable to get local issuer certificate", "SSL_CERT_FILE"),
        ("localhost", 5, True, "certificate has expired", "this machine's clock"),
        ("localhost", -5, True, "certificate is not yet valid", "this machine's clock"),
        ("other.example", 0, True, "not valid for 'localhost'", "the host in the URL"),
        ("localhost", 0, True, "", ""),
    ],
)
def test_a_certificate_that_is_not_trusted_is_told_with_its_issuer_and_gets_no_request(
    host: str, age: int, known: bool, says: str, hint: str, tmp_path: Path
) -> None:
    authority, key = certificate(AUTHORITY, None)
    own, own_key = certificate("server", (authority.subject, key), host=host, age=age)
    encoding, form = Encoding.PEM, PrivateFormat.PKCS8
    (tmp_path / "ca.pem").write_bytes(authority.public_bytes(encoding))
    secret = own_key.private_bytes(encoding, form, NoEncryption())
    (tmp_path / "own.pem").write_bytes(own.public_bytes(encoding) + secret)
    environ = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")} if known else {}
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem")) if known else None
    with serving(tmp_path / "own.pem") as (url, received):
        for answer in (*both_ways(Request("GET", url), environ), *both_ways(Request("GET", url, tls=context), {})):
            if not says:
                assert isinstance(answer, Response)
                continue
            assert isinstance(answer, RequestFailure)
            assert says in answer.reason
            assert f"it was issued by CN={AUTHORITY}" in answer.reason
            assert hint in str(answer.hint)
            assert not any(received)
        environ |= {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, "HOME": str(tmp_path)}
        if says:
            with Api(ant_wif.resolve(environ=environ), sleep=lambda _: None) as api, pytest.raises(ApiError) as caught:
                api.get("/v1/models")
            assert f"issued by CN={AUTHORITY}" in str(caught.value)
            assert hint in str(caught.value.hint)


# --- limits: those of bad answers are in test_hostile_answers.py ----------------------------------------------


def both_ways(request: Request, environ: dict[str, str] | None = None) -> list[Response | RequestFailure]:
    async def asynchronously() -> Response | RequestFailure:
        return await arun(send(request), environ=environ or {})

    return [run(send(request), environ=environ or {}), anyio.run(asynchronously)]


@pytest.mark.parametrize("hints", [0, 16])
@pytest.mark.parametrize("coding", ["identity", "gzip", "gzip, gzip"])
def test_a_usual_answer_is_read(hints: int, coding: str) -> None:
    body = b'{"ok": true}'
    for _ in range(coding.count("gzip")):
        body = gzip.compress(body)
    answer = b"HTTP/1.1 103 Early Hints\r\n\r\n" * hints + reply(body, headers={"Content-Encoding": coding})
    with HostileServer(answer) as server:
        for found in both_ways(Request("GET", server.base_url)):
            assert isinstance(found, Response)
            assert found.body == b'{"ok": true}'


@contextlib.contextmanager
def unanswered(addresses: list[str]) -> Iterator[int]:
    """A port that takes no connection at these addresses, and refuses none: its queues are full."""
    with contextlib.ExitStack() as stack:
        port = 0
        for address in addresses:
            listener = stack.enter_context(contextlib.closing(socket.socket()))
            listener.bind((address, port))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(3):
                waiting = stack.enter_context(contextlib.closing(socket.socket()))
                waiting.setblocking(False)
                waiting.connect_ex((address, port))
        yield port


def named(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let `localhost` be the name of several addresses."""
    ask = socket.getaddrinfo

    def answer(host: str, port: int, *more: int, **options: int) -> list[tuple[object, ...]]:
        hosts = addresses if host in {"localhost", b"localhost"} else (host,)
        return [found for each in hosts for found in ask(each, port, *more, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_a_host_with_several_addresses_that_do_not_answer_has_one_deadline_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    addresses = [f"127.0.0.{last}" for last in range(1, 9)]
    named(monkeypatch, *addresses)
    with unanswered(addresses) as port:
        for environ, url in (
            ({}, f"http://localhost:{port}/x"),
            ({"HTTP_PROXY": f"http://localhost:{port}"}, "http://api.example/x"),
        ):
            began = time.monotonic()
            failure = run(send(Request("POST", url, json={}, timeout=1)), environ=environ)
            assert isinstance(failure, RequestFailure)
            assert not failure.maybe_received
            assert time.monotonic() - began < 6  # eight times one before


def test_of_several_addresses_the_one_that_answers_is_reached_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with HostileServer(reply({})) as server, unanswered(["127.0.0.2"]) as port:
        there = int(server.base_url.rpartition(":")[2])
        forward = socket.create_server(("127.0.0.3", port))
        with contextlib.closing(forward):
            threading.Thread(target=forwarded, args=(forward, there), daemon=True).start()
            named(monkeypatch, "127.0.0.2", "127.0.0.3")
            for answer in both_ways(Request("GET", f"http://localhost:{port}/x", timeout=4)):
                assert isinstance(answer, Response), answer


def forwarded(listener: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            ours, _ = listener.accept()
            theirs = socket.create_connection(("127.0.0.1", port))
            with ours, theirs:
                theirs.sendall(ours.recv(65536))
                ours.sendall(theirs.recv(65536))


def test_a_server_that_reads_slowly_is_left_at_the_deadline() -> None:
    """Each piece of a large body that the system takes would have the whole time anew, until all of it was read."""
    size, read = 16 << 20, [0]
    to_begin = 4 * DEADLINE  # in which a busy machine, too, encodes the body

    def read_a_little_at_a_time(connection: socket.socket, _: Received) -> None:
        read.append(0)
        while chunk := connection.recv(60_000):
            read[-1] += len(chunk)
            time.sleep(0.05)

    with HostileServer(Act(read_a_little_at_a_time, reads=False)) as server:
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.base_url, "HOME": "/gone"}
        with Api(ant_wif.resolve(environ=environ), seconds=DEADLINE) as api, pytest.raises(ApiError):
            api.call("POST", "/v1/messages", body=bytes(size))
        for failure in both_ways(Request("POST", server.base_url, json={"a": "b" * size}, timeout=to_begin)):
            assert isinstance(failure, RequestFailure)
            assert failure.maybe_received
    assert max(read) < size // 2


@pytest.mark.parametrize("read", [read_answer, lambda response: b"".join(pieces(response))])
def test_an_open_answer_without_events_ends_at_the_deadline(read: Callable[[httpx.Response], object]) -> None:
    """A byte now and then would do to go on without end."""
    answer = reply(b" " * 1000)
    with HostileServer(trickle(answer, at_once=len(answer) - 900, pieces=900)) as server:
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.base_url, "HOME": "/gone"}
        with (
            Api(ant_wif.resolve(environ=environ), seconds=DEADLINE) as api,
            pytest.raises(ApiError, match="broke off"),
            api.open("GET", "/v1/files/file_01/content") as response,
        ):
            read(response)


# --- one policy each ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"request-id": "req_1", "x-request-id": "req_2"}, "req_1"),
        ({"x-request-id": "req_2"}, "req_2"),
        ({"x-request-id": "\x1b[31m"}, None),
        ({"request-id": KEY}, None),
        ({"request-id": forged_jwt()[:64]}, None),
        ({}, None),
    ],
)
def test_a_request_id_is_found_under_either_name(headers: dict[str, str], found: str | None) -> None:
    assert request_id_of(headers, [SecretStr(KEY)]) == found


@pytest.mark.parametrize("status", [200, 404])
def test_an_error_of_the_api_names_the_other_request_id_too(status: int) -> None:
    with HostileServer(reply([], status=status, headers={"x-request-id": "req_other"})) as server:
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.base_url, "HOME": "/gone"}
        with Api(ant_wif.resolve(environ=environ)) as api, pytest.raises(ApiError) as caught:
            api.get("/v1/models")
    assert caught.value.request_id == "req_other"
    assert ", request id req_other" in caught.value.summary


@pytest.mark.parametrize(
    ("name", "value", "beta"),
    [
        ("ANTHROPIC_AUTH_TOKEN", "gateway-token-123", None),
        ("ANTHROPIC_AUTH_TOKEN", "sk-ant-oat01-abcdef", "oauth-2025-04-20"),
        ("ANTHROPIC_API_KEY", KEY, None),
    ],
)
def test_only_the_platforms_own_tokens_come_with_its_beta_flag(name: str, value: str, beta: str | None) -> None:
    creds = ant_wif.resolve(environ={name: value, "HOME": "/gone"})
    assert creds.headers().get("anthropic-beta") == beta
    assert value not in str(vars(creds))
