"""A credential for the official Python SDK: `anthropic.Anthropic(credentials=…)` and `AsyncAnthropic`."""

from __future__ import annotations

import inspect
import threading

from anthropic import AnthropicError
from anthropic.lib.credentials import AccessToken
from httpx2 import URL

from ant_wif._environment import elapsed
from ant_wif._secrets import NotCopied, mask
from ant_wif.errors import ConfigurationError, InsecureUrlError
from ant_wif.integrations._auth import ApiCredential, is_same_host, refusal

__all__ = ["AnthropicCredentials", "ForeignHostError", "anthropic_credentials"]

# The SDK says that a token was rejected, but not which: of many requests that fail at once, only
# the first has the token replaced.
_ONE_FAILURE_SECONDS = 5.0
_ASK_EVERY_TIME = 0
"""The SDK's `expires_at` for a provider that does its own caching."""


class ForeignHostError(InsecureUrlError, AnthropicError):
    """A client would send the credential elsewhere. An error of the SDK's too, which it neither wraps nor retries."""


class HostBoundToken(str):
    """A token that the SDK can put on requests to one host only.

    A client's `base_url` may change, and a request may name a host of its own. The SDK does not tell its provider
    which request a token is for; it formats the token into a header of the request, where its frame names that.
    """

    __slots__ = ("own",)
    own: URL

    def __format__(self, spec: str) -> str:
        frame = inspect.currentframe()
        caller = frame.f_back if frame else None
        request = caller.f_locals.get("request") if caller else None
        url = getattr(request, "url", None)
        if isinstance(url, URL):
            _refuse_other_hosts(self.own, url)
        return super().__format__(spec)

    def __repr__(self) -> str:
        return repr(mask(self))


class AnthropicCredentials(NotCopied):
    """The SDK's token provider over a credential of ours, which decides alone when to refresh.

    It serves both clients of the SDK (the asynchronous one calls it in a thread). It opens nothing
    that outlives a call, so there is nothing to close.
    """

    def __init__(self, credentials: ApiCredential) -> None:
        self._credentials = credentials
        self._own = URL(credentials.base_url)
        self._lock = threading.Lock()
        self._renewed_at = float("-inf")

    def __repr__(self) -> str:
        return f"<AnthropicCredentials over {self._credentials!r}>"

    def __call__(self, *, force_refresh: bool = False) -> AccessToken:
        """Return a token that may be used now. `force_refresh` says that the API rejected the last one."""
        if force_refresh:
            self._replace()
        return AccessToken(token=_bound(self._credentials.token(), self._own), expires_at=_ASK_EVERY_TIME)

    def for_base_url(self, base_url: str) -> AnthropicCredentials:
        """Agree to the client's host; the SDK asks this when a client is made.

        Raises:
            ForeignHostError: the credential is for another host.
        """
        _refuse_other_hosts(self._own, URL(base_url))
        return self

    def _replace(self) -> None:
        with self._lock:
            if elapsed() - self._renewed_at > _ONE_FAILURE_SECONDS:
                self._credentials.invalidate()
                self._renewed_at = elapsed()


def anthropic_credentials(credentials: ApiCredential) -> AnthropicCredentials:
    """Make what the official SDK takes as `credentials=`.

    Pass `base_url=credentials.base_url` to the client as well. A client for another host is refused when it is made,
    and so is each request to another host.

    Raises:
        ConfigurationError: the credential is an API key, which the SDK takes as `api_key=`.
    """
    if credentials.source == "api_key":
        raise ConfigurationError(
            f"{credentials.origin} is an API key, and the SDK's `credentials=` is for bearer tokens",
            hint="pass api_key=creds.token() to the client",
        )
    return AnthropicCredentials(credentials)


def _refuse_other_hosts(own: URL, url: URL) -> None:
    if not is_same_host(own, url):
        hint = f"pass base_url={str(own)!r} to the client, and use another client for other hosts"
        raise ForeignHostError(refusal(own, url), hint=hint)


def _bound(token: str, own: URL) -> HostBoundToken:
    bound = HostBoundToken(token)
    bound.own = own
    return bound
