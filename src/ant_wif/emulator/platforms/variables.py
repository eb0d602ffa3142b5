"""Platforms whose jobs begin with their token in a variable: a row each, for a job on the main branch of acme/app."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ant_wif.emulator._issuers import Folder, IdentityProvider
from ant_wif.rules import DEFAULT_AUDIENCE

_SHA = "6f1e0d5c3b2a49788796a5b4c3d2e1f00f1e2d3c"
_REPOSITORY = "{8f3c1b7a-5d2e-4c69-9a40-7be1d2c3f4a5}"
_STEP = "{0d9e8f7a-6b5c-4d3e-8f2a-1b0c9d8e7f6a}"
_PIPELINE = "{4c5d6e7f-8091-4a2b-9c3d-4e5f60718293}"
_WORKSPACE = "{b1c2d3e4-f5a6-4789-8abc-def012345678}"
_SEMAPHORE_PROJECT = "936a5312-a3b8-4921-8b3f-2cec8baac574"


@dataclass(frozen=True)
class VariableJob:
    """What a job has beside the `variable` of its token, and what the token says beside the usual claims."""

    name: str
    variable: str
    subject: str
    claims: Mapping[str, object]
    environment: Mapping[str, str]
    real_issuer: str | None = None
    accepted_subject: str | None = None
    accepted_claims: Mapping[str, str] = field(default_factory=dict)
    audience: str = DEFAULT_AUDIENCE
    single_use: bool = True
    omitted: frozenset[str] = field(default=frozenset())


JOBS = (
    VariableJob(
        "gitlab", "ANTHROPIC_ID_TOKEN", "project_path:acme/app:ref_type:branch:ref:main",
        {
            "namespace_id": "9042", "namespace_path": "acme", "project_id": "7342019", "project_path": "acme/app",
            "project_visibility": "private", "user_id": "583231", "user_login": "ada",
            "user_email": "ada@acme.example", "user_access_level": "developer", "pipeline_id": "1382094417",
            "pipeline_source": "push", "job_id": "7283940561", "ref": "main", "ref_type": "branch",
            "ref_path": "refs/heads/main", "ref_protected": "true", "groups_direct": ["acme"],
            "runner_id": 12270837, "runner_environment": "gitlab-hosted", "sha": _SHA,
            "ci_config_ref_uri": "gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main", "ci_config_sha": _SHA,
        },
        {
            "GITLAB_CI": "true", "GITLAB_USER_LOGIN": "ada", "CI_COMMIT_BRANCH": "main", "CI_COMMIT_REF_NAME": "main",
            "CI_COMMIT_SHA": _SHA, "CI_JOB_ID": "7283940561", "CI_JOB_NAME": "test", "CI_PIPELINE_ID": "1382094417",
            "CI_PIPELINE_SOURCE": "push", "CI_PROJECT_ID": "7342019", "CI_PROJECT_NAMESPACE": "acme",
            "CI_PROJECT_PATH": "acme/app", "CI_SERVER_HOST": "gitlab.com", "CI_SERVER_URL": "https://gitlab.com",
        },
        real_issuer="https://gitlab.com",
    ),
    VariableJob(
        "bitbucket", "BITBUCKET_STEP_OIDC_TOKEN", f"{_REPOSITORY}:{_STEP}",
        {
            "accountUuid": _WORKSPACE, "workspaceUuid": _WORKSPACE, "repositoryUuid": _REPOSITORY,
            "pipelineUuid": _PIPELINE, "stepUuid": _STEP, "branchName": "main",
        },
        {
            "BITBUCKET_BRANCH": "main", "BITBUCKET_BUILD_NUMBER": "42", "BITBUCKET_COMMIT": _SHA,
            "BITBUCKET_PIPELINE_UUID": _PIPELINE, "BITBUCKET_REPO_FULL_NAME": "acme/app",
            "BITBUCKET_REPO_UUID": _REPOSITORY, "BITBUCKET_STEP_UUID": _STEP, "BITBUCKET_WORKSPACE": "acme",
        },
        # The subject names repository and step, and no branch.
        accepted_subject=f"{_REPOSITORY}:*",
        accepted_claims={"branchName": "main"},
        # The vendor's list of claims has no `jti` and no `nbf`.
        single_use=False,
        omitted=frozenset({"nbf"}),
    ),
    VariableJob(
        "terraform_cloud", "TFC_WORKLOAD_IDENTITY_TOKEN",
        "organization:acme:project:Default Project:workspace:app:run_phase:apply",
        {
            "terraform_organization_id": "org-GRNbCjYNpBB6NEBH", "terraform_organization_name": "acme",
            "terraform_project_id": "prj-vegSA59s1XPwMr2t", "terraform_project_name": "Default Project",
            "terraform_workspace_id": "ws-mbsd5E3Ktt5Rg2Xm", "terraform_workspace_name": "app",
            "terraform_full_workspace": "organization:acme:project:Default Project:workspace:app",
            "terraform_run_id": "run-X3n1AUXNGWbfECsJ", "terraform_run_phase": "apply",
        },
        {
            "TFC_RUN_ID": "run-X3n1AUXNGWbfECsJ", "TFC_PROJECT_NAME": "Default Project", "TFC_WORKSPACE_NAME": "app",
            "TFC_WORKSPACE_SLUG": "acme/app", "TFC_CONFIGURATION_VERSION_GIT_BRANCH": "main",
            "TFC_CONFIGURATION_VERSION_GIT_COMMIT_SHA": _SHA,
        },
        real_issuer="https://app.terraform.io",
    ),
    VariableJob(
        "spacelift", "SPACELIFT_OIDC_TOKEN", "space:legacy:stack:app:run_type:TRACKED:scope:write",
        {
            "spaceId": "legacy", "callerType": "stack", "callerId": "app", "runType": "TRACKED",
            "runId": "01J9ZK3V5W7X8Y9Z0A1B2C3D4E", "scope": "write",
        },
        {
            "TF_VAR_spacelift_account_name": "acme", "TF_VAR_spacelift_run_id": "01J9ZK3V5W7X8Y9Z0A1B2C3D4E",
            "TF_VAR_spacelift_run_type": "TRACKED", "TF_VAR_spacelift_stack_id": "app",
        },
        audience="acme.app.spacelift.io",
    ),
    VariableJob(
        "semaphore", "SEMAPHORE_OIDC_TOKEN",
        f"org:acme:project:{_SEMAPHORE_PROJECT}:repo:app:ref_type:branch:ref:refs/heads/main",
        {
            "branch": "main", "ref": "refs/heads/main", "ref_type": "branch", "repo": "app", "repo_slug": "acme/app",
            "org": "acme", "org_id": "d7dd33ad-9317-498c-9cc6-51c250749be7", "prj": "app", "prj_id": _SEMAPHORE_PROJECT,
            "wf_id": "1be81412-6ab8-4fc0-9d0d-7af33335a6ec", "ppl_id": "1e1fcfb5-09c0-487e-b051-2d0b5514c42a",
            "job_type": "pipeline_job", "job_id": "c117e453-1189-4eaf-b03a-dd6538eb49b2", "trg": "h:f-i:f",
        },
        {
            "SEMAPHORE": "true", "SEMAPHORE_GIT_BRANCH": "main", "SEMAPHORE_GIT_REPO_SLUG": "acme/app",
            "SEMAPHORE_GIT_SHA": _SHA, "SEMAPHORE_JOB_ID": "c117e453-1189-4eaf-b03a-dd6538eb49b2",
            "SEMAPHORE_ORGANIZATION_URL": "https://acme.semaphoreci.com", "SEMAPHORE_PROJECT_ID": _SEMAPHORE_PROJECT,
            "SEMAPHORE_PROJECT_NAME": "app",
        },
        audience="https://acme.semaphoreci.com",
    ),
    VariableJob(
        "vercel", "VERCEL_OIDC_TOKEN", "owner:acme:project:app:environment:production",
        {
            "scope": "owner:acme:project:app:environment:production", "owner": "acme",
            "owner_id": "team_7Gw5ZMzpQA8h90F832KGp7nw", "project": "app", "environment": "production",
            "project_id": "prj_7Gw5ZMBvQA8h9GF832KGp7nwbuh3",
        },
        {
            "VERCEL": "1", "VERCEL_ENV": "production", "VERCEL_GIT_COMMIT_REF": "main", "VERCEL_GIT_COMMIT_SHA": _SHA,
            "VERCEL_PROJECT_ID": "prj_7Gw5ZMBvQA8h9GF832KGp7nwbuh3",
        },
        audience="https://vercel.com/acme",
        single_use=False,
    ),
)  # fmt: skip


class EmulatedVariable(IdentityProvider):
    """A platform of a row. A token is issued when the job begins, and no other one."""

    job: ClassVar[VariableJob]
    lifetime_seconds = 3600

    def claims(self, now: int) -> dict[str, object]:
        usual = {**super().claims(now), "nbf": now - 5}
        if self.job.single_use:
            usual["jti"] = str(uuid.uuid4())
        return {name: value for name, value in usual.items() if name not in self.job.omitted} | dict(self.job.claims)

    def environment(self) -> dict[str, str]:
        return {"CI": "true", **self.job.environment, self.job.variable: self.mint()}


def variable_platforms(clock: Callable[[], float], folder: Folder) -> list[IdentityProvider]:
    """Return one platform for each row."""
    return [_provider_of(job)(clock, folder) for job in JOBS]


def _provider_of(job: VariableJob) -> type[EmulatedVariable]:
    members = {
        "job": job, "name": job.name, "source": job.name, "subject": job.subject, "real_issuer": job.real_issuer,
        "accepted_subject": job.accepted_subject, "accepted_claims": job.accepted_claims,
        "audience": job.audience,
    }  # fmt: skip
    return type(f"Emulated{job.name.title().replace('_', '')}", (EmulatedVariable,), members)
