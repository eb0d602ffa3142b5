"""Service accounts, and the workspaces that they are in."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from starlette.datastructures import QueryParams

from ant_wif.emulator._admin.resource import Body, Resource, page, read_wish
from ant_wif.emulator._http import ids
from ant_wif.emulator._http.protocol import Refusal
from ant_wif.emulator._state.state import Membership
from ant_wif.rules import RegistrationError, ServiceAccount, check_name
from ant_wif.rules.models import OrganizationRole


class Accounts(Resource[ServiceAccount]):
    path = "service_accounts"
    title = "service account"
    parameter = "service_account_id"
    answer, creation, change = "ServiceAccountResource", "ServiceAccountCreate", "ServiceAccountUpdate"

    @property
    def all(self) -> dict[str, ServiceAccount]:
        return self.state.service_accounts

    def show(self, found: ServiceAccount) -> dict[str, object]:
        return {
            "type": "service_account",
            **self.frame(found),
            "description": self.state.notes[found.id].description,
            "organization_role": found.organization_role or "developer",
        }

    def create(self, body: Body, actor: str) -> ServiceAccount:
        _refuse_promotion(body, actor)
        name = str(body["name"])
        check_name(name)
        self.refuse_taken(name)
        role = cast("OrganizationRole", body.get("organization_role", "developer"))
        account = ServiceAccount(id=ids.tagged_id("svac"), name=name, organization_role=role)
        self.all[account.id] = account
        self.state.notes.begin(account.id, actor, description=cast("str | None", body.get("description")))
        return account

    def update(self, found: ServiceAccount, body: Body, actor: str) -> ServiceAccount:
        _refuse_promotion(body, actor)
        self.state.notes.change(found.id, actor, body)
        role = cast("OrganizationRole | None", body.get("organization_role"))
        found = replace(found, organization_role=role or found.organization_role)
        self.all[found.id] = found
        return found

    def archived(self, found: ServiceAccount) -> ServiceAccount:
        rules = [rule for rule in self.state.rules.values() if rule.service_account_id == found.id]
        live = [rule.name for rule in rules if not rule.archived]
        if live:
            raise Refusal(400, f"The service account is the target of a rule: archive {', '.join(live)} first")
        return replace(found, archived=True)


def _refuse_promotion(body: Body, actor: str) -> None:
    """Raises `Refusal` (403) where a workload, and no person, makes a service account an admin."""
    if body.get("organization_role") == "admin" and not actor.startswith("user_"):
        raise Refusal(403, "organization_role: only a person may make a service account an admin, by a login")


class Memberships:
    """Every service account is in the default workspace, without anybody's doing."""

    answer, creation, deletion = "MembershipResource", "MembershipCreate", "MembershipDeleted"
    title = "membership of a service account"

    def __init__(self, accounts: Accounts) -> None:
        self.owners = accounts
        self._state = accounts.state

    def list(self, account_id: str, query: QueryParams) -> dict[str, object]:
        """Return a page; what is implicit begins the first, and is nothing that a cursor could stand at.

        An archived account is in no workspace.
        """
        account, wish = self.owners.known(account_id), read_wish(query)
        default, workspaces = self._state.default_workspace.id, list(self._state.workspaces)
        explicit = [] if account.archived else [each for each in workspaces if each in account.workspace_ids]
        is_first = wish.after is None and not account.archived
        implicit = [default] if is_first and default not in explicit else []
        found, next_page = page(replace(wish, limit=max(1, wish.limit - len(implicit))), explicit, explicit)
        return {"data": [self._show(account, each) for each in implicit + found], "next_page": next_page}

    def add(self, account_id: str, body: Body, actor: str) -> dict[str, object]:
        """Add it, or give it another role where it is a member."""
        account, workspace_id = self.owners.live(account_id), str(body["workspace_id"])
        if workspace_id not in self._state.workspaces:
            raise RegistrationError("workspace_id", "there is no such workspace")
        is_member = workspace_id in account.workspace_ids
        added_by = self._noted(account, workspace_id).actor_id if is_member else actor
        account = replace(account, workspace_ids=account.workspace_ids | {workspace_id})
        self.owners.all[account.id] = account
        membership = Membership(str(body["workspace_role"]), added_by)
        self._state.notes.memberships[account.id, workspace_id] = membership
        return self._show(account, workspace_id)

    def remove(self, account_id: str, workspace_id: str, _: str) -> dict[str, object]:
        account = self.owners.known(account_id)
        self.owners.all[account.id] = replace(account, workspace_ids=account.workspace_ids - {workspace_id})
        self._state.notes.memberships.pop((account.id, workspace_id), None)
        return {
            "type": "service_account_workspace_member_deleted",
            "service_account_id": account.id,
            "workspace_id": workspace_id,
        }

    def _show(self, account: ServiceAccount, workspace_id: str) -> dict[str, object]:
        implicit = workspace_id not in account.workspace_ids
        noted = self._noted(account, workspace_id)
        return {
            "type": "service_account_workspace_member",
            "service_account_id": account.id,
            "workspace_id": workspace_id,
            "workspace_role": "workspace_user" if implicit else noted.role,
            "created_by_actor_id": None if implicit else noted.actor_id,
            "implicit": implicit,
        }

    def _noted(self, account: ServiceAccount, workspace_id: str) -> Membership:
        return self._state.notes.memberships.get((account.id, workspace_id), Membership())
