"""What one judgement works on, and what a check says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ant_wif.rules.jwt import Assertion, KeySet, VerificationKey
from ant_wif.rules.models import ExchangeRequest, Issuer, Reason, Registration, Rule

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
    if isinstance(value, list):
        text = f"[{', '.join(shown(item) for item in value[:8] if not isinstance(item, list))}]"
    elif isinstance(value, dict):
        text = "an object"
    elif value is None:
        text = "none"
    elif isinstance(value, str):
        text = json.dumps(value[:_SHOWN_CHARACTERS])
    else:
        text = json.dumps(value)
    return text if len(text) <= 2 * _SHOWN_CHARACTERS else f"{text[: 2 * _SHOWN_CHARACTERS]}..."


def printable(text: str) -> str:
    """Return text from outside as printable ASCII on one line, cut."""
    return json.dumps(text[: 2 * _SHOWN_CHARACTERS])[1:-1].replace("\x7f", "?")
