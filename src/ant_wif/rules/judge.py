"""The checks between an assertion and an access token, in order. The first that fails is the reason."""

from __future__ import annotations

from collections.abc import Callable

from ant_wif.rules import checks as steps
from ant_wif.rules.checks import LEEWAY_SECONDS, Case
from ant_wif.rules.jwt import KeySet
from ant_wif.rules.models import Check, ExchangeRequest, Judgement, Registration

_SHORTEST_TOKEN_SECONDS = 60


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
    assertion, flaw = steps.read(request.assertion)
    claims = assertion.claims if assertion else None
    checks = [steps.in_force(request, registration)]
    if checks[-1].passed:
        checks.append(steps.well_formed(request.assertion, flaw))
    if not checks[-1].passed or registration is None or assertion is None:
        return Judgement(checks=tuple(checks), unverified_claims=claims)

    case = Case(request, registration, assertion, now, key_set, jti_seen)
    for step in steps.STEPS:
        checks.append(step.check(step.examine(case)))
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
        jti_expires_at=expires_at + LEEWAY_SECONDS,
    )
