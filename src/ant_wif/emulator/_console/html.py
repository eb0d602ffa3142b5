"""The frame of every page: plain HTML that asks for nothing else, and the headers that keep it so."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from starlette.responses import HTMLResponse, RedirectResponse, Response

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1.125rem/1.5 system-ui, sans-serif; max-width: 38rem; margin: 8vh auto 0; padding: 0 1.5rem 4rem; }
h1, h2 { line-height: 1.2; }
code { font-size: 0.9em; }
dt, label { font-weight: 600; display: block; margin-top: 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
select, button { font: inherit; min-height: 2.75rem; padding: 0.25rem 1rem; max-width: 100%; }
.choice { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 2rem; }
li.record { border-inline-start: 0.3rem solid; padding-inline-start: 1rem; margin-block: 2rem; list-style: none; }
li.granted { border-color: light-dark(#1a7f37, #3fb950); }
li.denied { border-color: light-dark(#cf222e, #f85149); }
li.record h2 { margin: 0; overflow-wrap: anywhere; }
ol.records { padding: 0; }
table { width: 100%; table-layout: fixed; border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: start; vertical-align: top; padding: 0.4rem 0.3rem; overflow-wrap: anywhere; font-weight: 400; }
thead th { font-weight: 600; border-bottom: 1px solid; }
th:first-child { width: 38%; }
summary { min-height: 2.75rem; align-content: center; cursor: pointer; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
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
<footer><p><small>This is the emulator. No account of the Claude Platform is used.</small></p></footer>
</body>
</html>
"""
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def page(title: str, body: str, *, status: int = 200, form_action: str = "'none'") -> Response:
    """Return a page. `body` is HTML, `form_action` where its form may lead, as a source of a CSP."""
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


def redirect(location: str, *, status: int) -> Response:
    return RedirectResponse(location, status, _HEADERS)
