"""Azure Pipelines: a job with a service connection, and Azure DevOps, which gives it tokens of that connection."""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.protocol import Refusal, bearer, json_response
from ant_wif.emulator._issuers import IdentityProvider

_CONNECTION = "5a1c2b3d-4e5f-4607-8192-a3b4c5d6e7f8"
_ORGANIZATION = "0c8f2a1e-7b6d-4c5e-9f80-1a2b3c4d5e6f"


class EmulatedAzurePipelines(IdentityProvider):
    name = "azure_pipelines"
    source = "azure_pipelines"
    subject = "sc://acme/app/anthropic"
    audience = "api://AzureADTokenExchange"
    lifetime_seconds = 600

    def claims(self, now: int) -> dict[str, object]:
        return {
            **super().claims(now),
            "jti": str(uuid.uuid4()),
            "nbf": now,
            "org_id": _ORGANIZATION,
            "rpo_ref": "refs/heads/main",
        }

    def environment(self) -> dict[str, str]:
        return {
            "TF_BUILD": "True",
            "BUILD_SOURCEBRANCH": "refs/heads/main",
            "SYSTEM_JOBID": "12f1170f-54f2-53f3-20dd-22fc7dff55f9",
            "SYSTEM_TEAMPROJECT": "app",
            "SYSTEM_OIDCREQUESTURI": f"{self.issuer_url}/oidctoken",
            "SYSTEM_ACCESSTOKEN": self._secret,
            "ANT_AZURE_SERVICE_CONNECTION_ID": _CONNECTION,
        }

    def own_routes(self) -> list[Route]:
        return [Route(f"/{self.name}/oidctoken", self._token, methods=["POST"])]

    async def _token(self, request: Request) -> Response:
        if not self.is_secret(bearer(request)):
            raise Refusal(401, "The access token is missing or not this job's")
        if request.query_params.get("api-version") != "7.1":
            raise Refusal(400, "No api-version was supplied, or one that is not known")
        if request.query_params.get("serviceConnectionId") != _CONNECTION:
            raise Refusal(404, "The service connection does not exist, or this pipeline may not use it")
        return json_response({"oidcToken": self.mint()})
