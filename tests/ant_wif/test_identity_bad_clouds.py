"""What clouds answer when something is wrong: Google Cloud and AWS through the libraries of both."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import BotoCoreError
from google.auth.exceptions import TransportError

from ant_wif import IdentityTokenError
from ant_wif._environment import Environment, elapsed
from ant_wif._http.transport import run
from ant_wif.emulator import Emulator
from ant_wif.identity import Aws, Azure, Context, GoogleCloud, IdentitySource, IdentityToken
from ant_wif.identity._google_transport import CheckedRequest, MetadataServerError
from ant_wif.identity.aws import Way
from support.identity_failures import ELSEWHERE, OPAQUE, TOKEN
from support.leaks import assert_unseen
from support.misbehaving_server import (
    Behaviour,
    HostileServer,
    Received,
    chunked_large_body,
    drop_after_reading,
    forged_jwt,
    html,
    in_turn,
    reply,
    trickle,
)

Fail = Callable[..., IdentityTokenError]
Fetch = Callable[..., IdentityToken]
ENDLESS = [
    pytest.param(chunked_large_body(), "the answer is larger than 1048576 bytes", id="too large"),
    pytest.param(b"HTTP/1.1 102 Wait\r\n\r\n" * 99, "more than 16 informational responses", id="informational"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99_999, "the headers of the answer are larger", id="headers"),
]


# --- Google Cloud --------------------------------------------------------------------------------------------------

ACCOUNT = {"email": "ci@acme.iam.gserviceaccount.com", "aliases": ["default"], "scopes": []}
FLAVOR = {"Metadata-Flavor": "Google"}


def metadata(identity: bytes, account: bytes | None = None) -> Callable[..., bytes]:
    account = account or reply(ACCOUNT, headers=FLAVOR)
    return lambda request: identity if "/identity" in request.target else account


@pytest.fixture
def metadata_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[HostileServer], None]:
    """google-auth reads the environment of the process."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GCE_METADATA_ROOT", "GCE_METADATA_IP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def point(server: HostileServer) -> None:
        monkeypatch.setenv("GCE_METADATA_HOST", server.base_url.partition("//")[2])

    return point


