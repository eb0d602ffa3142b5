"""Federation issuers, federation rules and service accounts: the Admin API's client, and its documents.

https://platform.claude.com/docs/en/manage-claude/wif-admin-api
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from ant_wif._api import Api
from ant_wif._constants import ADMIN_SCOPE, UUID
from ant_wif._secrets import quoted
from ant_wif.errors import ApiError, ConfigurationError
from ant_wif.rules import Issuer, KeySet, Rule, ServiceAccount, read_key_set
from ant_wif.rules.models import OrganizationRole

if TYPE_CHECKING:
    from ant_wif.credentials import Credentials

__all__ = [
    "ADMIN_SCOPE",
    "LOGIN_HINT",
    "Admin",
    "Document",
    "ResourceCollection",
    "can_verify",
    "checked_id",
    "is_archived",
    "key_set_of",
    "parsed",
    "read_issuer",
    "read_rule",
    "read_service_account",
    "required_text",
    "text_of",
]


def read_rule(document: Mapping[str, object], *, whole: bool = True) -> Rule:
    """Read a federation rule. Raises ValueError, which says what is wrong.

    Unless it is to be `whole`, IDs, name and target may be absent, as in a file written by hand.
    """
    read = text_of if whole else _text_if_any
    match = _object(document, "match")
    unknown = next((name for name, value in match.items() if name not in _CONDITIONS and value is not None), None)
    if unknown is not None and not whole:
        raise ValueError(f"`match` has the unknown field {quoted(unknown, limit=64)}; it has {_NAMED}")
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


_CONDITIONS = ("subject_prefix", "audience", "claims", "condition")
_NAMED = ", ".join(f"`{name}`" for name in _CONDITIONS)


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
        raise ValueError(f"`{name}` is {'not a non-empty string' if name in document else 'missing'}")
    return value


def _object(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"`{name}` {'is not an object' if name in document else 'is missing'}")  # noqa: TRY004 - callers handle one kind
    return value


def _optional(document: Mapping[str, object], name: str) -> str | None:
    return None if document.get(name) is None else text_of(document, name)


def _text_if_any(document: Mapping[str, object], name: str) -> str:
    return _optional(document, name) or ""


def _number(document: Mapping[str, object], name: str) -> int:
    value = 3600 if document.get(name) is None else document[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"`{name}` is not a whole number")  # noqa: TRY004  # as above
    return value


def _flag(document: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = default if document.get(name) is None else document[name]
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` is neither true nor false")  # noqa: TRY004  # as above
    return value


T = TypeVar("T")

LOGIN_HINT = (
    f"log in as an administrator with `ant auth login --profile admin --scope {ADMIN_SCOPE}`, then give --profile admin"
)
"""The hint of an error that only an administrator's login prevents."""

_ROOT = "/v1/organizations"
_KEYS = ("sk-ant-api", "sk-ant-admin")

Document = Mapping[str, object]
"""A resource in the JSON of the Admin API."""


class ResourceCollection:
    """The resources of one kind. Every method raises ApiError as `Api.call` does."""

    def __init__(self, admin: Admin, *, path: str, prefix: str, what: str, plural: str) -> None:
        self._admin = admin
        self._path = f"{_ROOT}/{path}"
        self.prefix = prefix
        self.what = what
        self.plural = plural

    def list(
        self, *, include_archived: bool = False, limit: int | None = None, issuer_id: str | None = None
    ) -> Iterator[Document]:
        """Yield them one by one; `issuer_id` is for rules."""
        query = [("include_archived", "true")] if include_archived else []
        query += [("issuer_id", issuer_id)] if issuer_id is not None else []
        with self._admin.explained():
            yield from self._admin.api.items(self._path, query=query, limit=limit)

    def get(self, identifier: str) -> Document:
        return self._send("GET", identifier)

    def find(self, wanted: str) -> Document:
        """Return the one with this id or, where it is not an ID of this kind, with this name."""
        if self.is_id(wanted):
            return self.get(wanted)
        found = self.named(wanted)
        if found is None:
            raise ApiError(
                f"there is no {self.what} named {quoted(wanted, limit=128)}",
                hint=f"`ant wif {self.plural} list --include-archived` shows them all",
            )
        return found

    def named(self, name: str) -> Document | None:
        """Return the one with this name, archived or not; `None` where there is none."""
        return next((each for each in self.list(include_archived=True) if each.get("name") == name), None)

    def is_id(self, text: str) -> bool:
        return text.startswith(f"{self.prefix}_")

    def checked_id(self, document: Document) -> str:
        """Return the id of a resource. Raises ApiError if it is not of this kind."""
        return checked_id(document, self.prefix)

    def id_of(self, wanted: str) -> str:
        """Return an id as it is, and look up that of a name."""
        return wanted if self.is_id(wanted) else required_text(self.find(wanted))

    def create(self, document: Document) -> Document:
        with self._admin.explained():
            return self._admin.api.send("POST", self._path, document)

    def update(self, identifier: str, changes: Document) -> Document:
        return self._send("POST", identifier, document=changes)

    def archive(self, identifier: str) -> Document:
        return self._send("POST", identifier, "/archive")

    def workspaces(self, identifier: str) -> Sequence[Document]:
        """Return the workspaces of a rule or a service account."""
        with self._admin.explained():
            return tuple(self._admin.api.items(f"{self._path}/{_escaped(identifier)}/workspaces"))

    def add_workspace(self, identifier: str, document: Document) -> Document:
        return self._send("POST", identifier, "/workspaces", document=document)

    def remove_workspace(self, identifier: str, workspace_id: str) -> Document:
        return self._send("DELETE", identifier, f"/workspaces/{_escaped(workspace_id)}")

    def _send(self, method: str, identifier: str, below: str = "", *, document: Document | None = None) -> Document:
        with self._admin.explained():
            return self._admin.api.send(method, f"{self._path}/{_escaped(identifier)}{below}", document)


