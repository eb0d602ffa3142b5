"""`literal`: an identity token handed over as an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from typing import Literal as LiteralType

from ant_wif._http.flow import Flow
from ant_wif._secrets import SecretStr, mask
from ant_wif.identity.source import Context, Detection, IdentitySource, not_detected
from ant_wif.identity.token import IdentityToken

__all__ = ["Literal"]


@dataclass(frozen=True)
class Literal(IdentitySource):
    """A token that the caller already holds. It can be exchanged once."""

    token: SecretStr
    source: LiteralType["literal"] = "literal"

    title: ClassVar[str] = "identity token argument"

    @classmethod
    def detect(cls, context: Context) -> Detection:
        del context
        return not_detected("literal", "only by --identity-token")

    @property
    def description(self) -> str:
        return "--identity-token"

    def asks_for(self, context: Context) -> str:
        del context
        return mask(self.token)

    def at_hand(self, context: Context) -> SecretStr | None:
        del context
        return self.token

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        yield from ()
        return context.parse(self, self.token, audience=None)
