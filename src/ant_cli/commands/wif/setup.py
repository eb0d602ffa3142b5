"""`ant wif setup`: everything that one workload of a platform needs, found or created."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from ant_cli._click.groups import AntGroup
from ant_cli._click.options import Number, not_empty
from ant_cli._github import token_for
from ant_cli._output import say
from ant_cli._request_input import confirm
from ant_cli._session import Session, pass_session
from ant_cli._terminal import waiting
from ant_cli.commands.wif.create import JWKS_FILE, LIFETIME, ROLES, admin_of, named_claims, read_key_file, together

if TYPE_CHECKING:
    from ant_wif.admin.setup import WorkloadIdentity
    from ant_wif.admin.setup.github import SubjectSettings


@dataclass(frozen=True, kw_only=True)
class Common:
    """The options that every platform has."""

    workspace: str
    act_as: str | None
    workspace_role: str
    scope: str | None
    token_lifetime_seconds: int | None
    dry_run: bool
    yes: bool
    as_json: bool


@click.group(cls=AntGroup, examples=("ant wif setup github --repo acme/app --profile admin",))
def setup() -> None:
    """Set up federation for one workload.

    Finds or creates the issuer, the service account, the membership and the narrowest rule. Shows the plan before it
    changes anything. A second run changes nothing.
    """


Trust = Callable[[Session, dict[str, Any]], "WorkloadIdentity"]

# An option's parameter of the same name as a global option's would be taken for that one.
_ARGUMENTS = {"ci_organization": "organization_id", "bitbucket": "workspace", "terraform": "workspace"}
"""What the library calls the parameters that have another name here."""


def _platform(
    name: str,
    summary: str,
    *options: Callable[[Any], Any],
    examples: Sequence[str],
    trust: Trust | None = None,
    account_option: str = "--service-account",
) -> None:
    """Add the command of a platform. `trust` gets what was given; by default it is the library's function."""

    @pass_session
    def command(session: Session, /, **given: Any) -> None:
        common = Common(**{each.name: given.pop(each.name) for each in fields(Common)})
        stated = {_ARGUMENTS.get(option, option): value for option, value in given.items() if value is not None}
        for option, read in (("claims", named_claims), ("jwks", read_key_file)):
            if option in stated:
                stated[option] = read(stated[option])
        _set_up(session, lambda: (trust or _trust_of(name))(session, stated), common)

    common_options: list[Callable[[Any], Any]] = [
        click.option(
            "--workspace", default="default", show_default=True, callback=not_empty, metavar="ID",
            help="Workspace ID or name.",
        ),
        click.option(
            account_option, "act_as", callback=not_empty, metavar="NAME",
            help="Service account to act as: ID or name.",
        ),
        click.option("--workspace-role", type=click.Choice(ROLES), metavar="ROLE", default="workspace_developer",
                     show_default=True, help=f"Role of a new member: {', '.join(ROLES)}."),
        click.option("--scope", type=click.Choice(["workspace:developer", "workspace:inference"]),
                     help="Scope of its access tokens. Default: workspace:developer."),
        LIFETIME,
        click.option("--dry-run", is_flag=True, help="Show the plan and change nothing."),
        click.option("--yes", is_flag=True, help="Do not ask for confirmation."),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
    ]  # fmt: skip
    setup.command(name, help=summary, examples=examples)(together(*options, *common_options)(command))


def _trust_of(name: str) -> Trust:
    from ant_wif.admin import setup as library

    name = name.replace("-", "_")
    trust = getattr(library, name).trust if hasattr(library, name) else getattr(library.ci, name)
    return lambda _, stated: trust(**stated)


def _github(session: Session, stated: dict[str, Any]) -> WorkloadIdentity:
    from ant_wif.admin.setup import github

    stated["repository"] = github.repository_of(stated["repository"], stated.get("issuer_url", github.ISSUER_URL))
    owner, name, numbers = github.split_repository(stated["repository"])
    if stated.get("form") != "classic" and numbers is None:
        stated["settings"] = _github_settings(session, owner, name, stated.get("issuer_url", github.ISSUER_URL))
    return github.trust(**stated)


def _gitlab(_: Session, stated: dict[str, Any]) -> WorkloadIdentity:
    from ant_wif.admin.setup import ci

    stated["project"] = ci.gitlab_project_of(stated["project"], stated.get("issuer_url", ci.GITLAB_URL))
    return ci.gitlab(**stated)


