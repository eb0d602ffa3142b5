"""`gitlab`: the ID token that a GitLab CI job declares under `id_tokens:`.

https://docs.gitlab.com/ci/secrets/id_token_authentication/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ant_wif._http import Flow
from ant_wif._secrets import SecretStr, sanitize_path
from ant_wif.errors import IdentitySourceError
from ant_wif.identity.source import Context, Detection, IdentitySource, detected, not_detected
from ant_wif.identity.token import IdentityToken

__all__ = ["GitLab"]


@dataclass(frozen=True)
class GitLab(IdentitySource):
    """The variable that the job's `id_tokens:` fills. GitLab fills it once, when the job starts."""

    variable: str = "ANTHROPIC_ID_TOKEN"
    source: Literal["gitlab"] = "gitlab"

    title: ClassVar[str] = "GitLab CI ID token"

    @classmethod
    def detect(cls, context: Context) -> Detection:
        if "GITLAB_CI" not in context.environ:
            return not_detected("gitlab", "GITLAB_CI is not set")
        return detected(cls(), "GITLAB_CI is set")

    def unmet(self, context: Context) -> IdentitySourceError | None:
        if self.variable in context.environ:
            return None
        name = sanitize_path(self.variable)
        return IdentitySourceError(
            f"this GitLab CI job has no ID token: the variable {name} is not set",
            hint=f"add to the job: id_tokens: {{{name}: {{aud: {context.audience}}}}}",
        )

    def asks_for(self, context: Context) -> str:
        del context
        return sanitize_path(self.variable)

    def at_hand(self, context: Context) -> SecretStr | None:
        return SecretStr(context.environ[self.variable]) if self.variable in context.environ else None

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        yield from ()
        unmet = self.unmet(context)
        if unmet:
            raise unmet
        # The job's file says which audience it declared, so it is compared with what is expected.
        return context.parse(self, SecretStr(context.environ[self.variable]), audience=context.audience)
