"""`ant wif`: whose identity tokens the organization accepts, over the Admin API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ant_cli._click.groups import AntCommand, AntGroup
from ant_cli._click.options import Number, not_empty
from ant_cli._request_input import confirm
from ant_cli._session import Session, pass_session
from ant_cli.commands.wif.create import admin_of, create_issuer, create_rule, create_service_account
from ant_cli.commands.wif.setup import setup
from ant_cli.commands.wif.update import update_issuer, update_rule, update_service_account

if TYPE_CHECKING:
    from ant_wif.admin.client import Admin, ResourceCollection

__all__ = ["wif"]

_EXAMPLE = {"issuers": "github", "rules": "github", "service-accounts": "ci"}
_UNUSED = {"issuers": "old-issuer", "rules": "github", "service-accounts": "old-account"}
"""Names for the examples; an issuer or service account that a rule uses cannot be archived."""
_COLUMNS = {
    "issuers": {"NAME": "name", "ID": "id", "ISSUER": "issuer_url"},
    "rules": {"NAME": "name", "ID": "id", "ISSUER": "issuer_id", "SUBJECT": "match.subject_prefix"},
    "service-accounts": {"NAME": "name", "ID": "id", "ROLE": "organization_role"},
}
"""What a table of a list shows: the field by the title."""


@click.group(
    cls=AntGroup,
    examples=(
        "ant auth login --profile admin --scope org:admin",
        "ant wif setup github --repo acme/app --profile admin",
        "ant wif rules list --profile admin",
    ),
)
def wif() -> None:
    """Manage Workload Identity Federation.

    These commands need the login of an administrator, with the scope org:admin.
    """


def _kind(
    name: str, what: str, registry: Callable[[Admin], ResourceCollection], create: click.Command, update: click.Command
) -> click.Group:
    """Return the group of commands for one kind of resource, of which `registry` returns those there are."""
    group = AntGroup(name, help=f"Manage {what}s.", examples=[f"ant wif {name} list --profile admin"])
    group.add_command(_list(name, what, registry))
    group.add_command(_get(name, what, registry))
    group.add_command(create)
    group.add_command(update)
    group.add_command(_archive(name, what, registry))
    return group


def _list(name: str, what: str, registry: Callable[[Admin], ResourceCollection]) -> click.Command:
    @click.option("--include-archived", is_flag=True, help="Include archived ones.")
    @click.option("--limit", type=Number(min=1), help="Maximum number of items.")
    @pass_session
    def list_(session: Session, *, include_archived: bool, limit: int | None, issuer: str | None = None) -> None:
        from ant_cli._output import print_list

        with admin_of(session) as admin:
            issuer_id = None if issuer is None else admin.issuers.id_of(issuer)
            found = registry(admin).list(include_archived=include_archived, limit=limit, issuer_id=issuer_id)
            print_list(session, found, _COLUMNS[name])

    if name == "rules":
        list_ = click.option("--issuer", callback=not_empty, metavar="ID", help="Only rules of this issuer.")(list_)
    text = f"List {what}s.\n\nPrints a table in a terminal, and one JSON document a line elsewhere."
    return click.command("list", cls=AntCommand, help=text, examples=[f"ant wif {name} list --profile admin"])(list_)


def _get(name: str, what: str, registry: Callable[[Admin], ResourceCollection]) -> click.Command:
    @click.argument("wanted", metavar="ID")
    @pass_session
    def get(session: Session, wanted: str) -> None:
        from ant_cli._output import print_item

        with admin_of(session) as admin:
            print_item(session, registry(admin).find(wanted))

    text = f"Print one {what}.\n\nID is its ID or its name."
    example = f"ant wif {name} get {_EXAMPLE[name]} --profile admin"
    return click.command("get", cls=AntCommand, help=text, examples=[example])(get)


def _archive(name: str, what: str, registry: Callable[[Admin], ResourceCollection]) -> click.Command:
    @click.argument("wanted", metavar="ID")
    @click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
    @pass_session
    def archive(session: Session, wanted: str, *, yes: bool) -> None:
        from ant_cli._output import print_item
        from ant_wif._secrets import sanitize

        with admin_of(session) as admin:
            found = registry(admin).find(wanted)
            if found.get("archived_at") is None:
                named = f"{sanitize(found.get('name'))} ({sanitize(found.get('id'))})"
                confirm(session, f"Archive the {what} {named}? It cannot be brought back.", yes=yes)
            print_item(session, registry(admin).archive(str(found.get("id"))))

    text = f"Archive one {what} permanently.\n\nID is its ID or its name. Prints what was archived."
    example = f"ant wif {name} archive {_UNUSED[name]} --yes --profile admin"
    return click.command("archive", cls=AntCommand, help=text, examples=[example])(archive)


wif.add_command(_kind("issuers", "federation issuer", lambda admin: admin.issuers, create_issuer, update_issuer))
wif.add_command(_kind("rules", "federation rule", lambda admin: admin.rules, create_rule, update_rule))
wif.add_command(
    _kind(
        "service-accounts",
        "service account",
        lambda admin: admin.service_accounts,
        create_service_account,
        update_service_account,
    )
)
wif.add_command(setup)
