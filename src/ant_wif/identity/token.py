"""The identity token: read without trust, and checked for what would make sending it pointless.

Nothing here verifies a signature. Claims serve messages and cache decisions only, which is why
they carry `unverified` in their names. Form: RFC 7515 §7.1 (JWS compact), claims: RFC 7519 §4.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ant_wif._constants import MAX_ASSERTION_BYTES
from ant_wif._environment import moment
from ant_wif._secrets import SecretStr, decoded_part, sanitize
from ant_wif.errors import IdentityTokenError

CLOCK_LEEWAY_SECONDS = 30
WRONG_CLOCK_SECONDS = 2 * 24 * 3600
_END_OF_TIME = 1e12  # no calendar of ours reaches it
_PART = r"[A-Za-z0-9_-]*"
_BEGINNINGS = {
    "-----BEGIN CERTIFICATE": "a certificate (PEM)",
    "-----BEGIN PUBLIC KEY": "a public key (PEM)",
    "-----BEGIN": "a private key (PEM)",
    "<": "an HTML or XML page",
    "{": "a JSON document; the token is probably one of its fields",
    '"': "a text in double quotes; the token is probably between them",
    "'": "a text in single quotes; the token is probably between them",
    "Bearer ": "the value of an Authorization header; the token is what follows `Bearer`",
    "sk-ant-": "an Anthropic key or token, which is what an identity token is exchanged for",
}


@dataclass(frozen=True)
class IdentityToken:
    """A JWT as a source returned it, with its unverified claims."""

    assertion: SecretStr
    source: str
    unverified_header: Mapping[str, object]
    unverified_claims: Mapping[str, object]

    @property
    def is_single_use(self) -> bool:
        """Whether it carries a `jti`, by which the server knows it again (RFC 7519 §4.1.7)."""
        return "jti" in self.unverified_claims

    @property
    def unverified_audiences(self) -> tuple[str, ...]:
        """The `aud` claim, which RFC 7519 §4.1.3 lets be one string or a list of them."""
        found = self.unverified_claims.get("aud")
        entries = found if isinstance(found, list) else [found]
        return tuple(entry for entry in entries if isinstance(entry, str))


def trimmed(raw: SecretStr) -> SecretStr:
    """Return a token without blanks, line breaks and a byte order mark around it."""
    return SecretStr(raw.get_secret_value().strip().strip("\ufeff").strip())


def unverified_issuer_subject(raw: SecretStr | None) -> tuple[str | None, str | None]:
    """Return `iss` and `sub` of a token as far as they can be read: it may be expired, or no token at all."""
    claims = _decoded(raw, 1) if raw is not None and raw.get_secret_value().count(".") == 2 else None
    found = [claims.get(name) if isinstance(claims, dict) else None for name in ("iss", "sub")]
    issuer, subject = (value if isinstance(value, str) else None for value in found)
    return issuer, subject


def parse(raw: SecretStr, *, source: str, audience: str | None, now: float, just_minted: bool = False) -> IdentityToken:
    """Read and check an identity token; `source` says in messages where it came from.

    `audience` is compared when the source promises one, else `None`. `now` is unix seconds. A token that was
    `just_minted` is judged by its issuer's clock, because this machine's may be wrong, by two days at most.

    Raises IdentityTokenError: it is not a JWT, has expired, is not asymmetrically signed, lacks `kid`, `iss`, `sub` or
    `exp`, or is for another audience.
    """
    assertion = trimmed(raw)
    require_jwt(assertion, source)
    header = _object(assertion, 0, "header", source)
    claims = _object(assertion, 1, "claims", source)
    token = IdentityToken(assertion, source, header, claims)
    _check_header(token)
    issued_at = claims.get("iat")
    lenient = just_minted and isinstance(issued_at, (int, float)) and 0 <= now - issued_at <= WRONG_CLOCK_SECONDS
    _check_claims(token, min(now, issued_at) if lenient and isinstance(issued_at, (int, float)) else now)
    if audience is not None and audience not in token.unverified_audiences:
        found = ", ".join(sanitize(entry, limit=128) for entry in token.unverified_audiences) or "no audience"
        raise IdentityTokenError(
            f"the identity token from {source} is for another audience: found {found}, expected {audience}",
            hint=f"have the platform issue it for {audience}, or set ANT_IDENTITY_AUDIENCE to the audience that your "
            "federation rule expects",
        )
    return token


def require_jwt(assertion: SecretStr, source: str) -> None:
    """Raises IdentityTokenError: what `source` holds does not look like a JWT."""
    found = _what_it_is(assertion)
    if found is not None:
        raise IdentityTokenError(
            f"expected a signed JWT from {source}, found {found}",
            hint=f"check {source}: an identity token is the OIDC token that your platform issues to the workload",
        )


def _what_it_is(assertion: SecretStr) -> str | None:
    """Name what was found in place of a JWT, or return `None` if it looks like one."""
    text = assertion.get_secret_value()
    parts = text.split(".")
    size = len(text.encode("utf-8", "surrogatepass"))
    checks = {
        "nothing: it is empty": not text,
        **{name: text.startswith(beginning) for beginning, name in _BEGINNINGS.items()},
        f"{size} bytes, more than the {MAX_ASSERTION_BYTES} that a token may have": size > MAX_ASSERTION_BYTES,
        "an encrypted JWT (five parts); a signed one has three": len(parts) == 5 and len(text.split()) == 1,
        f"a text of {len(text)} characters in {len(parts)} dot-separated part(s); a JWT has three": len(parts) != 3,
        "three parts with a blank or a line break in them": len(text.split()) > 1,
        "three parts with characters that base64url does not have": not all(
            re.fullmatch(_PART, part) for part in parts
        ),
    }
    return next((found for found, holds in checks.items() if holds), None)


def _object(assertion: SecretStr, index: int, name: str, source: str) -> dict[str, object]:
    decoded = _decoded(assertion, index)
    if isinstance(decoded, dict):
        return decoded
    raise IdentityTokenError(
        f"the token from {source} has three parts, but its {name} is not a JSON object",
        hint=f"check {source}: an identity token is the OIDC token that your platform issues to the workload",
    )


def _decoded(assertion: SecretStr, index: int) -> object:
    return decoded_part(assertion.get_secret_value().split(".")[index])


def _check_header(token: IdentityToken) -> None:
    algorithm = token.unverified_header.get("alg")
    if not isinstance(algorithm, str) or algorithm.lower() == "none" or algorithm.upper().startswith("HS"):
        raise IdentityTokenError(
            f"the identity token from {token.source} is signed with alg={sanitize(algorithm, limit=32)}; "
            "expected a public-key algorithm such as RS256",
            hint="use a token issued by an OIDC provider, whose key set can be looked up",
        )
    if not isinstance(token.unverified_header.get("kid"), str):
        raise IdentityTokenError(
            f"the identity token from {token.source} names no key (no kid in its header)",
            hint="use a token issued by an OIDC provider, whose key set can be looked up",
        )


def _check_claims(token: IdentityToken, now: float) -> None:
    missing = [name for name in ("iss", "sub") if not isinstance(token.unverified_claims.get(name), str)]
    expires_at = token.unverified_claims.get("exp")
    if isinstance(expires_at, bool) or not isinstance(expires_at, (int, float)):
        missing.append("a numeric exp" if "exp" in token.unverified_claims else "exp")
        expires_at = 0
    if missing:
        raise IdentityTokenError(
            f"the identity token from {token.source} lacks {', '.join(missing)}",
            hint="use a token issued by an OIDC provider: it states issuer, subject and expiry",
        )
    if not abs(expires_at) < _END_OF_TIME:  # or NaN, which json.loads accepts
        raise IdentityTokenError(
            f"the identity token from {token.source} has an exp that is not a possible time",
            hint="use a token issued by an OIDC provider: its exp is in seconds since 1970",
        )
    if expires_at <= now - CLOCK_LEEWAY_SECONDS:
        raise IdentityTokenError(
            f"the identity token from {token.source} expired at {moment(expires_at, now)}",
            hint="get a new identity token from your platform; if this one is new, correct this machine's clock",
        )
