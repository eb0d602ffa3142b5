"""`buildkite` and `circleci`: an OIDC token of a job, which a program of the CI system prints.

https://buildkite.com/docs/agent/v3/cli-oidc
https://circleci.com/docs/openid-connect-tokens/
"""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from ant_wif._http import Flow
from ant_wif.identity._subprocess import token_of_agent
from ant_wif.identity.source import Context, IdentitySource
from ant_wif.identity.token import IdentityToken


@dataclass(frozen=True)
class JobProgram(IdentitySource):
    """Asks a program on the PATH of the job, which requests a new token each time."""

    audience: str | None = None

    renewable: ClassVar[bool] = True
    missing: ClassVar[str]
    """What to do where the program is not there."""

    @abstractmethod
    def command(self, audience: str) -> list[str]: ...

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        audience = self.audience or context.audience
        raw = yield from token_of_agent(self.command(audience), context.environ, missing=self.missing)
        return context.parse(self, raw, audience=audience)


@dataclass(frozen=True)
class Buildkite(JobProgram):
    """Asks the `buildkite-agent` of the job, which requests a new token each time."""

    source: Literal["buildkite"] = "buildkite"

    title: ClassVar[str] = "Buildkite OIDC"
    signs: ClassVar[tuple[str, ...]] = ("BUILDKITE",)
    missing: ClassVar[str] = (
        "the agent puts `buildkite-agent` on the PATH of its jobs: in a container, mount it "
        "(with the docker plugin: mount-buildkite-agent: true)"
    )

    def command(self, audience: str) -> list[str]:
        return ["buildkite-agent", "oidc", "request-token", "--audience", audience]


@dataclass(frozen=True)
class CircleCI(JobProgram):
    """Asks the `circleci` program of the job for a token with an audience of one's own, a new one each time."""

    source: Literal["circleci"] = "circleci"

    title: ClassVar[str] = "CircleCI OIDC"
    signs: ClassVar[tuple[str, ...]] = ("CIRCLECI",)
    missing: ClassVar[str] = (
        "CircleCI puts `circleci` on the PATH of its jobs: check that the step does not reset PATH, "
        "and that it does not run in a container of its own"
    )

    def command(self, audience: str) -> list[str]:
        return ["circleci", "run", "oidc", "get", "--claims", json.dumps({"aud": audience}), "--root-issuer"]
