"""`POST /v1/oauth/token`: reads the request, and hands it to the grant that it names."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator import jwt_bearer, refresh
from ant_wif.emulator.history import ExchangeRecord
from ant_wif.emulator.state import State
from ant_wif.emulator.wire import Refusal, read_body, request_id
from ant_wif.rules.jws import read_json_object

# A grant adds its own record to the history, and raises Refusal for what it cannot even judge.
Grant = Callable[[State, Request, dict[str, object]], Response]
_GRANTS: dict[str, Grant] = {jwt_bearer.GRANT_TYPE: jwt_bearer.exchange, refresh.GRANT_TYPE: refresh.refresh}


def token_routes(state: State) -> list[Route]:
    async def token(request: Request) -> Response:
        body: dict[str, object] = {}
        try:
            body = await _read_json(request)
            return _grant_named(body)(state, request, body)
        except Refusal as refusal:
            _record_invalid(state, request, body, refusal)
            raise

    return [Route("/v1/oauth/token", token, methods=["POST"])]


async def _read_json(request: Request) -> dict[str, object]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal(400, "Content-Type: must be application/json")
    body = await read_body(request)
    try:
        return read_json_object(body)
    except ValueError:
        raise Refusal(400, "The request body is not a well-formed JSON object") from None


def _grant_named(body: dict[str, object]) -> Grant:
    grant_type = body.get("grant_type")
    if not isinstance(grant_type, str) or not grant_type:
        raise Refusal(400, "grant_type: a non-empty string is required")
    if grant_type not in _GRANTS:
        raise Refusal(400, "grant_type: this grant is not supported")
    return _GRANTS[grant_type]


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
