"""`ant wif setup`: everything that one workload of a platform needs, found or created."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from ant_cli._click.groups import AntGroup
from ant_cli._click.options import not_empty
from ant_cli._github import token_for
from ant_cli._output import say
from ant_cli._prompts import confirm
from ant_cli._session import Session, pass_session
from ant_cli._terminal import waiting
from ant_cli.commands.wif.create import JWKS_FILE, LIFETIME, ROLES, admin_of, named_claims, read_key_file

if TYPE_CHECKING:
    from ant_wif.admin.setup import WorkloadIdentity
    from ant_wif.admin.setup.github import SubjectSettings

__all__ = ["setup"]


@dataclass(frozen=True, kw_only=True)
class Common:
    """The options that every platform has."""

    workspace: str
    act_as: str | None
    workspace_role: str
    scope: str | None
    lifetime: int | None
    dry_run: bool
    yes: bool
    as_json: bool


@click.group(cls=AntGroup, examples=("ant wif setup github --repo acme/app --profile admin",))
def setup() -> None:
    """Set up federation for one workload.

    Finds or creates the issuer, the service account, the membership and the narrowest rule. Shows the plan before it
    changes anything. A second run changes nothing.
    """


def _common(*, account_option: str = "--service-account") -> Callable[[Any], Any]:
    options: list[Callable[[Any], Any]] = [
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
        pass_session,
    ]  # fmt: skip

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_common(*arguments: Any, **given: Any) -> None:
            shared = Common(**{each.name: given.pop(each.name) for each in fields(Common)})
            command(*arguments, common=shared, **given)

        for option in reversed(options):
            with_common = option(with_common)
        return with_common

    return decorate


@setup.command(
    examples=(
        "ant wif setup github --repo acme/app --dry-run --profile admin",
        "ant wif setup github --repo acme/app --branch main --yes --profile admin",
        "ant wif setup github --repo acme/app --environment production --dry-run --profile admin",
    )
)
@click.option(
    "--repo",
    "repository",
    required=True,
    metavar="OWNER/NAME",
    help="Repository, or OWNER@ID/NAME@ID if `sub` has this form.",
)
@click.option("--branch", callback=not_empty, help="Only jobs of this branch. Default: main.")
@click.option("--tag", callback=not_empty, help="Only jobs of this tag.")
@click.option(
    "--environment",
    callback=not_empty,
    metavar="NAME",
    help="Only jobs of this environment. Can be combined with --branch.",
)
@click.option("--pull-request", is_flag=True, help="Jobs of pull requests, except from forks.")
@click.option(
    "--subject",
    "form",
    type=click.Choice(["classic", "immutable", "both"]),
    help="Form of `sub`. Default: what the settings of the repository say.",
)
@click.option(
    "--issuer-url", callback=not_empty, metavar="URL", help="GitHub Enterprise Server: https://HOST/_services/token."
)
@_common()
def github(session: Session, /, common: Common, **given: Any) -> None:
    """Set up the jobs of a GitHub repository.

    Its subjects name the repository, newer ones with numbers. GitHub is asked which it is where GH_TOKEN or
    GITHUB_TOKEN is set, or `gh auth token` prints one.
    """
    from ant_wif.admin.setup import github as platform

    stated = _stated(given, issuer_url=platform.ISSUER_URL)

    def identity() -> WorkloadIdentity:
        owner, name, numbers = platform.split_repository(stated["repository"])
        if stated["form"] != "classic" and numbers is None:
            stated["settings"] = _github_settings(session, owner, name, stated["issuer_url"])
        return platform.trust(**stated)

    _set_up(session, identity, common)


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


@setup.command(
    examples=(
        "ant wif setup aws --issuer https://abc.tokens.sts.global.api.aws"
        " --role-arn arn:aws:iam::123456789012:role/ci --dry-run --profile admin",
    )
)
@click.option(
    "--issuer",
    "issuer_url",
    required=True,
    metavar="URL",
    help="`aws iam get-outbound-web-identity-federation-info` prints it.",
)
@click.option("--role-arn", callback=not_empty, metavar="ARN", help="ARN of the role.")
@click.option("--account", callback=not_empty, metavar="NUMBER", help="Any role of this account.")
@_common()
def aws(session: Session, /, common: Common, **given: Any) -> None:
    """Set up the workloads of an AWS role."""
    from ant_wif.admin.setup import aws as platform

    _set_up(session, lambda: platform.trust(**given), common)


@setup.command(
    "google-cloud", examples=("ant wif setup google-cloud --unique-id 104242424242424242424 --dry-run --profile admin",)
)
@click.option(
    "--unique-id", callback=not_empty, metavar="NUMBER", help="Unique ID of the Google service account: its `sub`."
)
@click.option("--service-account-email", callback=not_empty, metavar="ADDRESS", help="Required `email` claim.")
@click.option("--issuer-url", callback=not_empty, metavar="URL", hidden=True, help="Another issuer than Google's.")
@_common()
def google_cloud(session: Session, /, common: Common, **given: Any) -> None:
    """Set up a Google Cloud service account."""
    from ant_wif.admin.setup import google_cloud as platform

    _set_up(session, lambda: platform.trust(**_stated(given, issuer_url=platform.ISSUER_URL)), common)


@setup.command(
    examples=(
        "ant wif setup azure --tenant 9d0e2f54-0b4b-4f0e-8a53-5d1f1f0d8f11 --audience"
        " 2b1f9d3a-6a59-4c1c-9c59-1c7a2b7f1c55 --object-id"
        " 7f4b0c1e-31f5-4f6a-93d4-0a4d0a1f6b22 --dry-run --profile admin",
    )
)
@click.option("--tenant", required=True, metavar="UUID", help="Entra ID tenant.")
@click.option("--audience", required=True, metavar="ID", help="Application ID, or api://ID, of the Claude API.")
@click.option(
    "--object-id", callback=not_empty, metavar="UUID", help="Object ID of the managed identity or service principal."
)
@click.option("--client-id", callback=not_empty, metavar="UUID", help="Required client ID, in `azp`.")
@click.option(
    "--token-version",
    "version",
    type=click.IntRange(1, 2),
    default=2,
    show_default=True,
    help="Token version of the application.",
)
@click.option("--issuer-url", callback=not_empty, metavar="URL", hidden=True, help="Another issuer than Entra ID's.")
@_common()
def azure(session: Session, /, common: Common, **given: Any) -> None:
    """Set up an Azure managed identity or service principal."""
    from ant_wif.admin.setup import azure as platform

    _set_up(session, lambda: platform.trust(**given), common)


@setup.command(
    examples=(
        "ant wif setup kubernetes --issuer https://oidc.example.com --namespace ci"
        " --service-account runner --dry-run --profile admin",
    )
)
@click.option("--issuer", "issuer_url", required=True, metavar="URL", help="Issuer URL of the cluster.")
@click.option("--jwks", type=JWKS_FILE, metavar="FILE", help="Output of `kubectl get --raw /openid/v1/jwks`.")
@click.option("--namespace", required=True, help="Namespace of the pods.")
@click.option("--service-account", required=True, metavar="NAME", help="Service account of the pods.")
@_common(account_option="--act-as")
def kubernetes(session: Session, /, common: Common, **given: Any) -> None:
    """Set up the pods of a Kubernetes service account."""
    from ant_wif.admin.setup import kubernetes as platform

    given["jwks"] = None if given["jwks"] is None else read_key_file(given["jwks"])
    _set_up(session, lambda: platform.trust(**given), common)


_BRANCH = click.option("--branch", callback=not_empty, help="Only jobs of this branch. Default: main.")
_TAG = click.option("--tag", callback=not_empty, help="Only jobs of this tag.")


def _issuer_url(text: str | None = None) -> Callable[[Any], Any]:
    shown = text or "Another issuer than the platform's."
    return click.option("--issuer-url", callback=not_empty, metavar="URL", hidden=text is None, help=shown)


@setup.command(
    examples=(
        "ant wif setup gitlab --project acme/app --dry-run --profile admin",
        "ant wif setup gitlab --project acme/app --issuer-url https://gitlab.acme.example --dry-run --profile admin",
    )
)
@click.option("--project", required=True, metavar="GROUP/NAME", help="Project, with all its groups.")
@_BRANCH
@_TAG
@click.option("--environment", callback=not_empty, metavar="NAME", help="Only jobs of this environment.")
@_issuer_url("Self-managed GitLab: its URL.")
@_common()
def gitlab(session: Session, /, common: Common, **given: Any) -> None:
    """Set up the jobs of a GitLab project."""
    _set_up_ci(session, "gitlab", given, common)


@setup.command(
    examples=(
        "ant wif setup circleci --org-id 8f0e4c1a-77b1-4d3e-9a55-2f6f0c9d1e01"
        " --project-id 1c5e7b90-3f2d-4a86-b0c4-5d8e6f7a9b02 --dry-run --profile admin",
    )
)
@click.option("--org-id", "ci_organization", required=True, metavar="UUID", help="In Organization Settings.")
@click.option("--project-id", required=True, metavar="UUID", help="In Project Settings, under Overview.")
@_BRANCH
@_TAG
@_issuer_url("CircleCI server: its issuer URL.")
@_common()
def circleci(session: Session, /, common: Common, **given: Any) -> None:
    """Set up the jobs of a CircleCI project."""
    _set_up_ci(session, "circleci", given, common)


@setup.command(examples=("ant wif setup buildkite --organization acme --pipeline app --dry-run --profile admin",))
@click.option("--organization", required=True, metavar="SLUG", help="Organization, as in the pipeline's URL.")
@click.option("--pipeline", required=True, metavar="SLUG", help="Pipeline, as in its URL.")
@_BRANCH
@_TAG
@_issuer_url()
@_common()
def buildkite(session: Session, /, common: Common, **given: Any) -> None:
    """Set up the jobs of a Buildkite pipeline."""
    _set_up_ci(session, "buildkite", given, common)


@setup.command(
    "azure-pipelines",
    examples=(
        "ant wif setup azure-pipelines --organization acme --project app --connection anthropic"
        " --devops-id 0c8f2a1e-7b6d-4c5e-9f80-1a2b3c4d5e6f --dry-run --profile admin",
    ),
)
@click.option("--organization", required=True, metavar="NAME", help="Azure DevOps organization.")
@click.option("--project", required=True, metavar="NAME", help="Azure DevOps project.")
@click.option("--connection", required=True, metavar="NAME", help="Service connection.")
@click.option(
    "--devops-id",
    "ci_organization",
    callback=not_empty,
    metavar="UUID",
    help="ID in the connection's issuer https://vstoken.dev.azure.com/ID.",
)
@click.option(
    "--tenant", callback=not_empty, metavar="UUID", help="Entra ID tenant in the connection's issuer, with --subject."
)
@click.option("--subject", callback=not_empty, help="Subject identifier on the connection's page.")
@click.option("--branch", default="main", show_default=True, callback=not_empty, help="Branch of the pipeline file.")
@_issuer_url()
@_common()
def azure_pipelines(session: Session, /, common: Common, **given: Any) -> None:
    """Set up a service connection of Azure Pipelines."""
    _set_up_ci(session, "azure_pipelines", given, common)


@setup.command(
    examples=(
        "ant wif setup bitbucket --bitbucket-workspace acme"
        " --repository-id 8f3c1b7a-5d2e-4c69-9a40-7be1d2c3f4a5 --dry-run --profile admin",
    )
)
@click.option("--bitbucket-workspace", "bitbucket", required=True, metavar="ID", help="Workspace, as in its URL.")
@click.option("--repository-id", required=True, metavar="UUID", help="In Repository settings, under OpenID Connect.")
@_BRANCH
@click.option("--environment", callback=not_empty, metavar="NAME", help="Only steps of this deployment environment.")
@click.option("--environment-id", callback=not_empty, metavar="UUID", help="UUID of this deployment environment.")
@_issuer_url()
@_common()
def bitbucket(session: Session, /, common: Common, **given: Any) -> None:
    """Set up the steps of a Bitbucket repository."""
    given["workspace"] = given.pop("bitbucket")
    _set_up_ci(session, "bitbucket", given, common)


@setup.command(
    "terraform-cloud",
    examples=(
        "ant wif setup terraform-cloud --organization acme --project Platform --terraform-workspace app"
        " --dry-run --profile admin",
    ),
)
@click.option("--organization", required=True, metavar="NAME", help="HCP Terraform organization.")
@click.option("--project", default="Default Project", show_default=True, metavar="NAME", help="HCP Terraform project.")
@click.option("--terraform-workspace", "terraform", required=True, metavar="NAME", help="HCP Terraform workspace.")
@click.option("--phase", type=click.Choice(["plan", "apply"]), help="Only runs of this phase. Default: both.")
@_issuer_url("Terraform Enterprise: its URL.")
@_common()
def terraform_cloud(session: Session, /, common: Common, **given: Any) -> None:
    """Set up the runs of an HCP Terraform workspace."""
    given["workspace"] = given.pop("terraform")
    _set_up_ci(session, "terraform_cloud", given, common)


@setup.command(examples=("ant wif setup spacelift --account acme --stack app --dry-run --profile admin",))
@click.option("--account", required=True, metavar="NAME", help="Spacelift account: its subdomain.")
@click.option("--space", default="root", show_default=True, metavar="ID", help="Space of the stack.")
@click.option("--stack", required=True, metavar="ID", help="Stack.")
@click.option("--run-type", default="TRACKED", show_default=True, metavar="TYPE", help="Type of the runs.")
@_issuer_url("Self-hosted Spacelift: its URL.")
@_common()
def spacelift(session: Session, /, common: Common, **given: Any) -> None:
    """Set up the runs of a Spacelift stack."""
    _set_up_ci(session, "spacelift", given, common)


@setup.command(
    examples=(
        "ant wif setup oidc --issuer-url https://ci.acme.example --subject job:nightly --dry-run --profile admin",
        "ant wif setup oidc --issuer-url https://ci.acme.example --subject 'job:*' --claim branch=main"
        " --dry-run --profile admin",
    )
)
@click.option("--issuer-url", required=True, metavar="URL", help="Issuer: the exact `iss` claim.")
@click.option("--subject", required=True, help="Required `sub` claim; a * at the end makes it a prefix.")
@click.option("--audience", callback=not_empty, help="Required `aud` claim. Default: https://api.anthropic.com.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="Required claim. Repeatable.")
@click.option("--name", callback=not_empty, help="Name of the rule. Default: from the issuer and the subject.")
@click.option("--jwks", type=JWKS_FILE, metavar="FILE", help="JWKS file, for keys that are not on the internet.")
@_common()
def oidc(session: Session, /, common: Common, **given: Any) -> None:
    """Set up the tokens of any OIDC issuer."""
    given["claims"] = named_claims(given["claims"])
    given["jwks"] = None if given["jwks"] is None else read_key_file(given["jwks"])
    _set_up_ci(session, "oidc", given, common)


def _set_up_ci(session: Session, platform: str, given: dict[str, Any], common: Common) -> None:
    from ant_wif.admin.setup import ci

    # An option's parameter of the same name as a global option's would be taken for that one.
    stated = {
        "organization_id" if name == "ci_organization" else name: value
        for name, value in given.items()
        if value is not None
    }
    _set_up(session, lambda: getattr(ci, platform)(**stated), common)


def _stated(given: dict[str, Any], **defaults: str) -> dict[str, Any]:
    """Return options with a default in the place of what was not given."""
    return {name: defaults.get(name) if value is None else value for name, value in given.items()}


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
                lifetime=common.lifetime,
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
