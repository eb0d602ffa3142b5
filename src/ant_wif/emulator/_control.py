"""What another process asks a running emulator: to look like a job, to sign, to fail, to be at another time."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.fields import refuse_unknown, single
from ant_wif.emulator._http.protocol import Refusal, json_response, read_json
from ant_wif.emulator._state.scripting import REPLIES_PATH, ScriptedModel, over_http
from ant_wif.emulator.faults import Fault, named_fault

MAX_REPLY_BYTES = 8 << 20
REPLY_FIELDS = tuple(inspect.signature(ScriptedModel.reply).parameters)[1:]

_Handler = Callable[[Request], Awaitable[Response]]


class Controls(Protocol):
    """The methods of `Emulator` that can be called from outside. They raise ValueError for what cannot be."""

    @property
    def now(self) -> float: ...
    def env(self, platform: str) -> Mapping[str, str]: ...
    def sign_as(self, platform: str, claims: Mapping[str, object], alg: str = ...) -> str: ...
    def rotate_keys(self, platform: str, *, keep_old: bool) -> None: ...
    def fail(self, endpoint: str, fault: Fault, *, times: int) -> None: ...
    def clear_faults(self) -> None: ...
    def advance(self, seconds: float) -> None: ...
    def move_to(self, moment: float) -> None: ...
    def skew(self, seconds: float) -> None: ...
    def reset_clock(self) -> None: ...
    def clear_history(self) -> None: ...
    def reset(self) -> None: ...


def control_routes(controls: Controls, model: ScriptedModel) -> list[Route]:
    async def show(request: Request) -> Response:
        try:
            return json_response(controls.env(request.path_params["platform"]))
        except ValueError as error:
            raise Refusal(404, str(error)) from None

    async def sign(request: Request) -> Response:
        body = await read_json(request)
        claims, alg = body.get("claims"), body.get("alg", "RS256")
        if not isinstance(claims, dict) or not isinstance(alg, str) or not set(body) <= {"claims", "alg"}:
            raise Refusal(400, "The body must have an object `claims`, may have a string `alg`, and nothing else")
        return json_response({"token": controls.sign_as(request.path_params["platform"], claims, alg)})

    async def rotate(request: Request) -> Response:
        body = await read_json(request)
        keep_old = body.get("keep_old", False)
        refuse_unknown(body, ("keep_old",))
        if not isinstance(keep_old, bool):
            raise Refusal(400, "keep_old: must be true or false")
        controls.rotate_keys(request.path_params["platform"], keep_old=keep_old)
        return Response(status_code=204)

    async def fail(request: Request) -> Response:
        body = await read_json(request)
        endpoint, times = body.pop("endpoint", None), body.pop("times", 1)
        if not isinstance(endpoint, str):
            raise Refusal(400, "endpoint: a string is required")
        if not isinstance(times, int) or isinstance(times, bool):
            raise Refusal(400, "times: must be a whole number")
        fault = named_fault(body.pop("fault", None), body)
        controls.fail(endpoint, fault, times=times)
        return json_response({"endpoint": endpoint, "fault": fault.description, "times": times})

    async def time(_: Request) -> Response:
        return json_response({"now": controls.now})

    async def move(request: Request) -> Response:
        moves = {"advance": controls.advance, "move_to": controls.move_to, "skew": controls.skew}
        body = await read_json(request)
        refuse_unknown(body, moves)
        if len(body) != 1:
            raise Refusal(400, f"The body must have one of the numbers {', '.join(moves)}")
        for name, number in body.items():
            if not isinstance(number, int | float) or isinstance(number, bool):
                raise Refusal(400, f"{name}: must be a number")
            moves[name](number)
        return json_response({"now": controls.now})

    async def reset_clock(_: Request) -> Response:
        controls.reset_clock()
        return json_response({"now": controls.now})

    return [
        Route("/_emulator/env/{platform}", show, methods=["GET"]),
        Route("/_emulator/{platform}/sign", _explained(sign), methods=["POST"]),
        Route("/_emulator/{platform}/keys", _explained(rotate), methods=["POST"]),
        Route("/_emulator/faults", _explained(fail), methods=["POST"]),
        Route("/_emulator/faults", _calling(controls.clear_faults), methods=["DELETE"]),
        Route("/_emulator/clock", time, methods=["GET"]),
        Route("/_emulator/clock", _explained(move), methods=["POST"]),
        Route("/_emulator/clock", reset_clock, methods=["DELETE"]),
        Route("/_emulator/reset", _calling(controls.reset), methods=["POST"]),
        Route("/_emulator/history", _calling(controls.clear_history), methods=["DELETE"]),
        *_scripting_routes(model),
    ]


def _scripting_routes(model: ScriptedModel) -> list[Route]:
    async def set_reply(request: Request) -> Response:
        body = await read_json(request, limit=MAX_REPLY_BYTES)
        refuse_unknown(body, REPLY_FIELDS)
        with over_http():
            model.reply(**cast("dict[str, Any]", body))
        return json_response({"left": len(model.replies_left)})

    async def list_replies(_: Request) -> Response:
        return json_response({"data": [reply.entry() for reply in model.replies_left]})

    async def list_requests(request: Request) -> Response:
        refuse_unknown(request.query_params, ("path",))
        path = single(request.query_params, "path")
        return json_response({"data": [each.entry() for each in model.requests if path in {None, each.path}]})

    return [
        Route(REPLIES_PATH, list_replies, methods=["GET"]),
        Route(REPLIES_PATH, _explained(set_reply), methods=["POST"]),
        Route(REPLIES_PATH, _calling(model.clear_replies), methods=["DELETE"]),
        Route("/_emulator/requests", list_requests, methods=["GET"]),
        Route("/_emulator/requests", _calling(model.clear_requests), methods=["DELETE"]),
    ]


def _explained(handler: _Handler) -> _Handler:
    """Answer 400 with the text of a ValueError: it says what is invalid, and clients may see it."""

    async def explain(request: Request) -> Response:
        try:
            return await handler(request)
        except ValueError as error:
            raise Refusal(400, str(error)) from None

    return explain


def _calling(control: Callable[[], object]) -> _Handler:
    async def call(_: Request) -> Response:
        control()
        return Response(status_code=204)

    return call
