"""A person's login: its tokens, and the two grants that give them out.

The authorization code grant (RFC 6749 §4.1.3) with PKCE (RFC 7636 §4.6) makes an approved consent a login. A denied
attempt leaves the code as it is, but a code that is redeemed twice may have been stolen: the login that it began ends,
with all its tokens (§4.1.2).

The refresh grant (RFC 6749 §6) takes a refresh token, and gives an access token and the next refresh token: the one
that was presented is dead from then on. Presenting it again is denied, and leaves the login as it is.

What cannot be used is denied with 400 in the shape of RFC 6749 §5.2, where `error` is the string `invalid_grant`, as
the real service answers; the API's own shape has an object in that place, which no OAuth client could read. It always
says the same sentence: only the history tells the reason. A malformed request does not belong to the grant, and is
refused in the API's shape, as everywhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from ant_wif.emulator._http import ids
from ant_wif.emulator._http.fields import Field, OAuthError, granted, read_fields, refused
from ant_wif.emulator._http.protocol import OAUTH_BETA, Refusal, listed, request_id
from ant_wif.emulator._oauth.jwt_bearer import FEDERATION_BETA
from ant_wif.emulator._state.history import ExchangeRecord
from ant_wif.emulator._state.state import Access, AuthorizationCode, Consent, LoginSession, State, Workspace

CLIENT_ID = "41077d10-94b8-4194-be48-d251e9eb21b4"
"""The public client id of the official command line."""

DEFAULT_SCOPE = "user:profile user:inference user:developer"

LIFETIME_SECONDS = 3600
"""How long an access token of a login lasts."""

ANSWER_FIELDS = frozenset(
    ["access_token", "token_type", "expires_in", "scope", "refresh_token", "organization", "account", "workspace"]
)


@dataclass(frozen=True, kw_only=True)
class Login:
    """What an interactive login leaves with the client. `expires_at` is unix time, in whole seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: int
    scope: str
    organization_uuid: str
    organization_name: str
    account_email: str
    workspace_id: str
    workspace_name: str
    client_id: str


def log_in(state: State, *, scope: str, workspace_id: str | None, lifetime: int, client_id: str) -> Login:
    """Begin a session. Raises ValueError for a workspace that does not exist, or a lifetime below a second."""
    if type(lifetime) is not int or lifetime < 1:
        raise ValueError(f"lifetime {lifetime!r} is not a positive whole number of seconds")
    with state.lock:
        workspace = state.workspaces.get(workspace_id or state.default_workspace.id)
        if workspace is None:
            raise ValueError(f"no workspace {workspace_id!r}; there are {', '.join(state.workspaces)}")
        state.client_ids.add(client_id)
        session = LoginSession(client_id, scope, workspace, lifetime, refresh_token="")
        now = state.clock()
        access_token = issue_tokens(state, session, now)
    return Login(
        access_token=access_token,
        refresh_token=session.refresh_token,
        expires_at=int(now) + lifetime,
        scope=scope,
        organization_uuid=state.organization_id,
        organization_name=state.organization_name,
        account_email=state.user.email,
        workspace_id=workspace.id,
        workspace_name=workspace.name,
        client_id=client_id,
    )


def issue_tokens(state: State, session: LoginSession, now: float) -> str:
    """Give the session its next tokens, which makes its present refresh token a used one, and return the access token.

    Access tokens that it has already stay valid until they expire.
    """
    access_token, session.refresh_token = ids.access_token(), ids.refresh_token()
    access = Access(session.workspace.id, session.scope, may_choose_workspace=True, actor_id=state.user.actor_id)
    session.access_tokens.append(access_token)
    state.access_tokens.put(access_token, access, until=now + session.lifetime, now=now)
    state.sessions[session.refresh_token] = session
    return access_token


def granted_tokens(state: State, session: LoginSession, now: float) -> dict[str, object]:
    """Give the session its next tokens, and return what the token endpoint answers."""
    access_token = issue_tokens(state, session, now)
    return {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": session.lifetime,
        "scope": session.scope,
        "refresh_token": session.refresh_token,
        "organization": {"uuid": state.organization_id, "name": state.organization_name},
        "account": {"uuid": state.user.id, "email_address": state.user.email},
        "workspace": {"id": session.workspace.id, "name": session.workspace.name},
    }


REFRESH_GRANT = "refresh_token"

