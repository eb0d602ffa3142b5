"""The checks between an assertion and an access token, in order. The first that fails is the reason."""

from __future__ import annotations

from collections.abc import Callable

from ant_wif.rules import match, validity
from ant_wif.rules.case import Case, Finding, shown
from ant_wif.rules.jws import MAX_ASSERTION_BYTES, Assertion, MalformedAssertionError, read_assertion
from ant_wif.rules.keys import KeySet
from ant_wif.rules.model import Check, ExchangeRequest, Judgement, Registration

_SHORTEST_TOKEN_SECONDS = 60

# The form of the request is check 1, and its reader's matter; 2 and 3 come before there is a case.
_CHECKS: tuple[tuple[int, str, Callable[[Case], Finding]], ...] = (
    (4, "the algorithm is allowed", validity.algorithm),
    (5, "the header names its key", validity.key_named),
    (6, "the token comes from the rule's issuer", validity.issuer),
    (7, "the issuer publishes the key", validity.key_published),
    (8, "the signature verifies", validity.signature),
    (9, "the token is valid now", validity.times),
    (10, "the token is short-lived enough", validity.lifetime),
    (11, "the audience is the rule's", match.audience),
    (12, "the subject is the rule's", match.subject),
    (13, "the claims are the rule's", match.claims),
    (14, "the condition holds", match.condition),
    (15, "the token was not exchanged before", match.single_use),
    (16, "the service account is the rule's", match.service_account),
    (17, "the workspace is open to both", match.workspace),
)


def judge(
    request: ExchangeRequest,
    registration: Registration | None,
    *,
    now: float,
    key_set: Callable[[], KeySet],
    jti_seen: Callable[[str], bool],
) -> Judgement:
    """Judge an assertion. Never raises, whatever the assertion holds, unless a function given to it does.

    `registration` is `None` where the organization has no such rule. `now` is unix time. `key_set`
    is called at most once, when the signature is due, and may raise `KeySetUnavailableError`. `jti_seen`
    is asked about this issuer's tokens. Nothing is spent here: a caller that grants must remember
    `Judgement.jti` in the same locked step, or two callers get a token for one assertion.
    """
    assertion, flaw = _read(request.assertion)
    claims = assertion.claims if assertion else None
    checks = [_in_force(request, registration)]
    if checks[-1].passed:
        checks.append(_well_formed(request.assertion, flaw))
    if not checks[-1].passed or registration is None or assertion is None:
        return Judgement(checks=tuple(checks), unverified_claims=claims)

    case = Case(request, registration, assertion, now, key_set, jti_seen)
    for number, title, examine in _CHECKS:
        checks.append(_check(number, title, examine(case)))
        if not checks[-1].passed:
            return Judgement(checks=tuple(checks), unverified_claims=claims)
    return _granted(case, tuple(checks))


def _granted(case: Case, checks: tuple[Check, ...]) -> Judgement:
    expires_at, jti = case.time("exp") or 0, case.claim("jti")
    twice_left = int(2 * (expires_at - case.now))
    return Judgement(
        checks=checks,
        unverified_claims=case.assertion.claims,
        workspace_id=case.workspace_id,
        token_lifetime_seconds=max(_SHORTEST_TOKEN_SECONDS, min(case.rule.token_lifetime_seconds, twice_left)),
        jti=jti if isinstance(jti, str) and case.issuer.check_jti else None,
        jti_expires_at=expires_at + validity.LEEWAY_SECONDS,
    )


def _read(text: str) -> tuple[Assertion | None, str]:
    try:
        return read_assertion(text), ""
    except MalformedAssertionError as error:
        return None, str(error)


def _in_force(request: ExchangeRequest, registration: Registration | None) -> Check:
    found, flaw = "no such rule", f"The organization has no rule {shown(request.federation_rule_id)}."
    if registration is not None and registration.organization_id.lower() == request.organization_id.lower():
        found, flaw = registration.rule.name, ""
        for kind, archived in (
            ("rule", registration.rule.archived),
            ("issuer", registration.issuer.archived),
            ("service account", registration.service_account.archived),
        ):
            if archived:
                found, flaw = f"archived {kind}", f"The {kind} is archived."
                break
    return _check(
        2,
        "the rule is in force",
        Finding("rule_not_found" if flaw else None, found, shown(request.federation_rule_id), flaw),
    )


def _well_formed(text: str, flaw: str) -> Check:
    found, wanted = f"{len(text)} characters", f"a JWT of at most {MAX_ASSERTION_BYTES} bytes"
    sentence = f"The assertion is no JWT: {flaw}." if flaw else ""
    return _check(
        3,
        "the assertion is a JWT",
        Finding("malformed_assertion" if flaw else None, found, wanted, sentence),
    )


def _check(number: int, title: str, finding: Finding) -> Check:
    return Check(number, title, finding.reason, finding.found, finding.wanted, finding.sentence)
