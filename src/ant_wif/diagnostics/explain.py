"""Why an exchange is denied: the checks of the server, made here with what can be known here.

The server says one sentence, whatever is wrong. Nothing is sent to it by this module; `live` reads what is
registered there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ant_wif._http import run
from ant_wif._resolution import Resolution
from ant_wif._secrets import SecretStr, sanitize
from ant_wif._tokens import UNKNOWN, AssertionLog, AssertionUse, Federation, earlier_use
from ant_wif.credentials import cache_of
from ant_wif.diagnostics.registered import Registered, noting_dates
from ant_wif.errors import IdentityTokenError
from ant_wif.identity.token import trimmed
from ant_wif.rules import (
    NOTABLE_SECONDS,
    REASONS,
    Check,
    ExchangeRequest,
    Knowledge,
    Reason,
    drift_cause,
    examine,
    visible_causes,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["Explanation", "Registered", "explain", "explain_assertion"]

_RULE_IS_ACTIVE = 2
_DEEPEST_CLAIM = 6


@dataclass(frozen=True)
class Explanation:
    """The checks in their order, and what else is known about tokens like this one.

    `identity_source` names where the token came from. `clock_drift_seconds` is how far this machine's clock
    is behind that of the Claude API or, where that was not asked, of the server that issued the token; `None` where
    no server said. `registered_from` says with what the registrations were read from the platform, `None` where
    they were not.
    """

    identity_source: str
    checks: tuple[Check, ...]
    causes: tuple[str, ...]
    unverified_header: Mapping[str, object] | None
    unverified_claims: Mapping[str, object] | None
    clock_drift_seconds: float | None = None
    registered_from: str | None = None

    @property
    def reason(self) -> Reason | None:
        """Why it is denied, in the word of the authentication history; `None` where nothing fails that is known."""
        return next((check.reason for check in self.checks if check.failed), None)

    @property
    def remedy(self) -> str | None:
        return REASONS[self.reason].remedy if self.reason else None

    def as_json(self) -> dict[str, object]:
        """Return it as `ant auth explain --format json` prints it: fields may be added, never renamed."""
        return {
            "schema": "ant.auth.explain/1",
            "reason": self.reason,
            "remedy": self.remedy,
            "identity_source": self.identity_source,
            "registered_from": self.registered_from,
            "unverified_header": self.unverified_header,
            "unverified_claims": self.unverified_claims,
            "clock_drift_seconds": self.clock_drift_seconds,
            "checks": [
                {
                    "number": check.number,
                    "title": check.title,
                    "state": check.state,
                    "reason": check.reason,
                    "found": check.found,
                    "wanted": check.wanted,
                    "sentence": check.sentence,
                }
                for check in self.checks
            ],
            "causes": list(self.causes),
        }


def explain(
    resolution: Resolution, registered: Registered | None = None, *, http_client: httpx.Client | None = None
) -> Explanation:
    """Fetch the identity token that this run would present, and make the checks on it.

    Raises:
        ConfigurationError: no exchange can be made with the settings.
        IdentityTokenError: no token is available.
    """
    source, context = resolution.identity
    settings = (
        next(each.settings for each in resolution.candidates if each.identity is source) or resolution.inputs.settings
    )
    federation = resolution.inputs.federated(settings)
    if federation is not None:
        settings.check(*federation._fields)
    needed = {
        "ANTHROPIC_FEDERATION_RULE_ID": settings.federation_rule_id,
        "ANTHROPIC_ORGANIZATION_ID": settings.organization_id,
    }
    drifts: list[float] = []
    just_issued = False
    try:
        flow = noting_dates(source.fetch(context), drifts, resolution.inputs.clock)
        fetched = run(flow, http_client, resolution.inputs.environ)
        raw, just_issued = fetched.assertion, source.renewable
    except IdentityTokenError:
        # What no source hands out may still lie there to be looked at: expired, or no JWT at all.
        at_hand = source.at_hand(context)
        if at_hand is None or not trimmed(at_hand).get_secret_value():
            raise
        raw = trimmed(at_hand)
    return explain_assertion(
        raw,
        federation,
        registered or Registered(),
        identity_source=source.source,
        expected_audience=getattr(source, "audience", None) or context.audience,
        now=resolution.inputs.clock(),
        before=AssertionLog(cache_of(settings, resolution.inputs.environ), resolution.inputs.clock).find(raw),
        clock_drift_seconds=round(drifts[-1]) if drifts else None,
        just_issued=just_issued,
        missing=" and ".join(name for name, value in needed.items() if value is None),
    )


def explain_assertion(
    assertion: SecretStr,
    federation: Federation | None,
    registered: Registered,
    *,
    identity_source: str,
    expected_audience: str,
    now: float,
    before: AssertionUse | None = None,
    clock_drift_seconds: float | None = None,
    just_issued: bool = False,
    missing: str = "",
) -> Explanation:
    """Make the checks on an identity token. `now` is unix time; `before` is what is known of its earlier use.

    `just_issued` says that the token was issued for this, `missing` what is not set where there is no federation.

    Where the Claude API has said what time it is, the token is judged by that.

    `federation` is `None` where nothing says what the token is to be presented for.
    """
    request = _request(assertion, federation, registered)
    api_s = registered.seconds_ahead
    if api_s is not None and abs(api_s) >= NOTABLE_SECONDS:
        now += api_s
    known = Knowledge(
        rule=registered.rule,
        issuer=registered.issuer,
        key_set=registered.key_set,
        service_account=registered.service_account,
        default_workspace_id=registered.default_workspace_id,
        expected_audience=expected_audience,
        inline_keys=registered.inline_keys,
    )
    used, lost = before is not None and before.was_granted, before is not None and before.outcome == UNKNOWN
    judge = partial(
        examine, request, known, source=identity_source, used=used, lost=lost,
        just_issued=just_issued,
    )  # fmt: skip
    found = judge(now=now)
    checked = found.checks
    if api_s is None and clock_drift_seconds is not None and abs(clock_drift_seconds) >= NOTABLE_SECONDS:
        checked = tuple(map(_by_both_clocks, checked, judge(now=now + clock_drift_seconds).checks))
    made = (_request_checked(federation, missing), *(_looked_for(check, registered, federation) for check in checked))
    claims = found.unverified_claims or {}
    causes = [*_of_the_clock(clock_drift_seconds, api_s), *registered.notes]
    earlier = earlier_use(before, claims)
    causes[:0] = visible_causes(made, claims, known, source=identity_source, before=earlier)
    checks = tuple(_clean(check) for check in made)
    return Explanation(
        identity_source,
        checks,
        tuple(sanitize(cause, limit=600) for cause in causes),
        _shown(found.unverified_header),
        _shown(found.unverified_claims),
        clock_drift_seconds if api_s is None else round(api_s),
        registered.origin,
    )


def _by_both_clocks(here: Check, there: Check) -> Check:
    if here.state == there.state:
        return here
    sentence = "Not checked: by the clock of the server that issued the token, this check has the other result."
    return here._replace(unchecked=True, sentence=sentence)


def _request(assertion: SecretStr, federation: Federation | None, registered: Registered) -> ExchangeRequest:
    text = assertion.get_secret_value()
    if federation is None:
        rule = registered.rule.id if registered.rule else ""
        return ExchangeRequest(assertion=text, organization_id="", federation_rule_id=rule)
    return ExchangeRequest(assertion=text, **federation.ids())


def _request_checked(federation: Federation | None, missing: str) -> Check:
    title = "the request is well-formed"
    if federation is None:
        sentence = f"Not checked: {missing or 'the federation'} is not set."
        return Check(1, title, None, "", "", sentence, unchecked=True)
    return Check(1, title, None, f"rule {federation.federation_rule_id}", "ids of the proper kinds", "")


def _looked_for(check: Check, registered: Registered, federation: Federation | None) -> Check:
    """Return a check as it is, but that of a rule which the organization was asked for and has not got."""
    there = registered.organization_id
    if check.number != _RULE_IS_ACTIVE or there is None or federation is None:
        return check
    if federation.organization_id.lower() != there.lower():
        sentence = (
            f"The request names the organization {federation.organization_id}; {registered.origin} is of {there}."
        )
    elif registered.absent is not None:
        sentence = f"The organization {there} has no such rule."
    else:
        return check
    return Check(check.number, check.title, "rule_not_found", "no such rule", federation.federation_rule_id, sentence)


def _clean(check: Check) -> Check:
    """Return it with the secrets masked that are in a claim or a rule."""
    found, wanted, sentence = (sanitize(text, limit=1024) for text in (check.found, check.wanted, check.sentence))
    return check._replace(found=found, wanted=wanted, sentence=sentence)


def _of_the_clock(issuer_s: float | None, api_s: float | None) -> list[str]:
    if api_s is not None:
        return drift_cause(api_s, "the Claude API. The times above are compared with the clock of the Claude API.")
    return drift_cause(
        issuer_s,
        "the server that issued the token. The times above are compared with this machine's clock. The Claude API "
        "compares them with its own.",
    )


def _shown(members: Mapping[str, object] | None) -> dict[str, object] | None:
    return None if members is None else {sanitize(name): _cut(value, _DEEPEST_CLAIM) for name, value in members.items()}


def _cut(value: object, depth: int) -> object:
    """Return a claim with secrets masked, and cut where it is nested deep: it comes from anyone."""
    if isinstance(value, str):
        return sanitize(value, limit=1024)
    if isinstance(value, (dict, list)) and depth == 0:
        return "..."
    if isinstance(value, dict):
        return {sanitize(name): _cut(item, depth - 1) for name, item in value.items()}
    return [_cut(item, depth - 1) for item in value] if isinstance(value, list) else value
