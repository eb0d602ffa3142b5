"""The ASGI application: every group of routes, and one way to refuse."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from ant_wif.emulator._admin.routes import admin_routes
from ant_wif.emulator._api.batches import batch_routes
from ant_wif.emulator._api.chat import chat_routes
from ant_wif.emulator._api.files import file_routes
from ant_wif.emulator._api.messages import message_routes, model_routes
from ant_wif.emulator._console.consent import consent_routes
from ant_wif.emulator._console.history_page import history_page_routes
from ant_wif.emulator._control import Controls, control_routes
from ant_wif.emulator._http.protocol import Refusal, RequestIds, answer_refusal, error_response
from ant_wif.emulator._oauth.token_endpoint import token_routes
from ant_wif.emulator._state.history import Recorder, history_routes
from ant_wif.emulator._state.scripting import ScriptedModel
from ant_wif.emulator._state.state import State
from ant_wif.emulator.faults import FaultPlan, Faults, discard_body
from ant_wif.rules.registration import is_loopback

_GUARDED = "/_emulator"


class OwnOriginOnly:
    """ASGI middleware: refuses requests for what is below `/_emulator` that a page of another site made.

    A browser names the page's origin with every request that changes something. A site that has its name
    resolve to this machine (DNS rebinding) is the origin then, but is told by its `Host`: an emulator on a
    loopback address answers to the names of loopback only, another one to addresses and to names that no
    site on the internet can have.
    """

    def __init__(self, app: ASGIApp, base_url: str) -> None:
        self._app = app
        self._own = _host_of(urlsplit(base_url).netloc)
        self._is_local = self._own is not None and is_loopback(self._own)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        complaint = self._complaint(Headers(scope=scope)) if scope["path"].startswith(_GUARDED) else None
        if complaint is None:
            await self._app(scope, receive, send)
            return
        await discard_body(receive)
        await error_response(Request(scope), 403, complaint)(scope, receive, send)

    def _complaint(self, headers: Headers) -> str | None:
        host = headers.get("host", "")
        name = _host_of(host)
        if name is None or not (is_loopback(name) or (not self._is_local and (name == self._own or _is_private(name)))):
            return (
                "Host: must be localhost or a loopback address, as the emulator listens nowhere else"
                if self._is_local
                else "Host: must be an IP address, a name without dots, or one below .internal or .local"
            )
        if headers.get("origin", f"http://{host}").lower() != f"http://{host}".lower():
            return "Origin: only the emulator's own pages may ask"
        return None


def _host_of(netloc: str) -> str | None:
    with suppress(ValueError):
        return None if "@" in netloc else urlsplit(f"//{netloc}").hostname
    return None


def _is_private(host: str) -> bool:
    """Whether a host is an address, or has a name that the public DNS does not have."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return "." not in host or host.endswith((".internal", ".local"))


def build_app(
    state: State,
    controls: Controls,
    model: ScriptedModel,
    *,
    faults: FaultPlan,
    base_url: str,
    print_line: Callable[[str], object] | None = None,
) -> ASGIApp:
    app = Starlette(
        routes=[
            *token_routes(state),
            *model_routes(state),
            *message_routes(state),
            *batch_routes(state),
            *file_routes(state),
            *chat_routes(state),
        ],
        exception_handlers=dict.fromkeys((Refusal, HTTPException, ClientDisconnect), answer_refusal),
    )
    # The real service answers 404 for a path with a slash too many.
    app.router.redirect_slashes = False
    app.router.default = _made_when_asked(
        lambda: [
            *consent_routes(state, base_url),
            *admin_routes(state),
            *history_routes(state.history),
            *history_page_routes(state),
            *control_routes(controls, model),
            *(route for provider in state.providers for route in provider.routes()),
        ]
    )
    guarded = OwnOriginOnly(Faults(app, faults), base_url)
    return RequestIds(Recorder(guarded, state.requests, state.clock, print_line), state.clock)


def _made_when_asked(routes: Callable[[], Sequence[BaseRoute]]) -> ASGIApp:
    """Routes that most suites never ask: compiling the expressions of a hundred paths takes longer than the start."""
    router = cache(lambda: Router(routes(), redirect_slashes=False))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await router()(scope, receive, send)

    return app
