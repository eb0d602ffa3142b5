"""What other libraries raise is told as theirs: with the file, variable or service, a remedy, and never as a bug."""

from __future__ import annotations

import inspect
import json
import os
import ssl
import subprocess
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import anyio
import botocore.exceptions
import google.auth.compute_engine
import google.auth.exceptions
import httpcore
import httpx
import pytest
from botocore.parsers import ResponseParserError
from botocore.utils import ContainerMetadataFetcher

from ant_wif import IdentityTokenError
from ant_wif._http import Request, RequestFailure, arun, http_errors, run, send
from ant_wif.identity import (
    Aws,
    Azure,
    Buildkite,
    CircleCI,
    Env,
    File,
    GitHubActions,
    GoogleCloud,
    IdentitySource,
    IdentityToken,
)
from support.identity_failures import OPAQUE, TOKEN
from support.loopback import Recorded, Reply, Scripted

Fail = Callable[..., IdentityTokenError]
Fetch = Callable[..., IdentityToken]
CLEARED = ("AWS_", "GOOGLE_", "GCE_", "CLOUDSDK_")


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Set variables of the process, which boto3 and google-auth read, with none of the clouds' own before."""
    for name in [name for name in os.environ if name.startswith(CLEARED)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)  # else a second before each further attempt

    def set_all(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


def defined_by(module: types.ModuleType) -> list[type[Exception]]:
    """The exceptions that a library defines."""
    found = (kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, Exception))
    return [kind for kind in found if not issubclass(kind, Warning)]


def made(kind: type[Exception], message: str) -> Exception:
    """One of that kind, without its constructor where that wants more than a message."""
    if issubclass(kind, botocore.exceptions.ClientError):
        return kind({"Error": {"Code": "Unheard", "Message": message}}, "GetWebIdentityToken")
    try:
        return kind(message)
    except (TypeError, KeyError):
        error = kind.__new__(kind)
        Exception.__init__(error, message)
        return error


# --- AWS -----------------------------------------------------------------------------------------------------------

GONE = "/gone/token"
ROLE = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/ci"}
POD = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}


