"""What every emulated identity provider has: an issuer URL, keys, its documents, and tokens for a job.

A token is signed as it should be or, on purpose, not quite.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import tempfile
import threading
import uuid
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, ClassVar, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif._files import Draft, PrivateFolder
from ant_wif.emulator._http.protocol import json_response
from ant_wif.rules import DEFAULT_AUDIENCE, VerificationKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

KeyChoice = Literal["own", "other"]

_RSA = "RSA"
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
# RSA keys that nothing has any longer: to make one takes 60 ms of a processor, and some suites start many emulators.
_unused: list[RSAPrivateKey] = []


class SigningKey:
    """One key for each kind that `algorithms` need: RSA of 2048 bits, or a curve. Thread-safe.

    Keys are generated when they are first used. Each has a second one, `other`, that is never published.
    """

    def __init__(self, algorithms: tuple[str, ...] = ("RS256",)) -> None:
        self.algorithms = algorithms
        self._kids = {_CURVES.get(alg, _RSA): uuid.uuid4().hex for alg in algorithms}
        self._lock = threading.RLock()
        self._private: dict[tuple[str, KeyChoice], RSAPrivateKey | EllipticCurvePrivateKey] = {}
        self._rsa: list[RSAPrivateKey] = []
        weakref.finalize(self, _unused.extend, self._rsa).atexit = False
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
        if alg == "none":
            return b""
        if alg in {"HS256", "HS384", "HS512"}:
            from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

            public = self._key(next(iter(self._kids)), key).public_key()
            pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return hmac.digest(pem, signing_input, f"sha{alg[2:]}")
        kind = _RSA if alg in _RSA_ALGORITHMS else _CURVES.get(alg)
        if kind is None or kind not in self._kids:
            usable = ", ".join(self.algorithms)
            raise ValueError(f"cannot sign with alg {alg!r}: use {usable}, an HS algorithm, or none")
        private = self._key(kind, key)
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        if alg == "RS256" and isinstance(private, rsa.RSAPrivateKey):  # the usual one; PyJWT takes long to import
            from cryptography.hazmat.primitives import hashes

            return private.sign(signing_input, padding.PKCS1v15(), hashes.SHA256())
        import jwt

        return jwt.get_algorithm_by_name(alg).sign(signing_input, private)

    def _key(self, kind: str, choice: KeyChoice) -> RSAPrivateKey | EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec

        curves: dict[str, type[ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1]] = {
            "P-256": ec.SECP256R1,
            "P-384": ec.SECP384R1,
            "P-521": ec.SECP521R1,
        }
        with self._lock:
            if (kind, choice) not in self._private:
                self._private[kind, choice] = (
                    self._rsa_key() if kind == _RSA else ec.generate_private_key(curves[kind]())
                )
            return self._private[kind, choice]

    def _rsa_key(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric import rsa

        try:
            key = _unused.pop()
        except IndexError:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._rsa.append(key)
        return key


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


_LONGEST_SOCKET_PATH = 103
"""In bytes, on macOS; Linux allows 107 (unix(7))."""


class Folder:
    """A temporary folder that no other user can read, made when it is first written to. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._short: PrivateFolder | None = None
        self._removal: weakref.finalize[..., Folder] | None = None
        self._before_removal: list[Callable[[], object]] = []

    @property
    def path(self) -> Path:
        with self._lock:
            if self._path is None:
                folder = PrivateFolder(Path(tempfile.gettempdir()), "ant-emulator-")
                self._path = folder.path
                # For an emulator that is not stopped before the process ends.
                self._removal = weakref.finalize(self, folder.remove)
            return self._path

    def socket_path(self, name: str) -> Path:
        """Return where to make a Unix socket: in this folder, or in a private one below /tmp if that path is too long.

        The same name gives the same path until the folder is removed.
        """
        path = self.path / name
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        with self._lock:
            if self._short is None:
                self._short = PrivateFolder(Path("/tmp"), "ant-emulator-")  # noqa: S108  # a random name in it
                self._before_removal.append(weakref.finalize(self, self._short.remove))
            return self._short.path / name

    def write(self, name: str, text: str) -> str:
        """Write a file that only its owner can read, and return its path. `name` may have folders."""
        return write_privately(self.path / name, text)

    def remove(self) -> None:
        """Remove the folder with all that is in it. Writing makes a new one."""
        with self._lock:
            while self._before_removal:
                self._before_removal.pop()()
            if self._removal is not None:
                self._removal()
            self._path = self._short = self._removal = None

    def at_removal(self, end: Callable[[], object]) -> None:
        """Have this called before the folder is removed: it ends what is served from there."""
        with self._lock:
            self._before_removal.append(end)


def write_privately(path: str | os.PathLike[str], text: str, *, mode: int = 0o600) -> str:
    """Write a file in one step, so that no reader gets half of it, and return its path.

    Folders are made as needed, for the owner only. Raises OSError.
    """
    target = Path(path)
    with Draft(target, mode=mode, folder_mode=0o700) as draft:
        draft.replace(text.encode)
    return str(target)


