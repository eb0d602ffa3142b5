"""Checks 11 to 17: does the rule accept this token, and for which workspace?"""

from __future__ import annotations

from ant_wif.rules.case import Case, Finding, printable, shown
from ant_wif.rules.cel import ConditionError, ConditionUnavailableError, evaluate
from ant_wif.rules.models import DEFAULT_AUDIENCE


def audience(case: Case) -> Finding:
    found, wanted = case.claim("aud"), case.rule.audience or DEFAULT_AUDIENCE
    if wanted in (found if isinstance(found, list) else [found]):
        return Finding(None, shown(found), shown(wanted))
    return Finding(
        "match_audience",
        shown(found),
        shown(wanted),
        f"The token is meant for {shown(found)}; the rule wants the audience {shown(wanted)}.",
    )


def subject(case: Case) -> Finding:
    pattern, found = case.rule.subject_prefix, str(case.claim("sub"))
    if pattern is None:
        return Finding(None, shown(found), "any")
    is_prefix = pattern.endswith("*")
    if found.startswith(pattern[:-1]) if is_prefix else found == pattern:
        return Finding(None, shown(found), shown(pattern))
    wish = f"to begin with {shown(pattern[:-1])}" if is_prefix else f"to be {shown(pattern)}"
    return Finding(
        "match_subject_prefix",
        shown(found),
        shown(pattern),
        f"`sub` is {shown(found)}; the rule wants it {wish}. Upper and lower case differ.",
    )


def claims(case: Case) -> Finding:
    for name, wanted in case.rule.claims.items():
        found = case.claim(name)
        if not isinstance(found, str) or found != wanted:
            return Finding(
                "match_claims",
                f"{name}: {shown(found)}",
                f"{name}: {shown(wanted)}",
                f"The claim `{name}` is {shown(found)}; the rule wants the string {shown(wanted)}.",
            )
    names = ", ".join(case.rule.claims) or "any"
    return Finding(None, names, names)


def condition(case: Case) -> Finding:
    expression = case.rule.condition
    if expression is None:
        return Finding(None, "none")
    wanted = printable(expression)
    try:
        holds, yields = evaluate(expression, case.assertion.claims)
    except ConditionUnavailableError as error:
        sentence = f"The rule's condition cannot be evaluated here: {error}."
        return Finding("match_condition", "not evaluated", wanted, sentence, unchecked=True)
    except ConditionError as error:
        sentence = f"The rule's condition is none that a rule can have: {printable(str(error))}."
        return Finding("match_condition", "not evaluated", wanted, sentence)
    if holds:
        return Finding(None, "true", wanted)
    said = printable(yields)
    return Finding("match_condition", said, wanted, f"The rule's condition must be true, and is {said}.")


def single_use(case: Case) -> Finding:
    jti = case.claim("jti")
    if not isinstance(jti, str) or not case.issuer.check_jti:
        return Finding(None, shown(jti), "any: the token may be exchanged more than once")
    if not case.jti_seen(jti):
        return Finding(None, shown(jti), "not exchanged before")
    return Finding(
        "jti_reused",
        shown(jti),
        "not exchanged before",
        f"The token {shown(jti)} was exchanged before, and each may be once; fetch a new one.",
    )


def service_account(case: Case) -> Finding:
    asked, target = case.request.service_account_id, case.rule.service_account_id
    if asked is None or asked == target:
        return Finding(None, asked or "none asked for", target)
    return Finding(
        "service_account_mismatch",
        asked,
        target,
        f"The request asks for {asked}; the rule's tokens act as {target}.",
    )


def workspace(case: Case) -> Finding:
    rule, default, asked = case.rule, case.registration.default_workspace_id, case.request.workspace_id
    enabled = "all workspaces" if rule.applies_to_all_workspaces else ", ".join(rule.workspace_ids) or "none"
    chosen = _chosen_workspace(case)
    if chosen is None:
        return Finding(
            "workspace_id_required",
            "none asked for",
            enabled,
            f"The rule is enabled for {enabled}; the request must say which workspace it wants.",
        )
    if not rule.applies_to_all_workspaces and chosen not in rule.workspace_ids:
        return Finding(
            "workspace_not_enabled",
            asked or chosen,
            enabled,
            f"The request asks for {asked or chosen}; the rule is enabled for {enabled}.",
        )
    account = case.registration.service_account
    if chosen != default and chosen not in account.workspace_ids:
        return Finding(
            "service_account_not_member",
            chosen,
            ", ".join(sorted(account.workspace_ids)) or "the default workspace only",
            f"The service account {account.name} ({account.id}) is not a member of {chosen}.",
        )
    case.workspace_id = chosen
    return Finding(None, chosen, enabled)


def _chosen_workspace(case: Case) -> str | None:
    rule, default, asked = case.rule, case.registration.default_workspace_id, case.request.workspace_id
    if asked is not None:
        return default if asked == "default" else asked
    if not rule.applies_to_all_workspaces and len(rule.workspace_ids) == 1:
        return rule.workspace_ids[0]
    if rule.applies_to_all_workspaces or default in rule.workspace_ids:
        return default
    return None
