"""Whether a federation rule accepts an identity token: pure functions of what they are given.

`evaluate` reads nothing from the network, the disk, the clock or the environment, and remembers
nothing. PyJWT and cryptography are imported only when a signature is checked, CEL only for a rule that has a
condition. `evaluate_known` makes the same checks with less than everything known, and `check_rule` tells whether there
may be such a rule at all.
"""

from ant_wif._constants import ADMIN_SCOPE, DEFAULT_AUDIENCE, MAX_ASSERTION_BYTES
from ant_wif.rules.causes import NOTABLE_SECONDS, drift_cause, examine, visible_causes
from ant_wif.rules.cel import ConditionError, ConditionUnavailableError, check_condition
from ant_wif.rules.checks import LEEWAY_SECONDS
from ant_wif.rules.evaluate import Evaluation, Knowledge, evaluate, evaluate_known
from ant_wif.rules.jwt import KeySet, KeySetUnavailableError, VerificationKey, read_key_set
from ant_wif.rules.models import Check, Decision, ExchangeRequest, Issuer, Reason, Registration, Rule, ServiceAccount
from ant_wif.rules.reasons import REASONS, Meaning, reasons_table
from ant_wif.rules.registration import RegistrationError, check_issuer, check_name, check_rule

__all__ = [
    "ADMIN_SCOPE",
    "DEFAULT_AUDIENCE",
    "LEEWAY_SECONDS",
    "MAX_ASSERTION_BYTES",
    "NOTABLE_SECONDS",
    "REASONS",
    "Check",
    "ConditionError",
    "ConditionUnavailableError",
    "Decision",
    "Evaluation",
    "ExchangeRequest",
    "Issuer",
    "KeySet",
    "KeySetUnavailableError",
    "Knowledge",
    "Meaning",
    "Reason",
    "Registration",
    "RegistrationError",
    "Rule",
    "ServiceAccount",
    "VerificationKey",
    "check_condition",
    "check_issuer",
    "check_name",
    "check_rule",
    "drift_cause",
    "evaluate",
    "evaluate_known",
    "examine",
    "read_key_set",
    "reasons_table",
    "visible_causes",
]
