"""The Console's side of a login (RFC 6749 §4.1): a person is asked, and the browser takes the answer back.

No cookies: a form is good because it holds a ticket of a page that was shown, once and for ten minutes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from html import escape
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._console.authorize import (
    AUTHORIZE_PATH,
    PASTE_PATH,
    SCOPES,
    AuthorizationError,
    UntrustedError,
    read_authorization,
    redirect_location,
)
from ant_wif.emulator._console.html import page, redirect
from ant_wif.emulator._http import ids
from ant_wif.emulator._http.fields import OAuthError, read_form
from ant_wif.emulator._http.protocol import Refusal
from ant_wif.emulator._oauth.logins import issue_code
from ant_wif.emulator._state.state import Consent, State, Workspace


def consent_page(state: State, consent: Consent, ticket: str) -> Response:
    """Return the page that asks. Its form holds the ticket, and answers to nothing but this consent."""
    rows = {"Program": escape(consent.client_id), "Person": escape(state.user.email)}
    rows["Organization"] = f"{escape(state.organization_name)}<br><code>{escape(state.organization_id)}</code>"
    if consent.workspace is not None:
        rows["Workspace"] = _workspace(consent.workspace)
    allowed = "".join(
        f"<li>{escape(SCOPES[name])} (<code>{escape(name)}</code>)</li>" for name in consent.scope.split()
    )
    answers_to = urlsplit(consent.redirect_uri)
    origin = f"{answers_to.scheme}://{answers_to.netloc}"
    if consent.shows_code:
        leads_to = "the next page shows a code to paste into the terminal"
    else:
        leads_to = f"the answer goes to the program on this computer that listens at <code>{escape(origin)}</code>"
    return page(
        "Log in to the Claude Platform?",
        f"<p>A program asks to act in your name; {leads_to}. Approve only if you have just started it.</p>"
        + (_note("You are not in the organization that was asked for.") if consent.other_organization else "")
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
        "<p>It is good for one login, and for a minute.</p>"
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


def _workspace(workspace: Workspace) -> str:
    return f"{escape(workspace.name)}<br><code>{escape(workspace.id)}</code>"


def _note(text: str) -> str:
    return f'<p class="note" role="note">{escape(text)}</p>'


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
    ticket = ids.ticket()
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