_REFRESH_FIELDS = {
    "grant_type": Field(re.escape(REFRESH_GRANT), REFRESH_GRANT),
    "refresh_token": Field(r".+", "a non-empty string"),
    "client_id": Field(r".+", "a non-empty string"),
}


def refresh(state: State, request: Request, body: dict[str, object]) -> Response:
    """Judge and, when granted, rotate. Raises `Refusal` (400) for a malformed request."""
    betas = listed(request.headers, "anthropic-beta")
    if OAUTH_BETA not in betas:
        raise Refusal(400, f"anthropic-beta: must contain {OAUTH_BETA}")
    if FEDERATION_BETA in betas:
        raise Refusal(400, f"anthropic-beta: must not contain {FEDERATION_BETA} for this grant")
    fields = read_fields(body, _REFRESH_FIELDS)
    presented = fields["refresh_token"]
    # One step under one lock: of two refreshes with the same token, the second must see the first.
    with state.lock:
        now = state.clock()
        session = state.sessions.get(presented)
        reason = _why_not_refreshed(session, presented, fields["client_id"])
        _record(state, request, REFRESH_GRANT, now=now, reason=reason, workspace=session.workspace if session else None)
        if session is None or reason is not None:
            return refused(OAuthError("invalid_grant", "Refresh token not found or invalid"))
        return granted(granted_tokens(state, session, now))


def _why_not_refreshed(session: LoginSession | None, presented: str, client_id: str) -> str | None:
    if session is None:
        return "refresh_token_unknown"
    if session.refresh_token != presented:
        return "refresh_token_reused"
    if session.ended:
        return "refresh_token_revoked"
    if session.client_id != client_id:
        return "client_id_mismatch"
    return None


CODE_GRANT = "authorization_code"
CODE_SECONDS = 60

_CODE_FIELDS = {
    "grant_type": Field(re.escape(CODE_GRANT), CODE_GRANT),
    "code": Field(r".+", "a non-empty string"),
    "code_verifier": Field(r"[A-Za-z0-9._~-]{43,128}", "43 to 128 unreserved characters (RFC 7636)"),
    "client_id": Field(r".+", "a non-empty string"),
    "redirect_uri": Field(r".+", "a non-empty string"),
    "state": Field(r".+", "a non-empty string"),
}


def issue_code(state: State, consent: Consent, workspace: Workspace) -> str:
    """Hand out a code for what was approved. Hold the state's lock."""
    code = secrets.token_urlsafe(32)
    state.codes[code] = AuthorizationCode(consent, workspace, expires_at=state.clock() + CODE_SECONDS)
    return code


def redeem(state: State, request: Request, body: dict[str, object]) -> Response:
    """Judge and, when granted, begin a login. Raises `Refusal` (400) for a malformed request."""
    if "anthropic-beta" in request.headers:
        raise Refusal(400, "anthropic-beta: must not be sent with this grant")
    fields = read_fields(body, _CODE_FIELDS)
    # One step under one lock: of two that redeem the same code, the second must see the first.
    with state.lock:
        now = state.clock()
        found = state.codes.get(fields["code"])
        reason = _why_not_redeemed(found, fields, now)
        answer = _begin(state, found, now) if found is not None and reason is None else None
        if found is not None and found.session is not None and answer is None:
            _end(state, found.session)
        _record(state, request, CODE_GRANT, now=now, reason=reason, workspace=found.workspace if found else None)
    if answer is None:
        return refused(OAuthError("invalid_grant", "Authorization code not found or invalid"))
    return granted(answer)


def _why_not_redeemed(found: AuthorizationCode | None, fields: Mapping[str, str], now: float) -> str | None:
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
    answer = granted_tokens(state, found.session, now)
    return {name: value for name, value in answer.items() if name not in state.omit_login_fields}


def _end(state: State, session: LoginSession) -> None:
    session.ended = True
    for token in session.access_tokens:
        state.access_tokens.drop(token)


def _record(
    state: State, request: Request, grant_type: str, *, now: float, reason: str | None, workspace: Workspace | None
) -> None:
    state.history.add(
        ExchangeRecord(
            at=now,
            grant_type=grant_type,
            outcome="granted" if reason is None else "denied",
            status=200 if reason is None else 400,
            request_id=request_id(request),
            reason=reason,
            workspace_id=workspace.id if workspace else None,
        )
    )
