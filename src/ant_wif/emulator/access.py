"""Who calls the API: a bearer token or key in `Authorization`, or a key in `x-api-key`."""

from __future__ import annotations

import re
from dataclasses import replace

from starlette.requests import Request

from ant_wif.emulator.state import Access, State
from ant_wif.emulator.wire import Refusal, add_response_header, listed

OAUTH_BETA = "oauth-2025-04-20"

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def bearer(request: Request) -> str | None:
    """Return the bearer token (RFC 6750 §2.1), or `None` where there is not exactly one."""
    lines = request.headers.getlist("authorization")
    scheme, _, token = lines[0].partition(" ") if len(lines) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else None


def authenticate(state: State, request: Request) -> Access:
    """Return what the caller's credential is bound to, and name it on the response.

    Raises `Refusal`: 401 for the credential, 403 for a workspace that a person's login asks for and
    cannot have, 400 for an `anthropic-version` that is missing.
    """
    access = _in_workspace(state, request, _access(state, request))
    add_response_header(request, "anthropic-organization-id", state.organization_id)
    add_response_header(request, "anthropic-workspace-id", access.workspace_id)
    if not _VERSION.fullmatch(request.headers.get("anthropic-version", "")):
        raise Refusal(400, "anthropic-version: header is required, and is a date such as 2026-10-21")
    return access


def _access(state: State, request: Request) -> Access:
    has_authorization = "authorization" in request.headers
    has_key = "x-api-key" in request.headers
    if has_authorization and has_key:
        raise Refusal(401, "Send either Authorization or x-api-key, not both")
    if has_key:
        access = state.api_keys.get(request.headers["x-api-key"])
        if access is None:
            raise Refusal(401, "Invalid x-api-key")
        return access
    if not has_authorization:
        raise Refusal(401, "No credential: send Authorization or x-api-key")
    return _bearer_access(state, request)


def _in_workspace(state: State, request: Request, access: Access) -> Access:
    wanted = request.headers.get("anthropic-workspace-id")
    # A federation token or a key is bound to its workspace: no header changes that.
    if wanted is None or not access.may_choose_workspace:
        return access
    if wanted not in state.workspaces:
        raise Refusal(403, "anthropic-workspace-id: this login has no such workspace")
    return replace(access, workspace_id=wanted)


def _bearer_access(state: State, request: Request) -> Access:
    token = bearer(request) or ""
    key_access = state.api_keys.get(token)
    if key_access is not None:
        return key_access
    with state.lock:
        access = state.access_tokens.get(token, now=state.clock())
    if access is None:
        raise Refusal(401, "Invalid bearer token")
    if OAUTH_BETA not in listed(request.headers, "anthropic-beta"):
        raise Refusal(401, f"OAuth tokens need the header anthropic-beta: {OAUTH_BETA}")
    return access
