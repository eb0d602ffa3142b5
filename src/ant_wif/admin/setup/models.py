"""What a setup consists of: one item for each resource, with what is to become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ant_wif._config.settings import DEFAULT_BASE_URL
from ant_wif.admin.setup.trust import Trust

__all__ = ["DEFAULT_SCOPE", "Action", "Change", "Item", "Kind", "Plan", "Wanted"]

Kind = Literal["issuer", "service_account", "membership", "rule"]
Action = Literal["keep", "create", "update"]

DEFAULT_ROLE = "workspace_developer"
DEFAULT_SCOPE = "workspace:developer"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be there afterwards.

    `workspace_id` is the id of a workspace, `workspace_name` what a person knows it by. `service_account` is a name
    or an id, by default the name of the trust.
    `scope` and `lifetime` (seconds) are those of access tokens; `None` leaves what a rule has, and a new one gets
    `workspace:developer` and what the server has for a default.
    """

    trust: Trust
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
class Item:
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
class Plan:
    """The items in the order in which they are made: each may name those before it."""

    wanted: Wanted
    base_url: str
    organization_id: str | None
    issuer: Item
    service_account: Item
    membership: Item
    rule: Item

    @property
    def items(self) -> tuple[Item, ...]:
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
        }