@pytest.mark.parametrize(
    ("variables", "configuration", "says", "hint"),
    [
        ({**ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": GONE}, "", "AWS_WEB_IDENTITY_TOKEN_FILE", "IRSA"),
        ({**POD, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": GONE}, "", "AUTHORIZATION_TOKEN_FILE", "Pod Identity agent"),
        ({}, f"credential_process = {GONE} --now", "the AWS configuration", "AWS_CONFIG_FILE"),
        ({}, f"role_arn = arn:aws:iam::1:role/x\nweb_identity_token_file = {GONE}", "the AWS configuration", "CONFIG"),
    ],
    ids=["irsa", "pod identity", "program", "file in the configuration"],
)
def test_a_file_that_aws_credentials_need_and_that_is_absent_is_named(
    variables: dict[str, str], configuration: str, says: str, hint: str,
    process: Callable[..., None], fails: Fail, tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "config").write_text(f"[default]\n{configuration}\n")
    process(**variables, AWS_CONFIG_FILE=str(tmp_path / "config"))
    error = fails(Aws(), None, hint)
    assert f"{GONE}, which " in str(error)
    assert says in str(error)
    assert "does not exist" in str(error)


@pytest.mark.parametrize(
    ("prints", "says"),
    [
        ("echo not json", "JSONDecodeError"),
        ("echo no such role >&2; exit 3", "no such role"),
        ("echo '{\"Version\": 9}'", "Unsupported version"),
        ("echo '{\"Version\": 1}'", "AccessKeyId"),
        ("echo '[]'", "no attribute"),
        ("", "JSONDecodeError"),
    ],
)
def test_a_program_for_aws_credentials_that_fails_is_told_as_aws_failure(
    prints: str, says: str, process: Callable[..., None], fails: Fail, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{prints}\n")
    program.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program} --for ci\n")
    process(AWS_CONFIG_FILE=str(tmp_path / "config"))
    error = fails(Aws(), None)
    assert says in str(error)
    assert f"run {program}, the `credential_process` of the AWS profile: it must print JSON with" in str(error.hint)
    assert "HTTP header" not in str(error)


@pytest.mark.parametrize("command", ["", "'program", "/bin/false", "/bin/echo no json"])
def test_a_command_for_aws_credentials_that_cannot_be_used_is_not_blamed_on_the_network(
    command: str, process: Callable[..., None], fails: Fail, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {command}\n")
    process(AWS_CONFIG_FILE=str(tmp_path / "config"))
    fails(Aws(), None, "correct the file that AWS_CONFIG_FILE names")


@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_file_of_aws_that_cannot_even_be_looked_at_is_named(
    variable: str, process: Callable[..., None], fails: Fail
) -> None:
    process(**{variable: f"/{'a' * 300}", "AWS_EC2_METADATA_DISABLED": "true"})
    assert "AWS STS could not be asked" in str(fails(Aws(), None, f"correct {variable}, which names /aaa"))


def test_a_configuration_of_aws_that_cannot_be_parsed_is_named(
    process: Callable[..., None], fails: Fail, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default\nregion\n")
    process(AWS_CONFIG_FILE=str(tmp_path / "config"))
    assert str(tmp_path / "config") in str(fails(Aws(), None, "AWS_CONFIG_FILE"))


@pytest.mark.parametrize("content", [b"", b"{}", "[x]".encode("utf-16")])
@pytest.mark.parametrize("variable", ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_file_of_aws_with_something_else_in_it_is_named_with_its_variable(
    variable: str, content: bytes, process: Callable[..., None], fails: Fail, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    process(**ROLE if "TOKEN" in variable else {}, AWS_REGION="us-east-1", **{variable: str(path)})
    if content or "TOKEN" in variable:
        error = fails(Aws(), None, variable)
        assert str(path) in str(error)
    process(**{variable: GONE})
    error = fails(Aws(), None)
    assert GONE in f"{error} {error.hint}"


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_certificates_for_boto3_that_are_absent_are_named(
    variable: str, process: Callable[..., None], fails: Fail
) -> None:
    with answering((200, {})) as sts:
        url = sts.base_url.replace("http:", "https:")
        keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": OPAQUE, "AWS_MAX_ATTEMPTS": "1"}
        process(AWS_ENDPOINT_URL=url, **keys, **{variable: GONE})
        fails(Aws(), None, f"correct {variable}, which names {GONE}")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_MAX_ATTEMPTS", "x"),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "none"),
        ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1\r\n"),
        ("AWS_ENDPOINT_URL", "ht tp://x"),
        ("AWS_DEFAULTS_MODE", "fast"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "x"),
        ("AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES", "x"),
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "x"),
        ("AWS_CREDENTIAL_EXPIRATION", "x"),
        ("AWS_REGION", "us-east-1\r"),
        ("AWS_REGION", "us-east-1\n"),
        ("AWS_DEFAULT_REGION", "us-east-1\n"),
    ],
)
def test_a_setting_of_aws_that_cannot_be_used_is_blamed_on_its_variable(
    variable: str, value: str, process: Callable[..., None], fails: Fail
) -> None:
    process(AWS_ACCESS_KEY_ID="AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY=OPAQUE, **{variable: value})
    assert fails(Aws(), None).hint == f"correct {variable}"


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
def test_an_address_of_aws_that_answers_nothing_useful_is_blamed_on_its_variable(
    variable: str, process: Callable[..., None], fails: Fail
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": OPAQUE, "AWS_MAX_ATTEMPTS": "1"}
    with answering((404, {})) as server:
        for url in (server.base_url, "http://127.0.0.1:1"):
            process(**{**({} if "CONTAINER" in variable else keys), variable: f"{url}/x"})
            assert variable in str(fails(Aws(), None).hint).split()


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
@pytest.mark.parametrize(
    "host", ["127.0.0.1:\uff18\uff10", "127.0.0.1:\u00e9", "127.0.0.1:99999", "[::1", "127.0.0.1:0"]
)
def test_an_address_of_aws_that_cannot_be_one_is_blamed_on_its_variable(
    variable: str, host: str, process: Callable[..., None], fails: Fail
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": OPAQUE, "AWS_MAX_ATTEMPTS": "1"}
    process(**{**({} if "CONTAINER" in variable else keys), variable: f"http://{host}/x"})
    assert variable in str(fails(Aws(), None).hint).split()


def test_a_credential_of_aws_that_is_alike_is_not_blamed_for_a_setting(
    process: Callable[..., None], fails: Fail
) -> None:
    process(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_SESSION_TOKEN="x", AWS_STS_REGIONAL_ENDPOINTS="x")
    assert fails(Aws(), None).hint == "correct AWS_STS_REGIONAL_ENDPOINTS"


def test_credentials_of_aws_that_have_expired_are_not_blamed_on_the_network(
    process: Callable[..., None], fails: Fail
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": OPAQUE}
    process(**keys, AWS_CREDENTIAL_EXPIRATION="2001-01-01T00:00:00Z")
    assert fails(Aws(), None).hint == "obtain new AWS credentials, then run again"


BOTOCORE = [*defined_by(botocore.exceptions), ResponseParserError, OSError, RuntimeError]


# Each at one of the two places, by turns, and under `-m long` at both.
@pytest.mark.parametrize("step", [2, pytest.param(1, marks=pytest.mark.long)], ids=["turns", "all"])
@pytest.mark.parametrize("where", ["credentials", "call"])
def test_no_exception_of_botocore_escapes(
    where: str, step: int, fails: Fail, process: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Session:
        """Stands for boto3's, and fails at one of the two places where a library may."""

        region_name = None

        def __init__(self, **_: object) -> None:
            pass

        def get_credentials(self) -> object:
            if where == "credentials":
                raise made(kind, "no credentials today")
            frozen = types.SimpleNamespace(access_key="AKIA", secret_key=OPAQUE, token=None)
            return types.SimpleNamespace(method="env", get_frozen_credentials=lambda: frozen)

        def client(self, *_: object, **__: object) -> object:
            raise made(kind, f"not with {OPAQUE}")

    process()
    monkeypatch.setitem(sys.modules, "boto3", types.SimpleNamespace(Session=Session))  # type: ignore[arg-type]  # all that is used of it
    for kind in BOTOCORE[(where == "call") % step :: step]:
        assert "AWS" in str(fails(Aws(), None)), kind


# --- GitHub, Azure and the programs of CI systems ---------------------------------------------------------------------

PENDING = {"message": "Can't issue ID_TOKEN for a job in 'Pending' state"}
RESOURCE = "api://0b6f2f0e-0000-4000-8000-000000000000"


def answering(*replies: tuple[int, object]) -> Scripted:
    """An endpoint that gives these answers in turn, and the last one again and again."""
    left = list(replies)

    def script(_: Recorded) -> Reply:
        status, body = left.pop(0) if len(left) > 1 else left[0]
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return status, {"Content-Type": "application/json", "Content-Length": str(len(raw))}, raw

    return Scripted(script)


def github_job(base_url: str) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{base_url}/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": OPAQUE,
    }


def test_a_job_that_github_takes_for_pending_asks_again(fetch: Fetch) -> None:
    with answering((403, PENDING), (403, PENDING), (200, {"value": TOKEN})) as github:
        assert fetch(GitHubActions(), github_job(github.base_url)).assertion.get_secret_value() == TOKEN


@pytest.mark.parametrize(
    ("status", "body", "said", "attempts", "hint"),
    [
        (403, PENDING, "Can't issue ID_TOKEN for a job in 'Pending' state", 3, "githubstatus.com"),
        (403, {"message": "job in 'Completed' state"}, "job in 'Completed' state", 1, "id-token: write"),
        (403, b"<html>No", "its body is an HTML page", 1, "no proxy answers"),
        (500, b"<!DOCTYPE html>", "its body is an HTML page", 3, "no proxy answers"),
        (502, b"", "HTTP 502: its body is empty", 3, "githubstatus.com"),
        (200, b"<html>Log in", "something other than a JSON object with a field `value`", 1, "no proxy answers"),
    ],
)
def test_what_github_says_of_a_refusal_is_shown(
    fails: Fail, status: int, body: object, said: str, attempts: int, hint: str
) -> None:
    with answering((status, body)) as github:
        assert said in str(fails(GitHubActions(), github_job(github.base_url), hint))
        assert len(github.requests) == attempts


ENTRA = {
    "700016": "correct AZURE_CLIENT_ID or AZURE_TENANT_ID",
    "700024": "let the kubelet rotate the file that AZURE_FEDERATED_TOKEN_FILE names",
    "700211": "OIDC issuer URL",
    "700212": "api://AzureADTokenExchange",
    "700213": "case-sensitive",
    "70021": "this cluster's issuer and the subject",
    "500011": "az ad sp create",
    "50001": "az ad sp create",
    "90002": "AZURE_TENANT_ID",
    "90033": "status.azure.com",
    "700222": "AZURE_FEDERATED_TOKEN_FILE",
    "7000112": "Enterprise applications",
    "50013": "serves its current keys",
    "900144": "https://login.microsoftonline.com/error?code=900144",
}


@pytest.mark.parametrize("code", ENTRA)
def test_each_known_code_of_entra_id_has_its_remedy(fails: Fail, code: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    body = {"error": "invalid_client", "error_description": f"AADSTS{code}: Something is wrong. Trace ID: 1"}
    with answering((400, body)) as entra:
        pod = {
            "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
            "AZURE_TENANT_ID": "tenant.example",
            "AZURE_CLIENT_ID": "client",
            "AZURE_AUTHORITY_HOST": entra.base_url,
        }
        error = fails(Azure(RESOURCE), pod, ENTRA[code])
        assert len(entra.requests) == (3 if code == "90033" else 1)
    assert f"AADSTS{code}: Something is wrong" in str(error)


def test_a_pod_token_that_is_not_a_jwt_is_not_sent_to_entra_id_and_a_closed_port_does_not_blame_its_credential(
    fails: Fail, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    pod = {"AZURE_FEDERATED_TOKEN_FILE": str(path), "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}
    pod["AZURE_AUTHORITY_HOST"] = "http://127.0.0.1:9"
    for content, said in (("", "it is empty"), ("{}", "a JSON document"), ("\0", "a text of 1 characters")):
        path.write_text(content)
        assert said in str(fails(Azure(RESOURCE), pod, "the file that AZURE_FEDERATED_TOKEN_FILE names"))
    path.write_text(TOKEN)
    fails(Azure(RESOURCE), pod, "check the network, the proxy variables and AZURE_AUTHORITY_HOST")


SEVERAL = "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity"


@pytest.mark.parametrize(
    ("status", "said", "attempts", "hint"),
    [
        (400, SEVERAL, 1, "set AZURE_CLIENT_ID"),
        (410, "Gone", 3, "run again in a minute"),
        (429, "Too many requests", 3, "run again in a minute; if it persists, "),
        (404, "Not found", 1, "check that the machine has a managed identity"),
        (400, "Identity not found", 1, "assign a managed identity"),
    ],
)
def test_what_the_metadata_service_of_azure_says_has_its_remedy(
    fails: Fail, status: int, said: str, attempts: int, hint: str
) -> None:
    with answering((status, {"error": "invalid_request", "error_description": said})) as service:
        error = fails(Azure(RESOURCE), {"AZURE_POD_IDENTITY_AUTHORITY_HOST": service.base_url}, hint)
        assert len(service.requests) == attempts
    assert said in str(error)


@pytest.mark.parametrize(("name", "source"), [("circleci", CircleCI()), ("buildkite-agent", Buildkite())])
@pytest.mark.parametrize("failures", [1, 2])
def test_a_program_of_a_ci_system_that_fails_once_is_run_again(
    fetch: Fetch, fails: Fail, tmp_path: Path, name: str, source: IdentitySource, failures: int
) -> None:
    program = tmp_path / name
    program.write_text(
        f'#!/bin/sh\necho x >> "{tmp_path}/runs"\n'
        f'[ "$(wc -l < "{tmp_path}/runs")" -gt {failures} ] || {{ echo timed out >&2; exit 1; }}\necho {TOKEN}\n'
    )
    program.chmod(0o700)
    job = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    if failures == 1:
        assert fetch(source, job).assertion.get_secret_value() == TOKEN
    else:
        assert "timed out" in str(fails(source, job, "run it by hand"))
    assert (tmp_path / "runs").read_text() == "x\n" * 2


# --- what other programs write --------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_token_file_with_a_mark_is_read_and_one_in_utf_16_is_named(
    fetch: Fetch, fails: Fail, tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "token"
    path.write_bytes(f"{TOKEN}\r\n".encode(encoding))
    if encoding == "utf-8-sig":
        assert fetch(File(str(path)), {}).assertion.get_secret_value() == TOKEN
    else:
        assert f"{path} is UTF-16 text" in str(fails(File(str(path)), {}, "save it as UTF-8"))


@pytest.mark.parametrize("around", ["\ufeff{}\r\n", " \ufeff{}", "{}\u00a0\n"])
def test_a_token_in_a_variable_is_read_without_what_is_around_it(fetch: Fetch, around: str) -> None:
    job = {"ANTHROPIC_IDENTITY_TOKEN": around.format(TOKEN)}
    assert fetch(Env(), job).assertion.get_secret_value() == TOKEN


# --- Google ----------------------------------------------------------------------------------------------------------

EXTERNAL = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "http://127.0.0.1:9/v1/token",
    "service_account_impersonation_url": "http://127.0.0.1:9/serviceAccounts/ci@acme.example:generateAccessToken",
}
ALLOWED = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}


def program(command: str) -> dict[str, object]:
    return {"executable": {"command": command, "timeout_millis": 5000}}


@pytest.mark.parametrize(
    ("source", "variables", "says", "hint"),
    [
        ({"file": GONE}, {}, f"'{GONE}' was not found", "correct {file}"),
        ({"file": "/tmp"}, {}, "/tmp, which {file} names, is a directory", "correct {file}"),
        ({"file": "/dev/null"}, {}, "Missing subject_token", "correct {file}"),
        ({"url": "http://127.0.0.1:9/"}, {}, "Connection refused", "check the network"),
        ({"url": "nonsense"}, {}, "URL is missing an 'http://'", "the URLs in the credentials file"),
        (program(GONE), {}, "explicitly allowed", "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"),
        (program(GONE), ALLOWED, f"{GONE}, which {{file}} names, does not exist", "correct {file}"),
        (program("false"), ALLOWED, "return code 1", "correct {file}"),
        (program("echo hi"), ALLOWED, "what should be JSON is something else", "correct {file}"),
        ({}, {}, "Missing credential_source", "correct {file}"),
        ("x", {}, "not a dict", "correct {file}"),
    ],
)
def test_an_external_account_of_google_that_cannot_be_used_is_told_with_its_file(
    source: object, variables: dict[str, str], says: str, hint: str,
    process: Callable[..., None], fails: Fail, tmp_path: Path,
) -> None:  # fmt: skip
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({**EXTERNAL, "credential_source": source}))
    process(GOOGLE_APPLICATION_CREDENTIALS=str(path), **variables)
    error = fails(GoogleCloud(), None, hint.replace("{file}", str(path)))
    assert says.replace("{file}", str(path)) in str(error)


OF_OTHERS = [OSError, RuntimeError, subprocess.SubprocessError, json.JSONDecodeError, KeyError]


@pytest.mark.parametrize("kind", [*defined_by(google.auth.exceptions), *OF_OTHERS], ids=lambda kind: kind.__name__)
def test_no_exception_of_google_auth_escapes(
    kind: type[Exception], fails: Fail, process: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refresh(*_: object, **__: object) -> None:
        raise made(kind, "no token today")

    process(GCE_METADATA_HOST="127.0.0.1:9")
    monkeypatch.setattr(google.auth.compute_engine, "IDTokenCredentials", refresh)
    assert "Google Cloud gave no ID token" in str(fails(GoogleCloud(), None))


# --- httpx and httpcore ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["sending", "reading"])
def test_no_exception_of_httpx_or_httpcore_escapes(where: str) -> None:
    """From any of the ways on which something is sent."""

    class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"{"
            raise made(kind, "the network is gone")

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{"
            raise made(kind, "the network is gone")

    def respond(_: httpx.Request) -> httpx.Response:
        if where == "sending":
            raise made(kind, "the network is gone")
        return httpx.Response(200, stream=Body())

    async def awaited() -> object:
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
            return await arun(send(Request("GET", "https://api.example")), client)

    for kind in (*defined_by(httpx), *defined_by(httpcore), OSError, ssl.SSLError):
        with httpx.Client(transport=httpx.MockTransport(respond)) as client:
            assert isinstance(run(send(Request("GET", "https://api.example")), client), RequestFailure), kind
            assert isinstance(anyio.run(awaited), RequestFailure), kind
        # What the client of the API expects.
        assert isinstance(made(kind, ""), http_errors(OSError)), kind
