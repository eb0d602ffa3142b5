"""`ant wif setup`: everything that one workload of a platform needs, found or created."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from ant_cli._click.groups import AntGroup
from ant_cli._click.options import not_empty
from ant_cli._output import say
from ant_cli._prompts import confirm
from ant_cli._session import Session, pass_session
from ant_cli.commands.wif.create import JWKS_FILE, LIFETIME, ROLES, admin_of, read_key_file

if TYPE_CHECKING:
    from ant_wif.admin.setup import WorkloadIdentity

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


@click.group(cls=AntGroup, short_help="Set up everything that one workload needs.")
def setup() -> None:
    """Find or create issuer, service account, membership and the narrowest rule for one workload.

    The plan is shown before anything is changed; to run it again changes nothing.
    """


def _common(*, account_option: str = "--service-account") -> Callable[[Any], Any]:
    options: list[Callable[[Any], Any]] = [
        click.option(
            "--workspace", default="default", show_default=True, callback=not_empty, metavar="ID",
            help="Where its tokens are good: an id or a name.",
        ),
        click.option(
            account_option, "act_as", callback=not_empty, metavar="NAME",
            help="Whom they act as: the name or id of a service account of the Claude Platform.",
        ),
        click.option("--workspace-role", type=click.Choice(ROLES), default="workspace_developer", show_default=True,
                     help="Its role, where it is made a member."),
        click.option("--scope", type=click.Choice(["workspace:developer", "workspace:inference"]),
                     help="What its tokens may do; workspace:developer for a new rule."),
        LIFETIME,
        click.option("--dry-run", is_flag=True, help="Show the plan, and change nothing."),
        click.option("--yes", is_flag=True, help="Do not ask."),
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


@setup.command()
@click.option(
    "--repo",
    "repository",
    required=True,
    metavar="OWNER/NAME",
    help="The repository; OWNER@ID/NAME@ID where `sub` has it so.",
)
@click.option("--branch", callback=not_empty, help="Jobs of this branch only; main, where nothing else is said.")
@click.option("--tag", callback=not_empty, help="Jobs of this tag only.")
@click.option(
    "--environment", callback=not_empty, metavar="NAME", help="Jobs with this environment; may be with a branch."
)
@click.option("--pull-request", is_flag=True, help="Jobs of pull requests, from no fork.")
@click.option(
    "--issuer-url", callback=not_empty, metavar="URL", help="GitHub Enterprise Server: https://HOST/_services/token."
)
@_common()
def github(session: Session, /, common: Common, **given: Any) -> None:
    """GitHub Actions: the jobs of a repository, for one branch, tag or environment."""
    from ant_wif.admin.setup import github as platform

    _set_up(session, lambda: platform.trust(**_stated(given, issuer_url=platform.ISSUER_URL)), common)


@setup.command()
@click.option(
    "--issuer",
    "issuer_url",
    required=True,
    metavar="URL",
    help="`aws iam get-outbound-web-identity-federation-info` prints it.",
)
@click.option("--role-arn", callback=not_empty, metavar="ARN", help="Whatever runs as this role.")
@click.option("--account", callback=not_empty, metavar="NUMBER", help="Whatever runs as any role of this account.")
@_common()
def aws(session: Session, /, common: Common, **given: Any) -> None:
    """AWS: whatever runs as one role."""
    from ant_wif.admin.setup import aws as platform

    _set_up(session, lambda: platform.trust(**given), common)


@setup.command("google-cloud")
@click.option(
    "--unique-id", callback=not_empty, metavar="NUMBER", help="The service account's number, which is its `sub`."
)
@click.option("--service-account-email", callback=not_empty, metavar="ADDRESS", help="Its address, to be in `email`.")
@click.option("--issuer-url", callback=not_empty, metavar="URL", hidden=True, help="Another issuer than Google's.")
@_common()
def google_cloud(session: Session, /, common: Common, **given: Any) -> None:
    """Google Cloud: whatever runs as one service account of Google's."""
    from ant_wif.admin.setup import google_cloud as platform

    _set_up(session, lambda: platform.trust(**_stated(given, issuer_url=platform.ISSUER_URL)), common)


@setup.command()
@click.option("--tenant", required=True, metavar="UUID", help="The tenant of Entra ID.")
@click.option(
    "--audience", required=True, metavar="ID", help="The application that stands for the Claude API; api://ID will do."
)
@click.option(
    "--object-id", callback=not_empty, metavar="UUID", help="The managed identity or service principal: its `sub`."
)
@click.option("--client-id", callback=not_empty, metavar="UUID", help="Its client id, to be in `azp`.")
@click.option(
    "--token-version",
    "version",
    type=click.IntRange(1, 2),
    default=2,
    show_default=True,
    help="As the application asks for.",
)
@click.option("--issuer-url", callback=not_empty, metavar="URL", hidden=True, help="Another issuer than Entra ID's.")
@_common()
def azure(session: Session, /, common: Common, **given: Any) -> None:
    """Azure: one managed identity or service principal."""
    from ant_wif.admin.setup import azure as platform

    _set_up(session, lambda: platform.trust(**given), common)


@setup.command()
@click.option(
    "--issuer", "issuer_url", required=True, metavar="URL", help="The cluster's, as its discovery document has it."
)
@click.option("--jwks", type=JWKS_FILE, metavar="FILE", help="What `kubectl get --raw /openid/v1/jwks` prints.")
@click.option("--namespace", required=True, help="The pod's namespace.")
@click.option("--service-account", required=True, metavar="NAME", help="The service account of the cluster.")
@_common(account_option="--act-as")
def kubernetes(session: Session, /, common: Common, **given: Any) -> None:
    """Kubernetes: the pods that run as one service account of a cluster."""
    from ant_wif.admin.setup import kubernetes as platform

    given["jwks"] = None if given["jwks"] is None else read_key_file(given["jwks"])
    _set_up(session, lambda: platform.trust(**given), common)


def _stated(given: dict[str, Any], **defaults: str) -> dict[str, Any]:
    """Return options with a default in the place of what was not given."""
    return {name: defaults.get(name) if value is None else value for name, value in given.items()}


def _set_up(session: Session, trust: Callable[[], WorkloadIdentity], common: Common) -> None:
    from ant_cli._output import print_item
    from ant_cli.commands.wif.setup_text import done_line, plan_lines, result_lines, workflow
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
            print_item(session, {**found.as_json(applied=applied), "workflow": workflow(found)})
            return
        for line in result_lines(found, dry_run=common.dry_run, planned=changes):
            say(line, lines=True)
