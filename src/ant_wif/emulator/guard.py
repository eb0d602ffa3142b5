"""Who may control the emulator: programs, and its own pages. Not a page of the web in a developer's browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ant_wif.emulator._http.protocol import error_response
from ant_wif.emulator._http.server import is_loopback
from ant_wif.emulator.answers import discard_body

_GUARDED = "/_emulator"


class OwnOriginOnly:
    """ASGI middleware: refuses requests for what is below `/_emulator` that a page of another site made.

    A browser names the page's origin with every request that changes something. A site that has its name
    resolve to this machine (DNS rebinding) is the origin then, but is told by its `Host`: an emulator on a
    loopback address answers to the names of loopback only.
    """

    def __init__(self, app: ASGIApp, base_url: str) -> None:
        self._app = app
        self._is_local = _is_loopback_netloc(urlsplit(base_url).netloc)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        complaint = self._complaint(Headers(scope=scope)) if scope["path"].startswith(_GUARDED) else None
        if complaint is None:
            await self._app(scope, receive, send)
            return
        await discard_body(receive)
        await error_response(Request(scope), 403, complaint)(scope, receive, send)

    def _complaint(self, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if self._is_local and not _is_loopback_netloc(host):
            return "Host: must be localhost or a loopback address, as the emulator listens nowhere else"
        if headers.get("origin", f"http://{host}").lower() != f"http://{host}".lower():
            return "Origin: only the emulator's own pages may ask"
        return None


def _is_loopback_netloc(netloc: str) -> bool:
    try:
        host = urlsplit(f"//{netloc}").hostname
    except ValueError:
        return False
    return host is not None and "@" not in netloc and is_loopback(host)
