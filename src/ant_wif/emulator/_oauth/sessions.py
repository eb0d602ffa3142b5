"""A person's login: its tokens, and what a client keeps of it in a credentials file."""

from __future__ import annotations

from dataclasses import dataclass, field

from ant_wif.emulator._http import ids
from ant_wif.emulator._state.state import Access, LoginSession, State

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


@dataclass(frozen=True)
class TokenPair:
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


def log_in(state: State, *, scope: str, workspace_id: str | None, lifetime: int, client_id: str) -> Login:
    """Begin a session. Raises ValueError for a workspace that does not exist, or a lifetime below a second."""
    if lifetime < 1:
        raise ValueError(f"lifetime {lifetime} is not a positive number of seconds")
    with state.lock:
        workspace = state.workspaces.get(workspace_id or state.default_workspace.id)
        if workspace is None:
            raise ValueError(f"no workspace {workspace_id!r}; there are {', '.join(state.workspaces)}")
        state.client_ids.add(client_id)
        session = LoginSession(client_id, scope, workspace, lifetime, refresh_token="")
        now = state.clock()
        tokens = issue_tokens(state, session, now)
    return Login(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=int(now) + lifetime,
        scope=scope,
        organization_uuid=state.organization_id,
        organization_name=state.organization_name,
        account_email=state.user.email,
        workspace_id=workspace.id,
        workspace_name=workspace.name,
        client_id=client_id,
    )


def issue_tokens(state: State, session: LoginSession, now: float) -> TokenPair:
    """Give the session its next tokens, which makes its present refresh token a used one.

    Access tokens that it has already stay valid until they expire.
    """
    tokens = TokenPair(ids.access_token(), ids.refresh_token())
    access = Access(session.workspace.id, session.scope, may_choose_workspace=True, actor_id=state.user.actor_id)
    session.access_tokens.append(tokens.access_token)
    state.access_tokens.put(tokens.access_token, access, until=now + session.lifetime, now=now)
    state.sessions[tokens.refresh_token] = session
    session.refresh_token = tokens.refresh_token
    return tokens


def token_answer(state: State, session: LoginSession, tokens: TokenPair) -> dict[str, object]:
    """Return what the token endpoint answers where tokens were granted."""
    return {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": session.lifetime,
        "scope": session.scope,
        "refresh_token": tokens.refresh_token,
        "organization": {"uuid": state.organization_id, "name": state.organization_name},
        "account": {"uuid": state.user.id, "email_address": state.user.email},
        "workspace": {"id": session.workspace.id, "name": session.workspace.name},
    }
