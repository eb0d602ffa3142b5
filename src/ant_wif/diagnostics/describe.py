"""Describes a resolution as the report does, with its warnings. Nothing here touches the network."""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ant_wif._config import DEFAULT_BASE_URL, Settings, flag, names_another
from ant_wif._environment import Environment, steady
from ant_wif._files import AS_OWNER, findings, is_there
from ant_wif._http import without_login
from ant_wif._resolution import IDENTITY_MISSING, Resolution, TierCandidate, resolution_of
from ant_wif._secrets import SecretStr, as_secret, mask
from ant_wif.credentials import cache_of
from ant_wif.diagnostics.report import (
    Advice,
    BaseUrlStatus,
    BindingStatus,
    CandidateStatus,
    ConfigDirStatus,
    CredentialStatus,
    InputStatus,
    LoginStatus,
    ProfileStatus,
    Report,
    SourceStatus,
)
from ant_wif.errors import ConfigurationError, LoginError, ProfileError

__all__ = ["advice", "describe", "report"]

_SERVER_CHOOSES = "none: the server chooses; set ANTHROPIC_WORKSPACE_ID if the rule covers several"


def advice(resolution: Resolution) -> Iterator[Advice]:
    """Yield the warnings, the most consequential first."""
    chosen = resolution.chosen
    yield from _shadowed(resolution, chosen)
    yield from _incomplete(resolution)
    for name in _credential_variables():
        if resolution.inputs.environ.is_empty(name):
            yield _warn("empty_variable", f"{name} is set, but empty; other tools may still pick it", f"unset {name}")
    for candidate in resolution.candidates:
        if candidate.matches:
            yield from _about_candidate(candidate)
    yield from _loose_places(resolution)
    yield from _unused_cache(resolution, chosen)
    yield from _other_config_home(resolution)
    yield from _job_without_permission(resolution)


def _shadowed(resolution: Resolution, chosen: TierCandidate | None) -> Iterator[Advice]:
    """Warn that a static secret overrides another configured credential."""
    if chosen is None or chosen.tier > 2:
        return
    shadowed = [each for each in resolution.candidates if each is not chosen and each.matches]
    if shadowed:
        names = " and ".join(dict.fromkeys(_described(each) for each in shadowed))
        fix = f"unset {chosen.origin}" if chosen.tier == 2 else f"leave out {chosen.origin}"
        yield _warn("shadowed", f"{chosen.origin} is used and overrides {names}", fix)


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
    """Mention who else could write where the active profile is, if it is not refused."""
    directory, active = resolution.inputs.directory, resolution.inputs.active
    if isinstance(active, ProfileError):
        return
    paths = [directory.config_path(active.name), directory.credentials_path(active.name)]
    judged = [findings(path, top=directory.path, owners=directory.owners) for path in paths if is_there(path)]
    for finding in dict.fromkeys(itertools.chain.from_iterable(judged)):
        if not finding.refused:
            yield _warn("loose_place", finding.problem, finding.hint)


def _unused_cache(resolution: Resolution, chosen: TierCandidate | None) -> Iterator[Advice]:
    """Warn that tokens are not shared, because others could write where they are kept."""
    if chosen is None or chosen.identity is None or chosen.settings is None:
        return
    cache = cache_of(chosen.settings, resolution.inputs.environ)
    try:
        if cache is not None:
            cache.check()
    except ConfigurationError as error:
        yield _warn("file_mode", error.summary, (error.hint or "").split(", or ")[0])


def _about_candidate(candidate: TierCandidate) -> Iterator[Advice]:
    error, name = candidate.error, candidate.profile.name if candidate.profile else ""
    if isinstance(error, LoginError):
        yield _warn("login_expired", error.summary, f"ant auth login --profile {name}")
    elif isinstance(error, ConfigurationError) and (error.hint or "").startswith(("chmod", "chown", AS_OWNER)):
        yield _warn("file_mode", error.summary, (error.hint or "").split(";")[0])
    if candidate.stale:
        yield _warn(
            "stale_token",
            f"the token stored for profile {name!r} was issued for other settings and is not used",
            f"ant auth logout --profile {name}",
        )
    if candidate.unrecorded and candidate.settings is not None:
        yield _warn(
            "unrecorded_token",
            f"another tool issued the cached token of profile {name!r}; it may be for other settings than the present",
            f"ant cache clear --profile {name}",
        )
    for key in ("workspace_id", "organization_id"):
        status = _binding(candidate, key)
        if status.drift and candidate.settings is not None:
            yield _drift(candidate.settings, name, key, status)


