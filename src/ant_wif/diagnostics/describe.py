"""Describes a resolution as the report does, with its warnings. Nothing here touches the network."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping

from ant_wif._config import DEFAULT_BASE_URL, Settings, flag
from ant_wif._environment import Environment, steady
from ant_wif._files import findings, is_there
from ant_wif._resolution import IDENTITY_MISSING, Resolution, TierCandidate, resolution_of
from ant_wif._secrets import SecretStr, as_secret, mask
from ant_wif.diagnostics.report import (
    Advice,
    BaseUrlStatus,
    CandidateStatus,
    ConfigDirStatus,
    CredentialStatus,
    InputStatus,
    LoginStatus,
    OrganizationStatus,
    ProfileStatus,
    Report,
    SourceStatus,
    WorkspaceStatus,
)
from ant_wif.errors import ConfigurationError, LoginError, ProfileError

__all__ = ["advice", "describe", "report"]


def advice(resolution: Resolution, workspace_of: Callable[[TierCandidate], WorkspaceStatus]) -> Iterator[Advice]:
    """Yield the warnings, the most consequential first."""
    chosen = resolution.chosen
    yield from _shadowed(resolution, chosen)
    yield from _incomplete(resolution)
    for name in _credential_variables():
        if resolution.inputs.environ.is_empty(name):
            yield _warn("empty_variable", f"{name} is set, but empty; other tools may still pick it", f"unset {name}")
    for candidate in resolution.candidates:
        if candidate.matches:
            yield from _about_candidate(candidate, workspace_of(candidate))
    yield from _loose_places(resolution)
    yield from _other_config_home(resolution)
    yield from _job_without_permission(resolution)


def _shadowed(resolution: Resolution, chosen: TierCandidate | None) -> Iterator[Advice]:
    """Say that a static secret hides what somebody took the trouble to configure."""
    if chosen is None or chosen.tier > 2:
        return
    shadowed = [each for each in resolution.candidates if each is not chosen and each.matches]
    if shadowed:
        names = ", ".join(dict.fromkeys(_described(each) for each in shadowed))
        fix = f"unset {chosen.origin}" if chosen.tier == 2 else f"leave out {chosen.origin}"
        yield _warn("shadowed", f"{chosen.origin} is used, so this is not: {names}", fix)


def _described(candidate: TierCandidate) -> str:
    return "federation from the environment" if candidate.source == "federation" else candidate.origin


def _incomplete(resolution: Resolution) -> Iterator[Advice]:
    federation = next(each for each in resolution.candidates if each.source == "federation")
    settings = resolution.inputs.settings
    begun = [
        settings.federation_rule_id,
        settings.organization_id,
        settings.identity_token_file,
        settings.identity_token,
    ]
    if federation.missing and federation.error is not None and (federation.partial or resolution.chosen is None):
        yield _warn("platform_incomplete", str(federation.error), federation.error.hint or "")
    # A platform that detects itself does not say that federation is meant.
    if federation.partial and any(begun):
        for missing in federation.missing:
            if missing == IDENTITY_MISSING and federation.error is not None:
                continue
            yield _warn(
                "federation_incomplete",
                f"federation from the environment is only partly configured: missing {missing}",
                f"export {missing if missing.startswith('ANTHROPIC_') else 'ANTHROPIC_IDENTITY_TOKEN_FILE'}=…",
            )


def _loose_places(resolution: Resolution) -> Iterator[Advice]:
    """Mention who else could write where the active profile is, as far as that is no reason to refuse it."""
    directory, active = resolution.inputs.directory, resolution.inputs.active
    if isinstance(active, ProfileError):
        return
    paths = [directory.config_path(active.name), directory.credentials_path(active.name)]
    judged = [findings(path, top=directory.path, owners=directory.owners) for path in paths if is_there(path)]
    for finding in dict.fromkeys(itertools.chain.from_iterable(judged)):
        if not finding.refused:
            yield _warn("loose_place", finding.problem, finding.hint)


def _about_candidate(candidate: TierCandidate, workspace: WorkspaceStatus) -> Iterator[Advice]:
    error, name = candidate.error, candidate.profile.name if candidate.profile else ""
    if isinstance(error, LoginError):
        yield _warn("login_expired", error.summary, f"ant auth login --profile {name}")
    elif isinstance(error, ConfigurationError) and (error.hint or "").startswith(("chmod", "chown")):
        yield _warn("file_mode", error.summary, (error.hint or "").split(";")[0])
    if candidate.stale:
        yield _warn(
            "stale_token",
            f"the token stored for profile {name!r} was issued for other settings and is not used",
            f"ant auth logout --profile {name}",
        )
    if workspace.drift:
        yield _warn(
            "workspace_drift",
            f"the token of profile {name!r} is for {workspace.id}, but the profile names {workspace.configured_id}",
            f"ant profile set workspace_id {workspace.id} --profile {name}",
        )


def _other_config_home(resolution: Resolution) -> Iterator[Advice]:
    stated = resolution.inputs.environ.get("XDG_CONFIG_HOME")
    if not stated or resolution.inputs.directory.via != "default":
        return
    other = resolution.inputs.environ.expand(stated) / "anthropic"
    if other.exists() and other.resolve() != resolution.inputs.directory.path.resolve():
        yield _warn(
            "xdg_config_home",
            f"XDG_CONFIG_HOME is set: the Go CLI reads {other} instead of {resolution.inputs.directory.path}",
            f"export ANTHROPIC_CONFIG_DIR={resolution.inputs.directory.path}",
        )


def _job_without_permission(resolution: Resolution) -> Iterator[Advice]:
    for candidate in resolution.candidates:
        if candidate.identity is not None and candidate.settings is not None:
            unmet = candidate.identity.unmet(resolution.inputs.context(candidate.settings))
            if unmet is not None:
                yield _warn("identity_unavailable", unmet.summary, unmet.hint or "")
                return


def _credential_variables() -> list[str]:
    fields = [Settings.variable(name) for name in Settings.model_fields]
    return ["ANTHROPIC_PROFILE", "ANTHROPIC_CONFIG_DIR", *(name for name in fields if name)]


def _warn(code: str, message: str, fix: str) -> Advice:
    return Advice(code=code, message=message, fix=fix)


def report(
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
    clock: Callable[[], float] = steady,
) -> Report:
    """Tell what `resolve` with the same arguments would choose, and why. Whatever is found, it does not fail.

    Raises:
        ConfigurationError: an argument or variable has a value that it cannot have.
    """
    # Bound anew before anything can raise: this frame is part of every traceback.
    api_key, auth_token, identity_token = as_secret(api_key), as_secret(auth_token), as_secret(identity_token)
    environ = Environment(environ)
    return describe(
        resolution_of(
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
    )


def describe(resolution: Resolution) -> Report:
    """Describe one resolution."""
    chosen = resolution.chosen
    settings = (chosen.settings if chosen else None) or resolution.inputs.settings
    return Report(
        profile=_profile(resolution),
        config_dir=ConfigDirStatus(path=str(resolution.inputs.directory.path), via=resolution.inputs.directory.via),
        credential=_credential(chosen) if chosen else None,
        candidates=[_candidate(each, chosen) for each in resolution.candidates],
        base_url=BaseUrlStatus(value=settings.base_url, via=settings.origin("base_url").via),
        organization=_organization(settings, chosen),
        workspace=_workspace(settings, chosen),
        login=_login(chosen),
        base_url_sources=_sources(resolution, chosen, "base_url"),
        organization_sources=_sources(resolution, chosen, "organization_id"),
        workspace_sources=_sources(resolution, chosen, "workspace_id"),
        federation_inputs=_inputs(resolution),
        warnings=list(advice(resolution, lambda candidate: _workspace(candidate.settings or settings, candidate))),
    )


def _profile(resolution: Resolution) -> ProfileStatus:
    active = resolution.inputs.active
    if isinstance(active, ProfileError):
        return ProfileStatus(
            name="",
            via=resolution.inputs.active_via,
            exists=False,
            config_path="",
            credentials_path="",
            error=active.summary,
        )
    tier = 3 if active.explicit else 5
    candidate = next(each for each in resolution.candidates if each.tier == tier)
    directory, profile = resolution.inputs.directory, candidate.profile
    path = directory.config_path(active.name)
    override = profile.known.authentication.credentials_path if profile else None
    return ProfileStatus(
        name=active.name,
        via=active.via,
        exists=os.path.lexists(path),
        type=profile.type if profile else None,
        config_path=str(path),
        credentials_path=str(directory.credentials_path(active.name, override)),
        error=candidate.error.summary if candidate.error else None,
    )


def _credential(chosen: TierCandidate) -> CredentialStatus:
    return CredentialStatus(
        tier=chosen.tier,
        source=chosen.source,
        origin=chosen.origin,
        usable=chosen.usable,
        masked=mask(chosen.token.secret) if chosen.token else None,
        expires_at=chosen.token.expires_at if chosen.token else None,
        identity_source=chosen.identity.source if chosen.identity else None,
    )


def _candidate(candidate: TierCandidate, chosen: TierCandidate | None) -> CandidateStatus:
    return CandidateStatus(
        tier=candidate.tier,
        source=candidate.source,
        origin=candidate.origin,
        active=candidate is chosen,
        usable=candidate.usable,
        missing=list(candidate.missing),
        error=candidate.error.summary if candidate.error else None,
        set=candidate.matches or candidate.partial,
        masked=mask(candidate.token.secret) if candidate.token else None,
        expires_at=candidate.token.expires_at if candidate.token else None,
        scope=_scope(candidate),
        profile_type=candidate.profile.type if candidate.profile else None,
    )


def _scope(candidate: TierCandidate) -> str | None:
    if candidate.stored is not None and candidate.stored.scope:
        return candidate.stored.scope
    settings = candidate.settings
    return settings.scope if settings and candidate.source in {"profile", "federation"} else None


def _organization(settings: Settings, chosen: TierCandidate | None) -> OrganizationStatus:
    if chosen is None or chosen.source not in {"profile", "federation"}:
        return OrganizationStatus()
    bound, name = _stored(chosen, "organization_uuid"), _stored(chosen, "organization_name")
    if settings.organization_id:
        via = settings.origin("organization_id").via
        name = name if bound in {None, settings.organization_id} else None
        return OrganizationStatus(id=settings.organization_id, name=name, via=via)
    if bound:
        return OrganizationStatus(id=bound, name=name, via="token")
    return OrganizationStatus()


def _workspace(settings: Settings, chosen: TierCandidate | None) -> WorkspaceStatus:
    """The token's workspace is the one that counts: it was bound when the token was issued."""
    if chosen is None or chosen.source not in {"profile", "federation"}:
        return WorkspaceStatus()
    bound, configured = _stored(chosen, "workspace_id"), settings.workspace_id
    if bound:
        return WorkspaceStatus(
            id=bound,
            name=_stored(chosen, "workspace_name"),
            via="token",
            drift=configured not in {None, bound},
            configured_id=configured,
        )
    if configured:
        return WorkspaceStatus(id=configured, via=settings.origin("workspace_id").via)
    return WorkspaceStatus()


