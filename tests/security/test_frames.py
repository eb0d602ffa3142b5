"""No frame that an error passes holds a bare secret, whatever fails and by whichever entry it was asked for."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import errno
import hashlib
import io
import json
import pickle
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import anyio
import click
import httpcore
import httpx
import httpx2
import pytest

import ant_wif
from ant_cli._session import Session
from ant_cli.main import cli
from ant_wif._api import Api
from ant_wif._environment import Environment
from ant_wif._http import run
from ant_wif._resolution import resolution_of
from ant_wif._secrets import SecretBytes, SecretStr
from ant_wif._tokens import AuthorizationRequest, AuthorizationResponse
from ant_wif._tokens.grants.authorization_code import redeem
from ant_wif.admin.client import Admin
from ant_wif.credentials import Credentials
from ant_wif.diagnostics.describe import report
from ant_wif.diagnostics.explain import explain
from ant_wif.diagnostics.verify import verify
from ant_wif.identity import (
    Aws,
    Azure,
    AzurePipelines,
    Command,
    Context,
    Env,
    File,
    Fly,
    GitHubActions,
    GitLab,
    GoogleCloud,
    IdentitySource,
    Literal,
    OAuth,
    Url,
)
from ant_wif.integrations.httpx import HttpxAuth
from ant_wif.integrations.httpx2 import Httpx2Auth
from support.leaks import bare, bare_in_frames
from support.misbehaving_server import Act, HostileServer, Received, forged_jwt, grant, reply
from support.samples import ORGANIZATION, RULE, login_profile


def opaque(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


API_KEY = f"sk-ant-api03-{opaque('key')}"
AUTH_TOKEN = f"sk-ant-oat01-{opaque('auth')}"
ACCESS = f"sk-ant-oat01-{opaque('access')}"
REFRESH = f"sk-ant-ort01-{opaque('refresh')}"
SUCCESSOR = f"sk-ant-ort01-{opaque('successor')}"
IDENTITY = forged_jwt()
REQUEST_TOKEN = opaque("request token")
CLIENT_SECRET = opaque("client secret")
CODE = opaque("code")
IN_VARIABLE = forged_jwt({"jti": None, "nonce": opaque("jwt")})
EXPIRED = forged_jwt({"exp": 1})
SECRETS = (
    EXPIRED,
    IN_VARIABLE,
    API_KEY,
    AUTH_TOKEN,
    ACCESS,
    REFRESH,
    SUCCESSOR,
    IDENTITY,
    REQUEST_TOKEN,
    CLIENT_SECRET,
)

# --- how the servers fail -----------------------------------------------------------------------------------

AGAIN = {"x-should-retry": "false", "request-id": "req_1"}


def refused(status: int) -> Callable[[Received], bytes]:
    """An error that quotes all that was sent."""

    def answer(request: Received) -> bytes:
        said = f"refused {request.head} {request.body.decode()}"
        return reply({"error": {"type": "x", "message": said}, "echo": said}, status=status, headers=AGAIN)

    return answer


def success(body: Callable[[str], object]) -> Callable[[Received], bytes]:
    return lambda request: reply(body(f"{request.head} {request.body.decode()}"), headers=AGAIN)


def in_headers(request: Received) -> bytes:
    """What a proxy does that reports a request in the headers of its own error."""
    sent = f"{request.head} {request.body.decode()}".replace("\r\n", " ")
    return reply(
        {"message": "no"}, status=403, headers={**AGAIN, "WWW-Authenticate": f'Bearer error="{sent}"', "X-Sent": sent}
    )


def cut_off(request: Received) -> bytes:
    return reply(f"{request.head} {request.body.decode()} {ACCESS}", headers={"Content-Length": "100000"})


FAILURES: dict[str, Callable[[Received], bytes] | Act] = {
    **{f"HTTP {status}": refused(status) for status in (400, 401, 403, 404, 500)},
    "HTTP 403 that quotes all in its headers": in_headers,
    "garbage": success(lambda sent: f"garbage {sent} {ACCESS}"),
    "HTML": success(lambda sent: f"<html>{sent}"),
    "a list": success(lambda sent: [sent, ACCESS]),
    "a token without expiry": success(lambda sent: {"access_token": ACCESS, "refresh_token": SUCCESSOR, "echo": sent}),
    "a token of another type": success(lambda sent: grant(ACCESS, token_type=sent)),
    "an unsendable token": success(lambda sent: grant(f"{ACCESS}\n{sent}")),
    "an identity token that is none": success(lambda sent: {"value": f"{IDENTITY}.{sent}", "access_token": "x.y.z"}),
    "too much": success(lambda sent: {"echo": sent, "padding": "x" * (2 << 20)}),
    "cut off": cut_off,
    "a redirect": lambda request: reply(b"", status=307, headers={"Location": f"http://127.0.0.1:1{request.target}"}),
    "no HTTP": lambda request: b"SSH-2.0 " + request.head.encode() + request.body + b"\r\n",
    "nothing": Act(lambda connection, _: None),
}
QUICK = {name: failure for name, failure in FAILURES.items() if name not in {"nothing", "too much"}}


@dataclass
class World:
    """A workload: its home, and the servers that it speaks to, which fail in one way after some grants."""

    home: Path
    server: HostileServer
    failure: Callable[[Received], bytes] | Act = field(default=refused(401))
    grants: int = 0

    def answer(self, connection: socket.socket, request: Received) -> None:
        if self.grants and request.target == "/v1/oauth/token":
            self.grants -= 1
            connection.sendall(reply(grant(ACCESS, refresh_token=SUCCESSOR)))
        elif isinstance(self.failure, Act):
            self.failure.do(connection, request)
        else:
            connection.sendall(self.failure(request))

    @property
    def environ(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "ANTHROPIC_BASE_URL": self.server.base_url,
            "ANT_CACHE_DIR": str(self.home / "cache"),
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.server.base_url}/github?x=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
            "CLIENT_SECRET": CLIENT_SECRET,
            "OPAQUE": f"{CLIENT_SECRET}\n{CLIENT_SECRET}",
            "PATH": "/usr/bin:/bin",
        }

    @property
    def federation(self) -> dict[str, str]:
        return {
            **self.environ,
            "ANTHROPIC_FEDERATION_RULE_ID": RULE,
            "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION,
            "ANTHROPIC_IDENTITY_TOKEN": IN_VARIABLE,
        }

    def profile(self, document: dict[str, object], credentials: object = None, mode: int = 0o600) -> dict[str, str]:
        folder = self.home / ".config" / "anthropic"
        for each in (folder / "configs", folder / "credentials"):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "configs" / "default.json").write_text(json.dumps(document))
        if credentials is not None:
            path = folder / "credentials" / "default.json"
            path.touch(0o600)
            path.write_text(credentials if isinstance(credentials, str) else json.dumps(credentials))
            path.chmod(mode)
        return self.environ

    def login(self, **changes: object) -> dict[str, str]:
        stored = {"access_token": AUTH_TOKEN, "refresh_token": REFRESH, "expires_at": 1, **changes}
        return self.profile(login_profile(), stored)


@pytest.fixture
def world(tmp_path: Path, short_pauses: None) -> Iterator[World]:
    with HostileServer() as server:
        made = World(tmp_path, server)
        server.behaviour = Act(made.answer)
        yield made


def assert_frames_hold_no_secret(attempt: Callable[..., object], *given: Any, **named: Any) -> BaseException | None:
    caught = None
    try:
        attempt(*given, **named)
    except Exception as error:  # noqa: BLE001 - whatever comes is looked through
        caught = error
    found = [] if caught is None else bare_in_frames(caught, *SECRETS)
    assert not found, "\n".join([repr(caught), *found])
    return caught


by_turns = pytest.mark.parametrize("turns", [3, pytest.param(1, marks=pytest.mark.long)], ids=["turns", "all"])
"""Every third of the pairs, with all of each kind in it; under `-m long` the whole product."""


# --- entries that fail before anything is sent --------------------------------------------------------------

SPOILT: dict[str, Callable[[World], dict[str, Any]]] = {
    "an empty base URL": lambda _: {"base_url": ""},
    "an insecure base URL": lambda _: {"base_url": "http://evil.example"},
    "no URL": lambda _: {"base_url": "nonsense"},
    "an unknown profile": lambda _: {"profile": "absent"},
    "an impossible profile": lambda _: {"profile": "../x"},
    "an empty profile name": lambda _: {"profile": ""},
    "an unknown identity source": lambda _: {"identity_source": "nonsense"},
    "an empty rule": lambda _: {"federation_rule_id": ""},
    "a bad rule": lambda _: {"federation_rule_id": "x", "organization_id": ORGANIZATION},
    "a bad organization": lambda _: {"federation_rule_id": RULE, "organization_id": "x"},
    "a configuration directory that is none": lambda world: {"config_dir": __file__},
    "a broken profile": lambda world: {"environ": world.profile({"authentication": REFRESH})},
    "broken credentials": lambda world: {"environ": world.profile(login_profile(), '{"access_token": "' + ACCESS)},
    "credentials with a line break": lambda world: {"environ": world.login(access_token=f"{ACCESS}\n")},
    "credentials of the wrong type": lambda world: {"environ": world.login(expires_at=REFRESH)},
    "readable credentials": lambda world: {"environ": world.profile(login_profile(), {"access_token": ACCESS}, 0o644)},
    "an expired login": lambda world: {
        "environ": world.profile(login_profile(), {"access_token": ACCESS, "expires_at": 1})
    },
    "a bad cache": lambda world: {"environ": {**world.federation, "ANT_CACHE": "nonsense"}},
    "a bad cache directory": lambda world: {"environ": {**world.federation, "ANT_CACHE_DIR": __file__}},
    "an unsendable key": lambda world: {"environ": {**world.environ, "ANTHROPIC_API_KEY": f"{API_KEY}\n"}},
    "an unsendable token": lambda world: {"environ": {**world.environ, "ANTHROPIC_AUTH_TOKEN": f"{AUTH_TOKEN}\n"}},
    "a bad proxy": lambda world: {
        "environ": {**world.federation, "HTTPS_PROXY": "gopher://x"},
        "base_url": "https://x.example",
    },
}
HANDED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a key": {"api_key": API_KEY},
    "a token": {"auth_token": AUTH_TOKEN},
    "an identity token": {"identity_token": IDENTITY},
    "an unsendable key": {"api_key": f"{API_KEY}\n"},
    "a key of a wrong type": {"api_key": API_KEY.encode()},
    "keys": {"api_key": [API_KEY]},
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_resolving_and_reporting(spoilt: str, world: World) -> None:
    raised = []
    for handed in HANDED.values():
        arguments = {"environ": {**world.federation, "ANTHROPIC_API_KEY": API_KEY}, **SPOILT[spoilt](world), **handed}
        for entry in (ant_wif.resolve, report, lambda **given: ant_wif.resolve(**given).token()):
            raised.append(assert_frames_hold_no_secret(entry, **arguments))
    assert any(raised)


@pytest.mark.parametrize(
    "given",
    [{"federation_rule_id": "x"}, {"organization_id": "x"}, {"workspace_id": "x"}, {"base_url": "http://evil.example"}],
    ids=str,
)
def test_federating(given: dict[str, str], world: World) -> None:
    ids = {"federation_rule_id": RULE, "organization_id": ORGANIZATION, "environ": world.federation, **given}
    source = Literal(SecretStr(IDENTITY))
    assert assert_frames_hold_no_secret(lambda: ant_wif.federate(source, **ids))  # type: ignore[arg-type]  # one of each kind


# --- obtaining a token --------------------------------------------------------------------------------------

ASK: dict[str, Callable[[Credentials], object]] = {
    "token": lambda creds: creds.token(),
    "headers": lambda creds: creds.headers(),
    "atoken": lambda creds: anyio.run(creds.atoken),
    "aheaders": lambda creds: anyio.run(creds.aheaders),
}


def fetched(source: IdentitySource, context: Context) -> object:
    return run(source.fetch(context))


def resolved(ask: Callable[[Credentials], object], environ: dict[str, str]) -> object:
    return ask(ant_wif.resolve(environ=environ))


def called(call: Callable[[Credentials], object], make: Callable[[], Credentials]) -> object:
    return call(make())


def sources(world: World) -> dict[str, IdentitySource]:
    path = world.home / "identity-token"
    path.write_text(IDENTITY)
    broken = world.home / "broken-token"
    broken.write_text(CLIENT_SECRET)
    script = world.home / "print"
    script.write_text(f"#!/bin/sh\necho {CLIENT_SECRET}\necho {CLIENT_SECRET} >&2\nexit 1\n")
    script.chmod(0o700)
    return {
        "literal": Literal(SecretStr(IDENTITY)),
        "a broken literal": Literal(SecretStr(f"{CLIENT_SECRET}.x.y")),
        "expired": Literal(SecretStr(EXPIRED)),
        "env": Env(),
        "a broken variable": Env("OPAQUE"),
        "file": File(str(path)),
        "a broken file": File(str(broken)),
        "github": GitHubActions(),
        "gitlab": GitLab("OPAQUE"),
        "oauth": OAuth(f"{world.server.base_url}/oauth", "client", client_secret_variable="CLIENT_SECRET"),
        "oauth with a broken key": OAuth(f"{world.server.base_url}/o", "c", private_key_path=str(broken), key_id="k"),
        "command": Command((str(script),)),
    }


@by_turns
@pytest.mark.parametrize("failure", FAILURES)
def test_exchanging(failure: str, turns: int, world: World) -> None:
    world.failure = FAILURES[failure]
    raised = []
    for source in list(sources(world).values())[list(FAILURES).index(failure) % turns :: turns]:
        for ask in list(ASK.values())[:: 3 if failure in QUICK else 4]:
            environ = {**world.federation, "ANT_CACHE": "memory"}
            creds = ant_wif.federate(
                source,
                federation_rule_id=RULE,
                organization_id=ORGANIZATION,
                base_url=world.server.base_url,
                environ=environ,
            )
            raised.append(assert_frames_hold_no_secret(ask, creds))
        context = Context(Environment(world.federation))
        raised.append(assert_frames_hold_no_secret(fetched, source, context))
    assert any(raised)


def clouds(world: World) -> dict[str, tuple[IdentitySource, dict[str, str]]]:
    """The sources that ask an endpoint of a platform, each with the variables that lead it to the failing server."""
    host = world.server.base_url
    pod = world.home / "pod-token"
    pod.write_text(IDENTITY)
    google_file = world.home / "external.json"
    google_file.write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"{host}/google/token",
                "service_account_impersonation_url": f"{host}/google/impersonate:generateAccessToken",
                "credential_source": {"file": str(pod)},
            }
        )
    )
    aws = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": CLIENT_SECRET,
        "AWS_SESSION_TOKEN": REQUEST_TOKEN,
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_STS": host,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": str(world.home / "absent"),
    }
    workload = {
        "AZURE_TENANT_ID": "tenant",
        "AZURE_CLIENT_ID": "client",
        "AZURE_FEDERATED_TOKEN_FILE": str(pod),
        "AZURE_AUTHORITY_HOST": host,
    }
    application = Azure(audience="api://application")
    return {
        "aws": (Aws(), aws),
        "Azure's App Service": (
            application,
            {"IDENTITY_ENDPOINT": f"{host}/msi", "IDENTITY_HEADER": REQUEST_TOKEN},
        ),
        "Azure's pod": (application, workload),
        "Azure's machine": (application, {"AZURE_POD_IDENTITY_AUTHORITY_HOST": host}),
        "Azure Pipelines": (
            AzurePipelines(service_connection_id="11111111-2222-3333-4444-555555555555"),
            {"SYSTEM_OIDCREQUESTURI": f"{host}/oidc", "SYSTEM_ACCESSTOKEN": REQUEST_TOKEN},
        ),
        "Google's machine": (GoogleCloud(), {"GCE_METADATA_HOST": host.removeprefix("http://")}),
        "Google's file": (GoogleCloud(), {"GOOGLE_APPLICATION_CREDENTIALS": str(google_file)}),
        "a URL": (
            Url(f"{host}/token", method="POST", body={}, headers={"X-Secret": {"variable": "CLIENT_SECRET"}}),
            {},
        ),
        "Fly": (Fly(), {"FLY_APP_NAME": "app", "ANT_FLY_API_SOCKET": str(world.home / "absent")}),
    }


@pytest.mark.parametrize("failure", QUICK)
def test_asking_a_cloud(failure: str, world: World) -> None:
    world.failure = QUICK[failure]
    for name, (source, variables) in clouds(world).items():
        context = Context(Environment({**world.environ, **variables}))
        raised = assert_frames_hold_no_secret(fetched, source, context)
        assert raised is not None, name


def test_exchanging_with_another_client(world: World) -> None:
    def raising(error: type[Exception]) -> httpx.MockTransport:
        def handle(request: httpx.Request) -> httpx.Response:
            raise error(f"{request.headers} {request.content!r}")

        return httpx.MockTransport(handle)

    for error in (httpx.UnsupportedProtocol, httpx.LocalProtocolError, ValueError, RuntimeError):
        with httpx.Client(transport=raising(error)) as client:
            creds = ant_wif.resolve(environ={**world.federation, "ANT_CACHE": "memory"}, http_client=client)
            frames = assert_frames_hold_no_secret(creds.token)
            assert frames is not None or error is RuntimeError


@pytest.mark.parametrize("failure", FAILURES)
def test_refreshing_a_login(failure: str, world: World) -> None:
    world.failure = FAILURES[failure]
    environ = world.login()
    for ask in list(ASK.values())[:: 3 if failure in QUICK else 4]:
        assert assert_frames_hold_no_secret(resolved, ask, environ)


def test_refreshing_a_login_that_cannot_be_kept(world: World) -> None:
    environ = world.login()
    folder = world.home / ".config" / "anthropic" / "credentials"
    (folder / "default.json").rename(folder / "real.json")
    (folder / "default.json").symlink_to("real.json")
    for ask in ASK.values():
        assert assert_frames_hold_no_secret(resolved, ask, environ)


@pytest.mark.parametrize("failure", QUICK)
def test_redeeming_the_code_of_a_login(failure: str, world: World) -> None:
    world.failure = QUICK[failure]
    attempt = AuthorizationRequest(world.server.base_url, "client", "scope")
    answer = attempt.pasted(CODE, None)
    assert isinstance(answer, AuthorizationResponse)
    verifier, state = attempt.verifier.get_secret_value(), attempt.state.get_secret_value()
    flow = redeem(world.server.base_url, attempt, answer, base_url_from="--base-url")
    error = assert_frames_hold_no_secret(run, flow)
    assert error is not None
    assert not bare_in_frames(error, verifier, state)


def test_what_is_not_an_answer_to_a_login(world: World) -> None:
    attempt = AuthorizationRequest(world.server.base_url, "client", "scope")
    state = attempt.state.get_secret_value()
    for pasted in (f"{CODE}#another", f"https://x.example/?code={CODE}", f"http://[?code={CODE}", f"#{state}"):
        assert not bare(attempt.pasted(pasted, None), CODE, state)
    for query in ({"code": CODE}, {"code": CODE, "state": state, "error": "access_denied"}, {"state": state}):
        assert not bare(attempt.answer(query, attempt.paste_uri), CODE, state)


# --- calling the API ----------------------------------------------------------------------------------------


def httpx_call(module: Any, auth: Any) -> Callable[[Credentials], object]:
    def ask(creds: Credentials) -> object:
        with module.Client(auth=auth(creds), base_url=creds.base_url, follow_redirects=True) as client:
            return client.post("/v1/messages", content=iter([b"x"])).raise_for_status()

    return ask


def httpx_acall(module: Any, auth: Any) -> Callable[[Credentials], object]:
    async def ask(creds: Credentials) -> object:
        async with module.AsyncClient(auth=auth(creds), base_url=creds.base_url) as client:
            return (await client.get("/v1/models")).raise_for_status()

    return lambda creds: anyio.run(ask, creds)


def official(creds: Credentials) -> object:
    given = ant_wif.anthropic_credentials(creds)
    with anthropic.Anthropic(credentials=given, base_url=creds.base_url, max_retries=0) as client:
        return client.models.list()


def official_asynchronously(creds: Credentials) -> object:
    async def ask() -> object:
        given = ant_wif.anthropic_credentials(creds)
        async with anthropic.AsyncAnthropic(credentials=given, base_url=creds.base_url, max_retries=0) as client:
            return await client.models.list()

    return anyio.run(ask)


def with_api(call: Callable[[Api], object]) -> Callable[[Credentials], object]:
    def ask(creds: Credentials) -> object:
        with Api(creds, sleep=lambda _: None) as api:
            return call(api)

    return ask


def with_admin(call: Callable[[Admin], object]) -> Callable[[Credentials], object]:
    def ask(creds: Credentials) -> object:
        with Admin(creds, Api(creds, sleep=lambda _: None)) as admin:
            return call(admin)

    return ask


def streamed(api: Api) -> object:
    with api.open("POST", "/v1/messages", body=b"{}") as response:
        return response.read()


CALLS: dict[str, Callable[[Credentials], object]] = {
    "httpx": httpx_call(httpx, HttpxAuth),
    "httpx2": httpx_call(httpx2, Httpx2Auth),
    "httpx asynchronously": httpx_acall(httpx, HttpxAuth),
    "httpx2 asynchronously": httpx_acall(httpx2, Httpx2Auth),
    "the official client": official,
    "the official asynchronous client": official_asynchronously,
    "verify": verify,
    "get": with_api(lambda api: api.get("/v1/models")),
    "post": with_api(lambda api: api.send("POST", "/v1/messages", {"x": 1})),
    "items": with_api(lambda api: list(api.items("/v1/models"))),
    "open": with_api(streamed),
    "another host": with_api(lambda api: api.get("http://evil.example/")),
    "list": with_admin(lambda admin: list(admin.rules.list())),
    "create": with_admin(lambda admin: admin.issuers.create({"name": "x"})),
    "find": with_admin(lambda admin: admin.service_accounts.find("x")),
}


def held(world: World) -> dict[str, Callable[[], Credentials]]:
    environ = {**world.environ, "ANTHROPIC_AUTH_TOKEN": AUTH_TOKEN}
    return {
        "a static token": lambda: ant_wif.resolve(environ=environ),
        "a federated token": lambda: ant_wif.resolve(environ={**world.federation, "ANT_CACHE": "memory"}),
        "a login": lambda: ant_wif.resolve(environ=world.login()),
    }


@pytest.mark.parametrize("failure", ["HTTP 401", "HTTP 403", "HTTP 500", "garbage", "a list", "cut off", "a redirect"])
@by_turns
@pytest.mark.parametrize("call", CALLS)
def test_calling_the_api_and_refreshing_after_a_401(call: str, failure: str, turns: int, world: World) -> None:
    world.failure = QUICK[failure]
    raised = []
    first = (list(CALLS).index(call) + list(QUICK).index(failure)) % turns
    for creds in list(held(world).values())[first::turns]:
        world.grants = 1
        raised.append(assert_frames_hold_no_secret(called, CALLS[call], creds))
    assert any(raised) or failure not in {"HTTP 401", "HTTP 403", "HTTP 500", "cut off"}


@pytest.mark.parametrize("read", [httpx.Response.read, lambda response: list(response.iter_lines())])
def test_an_answer_that_breaks_off_leaves_no_echo_in_the_frames_of_a_library(
    read: Callable[[httpx.Response], object], world: World
) -> None:
    world.failure = cut_off
    creds = ant_wif.resolve(environ={**world.environ, "ANTHROPIC_AUTH_TOKEN": AUTH_TOKEN})
    with (
        Api(creds) as api,
        pytest.raises(ant_wif.ApiError, match="broke off") as caught,
        api.open("POST", "/v1/messages", body=b"{}") as response,
    ):
        read(response)
    assert not bare_in_frames(caught.value, *SECRETS, of=(str(Path(httpcore.__file__).parent.parent),))


@pytest.mark.parametrize("failure", QUICK)
def test_explaining(failure: str, world: World) -> None:
    world.failure = QUICK[failure]
    for source in ("github_actions", "env", "gitlab"):
        resolution = resolution_of(
            profile=None, config_dir=None, identity_token_file=None, environ=world.federation, clock=lambda: 1e9,
            identity_source=source,
        )  # fmt: skip
        assert_frames_hold_no_secret(explain, resolution)


class Full(io.RawIOBase):
    """A stream to a disk that is full."""

    def writable(self) -> bool:
        return True

    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@contextlib.contextmanager
def output_that_cannot_be_written() -> Iterator[None]:
    stream = io.TextIOWrapper(Full(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(stream):
        yield
    stream.detach()


WITHOUT_CREDENTIAL = {"completion", "demo", "emulator env", "help", "version", "auth login"}
COMMANDS = (
    "api /v1/models",
    "api /v1/x -X POST -f a=b",
    "auth explain",
    "auth export --github",
    "auth status",
    "auth status --format json",
    "auth status --github-summary",
    "auth print-credentials",
    "auth print-credentials --access-token",
    "auth print-credentials --env",
    "auth verify",
    "cache list",
    "exec -- true",
    "exec --env -- true",
    "exec --as-api-key -- /dev/null/x",
    "identity claims",
    "identity detect",
    "identity token",
    "identity token --output /dev/null/x",
    "messages count-tokens --model m --message hi",
    "messages create --model m --max-tokens 1 --message hi",
    "models list",
    "models retrieve m",
    "profile get",
    "profile list",
    "profile set workspace_id wrkspc_01Example",
    "profile unset workspace_id",
    "profile activate default",
    "profile create default --federation",
    "profile delete absent --yes",
    *(f"wif {kind} list" for kind in ("issuers", "rules", "service-accounts")),
    *(f"wif {kind} get x_01" for kind in ("issuers", "rules", "service-accounts")),
    *(f"wif {kind} archive x_01 --yes" for kind in ("issuers", "rules", "service-accounts")),
    *(f"wif {kind} update x_01 --name x" for kind in ("issuers", "rules", "service-accounts")),
    "wif issuers create --url https://x.example --name x",
    "wif rules create --name x --issuer x --subject x --service-account x",
    "wif service-accounts create --name x",
    "wif setup github --repo acme/app --yes",
    "cache clear",
    "auth logout",
)


def leaves(command: click.Command, context: click.Context, *words: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield " ".join(words)
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from leaves(inner, click.Context(inner, parent=context, info_name=name), *words, name)


def test_every_command_is_tried() -> None:
    found = set(leaves(cli, click.Context(cli)))
    tried = {leaf for leaf in found for command in COMMANDS if f"{command} ".startswith(f"{leaf} ")}
    assert {leaf for leaf in found - tried if not leaf.startswith("wif setup ")} == WITHOUT_CREDENTIAL


def works(request: Received) -> bytes:
    found = {"value": IDENTITY} if request.target.startswith("/github") else {"data": [{"id": "m"}], "id": "m"}
    return reply(found, headers=AGAIN)


PRINTING = ("auth export", "auth print-credentials", "exec", "identity token")
"""What handles a bare credential is tried with each kind of it, the others by turns."""


@by_turns
@pytest.mark.parametrize("failure", ["HTTP 401", "HTTP 403 that quotes all in its headers", "garbage", "full"])
def test_every_command(failure: str, turns: int, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.failure = QUICK.get(failure, works)
    raised = []
    held = (world.federation, {**world.environ, "ANTHROPIC_API_KEY": API_KEY}, world.login())
    for turn, environ in enumerate(held):
        for number, command in enumerate(COMMANDS):
            if (number - turn) % turns and not command.startswith(PRINTING):
                continue
            world.grants = 9 if failure == "full" else 0
            with monkeypatch.context() as patched, contextlib.ExitStack() as stack:
                for name, value in environ.items():
                    patched.setenv(name, value)
                if failure == "full":
                    stack.enter_context(output_that_cannot_be_written())
                raised.append(
                    assert_frames_hold_no_secret(cli.main, command.split(), standalone_mode=False, obj=Session())
                )
    assert any(isinstance(each, OSError if failure == "full" else ant_wif.AntWifError) for each in raised)


# --- public objects -----------------------------------------------------------------------------------------


def test_no_attribute_of_a_public_object_is_a_secret(world: World) -> None:
    for make in held(world).values():
        world.grants, world.failure = 5, success(lambda _: {"data": []})
        creds = make()
        provider = ant_wif.anthropic_credentials(creds)
        token = provider()
        creds.headers()
        with Api(creds) as api, anthropic.Anthropic(credentials=provider, base_url=creds.base_url):
            for public in (
                creds,
                creds.auth,
                Httpx2Auth(creds),
                provider,
                api,
                creds._provider,
                creds._cache,
                creds.access_token(),
            ):
                assert not bare(public, *SECRETS)
                assert not bare(vars(public), *SECRETS)
        assert str(token.token)[20:] not in repr(token.token)
    for source in sources(world).values():
        assert not bare(source, *SECRETS)


def test_no_pickle_and_no_dump_of_attributes_holds_a_secret(world: World) -> None:
    """`json.dumps(…, default=vars)` looks through what is within, too."""
    world.grants, world.failure = 9, success(lambda _: {"data": [], "echo": ACCESS})
    public: list[object] = [SecretStr(ACCESS), SecretBytes(ACCESS.encode()), Literal(SecretStr(IDENTITY))]
    for make in held(world).values():
        creds = make()
        with Api(creds) as api:
            public += [api.call("GET", "/v1/models"), creds.access_token(), creds._provider, creds, creds.auth]
            public += [HttpxAuth(creds), Httpx2Auth(creds), ant_wif.anthropic_credentials(creds), api]
    for one in public:
        dumped = ""
        with contextlib.suppress(TypeError):  # of a lock, which has no attributes
            dumped = json.dumps(one, default=vars)
        assert not bare(dumped, *SECRETS), one
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
                pickle.dumps(one, protocol)


def test_a_copy_of_what_holds_a_secret_holds_the_same_and_shows_none(world: World) -> None:
    creds = ant_wif.resolve(environ={**world.environ, "ANTHROPIC_AUTH_TOKEN": AUTH_TOKEN})
    token = creds.access_token()
    for twin in (copy.copy(token), copy.deepcopy(token), dataclasses.replace(token)):
        assert twin == token
        assert not bare(twin, *SECRETS)
    assert not bare(str(dataclasses.asdict(token)), *SECRETS)
    for made in (creds, ant_wif.anthropic_credentials(creds)):
        assert copy.copy(made) is made
        assert copy.deepcopy({"of a configuration": made}) == {"of a configuration": made}


def test_credentials_say_what_to_do_where_they_would_be_pickled(world: World) -> None:
    creds = ant_wif.resolve(environ={**world.environ, "ANTHROPIC_AUTH_TOKEN": AUTH_TOKEN})
    for one in (creds, creds.auth, ant_wif.anthropic_credentials(creds), creds.access_token()):
        with pytest.raises(TypeError, match=r"call ant_wif\.resolve\(\) in the other process"):
            pickle.dumps(one)
