"""What the Console shows of a login: plain HTML that asks for nothing else, and the headers that keep it so."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response

from ant_wif.emulator.authorization import AUTHORIZE_PATH, SCOPES
from ant_wif.emulator.state import Consent, State, Workspace

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1.125rem/1.5 system-ui, sans-serif; max-width: 38rem; margin: 8vh auto 0; padding: 0 1.5rem 4rem; }
dt, label { font-weight: 600; display: block; margin-top: 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
select, button { font: inherit; min-height: 2.75rem; padding: 0.25rem 1rem; max-width: 100%; }
.choice { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 2rem; }
.note { border-inline-start: 0.3rem solid; padding-inline-start: 1rem; }
#code { display: block; padding: 1rem; border: 1px solid; overflow-wrap: anywhere; user-select: all; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
<footer><p><small>This is the emulator: nobody's account at the Claude Platform is touched.</small></p></footer>
</body>
</html>
"""
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


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
    return _page(
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
    return _page(
        "Paste this code into the terminal",
        "<p>It is good for one login, and for a minute.</p>"
        f'<p><code id="code" translate="no">{escape(pasted)}</code></p>',
    )


def message_page(title: str, text: str, *, status: int = 200) -> Response:
    return _page(title, f"<p>{escape(text)}</p>", status=status)


def redirect(location: str, *, status: int) -> Response:
    return RedirectResponse(location, status, _HEADERS)


def _page(title: str, body: str, *, status: int = 200, form_action: str = "'none'") -> Response:
    policy: Mapping[str, str] = {
        "default-src": "'none'",
        "style-src": f"'sha256-{_STYLE_HASH}'",
        "form-action": form_action,
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    html = _HTML.format(title=escape(title), style=_STYLE, body=body)
    headers = {**_HEADERS, "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items())}
    return HTMLResponse(html, status, headers)


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
