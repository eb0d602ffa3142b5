"""Azure's two local token services: that of App Service, and IMDS of virtual machines."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Callable, Collection
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.protocol import json_response
from ant_wif.emulator.platforms.entra import CLIENT_ID, EntraError

_DAY_SECONDS = 86_400
_APP_SERVICE_VERSION = "2019-08-01"
_IMDS_VERSIONS = ("2018-02-01", "2019-08-01", "2021-02-01")
_SELECTORS = ("client_id", "object_id", "principal_id", "msi_res_id", "mi_res_id")


class Tokens(Protocol):
    def __call__(self, resource: str, *, bypass_cache: bool) -> tuple[str, int]:
        """Return a token and when it was issued, in unix time. Raises `EntraError`."""


class ManagedIdentity:
    """`known` are the client and object ids of the one identity that there is."""

    def __init__(
        self, tokens: Tokens, identity_header: str, known: Collection[str], clock: Callable[[], float]
    ) -> None:
        self._tokens = tokens
        self._identity_header = identity_header
        self._known = known
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            Route("/azure/msi/token", self._app_service, methods=["GET"]),
            Route("/metadata/identity/oauth2/token", self._imds, methods=["GET"]),
        ]

    async def _app_service(self, request: Request) -> Response:
        presented, query = request.headers.get("x-identity-header", ""), request.query_params
        if not hmac.compare_digest(presented.encode(), self._identity_header.encode()):
            return _app_service_error(401, "The header X-IDENTITY-HEADER is missing or wrong.")
        if query.get("api-version") != _APP_SERVICE_VERSION:
            return _app_service_error(400, f"Unsupported api-version: use {_APP_SERVICE_VERSION}.")
        if not query.get("resource"):
            return _app_service_error(400, "The parameter 'resource' is required.")
        if not self._is_known(request):
            what = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
            return _app_service_error(400, what)
        try:
            token, issued = self._token(request)
        except EntraError as error:
            return error.response(self._clock())
        return json_response(
            {
                "access_token": token,
                "client_id": CLIENT_ID,
                "expires_on": str(issued + _DAY_SECONDS),
                "resource": query["resource"],
                "token_type": "Bearer",
            }
        )

    async def _imds(self, request: Request) -> Response:
        query, refusal = request.query_params, self._imds_refusal(request)
        if refusal is not None:
            return json_response(refusal, 400)
        try:
            token, issued = self._token(request)
        except EntraError as error:
            return error.response(self._clock())
        left = str(int(issued + _DAY_SECONDS - self._clock()))
        return json_response(
            {
                "access_token": token,
                "client_id": CLIENT_ID,
                "expires_in": left,
                "expires_on": str(issued + _DAY_SECONDS),
                "ext_expires_in": left,
                "not_before": str(issued - 300),
                "resource": query["resource"],
                "token_type": "Bearer",
            }
        )

    def _imds_refusal(self, request: Request) -> dict[str, object] | None:
        query, bad = request.query_params, "Bad request."
        if "x-forwarded-for" in request.headers:
            return {"error": f"{bad} Requests with an X-Forwarded-For header are not served"}
        if request.headers.get("metadata", "").lower() != "true":
            return {"error": f"{bad} Required metadata header not specified"}
        if query.get("api-version") not in _IMDS_VERSIONS:
            what = "api-version is invalid or was not specified in the request."
            return {"error": f"{bad} {what}", "newest-versions": list(reversed(_IMDS_VERSIONS))}
        if not query.get("resource"):
            what = "Required query variable 'resource' is missing"
            return {"error": "invalid_request", "error_description": what}
        if not self._is_known(request):
            return {"error": "invalid_request", "error_description": "Identity not found"}
        return None

    def _token(self, request: Request) -> tuple[str, int]:
        bypass = request.query_params.get("bypass_cache", "").lower() == "true"
        return self._tokens(request.query_params["resource"], bypass_cache=bypass)

    def _is_known(self, request: Request) -> bool:
        asked = [request.query_params[name] for name in _SELECTORS if name in request.query_params]
        return all(value in self._known for value in asked)


def _app_service_error(status: int, message: str) -> Response:
    return json_response({"statusCode": status, "message": message, "correlationId": str(uuid.uuid4())}, status)