def _drift(settings: Settings, profile: str, key: str, status: BindingStatus) -> Advice:
    """Say what names another workspace or organization than the token's, and offer to follow either."""
    origin, login = settings.origin(key), f"ant auth login --profile {profile}"
    if origin.via == "profile":
        named, others = "the profile", f"ant profile set {key} {status.id} --profile {profile}"
    elif origin.via == "flag":
        named, others, login = origin.name, f"leave out {origin.name}", f"{login} {origin.name} {status.configured_id}"
    else:
        named, others = origin.name, f"unset {origin.name}"
    return _warn(
        key.replace("_id", "_drift"),
        f"the token of profile {profile!r} is for {status.id}, but {named} names {status.configured_id}",
        f"{login}  # to use {status.configured_id}\n{others}  # to keep {status.id}",
    )


def _other_config_home(resolution: Resolution) -> Iterator[Advice]:
    stated = resolution.inputs.environ.get("XDG_CONFIG_HOME")
    if not stated or resolution.inputs.directory.via != "default":
        return
    other = resolution.inputs.environ.expand(stated) / "anthropic"
    if is_there(other) and other.resolve() != resolution.inputs.directory.path.resolve():
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
    judged, chosen = _judged(resolution), resolution.chosen
    settings = (chosen.settings if chosen else None) or resolution.inputs.settings
    return Report(
        profile=_profile(judged),
        config_dir=ConfigDirStatus(path=str(resolution.inputs.directory.path), via=resolution.inputs.directory.via),
        credential=_credential(judged.chosen) if judged.chosen else None,
        candidates=[_candidate(judged, each, judged.chosen) for each in judged.candidates],
        base_url=BaseUrlStatus(value=_shown_url(settings.base_url), via=settings.origin("base_url").via),
        organization=_binding(chosen, "organization_id"),
        workspace=_binding(chosen, "workspace_id"),
        login=_login(chosen),
        base_url_sources=_sources(resolution, chosen, "base_url"),
        organization_sources=_sources(resolution, chosen, "organization_id"),
        workspace_sources=_sources(resolution, chosen, "workspace_id"),
        federation_inputs=_inputs(resolution),
        warnings=list(advice(resolution)),
    )


def _judged(resolution: Resolution) -> Resolution:
    """Return it with what makes an identity token unusable as the error of its tier, as `resolve` finds only later."""

    def judged(each: TierCandidate) -> TierCandidate:
        if each.identity is None or each.settings is None or each.provider is None or each.token or each.error:
            return each
        return replace(each, error=each.identity.unusable(resolution.inputs.context(each.settings)))

    found = copy.copy(resolution)
    found.candidates = tuple(judged(each) for each in resolution.candidates)
    return found


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


def _candidate(resolution: Resolution, candidate: TierCandidate, chosen: TierCandidate | None) -> CandidateStatus:
    problem, active = _problem(resolution, candidate), resolution.inputs.active
    name = "" if isinstance(active, ProfileError) else active.name
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
        problem=problem,
        fix=f"ant auth login --profile {name}" if problem else candidate.error.hint if candidate.error else None,
    )


def _problem(resolution: Resolution, candidate: TierCandidate) -> str | None:
    """What a login takes away that makes a profile unusable, in words."""
    active = resolution.inputs.active
    if candidate.source != "profile" or candidate.error is None or isinstance(active, ProfileError):
        return None
    if isinstance(candidate.error, LoginError):
        return "expired"
    if candidate.profile is None:
        return None if is_there(resolution.inputs.directory.config_path(active.name)) else "no such profile"
    is_login = candidate.profile.type == "user_oauth" and candidate.provider is not None
    stored = candidate.stored.access_token if candidate.stored is not None else None
    return "not logged in" if is_login and stored is None else None


