"""`GET /v1/models` and `GET /v1/models/{id}`: enough to prove that a credential works."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator.access import authenticate
from ant_wif.emulator.catalogue import Catalogue
from ant_wif.emulator.state import State
from ant_wif.emulator.wire import Refusal, json_response
from ant_wif.secrets import clean

_LIMIT = re.compile(r"[0-9]{1,4}")


def model_routes(state: State) -> list[Route]:
    async def list_models(request: Request) -> Response:
        authenticate(state, request)
        query = request.query_params
        limit = _limit(query.get("limit", "20"))
        after, before = query.get("after_id"), query.get("before_id")
        if after is not None and before is not None:
            raise Refusal(400, "before_id: not allowed together with after_id")
        return json_response(_page(state.models, limit, after, before))

    async def get_model(request: Request) -> Response:
        authenticate(state, request)
        wanted = request.path_params["model_id"]
        model = state.models.model(wanted)
        if model is None:
            raise unknown_model(wanted)
        return json_response(model)

    return [
        Route("/v1/models", list_models, methods=["GET"]),
        Route("/v1/models/{model_id}", get_model, methods=["GET"]),
    ]


def unknown_model(wanted: str) -> Refusal:
    return Refusal(404, f"model: {clean(wanted, limit=64)}")


def _page(models: Catalogue, limit: int, after: str | None, before: str | None) -> dict[str, object]:
    """Return up to `limit` models next to the cursor, newest first; `has_more` looks the way one pages."""
    if before is not None:
        end = _position(models, "before_id", before)
        start = max(0, end - limit)
        has_more = start > 0
    else:
        start = 0 if after is None else _position(models, "after_id", after) + 1
        end = start + limit
        has_more = end < len(models)
    page = models.part(start, end)
    return {
        "data": page,
        "has_more": has_more,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def _position(models: Catalogue, parameter: str, cursor: str) -> int:
    position = models.position(cursor)
    if position is None:
        raise Refusal(400, f"{parameter}: no such model")
    return position


def _limit(text: str) -> int:
    limit = int(text) if _LIMIT.fullmatch(text) else 0
    if not 1 <= limit <= 1000:
        raise Refusal(400, "limit: must be a number from 1 to 1000")
    return limit
