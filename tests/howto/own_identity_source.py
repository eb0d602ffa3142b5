from dataclasses import dataclass
from typing import ClassVar, Literal

from ant_wif.identity import (
    Context,
    Detection,
    Flow,
    IdentitySource,
    IdentityToken,
    SecretStr,
    call,
    detected,
    not_detected,
)


@dataclass(frozen=True)
class Vault(IdentitySource):
    path: str = "/run/acme/identity.jwt"
    source: Literal["vault"] = "vault"

    title: ClassVar[str] = "Acme's vault"
    renewable: ClassVar[bool] = True

    @classmethod
    def detect(cls, context: Context) -> Detection:
        if "ACME_VAULT" in context.environ:
            return detected(cls(), "ACME_VAULT is set")
        return not_detected("vault", "ACME_VAULT is not set")

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        raw = yield from call(lambda: SecretStr(context.environ.expand(self.path).read_text()))
        return context.parse(self, raw, audience=context.audience)


print(Vault().title)