@pytest.fixture
def metadata_server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    """The proxy that the environment names for every host."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with HostileServer(html()) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, server.base_url)
        yield server


def flavored(status: int, body: object = b"x", content_type: str = "text/html") -> bytes:
    return reply(body, status=status, headers=FLAVOR, content_type=content_type)


@pytest.mark.parametrize(
    ("behaviour", "says", "hint"),
    [
        pytest.param(metadata(flavored(403, TOKEN)), "403", "iam.serviceAccountOpenIdTokenCreator", id="403"),
        pytest.param(metadata(flavored(404)), "404", "attach a service account", id="404"),
        pytest.param(metadata(b"", flavored(404)), "404", "attach a service account", id="404 at once"),
        pytest.param(flavored(500, TOKEN), "returned HTTP 500", "check GCE_METADATA_HOST", id="500"),
        pytest.param(drop_after_reading(), "could not be reached", "check GCE_METADATA_HOST", id="nothing"),
        pytest.param(html(), "Metadata-Flavor", "GCE_METADATA_HOST and the proxy", id="html"),
        pytest.param(metadata(reply(TOKEN)), "Metadata-Flavor", "something else answers", id="no header"),
        pytest.param(metadata(reply(TOKEN, headers={"Metadata-Flavor": "Acme"})), "Metadata-Flavor", "", id="other"),
        pytest.param(metadata(flavored(200, "<html>")), "Google Cloud gave no ID token", "", id="html with the header"),
        pytest.param(metadata(flavored(200, ELSEWHERE)), "another audience", "ANT_IDENTITY_AUDIENCE", id="audience"),
        pytest.param(metadata(flavored(200, OPAQUE)), "Google Cloud gave no ID token", "", id="no token"),
        pytest.param(metadata(b"", flavored(200, [], "application/json")), "", "", id="a list for an account"),
    ],
)
def test_a_metadata_server_of_google_that_gives_no_token(
    fails: Fail, metadata_host: Callable[..., None], metadata_server: HostileServer,
    behaviour: Behaviour, says: str, hint: str,
) -> None:  # fmt: skip
    metadata_server.behaviour = behaviour
    metadata_host(metadata_server)
    error = fails(GoogleCloud(), None, hint)
    assert says in str(error)


def test_a_metadata_server_of_google_that_fails_for_a_moment_is_asked_again(
    fetch: Fetch, metadata_host: Callable[..., None], metadata_server: HostileServer
) -> None:
    account, token = reply(ACCOUNT, headers=FLAVOR), flavored(200, TOKEN)
    slow = trickle(token, at_once=60, pieces=10, pause=0.01)
    metadata_server.behaviour = in_turn(drop_after_reading(), account, flavored(503), account, slow)
    metadata_host(metadata_server)
    waited: list[float] = []
    assert fetch(GoogleCloud(), None, waited).assertion.get_secret_value() == TOKEN
    assert len(waited) == 2
    assert sum(waited) < 2


def test_the_metadata_server_of_google_is_asked_directly_whatever_proxy_is_named(
    fetch: Fetch, metadata_host: Callable[..., None], metadata_server: HostileServer, proxy: HostileServer
) -> None:
    metadata_server.behaviour = metadata(flavored(200, TOKEN))
    metadata_host(metadata_server)
    assert fetch(GoogleCloud(), None).assertion.get_secret_value() == TOKEN
    assert proxy.connections == 0


def test_app_service_of_azure_is_asked_directly_whatever_proxy_is_named(
    metadata_server: HostileServer, proxy: HostileServer
) -> None:
    metadata_server.behaviour = reply({"access_token": forged_jwt({"aud": "api://acme"})})
    environ = {"IDENTITY_ENDPOINT": f"{metadata_server.base_url}/msi/token", "IDENTITY_HEADER": OPAQUE}
    assert run(Azure("api://acme").fetch(Context(Environment(environ)))).assertion
    assert proxy.connections == 0


def test_a_metadata_server_of_google_leads_nowhere_else(
    fails: Fail, metadata_host: Callable[..., None], metadata_server: HostileServer
) -> None:
    metadata_host(metadata_server)
    with HostileServer(metadata(flavored(200, TOKEN))) as elsewhere:
        to = {**FLAVOR, "Location": f"{elsewhere.base_url}/computeMetadata/v1/"}
        for flavor in (to, {"Location": to["Location"]}):
            metadata_server.behaviour = metadata(reply(b"", status=302, headers=flavor))
            assert f"HTTP 302: it redirects to {to['Location']}" in str(fails(GoogleCloud(), None))
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("answer", "says", "asked"),
    [
        (flavored(200, "x" * (2 << 20)), "the answer is larger than 1048576 bytes", 2),
        (reply(TOKEN, headers={**FLAVOR, "Content-Length": "99999"}), "the connection ended early", 6),
    ],
    ids=["too large", "cut off"],
)
def test_an_answer_of_google_s_metadata_server_that_has_no_proper_end(
    fails: Fail, metadata_host: Callable[..., None], metadata_server: HostileServer,
    answer: bytes, says: str, asked: int,
) -> None:  # fmt: skip
    metadata_server.behaviour = metadata(answer)
    metadata_host(metadata_server)
    assert says in str(fails(GoogleCloud(), None, "check GCE_METADATA_HOST"))
    assert metadata_server.connections == asked


@pytest.mark.parametrize("at_once", [20, 200], ids=["in its head", "in its body"])
def test_a_metadata_server_of_google_that_answers_byte_by_byte_is_left_when_time_is_up(
    metadata_server: HostileServer, at_once: int
) -> None:
    answer = flavored(200, "x" * 2000)
    metadata_server.behaviour = trickle(answer, at_once=at_once, pieces=1500, pause=0.02)
    request = CheckedRequest({"GCE_METADATA_HOST": metadata_server.base_url.partition("//")[2]}, elapsed() + 0.5)
    began = elapsed()
    for expected in ("no answer within 0.5s", "no answer within 0s"):
        with pytest.raises(MetadataServerError, match=expected):
            request("http://metadata.google.internal/computeMetadata/v1/", headers=FLAVOR)
    assert elapsed() - began < 10
    assert metadata_server.connections == 1


@pytest.mark.parametrize(("answer", "says"), ENDLESS)
def test_a_token_endpoint_that_a_key_of_google_names_is_read_within_limits(
    fails: Fail, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, metadata_host: object, tmp_path: Path,
    answer: bytes, says: str,
) -> None:  # fmt: skip
    key = Path(emulator.google_service_account(tmp_path / "key.json"))
    with HostileServer(answer) as server:
        key.write_text(json.dumps({**json.loads(key.read_text()), "token_uri": f"{server.base_url}/token"}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        assert says in str(fails(GoogleCloud(), None, "the URLs in the credentials file"))


@pytest.mark.parametrize("at_once", [20, 200], ids=["in its head", "in its body"])
def test_a_token_endpoint_of_google_that_answers_byte_by_byte_is_left_when_time_is_up(at_once: int) -> None:
    with HostileServer(trickle(reply("x" * 2000), at_once=at_once, pieces=1500, pause=0.02)) as server:
        request = CheckedRequest({}, elapsed() + 0.5)
        for expected in ("no answer within 0.5s", "no answer within 0s"):
            with pytest.raises(TransportError, match=expected):
                request(f"{server.base_url}/token", "POST", b"grant_type=x", {}, timeout=99)
        assert server.connections == 1


def test_a_number_in_what_google_says_is_not_a_status(
    fails: Fail, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, metadata_host: object, tmp_path: Path
) -> None:
    key = Path(emulator.google_service_account(tmp_path / "key.json"))
    denial = {"error": "invalid_grant", "error_description": "Invalid grant: account 110404031985 was not found"}
    with HostileServer(reply(denial, status=400)) as server:
        key.write_text(json.dumps({**json.loads(key.read_text()), "token_uri": f"{server.base_url}/token"}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        error = fails(GoogleCloud(), None)
    assert "invalid_grant" in str(error)
    assert "attach a service account" not in str(error.hint)


@pytest.mark.parametrize(
    ("document", "hint"),
    [
        ({"type": "service_account", "private_key": f"-----BEGIN PRIVATE KEY-----\n{OPAQUE}\n"}, "gcloud"),
        ({"type": "service_account", "client_email": "a@b", "private_key": OPAQUE, "token_uri": "http://x"}, "gcloud"),
        ({"type": "authorized_user", "client_id": "c", "client_secret": OPAQUE, "refresh_token": OPAQUE}, "imperso"),
        ({"type": "external_account", "audience": "x"}, "gcloud"),
        ({"type": "external_account", "credential_source": OPAQUE}, "gcloud"),
        ({"type": "impersonated_service_account", "source_credentials": OPAQUE}, "gcloud"),
        ({"type": "acme"}, "gcloud"),
        ([OPAQUE], "gcloud"),
    ],
)
def test_a_google_credentials_file_that_cannot_issue_tokens(
    fails: Fail, monkeypatch: pytest.MonkeyPatch, metadata_host: object, tmp_path: Path, document: object, hint: str
) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(document))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    fails(GoogleCloud(), None, hint)


@pytest.mark.parametrize("way", ["metadata server", "external account", "impersonated", "service account"])
def test_credentials_of_google_that_impersonate_ask_for_the_token_of_that_account(
    fails: Fail, monkeypatch: pytest.MonkeyPatch, metadata_host: Callable[..., None], emulator: Emulator,
    tmp_path: Path, way: str,
) -> None:  # fmt: skip
    account, path, federated = "ci@acme.iam.gserviceaccount.com", tmp_path / "credentials.json", tmp_path / "token"
    federated.write_text(TOKEN)
    key = json.loads(Path(emulator.google_service_account(tmp_path / "key.json")).read_text())
    access = {"access_token": f"ya29.{OPAQUE}", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"}
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken"

    def answered(request: Received) -> bytes:
        if "/universe/" in request.target:
            return flavored(404)
        return reply(ACCOUNT if "recursive" in request.target else access, headers=FLAVOR)

    # Google's own host is asked through the proxy that the environment names.
    with HostileServer(answered) as google, HostileServer(reply(status=403)) as proxy:
        key["token_uri"] = f"{google.base_url}/token"
        documents = {
            "external account": {
                "type": "external_account", "audience": "//iam.googleapis.com/pool", "token_url": google.base_url,
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "credential_source": {"file": str(federated)}, "service_account_impersonation_url": url,
            },
            "impersonated": {
                "type": "impersonated_service_account", "source_credentials": key,
                "service_account_impersonation_url": url,
            },
            "service account": key,
        }  # fmt: skip
        if way in documents:
            path.write_text(json.dumps(documents[way]))
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        metadata_host(google)
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base_url)
        own = way in {"metadata server", "service account"}
        fails(GoogleCloud(service_account_email=account if own else None), None, secrets=(key["private_key"],))
        assert len(google.requests) >= 1
        assert {request.target for request in proxy.requests} == {"iamcredentials.googleapis.com:443"}


# --- AWS -----------------------------------------------------------------------------------------------------------


def sts_error(code: str, message: str, status: int) -> bytes:
    body = (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
    return reply(body, status=status, content_type="text/xml")


def sts_answer(token: str) -> bytes:
    body = (
        '<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>'
        f"<WebIdentityToken>{token}</WebIdentityToken><Expiration>2030-01-01T00:00:00Z</Expiration>"
        "</GetWebIdentityTokenResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
        "</GetWebIdentityTokenResponse>"
    )
    return reply(body, content_type="text/xml")


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HostileServer]:
    """STS for boto3 in this process, which reads its environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with HostileServer() as server:
        settings = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": OPAQUE[::-1]}
        settings |= {"AWS_SESSION_TOKEN": OPAQUE, "AWS_ENDPOINT_URL_STS": server.base_url, "HOME": str(tmp_path)}
        # boto3 waits for real time between its attempts.
        settings["AWS_MAX_ATTEMPTS"] = "1"
        settings["HTTP_PROXY"] = "http://127.0.0.1:1"  # a loopback host is not reached through it
        for name, value in {**settings, "AWS_EC2_METADATA_DISABLED": "true"}.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.mark.parametrize(
    ("answer", "says", "hint"),
    [
        (sts_error("AccessDenied", f"not with {TOKEN}", 403), "is not allowed to request", "sts:GetWebIdentityToken"),
        (sts_error("Throttling", "Rate exceeded", 400), "Throttling", "run again in a minute"),
        (
            sts_error("OutboundWebIdentityFederationDisabledException", "not enabled for this account", 403),
            "does not issue identity tokens yet",
            "aws iam enable-outbound-web-identity-federation",
        ),
        (sts_error("ExpiredTokenException", "The security token has expired", 403), "expired", "new AWS"),
        (sts_error("InvalidClientTokenId", "invalid", 403), "does not know", "which AWS credentials"),
        (sts_error("SignatureDoesNotMatch", "x", 403), "signature", "clock"),
        (sts_error("ValidationError", "x", 400), "refuses the request", "duration_seconds"),
        (sts_error("Unheard", "x", 400), "Unheard", "account"),
        (sts_error("InternalFailure", "x", 500), "InternalFailure", ""),
        (sts_answer(ELSEWHERE), "another audience", "ANT_IDENTITY_AUDIENCE"),
        (sts_answer(OPAQUE), "expected a signed JWT", "OIDC token"),
        (
            reply("<GetWebIdentityTokenResponse/>", content_type="text/xml"),
            "something other than a token",
            "AWS_ENDPOINT_URL_STS",
        ),
        (html(), "", "AWS_ENDPOINT_URL_STS"),
        (reply("not XML at all", content_type="text/xml"), "", "AWS_ENDPOINT_URL_STS"),
        (drop_after_reading(), "could not be asked", "AWS_ENDPOINT_URL_STS"),
    ],
    ids=lambda value: None if isinstance(value, str) else "",
)
def test_sts_that_gives_no_token(fails: Fail, sts: HostileServer, answer: Behaviour, says: str, hint: str) -> None:
    sts.behaviour = answer
    error = fails(Aws(), None, hint)
    assert says in str(error)


