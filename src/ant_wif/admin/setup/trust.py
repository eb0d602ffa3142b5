"""Whose identity tokens are to be accepted: what every platform's module makes of its options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ant_wif._secrets import clean
from ant_wif.errors import ConfigurationError
from ant_wif.rules import DEFAULT_AUDIENCE

__all__ = ["Trust", "issuer_address", "required", "slug"]

_LONGEST_NAME = 60


@dataclass(frozen=True, kw_only=True)
class Trust:
    """One workload of a platform, as a federation rule tells it from all others.

    `issuer_name` and `name` are the names of what is created; `name` is that of the rule and of the service
    account. `jwks` is `None` where the issuer publishes its keys. `max_jwt_lifetime_seconds` is what the issuer
    must at least accept. `variables` are those that the platform's identity source needs, beside the four ids;
    `notes` say what else there is to do, or to know.
    """

    platform: str
    issuer_name: str
    issuer_url: str
    name: str
    subject: str | None = None
    claims: Mapping[str, str] = field(default_factory=dict)
    audience: str = DEFAULT_AUDIENCE
    jwks: Mapping[str, object] | None = None
    max_jwt_lifetime_seconds: int = 3600
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def match(self) -> dict[str, object]:
        """Return `match` of a federation rule."""
        return {
            **({"subject_prefix": self.subject} if self.subject is not None else {}),
            "audience": self.audience,
            **({"claims": dict(self.claims)} if self.claims else {}),
        }


def slug(*words: str) -> str:
    """Return a name that a resource can have, made of these words."""
    text = re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")
    return text[:_LONGEST_NAME].rstrip("-")


def required(value: str, form: str, *, what: str, expected: str) -> str:
    """Return a value that has the form, a regular expression for all of it, and that a person can read.

    Raises:
        ConfigurationError: it has not, as where it holds a wildcard.
    """
    if re.fullmatch(form, value, re.ASCII) is None or not value.isprintable():
        wild = "a wildcard would let others in; " if "*" in value or "?" in value else ""
        raise ConfigurationError(
            f"{clean(value, limit=128)!r} is not {what}: {wild}expected {expected}",
            hint="correct it, letter by letter: upper and lower case differ",
        )
    return value


def issuer_address(url: str, *, what: str = "an issuer's URL") -> str:
    """Return a URL that an `iss` may be, letter by letter: whether its keys can be had there is judged later.

    Raises:
        ConfigurationError: it is none.
    """
    return required(url, r"https?://[^\s*?#@\\]{1,400}", what=what, expected="its URL, https://…, as tokens have it")
