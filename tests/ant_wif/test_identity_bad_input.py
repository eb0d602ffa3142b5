"""What platforms answer when something is wrong: an error of one kind, with the step that mends it and no secret."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import socket as sockets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_plus

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from spiffe._proto import workload_pb2, workload_pb2_grpc

import ant_wif
from ant_wif import ExchangeError, IdentitySourceError, IdentityTokenError
from ant_wif.emulator import Emulator
from ant_wif.identity import (
    Azure,
    AzurePipelines,
    Buildkite,
    CircleCI,
    Command,
    Context,
    Env,
    File,
    Fly,
    GitHubActions,
    GitLab,
    IdentitySource,
    IdentityToken,
    Kubernetes,
    OAuth,
    Spiffe,
    Url,
    read_source,
)
from support import preloaded
from support.identity_failures import ELSEWHERE, OPAQUE, TOKEN, pem, rsa_key, unusable_keys
from support.leaks import assert_unseen
from support.misbehaving_server import (
    Behaviour,
    HostileServer,
    Received,
    denial,
    drop_after_reading,
    forged_jwt,
    html,
    in_turn,
    redirect,
    reply,
    trickle,
)
from support.samples import ORGANIZATION, RULE

AUDIENCE = "https://api.anthropic.com"
Fail = Callable[..., IdentityTokenError]
Fetch = Callable[..., IdentityToken]


def script(folder: Path, name: str, body: str) -> dict[str, str]:
    """A program on the PATH, before all others."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


# --- endpoints that hand out tokens over HTTP ----------------------------------------------------------------------


def github(url: str, _: Path) -> tuple[IdentitySource, dict[str, str]]:
    job = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/token?api-version=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": OPAQUE}
    return GitHubActions(), job


def app_service(url: str, _: Path) -> tuple[IdentitySource, dict[str, str]]:
    return Azure("api://acme"), {"IDENTITY_ENDPOINT": f"{url}/msi/token", "IDENTITY_HEADER": OPAQUE}


def imds(url: str, _: Path) -> tuple[IdentitySource, dict[str, str]]:
    return Azure("api://acme"), {"AZURE_POD_IDENTITY_AUTHORITY_HOST": url}


def aks(url: str, folder: Path) -> tuple[IdentitySource, dict[str, str]]:
    path = folder / "projected"
    path.write_text(forged_jwt({"aud": "api://AzureADTokenExchange"}))
    job = {"AZURE_AUTHORITY_HOST": url, "AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t"}
    return Azure("api://acme"), {**job, "AZURE_FEDERATED_TOKEN_FILE": str(path)}


def oauth(url: str, _: Path) -> tuple[IdentitySource, dict[str, str]]:
    return OAuth(f"{url}/token", "ci", audience=AUDIENCE, client_secret_variable="SECRET"), {"SECRET": OPAQUE}


def oauth_key(url: str, folder: Path) -> tuple[IdentitySource, dict[str, str]]:
    path = folder / "key.pem"
    path.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    return OAuth(f"{url}/token", "ci", audience=AUDIENCE, private_key_path=str(path), key_id="k"), {}


def pipelines(url: str, _: Path) -> tuple[IdentitySource, dict[str, str]]:
    return AzurePipelines("5a1c"), {"SYSTEM_OIDCREQUESTURI": f"{url}/oidctoken", "SYSTEM_ACCESSTOKEN": OPAQUE}


def by_url(url: str, _: Path) -> tuple[IdentitySource, dict[str, str]]:
    headers = {"Authorization": {"variable": "SECRET", "prefix": "Bearer "}}
    return Url(f"{url}/token?for=ci", headers=headers, json_field="token_of"), {"SECRET": OPAQUE}


@dataclass(frozen=True)
class Endpoint:
    """What asks over HTTP, the field of the answer, the audience of its token, and the words of its remedy."""

    job: Callable[[str, Path], tuple[IdentitySource, dict[str, str]]]
    field: str
    audience: str
    remedy: str


EACH_ENDPOINT = pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param(Endpoint(github, "value", AUDIENCE, "ACTIONS_ID_TOKEN_REQUEST_URL"), id="github"),
        pytest.param(Endpoint(app_service, "access_token", "acme", "managed identity"), id="azure app service"),
        pytest.param(Endpoint(imds, "access_token", "acme", "managed identity"), id="azure imds"),
        pytest.param(Endpoint(aks, "access_token", "acme", "federated credential"), id="azure aks"),
        pytest.param(Endpoint(pipelines, "oidcToken", "api://AzureADTokenExchange", "SYSTEM_"), id="azure pipelines"),
        pytest.param(Endpoint(by_url, "token_of", "", "check url, method"), id="url"),
        pytest.param(Endpoint(oauth, "access_token", AUDIENCE, "token_url"), id="oauth secret"),
        pytest.param(Endpoint(oauth_key, "access_token", AUDIENCE, "token_url"), id="oauth key"),
    ],
)


