"""Everything that can go wrong, on one screen.

AntWifError                    .summary: what failed, .facts: one a line, .hint: the one thing to do next
├─ ConfigurationError          a setting, file or URL that cannot be used
│  ├─ ProfileError             a profile or its credentials file
│  └─ InsecureUrlError         a URL that must not carry a secret
├─ NoCredentialsError          five tiers looked at, none usable; .candidates
├─ IdentityTokenError          the token at hand is not one that can be exchanged
│  ├─ IdentitySourceError      the source did not hand one out
│  └─ IdentityTokenReusedError it was exchanged before, which works once; .used_at .used_by
├─ ExchangeError               the token endpoint; .status .request_id .body
├─ LoginError                  a stored login that cannot be used any more
└─ ApiError                    an API call; .status .request_id .body

Messages are for people and may be logged as they are: whatever comes from outside has passed
`ant_wif._secrets.sanitize`, so no message, attribute or `repr` holds a token.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

__all__ = [
    "AntWifError",
    "ApiError",
    "Candidate",
    "ConfigurationError",
    "ExchangeError",
    "IdentitySourceError",
    "IdentityTokenError",
    "IdentityTokenReusedError",
    "InsecureUrlError",
    "LoginError",
    "NoCredentialsError",
    "ProfileError",
]


class AntWifError(Exception):
    """Base of every error this package raises.

    `summary` says in one line what failed. `facts` are what is known about it, each one line. `hint` names the one
    next step, or is `None` where there is none. `str(error)` is the summary and the facts, one a line, the facts
    indented. Errors survive pickling and copying.
    """

    def __init__(self, summary: str, *, hint: str | None = None, facts: Iterable[str] = ()) -> None:
        super().__init__(summary)
        self.hint = hint
        self.facts = tuple(facts)
        if hint is not None and sys.version_info >= (3, 11):
            self.add_note(f"hint: {hint}")  # for the traceback of a program that does not catch the error

    @property
    def summary(self) -> str:
        """What failed, in one line: for annotations, tables and sentences that quote the error."""
        return str(self.args[0])

    def __str__(self) -> str:
        return "\n  ".join((self.summary, *self.facts))


class ConfigurationError(AntWifError):
    """A setting, file or URL that cannot be used as it stands."""


class ProfileError(ConfigurationError):
    """A profile, its credentials file or the folder that holds them."""


class InsecureUrlError(ConfigurationError):
    """A URL to which no secret is sent: plain http beyond loopback, or not a URL at all."""


class Candidate(NamedTuple):
    """What one tier of the resolution has to offer.

    `tier` is 1 to 5. `source` is `api_key`, `auth_token`, `profile` or `federation`; `origin` names the flag,
    variable or profile. `missing` lists what must be set for the tier to apply: an empty tuple means that it
    applies. `error` says why it cannot be used although it applies, or is `None`.
    """

    tier: int
    source: str
    origin: str
    missing: tuple[str, ...] = ()
    error: AntWifError | None = None

    def __str__(self) -> str:
        """Its part of the list that `NoCredentialsError` shows."""
        if self.missing == (self.origin,):
            return f"({self.tier}) {self.origin}: not {'given' if self.tier == 1 else 'set'}"
        state = (
            f"missing {', '.join(self.missing)}" if self.missing else (self.error.summary if self.error else "usable")
        )
        return f"({self.tier}) {self.origin}: {state}"


class NoCredentialsError(AntWifError):
    """Nothing in any of the five tiers can be used.

    `candidates` holds what was looked at, in order, with what is missing from each; each is a fact of the error.
    """

    def __init__(self, summary: str, *, hint: str | None = None, candidates: Sequence[Candidate] = ()) -> None:
        super().__init__(summary, hint=hint, facts=map(str, candidates))
        self.candidates = tuple(candidates)


class IdentityTokenError(AntWifError):
    """The identity token is not one that the token endpoint could accept."""


class IdentitySourceError(IdentityTokenError):
    """The platform did not hand out an identity token."""


class IdentityTokenReusedError(IdentityTokenError):
    """The identity token was exchanged before, and its source has no other.

    `used_at` is unix seconds; `used_by` names the process, e.g. `process 4711 (pytest)`.
    """

    def __init__(
        self,
        summary: str,
        *,
        hint: str | None = None,
        facts: Iterable[str] = (),
        used_at: float = 0.0,
        used_by: str = "",
    ) -> None:
        super().__init__(summary, hint=hint, facts=facts)
        self.used_at = used_at
        self.used_by = used_by


class LoginError(AntWifError):
    """A stored login that cannot be used any more."""


class _ServerError(AntWifError):
    """What a server's refusal has in common.

    `status` is the HTTP status or `None` when no answer came; `request_id` is what support asks
    for; `body` holds only the standard error fields, cleaned and cut.
    """

    def __init__(
        self,
        summary: str,
        *,
        hint: str | None = None,
        facts: Iterable[str] = (),
        status: int | None = None,
        request_id: str | None = None,
        body: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(summary, hint=hint, facts=facts)
        self.status = status
        self.request_id = request_id
        self.body = dict(body or {})


class ExchangeError(_ServerError):
    """The token endpoint refused, failed, or answered something that is not a token.

    `causes` lists the likely reasons of a denial in the order in which to check them, and
    `unverified_claims` the claims of the sent token. The server does not say why it
    denied (one fixed sentence); its authentication history in the Console does.
    """

    def __init__(
        self,
        summary: str,
        *,
        hint: str | None = None,
        facts: Iterable[str] = (),
        status: int | None = None,
        request_id: str | None = None,
        body: Mapping[str, str] | None = None,
        causes: Sequence[str] = (),
        unverified_claims: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(summary, hint=hint, facts=facts, status=status, request_id=request_id, body=body)
        self.causes = tuple(causes)
        self.unverified_claims = dict(unverified_claims or {})


class ApiError(_ServerError):
    """An API call that was refused or failed."""
