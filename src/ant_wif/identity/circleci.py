"""`circleci`: an OIDC token of a CircleCI job, with an audience of one's own.

https://circleci.com/docs/openid-connect-tokens/
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Literal

from ant_wif._http import Flow
from ant_wif.identity._subprocess import token_of_agent
from ant_wif.identity.source import Context, Detection, IdentitySource, detected, not_detected
from ant_wif.identity.token import IdentityToken

__all__ = ["CircleCI"]


@dataclass(frozen=True)
class CircleCI(IdentitySource):
    """Asks the `circleci` program of the job, which issues a new token each time."""

    audience: str | None = None
    source: Literal["circleci"] = "circleci"

    title: ClassVar[str] = "CircleCI OIDC"
    renewable: ClassVar[bool] = True

    @classmethod
    def detect(cls, context: Context) -> Detection:
        if "CIRCLECI" not in context.environ:
            return not_detected("circleci", "CIRCLECI is not set")
        return detected(cls(), "CIRCLECI is set")

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        audience = self.audience or context.audience
        command = ["circleci", "run", "oidc", "get", "--claims", json.dumps({"aud": audience}), "--root-issuer"]
        raw = yield from token_of_agent(
            command,
            context.environ,
            missing="CircleCI puts `circleci` on the PATH of its jobs: check that the step does not reset PATH, "
            "and that it does not run in a container of its own",
        )
        return context.parse(self, raw, audience=audience)
