"""What tests of the emulator's consent page share: a listener, a look at a page, and the requests of a login."""

from __future__ import annotations

import base64
import hashlib
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from ant_wif.emulator import Emulator

CLIENT_ID = "41077d10-94b8-4194-be48-d251e9eb21b4"
LISTENER = "http://localhost:54321/callback"
VERIFIER = "one-verifier-of-43-characters-or-more-as-it-must-be"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
STATE = "a state that is the client's own"


class Listener:
    """What a program that logs in has on this machine: it answers, and keeps what it was sent."""

    def __init__(self) -> None:
        self.queries: list[dict[str, list[str]]] = []
        queries = self.queries

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                queries.append(parse_qs(urlsplit(self.path).query))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<h1>Back in the terminal</h1>")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://localhost:{self._server.server_address[1]}/callback"

    def __enter__(self) -> Listener:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Shown(HTMLParser):
    """The elements of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ticket(self) -> str:
        return next(field["value"] for field in self.all("input") if field["name"] == "ticket")

    @property
    def workspaces(self) -> list[str]:
        return [option["value"] for option in self.all("option")]


def parameters(**changes: str | None) -> dict[str, str]:
    complete = {
        "client_id": CLIENT_ID,
        "redirect_uri": LISTENER,
        "response_type": "code",
        "scope": "user:profile user:inference user:developer",
        "state": STATE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in complete.items() if value is not None}


def authorize_url(emulator: Emulator, **changes: str | None) -> str:
    return f"{emulator.base_url}/oauth/authorize?{urlencode(parameters(**changes))}"


def paste_uri(emulator: Emulator) -> str:
    return f"{emulator.base_url}/oauth/code/callback?app=anthropic-cli"


def ask(client: httpx.Client, **changes: str | None) -> Shown:
    page = client.get("/oauth/authorize", params=parameters(**changes))
    assert page.status_code == 200, page.text
    return Shown(page.text)


def press(client: httpx.Client, decision: str, shown: Shown, /, **fields: str) -> httpx.Response:
    picked = {"workspace_id": shown.workspaces[0]} if shown.workspaces else {}
    return client.post("/oauth/authorize", data={"ticket": shown.ticket, "decision": decision, **picked, **fields})


def led_to(response: httpx.Response) -> tuple[str, dict[str, str]]:
    """Return where a redirect leads, and the parameters it adds, each once."""
    assert response.status_code in {302, 303}, response.text
    where, _, query = response.headers["location"].partition("?")
    added = parse_qs(query, strict_parsing=True)
    assert all(len(values) == 1 for values in added.values())
    return where, {name: values[0] for name, values in added.items()}


def approved_code(client: httpx.Client, **changes: str | None) -> str:
    return led_to(press(client, "approve", ask(client, **changes)))[1]["code"]


def redeem(client: httpx.Client, code: str, /, **changes: str | None) -> httpx.Response:
    complete = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "client_id": CLIENT_ID,
        "redirect_uri": LISTENER,
        "state": STATE,
        **changes,
    }
    return client.post("/v1/oauth/token", data={name: value for name, value in complete.items() if value is not None})


def refresh(client: httpx.Client, token: str, client_id: str = CLIENT_ID) -> httpx.Response:
    body = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id}
    return client.post("/v1/oauth/token", json=body, headers={"anthropic-beta": "oauth-2025-04-20"})


def list_models(client: httpx.Client, token: str) -> httpx.Response:
    headers = {"anthropic-beta": "oauth-2025-04-20", "anthropic-version": "2026-10-21"}
    return client.get("/v1/models", headers={"authorization": f"Bearer {token}", **headers})
