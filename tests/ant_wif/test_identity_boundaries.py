"""What must not cross the boundary of an identity source: secrets, proxies, foreign tokens, impossible values."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ant_wif._environment import Environment
from ant_wif._http.transport import run
from ant_wif.emulator import Emulator
from ant_wif.errors import IdentitySourceError, IdentityTokenError
from ant_wif.identity import Azure, Context, Env, detect, read_source
from ant_wif.identity.file import refuse_foreign
from support.identity_failures import OPAQUE
from support.misbehaving_server import HostileServer, forged_jwt, reply

SECRET = "Tr0ub4dor&3x+" + OPAQUE[:8]


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


def fetched(source: object, environ: dict[str, str] | None = None) -> str:
    with httpx.Client() as client:
        token = run(source.fetch(Context(Environment(environ))), client)  # type: ignore[attr-defined]  # a source
    return str(token.assertion.get_secret_value())


def test_app_service_is_asked_directly_whatever_proxy_is_set(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HostileServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base_url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        server.behaviour = reply({"access_token": forged_jwt({"aud": "api://acme"})})
        environ = {"IDENTITY_ENDPOINT": f"{server.base_url}/msi/token", "IDENTITY_HEADER": OPAQUE}
        assert run(Azure("api://acme").fetch(Context(Environment(environ)))).assertion
        assert proxy.requests == []


def test_folders_that_may_not_be_looked_into_are_no_reason_to_fail() -> None:
    # A name that is too long fails as a folder without the right to search does, for root too.
    assert detect(Context(Environment({"HOME": f"/{'x' * 5000}"}))) is None


def test_a_client_s_secret_is_not_seen_in_any_of_its_forms(
    emulator_client: dict[str, object], server: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    document = {**emulator_client, "token_url": f"{server.base_url}/token"}
    variable = str(document["client_secret_variable"])
    server.behaviour = lambda request: reply({"error": f"cannot use {request.header('authorization')}"}, status=401)
    with pytest.raises(IdentitySourceError) as caught:
        fetched(read_source(document), {variable: SECRET})
    sent = str(server.requests[0].header("authorization")).removeprefix("Basic ")
    seen = f"{caught.value} {caught.value.hint} {caplog.text}"
    assert base64.b64decode(sent)
    assert sent not in seen
    assert sent[:12] not in seen
    assert SECRET not in seen


@pytest.fixture
def emulator_client() -> Iterator[dict[str, object]]:
    with Emulator() as emulator:
        yield emulator.identity_token("oauth")


@pytest.mark.parametrize("expires_at", [float("inf"), float("nan"), 10**400, 1e300, -1])
def test_an_expiry_that_no_calendar_has_is_refused(expires_at: float) -> None:
    with pytest.raises(IdentityTokenError, match="expired" if expires_at == -1 else "exp that is not a possible time"):
        fetched(Env("TOKEN"), {"TOKEN": forged_jwt({"exp": expires_at})})


@pytest.mark.parametrize("between", ["\n", "\r\n", " "])
def test_a_token_that_was_broken_into_lines_is_told_as_that(between: str) -> None:
    token = forged_jwt({"exp": 1})
    with pytest.raises(IdentityTokenError, match="three parts with a blank or a line break in them"):
        fetched(Env("TOKEN"), {"TOKEN": token[:9] + between + token[9:]})


@pytest.mark.parametrize("how", ["//var/run", "/var/run/../run", "a link"])
def test_the_token_of_a_pod_for_another_service_is_refused_under_every_name(how: str, tmp_path: Path) -> None:
    mounted = "secrets/kubernetes.io/serviceaccount/token"
    path = Path(how, mounted)
    if how == "a link":
        path = tmp_path / "token"
        path.symlink_to(f"/run/{mounted}")
    with pytest.raises(IdentitySourceError, match="is not presented elsewhere"):
        refuse_foreign(path, "https://api.anthropic.com")
