"""Who calls the API: a bearer token or key in `Authorization`, or a key in `x-api-key`."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import replace

from starlette.requests import Request

from ant_wif.emulator._http.protocol import OAUTH_BETA, Refusal, add_response_header, bearer, listed
from ant_wif.emulator._state.history import RecordedCredential, note_credential
from ant_wif.emulator._state.state import Access, State
from ant_wif.rules import ADMIN_SCOPE

MODEL_SCOPES = frozenset({"workspace:developer", "workspace:inference", "user:developer", "user:inference"})
"""A token with one of these may use the models."""

TOKENS = frozenset({"federation", "login"})
_ALL = TOKENS | {"api_key"}
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def authenticate(state: State, request: Request, *, with_version: AbstractSet[str] = _ALL) -> Access:
    """Return what the caller's credential is bound to, and name it on the response.

    `with_version` has the sources of credentials that need the header `anthropic-version`, which clients of OpenAI's
    API do not send.

    Raises `Refusal`: 401 for the credential, 403 for a token with none of `MODEL_SCOPES`, and for a workspace that
    a person's login asks for and cannot have, 400 for an `anthropic-version` that is missing.
    """
    access = _in_workspace(state, request, _access(state, request))
    return _welcome(state, request, access, MODEL_SCOPES, with_version)


def authenticate_admin(state: State, request: Request) -> str:
    """Return who administers the organization: the id of a user or a service account.

    Raises `Refusal` as `authenticate` does. No API key is accepted, and no beta header needed.
    """
    token = bearer(request)
    if "x-api-key" in request.headers or token in state.api_keys or not token:
        raise Refusal(401, f"API keys are not accepted here: send an OAuth token with the scope {ADMIN_SCOPE}")
    access = _welcome(state, request, _token_access(state, token), frozenset({ADMIN_SCOPE}), _ALL)
    return access.actor_id or ""


def _welcome(
    state: State, request: Request, access: Access, scopes: AbstractSet[str], with_version: AbstractSet[str]
) -> Access:
    add_response_header(request, "anthropic-organization-id", state.organization_id)
    add_response_header(request, "anthropic-workspace-id", access.workspace_id)
    workspace = state.workspaces.get(access.workspace_id)
    name = None if workspace is None else workspace.name
    note_credential(request, RecordedCredential(access.source, name, access.workspace_id))
    if not access.has_scope(scopes):
        raise Refusal(403, f"The token's scope does not cover this: it takes {' or '.join(sorted(scopes))}")
    version = request.headers.get("anthropic-version", "" if access.source in with_version else None)
    if version is not None and not _VERSION.fullmatch(version):
        raise Refusal(400, "anthropic-version: header is required, and is a date such as 2026-10-21")
    return access


def _access(state: State, request: Request) -> Access:
    has_authorization = "authorization" in request.headers
    has_key = "x-api-key" in request.headers
    if has_authorization and has_key:
        # Claude Code sends what its apiKeyHelper prints in both.
        keys, token = request.headers.getlist("x-api-key"), bearer(request)
        if keys != [token] or token not in state.api_keys:
            raise Refusal(401, "Send either Authorization or x-api-key, not both")
    if has_key:
        keys = request.headers.getlist("x-api-key")
        access = state.api_keys.get(keys[0]) if len(keys) == 1 else None
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
    wanted = state.default_workspace.id if wanted == "default" else wanted
    if wanted not in state.workspaces:
        raise Refusal(403, "anthropic-workspace-id: this login has no such workspace")
    return replace(access, workspace_id=wanted)


def _bearer_access(state: State, request: Request) -> Access:
    token = bearer(request) or ""
    key_access = state.api_keys.get(token)
    if key_access is not None:
        return key_access
    access = _token_access(state, token)
    if state.require_oauth_beta and OAUTH_BETA not in listed(request.headers, "anthropic-beta"):
        raise Refusal(401, f"OAuth tokens need the header anthropic-beta: {OAUTH_BETA}")
    return access


def _token_access(state: State, token: str) -> Access:
    with state.lock:
        access = state.access_tokens.get(token, now=state.clock())
    if access is None:
        raise Refusal(401, "Invalid bearer token")
    return access
