"""What an emulated token endpoint asks of an assertion that it is given: a signature, and to be of now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ant_wif.rules import VerificationKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_LEEWAY_SECONDS = 30
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")


class UnacceptableError(Exception):
    """The assertion is not accepted. The text says why; `expired` tells that nothing else is wrong."""

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


def read_public_key(pem: str) -> VerificationKey:
    """Raises ValueError when it is not the PEM of a public RSA or elliptic curve key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        return VerificationKey(key)
    raise ValueError("the public key is not that of an RSA or elliptic curve key in PEM")


def verified_claims(
    assertion: str, keys: Iterable[VerificationKey], audiences: Iterable[str], *, now: float
) -> dict[str, object]:
    """Return the claims of an assertion that one of `keys` signed, for one of `audiences`.

    Raises `UnacceptableError`.
    """
    import jwt

    for key in keys:
        try:
            claims = _signed_claims(assertion, key.public_key)
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, ValueError, TypeError):
            raise UnacceptableError("it is not a well-formed JWT with an asymmetric signature") from None
        _check_times(claims, now)
        found = claims.get("aud")
        if not set(audiences) & {name for name in (found if isinstance(found, list) else [found]) if name}:
            raise UnacceptableError("its audience is another")
        return claims
    raise UnacceptableError("its signature does not verify")


def _signed_claims(assertion: str, key: RSAPublicKey | EllipticCurvePublicKey) -> dict[str, object]:
    import jwt

    # Times are compared with the emulator's clock, which PyJWT does not know.
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    claims: dict[str, object] = jwt.decode(assertion, key, algorithms=list(_ALGORITHMS), options=options)  # type: ignore[arg-type]  # a plain dict
    return claims


def _check_times(claims: dict[str, object], now: float) -> None:
    expires, issued = claims.get("exp"), claims.get("iat", now)
    if not isinstance(expires, int | float) or not isinstance(issued, int | float):
        raise UnacceptableError("it lacks `exp`, or its times are no numbers")
    if issued - _LEEWAY_SECONDS > now:
        raise UnacceptableError("it was issued in the future")
    if expires + _LEEWAY_SECONDS <= now:
        raise UnacceptableError("it expired", expired=True)
