"""One credential in the HTTP clients people use: httpx2 and the official SDK, beside httpx."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import anthropic
import anyio
import httpx2
import pytest

import ant_wif
from ant_wif.credentials import Credentials
from ant_wif.emulator import Emulator
from ant_wif.errors import ApiError, ConfigurationError, InsecureUrlError
from ant_wif.integrations.httpx2 import Httpx2Auth

MANY = 12


@pytest.fixture
def credentials(emulator: Emulator) -> Credentials:
    return ant_wif.resolve(environ=emulator.env())


def test_a_client_of_httpx2_is_authenticated_and_survives_a_revoked_token(
    emulator: Emulator, credentials: Credentials
) -> None:
    with httpx2.Client(base_url=credentials.base_url, auth=Httpx2Auth(credentials)) as client:
        assert client.get("/v1/models").status_code == 200
        emulator.revoke(credentials.token())
        assert client.get("/v1/models").status_code == 200
    assert emulator.exchanges == 2


def test_an_asynchronous_client_of_httpx2_likewise(emulator: Emulator, credentials: Credentials) -> None:
    async def story() -> list[int]:
        async with httpx2.AsyncClient(base_url=credentials.base_url, auth=Httpx2Auth(credentials)) as client:
            first = await client.get("/v1/models")
            emulator.revoke(await credentials.atoken())
            return [first.status_code, (await client.get("/v1/models")).status_code]

    assert anyio.run(story) == [200, 200]
    assert emulator.exchanges == 2


def test_a_streamed_body_of_httpx2_is_not_replayed_and_the_error_says_why(
    emulator: Emulator, credentials: Credentials
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"{}"

    async def story() -> None:
        async with httpx2.AsyncClient(base_url=credentials.base_url, auth=Httpx2Auth(credentials)) as client:
            emulator.revoke(await credentials.atoken())
            with pytest.raises(ApiError, match="its body was streamed") as caught:
                await client.request("GET", "/v1/models", content=chunks())
            assert caught.value.status == 401
            assert (await client.get("/v1/models")).status_code == 200

    anyio.run(story)


def test_httpx2_too_sends_the_credential_to_no_other_host(credentials: Credentials) -> None:
    with httpx2.Client(auth=Httpx2Auth(credentials)) as client, pytest.raises(InsecureUrlError):
        client.get("https://api.anthropic.com/v1/models")


def official(credentials: Credentials) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        credentials=ant_wif.anthropic_credentials(credentials), base_url=credentials.base_url, max_retries=2
    )


def test_the_official_client_uses_the_credential_and_survives_a_revoked_token(
    emulator: Emulator, credentials: Credentials
) -> None:
    with official(credentials) as client:
        assert client.models.list().data
        emulator.revoke(credentials.token())
        assert client.models.list().data
    assert emulator.exchanges == 2


def test_the_official_asynchronous_client_likewise(emulator: Emulator, credentials: Credentials) -> None:
    async def story() -> None:
        provider = ant_wif.anthropic_credentials(credentials)
        async with anthropic.AsyncAnthropic(credentials=provider, base_url=credentials.base_url) as client:
            assert (await client.models.list()).data
            emulator.revoke(await credentials.atoken())
            assert (await client.models.list()).data

    anyio.run(story)
    assert emulator.exchanges == 2


def test_many_calls_of_the_official_client_that_are_rejected_at_once_cause_one_exchange(
    emulator: Emulator, credentials: Credentials
) -> None:
    with official(credentials) as client:
        client.models.list()
        emulator.revoke(credentials.token())
        together = threading.Barrier(MANY)

        def ask() -> int:
            together.wait()
            return len(client.models.list().data)

        with ThreadPoolExecutor(MANY) as pool:
            assert min(future.result() for future in [pool.submit(ask) for _ in range(MANY)]) > 0
    assert emulator.exchanges == 2


def test_one_credential_serves_both_official_clients_and_our_own(emulator: Emulator, credentials: Credentials) -> None:
    with official(credentials) as first, official(credentials) as second:
        first.models.list()
        second.models.list()
        credentials.token()
    assert emulator.exchanges == 1


def test_an_official_client_for_another_host_is_refused(credentials: Credentials) -> None:
    with pytest.raises(InsecureUrlError, match=r"is not sent to https://api\.anthropic\.com") as caught:
        anthropic.Anthropic(credentials=ant_wif.anthropic_credentials(credentials))
    assert credentials.base_url in str(caught.value.hint)


def test_an_api_key_is_named_as_what_it_is(emulator: Emulator) -> None:
    credentials = ant_wif.resolve(api_key=emulator.api_key, base_url=emulator.base_url, environ={})
    with pytest.raises(ConfigurationError) as caught:
        ant_wif.anthropic_credentials(credentials)
    assert "api_key=" in str(caught.value.hint)


def test_the_provider_shows_no_token(credentials: Credentials) -> None:
    provider = ant_wif.anthropic_credentials(credentials)
    token = provider().token
    assert token not in repr(provider)
    assert not inspect.iscoroutinefunction(provider)
