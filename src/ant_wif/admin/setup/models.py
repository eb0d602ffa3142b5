"""What a setup consists of: one item for each resource, with what is to become of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from ant_wif._config import DEFAULT_BASE_URL
from ant_wif._constants import DEFAULT_AUDIENCE
from ant_wif._secrets import quoted
from ant_wif.errors import ConfigurationError

_LONGEST_NAME = 60
# As a browser shows it, or as git takes it: https://HOST/PATH, ssh://git@HOST:22/PATH, git@HOST:PATH.
_ADDRESS = r"(?:(?:https?|ssh|git)://(?:[^@/]*@)?([\w.-]+)(?::\d+)?(?:/|$)|[\w.-]+@([\w.-]+):)(.*)"
_PUBLIC_MEMBERS = {"RSA": ("kty", "kid", "use", "alg", "n", "e"), "EC": ("kty", "kid", "use", "alg", "crv", "x", "y")}


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentity:
    """One workload of a platform, as a federation rule tells it from all others.

    `issuer_name` and `name` are the names of what is created; `name` is that of the rule and of the service
    account. `jwks` is `None` where the issuer publishes its keys. `max_jwt_lifetime_seconds` is what the issuer
    must at least accept. `variables` are those that the platform's identity source needs, beside the four ids;
    `notes` say what else there is to do, or to know, `assumption` what could not be found out.
    `other_subjects` are those that the same workload had, or will have; `condition` is in CEL.
    `told_apart_by` names the claims by which workloads with the same subject differ. `job` is what a pipeline file
    runs for: a `branch` or `tag`, an `environment`.
    """

    platform: str
    issuer_name: str
    issuer_url: str
    name: str
    subject: str | None = None
    condition: str | None = None
    other_subjects: tuple[str, ...] = ()
    claims: Mapping[str, str] = field(default_factory=dict)
    audience: str = DEFAULT_AUDIENCE
    jwks: Mapping[str, object] | None = None
    max_jwt_lifetime_seconds: int = 3600
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    assumption: str | None = None
    told_apart_by: frozenset[str] = frozenset({"ref"})
    job: Mapping[str, str] = field(default_factory=dict)


def slug(*words: str) -> str:
    """Return a name that a resource can have, made of these words."""
    text = re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")
    return text[:_LONGEST_NAME].rstrip("-")


def required(value: str, form: str, *, what: str, expected: str, hint: str = "") -> str:
    """Return a value that has the form, a regular expression for all of it, and that a person can read.

    `hint` is one that knows more than that the value is to be corrected.

    Raises ConfigurationError: it has not, as where it holds a wildcard.
    """
    if re.fullmatch(form, value, re.ASCII) is None or not value.isprintable():
        wild = "a wildcard would let others in; " if "*" in value or "?" in value else ""
        is_address = "://" in value and "://" not in form
        raise ConfigurationError(
            f"{quoted(value, limit=128)} is not {what}: {wild}expected {expected}",
            hint=hint
            or (
                "give it alone, without the rest of the address"
                if is_address
                else "correct it; the comparison is case-sensitive"
            ),
        )
    return value


def issuer_address(url: str) -> str:
    """Return a URL that an `iss` may be, unchanged. Whether its keys can be fetched is checked later.

    Raises ConfigurationError: it is not valid.
    """
    form = r"https?://[^\s*?#@\\]{1,400}"
    return required(url, form, what="an issuer's URL", expected="its URL, https://…, as tokens have it")


def path_of_address(text: str, issuer: str, *, elsewhere: str) -> str:
    """Return the path of a repository whose address is given, as a browser or git has it; any other text unchanged.

    `issuer` is the URL of what issues its tokens, as far as repositories have the same host and path before theirs.
    `elsewhere` says what to do for another host, which it names as HOST.

    Raises ConfigurationError: the address is of another host, or of the host alone.
    """
    url = urlsplit(issuer)
    host, before = (url.hostname or "").lower(), f"{url.path.strip('/')}/".lstrip("/")
    bare = f"https://{text}" if host and f"{text.lower()}/".startswith(f"{host}/") else text
    found = re.fullmatch(_ADDRESS, bare, re.ASCII | re.IGNORECASE)
    if found is None:
        return text
    other = (found[1] or found[2]).lower()
    if host and other not in {host, f"www.{host}"}:
        raise ConfigurationError(
            f"the repository is on {other}, and the issuer is that of {host}", hint=elsewhere.replace("HOST", other)
        )
    path = re.split(r"[?#]", found[3])[0].strip("/").removeprefix(before).partition("/-/")[0]
    if not path:
        raise ConfigurationError(
            f"{quoted(text)} is the address of {other} and not of a repository there",
            hint="add the path of the repository, or give the path alone",
        )
    return path.rstrip("/").removesuffix(".git")


def public_keys(jwks: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the keys of a key set with nothing of them that is not public (RFC 7518 §6).

    Raises ConfigurationError: it has no RSA or EC key.
    """
    keys = jwks.get("keys")
    found = [
        {name: each[name] for name in _PUBLIC_MEMBERS[str(each["kty"])] if name in each}
        for each in (keys if isinstance(keys, list) else [])
        if isinstance(each, dict) and str(each.get("kty")) in _PUBLIC_MEMBERS
    ]
    if not found:
        raise ConfigurationError(
            "the key set has no RSA or EC key",
            hint="for a cluster, pass what `kubectl get --raw /openid/v1/jwks` prints",
        )
    return found


