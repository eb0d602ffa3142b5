"""What one tier has to offer, and what a profile does: a login, or a federation of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ant_wif._config import Active, Settings
from ant_wif._resolution.inputs import ResolutionContext
from ant_wif._tokens import (
    AccessToken,
    FederatedProvider,
    LoginProvider,
    ProfileStore,
    RefreshState,
    is_recorded,
    refresh_state,
)
from ant_wif.credentials import cache_of
from ant_wif.errors import AntWifError, Candidate, ConfigurationError, IdentitySourceError, ProfileError

if TYPE_CHECKING:
    from ant_wif._config import Profile, StoredCredentials
    from ant_wif._tokens import Provider
    from ant_wif.identity import IdentitySource

__all__ = ["TierCandidate", "profile_tier", "shared_token"]


@dataclass(frozen=True, eq=False)
class TierCandidate:
    """What one tier has to offer.

    `missing` names what would have to be set for the tier to match; nothing missing means that
    it matches. `error` is why using it would fail. `partial` marks a tier that was begun.
    """

    tier: int
    source: str
    origin: str
    missing: tuple[str, ...] = ()
    error: AntWifError | None = None
    partial: bool = False
    settings: Settings | None = None
    provider: Provider | None = None
    token: AccessToken | None = None
    """The secret at hand without an exchange, expired or not."""
    identity: IdentitySource | None = None
    profile: Profile | None = None
    stored: StoredCredentials | None = None
    stale: bool = False
    """Whether the stored token is known to have been issued for other settings, and is not used."""
    unrecorded: bool = False
    """Whether another tool issued the stored token of a federation, so that it is not known for which settings."""

    @property
    def matches(self) -> bool:
        return not self.missing

    @property
    def usable(self) -> bool:
        return self.matches and self.error is None

    def summary(self) -> Candidate:
        """Return the part of it that an error carries."""
        return Candidate(self.tier, self.source, self.origin, self.missing, self.error)


def profile_tier(inputs: ResolutionContext, candidate: TierCandidate, active: Active) -> TierCandidate:
    try:
        profile = inputs.directory.read(active.name)
        settings = Settings.load(inputs.arguments, inputs.environ, profile)
        candidate = replace(candidate, profile=profile, settings=settings)
        settings.check("base_url", "workspace_id")
    except ConfigurationError as error:
        return replace(candidate, error=error)
    authentication = profile.known.authentication
    path = inputs.directory.credentials_path(profile.name, authentication.credentials_path)
    if profile.type == "user_oauth":
        return _login(inputs, candidate, profile, path)
    return _federated(inputs, candidate, settings, path)


def _login(inputs: ResolutionContext, candidate: TierCandidate, profile: Profile, path: Path) -> TierCandidate:
    settings = candidate.settings or inputs.settings
    provider = LoginProvider(
        inputs.directory,
        path,
        profile.name,
        settings.base_url.rstrip("/"),
        profile.client_id,
        inputs.clock,
        base_url_from=settings.origin("base_url").place,
    )
    try:
        settings.check_client_id(profile)
        stored = inputs.directory.read_credentials(path)
        candidate = replace(candidate, provider=provider, stored=stored)
        if stored is not None and stored.access_token is not None:
            candidate = replace(candidate, token=AccessToken(stored.access_token, stored.expires_at))
        provider.token_of(stored)
    except AntWifError as error:
        return replace(candidate, error=error)
    return candidate


def _federated(inputs: ResolutionContext, candidate: TierCandidate, settings: Settings, path: Path) -> TierCandidate:
    try:
        identity = inputs.identity_of(settings)
        candidate = replace(candidate, identity=identity)
        federation = inputs.federated(settings)
        if federation is None or identity is None:
            raise _incomplete(candidate, settings, inputs.near_miss(settings) if identity is None else None)
        settings.check("federation_rule_id", "organization_id", "service_account_id", "identity_audience")
        cache = cache_of(settings, inputs.environ)
        store = ProfileStore(inputs.directory, path, federation.fingerprint()) if settings.caches_on_disk else None
        stored = inputs.directory.read_credentials(path) if store else None
        context = inputs.context(settings)
        provider = FederatedProvider(
            federation,
            identity,
            context,
            profile=store,
            cache=cache,
            places=settings.places,
        )
        token = shared_token(provider, inputs.clock)
        stale = bool(store and stored and store.is_foreign(stored))
        unrecorded = bool(token and stored and stored.access_token == token.secret and not is_recorded(stored))
        candidate = replace(
            candidate, provider=provider, stored=stored, token=token, stale=stale, unrecorded=unrecorded
        )
        unmet = identity.unmet(context)
        if unmet is not None and token is None:
            raise unmet
    except AntWifError as error:
        return replace(candidate, error=error)
    return candidate


def _incomplete(candidate: TierCandidate, settings: Settings, near_miss: IdentitySourceError | None) -> ProfileError:
    wanted = [
        ("authentication.federation_rule_id", "ANTHROPIC_FEDERATION_RULE_ID", settings.federation_rule_id),
        ("organization_id", "ANTHROPIC_ORGANIZATION_ID", settings.organization_id),
        ("authentication.identity_token", "ANTHROPIC_IDENTITY_TOKEN_FILE", candidate.identity),
    ]
    missing = [(key, variable) for key, variable, value in wanted if value is None]
    path = candidate.profile.path if candidate.profile else "the profile"
    return ProfileError(
        f"the federation profile {path} lacks {', '.join(key for key, _ in missing)}",
        hint=f"add it to the file, or set {' and '.join(variable for _, variable in missing)}"
        + (f"; {near_miss}: {near_miss.hint}" if near_miss else ""),
    )


def shared_token(provider: FederatedProvider, clock: Callable[[], float]) -> AccessToken | None:
    """Return the token that other processes left, if it may be used now."""
    store = provider.store()
    token = store.read() if store is not None else None
    return None if refresh_state(token, clock()) is RefreshState.REQUIRED else token
