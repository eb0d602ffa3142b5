"""What is kept on this machine for other processes, and how it is forgotten."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ant_wif._config import CacheDir, ConfigDir
from ant_wif._files import read_object
from ant_wif._resolution import Resolution, TierCandidate
from ant_wif._secrets import wrap_secrets
from ant_wif._tokens import AccessToken, Federation, cached_tokens, forget_cached_tokens, token_of
from ant_wif.credentials import cache_of
from ant_wif.errors import ConfigurationError, ProfileError


@dataclass(frozen=True)
class StoredToken:
    """A stored token: what it was issued for, and when it expires (unix seconds). Never the token itself."""

    profile: str | None
    base_url: str
    federation_rule_id: str
    organization_id: str
    service_account_id: str | None
    workspace_id: str | None
    identity_source: str | None
    unverified_subject: str | None
    expires_at: int | None
    path: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def list_stored_tokens(resolution: Resolution) -> list[StoredToken]:
    """List the tokens of the shared folder and of federation profiles, expired ones included.

    Raises ConfigurationError: one of the folders is another user's.
    """
    cache = _cache(resolution)
    if cache is not None:
        cache.check()
    found = [
        StoredToken(
            profile=None,
            **entry.federation._asdict(),
            identity_source=entry.identity_source,
            unverified_subject=entry.unverified_subject,
            expires_at=token.expires_at,
            path=str(path),
        )
        for path, entry, token in (cached_tokens(cache) if cache is not None else [])
    ]
    return [*found, *(token for name in resolution.inputs.directory.names() for token in _of_profile(resolution, name))]


def clear(resolution: Resolution, profile: str | None = None) -> list[Path]:
    """Forget what federation left, of one profile or altogether; logins stay. Return the files that went.

    Raises ProfileError: there is no such profile, it holds a login, or a file cannot be removed.
    """
    if profile is not None:
        federation = resolution.inputs.federation_of(profile)
        if federation is None:
            raise ProfileError(
                f"the profile {profile!r} holds a login, and no token that could be had again by itself",
                hint=f"`ant auth logout --profile {profile}` removes the login",
            )
        return log_out(resolution, profile)
    cache, directory = _cache(resolution), resolution.inputs.directory
    gone = forget_cached_tokens(cache) if cache is not None else []
    for name in directory.names():
        with suppress(ConfigurationError):
            if resolution.inputs.federation_of(name) is not None and not _has_login(directory, name):
                gone += filter(None, [directory.forget(name)])
    return gone


def _has_login(directory: ConfigDir, name: str) -> bool:
    stored = directory.read_credentials(directory.secrets_path(name))
    return stored is not None and stored.is_login


def log_out(resolution: Resolution, profile: str) -> list[Path]:
    """Remove a profile's stored credentials, and what the shared folder holds for the same federation."""
    gone = [path for path in [resolution.inputs.directory.forget(profile)] if path is not None]
    return [*gone, *_forget_shared(resolution, profile)]


def _forget_shared(resolution: Resolution, profile: str) -> list[Path]:
    cache, federation = _cache(resolution), None
    with suppress(ConfigurationError):
        federation = resolution.inputs.federation_of(profile)
    return forget_cached_tokens(cache, federation) if cache is not None and federation is not None else []


def log_out_everywhere(resolution: Resolution) -> tuple[list[Path], list[Path]]:
    """Remove every profile and what is stored for it, never the configuration directory itself.

    Return what went, and the files outside the directory that profiles name as theirs, which stay.
    """
    directory, gone = resolution.inputs.directory, []
    places = {name: directory.secrets_path(name) for name in directory.names()}
    for name in places:
        gone += _forget_shared(resolution, name)
    gone += directory.forget_all()
    return gone, sorted({path for path in places.values() if os.path.lexists(path)})


def stored_document(resolution: Resolution, candidate: TierCandidate, token: AccessToken) -> dict[str, object] | None:
    """Return all that a profile's credentials file holds, if it holds this token; `None` where no file does.

    What is a secret in it is wrapped.

    Raises ProfileError: the file cannot be read.
    """
    if candidate.profile is None:
        return None
    path = resolution.inputs.directory.secrets_path(candidate.profile.name)
    owners = resolution.inputs.directory.owners
    with suppress(RecursionError):  # of a file that is too deep to be written again
        found = wrap_secrets(read_object(path, what="credentials file", secret=True, owners=owners))
        return found if isinstance(found, dict) and found.get("access_token") == token.secret else None
    return None


def stored_token(resolution: Resolution, candidate: TierCandidate) -> AccessToken | None:
    """Return the token of a profile's credentials file if it is the profile's own and has not expired."""
    if candidate.profile is None or candidate.stale:
        return None
    path = resolution.inputs.directory.secrets_path(candidate.profile.name)
    with suppress(ProfileError):
        stored = resolution.inputs.directory.read_credentials(path)
        token = token_of(stored) if stored is not None else None
        return token if token is not None and token.lasts(resolution.inputs.clock()) else None
    return None


def _of_profile(resolution: Resolution, name: str) -> list[StoredToken]:
    """List the token of a federation profile, or nothing if a file cannot be used."""
    with suppress(ConfigurationError):
        federation: Federation | None = resolution.inputs.federation_of(name)
        path = resolution.inputs.directory.secrets_path(name)
        stored = resolution.inputs.directory.read_credentials(path) if federation is not None else None
        if federation is not None and stored is not None and stored.access_token is not None and not stored.is_login:
            return [
                StoredToken(
                    profile=name,
                    **federation._asdict(),
                    identity_source=None,
                    unverified_subject=None,
                    expires_at=stored.expires_at,
                    path=str(path),
                )
            ]
    return []


def _cache(resolution: Resolution) -> CacheDir | None:
    return cache_of(resolution.inputs.settings, resolution.inputs.environ)
