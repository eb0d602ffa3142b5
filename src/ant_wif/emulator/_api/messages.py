"""`POST /v1/messages` and `POST /v1/messages/count_tokens`: an echo, for which a credential must be good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ant_wif.emulator._api.authentication import authenticate
from ant_wif.emulator._api.echo import Echo, count_input
from ant_wif.emulator._api.message_schema import MAX_BYTES, MessageRequest, read_counting, read_generation
from ant_wif.emulator._api.models import unknown_model
from ant_wif.emulator._http.protocol import json_response, read_json
from ant_wif.emulator._state.state import State

_Reader = Callable[[Mapping[str, object]], MessageRequest]


def message_routes(state: State) -> list[Route]:
    async def generate(request: Request) -> Response:
        asked = await _read(state, request, read_generation)
        echo = Echo.of(asked)
        if not asked.stream:
            return json_response(echo.message())
        return StreamingResponse(
            _sent(echo), media_type="text/event-stream; charset=utf-8", headers={"cache-control": "no-cache"}
        )

    async def count(request: Request) -> Response:
        return json_response({"input_tokens": count_input(await _read(state, request, read_counting))})

    return [
        Route("/v1/messages", generate, methods=["POST"]),
        Route("/v1/messages/count_tokens", count, methods=["POST"]),
    ]


async def _read(state: State, request: Request, read: _Reader) -> MessageRequest:
    authenticate(state, request)
    asked = read(await read_json(request, limit=MAX_BYTES))
    if asked.model not in state.models:
        raise unknown_model(asked.model)
    return asked


async def _sent(echo: Echo) -> AsyncIterator[bytes]:
    for event in echo.events():
        yield event
