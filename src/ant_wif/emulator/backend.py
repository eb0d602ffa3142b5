"""The platform as a test holds it, served or not: what is registered, handed out and recorded."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, cast

from ant_wif.emulator import jwt_bearer, logins, refresh
from ant_wif.emulator.catalogue import Catalogue
from ant_wif.emulator.history import ExchangeRecord
from ant_wif.emulator.logins import Login
from ant_wif.emulator.state import State, registered_name
from ant_wif.rules import Issuer, Rule
from ant_wif.rules.model import ADMIN_SCOPE


class Backend:
    """Methods may be called from any thread."""

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def organization_id(self) -> str:
        return self._state.organization_id

    @property
    def api_key(self) -> str:
        """A static key, bound to the default workspace."""
        return next(iter(self._state.api_keys))

    @property
    def history(self) -> list[ExchangeRecord]:
        """The last thousand attempts at the token endpoint, oldest first: a copy."""
        return self._state.history.snapshot()

    @property
    def exchanges(self) -> int:
        """How many identity tokens were exchanged since the start or `clear_history`."""
        return self._state.history.granted[jwt_bearer.GRANT_TYPE]

    @property
    def refreshes(self) -> list[ExchangeRecord]:
        """What was attempted with the refresh grant, granted or not, oldest first: a copy."""
        return [record for record in self.history if record.grant_type == refresh.GRANT_TYPE]

    def clear_history(self) -> None:
        """Forget what was attempted. Tokens stay valid, and spent assertions stay spent."""
        with self._state.lock:
            self._state.history.clear()

    @property
    def rules(self) -> dict[str, Rule]:
        """The rules by name: a copy."""
        with self._state.lock:
            return {rule.name: rule for rule in self._state.rules.values()}

    def rule(self, name: str = "github") -> Rule:
        """Return a rule by its name, or by that of the platform it is for: `google_cloud`.

        Raises ValueError where there is no such rule.
        """
        rules = self.rules
        found = rules.get(name) or rules.get(registered_name(name))
        if found is None:
            raise ValueError(f"no rule {name!r}; there are {', '.join(rules)}")
        return found

    def issuer(self, name: str = "github") -> Issuer:
        """Return the issuer of the rule `name`. Raises ValueError where there is no such rule."""
        return self._state.issuers[self.rule(name).issuer_id]

    def update_rule(self, name: str, **changes: object) -> Rule:
        """Change fields of a rule, and return it. Raises TypeError for a field that `Rule` has not.

        What the Admin API would refuse is possible here. A rule that is given the scope `org:admin` has its
        service account made an admin, as it must be one.
        """
        state = self._state
        with state.lock:
            rule = replace(self.rule(name), **cast("dict[str, Any]", changes))
            state.rules[rule.id] = rule
            state.notes.touch(rule.id, state.user.actor_id)
            if ADMIN_SCOPE in rule.oauth_scope.split() and "oauth_scope" in changes:
                account = state.service_accounts[rule.service_account_id]
                state.service_accounts[account.id] = replace(account, organization_role="admin")
                state.notes.touch(account.id, state.user.actor_id)
        return rule

    def update_issuer(self, name: str, **changes: object) -> Issuer:
        """Change fields of the issuer of the rule `name`. Raises TypeError as `update_rule` does."""
        state = self._state
        with state.lock:
            issuer = replace(self.issuer(name), **cast("dict[str, Any]", changes))
            state.issuers[issuer.id] = issuer
            state.notes.touch(issuer.id, state.user.actor_id)
        return issuer

    def serve_models(self, ids: Iterable[str]) -> None:
        """Serve these models only, newest first. Without it, every id that begins with `claude-` is served.

        Raises ValueError for an id that is empty or there twice.
        """
        self._state.models = Catalogue.of(ids)

    def login(
        self,
        *,
        scope: str = logins.DEFAULT_SCOPE,
        workspace_id: str | None = None,
        lifetime: int = logins.LIFETIME_SECONDS,
        client_id: str = logins.CLIENT_ID,
    ) -> Login:
        """Log a person in, as if the Console's consent page had been approved.

        `workspace_id` is by default that of the default workspace; `lifetime` is that of each access
        token, in seconds. Raises ValueError for a workspace that does not exist or a lifetime below 1.
        """
        return logins.log_in(
            self._state, scope=scope, workspace_id=workspace_id, lifetime=lifetime, client_id=client_id
        )

    def register_client(self, client_id: str) -> None:
        """Have the consent page know another client."""
        with self._state.lock:
            self._state.client_ids.add(client_id)

    @property
    def left_out_of_logins(self) -> AbstractSet[str]:
        """Fields that the answer to a login lacks, such as `workspace`; a refresh has them nevertheless."""
        return self._state.left_out_of_logins

    @left_out_of_logins.setter
    def left_out_of_logins(self, fields: Iterable[str]) -> None:
        """Raises ValueError for a field that the answer does not have."""
        wanted = frozenset(fields)
        if not wanted <= logins.ANSWER_FIELDS:
            raise ValueError(
                f"no fields {sorted(wanted - logins.ANSWER_FIELDS)}; there are {sorted(logins.ANSWER_FIELDS)}"
            )
        self._state.left_out_of_logins = wanted

    def is_live_refresh_token(self, token: str) -> bool:
        """Return whether a refresh with this token would be granted: handed out, not used, not revoked."""
        with self._state.lock:
            session = self._state.sessions.get(token)
            return session is not None and session.refresh_token == token and not session.ended

    def revoke(self, token: str) -> None:
        """Make a token invalid before its time. A refresh token, used or not, ends its login.

        The access tokens of a login that ended stay valid until they expire or are revoked themselves.
        """
        with self._state.lock:
            self._state.access_tokens.drop(token)
            session = self._state.sessions.get(token)
            if session is not None:
                session.ended = True
