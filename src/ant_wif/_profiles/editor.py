"""Changing one thing in a profile, and writing a federation profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ant_wif._config import DEFAULT_BASE_URL, KEYS, LOGIN_KEYS, ConfigDir, Settings, check_name, check_value, flag
from ant_wif._files import is_there
from ant_wif._secrets import quoted, sanitize
from ant_wif.errors import ConfigurationError, ProfileError
from ant_wif.identity import read_source

if TYPE_CHECKING:
    from ant_wif._config import Profile


def get_value(profile: Profile, key: str) -> str | None:
    """Return one value of a profile, or `None` if it is left out or empty.

    Raises ProfileError: there is no such key.
    """
    _check_key(key, ("authentication", *KEYS))
    value = getattr(profile.known if key not in LOGIN_KEYS else profile.known.authentication, key, None)
    return value if isinstance(value, str) else None


def set_value(directory: ConfigDir, name: str, key: str, value: str) -> list[str]:
    """Set one value of a profile, and return what the person should know about it.

    Raises:
        ProfileError: no such key or profile, the key is not one of this kind of profile, or the value is empty.
        ConfigurationError: the value has not the form of its kind.
    """
    profile = _to_edit(directory, name, key)
    value = value.strip()
    if not value:
        raise ProfileError(f"{key} cannot be empty", hint=f"to remove it: ant profile unset {key} --profile {name}")
    value = check_value("oauth_client_id" if key == "client_id" else key, value, place=key)
    return [f"{key} of the profile {name!r} is now {sanitize(value)}", *_change(directory, profile, key, value)]


def unset_value(directory: ConfigDir, name: str, key: str) -> list[str]:
    """Remove one value from a profile, and return what the person should know about it.

    Raises ProfileError: no such key or profile, or the key is not one of this kind of profile.
    """
    profile = _to_edit(directory, name, key)
    part = profile.document if key not in LOGIN_KEYS else _object(profile.document["authentication"])
    if key not in part:
        return [f"{key} is not set in the profile {name!r}"]
    return [f"{key} was removed from the profile {name!r}", *_change(directory, profile, key, None)]


def _to_edit(directory: ConfigDir, name: str, key: str) -> Profile:
    _check_key(key)
    profile = directory.read(name)
    if key in LOGIN_KEYS and profile.type != "user_oauth":
        raise ProfileError(
            f"{key} belongs to login profiles (user_oauth); {name!r} is a federation profile",
            hint="a federation profile has workspace_id, base_url and organization_id",
        )
    return profile


def _change(directory: ConfigDir, profile: Profile, key: str, value: str | None) -> Iterator[str]:
    """Write a profile with another value, or without it; tell what follows for what was issued already."""
    document, before = dict(profile.document), get_value(profile, key)
    part = document if key not in LOGIN_KEYS else _object(document["authentication"])
    part.pop(key, None)
    if value is not None:
        part[key] = value
    if part is not document:
        document["authentication"] = part
    changed = value != before
    if key == "organization_id" and value and before:
        changed = value.lower() != before.lower()  # the case of a UUID does not matter
    if key == "organization_id" and changed and document.pop("workspace_id", None):
        yield "workspace_id was removed, because it belonged to the other organization"
    if changed and profile.type == "oidc_federation":
        yield from _drop_token(directory, profile)
    directory.write(profile.name, document)
    if key == "client_id" and value is None:
        yield "without a client_id nothing here refreshes the login; another tool must keep its credentials file fresh"
    is_login = profile.type == "user_oauth" and is_there(directory.secrets_path(profile.name))
    if changed and is_login and key in {"workspace_id", "organization_id"}:
        yield (
            f"the present login keeps its {key.removesuffix('_id')}; "
            f"to change it too: ant auth login --profile {profile.name}"
        )


def _drop_token(directory: ConfigDir, profile: Profile) -> Iterator[str]:
    """Remove the token that was issued for the values so far: other SDKs would go on using it."""
    try:
        stored = directory.read_credentials(directory.secrets_path(profile.name))
        # What has a successor is a login's, and is not used for a federation.
        gone = directory.forget(profile.name) if stored is not None and stored.refresh_token is None else None
    except ProfileError as error:
        yield f"the cached access token could not be removed: {error.summary}"
    else:
        if gone is not None:
            yield f"removed the cached access token, which was issued for the previous value: {gone}"


def create_federation(
    directory: ConfigDir, name: str, settings: Settings, identity_options: Mapping[str, object] | None = None
) -> tuple[Path, list[str]]:
    """Write a federation profile from settings; return its path and what the person should know.

    `identity_options` are fields of the identity source that the settings name.

    Raises:
        ProfileError: the profile exists already, or something it needs is missing.
        ConfigurationError: an id has not the form of its kind, or the URL must not carry a token.
    """
    check_name(name, found_in="the name")
    if is_there(directory.config_path(name)):
        raise ProfileError(
            f"the profile {name!r} exists already: {directory.config_path(name)}",
            hint=f"choose another name, or remove it with `ant profile delete {name}`",
        )
    missing = [key for key in ("federation_rule_id", "organization_id") if getattr(settings, key) is None]
    if missing:
        raise ProfileError(
            f"a federation profile needs {' and '.join(missing)}",
            hint="give " + " and ".join(f"{flag(key)} or {Settings.variable(key)}" for key in missing),
        )
    settings.check("base_url", "federation_rule_id", "organization_id", "service_account_id", "workspace_id", "scope")
    identity, notes = _identity(settings, dict(identity_options or {}))
    authentication = {
        "type": "oidc_federation",
        "federation_rule_id": settings.federation_rule_id,
        "service_account_id": settings.service_account_id,
        "identity_token": identity,
        "scope": settings.scope,
    }
    document = {
        "version": "1.0",
        "authentication": _filled(authentication),
        "organization_id": settings.organization_id,
        "workspace_id": settings.workspace_id,
        "base_url": settings.base_url if settings.base_url != DEFAULT_BASE_URL else None,
    }
    return directory.write(name, _filled(document)), notes


def _identity(settings: Settings, options: dict[str, object]) -> tuple[dict[str, object] | None, list[str]]:
    """What the profile is to say of the identity token. A token itself never stands in a profile."""
    name = settings.identity_source
    if name in {"auto", "none"}:
        if options:
            raise ProfileError(
                f"{', '.join(options)} belong to an identity source, and none is named", hint="give --identity-source"
            )
        if settings.identity_token_file:
            return {"source": "file", "path": settings.identity_token_file}, []
        return None, ["the profile names no identity token: the environment or the platform will have to provide it"]
    if name == "file" and settings.identity_token_file:
        options = {"path": settings.identity_token_file, **options}
    document: dict[str, object] = {"source": name, **options}
    try:
        source = read_source(document)
    except ConfigurationError as error:
        hint = "give --identity-token-file or ANTHROPIC_IDENTITY_TOKEN_FILE" if name == "file" else error.hint
        raise ProfileError(f"the profile cannot be written: {error.summary}", facts=error.facts, hint=hint) from None
    unknown = [sanitize(field, limit=64) for field in document if field not in vars(source)]
    if unknown:
        raise ProfileError(
            f"the identity source {name} has no field {', '.join(unknown)}", hint="check --identity-option"
        )
    notes = [
        f"the official SDKs refuse a profile whose identity source is {name}: they know only `file`; "
        "run them under `ant exec`"
    ]
    return document, [] if name == "file" else notes


def _check_key(key: str, known: Sequence[str] = KEYS) -> None:
    if key not in known:
        from difflib import get_close_matches

        close = get_close_matches(key.lower().replace("-", "_").partition("=")[0], known, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ProfileError(f"there is no key {quoted(key, limit=64)}", hint=f"{hint}the keys are {', '.join(known)}")


def _filled(document: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in document.items() if value is not None}


def _object(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}
