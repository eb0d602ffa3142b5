"""The checks in their order, each as a step that can be taken by itself.

Checks 4 to 10: is it a token of the rule's issuer, signed, and valid now? Checks 11 to 17: does the rule
accept it, and for which workspace?
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from ant_wif._constants import ADMIN_SCOPE, DEFAULT_AUDIENCE, MAX_ASSERTION_BYTES
from ant_wif.rules.cel import ConditionError, ConditionUnavailableError, evaluate_condition
from ant_wif.rules.jwt import (
    ALLOWED_ALGORITHMS,
    Assertion,
    KeySet,
    KeySetUnavailableError,
    MalformedAssertionError,
    VerificationKey,
    read_assertion,
    signature_verifies,
)
from ant_wif.rules.models import Check, ExchangeRequest, Issuer, Reason, Registration, Rule

_SHOWN_CHARACTERS = 120
_END_OF_TIME = 2**53


class Finding(NamedTuple):
    """What a check found and wanted; without a reason it passed, and needs no sentence.

    `unchecked` says that the reason is only what denies for want of means to tell.
    """

    reason: Reason | None
    found: str
    wanted: str = ""
    sentence: str = ""
    unchecked: bool = False


@dataclass
class Case:
    """An assertion that can be read, before the rule that is to accept it.

    `key` and `workspace_id` are filled in by the checks that find them.
    """

    request: ExchangeRequest
    registration: Registration
    assertion: Assertion
    now: float
    key_set: Callable[[], KeySet]
    jti_seen: Callable[[str], bool]
    key: VerificationKey | None = None
    workspace_id: str | None = None

    @property
    def rule(self) -> Rule:
        return self.registration.rule

    @property
    def issuer(self) -> Issuer:
        return self.registration.issuer

    def claim(self, name: str) -> object:
        """Return a claim, or `None` where it is absent (or null, which no check accepts)."""
        return self.assertion.claims.get(name)

    def time(self, name: str) -> float | None:
        """Return a NumericDate (RFC 7519 §2) as unix time, or `None` where the claim is not one."""
        value = self.claim(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        # No calendar goes beyond this, and there integers and floats cannot be subtracted from one another.
        return max(-_END_OF_TIME, min(value, _END_OF_TIME))


def shown(value: object) -> str:
    """Return a value from outside as printable ASCII on one line, cut; never its inner structure."""
    if isinstance(value, str):
        text = encode_basestring_ascii(value[:_SHOWN_CHARACTERS])
    elif isinstance(value, list):
        text = f"[{', '.join(shown(item) for item in value[:8] if not isinstance(item, list))}]"
    elif isinstance(value, dict):
        text = "an object"
    elif value is None:
        text = "none"
    else:
        text = json.dumps(value)
    return text if len(text) <= 2 * _SHOWN_CHARACTERS else f"{text[: 2 * _SHOWN_CHARACTERS]}..."


def printable(text: str) -> str:
    """Return text from outside as printable ASCII on one line, cut."""
    return encode_basestring_ascii(text[: 2 * _SHOWN_CHARACTERS])[1:-1].replace("\x7f", "?")


LEEWAY_SECONDS = 30
"""The difference between clocks, in seconds, that `exp`, `iat` and `nbf` may have."""


def algorithm(case: Case) -> Finding:
    alg = case.assertion.header.get("alg")
    wanted = ", ".join(ALLOWED_ALGORITHMS)
    if alg in ALLOWED_ALGORITHMS:
        return Finding(None, shown(alg), wanted)
    return Finding(
        "alg_not_allowed",
        shown(alg),
        wanted,
        f"The token is signed with {shown(alg)}; only public-key signatures are accepted.",
    )


def key_named(case: Case) -> Finding:
    kid = case.assertion.header.get("kid")
    if isinstance(kid, str) and kid:
        return Finding(None, shown(kid))
    return Finding("kid_missing", shown(kid), "a string", "The token's header does not name its key in `kid`.")


def issuer(case: Case) -> Finding:
    found, wanted = case.claim("iss"), case.issuer.issuer_url
    if found == wanted:
        return Finding(None, shown(found), shown(wanted))
    return Finding(
        "issuer_mismatch",
        shown(found),
        shown(wanted),
        f"`iss` is {shown(found)}; it must equal {shown(wanted)} in every byte, a slash at the end included.",
    )


def key_published(case: Case) -> Finding:
    kid = str(case.assertion.header["kid"])
    try:
        keys = case.key_set()
    except KeySetUnavailableError as error:
        return Finding("jwks_unavailable", "none", shown(kid), f"The issuer's keys cannot be fetched: {error}.")
    case.key = keys.get(kid)
    found = ", ".join(shown(known) for known in list(keys)[:8])
    if case.key is not None:
        return Finding(None, found, shown(kid))
    return Finding("kid_not_found", found, shown(kid), f"The issuer publishes no key named {shown(kid)}.")


def signature(case: Case) -> Finding:
    alg, assertion = str(case.assertion.header["alg"]), case.assertion
    if case.key and signature_verifies(case.key, alg, assertion.signing_input, assertion.signature):
        return Finding(None, "verifies")
    return Finding(
        "signature_invalid",
        f"does not verify with {alg}",
        "verifies",
        "The signature was not made by the published key, or the token was altered.",
    )


def times(case: Case) -> Finding:
    for name, wanted, required, fits in (
        ("sub", "a string", True, bool(case.claim("sub")) and isinstance(case.claim("sub"), str)),
        ("iat", "a number of seconds", True, case.time("iat") is not None),
        ("exp", "a number of seconds", True, case.time("exp") is not None),
        ("nbf", "a number of seconds, or absent", False, case.time("nbf") is not None),
        ("jti", "a string, or absent", False, isinstance(case.claim("jti"), str)),
    ):
        present = name in case.assertion.claims
        if not fits and (required or present):
            found = shown(case.claim(name))
            state = f"is {found}" if present else "is missing"
            sentence = f"The claim `{name}` {state}; it must be {wanted}."
            return Finding("claim_missing", found, wanted, sentence)
    return _on_time(case)


def _on_time(case: Case) -> Finding:
    now, exp = case.now, case.time("exp") or 0
    wanted = f"{_utc(now)}, give or take {LEEWAY_SECONDS} s"
    if exp + LEEWAY_SECONDS <= now:
        return Finding("expired", f"exp {_utc(exp)}", wanted, f"The token expired {now - exp:.0f} s ago.")
    for name in ("iat", "nbf"):
        begins = case.time(name)
        if begins is not None and begins - LEEWAY_SECONDS > now:
            sentence = f"The token's `{name}` is {begins - now:.0f} s ahead: one of the clocks is wrong."
            return Finding("not_yet_valid", f"{name} {_utc(begins)}", wanted, sentence)
    return Finding(None, f"{exp - now:.0f} s left", wanted)


def _utc(at: float) -> str:
    """Return unix seconds as a time in UTC; unchanged if the calendar does not have it."""
    try:
        return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f}"


def lifetime(case: Case) -> Finding:
    exp, iat = case.time("exp") or 0, case.time("iat") or 0
    longest = case.issuer.max_jwt_lifetime_seconds
    found, wanted = f"{exp - iat:.0f} s", f"at most {longest} s"
    if exp - iat <= longest:
        return Finding(None, found, wanted)
    return Finding(
        "lifetime_exceeded",
        found,
        wanted,
        f"The token lives {found} from `iat` to `exp`; the issuer is registered with {wanted}.",
    )


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
        f"`sub` is {shown(found)}; the rule wants it {wish}. The comparison is case-sensitive.",
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
        holds, yields = evaluate_condition(expression, case.assertion.claims)
    except ConditionUnavailableError as error:
        sentence = f"The rule's condition cannot be evaluated here: {error}."
        return Finding("match_condition", "not evaluated", wanted, sentence, unchecked=True)
    except ConditionError as error:
        sentence = f"The rule's condition is not valid: {printable(str(error))}."
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


class Step(NamedTuple):
    """One check. `needs` names what it cannot do without, where not everything is known."""

    number: int
    title: str
    examine: Callable[[Case], Finding]
    needs: tuple[str, ...] = ()

    def check(self, finding: Finding) -> Check:
        return _check(self.number, self.title, finding)


ACTIVE = "the rule is active"
WELL_FORMED = "the identity token is a JWT"

# The form of the request is check 1, and its reader's matter; 2 and 3 come before there is a case.
STEPS = (
    Step(4, "the algorithm is allowed", algorithm),
    Step(5, "the header names the key", key_named),
    Step(6, "the token comes from the rule's issuer", issuer, ("issuer",)),
    Step(7, "the issuer publishes the key", key_published, ("keys", "kid")),
    Step(8, "the signature verifies", signature, ("keys", "kid", "alg", "key")),
    Step(9, "the token is valid now", times),
    Step(10, "the token is short-lived enough", lifetime, ("claims",)),
    Step(11, "the audience is the rule's", audience),
    Step(12, "the subject is the rule's", subject, ("rule", "claims")),
    Step(13, "the claims are the rule's", claims, ("rule",)),
    Step(14, "the condition holds", condition, ("rule",)),
    Step(15, "the token was not exchanged before", single_use),
    Step(16, "the service account is the rule's", service_account, ("rule", "account")),
    Step(17, "the workspace is enabled", workspace, ("rule", "workspaces")),
)


def read(text: str) -> tuple[Assertion | None, str]:
    """Return the assertion, or `None` and what is wrong with it."""
    try:
        return read_assertion(text), ""
    except MalformedAssertionError as error:
        return None, str(error)


def in_force(request: ExchangeRequest, registration: Registration | None) -> Check:
    wanted = shown(request.federation_rule_id)
    if registration is None or registration.organization_id.lower() != request.organization_id.lower():
        found, flaw = "no such rule", f"The organization has no rule {wanted}."
    else:
        found, flaw = _state(registration)
    reason: Reason | None = "rule_not_found" if flaw else None
    return _check(2, ACTIVE, Finding(reason, found, wanted, flaw))


def _state(registration: Registration) -> tuple[str, str]:
    """Return what a rule is, and why it is not active: nothing where it is."""
    rule, account = registration.rule, registration.service_account
    kinds = {"rule": rule.archived, "issuer": registration.issuer.archived, "service account": account.archived}
    for kind, archived in kinds.items():
        if archived:
            return f"archived {kind}", f"The {kind} is archived."
    if ADMIN_SCOPE in rule.oauth_scope.split() and account.organization_role == "developer":
        return "a demoted service account", f"The rule grants {ADMIN_SCOPE}, and its account is not an admin."
    return rule.name, ""


def well_formed(text: str, flaw: str) -> Check:
    found, wanted = f"{len(text)} characters", f"a JWT of at most {MAX_ASSERTION_BYTES} bytes"
    sentence = f"The assertion is not a JWT: {flaw}." if flaw else ""
    reason: Reason | None = "malformed_assertion" if flaw else None
    return _check(3, WELL_FORMED, Finding(reason, found, wanted, sentence))


def _check(number: int, title: str, finding: Finding) -> Check:
    return Check(number, title, *finding[:-1])