class IdentityProvider(ABC):
    """A platform as its jobs and its relying parties see it. A subclass says what is its own.

    `base_url` is set when the emulator starts and its address is known. `now` returns unix time.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    """What `identity_token.source` of a profile is for this platform."""
    subject: ClassVar[str]
    """The seeded job's `sub`."""
    accepted_subject: ClassVar[str | None] = None
    """The `subject_prefix` of the seeded rule, where that is not `subject`."""
    accepted_claims: ClassVar[Mapping[str, str]] = {}
    """The `claims` of the seeded rule, where the subject leaves open what they say."""
    audience: ClassVar[str] = DEFAULT_AUDIENCE
    """The audience of the seeded rule and, by default, of tokens."""
    lifetime_seconds: ClassVar[int]
    max_lifetime_seconds: ClassVar[int] = 3600
    """The longest life of a token that the seeded issuer accepts."""
    algorithms: ClassVar[tuple[str, ...]] = ("RS256",)
    real_issuer: ClassVar[str | None] = None
    """The URL that the platform has in the world, where one issuer serves everybody."""

    def __init__(self, clock: Callable[[], float], folder: Folder) -> None:
        self.base_url = ""
        self.key = SigningKey(self.algorithms)
        self.now = clock
        self._folder = folder
        self._secret = secrets.token_urlsafe(48)
        """What only a job of the platform has, to ask for its token with."""

    @property
    def issuer_url(self) -> str:
        return f"{self.base_url}{self.issuer_path}"

    @property
    def issuer_path(self) -> str:
        return f"/{self.name}"

    def claims(self, now: int) -> dict[str, object]:
        """Return the claims of the seeded job's token, without `aud` and `exp`. A subclass adds its own."""
        return {"iss": self.issuer_url, "sub": self.subject, "iat": now}

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the variables that a job on the platform has, and write the files that they name."""

    def own_routes(self) -> list[Route]:
        """Return the platform's own way to get a token."""
        return []

    def environments(self) -> dict[str, Callable[[], dict[str, str]]]:
        """Return the kinds of job that there are, by the names that `Emulator.env` knows them by."""
        return {self.name: self.environment}

    def identity_token(self) -> dict[str, object]:
        """Return the field `identity_token` of a profile for the seeded job."""
        return {"source": self.source}

    def mint(
        self,
        *,
        now: float | None = None,
        lifetime: int | None = None,
        claims: Mapping[str, object] | None = None,
        headers: Mapping[str, object] | None = None,
        kid: str | EllipsisType | None = ...,
        alg: str = "RS256",
        key: KeyChoice = "own",
    ) -> str:
        """Return a signed token of the seeded job. A claim or header of `None` is left out.

        `now` is for who has asked the time already, and says it beside the token: a second may have passed.
        """
        issued = int(self.now() if now is None else now)
        expires = issued + (self.lifetime_seconds if lifetime is None else lifetime)
        payload = {**self.claims(issued), "aud": self.audience, "exp": expires, **(claims or {})}
        header = {"typ": "JWT", "alg": alg, "kid": kid, **(headers or {})}
        return self.key.sign(_present(header), _present(payload), key=key)

    def sign(self, claims: Mapping[str, object], *, alg: str) -> str:
        """Return a JWT of these claims; what they lack of `iss`, `iat` and `exp` is added.

        Raises ValueError for an algorithm that the platform has no key for.
        """
        if alg not in self.algorithms:
            raise ValueError(f"{self.name} does not sign with {alg!r}; it signs with {', '.join(self.algorithms)}")
        issued = int(self.now())
        frame = {"iss": self.issuer_url, "iat": issued, "exp": issued + self.lifetime_seconds}
        header = {"typ": "JWT", "alg": alg, "kid": ...}
        return self.key.sign(header, _present({**frame, **claims}))

    def is_secret(self, presented: str | None) -> bool:
        """Return whether a request comes from a job of the platform."""
        return hmac.compare_digest((presented or "").encode(), self._secret.encode())

    def routes(self) -> list[Route]:
        return [*self.document_routes(self.issuer_path), *self.own_routes()]

    def document_routes(self, path: str) -> list[Route]:
        """Return the routes of an issuer's documents (OpenID Connect Discovery §4) below `path`."""

        async def discovery(_: Request) -> Response:
            return json_response(self._discovery(f"{self.base_url}{path}"))

        root = f"{path.rstrip('/')}/.well-known"
        return [
            Route(f"{root}/openid-configuration", discovery, methods=["GET"]),
            Route(f"{root}/jwks", self._jwks, methods=["GET"]),
        ]

    def _discovery(self, issuer: str) -> dict[str, object]:
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer.rstrip('/')}/.well-known/jwks",
            "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"],
            "id_token_signing_alg_values_supported": list(self.algorithms),
            "scopes_supported": ["openid"],
            "claims_supported": [*self.claims(0), "aud", "exp"],
        }

    async def _jwks(self, _: Request) -> Response:
        return json_response(self.key.jwks())


def _present(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
