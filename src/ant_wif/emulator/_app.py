"""The ASGI application: every group of routes, and one way to refuse."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from ant_wif.emulator._admin import admin_routes
from ant_wif.emulator._api.messages import message_routes
from ant_wif.emulator._api.models import model_routes
from ant_wif.emulator._console.consent import consent_routes
from ant_wif.emulator._console.history_page import history_page_routes
from ant_wif.emulator._control import Controls, control_routes
from ant_wif.emulator._http.protocol import Refusal, RequestIds, answer_refusal
from ant_wif.emulator._issuers.provider import IdentityProvider
from ant_wif.emulator._oauth.token_endpoint import token_routes
from ant_wif.emulator._state.history import history_routes
from ant_wif.emulator._state.state import State
from ant_wif.emulator.fault_plan import FaultPlan, Faults
from ant_wif.emulator.guard import OwnOriginOnly


def build_app(
    state: State,
    providers: Iterable[IdentityProvider],
    controls: Controls,
    *,
    faults: FaultPlan,
    base_url: str,
) -> ASGIApp:
    app = Starlette(
        routes=[
            *token_routes(state),
            *consent_routes(state, base_url),
            *model_routes(state),
            *message_routes(state),
            *admin_routes(state),
            *history_routes(state.history),
            *history_page_routes(state),
            *control_routes(controls),
            *(route for provider in providers for route in provider.routes()),
        ],
        exception_handlers=dict.fromkeys((Refusal, HTTPException, ClientDisconnect), answer_refusal),
    )
    # The real service answers 404 for a path with a slash too many.
    app.router.redirect_slashes = False
    return RequestIds(OwnOriginOnly(Faults(app, faults), base_url), state.clock)
