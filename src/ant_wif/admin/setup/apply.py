"""A plan carried out: resource by resource, so that one that broke off is continued by the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ant_wif.admin.client import Admin, ResourceCollection
from ant_wif.admin.setup.models import PlannedResource, SetupPlan
from ant_wif.admin.setup.plan import plan as plan_anew
from ant_wif.errors import ApiError

__all__ = ["apply"]

_TAKEN = 409


def apply(admin: Admin, plan: SetupPlan, done: Callable[[PlannedResource], object] = lambda _: None) -> SetupPlan:
    """Create and update what the plan says, and return it with the ids that there are now.

    `done` is called with each item that was made. What another run made meanwhile, just as planned here, is kept.
    Raises ApiError; what was made before stays, and a plan that is made anew goes on from there.
    """
    made: dict[str, PlannedResource] = {}

    def told(item: PlannedResource) -> PlannedResource:
        if item.action != "keep":
            made[item.kind] = item
            done(item)
        return item

    while True:
        try:
            found = _carried_out(admin, plan, told)
        except ApiError as error:
            if made or error.status == _TAKEN:
                again = "what was made stays: run this again to go on from there"
                error.hint = f"{again}; {error.hint}" if error.hint else again
            if error.status != _TAKEN:
                raise
            left = plan_anew(admin, plan.wanted)
            if not _is_part(left, plan):
                raise
            plan = left
        else:
            issuer, account, membership, rule = (made.get(item.kind, item) for item in found.items)
            return replace(found, issuer=issuer, service_account=account, membership=membership, rule=rule)


def _carried_out(admin: Admin, plan: SetupPlan, told: Callable[[PlannedResource], PlannedResource]) -> SetupPlan:
    issuer = told(_made(admin.issuers, plan.issuer))
    account = told(_made(admin.service_accounts, plan.service_account))
    if plan.membership.action == "create":
        admin.service_accounts.add_workspace(account.id or "", plan.membership.body)
    told(plan.membership)
    target = {"type": "service_account", "service_account_id": account.id}
    rule = told(_made(admin.rules, plan.rule, {"issuer_id": issuer.id, "target": target}))
    return replace(plan, issuer=issuer, service_account=account, rule=rule)


def _made(
    registry: ResourceCollection, item: PlannedResource, references: Mapping[str, object] | None = None
) -> PlannedResource:
    """Create or update a resource; `references` are what only a new one is told."""
    if item.action == "create":
        document = registry.create({**item.body, **(references or {})})
        return replace(item, id=registry.checked_id(document))
    if item.action == "update":
        registry.update(item.id or "", item.body)
    return item


def _is_part(left: SetupPlan, plan: SetupPlan) -> bool:
    """Whether there is less to do than was planned, and nothing else."""
    to_do, planned = (
        [(item.kind, item.action, item.name, item.body) for item in each.items if item.action != "keep"]
        for each in (left, plan)
    )
    return len(to_do) < len(planned) and all(item in planned for item in to_do)
