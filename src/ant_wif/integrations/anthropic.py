"""A credential for the official Python SDK: `anthropic.Anthropic(credentials=…)` and `AsyncAnthropic`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ant_wif._environment import elapsed
from ant_wif._secrets import sanitize
from ant_wif.errors import ConfigurationError, InsecureUrlError
from ant_wif.integrations._auth import ApiCredential

if TYPE_CHECKING:
    from anthropic.lib.credentials import AccessToken


__all__ = ["AnthropicCredentials", "anthropic_credentials"]

# The SDK says that a token was rejected, but not which: of many requests that fail at once, only
# the first has the token replaced.
_ONE_FAILURE_SECONDS = 5.0
_ASK_EVERY_TIME = 0
"""The SDK's `expires_at` for a provider that does its own caching."""


class AnthropicCredentials:
    """The SDK's token provider over a credential of ours, which decides alone when to renew.

    It serves both clients of the SDK (the asynchronous one calls it in a thread). It opens nothing
    that outlives a call, so there is nothing to close.
    """

    def __init__(self, credentials: ApiCredential) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()
        self._renewed_at = float("-inf")

    def __repr__(self) -> str:
        return f"<AnthropicCredentials over {self._credentials!r}>"

    def __call__(self, *, force_refresh: bool = False) -> AccessToken:
        """Return a token that may be used now. `force_refresh` says that the API rejected the last one."""
        from anthropic.lib.credentials import AccessToken

        if force_refresh:
            self._replace()
        return AccessToken(token=self._credentials.token(), expires_at=_ASK_EVERY_TIME)

    def for_base_url(self, base_url: str) -> AnthropicCredentials:
        """Agree to the client's host; the SDK asks this when a client is made.

        Raises:
            InsecureUrlError: the credential is for another host.
        """
        if _host(base_url) != _host(self._credentials.base_url):
            raise InsecureUrlError(
                f"the credential is for {self._credentials.base_url} and is not sent to "
                f"{sanitize(base_url, limit=128)}",
                hint=f"pass base_url={self._credentials.base_url!r} to the client",
            )
        return self

    def _replace(self) -> None:
        with self._lock:
            if elapsed() - self._renewed_at > _ONE_FAILURE_SECONDS:
                self._credentials.invalidate()
                self._renewed_at = elapsed()


def anthropic_credentials(credentials: ApiCredential) -> AnthropicCredentials:
    """Make what the official SDK takes as `credentials=`.

    Pass `base_url=credentials.base_url` to the client as well; a client for another host is refused.

    Raises:
        ConfigurationError: the credential is an API key, which the SDK takes as `api_key=`.
    """
    if credentials.source == "api_key":
        raise ConfigurationError(
            f"{credentials.origin} is an API key, and the SDK's `credentials=` is for bearer tokens",
            hint="pass api_key=creds.token() to the client",
        )
    return AnthropicCredentials(credentials)


def _host(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port