def _github_settings(session: Session, owner: str, name: str, issuer_url: str) -> SubjectSettings | None:
    from ant_wif._environment import Environment
    from ant_wif._http import check_url, run
    from ant_wif.admin.setup import github as platform

    environ = Environment(session.environ)
    url = platform.api_url(issuer_url)
    if url is None and "GITHUB_API_URL" in environ:
        url = check_url(environ["GITHUB_API_URL"], what="GITHUB_API_URL")
    token = None if url is None else token_for(environ, url)
    if url is None or token is None:
        return None
    return run(platform.read_settings(owner, name, url=url, token=token), environ=environ)


def _option(name: str, *parameter: str, metavar: str | None = None, text: str, **more: Any) -> Callable[[Any], Any]:
    """Make an option that cannot be empty unless it is required."""
    callback = None if more.get("required") else not_empty
    return click.option(name, *parameter, metavar=metavar, callback=callback, help=text, **more)


def _issuer_url(text: str = "") -> Callable[[Any], Any]:
    shown = text or "Another issuer than the platform's."
    return _option("--issuer-url", metavar="URL", text=shown, hidden=not text)


_BRANCH = _option("--branch", text="Only jobs of this branch. Default: main.")
_TAG = _option("--tag", text="Only jobs of this tag.")


def _set_up(session: Session, trust: Callable[[], WorkloadIdentity], common: Common) -> None:
    from ant_cli._output import print_item
    from ant_cli.commands.wif.pipelines import pipeline
    from ant_cli.commands.wif.setup_text import done_line, plan_lines, result_lines
    from ant_wif.admin.setup import SetupRequest, apply, plan

    if common.as_json:
        session.options["format"] = "json"
    for_programs = session.for_programs
    with session.scope(on_failure=2):
        wanted_trust = trust()
    with admin_of(session) as admin:
        admin.credentials.access_token()
        with session.scope(on_failure=1):
            wanted = SetupRequest(
                trust=wanted_trust,
                workspace_id=admin.workspace_id(common.workspace),
                workspace_name=common.workspace,
                service_account=common.act_as,
                workspace_role=common.workspace_role,
                scope=common.scope,
                lifetime=common.token_lifetime_seconds,
            )
            with waiting("Reading what is registered", session.environ):
                found = plan(admin, wanted)
            changes = found.changes_something
            if not for_programs or (changes and not common.dry_run):
                for line in plan_lines(found):
                    say(line, lines=True, err=for_programs)
            applied = False
            if changes and not common.dry_run:
                confirm(session, "Do this?", yes=common.yes)
                with session.scope(on_closed_pipe=1):
                    found = apply(admin, found, lambda item: say(done_line(item), err=True))
                applied = True
    with session.scope(on_closed_pipe=1 if applied else None, on_failure=1):
        if for_programs:
            file = pipeline(found)
            shown = None if file is None else {"path": file.path, "text": file.text}
            workflow = None if file is None or wanted_trust.platform != "github" else file.text
            print_item(session, {**found.as_json(applied=applied), "workflow": workflow, "pipeline": shown})
            return
        for line in result_lines(found, dry_run=common.dry_run, planned=changes):
            say(line, lines=True)