Kind = Literal["issuer", "service_account", "membership", "rule"]
Action = Literal["keep", "create", "update"]

DEFAULT_ROLE = "workspace_developer"
DEFAULT_SCOPE = "workspace:developer"


@dataclass(frozen=True, kw_only=True)
class SetupRequest:
    """What is to be there afterwards.

    `workspace_id` is the id of a workspace, `workspace_name` what a person knows it by. `service_account` is a name
    or an id, by default the name of the trust.
    `scope` and `lifetime` (seconds) are those of access tokens; `None` leaves what a rule has, and a new one gets
    `workspace:developer` and what the server has for a default.
    """

    trust: WorkloadIdentity
    workspace_id: str
    workspace_name: str | None = None
    service_account: str | None = None
    workspace_role: str = DEFAULT_ROLE
    scope: str | None = None
    lifetime: int | None = None


@dataclass(frozen=True)
class Change:
    """One field that differs. `before` is `None` where there is nothing."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, kw_only=True)
class PlannedResource:
    """One resource. `id` is `None` until it exists; `details` are what a person recognises it by.

    `changes` are what an update changes, in words. `body` is what is sent to create or update it, without the ids
    of what is created before it.
    """

    kind: Kind
    action: Action
    name: str
    id: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    body: Mapping[str, object] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, object]:
        """Return it as `ant wif setup --json` prints it."""
        changes = [{"field": each.field, "from": each.before, "to": each.after} for each in self.changes]
        return {
            "kind": self.kind,
            "action": self.action,
            "name": self.name,
            "id": self.id,
            "details": dict(self.details),
            "changes": changes,
        }


@dataclass(frozen=True, kw_only=True)
class SetupPlan:
    """The items in the order in which they are made: each may name those before it."""

    wanted: SetupRequest
    base_url: str
    organization_id: str | None
    issuer: PlannedResource
    service_account: PlannedResource
    membership: PlannedResource
    rule: PlannedResource

    @property
    def items(self) -> tuple[PlannedResource, ...]:
        return self.issuer, self.service_account, self.membership, self.rule

    @property
    def changes_something(self) -> bool:
        return any(item.action != "keep" for item in self.items)

    @property
    def ids(self) -> dict[str, str | None]:
        return {
            "issuer": self.issuer.id,
            "service_account": self.service_account.id,
            "rule": self.rule.id,
            "workspace": self.wanted.workspace_id,
            "organization": self.organization_id,
        }

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables of a job, those whose value is not known yet left out."""
        elsewhere = self.base_url if self.base_url != DEFAULT_BASE_URL else None
        found = {
            "ANTHROPIC_FEDERATION_RULE_ID": self.rule.id,
            "ANTHROPIC_ORGANIZATION_ID": self.organization_id,
            "ANTHROPIC_SERVICE_ACCOUNT_ID": self.service_account.id,
            "ANTHROPIC_WORKSPACE_ID": self.wanted.workspace_id,
            "ANTHROPIC_BASE_URL": elsewhere,
            **self.wanted.trust.variables,
        }
        return {name: value for name, value in found.items() if value is not None}

    def as_json(self, *, applied: bool) -> dict[str, object]:
        """Return it as `ant wif setup --json` prints it: fields may be added, never renamed."""
        return {
            "schema": "ant.wif.setup/1",
            "platform": self.wanted.trust.platform,
            "applied": applied,
            "plan": [item.as_json() for item in self.items],
            "ids": self.ids,
            "variables": self.variables,
            "notes": list(self.wanted.trust.notes),
            "assumption": self.wanted.trust.assumption,
        }
