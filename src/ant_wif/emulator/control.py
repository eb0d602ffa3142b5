"""What another process asks a running emulator: the variables that make it look like a job of a platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator.wire import Refusal, json_response


def control_routes(env: Callable[[str], Mapping[str, str]]) -> list[Route]:
    """`env` raises ValueError for a platform that is not emulated."""

    async def show(request: Request) -> Response:
        try:
            return json_response(env(request.path_params["platform"]))
        except ValueError as error:
            raise Refusal(404, str(error)) from None

    return [Route("/_emulator/env/{platform}", show, methods=["GET"])]