_platform(
    "github",
    """Set up the jobs of a GitHub repository.

    Its subjects name the repository, newer ones with numbers. GitHub is asked which it is where GH_TOKEN or
    GITHUB_TOKEN is set, or `gh auth token` prints one.
    """,
    _option(
        "--repo", "repository", required=True, metavar="OWNER/NAME",
        text="Repository, or its URL; OWNER@ID/NAME@ID if `sub` has this form.",
    ),
    _BRANCH,
    _TAG,
    _option("--environment", metavar="NAME", text="Only jobs of this environment. Can be combined with --branch."),
    click.option("--pull-request", is_flag=True, help="Jobs of pull requests, except from forks."),
    click.option(
        "--subject", "form", type=click.Choice(["classic", "immutable", "both"]),
        help="Form of `sub`. Default: what the settings of the repository say.",
    ),
    _issuer_url("GitHub Enterprise Server: https://HOST/_services/token."),
    trust=_github,
    examples=(
        "ant wif setup github --repo acme/app --dry-run --profile admin",
        "ant wif setup github --repo acme/app --branch main --yes --profile admin",
        "ant wif setup github --repo acme/app --environment production --dry-run --profile admin",
    ),
)  # fmt: skip
_platform(
    "aws",
    "Set up the workloads of an AWS role.",
    _option(
        "--issuer", "issuer_url", required=True, metavar="URL",
        text="`aws iam get-outbound-web-identity-federation-info` prints it.",
    ),
    _option("--role-arn", metavar="ARN", text="ARN of the role."),
    _option("--account", metavar="NUMBER", text="Any role of this account."),
    examples=(
        "ant wif setup aws --issuer https://abc.tokens.sts.global.api.aws"
        " --role-arn arn:aws:iam::123456789012:role/ci --dry-run --profile admin",
    ),
)  # fmt: skip
_platform(
    "google-cloud",
    "Set up a Google Cloud service account.",
    _option("--unique-id", metavar="NUMBER", text="Unique ID of the Google service account: its `sub`."),
    _option("--service-account-email", metavar="ADDRESS", text="Required `email` claim."),
    _issuer_url(),
    examples=("ant wif setup google-cloud --unique-id 104242424242424242424 --dry-run --profile admin",),
)
_platform(
    "azure",
    "Set up an Azure managed identity or service principal.",
    _option("--tenant", required=True, metavar="UUID", text="Entra ID tenant."),
    _option("--audience", required=True, metavar="ID", text="Application ID, or api://ID, of the Claude API."),
    _option("--object-id", metavar="UUID", text="Object ID of the managed identity or service principal."),
    _option("--client-id", metavar="UUID", text="Required client ID, in `azp`."),
    click.option(
        "--token-version", "version", type=Number(1, 2), default=2, show_default=True,
        help="Token version of the application.",
    ),
    _issuer_url(),
    examples=(
        "ant wif setup azure --tenant 9d0e2f54-0b4b-4f0e-8a53-5d1f1f0d8f11 --audience"
        " 2b1f9d3a-6a59-4c1c-9c59-1c7a2b7f1c55 --object-id"
        " 7f4b0c1e-31f5-4f6a-93d4-0a4d0a1f6b22 --dry-run --profile admin",
    ),
)  # fmt: skip
_platform(
    "kubernetes",
    "Set up the pods of a Kubernetes service account.",
    _option("--issuer", "issuer_url", required=True, metavar="URL", text="Issuer URL of the cluster."),
    click.option("--jwks", type=JWKS_FILE, metavar="FILE", help="Output of `kubectl get --raw /openid/v1/jwks`."),
    _option("--namespace", required=True, text="Namespace of the pods."),
    _option("--service-account", required=True, metavar="NAME", text="Service account of the pods."),
    account_option="--act-as",
    examples=(
        "ant wif setup kubernetes --issuer https://oidc.example.com --namespace ci"
        " --service-account runner --dry-run --profile admin",
    ),
)
_platform(
    "gitlab",
    "Set up the jobs of a GitLab project.",
    _option("--project", required=True, metavar="GROUP/NAME", text="Project with all its groups, or its URL."),
    _BRANCH,
    _TAG,
    _option("--environment", metavar="NAME", text="Only jobs of this environment."),
    _issuer_url("Self-managed GitLab: its URL."),
    trust=_gitlab,
    examples=(
        "ant wif setup gitlab --project acme/app --dry-run --profile admin",
        "ant wif setup gitlab --project acme/app --issuer-url https://gitlab.acme.example --dry-run --profile admin",
    ),
)
_platform(
    "circleci",
    "Set up the jobs of a CircleCI project.",
    _option("--org-id", "ci_organization", required=True, metavar="UUID", text="In Organization Settings."),
    _option("--project-id", required=True, metavar="UUID", text="In Project Settings, under Overview."),
    _BRANCH,
    _TAG,
    _issuer_url("CircleCI server: its issuer URL."),
    examples=(
        "ant wif setup circleci --org-id 8f0e4c1a-77b1-4d3e-9a55-2f6f0c9d1e01"
        " --project-id 1c5e7b90-3f2d-4a86-b0c4-5d8e6f7a9b02 --dry-run --profile admin",
    ),
)
_platform(
    "buildkite",
    "Set up the jobs of a Buildkite pipeline.",
    _option("--organization", required=True, metavar="SLUG", text="Organization, as in the pipeline's URL."),
    _option("--pipeline", required=True, metavar="SLUG", text="Pipeline, as in its URL."),
    _BRANCH,
    _TAG,
    _issuer_url(),
    examples=("ant wif setup buildkite --organization acme --pipeline app --dry-run --profile admin",),
)
_platform(
    "azure-pipelines",
    "Set up a service connection of Azure Pipelines.",
    _option("--organization", required=True, metavar="NAME", text="Azure DevOps organization."),
    _option("--project", required=True, metavar="NAME", text="Azure DevOps project."),
    _option("--connection", required=True, metavar="NAME", text="Service connection."),
    _option(
        "--devops-id", "ci_organization", metavar="UUID",
        text="ID in the connection's issuer https://vstoken.dev.azure.com/ID.",
    ),
    _option("--tenant", metavar="UUID", text="Entra ID tenant in the connection's issuer, with --subject."),
    _option("--subject", text="Subject identifier on the connection's page."),
    _option("--branch", default="main", show_default=True, text="Branch of the pipeline file."),
    _issuer_url(),
    examples=(
        "ant wif setup azure-pipelines --organization acme --project app --connection anthropic"
        " --devops-id 0c8f2a1e-7b6d-4c5e-9f80-1a2b3c4d5e6f --dry-run --profile admin",
    ),
)  # fmt: skip
_platform(
    "bitbucket",
    "Set up the steps of a Bitbucket repository.",
    _option("--bitbucket-workspace", "bitbucket", required=True, metavar="ID", text="Workspace, as in its URL."),
    _option("--repository-id", required=True, metavar="UUID", text="In Repository settings, under OpenID Connect."),
    _BRANCH,
    _option("--environment", metavar="NAME", text="Only steps of this deployment environment."),
    _option("--environment-id", metavar="UUID", text="UUID of this deployment environment."),
    _issuer_url(),
    examples=(
        "ant wif setup bitbucket --bitbucket-workspace acme"
        " --repository-id 8f3c1b7a-5d2e-4c69-9a40-7be1d2c3f4a5 --dry-run --profile admin",
    ),
)
_platform(
    "terraform-cloud",
    "Set up the runs of an HCP Terraform workspace.",
    _option("--organization", required=True, metavar="NAME", text="HCP Terraform organization."),
    _option("--project", default="Default Project", show_default=True, metavar="NAME", text="HCP Terraform project."),
    _option("--terraform-workspace", "terraform", required=True, metavar="NAME", text="HCP Terraform workspace."),
    click.option("--phase", type=click.Choice(["plan", "apply"]), help="Only runs of this phase. Default: both."),
    _issuer_url("Terraform Enterprise: its URL."),
    examples=(
        "ant wif setup terraform-cloud --organization acme --project Platform --terraform-workspace app"
        " --dry-run --profile admin",
    ),
)
_platform(
    "spacelift",
    "Set up the runs of a Spacelift stack.",
    _option("--account", required=True, metavar="NAME", text="Spacelift account: its subdomain."),
    _option("--space", default="root", show_default=True, metavar="ID", text="Space of the stack."),
    _option("--stack", required=True, metavar="ID", text="Stack."),
    _option("--run-type", default="TRACKED", show_default=True, metavar="TYPE", text="Type of the runs."),
    _issuer_url("Self-hosted Spacelift: its URL."),
    examples=("ant wif setup spacelift --account acme --stack app --dry-run --profile admin",),
)
_platform(
    "oidc",
    "Set up the tokens of any OIDC issuer.",
    _option("--issuer-url", required=True, metavar="URL", text="Issuer: the exact `iss` claim."),
    _option("--subject", required=True, text="Required `sub` claim; a * at the end makes it a prefix."),
    _option("--audience", text="Required `aud` claim. Default: https://api.anthropic.com."),
    click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="Required claim. Repeatable."),
    _option("--name", text="Name of the rule. Default: from the issuer and the subject."),
    click.option("--jwks", type=JWKS_FILE, metavar="FILE", help="JWKS file, for keys that are not on the internet."),
    examples=(
        "ant wif setup oidc --issuer-url https://ci.acme.example --subject job:nightly --dry-run --profile admin",
        "ant wif setup oidc --issuer-url https://ci.acme.example --subject 'job:*' --claim branch=main"
        " --dry-run --profile admin",
    ),
)
