"""The checks in their order, each as a step that can be taken by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ant_wif.rules import match, validity
from ant_wif.rules.case import Case, Finding, shown
from ant_wif.rules.jwt import MAX_ASSERTION_BYTES, Assertion, MalformedAssertionError, read_assertion
from ant_wif.rules.models import ADMIN_SCOPE, Check, ExchangeRequest, Reason, Registration


class Step(NamedTuple):
    """One check. `needs` names what it cannot do without, where not everything is known."""

    number: int
    title: str
    examine: Callable[[Case], Finding]
    needs: tuple[str, ...] = ()

    def check(self, finding: Finding) -> Check:
        return _check(self.number, self.title, finding)


IN_FORCE = "the rule is in force"
WELL_FORMED = "the assertion is a JWT"

# The form of the request is check 1, and its reader's matter; 2 and 3 come before there is a case.
STEPS = (
    Step(4, "the algorithm is allowed", validity.algorithm),
    Step(5, "the header names its key", validity.key_named),
    Step(6, "the token comes from the rule's issuer", validity.issuer, ("issuer",)),
    Step(7, "the issuer publishes the key", validity.key_published, ("keys", "kid")),
    Step(8, "the signature verifies", validity.signature, ("keys", "kid", "alg", "key")),
    Step(9, "the token is valid now", validity.times),
    Step(10, "the token is short-lived enough", validity.lifetime, ("claims",)),
    Step(11, "the audience is the rule's", match.audience),
    Step(12, "the subject is the rule's", match.subject, ("rule", "claims")),
    Step(13, "the claims are the rule's", match.claims, ("rule",)),
    Step(14, "the condition holds", match.condition, ("rule",)),
    Step(15, "the token was not exchanged before", match.single_use),
    Step(16, "the service account is the rule's", match.service_account, ("rule",)),
    Step(17, "the workspace is open to both", match.workspace, ("rule",)),
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
    return _check(2, IN_FORCE, Finding(reason, found, wanted, flaw))


def _state(registration: Registration) -> tuple[str, str]:
    """Return what a rule is, and why it is not in force: nothing where it is."""
    rule, account = registration.rule, registration.service_account
    kinds = {"rule": rule.archived, "issuer": registration.issuer.archived, "service account": account.archived}
    for kind, archived in kinds.items():
        if archived:
            return f"archived {kind}", f"The {kind} is archived."
    if ADMIN_SCOPE in rule.oauth_scope.split() and account.organization_role == "developer":
        return "a demoted service account", f"The rule grants {ADMIN_SCOPE}, and its account is no admin."
    return rule.name, ""


def well_formed(text: str, flaw: str) -> Check:
    found, wanted = f"{len(text)} characters", f"a JWT of at most {MAX_ASSERTION_BYTES} bytes"
    sentence = f"The assertion is no JWT: {flaw}." if flaw else ""
    reason: Reason | None = "malformed_assertion" if flaw else None
    return _check(3, WELL_FORMED, Finding(reason, found, wanted, sentence))


def _check(number: int, title: str, finding: Finding) -> Check:
    return Check(number, title, finding.reason, finding.found, finding.wanted, finding.sentence)
