"""The authorization code grant (RFC 6749 §4.1.3) with PKCE (RFC 7636 §4.6): an approved consent becomes a login.

A code that cannot be redeemed is denied as an unusable refresh token is: 400, OAuth's shape, one sentence
whatever the reason. A denied attempt leaves the code as it is, but a code that is redeemed twice may have been
stolen: the login that it began ends, with all its tokens (§4.1.2).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ant_wif.emulator._http import ids
from ant_wif.emulator._http.fields import Field, read_fields
from ant_wif.emulator._http.protocol import Refusal, json_response, request_id
from ant_wif.emulator._oauth.sessions import LIFETIME_SECONDS, issue_tokens, token_answer
from ant_wif.emulator._state.history import ExchangeRecord
from ant_wif.emulator._state.state import AuthorizationCode, Consent, LoginSession, State, Workspace

GRANT_TYPE = "authorization_code"
CODE_SECONDS = 60

_FIELDS = {
    "grant_type": Field(re.escape(GRANT_TYPE), GRANT_TYPE),
    "code": Field(r".+", "a non-empty string"),
    "code_verifier": Field(r"[A-Za-z0-9._~-]{43,128}", "43 to 128 unreserved characters (RFC 7636)"),
    "client_id": Field(r".+", "a non-empty string"),
    "redirect_uri": Field(r".+", "a non-empty string"),
    "state": Field(r".+", "a non-empty string"),
}
_INVALID_GRANT = {"error": "invalid_grant", "error_description": "Authorization code not found or invalid"}
_NO_STORE = {"cache-control": "no-store"}


def issue_code(state: State, consent: Consent, workspace: Workspace) -> str:
    """Hand out a code for what was approved. Hold the state's lock."""
    code = ids.authorization_code()
    state.codes[code] = AuthorizationCode(consent, workspace, expires_at=state.clock() + CODE_SECONDS)
    return code


def redeem(state: State, request: Request, body: dict[str, object]) -> Response:
    """Judge and, when granted, begin a login. Raises `Refusal` (400) for a malformed request."""
    if "anthropic-beta" in request.headers:
        raise Refusal(400, "anthropic-beta: must not be sent with this grant")
    fields = read_fields(body, _FIELDS)
    # One step under one lock: of two that redeem the same code, the second must see the first.
    with state.lock:
        now = state.clock()
        found = state.codes.get(fields["code"])
        reason = _why_not(found, fields, now)
        answer = _begin(state, found, now) if found is not None and reason is None else None
        if found is not None and found.session is not None and answer is None:
            _end(state, found.session)
        state.history.add(
            ExchangeRecord(
                at=now,
                grant_type=GRANT_TYPE,
                outcome="denied" if answer is None else "granted",
                status=400 if answer is None else 200,
                request_id=request_id(request),
                reason=reason,
                workspace_id=found.workspace.id if found else None,
            )
        )
    return json_response(_INVALID_GRANT, 400, _NO_STORE) if answer is None else json_response(answer, headers=_NO_STORE)


def _why_not(found: AuthorizationCode | None, fields: Mapping[str, str], now: float) -> str | None:
    if found is None:
        return "code_unknown"
    if found.session is not None:
        return "code_used"
    if found.expires_at <= now:
        return "code_expired"
    consent = found.consent
    pairs = {
        "client_id_mismatch": (fields["client_id"], consent.client_id),
        "redirect_uri_mismatch": (fields["redirect_uri"], consent.redirect_uri),
        "state_mismatch": (fields["state"], consent.client_state),
        "verifier_mismatch": (_challenge(fields["code_verifier"]), consent.code_challenge),
    }
    return next((reason for reason, (sent, bound) in pairs.items() if not _same(sent, bound)), None)


def _challenge(verifier: str) -> str:
    """S256 (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def _same(sent: str, bound: str) -> bool:
    return hmac.compare_digest(sent.encode(), bound.encode())


def _begin(state: State, found: AuthorizationCode, now: float) -> dict[str, object]:
    consent = found.consent
    found.session = LoginSession(consent.client_id, consent.scope, found.workspace, LIFETIME_SECONDS, refresh_token="")
    answer = token_answer(state, found.session, issue_tokens(state, found.session, now))
    return {name: value for name, value in answer.items() if name not in state.omit_login_fields}


def _end(state: State, session: LoginSession) -> None:
    session.ended = True
    for token in session.access_tokens:
        state.access_tokens.drop(token)
