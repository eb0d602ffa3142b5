"""Changing one thing in a profile, and writing a federation profile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ant_wif._config import DEFAULT_BASE_URL, KEYS, LOGIN_KEYS, ConfigDir, Settings, check_name, flag
from ant_wif._files import is_there
from ant_wif._http import check_url
from ant_wif._secrets import sanitize
from ant_wif.errors import ConfigurationError, ProfileError
from ant_wif.identity import read_source

if TYPE_CHECKING:
    from ant_wif._config import Profile

__all__ = ["create_federation", "get_value", "set_value"]


def get_value(profile: Profile, key: str) -> str | None:
    """Return one value of a profile, or `None` if it is left out or empty.

    Raises:
        ProfileError: there is no such key.
    """
    _check_key(key)
    value = getattr(profile.known if key not in LOGIN_KEYS else profile.known.authentication, key, None)
    return value if isinstance(value, str) else None


def set_value(directory: ConfigDir, name: str, key: str, value: str) -> list[str]:
    """Set one value of a profile, and return what the person should know about it.

    Raises:
        ProfileError: no such key or profile, or the key is not one of this kind of profile.
        InsecureUrlError: the URL must not carry a token.
    """
    _check_key(key)
    if not is_there(directory.config_path(name)):
        raise ProfileError(
            f"the profile {name!r} does not exist: there is no file {directory.config_path(name)}",
            hint=f"`ant profile create {name} --federation` makes a federation profile, "
            f"`ant auth login --profile {name}` a login",
        )
    profile = directory.read(name)
    if key in LOGIN_KEYS and profile.type != "user_oauth":
        raise ProfileError(
            f"{key} belongs to login profiles (user_oauth); {name!r} is a federation profile",
            hint="a federation profile has workspace_id, base_url and organization_id",
        )
    if key in {"base_url", "console_url"}:
        value = check_url(value, what=key)
    document = dict(profile.document)
    notes = [f"{key} of the profile {name!r} is now {sanitize(value)}"]
    if key not in LOGIN_KEYS:
        document[key] = value
    else:
        document["authentication"] = {**_object(document["authentication"]), key: value}
    if key == "organization_id" and value != profile.known.organization_id and document.pop("workspace_id", None):
        notes.append("workspace_id was removed, because it belonged to the other organization")
    if key == "workspace_id":
        notes.append(_about_workspace(profile))
    directory.write(name, document)
    return notes


def create_federation(
    directory: ConfigDir, name: str, settings: Settings, identity_options: Mapping[str, object] | None = None
) -> tuple[Path, list[str]]:
    """Write a federation profile from settings; return its path and what the person should know.

    `identity_options` are fields of the identity source that the settings name.

    Raises:
        ProfileError: the profile exists already, or something it needs is missing.
        ConfigurationError: an id has not the form of its kind, or the URL must not carry a token.
    """
    check_name(name, found_in="the profile name")
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
    notes = [f"the official SDKs refuse a profile whose identity source is {name}: they know only `file`"]
    return document, [] if name == "file" else notes


def _about_workspace(profile: Profile) -> str:
    if profile.type == "user_oauth":
        return "a token that was issued keeps its workspace until the next login"
    return "the next exchange asks for this workspace; a token that was issued keeps its own"


def _check_key(key: str) -> None:
    if key not in KEYS:
        raise ProfileError(f"there is no key {sanitize(key, limit=64)!r}", hint=f"the keys are {', '.join(KEYS)}")


def _filled(document: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in document.items() if value is not None}


def _object(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}
