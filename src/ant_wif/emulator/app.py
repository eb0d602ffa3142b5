"""The ASGI application: every group of routes, and one way to refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from ant_wif.emulator.consent import consent_routes
from ant_wif.emulator.control import SignAs, control_routes
from ant_wif.emulator.fault_plan import FaultPlan, Faults
from ant_wif.emulator.history import history_routes
from ant_wif.emulator.identities import IdentityProvider
from ant_wif.emulator.models import model_routes
from ant_wif.emulator.oauth import token_routes
from ant_wif.emulator.state import State
from ant_wif.emulator.wire import Refusal, RequestIds, answer_refusal


def build_app(
    state: State,
    providers: Iterable[IdentityProvider],
    env: Callable[[str], Mapping[str, str]],
    sign_as: SignAs,
    *,
    faults: FaultPlan,
    base_url: str,
) -> ASGIApp:
    app = Starlette(
        routes=[
            *token_routes(state),
            *consent_routes(state, base_url),
            *model_routes(state),
            *history_routes(state.history),
            *control_routes(env, sign_as),
            *(route for provider in providers for route in provider.routes()),
        ],
        exception_handlers=dict.fromkeys((Refusal, HTTPException, ClientDisconnect), answer_refusal),
    )
    # The real service answers 404 for a path with a slash too many.
    app.router.redirect_slashes = False
    return RequestIds(Faults(app, faults))
