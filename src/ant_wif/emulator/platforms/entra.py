"""Microsoft Entra ID: its error bodies, and the token endpoint that takes a cluster's token for a secret."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.fields import OAuthError, granted, read_form
from ant_wif.emulator._http.protocol import json_response
from ant_wif.emulator.platforms._assertions import UnacceptableError, verified_claims
from ant_wif.rules import VerificationKey

TENANT = "5d3a1c7e-2f48-4b69-8a0d-1e2f3a4b5c01"
CLIENT_ID = "a81b6f0e-94d7-4c25-b3f1-6c7d8e9fa002"
EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class EntraError(Exception):
    """A refusal in Entra's words: `AADSTS` with a number, and a description."""

    def __init__(self, error: str, code: int, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.code, self.description, self.status = error, code, description, status

    def response(self, now: float) -> Response:
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        at = f"{datetime.fromtimestamp(now, tz=timezone.utc):%Y-%m-%d %H:%M:%SZ}"
        description = (
            f"AADSTS{self.code}: {self.description} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}"
        )
        return json_response(
            {
                "error": self.error,
                "error_description": description,
                "error_codes": [self.code],
                "timestamp": at,
                "trace_id": trace,
                "correlation_id": correlation,
                "error_uri": f"https://login.microsoftonline.com/error?code={self.code}",
            },
            self.status,
        )


def unknown_resource(resource: str) -> EntraError:
    if re.match(r"[a-z]+://", resource):
        return EntraError(
            "invalid_resource",
            500011,
            f"The resource principal named {resource} was not found in the tenant named Acme. This can happen if the "
            "application has not been installed by the administrator of the tenant or consented to by any user in "
            "the tenant. You might have sent your authentication request to the wrong tenant.",
        )
    return EntraError(
        "invalid_resource", 50001, f"The application named {resource} was not found in the tenant named Acme."
    )


class TokenEndpoint:
    """`mint` returns a token for a resource, or raises `EntraError`. The federated identity credential
    trusts `subject` of the issuer whose URL and keys `cluster` returns.
    """

    def __init__(
        self,
        mint: Callable[[str], str],
        cluster: Callable[[], tuple[str, Iterable[VerificationKey]]],
        subject: str,
        clock: Callable[[], float],
    ) -> None:
        self._mint = mint
        self._cluster = cluster
        self._subject = subject
        self._clock = clock

    def route(self, path: str) -> Route:
        return Route(f"{path}/{{tenant}}/oauth2/v2.0/token", self._token, methods=["POST"])

    async def _token(self, request: Request) -> Response:
        try:
            form = await read_form(request)
            resource = self._judged(form, request.path_params["tenant"])
            token = self._mint(resource)
        except OAuthError as error:
            return EntraError("invalid_request", 900144, error.description).response(self._clock())
        except EntraError as error:
            return error.response(self._clock())
        return granted({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token})

    def _judged(self, form: Mapping[str, str], tenant: str) -> str:
        """Return the resource that is asked for. Raises `EntraError`."""
        for name in ("grant_type", "client_id", "scope", "client_assertion_type", "client_assertion"):
            if name not in form:
                what = f"The request body must contain the following parameter: '{name}'."
                raise EntraError("invalid_request", 900144, what)
        if tenant != TENANT:
            raise EntraError("invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form["grant_type"] != "client_credentials":
            raise EntraError("unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        if form["client_id"] != CLIENT_ID:
            what = f"Application with identifier '{form['client_id']}' was not found in the directory 'Acme'."
            raise EntraError("unauthorized_client", 700016, what)
        if form["client_assertion_type"] != _ASSERTION_TYPE:
            raise EntraError("invalid_request", 900141, "The client_assertion_type is not supported.")
        self._check_assertion(form["client_assertion"])
        scope = form["scope"]
        if not scope.endswith("/.default"):
            what = f"The provided value for scope {scope} is not valid. Client credential flows must have a scope "
            raise EntraError("invalid_scope", 1002012, f"{what}value with /.default suffixed to the resource.")
        return scope.removesuffix("/.default")

    def _check_assertion(self, assertion: str) -> None:
        issuer, keys = self._cluster()
        try:
            claims = verified_claims(assertion, keys, [EXCHANGE_AUDIENCE], now=self._clock())
        except UnacceptableError as error:
            if error.expired:
                what = "Client assertion is not within its valid time range."
                raise EntraError("invalid_client", 700024, what, 401) from None
            raise EntraError("invalid_client", 700027, f"Client assertion failed: {error}.", 401) from None
        if claims.get("iss") != issuer or claims.get("sub") != self._subject:
            what = "No matching federated identity record found for presented assertion issuer and subject."
            raise EntraError("invalid_client", 70021, what, 401)
