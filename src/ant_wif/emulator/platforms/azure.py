"""Azure: a workload with a managed identity, on App Service, on a virtual machine or in AKS."""

from __future__ import annotations

import base64
import re
import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timezone

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.fields import OAuthError, granted, read_form
from ant_wif.emulator._http.protocol import json_response
from ant_wif.emulator._issuers import Folder, IdentityProvider
from ant_wif.emulator._state.state import ExpiringMap
from ant_wif.emulator.platforms._assertions import UnacceptableError, verified_claims
from ant_wif.emulator.platforms.kubernetes import EmulatedKubernetes

_APP_SERVICE_VERSION = "2019-08-01"
_IMDS_VERSIONS = ("2018-02-01", "2019-08-01", "2021-02-01")
_SELECTORS = ("client_id", "object_id", "principal_id", "msi_res_id", "mi_res_id")
TENANT = "5d3a1c7e-2f48-4b69-8a0d-1e2f3a4b5c01"
CLIENT_ID = "a81b6f0e-94d7-4c25-b3f1-6c7d8e9fa002"
EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_APPLICATION = "c0de7a11-5e3b-4f6a-9d82-7f8091a2b303"
_RESOURCE = f"api://{_APPLICATION}"
_LEGACY_RESOURCE = "api://legacy-v1"
_OBJECT = "e4f5a6b7-1c2d-4e3f-8a9b-0c1d2e3f4a04"
# Entra dates its tokens back by five minutes.
_BACKDATED_SECONDS = 300
_DAY_SECONDS = 86_400
# A token that has less than this left is not handed out again.
_RENEWED_SECONDS = 300


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


def _app_service_error(status: int, message: str) -> Response:
    return json_response({"statusCode": status, "message": message, "correlationId": str(uuid.uuid4())}, status)