class Admin:
    """The federation part of the Admin API, as one credential may use it; a context manager.

    It takes a bearer token with the scope org:admin: that of a person's login, or of a federation rule. `api` sends
    with these credentials, and is closed at the end; by default it is made here.

    Raises:
        ConfigurationError: the credential is an API key, which this part does not take.
    """

    def __init__(self, credentials: Credentials, api: Api | None = None) -> None:
        if _is_key(credentials):
            raise ConfigurationError(
                f"{credentials.origin} is an API key, and the Admin API for federation does not accept keys: "
                f"it requires a bearer token with the scope {ADMIN_SCOPE}",
                hint=LOGIN_HINT,
            )
        self.credentials = credentials
        self.api = api or Api(credentials)
        self.issuers = ResourceCollection(
            self, path="federation_issuers", prefix="fdis", what="federation issuer", plural="issuers"
        )
        self.rules = ResourceCollection(
            self, path="federation_rules", prefix="fdrl", what="federation rule", plural="rules"
        )
        self.service_accounts = ResourceCollection(
            self, path="service_accounts", prefix="svac", what="service account", plural="service-accounts"
        )

    def __enter__(self) -> Admin:
        self.api.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self.api.__exit__(*details)

    def headers(self) -> Mapping[str, str]:
        """Return the headers of an answer to a small request, their names in lower case."""
        with self.explained():
            return self.api.call("GET", f"{_ROOT}/federation_issuers", query=[("limit", "1")]).headers

    def organization_id(self, headers: Mapping[str, str] | None = None) -> str | None:
        """Return the organization that the server says the credential is for, else the configured one."""
        found = (self.headers() if headers is None else headers).get("anthropic-organization-id", "")
        return found if re.fullmatch(UUID, found) else self.credentials.organization_id

    def workspaces(self, *, include_default: bool = True) -> Iterator[Document]:
        """Yield the workspaces of the organization that are not archived."""
        query = [("include_default", "true")] if include_default else []
        with self.explained():
            yield from self.api.items(f"{_ROOT}/workspaces", query=query)

    def default_workspace_id(self) -> str | None:
        """Return the id of the default workspace: the one that is listed only when it is asked for."""
        others = {each.get("id") for each in self.workspaces(include_default=False)}
        found = [each for each in self.workspaces() if each.get("id") not in others]
        return checked_id(found[0], "wrkspc") if len(found) == 1 else None

    def workspace_id(self, wanted: str) -> str:
        """Return the id of a workspace: an id as it is, `default`, or a name that is looked up."""
        if wanted.startswith("wrkspc_"):
            return wanted
        if wanted == "default":
            found = self.default_workspace_id()
        else:
            ids = [checked_id(each, "wrkspc") for each in self.workspaces() if each.get("name") == wanted]
            if len(ids) > 1:
                raise ApiError(
                    f"{len(ids)} workspaces are named {quoted(wanted, limit=128)}: {', '.join(ids)}",
                    hint="give the id of the one that is meant",
                )
            found = ids[0] if ids else None
        if found is None:
            raise ApiError(
                f"there is no workspace named {quoted(wanted, limit=128)}",
                hint="give its id, wrkspc_…, or its name as the Console shows it; the comparison is case-sensitive",
            )
        return found

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Give a refusal for want of permission the hint that leads on."""
        try:
            yield
        except ApiError as error:
            if error.status == 403:
                in_console = "console" in error.body.get("message", "").lower()
                error.hint = "do this in the Console, which alone may" if in_console else LOGIN_HINT
            raise


def parsed(reader: Callable[[Document], T], document: Document) -> T:
    """Read what the server sent. Raises ApiError where the reader raises ValueError."""
    try:
        return reader(document)
    except ValueError as error:
        raise ApiError(
            f"the response of the Admin API is not valid: {error}",
            hint="check that the base URL names the Claude API: `ant auth status` shows where it comes from",
        ) from None


def required_text(document: Document, name: str = "id") -> str:
    """Return a text that the server must have sent. Raises ApiError where it is not there."""
    return parsed(lambda found: text_of(found, name), document)


def checked_id(document: Document, prefix: str) -> str:
    """Return the id of a resource, which has this prefix. Raises ApiError where it is something else."""

    def read(found: Document) -> str:
        identifier = text_of(found, "id")
        if re.fullmatch(rf"{prefix}_[A-Za-z0-9_-]{{1,128}}", identifier) is None:
            raise ValueError(f"`id` is {quoted(identifier, limit=64)}, and was to be {prefix}_…")
        return identifier

    return parsed(read, document)


def _is_key(credentials: Credentials) -> bool:
    if credentials.source == "auth_token":
        return credentials.token().startswith(_KEYS)
    return credentials.source == "api_key"


def _escaped(identifier: str) -> str:
    return quote(identifier, safe="")
