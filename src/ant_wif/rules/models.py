"""What an organization registers, what an exchange asks for, and what is concluded from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

OrganizationRole = Literal["admin", "developer"]

Reason = Literal[
    "rule_not_found",
    "malformed_assertion",
    "alg_not_allowed",
    "kid_missing",
    "issuer_mismatch",
    "jwks_unavailable",
    "kid_not_found",
    "signature_invalid",
    "claim_missing",
    "expired",
    "not_yet_valid",
    "lifetime_exceeded",
    "match_audience",
    "match_subject_prefix",
    "match_claims",
    "match_condition",
    "jti_reused",
    "service_account_mismatch",
    "workspace_id_required",
    "workspace_not_enabled",
    "service_account_not_member",
]
"""Why an exchange is denied. `REASONS` has the meaning of each."""


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """An identity provider that the organization trusts. Where its keys come from is the caller's matter."""

    id: str
    name: str
    issuer_url: str
    max_jwt_lifetime_seconds: int = 3600
    check_jti: bool = True
    archived: bool = False


@dataclass(frozen=True, kw_only=True)
class ServiceAccount:
    """The account that an accepted token acts as. Every service account is a member of the default workspace.

    `organization_role` is `None` where it is not known.
    """

    id: str
    name: str
    organization_role: OrganizationRole | None = None
    workspace_ids: frozenset[str] = frozenset()
    archived: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which tokens of one issuer are accepted, for which account and workspace.

    `subject_prefix` is compared whole, or as a prefix when it ends in `*`. `audience` is
    `DEFAULT_AUDIENCE` where it is `None`.
    """

    id: str
    name: str
    issuer_id: str
    service_account_id: str
    subject_prefix: str | None = None
    audience: str | None = None
    claims: Mapping[str, str] = field(default_factory=dict)
    condition: str | None = None
    workspace_ids: tuple[str, ...] = ()
    applies_to_all_workspaces: bool = False
    token_lifetime_seconds: int = 3600
    oauth_scope: str = "workspace:developer"
    archived: bool = False

    @property
    def match(self) -> dict[str, object]:
        """What a token has to have, as the Admin API names it. What the rule leaves open is not in it."""
        fields = {
            "subject_prefix": self.subject_prefix,
            "audience": self.audience,
            "claims": dict(self.claims) or None,
            "condition": self.condition,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A rule together with the issuer and the service account that it names."""

    organization_id: str
    rule: Rule
    issuer: Issuer
    service_account: ServiceAccount
    default_workspace_id: str = "default"


@dataclass(frozen=True, kw_only=True)
class ExchangeRequest:
    """What a caller asks for. `workspace_id` may be the word `default`."""

    assertion: str
    organization_id: str
    federation_rule_id: str
    service_account_id: str | None = None
    workspace_id: str | None = None

    def __repr__(self) -> str:
        return f"ExchangeRequest(federation_rule_id={self.federation_rule_id!r}, assertion=...)"


class Check(NamedTuple):
    """One step of a judgement. Numbers start at 2: the first check is that of the request's form.

    `found` and `wanted` are for display: printable, cut, with strings in JSON quotes. In a judgement a
    check has passed or failed. Where not everything is known, it may be `unchecked`; a reason that it has
    then is what may be wrong.
    """

    number: int
    title: str
    reason: Reason | None
    found: str
    wanted: str
    sentence: str
    unchecked: bool = False

    @property
    def state(self) -> Literal["passed", "failed", "unchecked"]:
        if self.unchecked:
            return "unchecked"
        return "passed" if self.reason is None else "failed"

    @property
    def passed(self) -> bool:
        return self.reason is None and not self.unchecked

    @property
    def failed(self) -> bool:
        return self.state == "failed"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The checks that were made, in order, up to the first that failed.

    `unverified_claims` is what the assertion says of itself, `None` where it cannot be read. The
    other fields are set on a granted judgement only: the workspace that the access token is bound
    to, its lifetime in seconds, and the `jti` to remember until `jti_expires_at` (unix time), which
    is `None` where the token may be exchanged again.
    """

    checks: tuple[Check, ...]
    unverified_claims: Mapping[str, object] | None
    workspace_id: str | None = None
    token_lifetime_seconds: int | None = None
    jti: str | None = None
    jti_expires_at: float | None = None

    @property
    def granted(self) -> bool:
        return self.checks[-1].passed

    @property
    def reason(self) -> Reason | None:
        """Why the assertion is denied, or `None` when it is granted."""
        return self.checks[-1].reason
