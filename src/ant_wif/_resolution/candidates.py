"""One look at arguments, environment and configuration directory, and what each tier has to offer in it.

What a profile offers is a login, or a federation of its own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ant_wif._config import Active, ConfigDir, Settings, Via, flag
from ant_wif._environment import Environment, steady
from ant_wif._files import is_there
from ant_wif._secrets import sanitize_path
from ant_wif._tokens import (
    AccessToken,
    FederatedProvider,
    Federation,
    LoginProvider,
    ProfileStore,
    RefreshState,
    is_recorded,
    refresh_state,
)
from ant_wif.credentials import cache_of
from ant_wif.errors import AntWifError, Candidate, ConfigurationError, IdentitySourceError, ProfileError
from ant_wif.identity import Context, Detection, IdentitySource, first_detected, source_by_name

if TYPE_CHECKING:
    from ant_wif._config import Profile, StoredCredentials
    from ant_wif._tokens import Provider
    from ant_wif.identity import IdentitySource

log = logging.getLogger("ant_wif.profiles")


class ResolutionContext:
    """What was there when this was made. Later changes are not seen."""

    def __init__(
        self,
        arguments: Mapping[str, object],
        environ: Environment,
        *,
        profile: str | None = None,
        config_dir: str | os.PathLike[str] | None = None,
        clock: Callable[[], float] = steady,
        named: Callable[[str], str] = flag,
    ) -> None:
        """`named` returns what errors call an argument."""
        self.arguments = arguments
        self.named = named
        self._profile_argument = profile
        self.clock = clock
        self.environ = environ
        self.directory = ConfigDir.locate(environ, config_dir)
        self.settings = self.load()

    def load(self, profile: Profile | None = None) -> Settings:
        """Unify arguments, environment and a profile. Raises ConfigurationError, as `Settings.load` does."""
        return Settings.load(self.arguments, self.environ, profile, named=self.named)

    @cached_property
    def active(self) -> Active | ProfileError:
        """Which profile is meant, or why that cannot be said."""
        try:
            return self.directory.active(self._profile_argument, named_by=self.named("profile"))
        except ProfileError as error:
            return error

    @property
    def active_via(self) -> Via:
        """By what the active profile is named, also when a profile cannot have that name."""
        if not isinstance(self.active, ProfileError):
            return self.active.via
        if self._profile_argument is not None:
            return "flag"
        if "ANTHROPIC_PROFILE" in self.environ:
            return "env"
        return "active_config" if is_there(self.directory.pointer_path) else "default"

    def federation_of(self, name: str) -> Federation | None:
        """Return what a profile's identity token is exchanged under; `None` for a login, or where that is incomplete.

        Raises ConfigurationError: there is no such profile, or it cannot be used.
        """
        profile = self.directory.read(name)
        if profile.type != "oidc_federation":
            return None
        return self.federated(self.load(profile))

    def identity_of(self, settings: Settings) -> IdentitySource | None:
        """Where the identity token comes from: an argument, the profile, the environment, the platform."""

        def is_argument(name: str) -> bool:
            return settings.origin(name).via == "flag"

        if settings.identity_token_file and is_argument("identity_token_file"):
            from ant_wif.identity.file import File

            return File(settings.identity_token_file)
        if settings.identity_token and is_argument("identity_token"):
            from ant_wif.identity.env import Literal

            return Literal(settings.identity_token, settings.origin("identity_token").place)
        if settings.identity is not None and not is_argument("identity_source"):
            return settings.identity
        if settings.identity_source == "none":
            return None
        if settings.identity_source != "auto":
            origin = settings.origin("identity_source")
            return source_by_name(settings.identity_source, self.context(settings), place=origin.place)
        return self._detected(settings)[0]

    def near_miss(self, settings: Settings, identity: IdentitySource | None) -> IdentitySourceError | None:
        """Why `identity_of` found no `identity`, where a platform is configured in part; else `None`."""
        near_misses = self._detected(settings)[1] if identity is None and settings.identity_source == "auto" else []
        errors = [each.near_miss for each in near_misses if each.near_miss is not None]
        if not errors:
            return None
        hints = "; ".join(str(error.hint) for error in errors)
        return IdentitySourceError(
            "; ".join(map(str, errors)), hint=f"{hints}; or name another source in ANT_IDENTITY_SOURCE"
        )

    def _detected(self, settings: Settings) -> tuple[IdentitySource | None, list[Detection]]:
        # Without these two no token is exchanged, so the search is short.
        plugins = bool(settings.federation_rule_id and settings.organization_id)
        return first_detected(self.context(settings), plugins=plugins)

    def context(self, settings: Settings) -> Context:
        """What an identity source gets to look at under these settings."""
        named = "identity_token_file" if settings.origin("identity_token_file").via == "flag" else "identity"
        return Context(self.environ, settings.identity_audience, self.clock, path_named_by=settings.origin(named).place)

    @staticmethod
    def federated(settings: Settings) -> Federation | None:
        if settings.federation_rule_id is None or settings.organization_id is None:
            return None
        return Federation(
            settings.base_url,
            settings.federation_rule_id,
            settings.organization_id,
            settings.service_account_id,
            settings.workspace_id,
        )


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
        settings = inputs.load(profile)
        candidate = replace(candidate, profile=profile, settings=settings)
        settings.check("base_url", "workspace_id")
    except ConfigurationError as error:
        return replace(candidate, error=error)
    authentication = profile.known.authentication
    path = inputs.directory.credentials_path(profile.name, authentication.credentials_path)
    if profile.type == "user_oauth":
        return _login(inputs, candidate, profile, settings, path)
    return _federated(inputs, candidate, profile, settings, path)


def _login(
    inputs: ResolutionContext, candidate: TierCandidate, profile: Profile, settings: Settings, path: Path
) -> TierCandidate:
    provider = LoginProvider(
        inputs.directory,
        path,
        profile.name,
        settings.base_url,
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


def _federated(
    inputs: ResolutionContext, candidate: TierCandidate, profile: Profile, settings: Settings, path: Path
) -> TierCandidate:
    try:
        identity = inputs.identity_of(settings)
        candidate = replace(candidate, identity=identity)
        federation = inputs.federated(settings)
        if federation is None or identity is None:
            raise _incomplete(profile, settings, identity, inputs.near_miss(settings, identity))
        settings.check(*federation._fields, "identity_audience")
        cache = cache_of(settings, inputs.environ)
        store = ProfileStore(inputs.directory, path, federation.fingerprint()) if settings.caches_on_disk else None
        stored = inputs.directory.read_credentials(path) if store else None
        own = inputs.directory.credentials_path(profile.name)
        if stored is not None and stored.is_login and path != own:
            log.warning(
                "%s holds a login: it is neither used nor replaced by a federation profile", sanitize_path(path)
            )
            store, stored = None, None
        context = inputs.context(settings)
        provider = FederatedProvider(
            federation,
            identity,
            context,
            profile=store,
            cache=cache,
            places=settings.places,
        )
        token = shared_token(provider, inputs.clock, stored)
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


def _incomplete(
    profile: Profile, settings: Settings, identity: IdentitySource | None, near_miss: IdentitySourceError | None
) -> ProfileError:
    wanted = [
        ("authentication.federation_rule_id", "ANTHROPIC_FEDERATION_RULE_ID", settings.federation_rule_id),
        ("organization_id", "ANTHROPIC_ORGANIZATION_ID", settings.organization_id),
        ("authentication.identity_token", "ANTHROPIC_IDENTITY_TOKEN_FILE", identity),
    ]
    missing = [(key, variable) for key, variable, value in wanted if value is None]
    source = settings.origin("identity_source")
    if settings.identity_source == "none" and source.via == "flag" and len(missing) == 1 and identity is None:
        return ProfileError(
            f"there is no identity token: {source.place} has the value none", hint=f"leave out {source.place}"
        )
    return ProfileError(
        f"the federation profile {profile.path} lacks {', '.join(key for key, _ in missing)}",
        hint=f"add it to the file, or set {' and '.join(variable for _, variable in missing)}"
        + (f"; {near_miss}: {near_miss.hint}" if near_miss else ""),
    )


def shared_token(
    provider: FederatedProvider, clock: Callable[[], float], stored: StoredCredentials | None = None
) -> AccessToken | None:
    """Return the token that other processes left, if it may be used now; `stored` is what was read of a profile's."""
    store = provider.store()
    token = store.usable(stored) if isinstance(store, ProfileStore) else store.read() if store is not None else None
    return None if refresh_state(token, clock()) is RefreshState.REQUIRED else token
