"""`ant wif`: whose identity tokens the organization accepts, over the Admin API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ant_cli._click.groups import AntCommand, AntGroup
from ant_cli._click.options import not_empty
from ant_cli._prompts import confirm
from ant_cli._session import Session, pass_session
from ant_cli.commands.wif.create import admin_of, create_issuer, create_rule, create_service_account
from ant_cli.commands.wif.setup import setup

if TYPE_CHECKING:
    from ant_wif.admin.client import Admin, ResourceCollection

__all__ = ["wif"]


@click.group(cls=AntGroup)
def wif() -> None:
    """See and set up whose identity tokens are accepted, with the login of an administrator.

    `ant auth login --profile admin --scope org:admin` makes one; then give --profile admin to these commands.
    """


def _kind(name: str, what: str, registry: Callable[[Admin], ResourceCollection], create: click.Command) -> click.Group:
    """Return the group of commands for one kind of resource, of which `registry` returns those there are."""
    group = AntGroup(name, help=f"See, create and archive {what}s.")
    group.add_command(_list(what, registry, by_issuer=name == "rules"))
    group.add_command(_get(what, registry))
    group.add_command(create)
    group.add_command(_archive(what, registry))
    return group


def _list(what: str, registry: Callable[[Admin], ResourceCollection], *, by_issuer: bool) -> click.Command:
    @click.option("--include-archived", is_flag=True, help="Archived ones, too.")
    @click.option("--limit", type=click.IntRange(min=1), help="Print at most so many.")
    @pass_session
    def list_(session: Session, *, include_archived: bool, limit: int | None, issuer: str | None = None) -> None:
        from ant_cli._output import print_items

        with admin_of(session) as admin:
            issuer_id = None if issuer is None else admin.issuers.id_of(issuer)
            found = registry(admin).list(include_archived=include_archived, limit=limit, issuer_id=issuer_id)
            print_items(session, found)

    if by_issuer:
        list_ = click.option("--issuer", callback=not_empty, metavar="ID", help="Only those of this issuer.")(list_)
    text = f"List the {what}s, one JSON document a line, asking for pages as they are needed."
    return click.command("list", cls=AntCommand, help=text)(list_)


def _get(what: str, registry: Callable[[Admin], ResourceCollection]) -> click.Command:
    @click.argument("wanted", metavar="ID")
    @pass_session
    def get(session: Session, wanted: str) -> None:
        from ant_cli._output import print_item

        with admin_of(session) as admin:
            print_item(session, registry(admin).find(wanted))

    return click.command("get", cls=AntCommand, help=f"Print one {what}. ID may be its name.")(get)


def _archive(what: str, registry: Callable[[Admin], ResourceCollection]) -> click.Command:
    @click.argument("wanted", metavar="ID")
    @click.option("--yes", is_flag=True, help="Do not ask.")
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

    text = f"Archive one {what}, for good, and print it. ID may be its name."
    return click.command("archive", cls=AntCommand, help=text)(archive)


wif.add_command(_kind("issuers", "federation issuer", lambda admin: admin.issuers, create_issuer))
wif.add_command(_kind("rules", "federation rule", lambda admin: admin.rules, create_rule))
wif.add_command(
    _kind("service-accounts", "service account", lambda admin: admin.service_accounts, create_service_account)
)
wif.add_command(setup)