def _scope(candidate: TierCandidate) -> str | None:
    if candidate.stored is not None and candidate.stored.scope:
        return candidate.stored.scope
    settings = candidate.settings
    return settings.scope if settings and candidate.source in {"profile", "federation"} else None


def _binding(chosen: TierCandidate | None, key: str) -> BindingStatus:
    """Tell what `organization_id` or `workspace_id` is.

    What the token is for counts, where it is known; configuration is what the next exchange asks for.
    """
    if chosen is None:
        return BindingStatus(note="none")
    if not chosen.usable or chosen.settings is None:
        return BindingStatus(note="none: the active credential cannot be used")
    configured: str | None = getattr(chosen.settings, key)
    bound = _stored(chosen, key)
    if bound:
        name = _stored(chosen, key.replace("_id", "_name"))
        drift = configured is not None and names_another(key, configured, bound, name)
        return BindingStatus(id=bound, name=name, via="token", drift=drift, configured_id=configured)
    note = _not_known(chosen)
    if note is None and configured:
        return BindingStatus(id=configured, via=chosen.settings.origin(key).via)
    return BindingStatus(note=note or _SERVER_CHOOSES, configured_id=configured)


def _not_known(chosen: TierCandidate) -> str | None:
    """Why it is not known what the token at hand is for; `None` where it is for what is configured."""
    shows = "`ant auth verify` shows it"
    if chosen.source in {"api_key", "auth_token"}:
        return f"unknown: fixed by the server; {shows}"
    if chosen.profile is not None and chosen.profile.type == "user_oauth":
        return f"unknown: the credentials file does not say; {shows}"
    if chosen.unrecorded and chosen.profile is not None:
        drops = f"`ant cache clear --profile {chosen.profile.name}` drops it"
        return f"unknown: another tool issued the cached token; {shows}, {drops}"
    return None


def _sources(resolution: Resolution, chosen: TierCandidate | None, key: str) -> list[SourceStatus]:
    """Every place that names a value, in the order of precedence."""
    usable = chosen if chosen is not None and chosen.usable else None
    places: list[tuple[str, object]] = []
    if key != "base_url":
        places.append(("token", _stored(usable, key)))
    places.append((flag(key), resolution.inputs.arguments.get(key)))
    if chosen is not None and chosen.profile is not None:
        places.append((f"profile:{chosen.profile.name}", getattr(chosen.profile.known, key)))
    places.append((str(Settings.variable(key)), resolution.inputs.environ.get(str(Settings.variable(key)))))
    if key == "base_url":
        places.append(("default", DEFAULT_BASE_URL))
    shown = _shown_url if key == "base_url" else str.strip
    named = [(origin, shown(str(value))) for origin, value in places if value]
    # What a token is for does not follow from what is set here, unless it is known to have been issued for that.
    counts = key == "base_url" or (usable is not None and (named[:1] or [("", "")])[0][0] == "token")
    counts = counts or (usable is not None and _not_known(usable) is None)
    rows = [SourceStatus(origin=o, value=v, active=counts and n == 0) for n, (o, v) in enumerate(named)]
    return [row for row in rows if row.active or row.origin != "default"]


def _shown_url(url: str) -> str:
    """Return it without what may be a password; a URL with one is never used."""
    return without_login(url.strip()) if set("@?#") & set(url) else url.strip()


def _stored(chosen: TierCandidate | None, key: str) -> str | None:
    """One field of the credentials file, if there is one. The ID of the organization has another name there."""
    key = "organization_uuid" if key == "organization_id" else key
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
        told = candidate.profile if settings.identity is candidate.identity else None
        where = f"profile:{told.name}" if told else "detected"
        is_named = told is None and candidate.identity.source == "file" and settings.identity_token_file
        inputs.append(
            InputStatus(
                name="identity token",
                origin=settings.origin("identity_token_file").name
                if is_named
                else f"{candidate.identity.title} ({where})",
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
