"""What another process asks a running emulator: to look like a job of a platform, and to sign as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator.wire import Refusal, json_response, read_body
from ant_wif.rules.jws import read_json_object


class SignAs(Protocol):
    def __call__(self, platform: str, claims: Mapping[str, object], alg: str = ...) -> str:
        """Raises ValueError for a platform that is not emulated, or an algorithm that it has not."""


def control_routes(env: Callable[[str], Mapping[str, str]], sign_as: SignAs) -> list[Route]:
    """`env` raises ValueError for a platform that is not emulated."""

    async def show(request: Request) -> Response:
        try:
            return json_response(env(request.path_params["platform"]))
        except ValueError as error:
            raise Refusal(404, str(error)) from None

    async def sign(request: Request) -> Response:
        try:
            body = read_json_object(await read_body(request))
        except ValueError:
            raise Refusal(400, "The request body is not a well-formed JSON object") from None
        claims, alg = body.get("claims"), body.get("alg", "RS256")
        if not isinstance(claims, dict) or not isinstance(alg, str) or not set(body) <= {"claims", "alg"}:
            raise Refusal(400, "The body must have an object `claims`, may have a string `alg`, and nothing else")
        try:
            return json_response({"token": sign_as(request.path_params["platform"], claims, alg)})
        except ValueError as error:
            raise Refusal(400, str(error)) from None

    return [
        Route("/_emulator/env/{platform}", show, methods=["GET"]),
        Route("/_emulator/{platform}/sign", sign, methods=["POST"]),
    ]
