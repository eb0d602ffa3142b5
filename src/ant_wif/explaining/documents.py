"""Rule, issuer and key set as the Admin API writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ant_wif.errors import ConfigurationError
from ant_wif.rules import Issuer, KeySet, KeySetUnavailableError, Rule, ServiceAccount, read_key_set
from ant_wif.secrets import show_path

__all__ = ["Registered", "key_set_of", "load", "read_issuer", "read_rule"]

T = TypeVar("T")

_LARGEST_FILE = 1024 * 1024


@dataclass(frozen=True)
class Registered:
    """What somebody brought along of the server's side; `None` for what nobody did.

    `inline_keys` says that the keys are those that stand in the issuer, as registered.
    """

    rule: Rule | None = None
    issuer: Issuer | None = None
    key_set: Callable[[], KeySet] | None = None
    inline_keys: bool = False
    service_account: ServiceAccount | None = None
    default_workspace_id: str | None = None

    @classmethod
    def load(cls, *, rule: Path | None = None, issuer: Path | None = None, jwks: Path | None = None) -> Registered:
        """Read the files that are given.

        Raises:
            ConfigurationError: a file cannot be read, or is not what it should be.
        """
        issued = _read(issuer, "issuer", lambda document: (read_issuer(document), key_set_of(document)))
        keys = _read(jwks, "key set", _published)
        registered, inline = issued or (None, None)
        return cls(_read(rule, "rule", read_rule), registered, keys or inline, keys is None and inline is not None)


def read_rule(document: Mapping[str, object]) -> Rule:
    """Read a federation rule. Raises ValueError, which says what is wrong."""
    match, target = _object(document, "match"), _object(document, "target")
    claims = match.get("claims") or {}
    if not isinstance(claims, dict) or not all(isinstance(value, str) for value in claims.values()):
        raise ValueError("`match.claims` is not an object of strings")
    workspace_ids = document.get("workspace_ids") or []
    if not isinstance(workspace_ids, list) or not all(isinstance(each, str) for each in workspace_ids):
        raise ValueError("`workspace_ids` is not a list of strings")
    return Rule(
        id=_text(document, "id"),
        name=_text(document, "name"),
        issuer_id=_text(document, "issuer_id"),
        service_account_id=_text(target, "service_account_id"),
        subject_prefix=_optional(match, "subject_prefix"),
        audience=_optional(match, "audience"),
        claims=claims,
        condition=_optional(match, "condition"),
        workspace_ids=tuple(workspace_ids),
        applies_to_all_workspaces=_flag(document, "applies_to_all_workspaces", default=False),
        token_lifetime_seconds=_number(document, "token_lifetime_seconds"),
        archived=document.get("archived_at") is not None,
    )


def read_issuer(document: Mapping[str, object]) -> Issuer:
    """Read a federation issuer. Raises ValueError, which says what is wrong."""
    return Issuer(
        id=_text(document, "id"),
        name=_text(document, "name"),
        issuer_url=_text(document, "issuer_url"),
        max_jwt_lifetime_seconds=_number(document, "max_jwt_lifetime_seconds"),
        check_jti=_flag(document, "check_jti", default=True),
        archived=document.get("archived_at") is not None,
    )


def key_set_of(document: Mapping[str, object]) -> Callable[[], KeySet] | None:
    """Return the keys that stand in an issuer, or `None` where it says where to fetch them."""
    jwks = document.get("jwks")
    if not isinstance(jwks, dict) or jwks.get("type") != "inline" or not _can_verify():
        return None
    return lambda: read_key_set(jwks)


def load(path: Path, what: str) -> dict[str, object]:
    """Read a JSON object from a file.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_LARGEST_FILE))
    except OSError as error:
        problem = f"cannot be read ({error.strerror or type(error).__name__})"
    except (ValueError, RecursionError):
        problem = "is not JSON"
    else:
        if isinstance(document, dict):
            return document
        problem = "holds JSON, but no object"
    raise ConfigurationError(f"the {what} file {show_path(path)} {problem}", hint=_hint(what))


def _published(document: Mapping[str, object]) -> Callable[[], KeySet]:
    if not _can_verify():
        raise ValueError("to verify signatures takes PyJWT: pip install 'ant-wif[emulator]'")
    try:
        keys = read_key_set(document)
    except KeySetUnavailableError as error:
        raise ValueError(str(error)) from None
    return lambda: keys


def _can_verify() -> bool:
    from importlib.util import find_spec

    return find_spec("jwt") is not None and find_spec("cryptography") is not None


def _read(path: Path | None, what: str, reader: Callable[[Mapping[str, object]], T]) -> T | None:
    if path is None:
        return None
    try:
        return reader(load(path, what))
    except ValueError as error:
        raise ConfigurationError(
            f"the {what} file {show_path(path)} is not the JSON of one: {error}", hint=_hint(what)
        ) from None


def _hint(what: str) -> str:
    if what == "key set":
        return "give the JSON that the issuer publishes, at `jwks_uri` of its discovery document"
    return f"give the JSON of one {what} as the Admin API returns it"


def _object(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"`{name}` is not an object")  # noqa: TRY004  # callers handle one kind of error
    return value


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}` is not a non-empty string")
    return value


def _optional(document: Mapping[str, object], name: str) -> str | None:
    return None if document.get(name) is None else _text(document, name)


def _number(document: Mapping[str, object], name: str) -> int:
    value = document.get(name, 3600)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"`{name}` is not a whole number")  # noqa: TRY004  # as above
    return value


def _flag(document: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = document.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` is neither true nor false")  # noqa: TRY004  # as above
    return value