def said(status: int) -> Callable[[Received], bytes]:
    """An error that quotes what it was sent, and what it would have sent."""

    def answer(request: Received) -> bytes:
        scheme, _, given = (request.header("authorization") or "").partition(" ")
        if scheme == "Basic":
            given = unquote_plus(base64.b64decode(given).decode())
        sent = [given, request.header("x-identity-header") or "", request.body.decode()]
        return reply({"error": "no", "sent": sent, "access_token": TOKEN, "text": f"not {TOKEN}"}, status=status)

    return answer


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(said(403), "403", id="403"),
        pytest.param(said(404), "HTTP 404", id="404"),
        pytest.param(said(500), "HTTP 500", id="500"),
        pytest.param(html(), "something other than a JSON object with a field", id="html"),
        pytest.param(reply({"token": TOKEN}), "something other than a JSON object with a field", id="another field"),
        pytest.param(drop_after_reading(), "could not be reached", id="nothing"),
    ],
)
@EACH_ENDPOINT
def test_an_endpoint_that_gives_no_token(
    fails: Fail, tmp_path: Path, endpoint: Endpoint, answer: Behaviour, says: str
) -> None:
    with HostileServer(answer) as server:
        source, job = endpoint.job(server.base_url, tmp_path)
        error = fails(source, job)
    assert isinstance(error, IdentitySourceError)
    assert says == "403" or endpoint.remedy in error.hint or "AZURE_AUTHORITY_HOST" in error.hint
    assert says in str(error)


@EACH_ENDPOINT
def test_an_endpoint_that_fails_for_a_moment_and_is_slow_is_asked_again(
    fetch: Fetch, tmp_path: Path, endpoint: Endpoint
) -> None:
    token, waited = forged_jwt({"aud": endpoint.audience}), list[float]()
    slow = trickle(reply({endpoint.field: token}), at_once=60, pieces=10, pause=0.01)
    with HostileServer(in_turn(html(503), drop_after_reading(), slow)) as server:
        found = fetch(*endpoint.job(server.base_url, tmp_path), waited)
    assert found.assertion.get_secret_value() == token
    assert len(waited) == 2
    assert sum(waited) < 2


@EACH_ENDPOINT
@pytest.mark.parametrize(
    ("token", "hint", "says"),
    [
        (ELSEWHERE, "ANT_IDENTITY_AUDIENCE", "is for another audience: found https://elsewhere.example, expected"),
        (OPAQUE, "OIDC token", "expected a signed JWT"),
        (forged_jwt({"exp": 1}), "correct this machine's clock", "expired at 1970-01-01T00:00:01+00:00"),
    ],
    ids=["elsewhere", "opaque", "expired"],
)
def test_an_endpoint_whose_response_is_not_a_token_or_one_that_expired_or_for_another_audience(
    fails: Fail, tmp_path: Path, endpoint: Endpoint, token: str, hint: str, says: str
) -> None:
    if not endpoint.audience and token == ELSEWHERE:
        return  # a URL promises no audience
    with HostileServer(reply({endpoint.field: token})) as server:
        assert says in str(fails(*endpoint.job(server.base_url, tmp_path), hint))


def test_an_endpoint_that_does_not_exist(fails: Fail, tmp_path: Path) -> None:
    for endpoint in (github, imds):
        error = fails(*endpoint("http://127.0.0.1:1", tmp_path))
        assert "could not be reached" in str(error)


# --- Azure Pipelines -----------------------------------------------------------------------------------------------

AGENT = {"SYSTEM_OIDCREQUESTURI": "https://dev.azure.com/acme/oidctoken", "SYSTEM_ACCESSTOKEN": OPAQUE}


@pytest.mark.parametrize(
    ("changes", "says", "hint"),
    [
        ({"SYSTEM_OIDCREQUESTURI": ""}, "SYSTEM_OIDCREQUESTURI is not set", "Azure DevOps Services"),
        (
            {"SYSTEM_ACCESSTOKEN": ""},
            "SYSTEM_ACCESSTOKEN is not set",
            "env: {SYSTEM_ACCESSTOKEN: $(System.AccessToken)}",
        ),
        ({"SYSTEM_ACCESSTOKEN": "$(System.AccessToken)"}, "did not expand", "map it into the step"),
        ({}, "no service connection is named", "set ANT_AZURE_SERVICE_CONNECTION_ID"),
    ],
)
def test_azure_pipelines_is_half_configured(fails: Fail, changes: dict[str, str], says: str, hint: str) -> None:
    assert says in str(fails(AzurePipelines(), {**AGENT, **changes}, hint))


@pytest.mark.parametrize(("status", "says"), [(203, "refused the job"), (302, "refused"), (404, "gave no token")])
def test_azure_pipelines_is_refused(fails: Fail, tmp_path: Path, status: int, says: str) -> None:
    with HostileServer(html(status)) as server:
        assert says in str(fails(*pipelines(server.base_url, tmp_path)))


