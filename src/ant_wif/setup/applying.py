"""A plan carried out: resource by resource, so that one that broke off is continued by the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ant_wif.admin import Admin, Registry, stated
from ant_wif.errors import ApiError
from ant_wif.setup.items import Item, Plan

__all__ = ["apply"]


def apply(admin: Admin, plan: Plan, done: Callable[[Item], object] = lambda _: None) -> Plan:
    """Create and update what the plan says, and return it with the ids that there are now.

    `done` is called with each item that was made. Raises ApiError; what was made before stays, and a plan that is
    made anew goes on from there.
    """
    made = 0

    def told(item: Item) -> Item:
        nonlocal made
        if item.action != "keep":
            made += 1
            done(item)
        return item

    try:
        issuer = told(_made(admin.issuers, plan.issuer))
        account = told(_made(admin.service_accounts, plan.service_account))
        if plan.membership.action == "create":
            admin.service_accounts.add_workspace(account.id or "", plan.membership.body)
        told(plan.membership)
        target = {"type": "service_account", "service_account_id": account.id}
        rule = told(_made(admin.rules, plan.rule, {"issuer_id": issuer.id, "target": target}))
    except ApiError as error:
        if made:
            error.hint = (
                f"what was made stays: run this again to go on from there{f'; {error.hint}' if error.hint else ''}"
            )
        raise
    return replace(plan, issuer=issuer, service_account=account, rule=rule)


def _made(registry: Registry, item: Item, references: Mapping[str, object] | None = None) -> Item:
    """Create or update a resource; `references` are what only a new one is told."""
    if item.action == "create":
        document = registry.create({**item.body, **(references or {})})
        return replace(item, id=stated(document))
    if item.action == "update":
        registry.update(item.id or "", item.body)
    return item
