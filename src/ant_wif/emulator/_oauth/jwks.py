"""Where an issuer's keys come from: its own registration, a platform of the emulator, or the network."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping

from ant_wif._secrets import sanitize
from ant_wif._strict import read_object
from ant_wif.emulator._issuers import IdentityProvider
from ant_wif.emulator._state.state import State
from ant_wif.rules import KeySet, KeySetUnavailableError, RegistrationError, read_key_set
from ant_wif.rules.jwt import MalformedAssertionError, read_assertion
from ant_wif.rules.registration import address_flaw, fetched_url

KEPT_SECONDS = 300
"""How long fetched keys are used before they are fetched anew."""

PATIENCE_SECONDS = 10
"""How long a token with an unknown key is denied before its issuer is asked again."""

_FETCH_SECONDS = 5.0
_LARGEST_DOCUMENT = 256 * 1024
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ASKED = {"accept": "application/json", "accept-encoding": "identity"}
"""No coding: what is unpacked could be larger than the memory before its size is looked at."""
_DISCOVERY = ".well-known/openid-configuration"


def key_source(state: State, issuer_url: str, jwks: Mapping[str, object]) -> Callable[[], KeySet]:
    """Return what has the keys of an issuer that `check_issuer` let pass. Nothing is fetched yet.

    Raises RegistrationError for inline keys or a certificate that cannot be used.
    """
    if jwks["type"] == "inline":
        keys = _inline_keys(jwks)
        return lambda: keys
    certificate = jwks.get("ca_cert_pem")
    authorities = _authorities(certificate) if isinstance(certificate, str) else None
    provider = own_platform(state, issuer_url, jwks)
    if provider is not None:
        return provider.key.key_set
    _, url = fetched_url(issuer_url, jwks) or ("", "")
    return FetchedKeys(url, state.clock, is_discovery=jwks["type"] == "discovery", authorities=authorities)


def own_platform(state: State, issuer_url: str, jwks: Mapping[str, object]) -> IdentityProvider | None:
    """Return the emulator's own platform whose keys are meant, or `None` where they are anybody else's."""
    _, url = fetched_url(issuer_url, jwks) or ("", "")
    return state.provider_at(url if jwks["type"] == "discovery" else url.removesuffix("/.well-known/jwks"))


async def fetch_keys(source: Callable[[], KeySet] | None, assertion: object) -> None:
    """Have a source that fetches its keys fetch them, if an assertion needs that. Never raises."""
    if not isinstance(source, FetchedKeys) or not isinstance(assertion, str):
        return
    try:
        kid = read_assertion(assertion).header.get("kid")
    except MalformedAssertionError:
        return
    await source.prepare(kid if isinstance(kid, str) else "")


class FetchedKeys:
    """Keys from the network. `prepare` fetches them; called, it returns what was fetched, without waiting.

    Times are unix times by the emulator's clock. For the server's event loop only.
    """

    def __init__(
        self, url: str, clock: Callable[[], float], *, is_discovery: bool, authorities: ssl.SSLContext | None = None
    ) -> None:
        self.failures = 0
        self.fetched_at: float | None = None
        self._asked_at: float | None = None
        self._url = url
        self._clock = clock
        self._is_discovery = is_discovery
        self._authorities = authorities
        self._keys: KeySet = {}
        self._problem = "they were not fetched yet"
        self._fetching: asyncio.Task[None] | None = None

    def __call__(self) -> KeySet:
        if self._problem:
            raise KeySetUnavailableError(self._problem)
        return self._keys

    @property
    def due_at(self) -> float | None:
        return None if self.fetched_at is None else self.fetched_at + KEPT_SECONDS

    async def prepare(self, kid: str) -> None:
        """Fetch the keys if there are none, if they are old, or if `kid` is not among them. Never raises."""
        now = self._clock()
        if self._fetching is None or self._fetching.done():
            fresh = not self._problem and _within(self.fetched_at, now, KEPT_SECONDS)
            if fresh and (kid in self._keys or _within(self._asked_at, now, PATIENCE_SECONDS)):
                return
            self._asked_at = now
            self._fetching = asyncio.create_task(self._fetch(now, keep=fresh))
        # A client that stops waiting does not stop the others.
        await asyncio.shield(self._fetching)

    async def _fetch(self, now: float, *, keep: bool) -> None:
        try:
            self._keys = await asyncio.wait_for(self._fetched(), _FETCH_SECONDS)
        except (KeySetUnavailableError, asyncio.TimeoutError) as error:
            self.failures += 1
            if not keep:
                self._problem = str(error) or f"no answer within {_FETCH_SECONDS:.0f} s"
        else:
            self.failures, self.fetched_at, self._problem = 0, now, ""

    async def _fetched(self) -> KeySet:
        url = self._url
        if self._is_discovery:
            document = await self._get(f"{url.rstrip('/')}/{_DISCOVERY}")
            found = document.get("jwks_uri")
            flaw = address_flaw(found, allow_loopback=True) if isinstance(found, str) else "must be there"
            if flaw is not None:
                raise KeySetUnavailableError(f"the discovery document's jwks_uri {flaw}")
            url = str(found)
        return read_key_set(await self._get(url))

    async def _get(self, url: str) -> dict[str, object]:
        import httpx  # late: few emulators fetch anything

        is_https = url.lower().startswith("https:")
        # For http no certificate is looked at: to read the trusted ones would be time lost.
        verify = (self._authorities or True) if is_https else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            async with (
                httpx.AsyncClient(verify=verify, trust_env=is_https, follow_redirects=False) as client,
                client.stream("GET", url, headers=_ASKED) as answer,
            ):
                if answer.status_code != 200:
                    raise KeySetUnavailableError(f"{url} answered {answer.status_code}")
                coding = answer.headers.get("content-encoding", "identity").lower()
                if coding != "identity":
                    raise KeySetUnavailableError(f"{url} used the content encoding {sanitize(coding)}")
                body = bytearray()
                async for piece in answer.aiter_raw():
                    body += piece
                    if len(body) > _LARGEST_DOCUMENT:
                        raise KeySetUnavailableError(f"{url} answered more than {_LARGEST_DOCUMENT} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise KeySetUnavailableError(f"{url} cannot be reached ({type(error).__name__})") from None
        try:
            return read_object(bytes(body))
        except ValueError:
            raise KeySetUnavailableError(f"{url} returned something that is not a JSON object") from None


def _within(since: float | None, now: float, seconds: float) -> bool:
    # A clock that is set back makes no key fresh again.
    return since is not None and 0 <= now - since < seconds


def _inline_keys(jwks: Mapping[str, object]) -> KeySet:
    listed = jwks["keys"]
    for jwk in listed if isinstance(listed, list) else ():
        if isinstance(jwk, dict) and not _PRIVATE_MEMBERS.isdisjoint(jwk):
            raise RegistrationError("jwks.keys", "must be public keys, and one of these is private or symmetric")
    keys = read_key_set(jwks)
    if not keys:
        raise RegistrationError("jwks.keys", "must hold a key for signatures, RSA or EC, that has a kid")
    return keys


def _authorities(pem: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError, TypeError):
        raise RegistrationError("jwks.ca_cert_pem", "must be certificates in PEM") from None
