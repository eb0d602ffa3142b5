"""An identity provider's signing key, and JWTs made with it, or on purpose not quite."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from ant_wif.rules import VerificationKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KeyChoice = Literal["own", "other"]


class SigningKey:
    """An RSA key of 2048 bits, generated when it is first used. Thread-safe.

    There is a second one, `other`, that is never published.
    """

    def __init__(self) -> None:
        self.kid = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._private: dict[KeyChoice, RSAPrivateKey] = {}
        self._published: dict[str, VerificationKey] = {}

    def key_set(self) -> Mapping[str, VerificationKey]:
        if not self._published:
            self._published = {self.kid: VerificationKey(self._key("own").public_key())}
        return self._published

    def jwks(self) -> dict[str, object]:
        from jwt.algorithms import RSAAlgorithm

        public = RSAAlgorithm.to_jwk(self._key("own").public_key(), as_dict=True)
        jwk = {"kty": "RSA", "use": "sig", "kid": self.kid, "n": public["n"], "e": public["e"]}
        return {"keys": [jwk]}

    def sign(self, header: Mapping[str, object], claims: Mapping[str, object], *, key: KeyChoice = "own") -> str:
        """Return a JWT of exactly these parts, sensible or not.

        `alg` is an RS or PS algorithm, `none`, or an HS one, which takes the public key for its
        secret: the classic confusion. Raises ValueError for any other.
        """
        signing_input = f"{_encode(header)}.{_encode(claims)}"
        signature = self._signature(str(header.get("alg")), signing_input.encode("ascii"), key)
        return f"{signing_input}.{_base64url(signature)}"

    def _signature(self, alg: str, signing_input: bytes, key: KeyChoice) -> bytes:
        import hmac

        import jwt
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        if alg == "none":
            return b""
        if alg in {"HS256", "HS384", "HS512"}:
            public = self._key(key).public_key()
            pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return hmac.digest(pem, signing_input, f"sha{alg[2:]}")
        if alg not in {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}:
            raise ValueError(f"cannot sign with alg {alg!r}: use RS256, another RS/PS/HS algorithm, or none")
        return jwt.get_algorithm_by_name(alg).sign(signing_input, self._key(key))

    def _key(self, choice: KeyChoice) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric import rsa

        with self._lock:
            if choice not in self._private:
                self._private[choice] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return self._private[choice]


def _encode(part: Mapping[str, object]) -> str:
    return _base64url(json.dumps(part, separators=(",", ":")).encode("ascii"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
