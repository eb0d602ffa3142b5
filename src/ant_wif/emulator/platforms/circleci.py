"""CircleCI: a job of acme/app, and the `circleci` program that gets it tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

from starlette.routing import Route

from ant_wif.emulator.platforms._cli_shim import CommandProvider, Outcome, UsageError, Words

_ORGANIZATION = "8f0e4c1a-77b1-4d3e-9a55-2f6f0c9d1e01"
_PROJECT = "1c5e7b90-3f2d-4a86-b0c4-5d8e6f7a9b02"
_USER = "b7a1d2c3-0e4f-4958-8697-a8b9cadbec03"
_JOB = "4d9c2e61-5b70-4f8a-9e13-6a7b8c9d0e04"
_PIPELINE = "5e0d3f72-6c81-4a9b-8f24-7b8c9d0e1f05"
_WORKFLOW = "6f1e4083-7d92-4bac-9035-8c9d0e1f2a06"
_ORIGIN = "github.com/acme/app"
_REF = "refs/heads/main"


class EmulatedCircleCI(CommandProvider):
    name = "circleci"
    source = "circleci"
    program = "circleci"
    subject = f"org/{_ORGANIZATION}/project/{_PROJECT}/user/{_USER}"
    # Any user's push may run the job.
    accepted_subject = f"org/{_ORGANIZATION}/project/{_PROJECT}/*"
    accepted_claims: ClassVar[Mapping[str, str]] = {"oidc.circleci.com/vcs-ref": _REF}
    lifetime_seconds = 3600

    def claims(self, now: int) -> dict[str, object]:
        # There is no `jti`: these tokens may be exchanged again.
        return {
            "iss": self.issuer_url,
            "sub": self.subject,
            "iat": now,
            "oidc.circleci.com/org-id": _ORGANIZATION,
            "oidc.circleci.com/project-id": _PROJECT,
            "oidc.circleci.com/pipeline-id": _PIPELINE,
            "oidc.circleci.com/workflow-id": _WORKFLOW,
            "oidc.circleci.com/job-id": _JOB,
            "oidc.circleci.com/context-ids": [],
            "oidc.circleci.com/ssh-rerun": False,
            "oidc.circleci.com/vcs-origin": _ORIGIN,
            "oidc.circleci.com/vcs-ref": _REF,
        }

    def environment(self) -> dict[str, str]:
        version_2: dict[str, object] = {"sub": f"{self.subject}/vcs-origin/{_ORIGIN}/vcs-ref/{_REF}"}
        return {
            "CI": "true",
            "CIRCLECI": "true",
            "CIRCLE_BRANCH": "main",
            "CIRCLE_BUILD_NUM": "42",
            "CIRCLE_JOB": "test",
            "CIRCLE_ORGANIZATION_ID": _ORGANIZATION,
            "CIRCLE_PIPELINE_ID": _PIPELINE,
            "CIRCLE_PROJECT_ID": _PROJECT,
            "CIRCLE_PROJECT_REPONAME": "app",
            "CIRCLE_PROJECT_USERNAME": "acme",
            "CIRCLE_WORKFLOW_ID": _WORKFLOW,
            "CIRCLE_WORKFLOW_JOB_ID": _JOB,
            # Neither has an audience or an issuer that the seeded rule accepts, as in reality.
            "CIRCLE_OIDC_TOKEN": self._token({}, root_issuer=False),
            "CIRCLE_OIDC_TOKEN_V2": self._token(version_2, root_issuer=False),
            "PATH": self.search_path(),
        }

    def own_routes(self) -> list[Route]:
        return [*self.document_routes(f"{self.issuer_path}/org/{_ORGANIZATION}"), *super().own_routes()]

    def run(self, arguments: list[str]) -> Outcome:
        if arguments[:3] != ["run", "oidc", "get"]:
            return Outcome(stderr="Error: only `circleci run oidc get` is emulated\n", status=255)
        words = Words()
        words.add_argument("--claims", default="{}")
        words.add_argument("--root-issuer", action="store_true")
        try:
            asked = words.parse_args(arguments[3:])
            token = self._token(_custom_claims(asked.claims), root_issuer=asked.root_issuer)
        except UsageError as error:
            return Outcome(stderr=f"Error: {error}\n", status=255)
        return Outcome(stdout=f"{token}\n")

    def _token(self, claims: dict[str, object], *, root_issuer: bool) -> str:
        own = {} if root_issuer else {"iss": f"{self.issuer_url}/org/{_ORGANIZATION}"}
        return self.mint(now=self._clock(), claims={"aud": _ORGANIZATION, **own, **claims})


def _custom_claims(text: str) -> dict[str, object]:
    try:
        claims = json.loads(text)
    except ValueError:
        raise UsageError("claims is not valid JSON") from None
    if not isinstance(claims, dict) or not set(claims) <= {"aud"}:
        raise UsageError("claims must be a JSON object, and aud is the only claim that can be customized")
    audience = claims.get("aud", "-")
    names = audience if isinstance(audience, list) else [audience]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise UsageError("aud must be a string or a list of strings")
    return claims
