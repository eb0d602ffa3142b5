"""How a credential goes onto a request, and what happens after a 401: one flow, for httpx and its successor.

Nothing here imports either library; `ant_wif.integrations.httpx` and `.httpx2` join it to theirs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from ant_wif._http import check_url, request_id_of
from ant_wif._secrets import SecretStr, sanitize
from ant_wif.errors import ApiError, InsecureUrlError

if TYPE_CHECKING:
    import httpx

__all__ = ["API_VERSION", "ApiCredential", "Bearer", "CredentialFlow", "apply"]

API_VERSION = "2026-10-21"


def apply(headers: MutableMapping[str, str], credential: Mapping[str, str]) -> None:
    """Add a credential's headers to a request's; what the caller set himself stays.

    `anthropic-beta` is a list: the flags are merged, each once.
    """
    for name, value in credential.items():
        own = None if name == "Authorization" else headers.get(name)
        if own is None:
            headers[name] = value
        elif name == "anthropic-beta" and own != value:
            flags = [flag.strip() for flag in f"{own},{value}".split(",")]
            headers[name] = ",".join(dict.fromkeys(flag for flag in flags if flag))


class Bearer(Protocol):
    """What is needed of a credential: see `ant_wif.Credentials`."""

    @property
    def base_url(self) -> str: ...
    def headers(self) -> dict[str, str]: ...
    async def aheaders(self) -> dict[str, str]: ...
    def invalidate(self, rejected: SecretStr | None = None) -> None: ...


class ApiCredential(Bearer, Protocol):
    """What clients of the API and the adapter for the official SDK need beside that."""

    @property
    def source(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def environ(self) -> Mapping[str, str]: ...
    @property
    def auth(self) -> httpx.Auth: ...
    def token(self) -> str: ...


class CredentialFlow:
    """Puts a credential's headers on each request, and tries once more with a new token after a 401.

    A request that already has `Authorization` or `x-api-key` is left alone. The credential goes to
    the host of its own `base_url` only. A body that was streamed cannot be sent twice: after a 401
    the token is renewed and `ApiError` raised.
    """

    _whole_bodies: type
    """The library's type of a body that can be sent again."""

    def __init__(self, credential: Bearer) -> None:
        self._credential = credential
        check_url(credential.base_url, what="the credential's base URL")
        self._own: Any = None

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        if not self._concerns(request):
            yield request
            return
        sent = self._put_on(request, self._credential.headers())
        response = yield request
        if response.status_code == 401:
            self._credential.invalidate(_bearer(sent))
            if self._may_repeat(request, response, sent, self._credential.headers()):
                yield request

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        if not self._concerns(request):
            yield request
            return
        sent = self._put_on(request, await self._credential.aheaders())
        response = yield request
        if response.status_code == 401:
            self._credential.invalidate(_bearer(sent))
            if self._may_repeat(request, response, sent, await self._credential.aheaders()):
                yield request

    def _concerns(self, request: Any) -> bool:
        """Whether the request is to have the credential. Raises InsecureUrlError: it goes to another host."""
        if "authorization" in request.headers or "x-api-key" in request.headers:
            return False
        self._refuse_other_hosts(request.url)
        return True

    def _put_on(self, request: Any, headers: Mapping[str, str]) -> Mapping[str, str]:
        apply(request.headers, headers)
        return headers

    def _may_repeat(self, request: Any, response: Any, sent: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """Put the renewed headers on, unless there is no other token. Raises ApiError: the body is spent."""
        if not isinstance(request.stream, self._whole_bodies):
            raise _not_replayed(response)
        self._put_on(request, headers)
        return headers["Authorization"] != sent["Authorization"]

    def _refuse_other_hosts(self, url: Any) -> None:
        # Parsed once, and by the library whose requests are to be judged.
        self._own = self._own or type(url)(self._credential.base_url)
        own = self._own
        if url.userinfo or (url.scheme, url.host, url.port) != (own.scheme, own.host, own.port):
            raise InsecureUrlError(
                f"the credential is for {_authority(own)} and is not sent to {_authority(url)}",
                hint=f"pass base_url={_authority(url)!r} to resolve() if that is the API, "
                "or use another client for other hosts",
            )


def _not_replayed(response: Any) -> ApiError:
    return ApiError(
        "the API rejected the token (HTTP 401), and the request could not be sent again: its body was streamed, "
        "and is spent",
        hint="send the request again, the token has been renewed; or give the body as bytes, which are sent again "
        "by themselves",
        status=401,
        request_id=request_id_of(response.headers),
    )


def _bearer(headers: Mapping[str, str]) -> SecretStr:
    return SecretStr(headers["Authorization"].removeprefix("Bearer "))


def _authority(url: Any) -> str:
    return sanitize(f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}", limit=128)
