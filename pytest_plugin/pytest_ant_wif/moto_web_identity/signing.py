"""Who signs an account's tokens: keys of the account's own, or a function."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from moto.sts.exceptions import STSValidationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# Called with the claims and the algorithm, RS256 or ES384. Returns the JWT.
Signer = Callable[[dict[str, object], str], str]
"""A function that signs claims with an algorithm (`RS256`, `ES384`) and returns the JWT."""

# The names that AWS gives its keys.
_KEY_IDS = {"RS256": "RSA_0", "ES384": "EC384_0"}
_SECONDS = 10


class AccountIssuer:
    """An account's own issuer, with a key for each algorithm, made when it is first used. Thread-safe."""

    def __init__(self) -> None:
        self.claimed = f"https://{uuid.uuid4()}.tokens.sts.global.api.aws"
        self._lock = threading.Lock()
        self._keys: dict[str, RSAPrivateKey | EllipticCurvePrivateKey] = {}

    def sign(self, claims: dict[str, object], alg: str) -> str:
        import jwt

        return jwt.encode(claims, self._key(alg), alg, headers={"kid": _KEY_IDS[alg]})

    def jwks(self) -> dict[str, object]:
        return {"keys": [self._jwk(alg) for alg in _KEY_IDS]}

    def _key(self, alg: str) -> RSAPrivateKey | EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        with self._lock:
            if alg not in self._keys:
                is_rsa = alg == "RS256"
                self._keys[alg] = (
                    rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP384R1())
                )
            return self._keys[alg]

    def _jwk(self, alg: str) -> dict[str, object]:
        import jwt

        public = jwt.get_algorithm_by_name(alg).to_jwk(self._key(alg).public_key(), as_dict=True)
        members = {name: value for name, value in public.items() if name != "key_ops"}
        return {**members, "kid": _KEY_IDS[alg], "use": "sig", "alg": alg}


class ExternalIssuer(NamedTuple):
    """A signer from outside, for every account. `claimed` is its issuer URL for `iss`; `None` leaves that to it."""

    sign: Signer
    claimed: str | None


# They outlive a reset of moto: a verifier may have fetched the keys, and AWS keeps an account's issuer, too.
_ISSUERS: dict[tuple[str, str], AccountIssuer] = {}


def account_issuer(account_id: str, partition: str) -> AccountIssuer:
    return _ISSUERS.setdefault((account_id, partition), AccountIssuer())


def remote_signer(url: str) -> Signer:
    """Return a signer that posts `{"claims": …, "alg": …}` to `url` and is answered `{"token": …}`.

    Where it gets no such answer, the caller of STS gets a ValidationError that says why.
    """
    import httpx

    def sign(claims: dict[str, object], alg: str) -> str:
        try:
            # Without the environment's proxies: the signer is a neighbour.
            response = httpx.post(url, json={"claims": claims, "alg": alg}, timeout=_SECONDS, trust_env=False)
            token = response.raise_for_status().json()["token"]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise STSValidationError(f"{url} did not sign the token: {type(error).__name__}: {error}") from None
        return str(token)

    return sign
