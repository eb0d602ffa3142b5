"""`buildkite`: an OIDC token of a Buildkite job.

https://buildkite.com/docs/agent/v3/cli-oidc
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ant_wif._http import Flow
from ant_wif.identity._subprocess import token_of_agent
from ant_wif.identity.source import Context, Detection, IdentitySource, detected, not_detected
from ant_wif.identity.token import IdentityToken

__all__ = ["Buildkite"]


@dataclass(frozen=True)
class Buildkite(IdentitySource):
    """Asks the `buildkite-agent` of the job, which requests a new token each time."""

    audience: str | None = None
    source: Literal["buildkite"] = "buildkite"

    title: ClassVar[str] = "Buildkite OIDC"
    renewable: ClassVar[bool] = True

    @classmethod
    def detect(cls, context: Context) -> Detection:
        if "BUILDKITE" not in context.environ:
            return not_detected("buildkite", "BUILDKITE is not set")
        return detected(cls(), "BUILDKITE is set")

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        audience = self.audience or context.audience
        command = ["buildkite-agent", "oidc", "request-token", "--audience", audience]
        raw = yield from token_of_agent(
            command,
            context.environ,
            missing="the agent puts `buildkite-agent` on the PATH of its jobs: in a container, mount it "
            "(with the docker plugin: mount-buildkite-agent: true)",
        )
        return context.parse(self, raw, audience=audience)
