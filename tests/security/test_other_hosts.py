"""A credential goes to the host that it is for, whatever becomes of the client that holds it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import anyio
import httpx
import httpx2
import pytest

import ant_wif
from ant_wif._config import ConfigDir
from ant_wif._secrets import SecretStr
from ant_wif._tokens import StaticProvider
from ant_wif.credentials import Credentials
from ant_wif.emulator import Emulator
from ant_wif.errors import ConfigurationError, InsecureUrlError
from ant_wif.integrations.httpx import HttpxAuth
from ant_wif.integrations.httpx2 import Httpx2Auth
from support.jobs import platform_of, profile_of
from support.login import keep_a_login
from support.misbehaving_server import HostileServer, Received, denial, redirect, reply

ANSWER = reply({"data": [], "has_more": False, "first_id": None, "last_id": None})


@pytest.fixture(scope="module")
def emulator(running: Emulator) -> Emulator:
    return running


@pytest.fixture
def credentials(emulator: Emulator) -> Credentials:
    return ant_wif.resolve(environ=emulator.env())


@pytest.fixture
def other() -> Iterator[HostileServer]:
    """Another host, of which everything is that it listens on another port."""
    with HostileServer(ANSWER) as server:
        yield server


def assert_received_no_token(server: HostileServer, credentials: Credentials) -> None:
    assert all(credentials.token() not in request.head for request in server.requests)
    assert all(request.header("authorization") is None for request in server.requests)


def official(credentials: Credentials, **options: Any) -> anthropic.Anthropic:
    provider = ant_wif.anthropic_credentials(credentials)
    return anthropic.Anthropic(credentials=provider, base_url=credentials.base_url, **options)


def with_base_url_set(client: Any, url: str) -> Any:
    client.base_url = url
    return client.models.list()


def with_base_url_set_before_a_copy(client: Any, url: str) -> Any:
    client.base_url = url
    return client.copy(timeout=5).models.list()


WAYS: dict[str, Callable[[Any, str], Any]] = {
    "base_url set": with_base_url_set,
    "base_url set before a copy": with_base_url_set_before_a_copy,
    "an absolute URL": lambda client, url: client.get(f"{url}/v1/models", cast_to=object),
    "an absolute URL after a request": lambda client, url: (
        client.models.list(),
        client.get(f"{url}/v1/models", cast_to=object),
    )[-1],
    "with_options": lambda client, url: client.with_options(base_url=url).models.list(),
    "copy": lambda client, url: client.copy(base_url=url).models.list(),
    "a copy with an HTTP client of its own": lambda client, url: client.copy(
        base_url=url, http_client=type(client._client)()
    ).models.list(),
    "a raw response": lambda client, url: (
        client.with_raw_response.get(f"{url}/v1/models", cast_to=object)
        if hasattr(client.with_raw_response, "get")
        else with_base_url_set(client, url)
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_official_client_sends_no_token_to_another_host(
    way: str, credentials: Credentials, other: HostileServer
) -> None:
    with official(credentials) as client, pytest.raises(InsecureUrlError, match="is not sent to") as caught:
        WAYS[way](client, other.base_url)
    assert other.base_url in str(caught.value)
    assert caught.value.hint
    assert other.requests == []


@pytest.mark.parametrize("way", sorted(WAYS.keys() - {"an absolute URL after a request"}))
def test_the_official_asynchronous_client_likewise(way: str, credentials: Credentials, other: HostileServer) -> None:
    async def story() -> None:
        provider = ant_wif.anthropic_credentials(credentials)
        async with anthropic.AsyncAnthropic(credentials=provider, base_url=credentials.base_url) as client:
            assert (await client.models.list()).data
            with pytest.raises(InsecureUrlError, match="is not sent to"):
                await WAYS[way](client, other.base_url)

    anyio.run(story)
    assert other.requests == []


def test_a_host_that_is_refused_is_not_tried_again(credentials: Credentials, other: HostileServer) -> None:
    # The SDK wraps an error that it does not know, and repeats the request after a pause.
    with official(credentials, max_retries=5) as client:
        client.base_url = other.base_url
        with pytest.raises(anthropic.AnthropicError) as caught:
            client.models.list()
    assert isinstance(caught.value, InsecureUrlError)


def test_the_official_client_goes_on_after_a_refusal(credentials: Credentials, other: HostileServer) -> None:
    with official(credentials) as client:
        client.base_url = other.base_url
        with pytest.raises(InsecureUrlError):
            client.models.list()
        client.base_url = credentials.base_url
        assert client.models.list().data
        assert client.with_options(timeout=5).models.list().data


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_token_of_the_official_client_to_another_host(status: int, other: HostileServer) -> None:
    with HostileServer(redirect(f"{other.base_url}/v1/models", status)) as own:
        credentials = bearer(own)
        with official(credentials, max_retries=0) as client:
            client.models.list()
        assert [request.header("authorization") for request in own.requests] == [f"Bearer {credentials.token()}"]
        assert len(other.requests) == 1
        assert_received_no_token(other, credentials)


def bearer(server: HostileServer) -> Credentials:
    environ = {"ANTHROPIC_AUTH_TOKEN": "sk-ant-oat01-held", "ANTHROPIC_BASE_URL": server.base_url, "HOME": "/gone"}
    return ant_wif.resolve(environ=environ)


# --- the adapters of httpx and httpx2 ------------------------------------------------------------------

LIBRARIES: dict[str, Any] = {"httpx": (httpx, HttpxAuth), "httpx2": (httpx2, Httpx2Auth)}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("library", LIBRARIES)
class TestAnAdapter:
    @staticmethod
    def ask(library: str, credentials: Credentials, url: str, *, asynchronous: bool, **options: Any) -> Any:
        module, auth = LIBRARIES[library]
        options = {"auth": auth(credentials), "base_url": credentials.base_url, "trust_env": False, **options}

        async def story() -> Any:
            async with module.AsyncClient(**options) as client:
                return await client.get(url)

        if asynchronous:
            return anyio.run(story)
        with module.Client(**options) as client:
            return client.get(url)

    @pytest.mark.parametrize(
        "url",
        [
            "{other}/v1/models",
            "https://127.0.0.1:{port}/v1/models",
            "http://localhost:{port}/v1/models",
            "http://127.0.0.1.evil.example:{port}/v1/models",
            "http://127.0.0.1:{port}@evil.example/v1/models",
            "http://joe@127.0.0.1:{port}/v1/models",
            "http://127.0.0.1/v1/models",
        ],
    )
    def test_refuses_another_host_port_or_scheme(
        self, library: str, url: str, credentials: Credentials, other: HostileServer, *, asynchronous: bool
    ) -> None:
        target = url.format(other=other.base_url, port=credentials.base_url.rpartition(":")[2])
        with pytest.raises(InsecureUrlError, match="is not sent to") as caught:
            self.ask(library, credentials, target, asynchronous=asynchronous)
        assert caught.value.hint
        assert other.requests == []
        assert credentials.expires_at is None, "no token was obtained either"

    def test_refuses_http_where_the_credential_is_for_https(self, library: str, *, asynchronous: bool) -> None:
        credentials = ant_wif.resolve(environ={"ANTHROPIC_AUTH_TOKEN": "sk-ant-oat01-held", "HOME": "/gone"})
        assert credentials.base_url.startswith("https://")
        with pytest.raises(InsecureUrlError, match=r"is not sent to http://api\.anthropic\.com"):
            self.ask(library, credentials, "http://api.anthropic.com/v1/models", asynchronous=asynchronous)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_sends_no_token_after_a_redirect_and_keeps_its_token_when_that_host_wants_one(
        self, library: str, status: int, other: HostileServer, *, asynchronous: bool
    ) -> None:
        other.behaviour = denial(401)
        with HostileServer(redirect(f"{other.base_url}/v1/models", status)) as own:
            credentials = bearer(own)
            credentials.token()
            held = credentials.access_token()
            answer = self.ask(library, credentials, "/v1/models", asynchronous=asynchronous, follow_redirects=True)
            assert answer.status_code == 401
            assert len(own.requests) == len(other.requests) == 1
            assert_received_no_token(other, credentials)
            assert credentials.access_token() is held

    def test_refuses_a_redirect_that_is_followed_by_hand(
        self, library: str, other: HostileServer, *, asynchronous: bool
    ) -> None:
        module, auth = LIBRARIES[library]
        with HostileServer(redirect(f"{other.base_url}/v1/models")) as own:
            credentials = bearer(own)

            options = {"auth": auth(credentials), "trust_env": False}
            url = f"{own.base_url}/v1/models"

            async def by_hand() -> None:
                async with module.AsyncClient(**options) as client:
                    await client.send((await client.get(url)).next_request)

            def follow() -> None:
                if asynchronous:
                    anyio.run(by_hand)
                    return
                with module.Client(**options) as client:
                    client.send(client.get(url).next_request)

            with pytest.raises(InsecureUrlError):
                follow()
        assert other.requests == []

    def test_says_which_header_cannot_be_sent(self, library: str, emulator: Emulator, *, asynchronous: bool) -> None:
        static = StaticProvider(SecretStr("sk-ant-oat01-held"))
        credentials = Credentials(
            static, source="profile", origin="test", base_url=emulator.base_url, workspace_id="wrkspc_\u00fc",
            workspace_header=True,
        )  # fmt: skip
        with pytest.raises(ConfigurationError, match="anthropic-workspace-id cannot be sent"):
            self.ask(library, credentials, "/v1/models", asynchronous=asynchronous)

    def test_renews_the_token_after_a_redirect_within_its_host(self, library: str, *, asynchronous: bool) -> None:
        def answer(request: Received) -> bytes:
            return redirect("/elsewhere") if request.target == "/v1/models" else denial(401)

        with HostileServer(answer) as own:
            credentials = bearer(own)
            held = credentials.access_token()
            self.ask(library, credentials, "/v1/models", asynchronous=asynchronous, follow_redirects=True)
            assert {request.header("authorization") for request in own.requests} == {"Bearer sk-ant-oat01-held"}
            assert credentials.access_token() is not held


def test_a_login_is_not_used_by_a_federation_profile_of_its_name(tmp_path: Path) -> None:
    with Emulator() as emulator:
        directory = ConfigDir(tmp_path / ".config" / "anthropic")
        keep_a_login(directory, emulator)
        login = json.loads(directory.credentials_path("default").read_text())["access_token"]
        job = emulator.env("github")
        directory.config_path("default").write_text(json.dumps(profile_of(job)))
        assert ant_wif.resolve(environ={**platform_of(job), "HOME": str(tmp_path)}).token() != login
        assert emulator.exchanges == 1
