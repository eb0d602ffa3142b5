"""Every check in order until one fails, or every check that can be made from what is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ant_wif._constants import DEFAULT_AUDIENCE
from ant_wif.rules import checks as steps
from ant_wif.rules.checks import LEEWAY_SECONDS, Case, Step, shown
from ant_wif.rules.jwt import Assertion, KeySet
from ant_wif.rules.models import Check, Decision, ExchangeRequest, Issuer, Reason, Registration, Rule, ServiceAccount

_SHORTEST_TOKEN_SECONDS = 60


def evaluate(
    request: ExchangeRequest,
    registration: Registration | None,
    *,
    now: float,
    key_set: Callable[[], KeySet],
    jti_seen: Callable[[str], bool],
) -> Decision:
    """Judge an assertion. Never raises, whatever the assertion holds, unless a function given to it does.

    `registration` is `None` where the organization has no such rule. `now` is unix time. `key_set`
    is called at most once, when the signature is due, and may raise `KeySetUnavailableError`. `jti_seen`
    is asked about this issuer's tokens. Nothing is spent here: a caller that grants must remember
    `Decision.jti` in the same locked step, or two callers get a token for one assertion.
    """
    assertion, flaw = steps.read(request.assertion)
    claims = assertion.claims if assertion else None
    checks = [steps.in_force(request, registration)]
    if checks[-1].passed:
        checks.append(steps.well_formed(request.assertion, flaw))
    if not checks[-1].passed or registration is None or assertion is None:
        return Decision(checks=tuple(checks), unverified_claims=claims)

    case = Case(request, registration, assertion, now, key_set, jti_seen)
    for step in steps.STEPS:
        checks.append(step.check(step.examine(case)))
        if not checks[-1].passed:
            return Decision(checks=tuple(checks), unverified_claims=claims)
    return _granted(case, tuple(checks))


def _granted(case: Case, checks: tuple[Check, ...]) -> Decision:
    expires_at, jti = case.time("exp") or 0, case.claim("jti")
    twice_left = int(2 * (expires_at - case.now))
    return Decision(
        checks=checks,
        unverified_claims=case.assertion.claims,
        workspace_id=case.workspace_id,
        token_lifetime_seconds=max(_SHORTEST_TOKEN_SECONDS, min(case.rule.token_lifetime_seconds, twice_left)),
        jti=jti if isinstance(jti, str) and case.issuer.check_jti else None,
        jti_expires_at=expires_at + LEEWAY_SECONDS,
    )


_LIFETIME, _AUDIENCE = 10, 11
_LACKING = {
    "rule": "the rule is not known here",
    "issuer": "the issuer is not known here",
    "keys": "the issuer's keys are not known here",
    "kid": "the header names no key",
    "alg": "no such algorithm is allowed",
    "key": "the key is not known here",
    "claims": "a claim that it needs is missing",
    "token": "the token cannot be read",
    "member": "the service account is not known here",
    "account": "the rule at hand names no service account",
    "workspaces": "the rule at hand names no workspaces",
}


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """What is known of the server's side. `None` is what is not.

    Without a rule its audience is taken to be `expected_audience`, without an issuer its longest lifetime
    and its checking of `jti` to be what they are by default; `defaults_apply` is false for tokens of which it
    is known that they cannot be registered with these.
    """

    rule: Rule | None = None
    issuer: Issuer | None = None
    service_account: ServiceAccount | None = None
    key_set: Callable[[], KeySet] | None = None
    default_workspace_id: str | None = None
    expected_audience: str | None = None
    defaults_apply: bool = True
    inline_keys: bool = False
    """Whether the keys are those that stand in the issuer, as registered."""


@dataclass(frozen=True)
class Evaluation:
    """Checks 2 to 17, and what the assertion says of itself; `None` where it cannot be read."""

    checks: tuple[Check, ...]
    unverified_header: Mapping[str, object] | None
    unverified_claims: Mapping[str, object] | None

    @property
    def reason(self) -> Reason | None:
        """Why it is denied, as far as is known: the reason of the first check that failed."""
        return next((check.reason for check in self.checks if check.failed), None)


def evaluate_known(
    request: ExchangeRequest, known: Knowledge, *, now: float, jti_seen: Callable[[str], bool]
) -> Evaluation:
    """Make every check, and leave `unchecked` what cannot be told.

    Raises nothing, whatever the assertion holds, unless a function given to it does.
    """
    assertion, flaw = steps.read(request.assertion)
    given, rule = known, known.rule
    if _is_another_issuer(known):
        known = replace(known, issuer=None, key_set=None)
    read = assertion or Assertion({}, {}, b"", b"")
    case = Case(request, _registration(request, known), read, now, known.key_set or dict, jti_seen)
    made = [_in_force(case, given), steps.well_formed(request.assertion, flaw)]
    lacking = {
        name
        for name, lacks in (
            ("token", assertion is None),
            ("rule", rule is None),
            ("issuer", known.issuer is None),
            ("keys", known.key_set is None),
            ("account", rule is not None and not rule.service_account_id),
            ("workspaces", rule is not None and not rule.applies_to_all_workspaces and not rule.workspace_ids),
        )
        if lacks
    }
    for step in steps.STEPS:
        made.append(_made(step, case, known, lacking))
        lacking |= _lost(made[-1])
        if step.number == 7 and case.key is None:
            lacking.add("key")
    header, claims = (assertion.header, assertion.claims) if assertion else (None, None)
    return Evaluation(tuple(made), header, claims)


def _made(step: Step, case: Case, known: Knowledge, lacking: set[str]) -> Check:
    missing = next((name for name in ("token", *step.needs) if name in lacking), None)
    if missing is not None:
        return _unchecked(step.number, step.title, f"Not checked: {_LACKING[missing]}.", _value(step.number, case))
    finding = step.examine(case)
    check = step.check(finding)
    if check.reason is None:
        return _passed(check, known)
    if step.number == _LIFETIME and known.issuer is None:
        check = _assumed(check, "an issuer accepts one hour unless it is registered with more", known)
    elif step.number == _AUDIENCE and known.rule is None:
        default = known.expected_audience in {None, DEFAULT_AUDIENCE}
        because = "a rule expects it unless it names another" if default else "this machine asks for it"
        check = _assumed(check, because, known)
    elif check.reason == "service_account_not_member" and known.service_account is None:
        check = check._replace(wanted="", sentence=f"Not checked: {_LACKING['member']}.")
    unchecked = check.unchecked or finding.unchecked or _depends(check, case, known)
    return check._replace(unchecked=unchecked)


def _passed(check: Check, known: Knowledge) -> Check:
    """Return what passed as unchecked where it is judged by a default, because what is registered is not known here."""
    if check.number == _LIFETIME and known.issuer is None:
        sentence = f"Not checked: {_LACKING['issuer']}. By default it accepts {check.wanted}."
    elif check.number == _AUDIENCE and known.rule is None:
        is_default = known.expected_audience in {None, DEFAULT_AUDIENCE}
        than = "is the default" if is_default else f"differs from the default, {DEFAULT_AUDIENCE}"
        sentence = f"Not checked: {_LACKING['rule']}. The token's audience {than}."
    else:
        return check
    return check._replace(wanted="", sentence=sentence, unchecked=True)


def _assumed(check: Check, because: str, known: Knowledge) -> Check:
    sentence = f"The token has {check.found}, and {check.wanted} is assumed: {because}."
    own_audience = check.number == _AUDIENCE and known.expected_audience not in {None, DEFAULT_AUDIENCE}
    return check._replace(sentence=sentence, unchecked=own_audience or not known.defaults_apply)


def _value(number: int, case: Case) -> str:
    """Return what a check is about, where it cannot be made."""
    asked = {16: case.request.service_account_id, 17: case.request.workspace_id}
    if number in asked:
        return asked[number] or "none asked for"
    values = {6: case.claim("iss"), 7: case.assertion.header.get("kid"), 10: case.claim("exp"), 12: case.claim("sub")}
    return shown(values[number]) if values.get(number) is not None else ""


def _lost(check: Check) -> set[str]:
    """Return what later checks must do without after this one."""
    by_reason = {"alg_not_allowed": "alg", "kid_missing": "kid", "claim_missing": "claims"}
    return {by_reason[check.reason]} if check.reason in by_reason else set()


def _depends(check: Check, case: Case, known: Knowledge) -> bool:
    """Whether what is not known could make the check pass."""
    if check.reason == "service_account_not_member":
        return known.service_account is None or known.default_workspace_id is None
    if known.default_workspace_id is not None:
        return False
    if check.reason == "workspace_not_enabled":
        return case.request.workspace_id == "default"
    return check.reason == "workspace_id_required"


def _in_force(case: Case, known: Knowledge) -> Check:
    asked = case.request.federation_rule_id
    if known.rule is None:
        return _unchecked(2, steps.ACTIVE, f"Not checked: {_LACKING['rule']}.", shown(asked) if asked else "")
    if known.rule.id not in {"", asked}:
        sentence = f"The request names {shown(asked)}, and the rule at hand is {shown(known.rule.id)}."
        return Check(2, steps.ACTIVE, "rule_not_found", known.rule.id, shown(asked), sentence)
    if known.issuer is not None and _is_another_issuer(known):
        sentence = f"The rule is for the issuer {known.rule.issuer_id}, and the issuer at hand is {known.issuer.id}."
        return _unchecked(2, steps.ACTIVE, sentence)
    check = steps.in_force(case.request, case.registration)
    if check.passed and not known.rule.id:
        return _unchecked(2, steps.ACTIVE, "Not checked: the rule at hand has no id.", shown(asked) if asked else "")
    if check.passed and (known.issuer is None or known.service_account is None):
        lacking = "issuer" if known.issuer is None else "service account"
        return _unchecked(2, steps.ACTIVE, f"Not checked: the {lacking} is not known here.", check.found)
    return check


def _is_another_issuer(known: Knowledge) -> bool:
    """Whether the issuer at hand is not the rule's. A file written by hand need not have ids."""
    return len({known.rule and known.rule.issuer_id, known.issuer and known.issuer.id} - {None, ""}) == 2


def _unchecked(number: int, title: str, sentence: str, found: str = "") -> Check:
    return Check(number, title, None, found, "", sentence, unchecked=True)


def _registration(request: ExchangeRequest, known: Knowledge) -> Registration:
    rule = known.rule or Rule(
        id="", name="", issuer_id="", service_account_id="", audience=known.expected_audience or None
    )
    return Registration(
        organization_id=request.organization_id,
        rule=rule,
        issuer=known.issuer or Issuer(id="", name="", issuer_url=""),
        service_account=known.service_account or ServiceAccount(id=rule.service_account_id, name="(not known here)"),
        default_workspace_id=known.default_workspace_id or "default",
    )
