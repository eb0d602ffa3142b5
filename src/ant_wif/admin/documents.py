"""Rules, issuers and service accounts as the Admin API writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec

from ant_wif.rules import Issuer, KeySet, Rule, ServiceAccount, read_key_set
from ant_wif.rules.models import OrganizationRole

__all__ = ["can_verify", "is_archived", "key_set_of", "read_issuer", "read_rule", "read_service_account", "text_of"]


def read_rule(document: Mapping[str, object], *, whole: bool = True) -> Rule:
    """Read a federation rule. Raises ValueError, which says what is wrong.

    Unless it is to be `whole`, IDs, name and target may be absent, as in a file written by hand.
    """
    read = text_of if whole else _text_if_any
    match = _object(document, "match")
    target = _object(document, "target") if whole or "target" in document else {}
    claims = match.get("claims") or {}
    if not isinstance(claims, dict) or not all(isinstance(value, str) for value in claims.values()):
        raise ValueError("`match.claims` is not an object of strings")
    workspace_ids = document.get("workspace_ids") or []
    if not isinstance(workspace_ids, list) or not all(isinstance(each, str) for each in workspace_ids):
        raise ValueError("`workspace_ids` is not a list of strings")
    return Rule(
        id=read(document, "id"),
        name=read(document, "name"),
        issuer_id=read(document, "issuer_id"),
        service_account_id=read(target, "service_account_id"),
        subject_prefix=_optional(match, "subject_prefix"),
        audience=_optional(match, "audience"),
        claims=claims,
        condition=_optional(match, "condition"),
        workspace_ids=tuple(workspace_ids),
        applies_to_all_workspaces=_flag(document, "applies_to_all_workspaces", default=False),
        token_lifetime_seconds=_number(document, "token_lifetime_seconds"),
        oauth_scope=_optional(document, "oauth_scope") or Rule.oauth_scope,
        archived=is_archived(document),
    )


def read_issuer(document: Mapping[str, object], *, whole: bool = True) -> Issuer:
    """Read a federation issuer. Raises ValueError, which says what is wrong. `whole` is as for a rule."""
    read = text_of if whole else _text_if_any
    return Issuer(
        id=read(document, "id"),
        name=read(document, "name"),
        issuer_url=text_of(document, "issuer_url"),
        max_jwt_lifetime_seconds=_number(document, "max_jwt_lifetime_seconds"),
        check_jti=_flag(document, "check_jti", default=True),
        archived=is_archived(document),
    )


def read_service_account(document: Mapping[str, object], workspace_ids: Iterable[str] = ()) -> ServiceAccount:
    """Read a service account, which is in these workspaces. Raises ValueError, which says what is wrong."""
    stated = _optional(document, "organization_role")
    roles: dict[str | None, OrganizationRole] = {"admin": "admin", "developer": "developer"}
    return ServiceAccount(
        id=text_of(document, "id"),
        name=text_of(document, "name"),
        organization_role=roles.get(stated),
        workspace_ids=frozenset(workspace_ids),
        archived=is_archived(document),
    )


def is_archived(document: Mapping[str, object]) -> bool:
    """Tell whether a resource of the Admin API is archived."""
    return document.get("archived_at") is not None


def key_set_of(document: Mapping[str, object]) -> Callable[[], KeySet] | None:
    """Return the keys that stand in an issuer, or `None` where it says where to fetch them."""
    jwks = document.get("jwks")
    if not isinstance(jwks, dict) or jwks.get("type") != "inline" or not can_verify():
        return None
    return lambda: read_key_set(jwks)


def can_verify() -> bool:
    """Whether this installation can check a signature."""
    return find_spec("jwt") is not None and find_spec("cryptography") is not None


def text_of(document: Mapping[str, object], name: str) -> str:
    """Return a field that is there. Raises ValueError where it is not, is empty or no string."""
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}` is not a non-empty string")
    return value


def _object(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"`{name}` is not an object")  # noqa: TRY004  # callers handle one kind of error
    return value


def _optional(document: Mapping[str, object], name: str) -> str | None:
    return None if document.get(name) is None else text_of(document, name)


def _text_if_any(document: Mapping[str, object], name: str) -> str:
    return _optional(document, name) or ""


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
