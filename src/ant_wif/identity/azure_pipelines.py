"""`azure_pipelines`: the OIDC token of a service connection, for a job of Azure Pipelines.

https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal
from urllib.parse import urlencode

from ant_wif._http import Flow, Request, Response, check_url
from ant_wif._secrets import SecretStr, sanitize
from ant_wif.errors import IdentitySourceError
from ant_wif.identity._endpoint import Endpoint
from ant_wif.identity.source import Context, IdentitySource
from ant_wif.identity.token import IdentityToken

URI = "SYSTEM_OIDCREQUESTURI"
TOKEN = "SYSTEM_ACCESSTOKEN"  # noqa: S105 - a variable's name
CONNECTIONS = ("ANT_AZURE_SERVICE_CONNECTION_ID", "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")
AUDIENCE = "api://AzureADTokenExchange"
_API_VERSION = "7.1"
_MAP_TOKEN = f"map it into the step: env: {{{TOKEN}: $(System.AccessToken)}}"


@dataclass(frozen=True)
class AzurePipelines(IdentitySource):
    """Asks Azure DevOps for a token of a service connection. Its audience is always `api://AzureADTokenExchange`."""

    service_connection_id: str | None = None
    source: Literal["azure_pipelines"] = "azure_pipelines"

    title: ClassVar[str] = "Azure Pipelines OIDC"
    renewable: ClassVar[bool] = True
    signs: ClassVar[tuple[str, ...]] = (URI, "TF_BUILD")
    undetected: ClassVar[str] = f"{URI} is not set"

    def asks_for(self, context: Context) -> str:
        return f"audience {AUDIENCE}, service connection {sanitize(self._connection(context) or 'unknown', limit=64)}"

    def unmet(self, context: Context) -> IdentitySourceError | None:
        if URI not in context.environ:
            what, hint = f"{URI} is not set", "run the program in a job of Azure DevOps Services; hand the variable on"
        elif TOKEN not in context.environ:
            what, hint = f"{TOKEN} is not set", _MAP_TOKEN
        elif context.environ[TOKEN].startswith("$("):
            what, hint = f"{TOKEN} holds the name of a variable that Azure Pipelines did not expand", _MAP_TOKEN
        elif self._connection(context) is None:
            what = f"no service connection is named: {' and '.join(CONNECTIONS)} are not set"
            hint = f"set {CONNECTIONS[0]} to the id of the service connection (resourceId in the URL of its page)"
        else:
            return None
        return IdentitySourceError(f"this Azure Pipelines job cannot ask for an identity token: {what}", hint=hint)

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        self.require_met(context)
        token = context.header_value(TOKEN)
        url = check_url(context.environ[URI], what=URI, environ=context.environ)
        query = urlencode(
            {"api-version": _API_VERSION, "serviceConnectionId": self._connection(context) or ""}, errors="replace"
        )
        headers: dict[str, str | SecretStr] = {
            "Authorization": SecretStr(f"Bearer {token.get_secret_value()}"),
            "Content-Type": "application/json",
            # Otherwise it may redirect to a page for people.
            "X-TFS-FedAuthRedirect": "Suppress",
        }
        request = Request("POST", f"{url}?{query}", headers=headers)
        raw = yield from _ENDPOINT.token(request, "oidcToken", sent=[token], explain=_explained)
        return context.parse(self, raw, audience=AUDIENCE)

    def _connection(self, context: Context) -> str | None:
        stated = (self.service_connection_id, *(context.environ.get(name) for name in CONNECTIONS))
        return next((each for each in stated if each), None)


_ENDPOINT = Endpoint("Azure DevOps", f"run the job again; if it persists, check that {URI} is the agent's")


def _explained(reply: Response, shown: str) -> IdentitySourceError | None:
    # With a token that it does not know, Azure DevOps shows a page to sign in: HTTP 203 or a redirect.
    if reply.status in {203, 302, 401, 403}:
        return IdentitySourceError(
            f"Azure DevOps refused the job's access token (HTTP {reply.status}): {shown}",
            hint=f"{TOKEN} ends with the job: {_MAP_TOKEN}",
        )
    if reply.status in {400, 404}:
        return IdentitySourceError(
            f"Azure DevOps gave no token of the service connection (HTTP {reply.status}): {shown}",
            hint="check its id, that it uses workload identity federation, that this pipeline may use it, and that "
            f"{URI} is the agent's",
        )
    return None