def test_azure_pipelines_is_asked_for_a_token_of_the_service_connection(fetch: Fetch, tmp_path: Path) -> None:
    token = forged_jwt({"aud": "api://AzureADTokenExchange"})
    with HostileServer(reply({"oidcToken": token})) as server:
        _, job = pipelines(server.base_url, tmp_path)
        fetch(AzurePipelines(), {**job, "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": "of the task"})
        fetch(AzurePipelines(), {**job, "ANT_AZURE_SERVICE_CONNECTION_ID": "a/b"})
        first, second = server.requests
    assert first.head.startswith("POST ")
    assert first.target == ("/oidctoken?api-version=7.1&serviceConnectionId=of+the+task")
    assert second.target.endswith("serviceConnectionId=a%2Fb")
    assert first.header("x-tfs-fedauthredirect") == "Suppress"
    assert first.header("authorization") == f"Bearer {OPAQUE}"


# --- a URL ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "options", "says"),
    [
        (
            reply(status=302, headers={"Location": "https://elsewhere.example/"}),
            {},
            "a redirect (HTTP 302), which is not followed: it redirects to https://elsewhere.example/",
        ),
        (html(), {}, "found an HTML or XML page"),
        (reply(f"{OPAQUE}\n"), {}, "found a text of 32 characters"),
        (reply(f'"{OPAQUE}"'), {}, "found a text in double quotes"),
        (reply({"a": {"b": OPAQUE}}), {"json_field": "a.b"}, "found a text of 32 characters"),
        (reply({"a": {"b": f"\u00fc/{OPAQUE}\n"}}), {"json_field": "a.b"}, "found a text of 34 characters"),
        (html(), {"json_field": "a.b"}, "something other than a JSON object with a field `a.b`"),
        (reply({"a": {"c": TOKEN}}), {"json_field": "a.b"}, "a field `a.b`"),
        (reply({"a": {"b": TOKEN}}), {}, "found a JSON document; the token is probably one of its fields"),
    ],
)
def test_a_url_that_answers_something_else(fails: Fail, answer: bytes, options: dict[str, str], says: str) -> None:
    with HostileServer(answer) as server:
        assert says in str(fails(Url(f"{server.base_url}/token", **options), {}))  # type: ignore[arg-type]  # texts
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["http://tokens.example/ci", "http://localhost.evil.example/", "ftp://x", "https://u:p@h"]
)
def test_a_url_that_secrets_may_not_go_to_is_refused(fetch: Fetch, url: str) -> None:
    with pytest.raises(ant_wif.InsecureUrlError, match=r"identity_token\.url"):
        fetch(Url(url), {})


def test_a_url_is_asked_with_what_its_headers_name(fetch: Fetch, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{OPAQUE}\n")
    headers: dict[str, object] = {
        "X-Role": "ci", "X-Vault-Token": {"variable": "VAULT"},
        "Authorization": {"file": str(path), "prefix": "Bearer "}
    }  # fmt: skip
    document = {
        "source": "url",
        "method": "POST",
        "headers": headers,
        "body": {"role": "ci"},
        "json_field": "data.token",
    }
    with HostileServer(reply({"data": {"token": TOKEN}})) as server:
        source = read_source({**document, "url": f"{server.base_url}/v1/token?ttl=5"})
        assert fetch(source, {"VAULT": "hvs"}).assertion.get_secret_value() == TOKEN
        (request,) = server.requests
    assert request.head.startswith("POST ")
    assert (request.target, request.json()) == ("/v1/token?ttl=5", {"role": "ci"})
    found = [request.header(name) for name in ("x-role", "x-vault-token", "authorization")]
    assert found == ["ci", "hvs", f"Bearer {OPAQUE}"]


def test_a_url_s_secret_that_is_not_there_is_named(fails: Fail, tmp_path: Path) -> None:
    named = Url("https://tokens.example/", headers={"X-Token": {"variable": "VAULT"}})
    assert "the variable VAULT" in str(fails(named, {}, "set VAULT"))
    for text in ("", "two words"):
        path = tmp_path / "secret"
        path.write_text(text)
        filed = Url("https://tokens.example/", headers={"X-Token": {"file": str(path)}})
        assert "no HTTP header can carry" in str(fails(filed, {}, "on one line"))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "url is missing"),
        ({"url": "https://x.example", "method": "PUT"}, "'GET' or 'POST'"),
        ({"url": "https://x.example", "headers": {"Authorization": "Bearer x"}}, "not the value itself"),
        *(
            ({"url": "https://x.example", "headers": {name: "x"}}, "not the value itself")
            for name in (
                "X-Vault-Token",
                "PRIVATE-TOKEN",
                "Cookie",
                "X-Api-Key",
                "x-amz-security-token",
                "apikey",
                "X-Client-Secret",
                "XAuthToken",
                "Ocp-Apim-Subscription-Key",
                "X-JFrog-Art-Api",
            )
        ),
        *(
            ({"url": "https://x.example", "headers": {"X-Who": value}}, "not the value itself")
            for value in ("Bearer x", "basic dXNlcjpwYXNz", "s3cr3t" * 5)
        ),
        ({"url": "https://x.example", "headers": {"X": {"variable": "A", "prefix": "Bearer hunter2"}}}, "one word"),
        ({"url": "https://x.example?a=1&access_token=x"}, "'access_token' looks like a secret"),
        ({"url": "https://x.example?x=ghp_16C7e42F292c6912E7710c83"}, "'x' looks like a secret"),
        ({"url": "https://x.example?s3cretvalue0123456789abcdef"}, "'' looks like a secret"),
        ({"url": "https://x.example", "method": "POST", "body": {"a": ["Bearer abc1"]}}, "'a' looks like a secret"),
        ({"url": "https://x.example", "method": "POST", "body": {"token": ["x"]}}, "'token' looks like a secret"),
        ({"url": "https://x.example", "method": "POST", "body": {"password": 12345}}, "'password' looks like a secret"),
        ({"url": "https://x.example?api%5Fkey=x"}, "'api_key' looks like a secret"),
        ({"url": "https://x.example", "method": "POST", "body": {"a": [{"secret_id": "x"}]}}, "'secret_id' looks like"),
        ({"url": "https://x.example", "headers": {"a b": "x"}}, "is not a header"),
        *(
            ({"url": "https://x.example", "headers": {"X": value}}, "headers.X: expected a text, or an object with")
            for value in ({"value": "x"}, {}, 5, None, True, ["x"], {"variable": 5}, {"file": "x", "prefix": None})
        ),
        ({"url": "https://x.example", "body": {"a": 1}}, "body needs the method POST"),
        ({"url": "https://x.example", "json_field": "a..b"}, "names with dots"),
    ],
)
def test_a_url_in_a_profile_that_cannot_be_used(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ant_wif.ConfigurationError, match=says):
        read_source({"source": "url", **fields})


