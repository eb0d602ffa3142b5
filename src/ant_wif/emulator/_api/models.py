"""`GET /v1/models` and `GET /v1/models/{id}`: enough to prove that a credential works."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif._secrets import sanitize
from ant_wif.emulator._api.authentication import authenticate
from ant_wif.emulator._http.fields import page_answer, page_by_id
from ant_wif.emulator._http.protocol import Refusal, json_response
from ant_wif.emulator._state.state import State


def model_routes(state: State) -> list[Route]:
    async def list_models(request: Request) -> Response:
        authenticate(state, request)
        models = state.models
        page, has_more = page_by_id(request.query_params, "model", len(models), models.position)
        return json_response(page_answer(models.part(page.start, page.stop), has_more=has_more))

    async def get_model(request: Request) -> Response:
        authenticate(state, request)
        wanted = request.path_params["model_id"]
        model = state.models.find(wanted)
        if model is None:
            raise unknown_model(wanted)
        return json_response(model)

    return [
        Route("/v1/models", list_models, methods=["GET"]),
        Route("/v1/models/{model_id}", get_model, methods=["GET"]),
    ]


def unknown_model(wanted: str) -> Refusal:
    return Refusal(404, f"model: {sanitize(wanted, limit=64)}")
