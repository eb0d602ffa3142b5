"""How a credential goes onto a request, and what happens after a 401: one flow, for httpx and its successor.

Nothing here imports either library; `ant_wif.integrations.httpx` and `.httpx2` join it to theirs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from ant_wif._http import check_url, mask_foreign_logs, request_id_of, sent_secrets
from ant_wif._secrets import NotCopied, SecretStr, sanitize
from ant_wif.errors import ApiError, ConfigurationError, InsecureUrlError

if TYPE_CHECKING:
    import httpx

API_VERSION = "2026-10-21"
"""The value of the header `anthropic-version`."""


def _apply(headers: MutableMapping[str, str], credential: Mapping[str, str]) -> None:
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
    def base_url_from(self) -> str: ...
    @property
    def workspace_id(self) -> str | None: ...
    @property
    def workspace_from(self) -> str: ...
    @property
    def scope(self) -> str | None: ...
    @property
    def environ(self) -> Mapping[str, str]: ...
    @property
    def auth(self) -> httpx.Auth: ...
    def token(self) -> str: ...


class CredentialFlow(NotCopied):
    """Puts a credential's headers on each request, and tries once more with a new token after a 401.

    A request that already has `Authorization` or `x-api-key` is left alone. The credential goes to
    the host of its own `base_url` only. A body that was streamed cannot be sent twice: after a 401
    the token is refreshed and `ApiError` raised.
    """

    _whole_bodies: type
    """The library's type of a body that can be sent again."""

    def __init__(self, credential: Bearer) -> None:
        self._credential = credential
        check_url(credential.base_url, what=getattr(credential, "base_url_from", "") or "the credential's base URL")
        self._own: Any = None

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        if not self._concerns(request):
            yield request
            return
        sent = _raised(_put_on(request, self._credential.headers()))
        with mask_foreign_logs(sent_secrets(request)):
            response = yield request
        if self._is_rejected(response):
            self._credential.invalidate(sent)
            renewed = _raised(_put_on(request, self._credential.headers()))
            if self._may_repeat(request, response) and renewed != sent:
                with mask_foreign_logs(sent_secrets(request)):
                    yield request

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        if not self._concerns(request):
            yield request
            return
        sent = _raised(_put_on(request, await self._credential.aheaders()))
        with mask_foreign_logs(sent_secrets(request)):
            response = yield request
        if self._is_rejected(response):
            self._credential.invalidate(sent)
            renewed = _raised(_put_on(request, await self._credential.aheaders()))
            if self._may_repeat(request, response) and renewed != sent:
                with mask_foreign_logs(sent_secrets(request)):
                    yield request

    def _concerns(self, request: Any) -> bool:
        """Whether the request is to have the credential. Raises InsecureUrlError: it goes to another host."""
        if "authorization" in request.headers or "x-api-key" in request.headers:
            return False
        # Parsed once, and by the library whose requests are to be judged.
        self._own = self._own or type(request.url)(self._credential.base_url)
        if not is_same_host(self._own, request.url):
            shown = authority(request.url)
            raise InsecureUrlError(
                refusal(self._own, request.url),
                hint=f"pass base_url={shown!r} to resolve() if that is the API, or use another client for other hosts",
            )
        return True

    def _is_rejected(self, response: Any) -> bool:
        """Whether the API rejects the token. Where a redirect led elsewhere, the token was not sent."""
        return response.status_code == 401 and is_same_host(self._own, response.request.url)

    def _may_repeat(self, request: Any, response: Any) -> bool:
        """Raises ApiError: the body is spent."""
        if not isinstance(request.stream, self._whole_bodies):
            raise _not_replayed(response)
        return True


def is_same_host(own: Any, url: Any) -> bool:
    """Whether a URL has the scheme, host and port of a credential's, and no user: both of one library's type."""
    return not url.userinfo and (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)


def refusal(own: Any, url: Any) -> str:
    return f"the credential is for {authority(own)} and is not sent to {authority(url)}"


def authority(url: Any) -> str:
    return sanitize(f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}", limit=128)


def _put_on(request: Any, headers: Mapping[str, str]) -> SecretStr | ConfigurationError:
    """Return the credential that a request has now, or why it has none: no frame with the headers raises."""
    try:
        _apply(request.headers, headers)
    except UnicodeError:
        unsendable = ", ".join(name for name, value in headers.items() if not value.isascii())
        return ConfigurationError(
            f"the header {unsendable} cannot be sent: its value is not ASCII",
            hint="correct the variable or the profile that it comes from; `ant auth status` names them",
        )
    return SecretStr(headers["Authorization"].removeprefix("Bearer "))


def _raised(outcome: SecretStr | ConfigurationError) -> SecretStr:
    if isinstance(outcome, ConfigurationError):
        raise outcome
    return outcome


def _not_replayed(response: Any) -> ApiError:
    return ApiError(
        "the API rejected the token (HTTP 401), and the request could not be sent again: its body was streamed, "
        "and is spent",
        hint="send the request again, the token has been refreshed; or give the body as bytes, which are sent again "
        "by themselves",
        status=401,
        request_id=request_id_of(response.headers, sent_secrets(response.request)),
    )
