"""GitHub Actions: a job with `id-token: write` on the main branch of acme/app."""

from __future__ import annotations

import hmac
import secrets
import time
import uuid
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.protocol import Refusal, bearer, json_response
from ant_wif.emulator._issuers.provider import Folder, IdentityProvider

_OWNER = "acme"
_REPOSITORY = f"{_OWNER}/app"
_REF = "refs/heads/main"
_WORKFLOW = f"{_REPOSITORY}/.github/workflows/ci.yml@{_REF}"
_SHA = "6f1e0d5c3b2a49788796a5b4c3d2e1f00f1e2d3c"
_RUN_ID = "17283940561"
# GitHub dates its tokens back, for relying parties whose clock is late.
_BACKDATED_SECONDS = 600


class EmulatedGitHub(IdentityProvider):
    name = "github"
    source = "github_actions"
    real_issuer = "https://token.actions.githubusercontent.com"
    subject = f"repo:{_REPOSITORY}:ref:{_REF}"
    lifetime_seconds = 300

    def __init__(self, clock: Callable[[], float] = time.time, folder: Folder | None = None) -> None:
        super().__init__(clock, folder)
        self._request_token = secrets.token_urlsafe(48)

    def claims(self, now: int) -> dict[str, object]:
        return {
            "iss": self.issuer_url,
            "sub": self.subject,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "nbf": now - _BACKDATED_SECONDS,
            "repository": _REPOSITORY,
            "repository_id": "734201985",
            "repository_owner": _OWNER,
            "repository_owner_id": "90210",
            "repository_visibility": "private",
            "ref": _REF,
            "ref_type": "branch",
            "ref_protected": "true",
            "sha": _SHA,
            "workflow": "ci",
            "workflow_ref": _WORKFLOW,
            "workflow_sha": _SHA,
            "job_workflow_ref": _WORKFLOW,
            "job_workflow_sha": _SHA,
            "run_id": _RUN_ID,
            "run_number": "42",
            "run_attempt": "1",
            "actor": "octocat",
            "actor_id": "583231",
            "event_name": "push",
            "head_ref": "",
            "base_ref": "",
            "runner_environment": "github-hosted",
        }

    def environment(self) -> dict[str, str]:
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "octocat",
            "GITHUB_API_URL": "https://api.github.com",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_JOB": "test",
            "GITHUB_REF": _REF,
            "GITHUB_REF_NAME": "main",
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_REPOSITORY": _REPOSITORY,
            "GITHUB_REPOSITORY_OWNER": _OWNER,
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": _RUN_ID,
            "GITHUB_RUN_NUMBER": "42",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": _SHA,
            "GITHUB_WORKFLOW": "ci",
            "GITHUB_WORKFLOW_REF": _WORKFLOW,
            "RUNNER_ENVIRONMENT": "github-hosted",
            # The real one has a query, too: a client must add its parameter, not a question mark.
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.issuer_url}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self._request_token,
        }

    def own_routes(self) -> list[Route]:
        return [Route(f"/{self.name}/token", self._token, methods=["GET"])]

    async def _token(self, request: Request) -> Response:
        presented = bearer(request) or ""
        if not hmac.compare_digest(presented.encode(), self._request_token.encode()):
            raise Refusal(401, "The request token is missing or not this job's")
        audience = request.query_params.get("audience") or f"https://github.com/{_OWNER}"
        token = self.mint(now=self._clock(), claims={"aud": audience})
        return json_response({"value": token, "count": len(token)})
