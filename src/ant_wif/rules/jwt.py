"""JSON Web Tokens (RFC 7519) in compact form (RFC 7515), and the keys (RFC 7517) that verify them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ant_wif._constants import MAX_ASSERTION_BYTES
from ant_wif._strict import read_object

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey


_SEGMENT = re.compile(r"[A-Za-z0-9_-]*")


class MalformedAssertionError(ValueError):
    """Not a JWS of two JSON objects. The text says what is wrong, and quotes nothing."""


@dataclass(frozen=True, repr=False)
class Assertion:
    """The parts of a JWS. Nothing in it is verified."""

    header: dict[str, object]
    claims: dict[str, object]
    signing_input: bytes
    signature: bytes


def read_assertion(text: str) -> Assertion:
    """Take a compact JWS apart. Raises `MalformedAssertionError`, and nothing else, whatever the text is."""
    if not text.isascii():
        raise MalformedAssertionError("it holds characters that no JWT has")
    if len(text) > MAX_ASSERTION_BYTES:
        raise MalformedAssertionError(f"it has {len(text)} bytes, and {MAX_ASSERTION_BYTES} is the most allowed")
    segments = text.split(".")
    if len(segments) != 3:
        raise MalformedAssertionError(f"a JWT has three parts joined by dots, and this has {len(segments)}")
    header, claims, signature = segments
    assertion = Assertion(
        header=_part("header", header),
        claims=_part("payload", claims),
        signing_input=f"{header}.{claims}".encode("ascii"),
        signature=_decode("signature", signature),
    )
    # RFC 7515 §4.1.11: an extension that is marked critical and not understood spoils the JWS.
    if "crit" in assertion.header:
        raise MalformedAssertionError("its header demands extensions (`crit`) that are not supported")
    return assertion


def _part(part: str, segment: str) -> dict[str, object]:
    try:
        return read_object(_decode(part, segment))
    except MalformedAssertionError:
        raise
    except ValueError:
        raise MalformedAssertionError(f"its {part} is not a well-formed JSON object") from None


def _decode(part: str, segment: str) -> bytes:
    # Python's decoder skips what is outside the alphabet; RFC 7515 §2 allows nothing there, nor padding.
    if not _SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise MalformedAssertionError(f"its {part} is not base64url")
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


ALLOWED_ALGORITHMS = tuple(f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512))

_PUBLIC_MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}


class KeySetUnavailableError(Exception):
    """The issuer's keys cannot be fetched. The text says why."""


@dataclass(frozen=True)
class VerificationKey:
    """A public key; `alg` is the one algorithm it is meant for, where the issuer says so."""

    public_key: RSAPublicKey | EllipticCurvePublicKey
    alg: str | None = None


KeySet = Mapping[str, VerificationKey]
"""The public keys of an issuer by their `kid`."""


def read_key_set(document: object) -> dict[str, VerificationKey]:
    """Return the usable signing keys of a JWKS document by their `kid`.

    Raises `KeySetUnavailableError` when it is not a JWKS. Keys of an unknown kind, or without a `kid`, are
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
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    public_key = key.public_key
    curve = None if isinstance(public_key, RSAPublicKey) else public_key.curve.name
    if key.alg not in {None, alg} or curve != _CURVES.get(alg):
        return False
    if isinstance(public_key, RSAPublicKey) and alg.startswith("RS"):
        return _rsa_signature_verifies(public_key, alg, signing_input, signature)
    import jwt

    try:
        return jwt.get_algorithm_by_name(alg).verify(signing_input, public_key, signature)
    except ValueError:
        return False


def _rsa_signature_verifies(public_key: RSAPublicKey, alg: str, signing_input: bytes, signature: bytes) -> bool:
    """Do what PyJWT does, which takes longer to import than all else that the usual token needs (RFC 7518 §3.3)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    digest = getattr(hashes, alg.replace("RS", "SHA"))()
    try:
        public_key.verify(signature, signing_input, padding.PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True


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
