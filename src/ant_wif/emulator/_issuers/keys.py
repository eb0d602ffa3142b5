"""An identity provider's signing keys, and JWTs made with them, or on purpose not quite."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from ant_wif.rules import VerificationKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

KeyChoice = Literal["own", "other"]

_RSA = "RSA"
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


class SigningKey:
    """One key for each kind that `algorithms` need: RSA of 2048 bits, or a curve. Thread-safe.

    Keys are generated when they are first used. Each has a second one, `other`, that is never published.
    """

    def __init__(self, algorithms: tuple[str, ...] = ("RS256",)) -> None:
        self.algorithms = algorithms
        self._kids = {_CURVES.get(alg, _RSA): uuid.uuid4().hex for alg in algorithms}
        self._lock = threading.RLock()
        self._private: dict[tuple[str, KeyChoice], RSAPrivateKey | EllipticCurvePrivateKey] = {}
        self._published: dict[str, VerificationKey] = {}
        self._retired: dict[str, VerificationKey] = {}

    def kid(self, alg: str) -> str:
        """Return the name of the key that signs with `alg`; of any, for an algorithm without a key."""
        return self._kids.get(_CURVES.get(alg, _RSA)) or next(iter(self._kids.values()))

    def key_set(self) -> Mapping[str, VerificationKey]:
        published = self._published
        if not published:
            with self._lock:
                own = {kid: VerificationKey(self._key(kind, "own").public_key()) for kind, kid in self._kids.items()}
                published = self._published = {**own, **self._retired}
        return published

    def jwks(self) -> dict[str, object]:
        return {"keys": [_jwk(kid, key.public_key) for kid, key in self.key_set().items()]}

    def rotate(self, *, keep_old: bool) -> None:
        """Sign with new keys from now on, and publish them; what was published before stays where `keep_old`."""
        with self._lock:
            self._retired = dict(self.key_set()) if keep_old else {}
            self._kids = {kind: uuid.uuid4().hex for kind in self._kids}
            self._private = {}
            self._published = {}

    def savepoint(self) -> Callable[[], None]:
        """Return what brings back the keys of now, if others were made in their place."""
        with self._lock:
            kids, private, retired = self._kids, self._private, self._retired  # not copied: keys are made later, too

        def bring_back() -> None:
            with self._lock:
                if self._kids is not kids:
                    self._kids, self._private, self._retired, self._published = kids, private, retired, {}

        return bring_back

    def private_pem(self) -> str:
        """Return the RSA key in PKCS #8, for an identity provider that hands its keys out."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        pem = self._key(_RSA, "own").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return pem.decode("ascii")

    def sign(self, header: Mapping[str, object], claims: Mapping[str, object], *, key: KeyChoice = "own") -> str:
        """Return a JWT of exactly these parts, sensible or not.

        A `kid` of `...` becomes the name of the key that signs, also while keys are rotated. `alg` is one that
        there is a key for, `none`, or an HS one, which takes the public key for its secret: the classic
        confusion. Raises ValueError for any other.
        """
        alg = str(header.get("alg"))
        with self._lock:
            named = {**header, "kid": self.kid(alg)} if header.get("kid") is ... else header
            signing_input = f"{_encode(named)}.{_encode(claims)}"
            signature = self._signature(alg, signing_input.encode("ascii"), key)
        return f"{signing_input}.{_base64url(signature)}"

    def _signature(self, alg: str, signing_input: bytes, key: KeyChoice) -> bytes:
        import hmac

        import jwt
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        if alg == "none":
            return b""
        if alg in {"HS256", "HS384", "HS512"}:
            public = self._key(next(iter(self._kids)), key).public_key()
            pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return hmac.digest(pem, signing_input, f"sha{alg[2:]}")
        kind = _RSA if alg in _RSA_ALGORITHMS else _CURVES.get(alg)
        if kind is None or kind not in self._kids:
            usable = ", ".join(self.algorithms)
            raise ValueError(f"cannot sign with alg {alg!r}: use {usable}, an HS algorithm, or none")
        return jwt.get_algorithm_by_name(alg).sign(signing_input, self._key(kind, key))

    def _key(self, kind: str, choice: KeyChoice) -> RSAPrivateKey | EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        curves: dict[str, type[ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1]] = {
            "P-256": ec.SECP256R1,
            "P-384": ec.SECP384R1,
            "P-521": ec.SECP521R1,
        }
        with self._lock:
            if (kind, choice) not in self._private:
                self._private[kind, choice] = (
                    rsa.generate_private_key(public_exponent=65537, key_size=2048)
                    if kind == _RSA
                    else ec.generate_private_key(curves[kind]())
                )
            return self._private[kind, choice]


def _jwk(kid: str, key: RSAPublicKey | EllipticCurvePublicKey) -> dict[str, object]:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    if isinstance(key, RSAPublicKey):
        public = RSAAlgorithm.to_jwk(key, as_dict=True)
    else:
        public = ECAlgorithm.to_jwk(key, as_dict=True)
    members = ("kty", "n", "e", "crv", "x", "y")
    return {"use": "sig", "kid": kid, **{name: public[name] for name in members if name in public}}


def _encode(part: Mapping[str, object]) -> str:
    return _base64url(json.dumps(part, separators=(",", ":")).encode("ascii"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
