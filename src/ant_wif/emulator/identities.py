"""What every emulated identity provider has: an issuer URL, a key, its documents, tokens for a job."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import EllipsisType
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator.signing import KeyChoice, SigningKey
from ant_wif.emulator.wire import json_response
from ant_wif.rules import DEFAULT_AUDIENCE


class IdentityProvider(ABC):
    """A platform as its jobs and its relying parties see it. A subclass says what is its own.

    `base_url` is set when the emulator starts and its address is known.
    """

    name: ClassVar[str]
    subject: ClassVar[str]
    lifetime_seconds: ClassVar[int]

    def __init__(self) -> None:
        self.base_url = ""
        self.key = SigningKey()

    @property
    def issuer_url(self) -> str:
        return f"{self.base_url}/{self.name}"

    @abstractmethod
    def claims(self, now: int) -> dict[str, object]:
        """Return the claims of the seeded job's token, without `aud` and `exp`."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the variables that a job on the platform has."""

    @abstractmethod
    def own_routes(self) -> list[Route]:
        """Return the platform's own way to get a token."""

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
        payload = {**self.claims(issued), "aud": DEFAULT_AUDIENCE, "exp": expires, **(claims or {})}
        header = {"typ": "JWT", "alg": alg, "kid": self.key.kid if kid is ... else kid, **(headers or {})}
        return self.key.sign(_present(header), _present(payload), key=key)

    def routes(self) -> list[Route]:
        root = f"/{self.name}/.well-known"
        return [
            Route(f"{root}/openid-configuration", self._discovery, methods=["GET"]),
            Route(f"{root}/jwks", self._jwks, methods=["GET"]),
            *self.own_routes(),
        ]

    async def _discovery(self, _: Request) -> Response:
        return json_response(
            {
                "issuer": self.issuer_url,
                "jwks_uri": f"{self.issuer_url}/.well-known/jwks",
                "subject_types_supported": ["public", "pairwise"],
                "response_types_supported": ["id_token"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid"],
                "claims_supported": [*self.claims(0), "aud", "exp"],
            }
        )

    async def _jwks(self, _: Request) -> Response:
        return json_response(self.key.jwks())


def _present(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
