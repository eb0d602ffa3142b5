"""The parameters of an authorize URL (RFC 6749 §4.1.1, RFC 7636 §4.3), and what is wrong with it.

Where client or redirect URI are wrong, there is no redirect: the person is told. Everything else is the
client's to hear, by a redirect with `error` (RFC 6749 §4.1.2.1).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import parse_qs, urlencode

from ant_wif.emulator._state.state import Consent, State, Workspace

SCOPES = {
    "user:profile": "See your name and e-mail address",
    "user:inference": "Send messages to the models in your name",
    "user:developer": "Work with the workspace as its developers do",
    "org:admin": "Administer the organization",
}
AUTHORIZE_PATH = "/oauth/authorize"
PASTE_PATH = "/oauth/code/callback"

_LISTENER = re.compile(r"http://(?:localhost|127\.0\.0\.1):([1-9][0-9]{0,4})/callback", re.ASCII)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")
_OPTIONAL = ("workspace_id", "orgUUID")

_Query = Mapping[str, list[str]]


class UntrustedError(Exception):
    """Client or redirect URI are not to be trusted. The text is for the person."""


class AuthorizationError(Exception):
    """Anything else; `location` takes it to the client."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


def read_authorization(state: State, query: bytes, paste_uris: Collection[str]) -> Consent:
    """Return what the query of an authorize URL asks for. Raises `UntrustedError` and `AuthorizationError`.

    Empty parameters count as absent, and unknown ones are ignored (RFC 6749 §3.1). `workspace_id` and `orgUUID`
    are hints: with a workspace or organization that is not there, the person chooses among what is.
    """
    try:
        values = parse_qs(query.decode("latin-1"), max_num_fields=100)
    except ValueError:
        raise UntrustedError("The query has too many parameters.") from None
    client_id, redirect_uri = _single(values, "client_id"), _single(values, "redirect_uri")
    with state.lock:
        known = client_id in state.client_ids
    if not known:
        raise UntrustedError("client_id: must be there once, and be that of a client that is registered here.")
    if not _is_listener(redirect_uri) and redirect_uri not in paste_uris:
        raise UntrustedError(
            "redirect_uri: must be there once, and be http://localhost:PORT/callback, "
            f"http://127.0.0.1:PORT/callback or {' or '.join(paste_uris)}."
        )
    client_state = _client_state(values)
    wrong = _complaint(values)
    if wrong is not None:
        code, description = wrong
        answer = {"error": code, "error_description": description, "state": client_state}
        raise AuthorizationError(redirect_location(redirect_uri, answer))
    return Consent(
        client_id=client_id,
        redirect_uri=redirect_uri,
        client_state=client_state,
        code_challenge=_single(values, "code_challenge"),
        scope=_single(values, "scope"),
        workspace=_workspace(state, _single(values, "workspace_id")),
        shows_code=redirect_uri in paste_uris,
        other_organization=_single(values, "orgUUID").lower() not in {"", state.organization_id},
    )


def redirect_location(redirect_uri: str, answer: Mapping[str, str]) -> str:
    """Return where the browser goes with an answer; what is empty in it is left out."""
    query = urlencode({name: value for name, value in answer.items() if value})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"


def _single(values: _Query, name: str) -> str:
    """Return a parameter, or nothing where it is missing or there more than once."""
    found = values.get(name, [])
    return found[0] if len(found) == 1 else ""


def _is_listener(redirect_uri: str) -> bool:
    found = _LISTENER.fullmatch(redirect_uri)
    return found is not None and int(found[1]) <= 65535


def _client_state(values: _Query) -> str:
    found = _single(values, "state")
    return found if _STATE.fullmatch(found) else ""


def _workspace(state: State, workspace_id: str) -> Workspace | None:
    return state.default_workspace if workspace_id == "default" else state.workspaces.get(workspace_id)


def _complaint(values: _Query) -> tuple[str, str] | None:
    """Return the first thing that is wrong, as `error` and `error_description`, which quotes nothing."""
    response_type, scopes = _single(values, "response_type"), _single(values, "scope").split(" ")
    checks = [
        (bool(response_type), "invalid_request", "response_type: must be there once"),
        (response_type == "code", "unsupported_response_type", "response_type: must be code"),
        (bool(_client_state(values)), "invalid_request", "state: must be there once, at most 512 printable ASCII"),
        (
            _single(values, "code_challenge_method") == "S256",
            "invalid_request",
            "code_challenge_method: must be there once, and be S256",
        ),
        (
            _CHALLENGE.fullmatch(_single(values, "code_challenge")) is not None,
            "invalid_request",
            "code_challenge: must be there once, and be 43 characters of base64url",
        ),
        *(
            (len(values.get(name, [])) < 2, "invalid_request", f"{name}: must not be there more than once")
            for name in _OPTIONAL
        ),
        (
            len(set(scopes)) == len(scopes) and set(scopes) <= set(SCOPES),
            "invalid_scope",
            f"scope: must be there once, and name some of {' '.join(SCOPES)}, each once",
        ),
    ]
    return next(((code, description) for right, code, description in checks if not right), None)
