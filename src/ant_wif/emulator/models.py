"""`GET /v1/models` and `GET /v1/models/{id}`: enough to prove that a credential works."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator.access import authenticate
from ant_wif.emulator.state import State
from ant_wif.emulator.wire import Refusal, json_response
from ant_wif.secrets import clean

_MODELS: tuple[dict[str, object], ...] = tuple(
    {"type": "model", "id": model_id, "display_name": name, "created_at": f"{created}T00:00:00Z"}
    for model_id, name, created in (
        ("claude-opus-4-5-20251101", "Claude Opus 4.5", "2025-11-24"),
        ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", "2025-10-15"),
        ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", "2025-09-29"),
        ("claude-opus-4-1-20250805", "Claude Opus 4.1", "2025-08-05"),
        ("claude-opus-4-20250514", "Claude Opus 4", "2025-05-22"),
        ("claude-sonnet-4-20250514", "Claude Sonnet 4", "2025-05-22"),
    )
)
_LIMIT = re.compile(r"[0-9]{1,4}")


def model_routes(state: State) -> list[Route]:
    async def list_models(request: Request) -> Response:
        authenticate(state, request)
        query = request.query_params
        limit = _limit(query.get("limit", "20"))
        after, before = query.get("after_id"), query.get("before_id")
        if after is not None and before is not None:
            raise Refusal(400, "before_id: not allowed together with after_id")
        return json_response(_page(limit, after, before))

    async def get_model(request: Request) -> Response:
        authenticate(state, request)
        wanted = request.path_params["model_id"]
        for model in _MODELS:
            if model["id"] == wanted:
                return json_response(model)
        raise Refusal(404, f"model: {clean(wanted, limit=64)}")

    return [
        Route("/v1/models", list_models, methods=["GET"]),
        Route("/v1/models/{model_id}", get_model, methods=["GET"]),
    ]


def _page(limit: int, after: str | None, before: str | None) -> dict[str, object]:
    """Return up to `limit` models next to the cursor, newest first; `has_more` looks the way one pages."""
    if before is not None:
        end = _position("before_id", before)
        start = max(0, end - limit)
        has_more = start > 0
    else:
        start = 0 if after is None else _position("after_id", after) + 1
        end = start + limit
        has_more = end < len(_MODELS)
    page = _MODELS[start:end]
    return {
        "data": page,
        "has_more": has_more,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def _position(parameter: str, cursor: str) -> int:
    for position, model in enumerate(_MODELS):
        if model["id"] == cursor:
            return position
    raise Refusal(400, f"{parameter}: no such model")


def _limit(text: str) -> int:
    limit = int(text) if _LIMIT.fullmatch(text) else 0
    if not 1 <= limit <= 1000:
        raise Refusal(400, "limit: must be a number from 1 to 1000")
    return limit
