"""Federation rules, and the workspaces that they are enabled for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from starlette.datastructures import QueryParams

from ant_wif.emulator._admin.resource import MOST, Body, Resource, given
from ant_wif.emulator._http import ids
from ant_wif.emulator._http.fields import limit_of, single
from ant_wif.emulator._http.protocol import Refusal, timestamp
from ant_wif.emulator._state.state import State
from ant_wif.rules import RegistrationError, Rule
from ant_wif.rules.registration import check_enablement, check_terms

OAUTH_SCOPES = frozenset({"workspace:developer", "workspace:inference"})
"""What a rule may grant that is made with a token. Anything else is for the Console to give away."""

_MATCH = ("subject_prefix", "audience", "claims", "condition")
_PLAIN = ("name", "oauth_scope", "token_lifetime_seconds", "applies_to_all_workspaces")


def needs_console(rule: Rule) -> bool:
    return not set(rule.oauth_scope.split()) <= OAUTH_SCOPES


def with_fields(rule: Rule, body: Body) -> Rule:
    """Return the rule with what a body says; a `match` that it has replaces all of the former."""
    changes: dict[str, object] = {name: value for name, value in given(body).items() if name in _PLAIN}
    if body.get("match") is not None:
        match = cast("Body", body["match"])
        changes.update({name: match.get(name) for name in _MATCH}, claims=match.get("claims") or {})
    if body.get("target") is not None:
        changes["service_account_id"] = cast("Body", body["target"])["service_account_id"]
    if body.get("workspace_id") is not None:
        changes["workspace_ids"] = (body["workspace_id"],)
    return replace(rule, **cast("dict[str, Any]", changes))


def check_registered_rule(state: State, rule: Rule) -> None:
    """Check a rule with what it names, which must be there and live. Raises `RegistrationError`."""
    issuer, account = state.issuers.get(rule.issuer_id), state.service_accounts.get(rule.service_account_id)
    if issuer is None or issuer.archived:
        raise RegistrationError("issuer_id", f"there is {'no such' if issuer is None else 'only an archived'} issuer")
    if account is None or account.archived:
        flaw = f"there is {'no such' if account is None else 'only an archived'} service account"
        raise RegistrationError("target.service_account_id", flaw)
    if not set(rule.workspace_ids) <= set(state.workspaces):
        raise RegistrationError("workspace_id", "there is no such workspace")
    check_terms(rule, issuer_url=state.known_as(issuer), organization_role=account.organization_role)


class Rules(Resource[Rule]):
    path = "federation_rules"
    title = "federation rule"
    parameter = "federation_rule_id"
    answer, creation, change = "RuleResource", "RuleCreate", "RuleUpdate"

    @property
    def all(self) -> dict[str, Rule]:
        return self.state.rules

    def fits(self, found: Rule, query: QueryParams) -> bool:
        return single(query, "issuer_id") in {None, found.issuer_id}

    def show(self, found: Rule) -> dict[str, object]:
        return {
            "type": "federation_rule",
            **self.frame(found),
            "description": self.state.notes[found.id].description,
            "issuer_id": found.issuer_id,
            "issuer_name": self.state.issuers[found.issuer_id].name,
            "match": found.match,
            "target": {
                "type": "service_account",
                "service_account_id": found.service_account_id,
                "service_account_name": self.state.service_accounts[found.service_account_id].name,
            },
            "workspace_id": None,
            "workspace_ids": list(found.workspace_ids),
            "applies_to_all_workspaces": found.applies_to_all_workspaces,
            "oauth_scope": found.oauth_scope,
            "token_lifetime_seconds": found.token_lifetime_seconds,
            "attributes": None,
        }

    def create(self, body: Body, actor: str) -> Rule:
        blank = Rule(id=ids.tagged_id("fdrl"), name="", issuer_id=str(body["issuer_id"]), service_account_id="")
        rule = with_fields(blank, body)
        self._check(rule, body)
        check_enablement(rule)
        self.refuse_taken(rule.name)
        self.put(rule, actor)
        self.state.notes.begin(rule.id, actor, description=cast("str | None", body.get("description")))
        return rule

    def update(self, found: Rule, body: Body, actor: str) -> Rule:
        refuse_console_rule(found)
        if body.get("workspace_id") is not None and len(found.workspace_ids) > 1:
            sentence = "the rule is enabled for more than one workspace: use its workspaces, one by one"
            raise RegistrationError("workspace_id", sentence)
        rule = with_fields(found, body)
        self._check(rule, body)
        if body.get("applies_to_all_workspaces") is False and not rule.workspace_ids:
            raise RegistrationError("applies_to_all_workspaces", "no workspace would remain that the rule is for")
        self.refuse_taken(rule.name, but=rule.id)
        self.put(rule, actor)
        self.state.notes.change(rule.id, actor, body)
        return rule

    def archived(self, found: Rule) -> Rule:
        refuse_console_rule(found)
        return replace(found, archived=True, workspace_ids=())

    def put(self, rule: Rule, actor: str) -> None:
        """Put a rule in the place of what it was, and note since when it is enabled where."""
        former, notes = self.all.get(rule.id), self.state.notes
        before, after = set(former.workspace_ids) if former else set(), set(rule.workspace_ids)
        for workspace_id in before - after:
            notes.enablements.pop((rule.id, workspace_id), None)
        for workspace_id in after - before:
            notes.enablements[rule.id, workspace_id] = notes.fresh(actor)
        self.all[rule.id] = rule

    def _check(self, rule: Rule, body: Body) -> None:
        if body.get("attributes"):
            raise RegistrationError("attributes", "are not supported yet: leave them out")
        check_registered_rule(self.state, rule)
        if needs_console(rule):
            raise Refusal(403, f"oauth_scope: only the Console may have a rule grant {rule.oauth_scope}")


class Enablements:
    """The workspaces of a rule, as a whole: there is no second page."""

    answer, creation, deletion = "EnablementResource", "EnablementCreate", "EnablementDeleted"
    title = "workspace of a federation rule"

    def __init__(self, rules: Rules) -> None:
        self.owners = rules
        self._state = rules.state

    def list(self, rule_id: str, query: QueryParams) -> dict[str, object]:
        limit_of(query, MOST)  # held to its bounds, although all come at once
        rule, names = self.owners.known(rule_id), self._state.workspaces
        data = [{**self._show(rule, each), "workspace_name": names[each].name} for each in rule.workspace_ids]
        return {"data": data, "next_page": None}

    def add(self, rule_id: str, body: Body, actor: str) -> dict[str, object]:
        rule, workspace_id = self.owners.live(rule_id), str(body["workspace_id"])
        refuse_console_rule(rule)
        if workspace_id not in self._state.workspaces:
            raise RegistrationError("workspace_id", "there is no such workspace")
        if workspace_id not in rule.workspace_ids:
            self.owners.put(replace(rule, workspace_ids=(*rule.workspace_ids, workspace_id)), actor)
        return self._show(rule, workspace_id)

    def remove(self, rule_id: str, workspace_id: str, actor: str) -> dict[str, object]:
        rule = self.owners.known(rule_id)
        refuse_console_rule(rule)
        remaining = tuple(each for each in rule.workspace_ids if each != workspace_id)
        self.owners.put(replace(rule, workspace_ids=remaining), actor)
        return {
            "type": "federation_rule_workspace_deleted",
            "federation_rule_id": rule.id,
            "workspace_id": workspace_id,
        }

    def _show(self, rule: Rule, workspace_id: str) -> dict[str, object]:
        notes = self._state.notes
        note = notes.enablements.get((rule.id, workspace_id), notes[rule.id])
        return {
            "type": "federation_rule_workspace",
            "federation_rule_id": rule.id,
            "workspace_id": workspace_id,
            "workspace_name": None,
            "created_at": timestamp(note.created_at),
            "created_by_actor_id": note.created_by,
        }


def refuse_console_rule(rule: Rule) -> None:
    """Raises `Refusal` (403) for a rule that grants what only the Console gives away."""
    if needs_console(rule):
        raise Refusal(403, f"The rule {rule.name} grants {rule.oauth_scope}: only the Console may change it")