def _sources(resolution: Resolution, chosen: TierCandidate | None, key: str) -> list[SourceStatus]:
    """Every place that names a value, in the order of precedence."""
    places: list[tuple[str, object]] = []
    if key == "workspace_id":
        places.append(("token", _stored(chosen, "workspace_id")))
    places.append((flag(key), resolution.inputs.arguments.get(key)))
    if chosen is not None and chosen.profile is not None:
        places.append((f"profile:{chosen.profile.name}", getattr(chosen.profile.known, key)))
    places.append((str(Settings.variable(key)), resolution.inputs.environ.get(str(Settings.variable(key)))))
    if key == "organization_id":
        places.append(("token", _stored(chosen, "organization_uuid")))
    if key == "base_url":
        places.append(("default", DEFAULT_BASE_URL))
    named = [(origin, str(value)) for origin, value in places if value]
    # A static secret is bound to its organization and workspace by the server, whatever is set here.
    counts = key == "base_url" or (chosen is not None and chosen.source in {"profile", "federation"})
    rows = [SourceStatus(origin=o, value=v, active=counts and n == 0) for n, (o, v) in enumerate(named)]
    return [row for row in rows if row.active or row.origin != "default"]


def _stored(chosen: TierCandidate | None, key: str) -> str | None:
    """One field of the credentials file, if there is one."""
    value = getattr(chosen.stored, key) if chosen is not None and chosen.stored is not None else None
    return value if isinstance(value, str) else None


