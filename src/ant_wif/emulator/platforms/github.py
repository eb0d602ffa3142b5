"""GitHub Actions: a job with `id-token: write` on the main branch of acme/app."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.protocol import Refusal, bearer, json_response
from ant_wif.emulator._issuers import Folder, IdentityProvider

_OWNER = "acme"
_REPOSITORY = f"{_OWNER}/app"
_REF = "refs/heads/main"
_WORKFLOW = f"{_REPOSITORY}/.github/workflows/ci.yml@{_REF}"
_SHA = "6f1e0d5c3b2a49788796a5b4c3d2e1f00f1e2d3c"
_RUN_ID = "17283940561"
_OWNER_ID, _REPOSITORY_ID = "90210", "734201985"
_CLASSIC, _IMMUTABLE = f"repo:{_REPOSITORY}", f"repo:{_OWNER}@{_OWNER_ID}/app@{_REPOSITORY_ID}"
_CONTEXT = f"ref:{_REF}"
# GitHub dates its tokens back, for relying parties whose clock is late.
_BACKDATED_SECONDS = 600


class EmulatedGitHub(IdentityProvider):
    name = "github"
    source = "github_actions"
    real_issuer = "https://token.actions.githubusercontent.com"
    subject = f"{_CLASSIC}:{_CONTEXT}"
    immutable: ClassVar[bool] = False
    lifetime_seconds = 300

    def __init__(self, clock: Callable[[], float], folder: Folder) -> None:
        super().__init__(clock, folder)
        self.uses_immutable_subjects = self.immutable
        self.include_claim_keys: tuple[str, ...] = ()

    def claims(self, now: int) -> dict[str, object]:
        return {"iss": self.issuer_url, "sub": self._subject(), **self._claims(now)}

    def _subject(self) -> str:
        """Return `sub` of the job, made of the parts that the repository has chosen."""
        claims = self._claims(0)
        parts = {"repo": self._repository, "context": _CONTEXT}
        keys = self.include_claim_keys or ("repo", "context")
        return ":".join(parts[key] if key in parts else f"{key}:{_escaped(claims.get(key, ''))}" for key in keys)

    def _claims(self, now: int) -> dict[str, object]:
        return {
            "jti": str(uuid.uuid4()),
            "iat": now,
            "nbf": now - _BACKDATED_SECONDS,
            "repository": _REPOSITORY,
            "repository_id": _REPOSITORY_ID,
            "repository_owner": _OWNER,
            "repository_owner_id": _OWNER_ID,
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

    @property
    def _repository(self) -> str:
        return _IMMUTABLE if self.uses_immutable_subjects else _CLASSIC

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
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self._secret,
        }

    def own_routes(self) -> list[Route]:
        settings = f"/{self.name}/api/repos/{_REPOSITORY}/actions/oidc/customization/sub"
        return [
            Route(f"/{self.name}/token", self._token, methods=["GET"]),
            Route(settings, self._settings, methods=["GET"]),
        ]

    async def _token(self, request: Request) -> Response:
        if not self.is_secret(bearer(request)):
            raise Refusal(401, "The request token is missing or not this job's")
        audience = request.query_params.get("audience") or f"https://github.com/{_OWNER}"
        token = self.mint(claims={"aud": audience})
        return json_response({"value": token, "count": len(token)})

    async def _settings(self, request: Request) -> Response:
        """What the REST API says of the repository's subjects. Any token will do."""
        if not bearer(request):
            return json_response({"message": "Requires authentication", "status": "401"}, status=401)
        return json_response(
            {
                "use_default": not self.include_claim_keys,
                "include_claim_keys": list(self.include_claim_keys),
                "use_immutable_subject": self.uses_immutable_subjects,
                "sub_claim_prefix": self._repository,
            }
        )


class EmulatedImmutableGitHub(EmulatedGitHub):
    """A repository of today: its subjects name it with its numbers."""

    name = "github-immutable"
    subject = f"{_IMMUTABLE}:{_CONTEXT}"
    immutable = True


def _escaped(value: object) -> str:
    """What separates the parts of a subject is escaped in them."""
    return str(value).replace(":", "%3A")
