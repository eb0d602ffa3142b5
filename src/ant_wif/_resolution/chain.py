"""Five tiers, first match wins: which credential this run would use, and what became of the others.

No network is touched; the only files read are those of the configuration directory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ant_wif._config import Settings, flag
from ant_wif._environment import HOME, Environment, steady
from ant_wif._resolution.candidates import ResolutionContext, TierCandidate, profile_tier, shared_token
from ant_wif._secrets import SecretStr, as_secret, is_sendable, sanitize_path
from ant_wif._tokens import AccessToken, FederatedProvider, LoginProvider, StaticProvider
from ant_wif.credentials import Credentials, cache_of
from ant_wif.errors import AntWifError, ConfigurationError, IdentitySourceError, NoCredentialsError, ProfileError
from ant_wif.identity import Context, IdentitySource

if TYPE_CHECKING:
    import httpx


IDENTITY_MISSING = "an identity token (ANTHROPIC_IDENTITY_TOKEN_FILE, ANTHROPIC_IDENTITY_TOKEN or a detected platform)"


class Resolution:
    """The five tiers over one look at the inputs."""

    def __init__(self, inputs: ResolutionContext) -> None:
        self.inputs = inputs

    @cached_property
    def candidates(self) -> tuple[TierCandidate, ...]:
        """The five tiers in order, two lines each where a tier has two sources."""
        return (
            self._static(1, "api_key", "flag"),
            self._static(1, "auth_token", "flag"),
            self._static(2, "api_key", "env"),
            self._static(2, "auth_token", "env"),
            self._explicit_profile(),
            self._federation(),
            self._active_profile(),
        )

    @property
    def chosen(self) -> TierCandidate | None:
        """The first that matches, also when using it would fail."""
        return next((candidate for candidate in self.candidates if candidate.matches), None)

    @property
    def identity(self) -> tuple[IdentitySource, Context]:
        """The source of identity tokens that this run would use, and what it gets to look at.

        Raises:
            ConfigurationError: what was told of it cannot be used.
            IdentitySourceError: there is none.
        """
        federations = [each for each in self.candidates if each.source == "federation" or each.identity]
        candidate = next((each for each in federations if each.matches and each.identity), None)
        candidate = candidate or next(each for each in federations if each.source == "federation")
        if candidate.identity is not None and candidate.settings is not None:
            return candidate.identity, self.inputs.context(candidate.settings)
        if candidate.error is not None:
            raise candidate.error
        raise IdentitySourceError(
            "no identity token was found: no variable is set, and no platform was detected",
            hint="`ant identity detect` lists the platforms and variables; in CI set ANTHROPIC_IDENTITY_TOKEN_FILE",
        )

    def require(self, passing_over: Callable[[TierCandidate], bool] = lambda _: False) -> TierCandidate:
        """Return the first candidate that matches, those left out for which `passing_over` holds.

        Raises:
            NoCredentialsError: no tier matches.
            AntWifError: the one that matches cannot be used; it is not passed over.
        """
        looked_at = [candidate for candidate in self.candidates if not passing_over(candidate)]
        chosen = next((candidate for candidate in looked_at if candidate.matches), None)
        if chosen is None:
            summaries = [candidate.summary() for candidate in looked_at]
            raise NoCredentialsError(
                "no credentials found",
                hint=self._next_step(),
                candidates=summaries,
            )
        if chosen.error is not None:
            begun = next((other for other in looked_at if other.partial and other.tier < chosen.tier), None)
            if begun is not None and chosen.error.hint:
                chosen.error.hint += f"; or complete the {begun.origin}: {_completion(begun)}"
            raise chosen.error
        return chosen

    def credentials(
        self, candidate: TierCandidate, *, http_client: httpx.Client | httpx.AsyncClient | None = None
    ) -> Credentials:
        """Turn a usable candidate into what a caller holds."""
        settings, stored = candidate.settings or self.inputs.settings, candidate.stored
        assert candidate.provider is not None, "only a usable candidate becomes credentials"  # noqa: S101
        login = isinstance(candidate.provider, LoginProvider)
        return Credentials(
            candidate.provider,
            source=candidate.source,
            origin=candidate.origin,
            base_url=settings.base_url,
            base_url_from=settings.origin("base_url").place,
            workspace_from=settings.origin("workspace_id").place if login else "",
            scope=(stored.scope or "") if stored and login else None,
            organization_id=settings.organization_id or (stored.organization_uuid if stored and login else None),
            workspace_id=settings.workspace_id or (stored.workspace_id if stored and login else None),
            identity_source=candidate.identity.source if candidate.identity else None,
            workspace_header=login and settings.workspace_id is not None,
            clock=self.inputs.clock,
            http_client=http_client,
            environ=self.inputs.environ,
        )

    def _next_step(self) -> str:
        federation = next(each for each in self.candidates if each.source == "federation")
        if federation.partial or (federation.missing and federation.error is not None):
            return _completion(federation)
        return (
            "in CI set ANTHROPIC_FEDERATION_RULE_ID and ANTHROPIC_ORGANIZATION_ID; on your machine run "
            "`ant auth login`; `ant auth status` shows what was found"
        )

    def _static(self, tier: int, source: str, via: str) -> TierCandidate:
        """Tiers 1 and 2: a secret that was handed over as it is."""
        settings = self.inputs.settings
        name = flag(source) if via == "flag" else str(Settings.variable(source))
        place = self.inputs.named(source) if via == "flag" else name
        secret: SecretStr | None = getattr(settings, source)
        if via == "env" and settings.origin(source).via == "flag":
            # The argument hides the variable in the model; the report still tells of both.
            secret = SecretStr(self.inputs.environ[name]) if name in self.inputs.environ else None
        elif settings.origin(source).via != via:
            secret = None
        candidate = TierCandidate(tier, source, name, settings=settings)
        if secret is None:
            return replace(candidate, missing=(name,))
        return replace(
            candidate,
            provider=StaticProvider(secret),
            token=AccessToken(secret),
            error=_first_error(lambda: _check_sendable(secret, place), lambda: settings.check("base_url")),
        )

    def _explicit_profile(self) -> TierCandidate:
        """Tier 3: the profile named by `--profile` or `ANTHROPIC_PROFILE`. Broken is an error."""
        candidate = TierCandidate(3, "profile", "--profile or ANTHROPIC_PROFILE")
        active = self.inputs.active
        if isinstance(active, ProfileError):
            if self.inputs.active_via in {"flag", "env"}:
                return replace(candidate, error=active)
        elif active.explicit:
            return profile_tier(self.inputs, replace(candidate, origin=f"profile:{active.name}"), active)
        return replace(candidate, missing=("--profile or ANTHROPIC_PROFILE",))

    def _federation(self) -> TierCandidate:
        """Tier 4: rule, organization and identity token from arguments and environment."""
        settings = self.inputs.settings
        candidate = TierCandidate(4, "federation", "environment", settings=settings)
        try:
            identity = self.inputs.identity_of(settings)
        except ConfigurationError as error:
            return replace(candidate, error=error)
        needed = {
            "ANTHROPIC_FEDERATION_RULE_ID": settings.federation_rule_id,
            "ANTHROPIC_ORGANIZATION_ID": settings.organization_id,
            IDENTITY_MISSING: identity,
        }
        missing = tuple(name for name, value in needed.items() if value is None)
        partial = 0 < len(missing) < len(needed)
        near_miss = self.inputs.near_miss(settings, identity)
        candidate = replace(candidate, missing=missing, partial=partial, identity=identity, error=near_miss)
        federation = self.inputs.federated(settings)
        if federation is None or identity is None:
            return candidate
        context = self.inputs.context(settings)
        try:
            settings.check(*federation._fields, "identity_audience")
            provider = FederatedProvider(
                federation,
                identity,
                context,
                cache=cache_of(settings, self.inputs.environ),
                places=settings.places,
            )
        except ConfigurationError as error:
            return replace(candidate, error=error)
        token = shared_token(provider, self.inputs.clock)
        unmet = identity.unmet(context) if token is None else None
        return replace(candidate, provider=provider, token=token, error=unmet)

    def _active_profile(self) -> TierCandidate:
        """Tier 5: the profile that `active_config` names, else `default` if there is one."""
        candidate = TierCandidate(5, "profile", "active profile")
        active = self.inputs.active
        if self.inputs.active_via in {"flag", "env"}:
            return replace(candidate, missing=("not used: a profile was named explicitly",))
        if isinstance(active, ProfileError):
            return replace(candidate, error=active)
        candidate = replace(candidate, origin=f"profile:{active.name}")
        if self.inputs.directory.is_nowhere:
            return replace(candidate, missing=(f"a home directory, because {HOME} is not set",))
        path = self.inputs.directory.config_path(active.name)
        # A default may be absent; what was named explicitly may not.
        if active.via == "default" and self.inputs.directory.via == "default":
            try:
                os.lstat(path)
            except (OSError, ValueError) as error:
                why = "" if isinstance(error, FileNotFoundError) else f" ({getattr(error, 'strerror', None) or error})"
                return replace(candidate, missing=(f"the file {sanitize_path(path)}{why}",))
        return profile_tier(self.inputs, candidate, active)


def resolve(
    *,
    profile: str | None = None,
    api_key: str | SecretStr | None = None,
    auth_token: str | SecretStr | None = None,
    base_url: str | None = None,
    organization_id: str | None = None,
    workspace_id: str | None = None,
    service_account_id: str | None = None,
    federation_rule_id: str | None = None,
    identity_token: str | SecretStr | None = None,
    identity_token_file: str | os.PathLike[str] | None = None,
    identity_source: str | None = None,
    config_dir: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    http_client: httpx.Client | httpx.AsyncClient | None = None,
    clock: Callable[[], float] = steady,
) -> Credentials:
    """Find the credential that this run is to use. An argument beats a profile, a profile the environment.

    Nothing is sent: the first exchange happens when a token is asked for. `environ` defaults to
    `os.environ`, `clock` gives unix seconds. `http_client` is used for exchanges and not closed.

    Raises:
        NoCredentialsError: none of the five tiers has one; `.candidates` says what each lacks.
        AntWifError: the first that matches cannot be used; see `ant_wif.errors`.
    """
    # Bound anew before anything can raise: this frame is part of every traceback.
    api_key, auth_token, identity_token = as_secret(api_key), as_secret(auth_token), as_secret(identity_token)
    environ = Environment(environ)
    resolution = resolution_of(
        api_key=api_key,
        auth_token=auth_token,
        base_url=base_url,
        organization_id=organization_id,
        workspace_id=workspace_id,
        service_account_id=service_account_id,
        federation_rule_id=federation_rule_id,
        identity_token=identity_token,
        identity_token_file=identity_token_file,
        identity_source=identity_source,
        profile=profile,
        config_dir=config_dir,
        environ=environ,
        clock=clock,
    )
    return resolution.credentials(resolution.require(), http_client=http_client)


def resolution_of(
    *,
    identity_token_file: str | os.PathLike[str] | None,
    profile: str | None,
    config_dir: str | os.PathLike[str] | None,
    environ: Mapping[str, str] | None,
    clock: Callable[[], float],
    **arguments: str | SecretStr | None,
) -> Resolution:
    """Return the resolution that `resolve` and `report` with these arguments are about. Secrets are wrapped already.

    Raises ConfigurationError: an argument or variable has a value that it cannot have.
    """
    environ = Environment(environ)
    given = {**arguments, "identity_token_file": _path(identity_token_file, "identity_token_file")}
    place = _path(config_dir, "config_dir")
    return Resolution(ResolutionContext(given, environ, profile=profile, config_dir=place, clock=clock, named=str))


def _path(given: object, name: str) -> str | None:
    """Return an argument that is a path. Raises ConfigurationError: it is something else."""
    found = os.fspath(given) if isinstance(given, os.PathLike) else given
    if found is None or isinstance(found, str):
        return found
    raise ConfigurationError(f"{name} is not a path", hint=f"correct {name}")


def _completion(federation: TierCandidate) -> str:
    """Say what completes a federation: why no platform was recognised, where one is configured in part, comes first."""
    missing = [name for name in federation.missing if federation.partial]
    if federation.error is None:
        return f"set {' and '.join(missing)}"
    missing = [name for name in missing if name != IDENTITY_MISSING]
    return "; ".join([f"{federation.error}: {federation.error.hint}", *(f"set {name}" for name in missing)])


def _check_sendable(secret: SecretStr, name: str) -> None:
    if not is_sendable(secret):
        is_header = secret.get_secret_value().lower().startswith("bearer ")
        is_marked = "\ufeff" in secret.get_secret_value()
        found = "a byte order mark, which" if is_marked else "a blank, a line break or another character that"
        raise ConfigurationError(
            f"{name} holds {found} no HTTP header can carry",
            hint=f"set {name} anew; often {'it' if is_marked else 'a line break'} was copied along"
            if not is_header
            else f"set {name} to the token alone, without the word Bearer",
        )


def _first_error(*checks: Callable[[], object]) -> AntWifError | None:
    for check in checks:
        try:
            check()
        except AntWifError as error:
            return error
    return None
