"""The organization that every emulator starts with: one narrow rule for each platform."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ant_wif.emulator._http import ids
from ant_wif.emulator._issuers.provider import IdentityProvider
from ant_wif.emulator._oauth.sessions import CLIENT_ID
from ant_wif.emulator._seed.seed_file import SeedFile
from ant_wif.emulator._seed.seeding import register
from ant_wif.emulator._state.state import Access, State, Workspace, registered_name
from ant_wif.rules import Issuer, Rule, ServiceAccount

_NOTHING = SeedFile({}, "")


def seeded_state(
    providers: Iterable[IdentityProvider], clock: Callable[[], float] = time.time, seed: SeedFile = _NOTHING
) -> State:
    """Return the seeded organization. Its own issuers have no URL until the server has an address.

    Raises ConfigurationError for something in a seed file that cannot be registered.
    """
    organization = seed.organization()
    state = State(
        clock,
        organization_id=str(organization.get("id") or ids.uuid4()),
        organization_name=str(organization.get("name") or "Acme"),
        default_workspace=_seeded_workspace(seed, "default"),
        providers=tuple(providers),
    )
    state.client_ids.add(CLIENT_ID)
    engineering = _seeded_workspace(seed, "Engineering")
    for workspace in (state.default_workspace, engineering):
        state.workspaces[workspace.id] = workspace
    account = ServiceAccount(
        id=seed.id_of("service_accounts", "ci") or ids.tagged_id("svac"),
        name="ci",
        organization_role="developer",
        workspace_ids=frozenset({engineering.id}),
    )
    state.service_accounts[account.id] = account
    state.api_keys[ids.api_key()] = Access(state.default_workspace.id)
    for provider in state.providers:
        name = registered_name(provider.name)
        issuer = Issuer(
            id=ids.tagged_id("fdis"),
            name=name,
            issuer_url="",
            max_jwt_lifetime_seconds=provider.max_lifetime_seconds,
        )
        rule = Rule(
            id=seed.id_of("rules", name) or ids.tagged_id("fdrl"),
            name=name,
            issuer_id=issuer.id,
            service_account_id=account.id,
            subject_prefix=provider.accepted_subject or provider.subject,
            audience=provider.audience,
            workspace_ids=(engineering.id,),
        )
        state.issuers[issuer.id] = issuer
        state.platforms[issuer.id] = provider.name
        state.key_sets[issuer.id] = provider.key.key_set
        state.rules[rule.id] = rule
    register(state, seed)
    return state


def _seeded_workspace(seed: SeedFile, name: str) -> Workspace:
    return Workspace(seed.id_of("workspaces", name) or ids.tagged_id("wrkspc"), name)
