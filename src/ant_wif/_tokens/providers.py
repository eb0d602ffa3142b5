"""Where a credential's token comes from: a static secret, a federation, a person's login."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ant_wif._config import CacheDir, ConfigDir
from ant_wif._environment import moment, steady
from ant_wif._http import Flow, call, pause
from ant_wif._secrets import SecretStr, sanitize, sanitize_path
from ant_wif._tokens.access_token import AccessToken, TokenRequest
from ant_wif._tokens.grants.jwt_bearer import Federation
from ant_wif._tokens.store import CacheKey, CacheStore, ProfileStore, TokenStore, issuer_of, token_of
from ant_wif.errors import LoginError, ProfileError
from ant_wif.identity import Context, IdentitySource, unverified_issuer_subject

if TYPE_CHECKING:
    from ant_wif._config import StoredCredentials
    from ant_wif._files import Draft
    from ant_wif._tokens.assertion_log import AssertionLog

log = logging.getLogger("ant_wif.credentials")

_LOOKS = 6
_LOOK_SECONDS = 0.1


class Provider(Protocol):
    """Where the token of a credential comes from."""

    @property
    def held(self) -> bool:
        """Whether a token may be kept in memory; if not, it is obtained anew at each use."""

    def obtain(self, wanted: TokenRequest) -> Flow[AccessToken]:
        """Make the flow that obtains a token."""


@dataclass(frozen=True, eq=False)
class StaticProvider:
    """A stored API key or bearer token."""

    secret: SecretStr
    held: bool = True

    def obtain(self, wanted: TokenRequest) -> Flow[AccessToken]:
        del wanted  # a static secret has no successor
        yield from ()
        return AccessToken(self.secret)


class FederatedProvider:
    """Exchanges an identity token, once for all who share the store.

    `profile` is the store of the profile that configures this, if one does; else, or where that cannot
    be written, the token lies in `cache`. With neither, it is kept in memory only. `places` says which option,
    variable or file names each field of the federation.
    """

    held = True

    def __init__(
        self,
        federation: Federation,
        identity: IdentitySource,
        context: Context,
        *,
        profile: ProfileStore | None = None,
        cache: CacheDir | None = None,
        places: Mapping[str, str] | None = None,
    ) -> None:
        self.federation = federation
        self.identity = identity
        self.context = context
        self._profile = profile
        self._cache = cache
        self._places = places or {}
        self._assertions: AssertionLog | None = None

    def store(self) -> TokenStore | None:
        """Return where the token is shared; reads the identity token where that is a file or variable."""
        if self._profile is not None and (self._cache is None or self._profile.can_be_written()):
            return self._profile
        if self._cache is None:
            return None
        issuer_subject = unverified_issuer_subject(self.identity.at_hand(self.context))
        return CacheStore(self._cache, CacheKey.of(self.federation, self.identity.source, issuer_subject))

    def obtain(self, wanted: TokenRequest) -> Flow[AccessToken]:
        from ant_wif._tokens.shared_refresh import refresh_shared

        store = yield from call(self.store)
        if store is None:
            return (yield from self._exchange(None, wanted))
        return (yield from refresh_shared(store, partial(self._exchange, store), wanted, self.context.clock))

    def _exchange(self, store: TokenStore | None, wanted: TokenRequest) -> Flow[AccessToken]:
        from ant_wif._tokens.assertion_log import AssertionLog
        from ant_wif._tokens.federation import fetch_and_exchange

        self._assertions = self._assertions or AssertionLog(self._cache, self.context.clock)
        token = yield from fetch_and_exchange(
            self.federation,
            self.identity,
            self.context,
            self._assertions,
            patient=not wanted.has_spare,
            again=wanted.ran_out,
            places=self._places,
        )
        if store is not None:
            yield from call(lambda: store.write(token))
        return token


@dataclass(eq=False)
class LoginProvider:
    """The login that a person left in a credentials file.

    With a `client_id` it is refreshed before it ends, by one process for all. Without, something
    else rotates the file: it is read at every use, and never refreshed.
    """

    directory: ConfigDir
    path: Path
    profile: str
    base_url: str
    client_id: str | None = None
    clock: Callable[[], float] = steady
    base_url_from: str = ""
    """The option, variable or file that names `base_url`."""
    _warned: bool = field(default=False, repr=False)
    _unsaved: dict[SecretStr, SecretStr] = field(default_factory=dict, repr=False)
    """Refresh tokens that could not be written, each under the one that it replaced."""

    @property
    def held(self) -> bool:
        return self.client_id is not None

    def obtain(self, wanted: TokenRequest) -> Flow[AccessToken]:
        from ant_wif._tokens.shared_refresh import refresh_shared

        stored = yield from call(lambda: self.directory.read_credentials(self.path))
        self._warn_of_another_host(stored)
        store = ProfileStore(self.directory, self.path, None)
        if self.client_id is None or stored is None or stored.refresh_token is None or store.is_foreign(stored):
            return self.token_of(stored)
        return (yield from refresh_shared(store, partial(self._refresh, store), wanted, self.clock))

    def _warn_of_another_host(self, stored: StoredCredentials | None) -> None:
        issued_by = issuer_of(stored) if stored is not None else None
        if issued_by is None or issued_by == self.base_url or self._warned:
            return
        self._warned = True
        log.warning(
            "the login of profile %r was issued by %s; %s sends its access token to %s. "
            "The refresh token is sent to the issuer only",
            self.profile,
            sanitize(issued_by, limit=128),
            self.base_url_from or "the base URL",
            self.base_url,
        )

    def token_of(self, stored: StoredCredentials | None) -> AccessToken:
        """Return the token of a credentials file that was read.

        Raises:
            ProfileError: it holds none.
            LoginError: it has expired, and nothing here can refresh it.
        """
        login = f"ant auth login --profile {self.profile}"
        if stored is not None and ProfileStore(self.directory, self.path, None).is_foreign(stored):
            raise ProfileError(
                f"the profile {self.profile!r} holds no login: "
                f"the token in {sanitize_path(self.path)} came of a federation",
                hint=f"log in: {login}",
            )
        token = token_of(stored) if stored is not None else None
        if stored is None or token is None:
            raise ProfileError(
                f"the profile {self.profile!r} holds no login: there is no access token in {sanitize_path(self.path)}",
                hint=f"log in: {login}",
            )
        renewable = self.client_id is not None and stored.refresh_token is not None
        if not renewable and not token.lasts(self.clock()):
            raise LoginError(
                f"the login of profile {self.profile!r} expired at {moment(token.expires_at or 0, self.clock())}",
                facts=[
                    "it holds no refresh token" if self.client_id else "the profile has no client_id to refresh it with"
                ],
                hint=f"log in again: {login}",
            )
        return token

    def _refresh(self, store: ProfileStore, wanted: TokenRequest) -> Flow[AccessToken]:
        """Run with the lock held, so what the file says now is what holds."""
        stored = yield from call(lambda: self.directory.read_credentials(self.path))
        token = self.token_of(stored)
        if stored is None or stored.refresh_token is None or self.client_id is None:
            return token
        with (yield from call(lambda: self._place(store))) as draft:
            return (yield from self._redeem(store, draft, self.client_id, stored, stored.refresh_token, wanted=wanted))

    def _redeem(
        self,
        store: ProfileStore,
        draft: Draft,
        client_id: str,
        stored: StoredCredentials,
        old: SecretStr,
        *,
        wanted: TokenRequest,
    ) -> Flow[AccessToken]:
        from ant_wif._tokens.grants.endpoint import refresh

        sent, issued_by = self._unsaved.get(old, old), issuer_of(stored)
        try:
            granted = yield from refresh(
                issued_by or self.base_url,
                client_id,
                sent,
                profile=self.profile,
                patient=not wanted.has_spare,
                base_url_from=f"the login in {sanitize_path(self.path)}" if issued_by else self.base_url_from,
            )
        except LoginError:
            elsewhere = yield from self._refreshed_elsewhere(old)
            if elsewhere is None:
                raise
            return elsewhere
        fresh = AccessToken(granted.access_token, int(self.clock()) + granted.expires_in, granted.expires_in)
        successor = granted.refresh_token or sent
        present = yield from call(lambda: self.directory.read_credentials(self.path))
        if present is None or present.refresh_token != old:
            # Logged out, or logged in anew, while the server answered: that counts, and this grant does not.
            return self.token_of(present)
        try:
            yield from call(lambda: store.keep(fresh, draft, refresh_token=successor, issued_by=issued_by))
        except ProfileError as error:
            self._unsaved[old] = successor
            log.warning(
                "the login of profile %r was refreshed, but cannot be kept, and is lost when this process ends: %s",
                self.profile,
                error.summary,
            )
        return fresh

    def _refreshed_elsewhere(self, old: SecretStr) -> Flow[AccessToken | None]:
        """Return what a program left that refreshes without the lock, as the official SDK does.

        Its answer came before ours, but it may still be about to write it.
        """
        for _ in range(_LOOKS):
            stored = yield from call(lambda: self.directory.read_credentials(self.path))
            token = token_of(stored) if stored is not None and stored.refresh_token != old else None
            if token is not None and token.lasts(self.clock()):
                return token
            yield from pause(_LOOK_SECONDS)
        return None

    def _place(self, store: ProfileStore) -> Draft:
        """A refresh token works once: where its successor cannot be written, using it would end the login.

        Raises LoginError: it cannot.
        """
        try:
            return store.draft()
        except ProfileError as error:
            folder = self.path.parent
            raise LoginError(
                f"the login of profile {self.profile!r} cannot be refreshed: {sanitize_path(folder)} cannot be written",
                facts=(f"the new refresh token would be lost: {error.summary}", *error.facts),
                hint=f"make {sanitize_path(folder)} writable and see that there is room, or copy the configuration "
                "directory and set ANTHROPIC_CONFIG_DIR to the copy",
            ) from None
