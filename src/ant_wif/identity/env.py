"""`env`: an identity token that something else put into a variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ant_wif._http.flow import Flow
from ant_wif._secrets import SecretStr, show_path
from ant_wif.errors import IdentitySourceError
from ant_wif.identity.source import Context, Detection, IdentitySource, detected, not_detected
from ant_wif.identity.token import IdentityToken

__all__ = ["Env"]

VARIABLE = "ANTHROPIC_IDENTITY_TOKEN"


@dataclass(frozen=True)
class Env(IdentitySource):
    """The variable named `variable`, read again at every exchange."""

    variable: str = VARIABLE
    source: Literal["env"] = "env"

    title: ClassVar[str] = "identity token variable"

    @classmethod
    def detect(cls, context: Context) -> Detection:
        if context.environ.get(VARIABLE) is None:
            return not_detected("env", f"{VARIABLE} is not set")
        return detected(cls(), f"{VARIABLE} is set")

    @property
    def description(self) -> str:
        return f"the variable {show_path(self.variable)}"

    def asks_for(self, context: Context) -> str:
        del context
        return show_path(self.variable)

    def at_hand(self, context: Context) -> SecretStr | None:
        return SecretStr(context.environ[self.variable]) if self.variable in context.environ else None

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        yield from ()
        if self.variable not in context.environ:
            raise IdentitySourceError(
                f"the variable {show_path(self.variable)}, which should hold the identity token, is not set",
                hint=f"set {show_path(self.variable)} to the OIDC token that your platform issues to the workload",
            )
        return context.parse(self, SecretStr(context.environ[self.variable]), audience=None)
