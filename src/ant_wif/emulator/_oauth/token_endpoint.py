"""`POST /v1/oauth/token`: reads the request, and hands it to the grant that it names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.fields import OAuthError, read_form
from ant_wif.emulator._http.protocol import Refusal, media_type, read_json, request_id
from ant_wif.emulator._oauth import jwt_bearer, logins
from ant_wif.emulator._state.history import ExchangeRecord
from ant_wif.emulator._state.state import State

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class _Grant:
    """`judge` adds its own record to the history, and raises Refusal for what it cannot even judge.

    What has to be waited for is done by `prepare` before.
    """

    judge: Callable[[State, Request, dict[str, object]], Response]
    media_type: str = _JSON
    prepare: Callable[[State, dict[str, object]], Awaitable[None]] | None = None


_GRANTS = {
    jwt_bearer.GRANT_TYPE: _Grant(jwt_bearer.exchange, prepare=jwt_bearer.prepare),
    logins.REFRESH_GRANT: _Grant(logins.refresh),
    logins.CODE_GRANT: _Grant(logins.redeem, _FORM),
}


def token_routes(state: State) -> list[Route]:
    async def token(request: Request) -> Response:
        body: dict[str, object] = {}
        try:
            sent_as = media_type(request)
            body = await (_read_form if sent_as == _FORM else read_json)(request)
            grant = _grant_named(body, sent_as)
            if grant.prepare is not None:
                await grant.prepare(state, body)
            return grant.judge(state, request, body)
        except Refusal as refusal:
            _record_invalid(state, request, body, refusal)
            raise

    return [Route("/v1/oauth/token", token, methods=["POST"])]


async def _read_form(request: Request) -> dict[str, object]:
    try:
        return {**await read_form(request)}
    except OAuthError as error:
        raise Refusal(400, error.description) from None


def _grant_named(body: dict[str, object], sent_as: str) -> _Grant:
    grant_type = body.get("grant_type")
    if not isinstance(grant_type, str) or not grant_type:
        raise Refusal(400, "grant_type: a non-empty string is required")
    if grant_type not in _GRANTS:
        raise Refusal(400, "grant_type: this grant is not supported")
    grant = _GRANTS[grant_type]
    if sent_as != grant.media_type:
        raise Refusal(400, f"Content-Type: must be {grant.media_type}")
    return grant


def _record_invalid(state: State, request: Request, body: dict[str, object], refusal: Refusal) -> None:
    grant_type = body.get("grant_type")
    record = ExchangeRecord(
        at=state.clock(),
        grant_type=grant_type[:128] if isinstance(grant_type, str) else None,
        outcome="invalid",
        status=refusal.status,
        request_id=request_id(request),
    )
    with state.lock:
        state.history.add(record)
