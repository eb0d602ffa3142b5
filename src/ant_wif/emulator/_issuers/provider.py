"""What every emulated identity provider has: an issuer URL, keys, its documents, tokens for a job."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import EllipsisType
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif._files import Draft, PrivateFolder
from ant_wif.emulator._http.protocol import json_response
from ant_wif.emulator._issuers.keys import KeyChoice, SigningKey
from ant_wif.rules import DEFAULT_AUDIENCE

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

    `base_url` is set when the emulator starts and its address is known.
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

    def __init__(self, clock: Callable[[], float] = time.time, folder: Folder | None = None) -> None:
        self.base_url = ""
        self.key = SigningKey(self.algorithms)
        self._clock = clock
        self._folder = folder or Folder()

    @property
    def issuer_url(self) -> str:
        return f"{self.base_url}{self.issuer_path}"

    @property
    def issuer_path(self) -> str:
        return f"/{self.name}"

    @abstractmethod
    def claims(self, now: int) -> dict[str, object]:
        """Return the claims of the seeded job's token, without `aud` and `exp`."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the variables that a job on the platform has, and write the files that they name."""

    @abstractmethod
    def own_routes(self) -> list[Route]:
        """Return the platform's own way to get a token."""

    def environments(self) -> dict[str, Callable[[], dict[str, str]]]:
        """Return the kinds of job that there are, by the names that `Emulator.env` knows them by."""
        return {self.name: self.environment}

    def identity_token(self) -> dict[str, object]:
        """Return the field `identity_token` of a profile for the seeded job."""
        return {"source": self.source}

    def mint(
        self,
        *,
        now: float,
        lifetime: int | None = None,
        claims: Mapping[str, object] | None = None,
        headers: Mapping[str, object] | None = None,
        kid: str | EllipsisType | None = ...,
        alg: str = "RS256",
        key: KeyChoice = "own",
    ) -> str:
        """Return a signed token of the seeded job. A claim or header of `None` is left out."""
        issued = int(now)
        expires = issued + (self.lifetime_seconds if lifetime is None else lifetime)
        payload = {**self.claims(issued), "aud": self.audience, "exp": expires, **(claims or {})}
        header = {"typ": "JWT", "alg": alg, "kid": kid, **(headers or {})}
        return self.key.sign(_present(header), _present(payload), key=key)

    def sign(self, claims: Mapping[str, object], *, now: float, alg: str) -> str:
        """Return a JWT of these claims; what they lack of `iss`, `iat` and `exp` is added.

        Raises ValueError for an algorithm that the platform has no key for.
        """
        if alg not in self.algorithms:
            raise ValueError(f"{self.name} does not sign with {alg!r}; it signs with {', '.join(self.algorithms)}")
        issued = int(now)
        frame = {"iss": self.issuer_url, "iat": issued, "exp": issued + self.lifetime_seconds}
        header = {"typ": "JWT", "alg": alg, "kid": ...}
        return self.key.sign(header, _present({**frame, **claims}))

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
