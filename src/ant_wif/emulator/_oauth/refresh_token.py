"""The refresh grant (RFC 6749 §6) of a person's login: a refresh token in, an access token and the next one out.

The refresh token rotates: the one that was presented is dead from then on. Presenting it again is denied,
and leaves the login as it is.

A refresh token that cannot be used is denied with 400 in the shape of RFC 6749 §5.2, where `error` is the
string `invalid_grant`, as the real service answers; the API's own shape has an object in that place, which
no OAuth client could read. It always says the same sentence: only the history tells the reason. A malformed
request does not belong to the grant, and is refused in the API's shape, as everywhere.
"""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from ant_wif.emulator._http.fields import Field, read_fields
from ant_wif.emulator._http.protocol import OAUTH_BETA, Refusal, json_response, listed, request_id
from ant_wif.emulator._oauth.jwt_bearer import FEDERATION_BETA
from ant_wif.emulator._oauth.sessions import issue_tokens, token_answer
from ant_wif.emulator._state.history import ExchangeRecord
from ant_wif.emulator._state.state import LoginSession, State

GRANT_TYPE = "refresh_token"

_FIELDS = {
    "grant_type": Field(re.escape(GRANT_TYPE), GRANT_TYPE),
    "refresh_token": Field(r".+", "a non-empty string"),
    "client_id": Field(r".+", "a non-empty string"),
}
_INVALID_GRANT = {"error": "invalid_grant", "error_description": "Refresh token not found or invalid"}
_NO_STORE = {"cache-control": "no-store"}


def refresh(state: State, request: Request, body: dict[str, object]) -> Response:
    """Judge and, when granted, rotate. Raises `Refusal` (400) for a malformed request."""
    betas = listed(request.headers, "anthropic-beta")
    if OAUTH_BETA not in betas:
        raise Refusal(400, f"anthropic-beta: must contain {OAUTH_BETA}")
    if FEDERATION_BETA in betas:
        raise Refusal(400, f"anthropic-beta: must not contain {FEDERATION_BETA} for this grant")
    fields = read_fields(body, _FIELDS)
    presented = fields["refresh_token"]
    # One step under one lock: of two refreshes with the same token, the second must see the first.
    with state.lock:
        now = state.clock()
        session = state.sessions.get(presented)
        reason = _why_not(session, presented, fields["client_id"])
        tokens = issue_tokens(state, session, now) if session is not None and reason is None else None
        state.history.add(
            ExchangeRecord(
                at=now,
                grant_type=GRANT_TYPE,
                outcome="denied" if tokens is None else "granted",
                status=400 if tokens is None else 200,
                request_id=request_id(request),
                reason=reason,
                workspace_id=session.workspace.id if session else None,
            )
        )
    if session is None or tokens is None:
        return json_response(_INVALID_GRANT, 400, _NO_STORE)
    return json_response(token_answer(state, session, tokens), headers=_NO_STORE)


def _why_not(session: LoginSession | None, presented: str, client_id: str) -> str | None:
    if session is None:
        return "refresh_token_unknown"
    if session.refresh_token != presented:
        return "refresh_token_reused"
    if session.ended:
        return "refresh_token_revoked"
    if session.client_id != client_id:
        return "client_id_mismatch"
    return None
