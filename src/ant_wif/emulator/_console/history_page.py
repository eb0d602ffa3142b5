"""The authentication history for people: what was attempted, why it was denied, and the API calls beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif._secrets import redact, sanitize
from ant_wif.emulator._console.html import page
from ant_wif.emulator._state.history import ExchangeRecord, Outcome, RecordedRequest
from ant_wif.emulator._state.state import State

_SHOWN = 200
_TITLE = "Authentication history"
_JSON_PATH = "/_emulator/history"
_CALLS_PATH = "/_emulator/requests"
_SOURCES = {"api_key": "API key", "federation": "Federation", "login": "Login"}
_OUTCOMES: Mapping[Outcome, str] = {"granted": "Granted", "denied": "Denied", "invalid": "Malformed"}


def history_page_routes(state: State) -> list[Route]:
    async def show(_: Request) -> Response:
        return page(_TITLE, _body(state) + _calls(state.requests.snapshot()))

    return [Route("/_emulator/", show, methods=["GET"])]


def _body(state: State) -> str:
    with state.lock:
        records = state.history.snapshot()
        workspaces = {workspace.id: workspace.name for workspace in state.workspaces.values()}
    links = f'<p><a href="/_emulator/">Reload</a> · <a href="{_JSON_PATH}">JSON</a></p>'
    if not records:
        return f"<p>Nothing was attempted at the token endpoint yet.</p>{links}"
    counts = Counter(record.outcome for record in records)
    summary = ", ".join(f"{counts[each]} {word.lower()}" for each, word in _OUTCOMES.items() if counts[each])
    cut = f" Here are the last {_SHOWN}; the JSON has all." if len(records) > _SHOWN else ""
    items = "".join(_item(record, workspaces) for record in reversed(records[-_SHOWN:]))
    return f'<p>{summary}; the newest first.{cut}</p>{links}<ol class="records" reversed>{items}</ol>'


def _calls(calls: Sequence[RecordedRequest]) -> str:
    """Return the API calls as a table, the newest first."""
    if not calls:
        return "<h2>API calls</h2><p>No API call has arrived yet.</p>"
    cut = f" These are the last {_SHOWN}; the JSON has all." if len(calls) > _SHOWN else ""
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Request", "Status", "Time", "Credential"))
    rows = "".join(map(_call, reversed(calls[-_SHOWN:])))
    return (
        f"<h2>API calls</h2><p>{len(calls)} calls, the newest first.{cut} "
        f'<a href="{_CALLS_PATH}">API calls as JSON</a></p>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _call(call: RecordedRequest) -> str:
    credential = call.credential
    who = "" if credential is None else f"{_SOURCES[credential.source]}<br>{_shown(credential.workspace)}"
    took = "" if call.milliseconds is None else f"<br>{call.milliseconds:.0f} ms"
    return (
        f'<tr><th scope="row">{_shown(call.method)} <code>{_shown(call.path)}</code></th>'
        f"<td>{call.status or 'none'}</td><td>{_time(call.at)}{took}</td><td>{who}</td></tr>"
    )


def _item(record: ExchangeRecord, workspaces: Mapping[str, str]) -> str:
    title = _OUTCOMES[record.outcome] + (f": <code>{_shown(record.reason)}</code>" if record.reason else "")
    explanation = record.explanation
    why = f"<p>{_ticked(explanation.means)} {_ticked(explanation.remedy)}</p>" if explanation else ""
    return (
        f'<li class="record {record.outcome}"><h2>{title}</h2>{_time(record.at)}{why}'
        f"<dl>{_rows(record, workspaces)}</dl>{_claims(record.unverified_claims)}</li>"
    )


def _rows(record: ExchangeRecord, workspaces: Mapping[str, str]) -> str:
    rows = {
        "Rule": _named(record.rule_name, record.rule_id),
        "Issuer": _shown(record.issuer),
        "Workspace": _named(workspaces.get(record.workspace_id or ""), record.workspace_id),
        "Grant": _shown(record.grant_type),
        "Answer": f"HTTP {record.status}, <code>{_shown(record.request_id)}</code>",
    }
    return "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows.items() if value)


def _claims(claims: Mapping[str, object] | None) -> str:
    if claims is None:
        return ""
    # Masked, in case a claim is a token.
    text = redact(json.dumps(claims, indent=2))
    return f"<details><summary>Claims, not verified</summary><pre>{escape(text)}</pre></details>"


def _time(at: float) -> str:
    moment = datetime.fromtimestamp(at, timezone.utc)
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M:%S} UTC</time>'


def _named(name: str | None, identifier: str | None) -> str:
    if name is None or identifier is None:
        return _shown(identifier)
    return f"{_shown(name)}<br><code>{_shown(identifier)}</code>"


def _shown(text: str | None) -> str:
    return "" if text is None else escape(sanitize(text))


def _ticked(text: str) -> str:
    """Return a text in which the words between backticks are code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