def test_what_is_not_a_secret_is_allowed_in_a_profile() -> None:
    read_source(
        {
            "source": "url", "url": "https://x.example/v1/token?audience=https://api.anthropic.com&token_type=jwt&key=",
            "method": "POST", "headers": {"Metadata": "true", "X-Vault-Namespace": "admin/ci", "Accept": "text/plain"},
            "body": {"audience": "https://api.anthropic.com", "requested_token_type": "id_token", "ttl": 300},
        }
    )  # fmt: skip


def test_a_header_s_file_that_cannot_be_read_is_called_what_it_is(fails: Fail, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("absent", "binary", "."):
        said = str(fails(Url("https://x.example/", headers={"X-Token": {"file": str(tmp_path / name)}}), {}, ""))
        assert "the file of a header" in said
        assert "identity token file" not in said


# --- Fly.io --------------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., dict[str, str]]]:
    """The variables of a Machine, whose socket is not served, or answers each request alike."""

    def made(answer: bytes | None = None) -> dict[str, str]:
        path = tmp_path / "api"
        path.unlink(missing_ok=True)
        listener = opened.enter_context(sockets.socket(sockets.AF_UNIX))
        listener.bind(str(path))
        if answer is not None:
            listener.listen()
            thread = threading.Thread(target=serve, args=(listener, answer, received), daemon=True)
            thread.start()
            opened.callback(thread.join)
            opened.callback(listener.shutdown, sockets.SHUT_RDWR)
        return {"FLY_APP_NAME": "app", "ANT_FLY_API_SOCKET": str(path)}

    received.clear()
    with contextlib.ExitStack() as opened:
        yield made


received: list[bytes] = []


def serve(listener: sockets.socket, answer: bytes, into: list[bytes]) -> None:
    while True:
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            seen = b""
            while b"}" not in seen:
                seen += connection.recv(65536)
            into.append(seen)
            connection.sendall(answer)


def test_a_machine_s_socket_gives_a_token_for_the_audience(
    fetch: Fetch, machine: Callable[..., dict[str, str]]
) -> None:
    token = forged_jwt({"aud": "https://acme.example"})
    assert fetch(Fly("https://acme.example"), machine(reply(token))).assertion.get_secret_value() == token
    head, _, body = received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/tokens/oidc HTTP/1.1")
    assert json.loads(body) == {"aud": "https://acme.example"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "could not be reached: [Errno 111] Connection refused"),
        (denial(403), "returned HTTP 403"),
        (redirect("/elsewhere"), "returned HTTP 307: it redirects to /elsewhere"),
        (html(), "found an HTML or XML page"),
        (reply(ELSEWHERE), "for another audience"),
        (reply(forged_jwt({"exp": 1})), "expired at 1970-01-01T00:00:01+00:00"),
        (b"no HTTP\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + reply(ELSEWHERE), "more than 16 informational responses came"),
        (reply(ELSEWHERE, headers={"X-Padding": "x" * 65536}), "headers of the answer are larger than 65536 bytes"),
        (reply(ELSEWHERE, headers={"Content-Encoding": "gzip, gzip, gzip"}), "compressed 3 times"),
    ],
)
def test_a_machine_s_socket_that_gives_no_token(
    fails: Fail, machine: Callable[..., dict[str, str]], answer: bytes | None, says: str
) -> None:
    assert says in str(fails(Fly(), machine(answer)))


def test_a_machine_s_socket_that_is_not_one(fails: Fail, tmp_path: Path) -> None:
    for path, says in ((tmp_path / "absent", "does not exist"), (tmp_path, "is another kind of file")):
        assert says in str(fails(Fly(), {"FLY_APP_NAME": "app", "ANT_FLY_API_SOCKET": str(path)}, "mount /.fly"))


