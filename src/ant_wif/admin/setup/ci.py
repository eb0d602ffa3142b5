"""CI systems, one function each, and `oidc` for any other issuer: what accepts the jobs of one pipeline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from ant_wif._constants import DEFAULT_AUDIENCE
from ant_wif._secrets import quoted, sanitize
from ant_wif.admin.setup.models import (
    WorkloadIdentity,
    issuer_address,
    path_of_address,
    public_keys,
    required,
    slug,
)
from ant_wif.errors import ConfigurationError

__all__ = [
    "GITLAB_URL",
    "azure_pipelines",
    "bitbucket",
    "buildkite",
    "circleci",
    "gitlab",
    "gitlab_project_of",
    "oidc",
    "spacelift",
    "terraform_cloud",
]

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SLUG = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9_])?"
# git-check-ref-format(1), without what a pipeline file would have to escape.
_REF = r"(?!/)(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)|/$|\.$))[^\x00-\x20\x7f~^:?*\[\]\\\"'`${}|&;<>()%!,]{1,244}"
# A part of a subject, in which a colon would begin the next part.
_NAME = r"[^\s:*?/\"'`$\\{}]+(?: [^\s:*?/\"'`$\\{}]+)*"

GITLAB_URL = "https://gitlab.com"
"""The issuer of the identity tokens of GitLab CI on gitlab.com."""

Ref = tuple[str, str]
"""`branch` or `tag`, and its name."""


def gitlab_project_of(text: str, issuer_url: str = GITLAB_URL) -> str:
    """Return GROUP/NAME of a project whose address is given; any other text unchanged. Raises ConfigurationError."""
    own = "give --issuer-url https://HOST, if that is a self-managed GitLab"
    return path_of_address(text, issuer_address(issuer_url), elsewhere=own)


def gitlab(
    *,
    project: str,
    branch: str | None = None,
    tag: str | None = None,
    environment: str | None = None,
    issuer_url: str = GITLAB_URL,
) -> WorkloadIdentity:
    """Return what accepts the jobs of a project for one branch or tag: https://docs.gitlab.com/ci/secrets/id_token_authentication/

    `project` is GROUP/NAME with all groups above. `issuer_url` is the URL of a self-managed instance.

    Raises:
        ConfigurationError: an option is not valid, or cannot be combined with another.
    """
    required(project, rf"{_SLUG}(?:/{_SLUG})+", what="a project", expected="GROUP/NAME")
    kind, name = _ref(branch, tag)
    claims = {"project_path": project, "ref": name, "ref_type": kind}
    if environment is not None:
        claims["environment"] = required(
            environment, r"[\w/${}. -]{1,255}", what="an environment", expected="its name as GitLab shows it"
        )
    return WorkloadIdentity(
        platform="gitlab",
        issuer_name=_issuer_name("gitlab", issuer_url),
        issuer_url=issuer_address(issuer_url).rstrip("/"),
        name=slug("gitlab", project.replace("/", " "), environment or "", name),
        subject=f"project_path:{project}:ref_type:{kind}:ref:{name}",
        claims=claims,
        told_apart_by=frozenset({"environment"}),
        job={kind: name, **({"environment": environment} if environment is not None else {})},
        notes=(
            "A user who can push to this ref can run a job with this identity: protect it in the project's settings.",
            "A project can change its subjects (ci_id_token_sub_claim_components): `ant identity claims` in a job "
            "prints `sub`.",
        ),
    )


def circleci(
    *,
    organization_id: str,
    project_id: str,
    branch: str | None = None,
    tag: str | None = None,
    issuer_url: str = "https://oidc.circleci.com",
) -> WorkloadIdentity:
    """Return what accepts the jobs of a project for one branch or tag: https://circleci.com/docs/openid-connect-tokens/

    Both ids are UUIDs. The subject ends with the user who pushed, so it is a prefix.

    Raises:
        ConfigurationError: an option is not valid, or cannot be combined with another.
    """
    organization_id, project_id = _uuid(organization_id, "an organization id"), _uuid(project_id, "a project id")
    kind, name = _ref(branch, tag)
    return WorkloadIdentity(
        platform="circleci",
        issuer_name=_issuer_name("circleci", issuer_url),
        issuer_url=issuer_address(issuer_url).rstrip("/"),
        name=slug("circleci", project_id, name),
        subject=f"org/{organization_id}/project/{project_id}/*",
        claims={
            "oidc.circleci.com/org-id": organization_id,
            "oidc.circleci.com/project-id": project_id,
            "oidc.circleci.com/vcs-ref": f"refs/{'tags' if kind == 'tag' else 'heads'}/{name}",
        },
        told_apart_by=frozenset({"oidc.circleci.com/vcs-ref"}),
        job={kind: name},
        notes=(
            "A job that is run again over SSH has the same subject: its claim oidc.circleci.com/ssh-rerun is true.",
        ),
    )


def buildkite(
    *,
    organization: str,
    pipeline: str,
    branch: str | None = None,
    tag: str | None = None,
    issuer_url: str = "https://agent.buildkite.com",
) -> WorkloadIdentity:
    """Return what accepts the jobs of a pipeline for one branch or tag: https://buildkite.com/docs/agent/v3/cli-oidc

    `organization` and `pipeline` are the slugs in the pipeline's URL.

    Raises:
        ConfigurationError: an option is not valid, or cannot be combined with another.
    """
    for text, what in ((organization, "an organization"), (pipeline, "a pipeline")):
        required(text, r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", what=what, expected="its slug, as in the pipeline's URL")
    kind, name = _ref(branch, tag)
    ref = f"refs/{'tags' if kind == 'tag' else 'heads'}/{name}"
    return WorkloadIdentity(
        platform="buildkite",
        issuer_name=_issuer_name("buildkite", issuer_url),
        issuer_url=issuer_address(issuer_url).rstrip("/"),
        name=slug("buildkite", organization, pipeline, name),
        subject=f"organization:{organization}:pipeline:{pipeline}:ref:{ref}:commit:*",
        claims={
            "organization_slug": organization,
            "pipeline_slug": pipeline,
            **({"build_branch": name} if kind == "branch" else {"build_tag": name}),
        },
        job={kind: name},
        notes=(
            "If the pipeline builds pull requests from forks, keep `Prefix third-party fork branch names` enabled: "
            f"otherwise a fork's {kind} {name} has the same subject.",
        ),
    )


def azure_pipelines(
    *,
    organization: str,
    project: str,
    connection: str,
    organization_id: str | None = None,
    tenant: str | None = None,
    issuer_url: str | None = None,
    subject: str | None = None,
    branch: str = "main",
) -> WorkloadIdentity:
    """Return what accepts the tokens of one service connection.

    https://learn.microsoft.com/azure/devops/pipelines/release/configure-workload-identity

    `organization_id` gives the issuer of Azure DevOps, whose subject is `sc://ORGANIZATION/PROJECT/CONNECTION`.
    A connection whose tokens Entra ID issues needs `tenant` and `subject`, which its page in Azure DevOps shows.
    The `branch` is what the pipeline file runs for; the token does not name it.

    Raises:
        ConfigurationError: an option is not valid or missing.
    """
    for text, what in ((organization, "an organization"), (project, "a project"), (connection, "a service connection")):
        required(text, _NAME, what=what, expected="its name as Azure DevOps shows it")
    if issuer_url is None and tenant is not None:
        if subject is None:
            raise ConfigurationError(
                "an issuer of Entra ID needs the subject of the service connection",
                hint="pass --subject with the subject identifier that the service connection's page shows",
            )
        issuer_url = f"https://login.microsoftonline.com/{_uuid(tenant, 'a tenant')}/v2.0"
    elif issuer_url is None:
        if organization_id is None:
            raise ConfigurationError(
                "the issuer of the service connection is missing",
                hint="pass --devops-id, or --tenant with --subject: the service connection's page shows them",
            )
        issuer_url = f"https://vstoken.dev.azure.com/{_uuid(organization_id, 'an organization id')}"
    if subject is not None:
        required(subject, r"[^\s*?]{1,1024}", what="a subject", expected="the subject identifier of the connection")
    return WorkloadIdentity(
        platform="azure-pipelines",
        issuer_name=slug("azure-devops", organization_id or tenant or issuer_url.partition("://")[2]),
        issuer_url=issuer_address(issuer_url),
        name=slug("azure-pipelines", organization, project, connection),
        subject=subject or f"sc://{organization}/{project}/{connection}",
        audience="api://AzureADTokenExchange",
        job={"branch": _ref(branch, None)[1], "connection": connection},
        notes=(
            "The token names the service connection and not the branch. In the connection's Approvals and checks, add "
            f"Branch control for refs/heads/{branch}, and do not grant access to all pipelines.",
            "Entra ID accepts the same token: use a service connection that has no permissions in Azure.",
        ),
    )


def bitbucket(
    *,
    workspace: str,
    repository_id: str,
    branch: str | None = None,
    environment_id: str | None = None,
    environment: str | None = None,
    issuer_url: str | None = None,
) -> WorkloadIdentity:
    """Return what accepts the steps of a repository for one branch.

    https://support.atlassian.com/bitbucket-cloud/docs/integrate-pipelines-with-resource-servers-using-oidc/

    `repository_id` and `environment_id` are UUIDs, with or without braces, from the repository's settings (OpenID
    Connect). `environment` is the name of that deployment environment.

    Raises:
        ConfigurationError: an option is not valid, or cannot be combined with another.
    """
    required(workspace, r"[A-Za-z0-9_-]{1,128}", what="a Bitbucket workspace", expected="its ID, as in its URL")
    if (environment is None) != (environment_id is None):
        raise ConfigurationError(
            "a deployment environment needs its name and its UUID", hint="pass --environment and --environment-id"
        )
    repository = f"{{{_uuid(repository_id.strip('{}'), 'a repository UUID')}}}"
    name = _ref(branch, None)[1]
    claims, subject, job = {"repositoryUuid": repository, "branchName": name}, f"{repository}:*", {"branch": name}
    if environment is not None and environment_id is not None:
        deployment = f"{{{_uuid(environment_id.strip('{}'), 'an environment UUID')}}}"
        claims["deploymentEnvironmentUuid"] = deployment
        subject = f"{repository}:{deployment}:*"
        job["environment"] = required(
            environment, r"[\w .-]{1,255}", what="an environment", expected="its name as Bitbucket shows it"
        )
    default = f"https://api.bitbucket.org/2.0/workspaces/{workspace}/pipelines-config/identity/oidc"
    return WorkloadIdentity(
        platform="bitbucket",
        issuer_name=slug("bitbucket", workspace),
        issuer_url=issuer_address(issuer_url or default).rstrip("/"),
        name=slug("bitbucket", workspace, repository, environment or "", name),
        subject=subject,
        claims=claims,
        told_apart_by=frozenset({"branchName"}),
        job=job,
        notes=("The step has a token for this audience because it declares it under `oidc: audiences:`.",),
    )


def terraform_cloud(
    *,
    organization: str,
    project: str,
    workspace: str,
    phase: str | None = None,
    issuer_url: str = "https://app.terraform.io",
) -> WorkloadIdentity:
    """Return what accepts the runs of one workspace of HCP Terraform.

    https://developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/workload-identity-tokens

    `phase` is `plan` or `apply`; both are accepted without it. `issuer_url` is that of Terraform Enterprise.

    Raises:
        ConfigurationError: an option is not valid.
    """
    for text, what in ((organization, "an organization"), (project, "a project"), (workspace, "a workspace")):
        required(text, _NAME, what=f"{what} of HCP Terraform", expected="its name")
    if phase is not None:
        required(phase, "plan|apply", what="a run phase", expected="plan or apply")
    claims = {
        "terraform_organization_name": organization,
        "terraform_project_name": project,
        "terraform_workspace_name": workspace,
        **({"terraform_run_phase": phase} if phase is not None else {}),
    }
    return WorkloadIdentity(
        platform="terraform-cloud",
        issuer_name=_issuer_name("terraform", issuer_url),
        issuer_url=issuer_address(issuer_url).rstrip("/"),
        name=slug("terraform", organization, project, workspace, phase or ""),
        subject=f"organization:{organization}:project:{project}:workspace:{workspace}:run_phase:{phase or '*'}",
        claims=claims,
        job={"workspace": workspace, **({"phase": phase} if phase is not None else {})},
        notes=(
            "In the workspace, set the environment variable TFC_WORKLOAD_IDENTITY_AUDIENCE_ANTHROPIC to "
            f"{DEFAULT_AUDIENCE}, and the variables above.",
            *(() if phase else ("A speculative plan of a pull request is accepted too; --phase apply excludes it.",)),
        ),
    )


def spacelift(
    *,
    account: str,
    space: str,
    stack: str,
    run_type: str = "TRACKED",
    issuer_url: str | None = None,
) -> WorkloadIdentity:
    """Return what accepts the runs of one stack: https://docs.spacelift.io/integrations/cloud-providers/oidc/

    `account` is the first label of the account's host. Tokens have that host as their audience.

    Raises:
        ConfigurationError: an option is not valid.
    """
    required(account, r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", what="a Spacelift account", expected="its subdomain")
    for text, what in ((space, "a space"), (stack, "a stack")):
        required(text, r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}", what=what, expected="its ID, as in its URL")
    required(run_type, r"[A-Z_]{1,32}", what="a run type", expected="its name, e.g. TRACKED or PROPOSED")
    issuer_url = issuer_address(issuer_url or f"https://{account}.app.spacelift.io").rstrip("/")
    parts = urlsplit(issuer_url)
    host = f"{account}.app.spacelift.io" if parts.path else parts.netloc
    return WorkloadIdentity(
        platform="spacelift",
        issuer_name=slug("spacelift", account),
        issuer_url=issuer_url,
        name=slug("spacelift", account, stack, "" if run_type == "TRACKED" else run_type),
        subject=f"space:{space}:stack:{stack}:run_type:{run_type}:scope:*",
        claims={"spaceId": space, "callerType": "stack", "callerId": stack, "runType": run_type},
        audience=host,
        job={"stack": stack},
        notes=("A tracked run of this stack is planned and applied with this identity.",)
        if run_type == "TRACKED"
        else ("A proposed run executes code that is not merged yet.",),
    )


def oidc(
    *,
    issuer_url: str,
    subject: str,
    audience: str = DEFAULT_AUDIENCE,
    claims: Mapping[str, str] | None = None,
    name: str | None = None,
    jwks: Mapping[str, object] | None = None,
) -> WorkloadIdentity:
    """Return what accepts the tokens of any issuer with this subject, which may end with `*`.

    `jwks` is the issuer's key set, where the internet cannot reach it.

    Raises:
        ConfigurationError: an option is not valid.
    """
    stem = subject.removesuffix("*")
    if not stem or "*" in stem or not subject.isprintable() or subject != subject.strip():
        raise ConfigurationError(
            f"{quoted(subject, limit=128)} is not a valid subject: expected text, with at most one * at its end",
            hint="pass the `sub` claim that `ant identity claims` prints",
        )
    if not audience or not audience.isprintable():
        raise ConfigurationError("the audience is not valid: it is empty or not printable", hint="correct --audience")
    host = urlsplit(issuer_address(issuer_url)).hostname or ""
    prefix_note = f"Every token whose `sub` begins with {sanitize(stem)} is accepted."
    return WorkloadIdentity(
        platform="oidc",
        issuer_name=slug("oidc", issuer_url.partition("://")[2]),
        issuer_url=issuer_url,
        name=name or slug(host, stem) or "oidc",
        subject=subject,
        claims=dict(claims or {}),
        audience=audience,
        jwks=None if jwks is None else {"type": "inline", "keys": public_keys(jwks)},
        told_apart_by=frozenset(claims or {}),
        variables={} if audience == DEFAULT_AUDIENCE else {"ANT_IDENTITY_AUDIENCE": audience},
        notes=(prefix_note,) if subject.endswith("*") else (),
    )


def _ref(branch: str | None, tag: str | None) -> Ref:
    """Return what a pipeline runs for: the branch `main` by default."""
    if branch is not None and tag is not None:
        raise ConfigurationError("a job runs for a branch or for a tag, not for both", hint="run it once for each")
    kind, name = ("branch", "main" if branch is None else branch) if tag is None else ("tag", tag)
    short = re.sub(r"\Arefs/(heads|tags)/", "", name)
    return kind, required(short, _REF, what=f"a {kind}", expected="one name, as git has it, without quotes or $")


def _uuid(text: str, what: str) -> str:
    return required(text.lower(), _UUID, what=what, expected="a UUID, as its settings show it")


def _issuer_name(platform: str, url: str) -> str:
    public = {"gitlab.com", "oidc.circleci.com", "agent.buildkite.com", "app.terraform.io"}
    address = url.partition("://")[2].rstrip("/")
    return platform if address in public else slug(platform, address)
