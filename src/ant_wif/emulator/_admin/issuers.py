"""Federation issuers, and where their keys come from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from ant_wif.emulator._admin.resource import Body, Resource, given
from ant_wif.emulator._admin.rules import needs_console
from ant_wif.emulator._http import ids
from ant_wif.emulator._http.protocol import Refusal, timestamp
from ant_wif.emulator._oauth.jwks import FetchedKeys, key_source, own_platform
from ant_wif.rules import Issuer, RegistrationError, Rule, check_issuer
from ant_wif.rules.registration import check_tenant

_PLAIN = ("name", "issuer_url", "max_jwt_lifetime_seconds", "check_jti")


class Issuers(Resource[Issuer]):
    path = "federation_issuers"
    title = "federation issuer"
    parameter = "federation_issuer_id"
    answer, creation, change = "IssuerResource", "IssuerCreate", "IssuerUpdate"

    @property
    def all(self) -> dict[str, Issuer]:
        return self.state.issuers

    def show(self, found: Issuer) -> dict[str, object]:
        return {
            "type": "federation_issuer",
            **self.frame(found),
            "issuer_url": found.issuer_url,
            "jwks": given(self.state.notes[found.id].jwks),
            "max_jwt_lifetime_seconds": found.max_jwt_lifetime_seconds,
            "check_jti": found.check_jti,
            "jwks_polling_disabled_at": None,
            "poll_status": self._poll_status(found),
        }

    def create(self, body: Body, actor: str) -> Issuer:
        blank = Issuer(id=ids.tagged_id("fdis"), name="", issuer_url="")
        issuer = _with_fields(blank, body)
        jwks = cast("Body", body.get("jwks", {"type": "discovery"}))
        self._check(issuer, jwks)
        self.refuse_taken(issuer.name)
        self._put(issuer, jwks)
        self.state.notes.begin(issuer.id, actor, jwks=jwks)
        return issuer

    def update(self, found: Issuer, body: Body, actor: str) -> Issuer:
        rules = [rule for rule in self.state.rules.values() if rule.issuer_id == found.id and not rule.archived]
        if any(needs_console(rule) for rule in rules):
            raise Refusal(403, f"The issuer {found.name} backs a rule that only the Console may change")
        former = self.state.notes[found.id].jwks
        issuer, jwks = _with_fields(found, body), cast("Body", body.get("jwks") or former)
        self._check(issuer, jwks)
        self.refuse_taken(issuer.name, but=issuer.id)
        if issuer.issuer_url != found.issuer_url:
            for rule in rules:
                self._check_tenant(rule, issuer)
        if issuer.issuer_url != found.issuer_url or jwks != former:
            self._put(issuer, jwks)
        self.all[issuer.id] = issuer
        self.state.notes.change(issuer.id, actor, body)
        self.state.notes.set_jwks(issuer.id, jwks)
        return issuer

    def archived(self, found: Issuer) -> Issuer:
        live = [rule.name for rule in self.state.rules.values() if rule.issuer_id == found.id and not rule.archived]
        if live:
            raise Refusal(400, f"The federation issuer is that of a rule: archive {', '.join(live)} first")
        return replace(found, archived=True)

    def _check(self, issuer: Issuer, jwks: Body) -> None:
        # The keys of the emulator's own platforms are not fetched, so these may be wherever it listens.
        is_own = own_platform(self.state, issuer.issuer_url, jwks) is not None
        check_issuer(issuer, {"type": "inline"} if is_own else jwks, allow_loopback=True)

    def _check_tenant(self, rule: Rule, issuer: Issuer) -> None:
        try:
            check_tenant(rule, self.state.known_as(issuer))
        except RegistrationError as error:
            raise RegistrationError("issuer_url", f"the rule {rule.name} {error.sentence}") from None

    def _poll_status(self, issuer: Issuer) -> dict[str, object] | None:
        source = self.state.key_sets.get(issuer.id)
        if not isinstance(source, FetchedKeys):
            return None
        fetched, due = source.fetched_at, source.due_at
        return {
            "consecutive_failures": source.failures,
            "last_fetched_at": None if fetched is None else timestamp(fetched),
            "next_poll_at": None if due is None else timestamp(due),
        }

    def _put(self, issuer: Issuer, jwks: Body) -> None:
        key_set = key_source(self.state, issuer.issuer_url, jwks)
        self.all[issuer.id], self.state.key_sets[issuer.id] = issuer, key_set
        self.state.note_platform(issuer.id, jwks)


def _with_fields(issuer: Issuer, body: Body) -> Issuer:
    changes = {name: value for name, value in given(body).items() if name in _PLAIN}
    return replace(issuer, **cast("dict[str, Any]", changes))