# --- Azure ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["azure", "azure-vm", "azure-aks"])
@pytest.mark.parametrize(("resource", "code"), [("api://0b6f2f0e-unknown", "AADSTS500011"), ("unknown", "AADSTS50001")])
def test_azure_knows_no_such_application(
    fails: Fail, emulator: Emulator, platform: str, resource: str, code: str
) -> None:
    job = {**emulator.env(platform)}
    error = fails(Azure(resource), job, "az ad sp create", "ANT_IDENTITY_AUDIENCE")
    assert code in str(error)
    assert resource in str(error)


@pytest.mark.parametrize("platform", ["azure", "azure-vm"])
@pytest.mark.parametrize("way", ["variable", "profile"])
def test_azure_knows_no_such_identity(fails: Fail, emulator: Emulator, platform: str, way: str) -> None:
    job, wrong = emulator.env(platform), "00000000-0000-4000-8000-000000000000"
    resource = job["ANT_IDENTITY_AUDIENCE"]
    if way == "variable":
        fails(Azure(resource), {**job, "AZURE_CLIENT_ID": wrong}, "assign a managed identity", "AZURE_CLIENT_ID")
    else:
        fails(Azure(resource, client_id=wrong), job, "assign a managed identity", "client")


def test_azure_trusts_no_such_pod(fails: Fail, emulator: Emulator, tmp_path: Path) -> None:
    job = emulator.env("azure-aks")
    path = tmp_path / "token"
    path.write_text(emulator.issue("kubernetes", aud=["api://AzureADTokenExchange"], sub="system:serviceaccount:x:y"))
    source = Azure(job["ANT_IDENTITY_AUDIENCE"])
    fails(source, {**job, "AZURE_FEDERATED_TOKEN_FILE": str(path)}, "federated credential", "serviceaccount:")
    fails(source, {**job, "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "absent")}, "AZURE_FEDERATED_TOKEN_FILE")
    fails(source, {**job, "AZURE_TENANT_ID": "a/b"}, "GUID or domain")


def test_azure_is_not_asked_for_anthropic_itself(fails: Fail) -> None:
    fails(Azure(), {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"}, "ANT_IDENTITY_AUDIENCE", "App ID URI")


def test_the_v1_token_of_azure_is_denied_with_its_issuer_and_audience(emulator: Emulator, tmp_path: Path) -> None:
    job = {**emulator.env("azure"), "ANT_IDENTITY_AUDIENCE": "api://legacy-v1", "HOME": str(tmp_path)}
    with pytest.raises(ExchangeError) as denied:
        ant_wif.resolve(environ=job).token()
    assert emulator.history[-1].reason == "issuer_mismatch"
    assert "aud: api://legacy-v1" in str(denied.value)
    assert re.search(r"iss: http://127\.0\.0\.1:\d+/azure/[0-9a-f-]+/\n", str(denied.value))
    assert "exactly the `iss` above" in str(denied.value)


# --- programs ------------------------------------------------------------------------------------------------------

PROGRAMS = [("circleci", CircleCI(), "CircleCI puts"), ("buildkite-agent", Buildkite(), "mount-buildkite-agent")]


@pytest.mark.parametrize(("name", "source", "hint"), PROGRAMS)
def test_a_program_that_is_missing(fails: Fail, tmp_path: Path, name: str, source: IdentitySource, hint: str) -> None:
    error = fails(source, {"PATH": str(tmp_path)}, hint, "PATH" if name == "circleci" else "container")
    assert f"{name} is not on the PATH" in str(error)
    (tmp_path / name).write_text("#!/bin/sh\n")
    assert "is not on the PATH" in str(fails(source, {"PATH": str(tmp_path)}, hint))
    fails(source, {}, hint)


@pytest.mark.parametrize(("name", "source", "_"), PROGRAMS)
def test_a_program_that_warns_before_it_prints_the_token(
    fetch: Fetch, tmp_path: Path, name: str, source: IdentitySource, _: str
) -> None:
    warning = "echo 'warning: version 1.2.3 is old, see docs.example.com/x.y'\necho 1.2.3\necho login.corp.example"
    body = f"{warning}\necho\necho {TOKEN}\necho done >&2"
    assert fetch(source, script(tmp_path, name, body)).assertion.get_secret_value() == TOKEN


@pytest.mark.parametrize(("name", "source", "_"), PROGRAMS)
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (f"echo {TOKEN}\necho {ELSEWHERE}", "printed 2 different tokens, expected one"),
        (f"echo 'cannot authenticate with sk-ant-oat01-{OPAQUE} and {TOKEN}' >&2\nexit 1", "exit status 1"),
        (f"echo 'Authorization: Bearer {OPAQUE}' >&2\nexit 1", "exit status 1"),
        (f"echo 'token: {TOKEN}'", "printed no JWT on a line of its own"),
        (f"printf {OPAQUE}", "printed no JWT on a line of its own; stdout: 32 bytes of text; stderr: nothing"),
        (f"printf {OPAQUE}; exit 1", "exit status 1; stdout: 32 bytes of text; stderr: nothing"),
        (f'echo \'{{"token": "{OPAQUE}"}}\'; echo no >&2', "of its own; stdout: 46 bytes of JSON; stderr: no"),
        ("printf '\\377\\375'", "stdout: 2 bytes of no text"),
        ("true", "printed no JWT on a line of its own; stdout: nothing; stderr: nothing"),
        ("kill -9 $$", "was ended by signal 9"),
    ],
)
def test_a_program_that_does_not_print_one_token(
    fails: Fail, tmp_path: Path, name: str, source: IdentitySource, body: str, says: str, _: str
) -> None:
    assert says in str(fails(source, script(tmp_path, name, body), "run it by hand", name))


@pytest.mark.parametrize("stream", ["", ">&2"], ids=["stdout", "stderr"])
def test_a_long_token_that_a_failing_program_printed_is_masked_to_its_end(
    fails: Fail, tmp_path: Path, stream: str
) -> None:
    long = forged_jwt({"groups": [f"group-{number}-{OPAQUE}" for number in range(60)]})
    environ = script(tmp_path, "circleci", f"echo {long} {stream}\nexit 1")
    assert "exit status 1" in str(fails(CircleCI(), environ, secrets=(long,)))


@pytest.mark.parametrize(("name", "source", "_"), PROGRAMS)
def test_a_program_whose_token_expired_or_is_for_another_audience(
    fails: Fail, tmp_path: Path, name: str, source: IdentitySource, _: str
) -> None:
    error = fails(source, script(tmp_path, name, f"echo {ELSEWHERE}"), "ANT_IDENTITY_AUDIENCE")
    assert "found https://elsewhere.example, expected https://api.anthropic.com" in str(error)
    error = fails(source, script(tmp_path, name, f"echo {forged_jwt({'exp': 1})}"), "correct this machine's clock")
    assert "expired at 1970-01-01T00:00:01+00:00" in str(error)


def test_a_command_that_hangs_or_cannot_be_run(fails: Fail, tmp_path: Path) -> None:
    began = time.monotonic()
    error = fails(Command(["slow"], timeout_seconds=0.1), script(tmp_path, "slow", "exec sleep 60"), "run it by hand")
    assert "did not end within 0.1s" in str(error)
    # The program is gone, though what it started holds its output open.
    fails(Command(["slow"], timeout_seconds=0.1), script(tmp_path, "slow", "sleep 60 & wait"), "run it by hand")
    assert time.monotonic() - began < 30
    (tmp_path / "slow").write_text("#!/nonexistent/interpreter\n")
    problem = str(fails(Command([str(tmp_path / "slow")]), {}, "run it by hand"))
    assert problem.endswith("could not be run: No such file or directory"), problem
    fails(Command(["absent"]), {"PATH": str(tmp_path)}, "full path")


def test_a_program_that_has_printed_its_token_is_not_waited_for_on_account_of_what_it_started(
    fetch: Fetch, tmp_path: Path
) -> None:
    began, started = time.monotonic(), tmp_path / "pid"
    environ = script(tmp_path, "agent", f"sleep 60 &\necho $! > {started}\necho {TOKEN}")
    try:
        assert fetch(Command(["agent"], timeout_seconds=50), environ).assertion.get_secret_value() == TOKEN
        assert time.monotonic() - began < 30
    finally:
        os.kill(int(started.read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("body", "seconds", "says"),
    [
        ("wait", 0.3, "did not end within 0.3s"),
        ("head -c 3000000 /dev/zero; wait", 50, "more than 1048576 bytes"),
    ],
)
def test_a_program_that_is_stopped_takes_with_it_what_it_started(
    fails: Fail, tmp_path: Path, body: str, seconds: float, says: str
) -> None:
    began, pipe = time.monotonic(), tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        environ = script(tmp_path, "slow", f"exec 3> {pipe}\nsleep 60 &\n{body}")
        assert says in str(fails(Command(["slow"], timeout_seconds=seconds), environ, "run it by hand"))
        # The pipe ends when the last that holds it is gone.
        os.set_blocking(reading, True)
        assert os.read(reading, 1) == b""
        assert time.monotonic() - began < 30
    finally:
        os.close(reading)


def test_a_program_may_say_much_on_stderr(fetch: Fetch, tmp_path: Path) -> None:
    environ = script(tmp_path, "chatty", f"head -c 3000000 /dev/zero >&2\necho {TOKEN}")
    assert fetch(Command(["chatty"]), environ).assertion.get_secret_value() == TOKEN


# --- OAuth ---------------------------------------------------------------------------------------------------------


def test_an_oauth_server_that_does_not_know_the_client(fails: Fail, emulator: Emulator, tmp_path: Path) -> None:
    source = read_source(emulator.identity_token("oauth"))
    error = fails(source, {"OAUTH_CLIENT_SECRET": OPAQUE}, "client_id", "OAUTH_CLIENT_SECRET", "scope")
    assert "invalid_client" in str(error)
    fails(source, {}, "OAUTH_CLIENT_SECRET", "private_key_path")
    key = tmp_path / "key.pem"
    key.write_bytes(pem(rsa_key()))
    document = {**emulator.identity_token("oauth"), "private_key_path": str(key), "key_id": "k"}
    del document["client_secret_variable"]
    assert "invalid_client" in str(fails(read_source(document), {}, str(key)))
    wrong = {**emulator.identity_token("oauth"), "scope": "everything"}
    assert "invalid_scope" in str(fails(read_source(wrong), emulator.env("oauth"), "scope"))


def test_a_secret_that_an_oauth_server_quotes_is_masked_however_it_is_written(fails: Fail) -> None:
    secret = f"{OPAQUE}&/+ä"
    basic = base64.b64encode(f"ci:{quote(secret, safe='')}".encode()).decode()
    for written in (secret, quote(secret, safe=""), f"cannot use Basic {basic}"):
        with HostileServer(reply({"error": "invalid_client", "got": written}, status=401)) as server:
            source = OAuth(server.base_url, "ci", client_secret_variable="SECRET")
            fails(source, {"SECRET": secret}, "SECRET", secrets=(secret, basic, basic[:12]))
            assert server.requests[0].header("authorization") == f"Basic {basic}"


def test_a_file_that_holds_no_key_for_an_oauth_client(fails: Fail, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    source = OAuth("http://127.0.0.1:1/token", "ci", private_key_path=str(path), key_id="k")
    assert "could not be read" in str(fails(source, {}, str(path)))
    for name, content in unusable_keys().items():
        path.write_bytes(content)
        secrets = tuple(line for line in content.decode("latin-1").splitlines() if len(line) > 40)
        hint = "P-256, P-384 or P-521" if name.startswith("another") else "BEGIN PRIVATE KEY"
        assert str(path) in str(fails(source, {}, hint, secrets=secrets))
    path.unlink()
    path.mkdir()
    assert "could not be read" in str(fails(source, {}, str(path)))


# --- tokens in files and variables ---------------------------------------------------------------------------------


def test_a_token_in_a_file_or_variable_that_is_not_the_right_one(fails: Fail, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(ELSEWHERE)
    for source in (Kubernetes(str(path)), GitLab(), Spiffe(path=str(path))):
        assert "another audience" in str(fails(source, {"ANTHROPIC_ID_TOKEN": ELSEWHERE}, AUDIENCE))
    # The status shows it before it is presented.
    assert "another audience" in str(Kubernetes(str(path)).unusable(Context()))
    assert "is a directory" in str(Kubernetes(str(tmp_path)).unusable(Context()))
    expired = forged_jwt({"exp": 1, "iat": 0})
    path.write_text(expired)
    for source in (Kubernetes(str(path)), GitLab(), Spiffe(path=str(path)), File(str(path)), Env("ANTHROPIC_ID_TOKEN")):
        renewable = isinstance(source, Spiffe)
        error = None if renewable else fails(source, {"ANTHROPIC_ID_TOKEN": expired}, "clock", secrets=(expired,))
        assert error is None or "expired" in str(error)
    for source in (Kubernetes("/absent"), Spiffe(path="/absent")):
        assert "does not exist" in str(fails(source, {}, "check the path in the program"))
    assert "id_tokens:" in str(fails(GitLab(), {}).hint)
    fails(Env("MISSING"), {}, "set MISSING")


# --- SPIFFE --------------------------------------------------------------------------------------------------------


class Agent(workload_pb2_grpc.SpiffeWorkloadAPIServicer):  # type: ignore[misc]  # generated, without types
    svid: str | None = None

    def FetchJWTSVID(self, request: object, context: grpc.ServicerContext) -> object:  # noqa: N802 - the protocol's name
        if self.svid is None:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"no identity issued to {TOKEN}")
        svids = [workload_pb2.JWTSVID(spiffe_id="spiffe://acme.example/ci", svid=self.svid)] if self.svid else []
        return workload_pb2.JWTSVIDResponse(svids=svids)


def test_an_agent_that_gives_no_svid(fails: Fail, emulator: Emulator) -> None:
    socket = emulator.env("spiffe")["SPIFFE_ENDPOINT_SOCKET"]
    agent, server = Agent(), grpc.server(ThreadPoolExecutor(2))
    workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(agent, server)
    server.add_insecure_port(socket)
    server.start()
    try:
        job = {"SPIFFE_ENDPOINT_SOCKET": socket}
        assert "PERMISSION_DENIED" in str(fails(Spiffe(), job, "an entry is registered"))
        for svid in ("", OPAQUE, ELSEWHERE, emulator.sign_as("spiffe", {"sub": "x", "aud": [AUDIENCE]})):
            agent.svid = svid
            fails(Spiffe(), job, secrets=(svid,) if len(svid) > 40 else ())
    finally:
        server.stop(None).wait()


def test_a_socket_where_no_agent_listens(fails: Fail, tmp_path: Path) -> None:
    fails(Spiffe(), {}, "SPIFFE_ENDPOINT_SOCKET", "socket")
    path = tmp_path / "agent.sock"
    for spelling in (f"unix:{path}", f"unix://{path}", f"UNIX:{path}", f"{path}", f" unix://{path}\r"):
        error = fails(Spiffe(), {"SPIFFE_ENDPOINT_SOCKET": spelling}, "the agent runs")
        assert f"at {path} cannot be asked: its socket does not exist" in str(error)
    long = f"unix:///run/{'a' * 120}.sock"
    hint = "use a shorter path, such as that of a symbolic link to its folder"
    assert "has a path of 130 bytes" in str(fails(Spiffe(), {"SPIFFE_ENDPOINT_SOCKET": long}, hint))
    path.write_text("")
    assert "is another kind of file" in str(fails(Spiffe(socket=str(path)), {}, "the agent runs"))


@pytest.mark.parametrize(
    ("spelling", "says"),
    [
        ("tcp://127.0.0.1:8081", "SPIFFE_ENDPOINT_SOCKET is a TCP address"),
        ("TCP:127.0.0.1:8081", "SPIFFE_ENDPOINT_SOCKET is a TCP address"),
        ("unix://run/agent.sock", "SPIFFE_ENDPOINT_SOCKET is not the address of a Unix socket"),
        ("unix://", "is not the address of a Unix socket"),
        ("unix:///run/agent.sock?x=1", "is not the address of a Unix socket"),
        ("http://127.0.0.1:1", "is not the address of a Unix socket"),
        ("relative.sock", "is not the address of a Unix socket"),
    ],
)
def test_a_workload_api_that_is_not_a_unix_socket_is_refused_by_name(fails: Fail, spelling: str, says: str) -> None:
    error = fails(Spiffe(), {"SPIFFE_ENDPOINT_SOCKET": spelling}, "unix:///run/spire/sockets/agent.sock")
    assert says in str(error)
    assert spelling in str(error)
    assert "`socket` in the profile" in str(fails(Spiffe(socket=spelling), {}))


# --- the debug log -------------------------------------------------------------------------------------------------


def test_what_debug_prints_of_a_platform_holds_no_secret(tmp_path: Path) -> None:
    with HostileServer(said(403)) as server:
        _, job = app_service(server.base_url, tmp_path)
        ids = {"ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}
        environ = {**job, **ids, "ANT_IDENTITY_AUDIENCE": "api://acme", "HOME": str(tmp_path)}
        command = [sys.executable, "-W", "error", "-m", "ant_cli", "--debug", "models", "list"]
        ran = preloaded.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert f"x-identity-header: {OPAQUE[:16]}..." in ran.stderr
    assert "returned HTTP 403" in ran.stderr
    assert_unseen(ran.stderr, OPAQUE, TOKEN)


# --- what is not installed -----------------------------------------------------------------------------------------

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if any(name == blocked or name.startswith(f"{blocked}.") for blocked in sys.argv[2:]):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())

import json
from ant_wif import IdentityTokenError
from ant_wif.identity import Context, read_source
from ant_wif._http.transport import run

try:
    run(read_source(json.loads(sys.argv[1])).fetch(Context()))
except IdentityTokenError as error:
    print(json.dumps([type(error).__name__, str(error), error.hint]))
"""


KEY_FILE = {"private_key_path": "/x", "key_id": "k"}


@pytest.mark.parametrize(
    ("blocked", "document", "extra"),
    [
        (["boto3"], {"source": "aws"}, "aws"),
        (["google.auth"], {"source": "google_cloud"}, "gcp"),
        (["requests"], {"source": "google_cloud"}, "gcp"),
        (["spiffe"], {"source": "spiffe", "socket": "/x"}, "spiffe"),
        (["jwt"], {"source": "oauth", "token_url": "http://127.0.0.1:1", "client_id": "c", **KEY_FILE}, "oauth"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_library_that_is_not_installed_is_named_with_what_installs_it(
    tmp_path: Path, blocked: list[str], document: dict[str, object], extra: str
) -> None:
    command = [sys.executable, "-W", "error", "-c", BLOCKED, json.dumps(document), *blocked]
    ran = preloaded.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout, ran.stderr
    kind, message, hint = json.loads(ran.stdout)
    assert (kind, hint) == ("IdentitySourceError", f"pip install 'ant-wif[{extra}]'")
    assert re.search("not installed|without", message)


@pytest.mark.parametrize(
    ("source", "address", "variable"),
    [
        (GitHubActions(), "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        (Azure("api://acme"), "IDENTITY_ENDPOINT", "IDENTITY_HEADER"),
    ],
    ids=["github", "azure"],
)
def test_a_platform_s_secret_is_sent_without_its_line_break_or_refused_by_name(
    source: IdentitySource, address: str, variable: str, fails: Callable[..., IdentityTokenError]
) -> None:
    with HostileServer(reply({}, status=403)) as server:
        fails(source, {address: server.base_url, variable: f"{OPAQUE}\r\n"})
        header = server.requests[0].header("authorization") or server.requests[0].header("x-identity-header")
        assert str(header).removeprefix("Bearer ") == OPAQUE
        for inner in ("\n", "\x1b", " ", "\u00e9"):
            error = fails(source, {address: server.base_url, variable: f"{OPAQUE}{inner}{OPAQUE}"}, variable)
            assert variable in str(error)
        assert len(server.requests) == 1
