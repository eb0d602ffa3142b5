"""GitLab CI: a job with `id_tokens: ANTHROPIC_ID_TOKEN`, on the main branch of acme/app."""

from __future__ import annotations

import uuid

from starlette.routing import Route

from ant_wif.emulator._issuers.provider import IdentityProvider

_GROUP = "acme"
_PROJECT = f"{_GROUP}/app"
_SHA = "6f1e0d5c3b2a49788796a5b4c3d2e1f00f1e2d3c"
_SERVER = "https://gitlab.com"


class EmulatedGitLab(IdentityProvider):
    name = "gitlab"
    source = "gitlab"
    real_issuer = "https://gitlab.com"
    subject = f"project_path:{_PROJECT}:ref_type:branch:ref:main"
    lifetime_seconds = 3600

    def claims(self, now: int) -> dict[str, object]:
        return {
            "iss": self.issuer_url,
            "sub": self.subject,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "nbf": now - 5,
            "namespace_id": "9042",
            "namespace_path": _GROUP,
            "project_id": "7342019",
            "project_path": _PROJECT,
            "project_visibility": "private",
            "user_id": "583231",
            "user_login": "ada",
            "user_email": "ada@acme.example",
            "user_access_level": "developer",
            "pipeline_id": "1382094417",
            "pipeline_source": "push",
            "job_id": "7283940561",
            "ref": "main",
            "ref_type": "branch",
            "ref_path": "refs/heads/main",
            "ref_protected": "true",
            "groups_direct": [_GROUP],
            "runner_id": 12270837,
            "runner_environment": "gitlab-hosted",
            "sha": _SHA,
            "ci_config_ref_uri": f"gitlab.com/{_PROJECT}//.gitlab-ci.yml@refs/heads/main",
            "ci_config_sha": _SHA,
        }

    def environment(self) -> dict[str, str]:
        return {
            "CI": "true",
            "GITLAB_CI": "true",
            "GITLAB_USER_LOGIN": "ada",
            "CI_COMMIT_BRANCH": "main",
            "CI_COMMIT_REF_NAME": "main",
            "CI_COMMIT_SHA": _SHA,
            "CI_JOB_ID": "7283940561",
            "CI_JOB_NAME": "test",
            "CI_PIPELINE_ID": "1382094417",
            "CI_PIPELINE_SOURCE": "push",
            "CI_PROJECT_ID": "7342019",
            "CI_PROJECT_NAMESPACE": _GROUP,
            "CI_PROJECT_PATH": _PROJECT,
            "CI_SERVER_HOST": "gitlab.com",
            "CI_SERVER_URL": _SERVER,
            # Minted when the job begins, as GitLab does: there is no way to get another.
            "ANTHROPIC_ID_TOKEN": self.mint(now=self._clock()),
        }

    def own_routes(self) -> list[Route]:
        return []
