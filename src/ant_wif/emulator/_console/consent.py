"""The Console's side of a login (RFC 6749 §4.1): a person is asked, and the browser takes the answer back.

Where client or redirect URI of an authorize URL (§4.1.1, RFC 7636 §4.3) are wrong, there is no redirect: the person is
told. Everything else is the client's to hear, by a redirect with `error` (§4.1.2.1). No cookies: a form is good because
it holds a ticket of a page that was shown, once and for ten minutes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from html import escape
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._console.html import page, redirect
from ant_wif.emulator._http.fields import OAuthError, read_form
from ant_wif.emulator._http.protocol import Refusal
from ant_wif.emulator._oauth.logins import issue_code
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
_ELSEWHERE = '<p class="note" role="note">You are not in the organization that was asked for.</p>'

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
    client_state, wrong = _client_state(values), _complaint(values)
    if wrong is not None:
        code, description = wrong
        answer = {"error": code, "error_description": description, "state": client_state}
        raise AuthorizationError(redirect_location(redirect_uri, answer))
    asked = _single(values, "workspace_id")
    return Consent(
        client_id=client_id,
        redirect_uri=redirect_uri,
        client_state=client_state,
        code_challenge=_single(values, "code_challenge"),
        scope=_single(values, "scope"),
        workspace=state.default_workspace if asked == "default" else state.workspaces.get(asked),
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


def consent_page(state: State, consent: Consent, ticket: str) -> Response:
    """Return the page that asks. Its form holds the ticket, and answers to nothing but this consent."""
    rows = {"Program": escape(consent.client_id), "User": escape(state.user.email)}
    rows["Organization"] = f"{escape(state.organization_name)}<br><code>{escape(state.organization_id)}</code>"
    if consent.workspace is not None:
        rows["Workspace"] = f"{escape(consent.workspace.name)}<br><code>{escape(consent.workspace.id)}</code>"
    allowed = "".join(
        f"<li>{escape(SCOPES[name])} (<code>{escape(name)}</code>)</li>" for name in consent.scope.split()
    )
    answers_to = urlsplit(consent.redirect_uri)
    origin = f"{answers_to.scheme}://{answers_to.netloc}"
    if consent.shows_code:
        leads_to = "The next page shows a code to paste into the terminal"
    else:
        leads_to = f"The response is sent to the program on this machine that listens at <code>{escape(origin)}</code>"
    return page(
        "Log in to the Claude Platform?",
        f"<p>A program requests access to your account. {leads_to}. Approve only if you have just started it.</p>"
        + (_ELSEWHERE if consent.other_organization else "")
        + f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in rows.items())}</dl>"
        + f"<h2>What it may do</h2><ul>{allowed}</ul>"
        + f'<form method="post" action="{AUTHORIZE_PATH}">'
        + f'<input type="hidden" name="ticket" value="{escape(ticket)}">'
        + ("" if consent.workspace else _picker(state.workspaces.values(), state.default_workspace))
        + '<div class="choice"><button id="approve" name="decision" value="approve">Approve</button>'
        + '<button id="deny" name="decision" value="deny">Deny</button></div></form>',
        # Browsers apply this to where the form's answer redirects, too.
        form_action=f"'self' {origin}",
    )


def code_page(code: str, client_state: str) -> Response:
    """Return the page with what a person pastes into the terminal."""
    pasted = f"{code}#{client_state}" if client_state else code
    return page(
        "Paste this code into the terminal",
        "<p>It is valid for one login, for one minute.</p>"
        f'<p><code id="code" translate="no">{escape(pasted)}</code></p>',
    )


def message_page(title: str, text: str, *, status: int = 200) -> Response:
    return page(title, f"<p>{escape(text)}</p>", status=status)


def _picker(workspaces: Iterable[Workspace], default: Workspace) -> str:
    options = "".join(
        f'<option value="{escape(workspace.id)}"{" selected" if workspace == default else ""}>'
        f"{escape(workspace.name)}</option>"
        for workspace in workspaces
    )
    return f'<label for="workspace">Workspace</label><select id="workspace" name="workspace_id">{options}</select>'


TICKET_SECONDS = 600

_FIELDS = {"ticket", "decision", "workspace_id"}


def own_origins(base_url: str) -> tuple[str, ...]:
    """Return where a browser on this machine may have found the emulator, `base_url` first."""
    port = urlsplit(base_url).port
    return tuple(dict.fromkeys((base_url, f"http://localhost:{port}", f"http://127.0.0.1:{port}")))


def consent_routes(state: State, base_url: str) -> list[Route]:
    paste_uris = [f"{origin}{PASTE_PATH}?app=anthropic-cli" for origin in own_origins(base_url)]

    async def ask(request: Request) -> Response:
        return _ask(state, request.scope["query_string"], paste_uris)

    async def decide(request: Request) -> Response:
        try:
            return redirect(_decide(state, await read_form(request)), status=303)
        except Refusal as refusal:
            return _refused(refusal.message, refusal.status)
        except (OAuthError, UntrustedError) as error:
            return _refused(str(error), 400)

    async def show(request: Request) -> Response:
        return _show(state, request.query_params)

    return [
        Route(AUTHORIZE_PATH, ask, methods=["GET"]),
        Route(AUTHORIZE_PATH, decide, methods=["POST"]),
        Route(PASTE_PATH, show, methods=["GET"]),
    ]


def _ask(state: State, query: bytes, paste_uris: Collection[str]) -> Response:
    try:
        consent = read_authorization(state, query, paste_uris)
    except UntrustedError as error:
        return _refused(str(error), 400)
    except AuthorizationError as error:
        return redirect(error.location, status=302)
    ticket = secrets.token_urlsafe(32)
    with state.lock:
        now = state.clock()
        state.tickets.put(ticket, consent, until=now + TICKET_SECONDS, now=now)
    return consent_page(state, consent, ticket)


def _decide(state: State, form: Mapping[str, str]) -> str:
    """Return where the browser goes with the answer. Raises `UntrustedError`; the ticket is good still, then."""
    unknown = next((name for name in form if name not in _FIELDS), None)
    if unknown is not None:
        raise UntrustedError("The form has a field that is not known here.")
    decision, ticket = form.get("decision"), form.get("ticket", "")
    if decision not in {"approve", "deny"}:
        raise UntrustedError("decision: must be approve or deny.")
    with state.lock:
        consent = state.tickets.get(ticket, now=state.clock())
        if consent is None:
            raise UntrustedError("This page was answered before, or is too old. Start again from the terminal.")
        if decision == "deny":
            answer = {"error": "access_denied", "state": consent.client_state}
        else:
            workspace = _chosen(state, consent, form.get("workspace_id"))
            answer = {"code": issue_code(state, consent, workspace), "state": consent.client_state}
        state.tickets.drop(ticket)
    return redirect_location(consent.redirect_uri, answer)


def _chosen(state: State, consent: Consent, workspace_id: str | None) -> Workspace:
    if consent.workspace is not None:
        if workspace_id is not None:
            raise UntrustedError("workspace_id: is settled, there is nothing to pick.")
        return consent.workspace
    chosen = state.workspaces.get(workspace_id or "")
    if chosen is None:
        raise UntrustedError("workspace_id: must be one of the workspaces on the page.")
    return chosen


def _show(state: State, query: Mapping[str, str]) -> Response:
    if query.get("error") == "access_denied":
        return message_page("Login denied", "Nothing was granted. You can close this window.")
    if query.get("error"):
        return message_page("Login refused", "The program asked for something that cannot be granted.", status=400)
    code = query.get("code", "")
    with state.lock:
        known = code in state.codes
    # Only what was handed out here: the page must not show another person's text.
    if not known:
        return message_page("There is no code", "This address holds no code that was granted here.", status=400)
    return code_page(code, query.get("state", ""))


def _refused(text: str, status: int) -> Response:
    return message_page("This login cannot go on", text, status=status)
