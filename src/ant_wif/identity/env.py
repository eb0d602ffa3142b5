"""`env` and `literal`: an identity token in a variable, or handed over as an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from typing import Literal as LiteralType

from ant_wif._http import Flow
from ant_wif._secrets import SecretStr, mask, sanitize_path
from ant_wif.errors import IdentitySourceError
from ant_wif.identity.source import Context, IdentitySource
from ant_wif.identity.token import IdentityToken

VARIABLE = "ANTHROPIC_IDENTITY_TOKEN"


@dataclass(frozen=True)
class Env(IdentitySource):
    """The variable named `variable`, read again at every exchange."""

    variable: str = VARIABLE
    source: LiteralType["env"] = "env"

    title: ClassVar[str] = "identity token variable"
    signs: ClassVar[tuple[str, ...]] = (VARIABLE,)

    @property
    def description(self) -> str:
        return f"the variable {sanitize_path(self.variable)}"

    def asks_for(self, context: Context) -> str:
        return sanitize_path(self.variable)

    def at_hand(self, context: Context) -> SecretStr | None:
        return SecretStr(context.environ[self.variable]) if self.variable in context.environ else None

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        yield from ()
        if self.variable not in context.environ:
            raise IdentitySourceError(
                f"the variable {sanitize_path(self.variable)}, which should hold the identity token, is not set",
                hint=f"set {sanitize_path(self.variable)} to the OIDC token that your platform issues to the workload",
            )
        return context.parse(self, SecretStr(context.environ[self.variable]), audience=None)


@dataclass(frozen=True)
class Literal(IdentitySource):
    """A token that the caller already holds, in what `named_by` says. It can be exchanged once."""

    token: SecretStr
    named_by: str = "--identity-token"
    source: LiteralType["literal"] = "literal"

    title: ClassVar[str] = "identity token argument"
    undetected: ClassVar[str] = "only by --identity-token"

    @property
    def description(self) -> str:
        return self.named_by

    def asks_for(self, context: Context) -> str:
        return mask(self.token)

    def at_hand(self, context: Context) -> SecretStr | None:
        return self.token

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        yield from ()
        return context.parse(self, self.token, audience=None)
