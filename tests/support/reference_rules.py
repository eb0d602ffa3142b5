"""The checks between an assertion and an access token, written down a second time: plainly, slowly, and from PyJWT.

Nothing here comes from the package that it judges, so that the two can be compared.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["Condition", "Denied", "Granted", "Organization", "Wish", "judged"]

PublicKey = RSAPublicKey | EllipticCurvePublicKey
Condition = tuple[str, Callable[[Mapping[str, object]], bool]]
"""An expression, and what it means."""


@dataclass(frozen=True)
class Organization:
    """What is registered, as far as it matters to one rule. `keys` is `None` where they cannot be had."""

    organization_id: str
    rule_id: str
    issuer_url: str
    service_account_id: str
    default_workspace_id: str
    keys: Mapping[str, PublicKey] | None
    member_of: frozenset[str] = frozenset()
    archived: str | None = None
    max_jwt_lifetime_seconds: int = 3600
    check_jti: bool = True
    audience: str | None = None
    subject_prefix: str | None = None
    claims: Mapping[str, str] = field(default_factory=dict)
    condition: Condition | None = None
    workspace_ids: tuple[str, ...] = ()
    applies_to_all_workspaces: bool = False
    token_lifetime_seconds: int = 3600


@dataclass(frozen=True)
class Wish:
    assertion: str
    federation_rule_id: str
    organization_id: str
    service_account_id: str | None = None
    workspace_id: str | None = None


@dataclass(frozen=True)
class Granted:
    """`spent` is the `jti` that is from now on remembered, until `spent_until`."""

    workspace_id: str
    lifetime: int
    spent: str | None
    spent_until: float


class Denied(Exception):  # noqa: N818 - a verdict
    pass


def judged(wish: Wish, org: Organization, spent: Mapping[str, float], now: float) -> Granted:
    """Raises `Denied` with the reason. `spent` has every `jti` that is remembered, and until when."""
    # 2: the rule exists in that organization; neither it nor its issuer nor its service account is archived
    exists = wish.federation_rule_id == org.rule_id and wish.organization_id.lower() == org.organization_id
    if not exists or org.archived is not None:
        raise Denied("rule_not_found")
    # 3: at most 16 KiB, and a JWS in compact form
    header, claims = _parts(wish.assertion)
    # 4, 5, 6: the algorithm, the name of the key, the issuer
    if header.get("alg") not in [f"{family}S{bits}" for family in "RPE" for bits in (256, 384, 512)]:
        raise Denied("alg_not_allowed")
    if not isinstance(header.get("kid"), str) or not header["kid"]:
        raise Denied("kid_missing")
    if claims.get("iss") != org.issuer_url:
        raise Denied("issuer_mismatch")
    # 7 and 8: the key, and the signature
    if org.keys is None:
        raise Denied("jwks_unavailable")
    if header["kid"] not in org.keys:
        raise Denied("kid_not_found")
    try:
        jwt.PyJWS().decode(wish.assertion, org.keys[str(header["kid"])], algorithms=[str(header["alg"])])
    except (jwt.PyJWTError, TypeError, ValueError):
        raise Denied("signature_invalid") from None
    # 9: what must be there, and be of the type that RFC 7519 gives it; then the clock, with 30 seconds of leeway
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise Denied("claim_missing")
    if not _is_number(claims.get("iat")) or not _is_number(claims.get("exp")):
        raise Denied("claim_missing")
    if "nbf" in claims and not _is_number(claims["nbf"]):
        raise Denied("claim_missing")
    if "jti" in claims and not isinstance(claims["jti"], str):
        raise Denied("claim_missing")
    exp, iat = _seconds(claims["exp"]), _seconds(claims["iat"])
    if exp <= now - 30:
        raise Denied("expired")
    if iat > now + 30 or ("nbf" in claims and _seconds(claims["nbf"]) > now + 30):
        raise Denied("not_yet_valid")
    # 10: the lifetime
    if exp - iat > org.max_jwt_lifetime_seconds:
        raise Denied("lifetime_exceeded")
    # 11 to 14: what the rule wants
    _match(claims, org)
    # 15: the jti
    jti = claims.get("jti") if org.check_jti else None
    if isinstance(jti, str) and spent.get(jti, 0) > now:
        raise Denied("jti_reused")
    # 16 and 17: on whose behalf, and where
    if wish.service_account_id not in {None, org.service_account_id}:
        raise Denied("service_account_mismatch")
    workspace = _workspace(wish.workspace_id, org)
    lifetime = max(60, min(org.token_lifetime_seconds, math.floor(2 * (exp - now))))
    return Granted(workspace, lifetime, jti if isinstance(jti, str) else None, exp + 30)


def _match(claims: Mapping[str, object], org: Organization) -> None:
    aud, audience = claims.get("aud"), org.audience or "https://api.anthropic.com"
    if not (aud == audience or (isinstance(aud, list) and audience in aud)):
        raise Denied("match_audience")
    sub, pattern = str(claims["sub"]), org.subject_prefix
    if pattern is not None and pattern.endswith("*"):
        if sub[: len(pattern) - 1] != pattern[:-1]:
            raise Denied("match_subject_prefix")
    elif pattern is not None and sub != pattern:
        raise Denied("match_subject_prefix")
    for name, wanted in org.claims.items():
        if claims.get(name) != wanted:
            raise Denied("match_claims")
    if org.condition is not None:
        try:
            holds = org.condition[1](claims)
        except (KeyError, TypeError, AttributeError):
            holds = False
        if holds is not True:
            raise Denied("match_condition")


def _workspace(asked: str | None, org: Organization) -> str:
    default = org.default_workspace_id
    if asked is not None:
        wanted = default if asked == "default" else asked
    elif not org.applies_to_all_workspaces and len(org.workspace_ids) == 1:
        wanted = org.workspace_ids[0]
    elif org.applies_to_all_workspaces or default in org.workspace_ids:
        wanted = default
    else:
        raise Denied("workspace_id_required")
    if not (org.applies_to_all_workspaces or wanted in org.workspace_ids):
        raise Denied("workspace_not_enabled")
    if wanted != default and wanted not in org.member_of:
        raise Denied("service_account_not_member")
    return wanted


def _parts(assertion: str) -> tuple[dict[str, object], dict[str, object]]:
    segments = assertion.split(".")
    well_formed = len(segments) == 3 and all(re.fullmatch("[A-Za-z0-9_-]*", each, re.ASCII) for each in segments)
    if not well_formed or len(assertion) > 16 * 1024:
        raise Denied("malformed_assertion")
    try:
        header, claims, _ = (base64.urlsafe_b64decode(each + "===") for each in segments)
        read = [_object(each.decode("utf-8")) for each in (header, claims)]
    except (ValueError, RecursionError):
        raise Denied("malformed_assertion") from None
    if "crit" in read[0]:
        raise Denied("malformed_assertion")
    return read[0], read[1]


def _object(text: str) -> dict[str, object]:
    found = json.loads(text, parse_constant=_no_json, object_pairs_hook=_unique)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _no_json(constant: str) -> object:
    raise ValueError(constant)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("twice")
    return dict(pairs)


def _is_number(value: object) -> bool:
    return type(value) in {int, float}


def _seconds(value: object) -> float:
    """Return a number as a float, infinite where it is beyond what a float can say."""
    assert isinstance(value, int | float)
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, 1 if value > 0 else -1)
