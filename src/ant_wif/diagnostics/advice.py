"""What `ant auth status` warns of, each with the command that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ant_wif._config.settings import Settings
from ant_wif._resolution.chain import Candidate, Resolution
from ant_wif.diagnostics.report import Advice, WorkspaceStatus
from ant_wif.errors import ConfigurationError, LoginError

__all__ = ["advice"]


def advice(resolution: Resolution, workspace_of: Callable[[Candidate], WorkspaceStatus]) -> Iterator[Advice]:
    """Yield the warnings, the most consequential first."""
    chosen = resolution.chosen
    yield from _shadowed(resolution, chosen)
    yield from _incomplete(resolution)
    for name in _credential_variables():
        if resolution.environ.is_empty(name):
            yield _warn("empty_variable", f"{name} is set, but empty; other tools may still pick it", f"unset {name}")
    for candidate in resolution.candidates:
        if candidate.matches:
            yield from _about_candidate(candidate, workspace_of(candidate))
    yield from _other_config_home(resolution)
    yield from _job_without_permission(resolution)


def _shadowed(resolution: Resolution, chosen: Candidate | None) -> Iterator[Advice]:
    """Say that a static secret hides what somebody took the trouble to configure."""
    if chosen is None or chosen.tier > 2:
        return
    hidden = [each for each in resolution.candidates if each is not chosen and each.matches]
    if hidden:
        names = ", ".join(dict.fromkeys(_described(each) for each in hidden))
        fix = f"unset {chosen.origin}" if chosen.tier == 2 else f"leave out {chosen.origin}"
        yield _warn("shadowed", f"{chosen.origin} is used, so this is not: {names}", fix)


def _described(candidate: Candidate) -> str:
    return "federation from the environment" if candidate.source == "federation" else candidate.origin


def _incomplete(resolution: Resolution) -> Iterator[Advice]:
    federation = next(each for each in resolution.candidates if each.source == "federation")
    settings = resolution.settings
    begun = [
        settings.federation_rule_id,
        settings.organization_id,
        settings.identity_token_file,
        settings.identity_token,
    ]
    # A platform that detects itself does not say that federation is meant.
    if federation.partial and any(begun):
        for missing in federation.missing:
            yield _warn(
                "federation_incomplete",
                f"federation from the environment is only partly configured: missing {missing}",
                f"export {missing if missing.startswith('ANTHROPIC_') else 'ANTHROPIC_IDENTITY_TOKEN_FILE'}=…",
            )


def _about_candidate(candidate: Candidate, workspace: WorkspaceStatus) -> Iterator[Advice]:
    error, name = candidate.error, candidate.profile.name if candidate.profile else ""
    if isinstance(error, LoginError):
        yield _warn("login_expired", str(error), f"ant auth login --profile {name}")
    elif isinstance(error, ConfigurationError) and (error.hint or "").startswith("chmod"):
        yield _warn("file_mode", str(error), (error.hint or "").split(";")[0])
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
    stated = resolution.environ.get("XDG_CONFIG_HOME")
    if not stated or resolution.directory.via != "default":
        return
    other = resolution.environ.expand(stated) / "anthropic"
    if other.exists() and other.resolve() != resolution.directory.path.resolve():
        yield _warn(
            "xdg_config_home",
            f"XDG_CONFIG_HOME is set: the Go CLI reads {other} instead of {resolution.directory.path}",
            f"export ANTHROPIC_CONFIG_DIR={resolution.directory.path}",
        )


def _job_without_permission(resolution: Resolution) -> Iterator[Advice]:
    for candidate in resolution.candidates:
        if candidate.identity is not None and candidate.settings is not None:
            unmet = candidate.identity.unmet(resolution.context(candidate.settings))
            if unmet is not None:
                yield _warn("identity_unavailable", str(unmet), unmet.hint or "")
                return


def _credential_variables() -> list[str]:
    fields = [Settings.variable(name) for name in Settings.model_fields]
    return ["ANTHROPIC_PROFILE", "ANTHROPIC_CONFIG_DIR", *(name for name in fields if name)]


def _warn(code: str, message: str, fix: str) -> Advice:
    return Advice(code=code, message=message, fix=fix)
