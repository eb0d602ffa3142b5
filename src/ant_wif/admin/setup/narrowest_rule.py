"""The rule for one workload: one that is there already, made narrower where it accepts more, or a new one.

A rule that acts as another service account, or elsewhere, is another rule, and is left alone: to change it
would break what works for others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ant_wif._constants import ADMIN_SCOPE, DEFAULT_AUDIENCE
from ant_wif.admin.setup.models import DEFAULT_SCOPE, Change, PlannedResource, SetupRequest, WorkloadIdentity
from ant_wif.rules import Rule

_TO_COME = "(to be created)"


@dataclass(frozen=True)
class RuleRequest:
    """What the rule is to do. Ids are `None` of what does not exist yet."""

    wanted: SetupRequest
    issuer_id: str | None
    service_account_id: str | None


def narrowed(demand: RuleRequest, rules: Iterable[Rule], free_name: Callable[[], str]) -> tuple[PlannedResource, Rule]:
    """Return what is to become of the rule, and the rule as it will be."""
    found = [_changed(demand.wanted, rule) for rule in rules if _is_for(demand, rule)]
    if not found:
        return _new(demand, free_name())
    before, after, changes = min(found, key=lambda each: len(each[2]))
    item = PlannedResource(
        kind="rule",
        action="update" if changes else "keep",
        name=before.name,
        id=before.id,
        details=_details(after),
        changes=changes,
        body=_update(before, after),
    )
    return item, after


def _is_for(demand: RuleRequest, rule: Rule) -> bool:
    """Whether a rule of the issuer is for the same workload, account and workspace."""
    in_place = rule.applies_to_all_workspaces or demand.wanted.workspace_id in rule.workspace_ids
    if rule.service_account_id != demand.service_account_id or not in_place or ADMIN_SCOPE in rule.oauth_scope.split():
        return False
    trust = demand.wanted.trust
    asks_as_much = trust.condition is None or rule.condition in {None, trust.condition}
    return rule.subject_prefix == trust.subject and asks_as_much and is_same_workload(trust, rule)


def is_same_workload(trust: WorkloadIdentity, rule: Rule) -> bool:
    """Whether a rule of the issuer is for the workload, be it that it accepts others as well."""
    # The subject of a job with an environment has no branch: one that the rule names must be the one that is meant.
    if any(rule.claims.get(name) not in {None, trust.claims.get(name)} for name in trust.told_apart_by):
        return False
    if rule.subject_prefix is None:
        return trust.claims.items() <= rule.claims.items() and (trust.subject is None or bool(trust.other_subjects))
    return rule.subject_prefix == trust.subject or rule.subject_prefix in trust.other_subjects


def _changed(wanted: SetupRequest, rule: Rule) -> tuple[Rule, Rule, tuple[Change, ...]]:
    """Return a rule, what it should be, and the difference. What else it asks of a token, it goes on to ask."""
    trust = wanted.trust
    after = replace(
        rule,
        claims={**rule.claims, **trust.claims},
        condition=trust.condition or rule.condition,
        audience=trust.audience if trust.audience != (rule.audience or DEFAULT_AUDIENCE) else rule.audience,
        oauth_scope=wanted.scope or rule.oauth_scope,
        token_lifetime_seconds=wanted.lifetime or rule.token_lifetime_seconds,
    )
    changes = [
        Change(f"match.claims.{name}", rule.claims.get(name), value)
        for name, value in after.claims.items()
        if rule.claims.get(name) != value
    ]
    changes += [
        Change(shown, getattr(rule, name), getattr(after, name))
        for name, shown in (
            ("audience", "match.audience"),
            ("condition", "match.condition"),
            ("oauth_scope", "oauth_scope"),
            ("token_lifetime_seconds", "token_lifetime_seconds"),
        )
        if getattr(rule, name) != getattr(after, name)
    ]
    return rule, after, tuple(changes)


def _update(before: Rule, after: Rule) -> dict[str, object]:
    """Return the body of an update: `match` is replaced as a whole."""
    body: dict[str, object] = {}
    if before.match != after.match:
        body["match"] = after.match
    if before.oauth_scope != after.oauth_scope:
        body["oauth_scope"] = after.oauth_scope
    if before.token_lifetime_seconds != after.token_lifetime_seconds:
        body["token_lifetime_seconds"] = after.token_lifetime_seconds
    return body


def _new(demand: RuleRequest, name: str) -> tuple[PlannedResource, Rule]:
    wanted, trust = demand.wanted, demand.wanted.trust
    rule = Rule(
        id=_TO_COME,
        name=name,
        issuer_id=demand.issuer_id or _TO_COME,
        service_account_id=demand.service_account_id or _TO_COME,
        subject_prefix=trust.subject,
        audience=trust.audience,
        claims=trust.claims,
        condition=trust.condition,
        workspace_ids=(wanted.workspace_id,),
        token_lifetime_seconds=wanted.lifetime or Rule.token_lifetime_seconds,
        oauth_scope=wanted.scope or DEFAULT_SCOPE,
    )
    body: dict[str, object] = {
        "name": name,
        "description": f"made by `ant wif setup {trust.platform}`",
        "match": rule.match,
        "workspace_id": wanted.workspace_id,
        "oauth_scope": rule.oauth_scope,
        "token_lifetime_seconds": rule.token_lifetime_seconds,
    }
    return PlannedResource(kind="rule", action="create", name=name, details=_details(rule), body=body), rule


def _details(rule: Rule) -> dict[str, object]:
    everywhere = rule.applies_to_all_workspaces
    return {
        **rule.match,
        "workspaces": "all" if everywhere else ", ".join(rule.workspace_ids),
        "oauth_scope": rule.oauth_scope,
        "token_lifetime_seconds": rule.token_lifetime_seconds,
    }