@pytest.mark.parametrize(("answer", "says"), ENDLESS)
def test_an_answer_of_sts_is_read_within_limits(fails: Fail, sts: HostileServer, answer: bytes, says: str) -> None:
    sts.behaviour = answer
    assert says in str(fails(Aws(), None, "AWS_ENDPOINT_URL_STS"))


def test_what_is_asked_for_credentials_on_the_way_to_sts_is_read_within_limits(
    fails: Fail, sts: HostileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    sts.behaviour = chunked_large_body()
    (tmp_path / "token").write_text(TOKEN)
    pod = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": "arn:aws:iam::1:role/x"}
    for variables in (
        {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": sts.base_url},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{sts.base_url}/credentials"},
        pod,
    ):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert "the answer is larger than 1048576 bytes" in str(fails(Aws(), None))


@pytest.mark.parametrize("at_once", [20, 200], ids=["in its head", "in its body"])
def test_an_endpoint_of_aws_that_answers_byte_by_byte_is_left_when_time_is_up(
    sts: HostileServer, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
    sts.behaviour = trickle(sts_answer("x" * 2000), at_once=at_once, pieces=1500, pause=0.02)
    until = elapsed() + 2
    client = boto3.Session(botocore_session=Way(Environment(), until, []).session()).client("sts", "eu-west-1")
    with pytest.raises(BotoCoreError, match="no answer within"):
        client.get_caller_identity()
    assert elapsed() < until + 10  # the answer takes 30 seconds


def test_what_botocore_logs_of_a_fetch_holds_no_secret(
    fetch: Fetch, sts: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = [logging.getLogger(name).filters[:] for name in ("botocore.parsers", "botocore.auth")]
    sts.behaviour = sts_answer(TOKEN)
    fetch(Aws(), None)
    assert {"botocore.parsers", "botocore.auth", "httpcore.http11"} <= {each.name for each in caplog.records}
    assert_unseen(caplog.text, TOKEN, OPAQUE, OPAQUE[::-1])
    assert "GetWebIdentityTokenResponse" in caplog.text
    assert [logging.getLogger(name).filters for name in ("botocore.parsers", "botocore.auth")] == before
    assert logging.getLogger("botocore.parsers").level == logging.NOTSET


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("form", ["{}\r\n", "{}\n", "{0}\x1b{0}", "{0}\n{0}", "{}\u00e9"])
def test_aws_credentials_that_no_header_can_carry_are_refused_by_name(
    form: str, variable: str, fails: Fail, sts: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, form.format(OPAQUE))
    error = fails(Aws(), None, variable)
    assert variable in str(error)
    assert sts.connections == 0


@pytest.mark.parametrize("kind", ["variable", "file"])
def test_a_container_s_token_that_no_header_can_carry_is_refused_by_name(
    kind: str, fails: Fail, sts: HostileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{sts.base_url}/credentials")
    path = tmp_path / "token"
    path.write_text(f"{OPAQUE}\r\n")
    name, value = {
        "variable": ("AWS_CONTAINER_AUTHORIZATION_TOKEN", f"{OPAQUE}\r\n"),
        "file": ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(path)),
    }[kind]
    monkeypatch.setenv(name, value)
    assert name in str(fails(Aws(), None, name))
    assert sts.connections == 0


def test_sts_that_throttles_for_a_moment_is_asked_again(
    fetch: Fetch, sts: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    sts.behaviour = in_turn(sts_error("Throttling", "Rate exceeded", 400), sts_answer(TOKEN))
    assert fetch(Aws(), None).assertion.get_secret_value() == TOKEN


def test_sts_is_asked_in_the_region_that_is_named_or_in_the_first_of_all(
    fetch: Fetch, sts: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sts.behaviour = sts_answer(TOKEN)
    for source, variables, expected in [
        (Aws(), {}, "us-east-1"),
        (Aws(), {"AWS_DEFAULT_REGION": "eu-central-1"}, "eu-central-1"),
        (Aws(), {"AWS_REGION": "eu-north-1"}, "eu-north-1"),
        (Aws(region="eu-west-1"), {}, "eu-west-1"),
    ]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert fetch(source, None).assertion.get_secret_value() == TOKEN
        assert f"/{expected}/sts/" in str(sts.requests[-1].header("authorization"))


def test_a_machine_without_credentials_of_aws(fails: Fail, sts: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    fails(Aws(), None, "role", "aws sts get-caller-identity")
    fails(Aws(profile_name="absent"), None, "profile_name")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    fails(Aws(), None, "set what is missing too")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "EXAMPLE")
    monkeypatch.setenv("AWS_REGION", "no region")
    fails(Aws(), None, "correct AWS_REGION")
    monkeypatch.setenv("AWS_PROFILE", "absent")
    fails(Aws(), None, "correct AWS_PROFILE")
    assert sts.connections == 0


@pytest.mark.parametrize("source", [Aws(), GoogleCloud()], ids=["aws", "google_cloud"])
def test_a_library_that_reads_the_process_s_environment_is_not_used_for_another(
    fails: Fail, source: IdentitySource
) -> None:
    fails(source, {"AWS_ACCESS_KEY_ID": "x"}, "leave out environ=")
