"""Platforms that hand a job its identity token in a variable: a row each, and one source that reads the variable.

To add a platform, add its row to `PLATFORMS` and its name to `ant_wif.identity`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from functools import cache
from typing import ClassVar, Literal, NamedTuple

from ant_wif._constants import DEFAULT_AUDIENCE
from ant_wif._http import Flow
from ant_wif._secrets import SecretStr, sanitize_path
from ant_wif.errors import IdentitySourceError, IdentityTokenError
from ant_wif.identity.source import Context, Detection, IdentitySource, Job, nearly_detected, refused
from ant_wif.identity.token import IdentityToken

TAG = "ANTHROPIC"


class VariablePlatform(NamedTuple):
    """A platform as its vendor documents it on `page`.

    `signs` are the variables that it is recognised by, `setting` is what fills `variable`. `chooses_audience` says
    that a job cannot ask for another audience, `tags` that there may be several tokens: `<variable>_<tag>`.
    """

    name: str
    class_name: str
    title: str
    workload: str
    variable: str
    signs: tuple[str, ...]
    setting: str
    page: str
    job: Job | None = None
    chooses_audience: bool = False
    tags: bool = False


PLATFORMS = (
    VariablePlatform(
        "gitlab", "GitLab", "GitLab CI ID token", "GitLab CI job", "ANTHROPIC_ID_TOKEN", ("GITLAB_CI",),
        "add to the job: id_tokens: {{{variable}: {{aud: {audience}}}}}",
        "https://docs.gitlab.com/ci/secrets/id_token_authentication/",
        Job("RUNNER_TEMP_PROJECT_DIR", "CI_JOB_ID"),
    ),
    VariablePlatform(
        "bitbucket", "Bitbucket", "Bitbucket Pipelines OIDC", "Bitbucket step", "BITBUCKET_STEP_OIDC_TOKEN",
        ("BITBUCKET_BUILD_NUMBER", "BITBUCKET_STEP_OIDC_TOKEN"),
        "add to the step: oidc: {{audiences: [{audience}]}} (`oidc: true` alone gives a token for the workspace)",
        "https://support.atlassian.com/bitbucket-cloud/docs/integrate-pipelines-with-resource-servers-using-oidc/",
        Job(id="BITBUCKET_STEP_UUID"),
    ),
    VariablePlatform(
        "terraform_cloud", "TerraformCloud", "HCP Terraform workload identity", "HCP Terraform run",
        "TFC_WORKLOAD_IDENTITY_TOKEN",
        ("TFC_RUN_ID", "TFC_WORKLOAD_IDENTITY_TOKEN", "TFC_WORKLOAD_IDENTITY_TOKEN_ANTHROPIC"),
        "add to the workspace the environment variable {audience_variable} with the value {audience}",
        "https://developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/manual-generation",
        Job(id="TFC_RUN_ID"),
        tags=True,
    ),
    VariablePlatform(
        "spacelift", "Spacelift", "Spacelift OIDC", "Spacelift run", "SPACELIFT_OIDC_TOKEN",
        ("SPACELIFT_OIDC_TOKEN", "TF_VAR_spacelift_run_id"),
        "Spacelift sets {variable} in every run of a paid account: check that the program runs inside of the run, "
        "and that nothing removes the variable",
        "https://docs.spacelift.io/integrations/cloud-providers/oidc/",
        Job(id="TF_VAR_spacelift_run_id"),
        chooses_audience=True,
    ),
    VariablePlatform(
        "semaphore", "Semaphore", "Semaphore OIDC", "Semaphore job", "SEMAPHORE_OIDC_TOKEN",
        ("SEMAPHORE", "SEMAPHORE_OIDC_TOKEN"),
        "Semaphore sets {variable} in every job of a plan with OpenID Connect: check the plan, and in a container hand "
        "the variable on (docker run --env {variable})",
        "https://docs.semaphore.io/reference/openid",
        Job(id="SEMAPHORE_JOB_ID"),
        chooses_audience=True,
    ),
    VariablePlatform(
        "vercel", "Vercel", "Vercel OIDC", "Vercel deployment", "VERCEL_OIDC_TOKEN", ("VERCEL", "VERCEL_OIDC_TOKEN"),
        "switch on OIDC federation in the project's settings (Security); builds have {variable}, a function has the "
        "token in the header x-vercel-oidc-token of each request, to be passed on as identity_token",
        "https://vercel.com/docs/oidc",
        chooses_audience=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class JobVariable(IdentitySource):
    """The variable that the platform fills, read again at every exchange. There is no way to get another token."""

    variable: str = ""
    source: str = ""

    platform: ClassVar[VariablePlatform]

    @classmethod
    def detect(cls, context: Context) -> Detection:
        row, found = cls.platform, super().detect(context)
        if found.detected or row.variable not in context.environ:
            return found
        sign = row.signs[0]
        return nearly_detected(
            row.name,
            f"{row.variable} is set, but {sign} is not, as in a container that has some variables of its job",
            f"hand on {sign} as well (docker run --env {sign})",
        )

    def unmet(self, context: Context) -> IdentitySourceError | None:
        variable, row = self._holder(context), self.platform
        if variable in context.environ:
            return None
        name = sanitize_path(variable)
        hint = row.setting.format(
            variable=name, audience=context.audience, audience_variable=name.replace("_TOKEN", "_AUDIENCE", 1)
        )
        others = [each for each in sorted(context.environ) if row.tags and each.startswith(f"{row.variable}_")]
        if others and variable == row.variable:
            hint += f"; or name the tag of {sanitize_path(', '.join(others))} in a profile (`tag`)"
        return IdentitySourceError(f"this {row.workload} has no ID token: the variable {name} is not set", hint=hint)

    def asks_for(self, context: Context) -> str:
        return sanitize_path(self._holder(context))

    def at_hand(self, context: Context) -> SecretStr | None:
        variable = self._holder(context)
        return SecretStr(context.environ[variable]) if variable in context.environ else None

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        yield from ()
        return self._read(context)

    def unusable(self, context: Context) -> IdentityTokenError | None:
        return refused(lambda: self._read(context))

    def _read(self, context: Context) -> IdentityToken:
        self.require_met(context)
        # What declares the audience is the job's file, so it is compared with what is expected.
        known = not self.platform.chooses_audience or context.audience != DEFAULT_AUDIENCE
        audience, place = context.audience if known else None, f"the variable {self.asks_for(context)}"
        return context.parse(self, SecretStr(context.environ[self._holder(context)]), audience=audience, place=place)

    def _holder(self, context: Context) -> str:
        """Return the variable that is read. Where tokens have tags, one for us comes before that without a tag."""
        tag = getattr(self, "tag", None)
        if tag:
            return f"{self.variable}_{tag}"
        ours = f"{self.variable}_{TAG}"
        return ours if self.platform.tags and ours in context.environ else self.variable


@cache
def _source_of(row: VariablePlatform) -> type[JobVariable]:
    fields: list[tuple[str, object, object]] = [
        ("variable", str, field(default=row.variable)),
        ("source", Literal[row.name], field(default=row.name)),
    ]
    if row.tags:
        fields.append(("tag", str | None, field(default=None)))
    namespace = {
        "title": row.title, "platform": row, "signs": row.signs,
        "__module__": __name__, "__doc__": f"{row.title}: {row.page}",
    }  # fmt: skip
    return make_dataclass(row.class_name, fields, bases=(JobVariable,), namespace=namespace, frozen=True)


def __getattr__(name: str) -> type[JobVariable]:
    for row in PLATFORMS:
        if row.class_name == name:
            return _source_of(row)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
