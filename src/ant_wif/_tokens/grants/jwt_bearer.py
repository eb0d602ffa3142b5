"""The exchange: the request built, the answer read. No caching, no files, no second attempt.

The grant is RFC 7523 §2.1 (`urn:ietf:params:oauth:grant-type:jwt-bearer`), sent as JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ant_wif._constants import FEDERATION_BETA, OAUTH_BETA
from ant_wif._environment import moment
from ant_wif._http import Request, RequestFailure, Response
from ant_wif._secrets import SecretStr, sanitize
from ant_wif._tokens.access_token import AccessToken
from ant_wif._tokens.grants.endpoint import Granted, read_answer, token_endpoint
from ant_wif.identity import IdentityToken


class Federation(NamedTuple):
    """What an identity token is exchanged under: the rule, and where its token is to be valid."""

    base_url: str
    federation_rule_id: str
    organization_id: str
    service_account_id: str | None = None
    workspace_id: str | None = None

    def check(self) -> None:
        """Refuse what the server could only refuse too, before a single-use assertion is spent on it.

        Raises:
            InsecureUrlError: the base URL must not carry a token.
            ConfigurationError: an id has not the form of its kind.
        """
        from ant_wif._config import check_value  # with the settings, whose library takes long to import

        for name, value in self._asdict().items():
            if value is not None:
                check_value(name, value, place=name)

    def ids(self) -> dict[str, Any]:
        """Return all but the base URL, by the names that a request has for them."""
        return {name: value for name, value in self._asdict().items() if name != "base_url"}

    def fingerprint(self) -> str:
        """Tell this federation from others, without naming it."""
        return hashlib.sha256(json.dumps(self._asdict(), sort_keys=True).encode()).hexdigest()


JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
BETA = f"{OAUTH_BETA},{FEDERATION_BETA}"


def exchange_request(federation: Federation, token: IdentityToken) -> Request:
    """Build the request that presents an identity token. What is not known is left out, never sent empty."""
    fields: dict[str, str | SecretStr | None] = {
        "grant_type": JWT_BEARER,
        "assertion": token.assertion,
        **federation.ids(),
    }
    return Request(
        "POST",
        token_endpoint(federation.base_url),
        headers={"anthropic-beta": BETA},
        json={name: value for name, value in fields.items() if value is not None},
    )


def read_exchange(
    answer: Response | RequestFailure,
    federation: Federation,
    token: IdentityToken,
    now: float,
    likely_causes: Callable[[], tuple[str, ...]],
    *,
    places: Mapping[str, str],
    is_renewable: bool,
) -> AccessToken:
    """Read the answer to `exchange_request`; `now` is unix seconds.

    `likely_causes` are those of a denial. `places` says which option, variable or file names each field,
    `is_renewable` whether the next attempt has another token.

    Raises ExchangeError: the endpoint denied, failed, or could not be reached.
    """
    url = token_endpoint(federation.base_url)
    found = read_answer(answer, url, [token.assertion], named_by=places.get("base_url", ""))
    if isinstance(found, Granted):
        return AccessToken(found.access_token, int(now) + found.expires_in, lifetime=found.expires_in)
    claims = token.unverified_claims
    if found.status not in {401, 403}:
        facts = []
        if isinstance(answer, RequestFailure) and answer.maybe_received and token.is_single_use and not is_renewable:
            facts = ["the identity token may be used already; if so, the next attempt needs a new one, as of a new job"]
        raise found.as_error(f"the token endpoint {found.message}", facts=facts, unverified_claims=claims)
    causes = likely_causes()
    raise found.as_error(
        f"the identity token was denied ({found.brief})",
        facts=[
            *_sent(federation, places),
            *_presented(token, now),
            *(f"to check: {cause}" for cause in causes),
        ],
        hint="`ant auth explain --profile NAME` with the login of an administrator shows which check fails; "
        "the history in the Console has the reason",
        causes=causes,
        unverified_claims=claims,
    )


def _sent(federation: Federation, places: Mapping[str, str]) -> Iterator[str]:
    for called, name in (
        ("federation rule", "federation_rule_id"),
        ("organization", "organization_id"),
        ("service account", "service_account_id"),
        ("workspace", "workspace_id"),
    ):
        value, place = getattr(federation, name), places.get(name)
        yield f"{called}: {value or 'not named'}{f' (from {place})' if value and place else ''}"


def _presented(token: IdentityToken, now: float) -> Iterator[str]:
    claims = token.unverified_claims
    yield f"identity token: from {token.source}; its claims are not verified"
    yield from (f"{name}: {_claim(claims.get(name))}" for name in ("iss", "sub", "aud") if name in claims)
    yield from (f"{name}: {_time(claims[name], now)}" for name in ("iat", "exp") if name in claims)


def _claim(value: object) -> str:
    return sanitize(json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value, limit=200)


def _time(value: object, now: float) -> str:
    if isinstance(value, (int, float)) and abs(value) < 1e12:
        return moment(value, now)
    return sanitize(value, limit=32)
