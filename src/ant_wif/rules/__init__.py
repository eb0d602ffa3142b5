"""Whether a federation rule accepts an identity token: pure functions of what they are given.

`judge` reads nothing from the network, the disk, the clock or the environment, and remembers
nothing. PyJWT and cryptography are imported only when a signature is checked.
"""

from __future__ import annotations

from ant_wif.rules.judge import judge
from ant_wif.rules.jws import MAX_ASSERTION_BYTES
from ant_wif.rules.keys import KeySet, KeySetUnavailableError, VerificationKey, read_key_set
from ant_wif.rules.model import (
    DEFAULT_AUDIENCE,
    Check,
    ExchangeRequest,
    Issuer,
    Judgement,
    Reason,
    Registration,
    Rule,
    ServiceAccount,
)
from ant_wif.rules.validity import LEEWAY_SECONDS

__all__ = [
    "DEFAULT_AUDIENCE",
    "LEEWAY_SECONDS",
    "MAX_ASSERTION_BYTES",
    "Check",
    "ExchangeRequest",
    "Issuer",
    "Judgement",
    "KeySet",
    "KeySetUnavailableError",
    "Reason",
    "Registration",
    "Rule",
    "ServiceAccount",
    "VerificationKey",
    "judge",
    "read_key_set",
]
