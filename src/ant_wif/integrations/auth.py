"""`httpx.Auth` over a credential: one flow, which the sync and the async client drive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any, Protocol

import httpx

from ant_wif.errors import InsecureUrlError
from ant_wif.integrations.headers import apply
from ant_wif.secrets import SecretStr, clean
from ant_wif.urls import check_url

__all__ = ["CredentialAuth"]


_HEADERS, _REQUEST = object(), object()


class Bearer(Protocol):
    """What is needed of a credential: see `ant_wif.Credentials`."""

    @property
    def base_url(self) -> str: ...
    def headers(self) -> dict[str, str]: ...
    async def aheaders(self) -> dict[str, str]: ...
    def invalidate(self, rejected: SecretStr | None = None) -> None: ...


class CredentialAuth(httpx.Auth):
    """Puts a credential's headers on each request, and tries once more with a new token after a 401.

    A request that already has `Authorization` or `x-api-key` is left alone. The credential goes to
    the host of its own `base_url` only.
    """

    def __init__(self, credential: Bearer) -> None:
        self._credential = credential

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        flow = self._flow(request)
        answer: Mapping[str, str] | httpx.Response | None = None
        while (step := _next(flow, answer)) is not None:
            answer = self._credential.headers() if step is _HEADERS else (yield request)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        flow = self._flow(request)
        answer: Mapping[str, str] | httpx.Response | None = None
        while (step := _next(flow, answer)) is not None:
            answer = await self._credential.aheaders() if step is _HEADERS else (yield request)

    def _flow(self, request: httpx.Request) -> Generator[object, Any, None]:
        """Yield `_HEADERS` to be sent the credential's headers, `_REQUEST` to be sent its response."""
        if "authorization" in request.headers or "x-api-key" in request.headers:
            yield _REQUEST
            return
        self._refuse_other_hosts(request)
        apply(request.headers, (yield _HEADERS))
        response = yield _REQUEST
        if response.status_code != 401:
            return
        rejected = _bearer(request)
        self._credential.invalidate(rejected)
        # A body that is streamed is spent, so its sender gets to see the 401.
        if isinstance(request.stream, httpx.ByteStream):
            apply(request.headers, (yield _HEADERS))
            if _bearer(request) != rejected:
                yield _REQUEST

    def _refuse_other_hosts(self, request: httpx.Request) -> None:
        check_url(str(request.url.copy_with(query=None, fragment=None)), what="the request's URL")
        own = httpx.URL(self._credential.base_url)
        if (request.url.scheme, request.url.host, request.url.port) != (own.scheme, own.host, own.port):
            raise InsecureUrlError(
                f"the credential is for {_authority(own)} and is not sent to {_authority(request.url)}",
                hint=f"pass base_url={_authority(request.url)!r} to resolve() if that is the API, "
                "or use another client for other hosts",
            )


def _next(flow: Generator[object, Any, None], answer: object) -> object:
    try:
        return flow.send(answer)
    except StopIteration:
        return None


def _bearer(request: httpx.Request) -> SecretStr:
    return SecretStr(request.headers["authorization"].removeprefix("Bearer "))


def _authority(url: httpx.URL) -> str:
    return clean(f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}", limit=128)