def _login(chosen: TierCandidate | None) -> LoginStatus | None:
    stored = chosen.stored if chosen else None
    if stored is None or not (stored.account_email or stored.organization_name):
        return None
    return LoginStatus(email=stored.account_email, organization_name=stored.organization_name)


def _inputs(resolution: Resolution) -> list[InputStatus]:
    """The inputs of the federation that is used or was begun, each with the place it comes from."""
    candidate = next((each for each in resolution.candidates if each.matches and each.identity), None)
    candidate = candidate or next(each for each in resolution.candidates if each.source == "federation")
    settings = candidate.settings
    if settings is None or not (candidate.identity or settings.federation_rule_id):
        return []
    inputs: list[InputStatus] = []
    if candidate.identity is not None:
        told = settings.identity is candidate.identity
        where = f"profile:{candidate.profile.name}" if told and candidate.profile else "detected"
        inputs.append(
            InputStatus(
                name="identity token",
                origin=f"{candidate.identity.title} ({where})",
                value=candidate.identity.asks_for(resolution.inputs.context(settings)),
            )
        )
    for name, key in (
        ("federation rule", "federation_rule_id"),
        ("organization", "organization_id"),
        ("service account", "service_account_id"),
        ("workspace", "workspace_id"),
    ):
        value = getattr(settings, key)
        if value:
            inputs.append(InputStatus(name=name, origin=settings.origin(key).name, value=value))
    return inputs
