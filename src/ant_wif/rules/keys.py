"""An issuer's public keys (RFC 7517), and whether a signature was made with one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ALLOWED_ALGORITHMS = tuple(f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512))

_PUBLIC_MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}


class KeySetUnavailableError(Exception):
    """The issuer's keys cannot be had. The text says why."""


@dataclass(frozen=True)
class VerificationKey:
    """A public key; `alg` is the one algorithm it is meant for, where the issuer says so."""

    public_key: RSAPublicKey | EllipticCurvePublicKey
    alg: str | None = None


KeySet = Mapping[str, VerificationKey]


def read_key_set(document: object) -> dict[str, VerificationKey]:
    """Return the usable signing keys of a JWKS document by their `kid`.

    Raises `KeySetUnavailableError` when it is no JWKS. Keys of an unknown kind, or without a `kid`, are
    passed over (RFC 7517 §5).
    """
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise KeySetUnavailableError("the document has no list `keys`")
    usable: dict[str, VerificationKey] = {}
    for jwk in keys:
        if not isinstance(jwk, dict):
            continue
        kid, use, alg = jwk.get("kid"), jwk.get("use", "sig"), jwk.get("alg")
        public_key = _read_public_key(jwk)
        if isinstance(kid, str) and use == "sig" and public_key is not None:
            usable.setdefault(kid, VerificationKey(public_key, alg if isinstance(alg, str) else None))
    return usable


def signature_verifies(key: VerificationKey, alg: str, signing_input: bytes, signature: bytes) -> bool:
    """Return whether `key` made this signature with `alg`, which must be one of `ALLOWED_ALGORITHMS`."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    if key.alg is not None and key.alg != alg:
        return False
    if isinstance(key.public_key, RSAPublicKey):
        if alg in _CURVES:
            return False
    elif key.public_key.curve.name != _CURVES.get(alg):
        return False
    try:
        return jwt.get_algorithm_by_name(alg).verify(signing_input, key.public_key, signature)
    except ValueError:
        return False


def _read_public_key(jwk: Mapping[str, object]) -> RSAPublicKey | EllipticCurvePublicKey | None:
    import jwt
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    kty = jwk.get("kty")
    if not isinstance(kty, str) or kty not in _PUBLIC_MEMBERS:
        return None
    # An issuer that publishes its private key by mistake is still verified by the public half.
    public = {name: jwk.get(name) for name in _PUBLIC_MEMBERS[kty]}
    try:
        key = RSAAlgorithm.from_jwk(public) if kty == "RSA" else ECAlgorithm.from_jwk(public)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    return key if isinstance(key, RSAPublicKey | EllipticCurvePublicKey) else None
