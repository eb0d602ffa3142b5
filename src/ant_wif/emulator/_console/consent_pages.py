"""What the Console shows of a login."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlsplit

from starlette.responses import Response

from ant_wif.emulator._console.authorize import AUTHORIZE_PATH, SCOPES
from ant_wif.emulator._console.html import page
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
