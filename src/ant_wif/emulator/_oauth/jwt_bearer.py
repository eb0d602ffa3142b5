"""The federation grant (RFC 7523 §2.1): an identity token in, an access token out."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from ant_wif.emulator._http import ids
from ant_wif.emulator._http.fields import Field, granted, read_fields
from ant_wif.emulator._http.protocol import OAUTH_BETA, Refusal, error_response, listed, request_id
from ant_wif.emulator._oauth.jwks import fetch_keys
from ant_wif.emulator._state.history import ExchangeRecord, displayable_claims
from ant_wif.emulator._state.state import Access, State
from ant_wif.rules import Decision, ExchangeRequest, Registration, evaluate

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FEDERATION_BETA = "oidc-federation-2026-04-01"

_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_FIELDS = {
    "grant_type": Field(re.escape(GRANT_TYPE), GRANT_TYPE),
    "assertion": Field(r".+", "a non-empty string"),
    "federation_rule_id": Field(r"fdrl_[A-Za-z0-9]{1,64}", "an id that begins with fdrl_"),
    "organization_id": Field(_UUID, "a UUID"),
    "service_account_id": Field(r"svac_[A-Za-z0-9]{1,64}", "an id that begins with svac_", required=False),
    "workspace_id": Field(
        r"default|wrkspc_[A-Za-z0-9]{1,64}",
        "an id that begins with wrkspc_, or the word default",
        required=False,
    ),
}


def exchange(state: State, request: Request, body: dict[str, object]) -> Response:
    """Check the request and, if it is granted, issue a token. Raises `Refusal` (400) for a malformed request."""
    missing = {OAUTH_BETA, FEDERATION_BETA} - listed(request.headers, "anthropic-beta")
    if missing:
        raise Refusal(400, f"anthropic-beta: must contain {' and '.join(sorted(missing))}")
    fields = read_fields(body, _FIELDS)
    wish = ExchangeRequest(**{name: value for name, value in fields.items() if name != "grant_type"})
    # One step under one lock: of two exchanges of the same assertion, the second must see the first.
    with state.lock:
        now = state.clock()
        registration = state.registration(wish.federation_rule_id)
        judgement = _judge(state, wish, registration, now)
        answer = _mint(state, registration, judgement, now) if registration else None
        record = ExchangeRecord(
            at=now,
            grant_type=GRANT_TYPE,
            outcome="denied" if answer is None else "granted",
            status=401 if answer is None else 200,
            request_id=request_id(request),
            reason=judgement.reason,
            rule_id=wish.federation_rule_id,
            rule_name=registration.rule.name if registration else None,
            issuer=registration.issuer.issuer_url if registration else None,
            workspace_id=judgement.workspace_id or wish.workspace_id,
            unverified_claims=displayable_claims(judgement.unverified_claims),
        )
        state.history.add(record)
    return error_response(request, 401, "Authentication failed") if answer is None else granted(answer)


async def prepare(state: State, body: dict[str, object]) -> None:
    """Have the keys of the rule's issuer at hand, which may have to be fetched. Never raises."""
    rule_id = body.get("federation_rule_id")
    rule = state.rules.get(rule_id) if isinstance(rule_id, str) else None
    if rule is not None and not rule.archived:
        await fetch_keys(state.key_sets.get(rule.issuer_id), body.get("assertion"))


def _judge(state: State, wish: ExchangeRequest, registration: Registration | None, now: float) -> Decision:
    issuer_id = registration.issuer.id if registration else ""
    return evaluate(
        wish,
        registration,
        now=now,
        key_set=state.key_sets.get(issuer_id, dict),
        jti_seen=lambda jti: state.spent.get((issuer_id, jti), now=now) is not None,
    )


def _mint(state: State, registration: Registration, judgement: Decision, now: float) -> dict[str, object] | None:
    workspace_id, lifetime = judgement.workspace_id, judgement.token_lifetime_seconds
    if not judgement.granted or workspace_id is None or lifetime is None:
        return None
    if judgement.jti is not None and judgement.jti_expires_at is not None:
        spent = (registration.issuer.id, judgement.jti)
        state.spent.put(spent, value=True, until=judgement.jti_expires_at, now=now)
    token, scope = ids.access_token(), registration.rule.oauth_scope
    access = Access(workspace_id, scope, actor_id=registration.rule.service_account_id)
    state.access_tokens.put(token, access, until=now + lifetime, now=now)
    return {"access_token": token, "token_type": "Bearer", "expires_in": lifetime, "scope": scope}