class EmulatedAzure(IdentityProvider):
    name = "azure"
    source = "azure"
    subject = _OBJECT
    # A v2.0 token names the application by its id, and not by the URI that was asked for.
    audience = _APPLICATION
    lifetime_seconds = 3600
    max_lifetime_seconds = _DAY_SECONDS + _BACKDATED_SECONDS

    def __init__(self, clock: Callable[[], float], folder: Folder, cluster: EmulatedKubernetes) -> None:
        super().__init__(clock, folder)
        self._cluster = cluster
        self._cache: ExpiringMap[str, tuple[str, int]] = ExpiringMap()

    @property
    def issuer_path(self) -> str:
        return f"/azure/{TENANT}/v2.0"

    def claims(self, now: int) -> dict[str, object]:
        # Entra's own id of a token is `uti`.
        identifier = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode("ascii")
        return {
            "iss": self.issuer_url,
            "iat": now - _BACKDATED_SECONDS,
            "nbf": now - _BACKDATED_SECONDS,
            "aio": secrets.token_urlsafe(36),
            "azp": CLIENT_ID,
            "azpacr": "2",
            "idtyp": "app",
            "oid": _OBJECT,
            "rh": f"1.{secrets.token_urlsafe(24)}.",
            "sub": self.subject,
            "tid": TENANT,
            "uti": identifier,
            "jti": str(uuid.uuid4()),
            "ver": "2.0",
        }

    def environments(self) -> dict[str, Callable[[], dict[str, str]]]:
        return {"azure": self.environment, "azure-vm": self._virtual_machine, "azure-aks": self._aks}

    def environment(self) -> dict[str, str]:
        endpoint = f"{self.base_url}/azure/msi/token"
        return {
            "IDENTITY_ENDPOINT": endpoint,
            "IDENTITY_HEADER": self._secret,
            "MSI_ENDPOINT": endpoint,
            "MSI_SECRET": self._secret,
            "WEBSITE_SITE_NAME": "acme-ci",
            "ANT_IDENTITY_AUDIENCE": _RESOURCE,
        }

    def identity_token(self) -> dict[str, object]:
        return {"source": self.source, "audience": _RESOURCE}

    def own_routes(self) -> list[Route]:
        return [
            *self.document_routes(f"/azure/{TENANT}/"),  # the legacy issuer ends in a slash
            Route("/azure/msi/token", self._app_service, methods=["GET"]),
            Route("/metadata/identity/oauth2/token", self._imds, methods=["GET"]),
            Route("/azure/{tenant}/oauth2/v2.0/token", self._entra, methods=["POST"]),
        ]

    def _virtual_machine(self) -> dict[str, str]:
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.base_url, "ANT_IDENTITY_AUDIENCE": _RESOURCE}

    def _aks(self) -> dict[str, str]:
        token = self._folder.write("azure/tokens/azure-identity-token", self._cluster.token(EXCHANGE_AUDIENCE))
        return {
            "AZURE_AUTHORITY_HOST": f"{self.base_url}/azure/",
            "AZURE_CLIENT_ID": CLIENT_ID,
            "AZURE_FEDERATED_TOKEN_FILE": token,
            "AZURE_TENANT_ID": TENANT,
            "ANT_IDENTITY_AUDIENCE": _RESOURCE,
        }

    async def _app_service(self, request: Request) -> Response:
        query = request.query_params
        if not self.is_secret(request.headers.get("x-identity-header")):
            return _app_service_error(401, "The header X-IDENTITY-HEADER is missing or wrong.")
        if query.get("api-version") != _APP_SERVICE_VERSION:
            return _app_service_error(400, f"Unsupported api-version: use {_APP_SERVICE_VERSION}.")
        if not query.get("resource"):
            return _app_service_error(400, "The parameter 'resource' is required.")
        if not self._is_known(request):
            what = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
            return _app_service_error(400, what)
        try:
            token, issued = self._cached_token(request)
        except EntraError as error:
            return error.response(self.now())
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
            token, issued = self._cached_token(request)
        except EntraError as error:
            return error.response(self.now())
        left = str(int(issued + _DAY_SECONDS - self.now()))
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

    def _cached_token(self, request: Request) -> tuple[str, int]:
        """Return a managed identity's token and when it was issued, in unix time. Raises `EntraError`."""
        now, resource = self.now(), request.query_params["resource"]
        bypass_cache = request.query_params.get("bypass_cache", "").lower() == "true"
        cached = None if bypass_cache else self._cache.get(resource, now=now)
        if cached is not None:
            return cached
        fresh = self._issue(resource, _DAY_SECONDS, now), int(now)
        self._cache.put(resource, fresh, until=now + _DAY_SECONDS - _RENEWED_SECONDS, now=now)
        return fresh

    def _is_known(self, request: Request) -> bool:
        """Return whether the one identity that there is is asked for, by its client or object id."""
        asked = {request.query_params[name] for name in _SELECTORS if name in request.query_params}
        return asked <= {CLIENT_ID, _OBJECT}

    async def _entra(self, request: Request) -> Response:
        try:
            form = await read_form(request)
            resource = self._judged(form, request.path_params["tenant"])
            token = self._issue(resource)
        except OAuthError as error:
            return EntraError("invalid_request", 900144, error.description).response(self.now())
        except EntraError as error:
            return error.response(self.now())
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
        """The federated identity credential trusts the service account of the cluster."""
        keys = self._cluster.key.key_set().values()
        try:
            claims = verified_claims(assertion, keys, [EXCHANGE_AUDIENCE], now=self.now())
        except UnacceptableError as error:
            if error.expired:
                what = "Client assertion is not within its valid time range."
                raise EntraError("invalid_client", 700024, what, 401) from None
            raise EntraError("invalid_client", 700027, f"Client assertion failed: {error}.", 401) from None
        if claims.get("iss") != self._cluster.issuer_url or claims.get("sub") != self._cluster.subject:
            what = "No matching federated identity record found for presented assertion issuer and subject."
            raise EntraError("invalid_client", 70021, what, 401)

    def _issue(self, resource: str, lifetime: int | None = None, now: float | None = None) -> str:
        """Return a token for a resource. Raises `EntraError`."""
        if resource in {_RESOURCE, _APPLICATION}:
            return self.mint(now=now, lifetime=lifetime)
        if resource == _LEGACY_RESOURCE:
            legacy = {"iss": f"{self.base_url}/azure/{TENANT}/", "aud": resource, "ver": "1.0", "azp": None}
            legacy |= {"azpacr": None, "appid": CLIENT_ID, "appidacr": "2", "idp": legacy["iss"]}
            return self.mint(now=now, lifetime=lifetime, claims=legacy)
        raise unknown_resource(resource)
