"""The organization that every emulator starts with: one narrow rule for each platform."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ant_wif.emulator import ids
from ant_wif.emulator.identities import IdentityProvider
from ant_wif.emulator.logins import CLIENT_ID
from ant_wif.emulator.state import Access, State, Workspace
from ant_wif.rules import Issuer, Rule, ServiceAccount


def seeded_state(providers: Iterable[IdentityProvider], clock: Callable[[], float] = time.time) -> State:
    """Return the seeded organization. Its issuers have no URL until the server has an address."""
    state = State(clock)
    state.client_ids.add(CLIENT_ID)
    engineering = Workspace(ids.tagged_id("wrkspc"), "Engineering")
    for workspace in (state.default_workspace, engineering):
        state.workspaces[workspace.id] = workspace
    account = ServiceAccount(id=ids.tagged_id("svac"), name="ci", workspace_ids=frozenset({engineering.id}))
    state.service_accounts[account.id] = account
    state.api_keys[ids.api_key()] = Access(state.default_workspace.id)
    for provider in providers:
        issuer = Issuer(
            id=ids.tagged_id("fdis"),
            name=provider.name,
            issuer_url="",
            max_jwt_lifetime_seconds=provider.max_lifetime_seconds,
        )
        rule = Rule(
            id=ids.tagged_id("fdrl"),
            name=provider.name,
            issuer_id=issuer.id,
            service_account_id=account.id,
            subject_prefix=provider.accepted_subject or provider.subject,
            audience=provider.audience,
            workspace_ids=(engineering.id,),
        )
        state.issuers[issuer.id] = issuer
        state.key_sets[issuer.id] = provider.key.key_set
        state.rules[rule.id] = rule
    return state
