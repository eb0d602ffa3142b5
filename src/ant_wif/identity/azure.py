"""`azure`: an Entra ID token of a managed identity, or of an AKS workload identity.

https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal
from urllib.parse import urlencode, urlsplit

from ant_wif._constants import DEFAULT_AUDIENCE
from ant_wif._http import Flow, Request, Response, call, check_url
from ant_wif._secrets import SecretStr, sanitize
from ant_wif.errors import IdentitySourceError, IdentityTokenError
from ant_wif.identity._endpoint import Endpoint
from ant_wif.identity.file import read_token
from ant_wif.identity.source import (
    Context,
    Detection,
    IdentitySource,
    detected,
    nearly_detected,
    none_is_set,
    not_detected,
)
from ant_wif.identity.token import IdentityToken, require_jwt, trimmed

_APP_SERVICE = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")
_WORKLOAD = ("AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID")
_COMPLETED = {
    _APP_SERVICE: "enable the managed identity of the app (Settings, Identity), and hand both variables on",
    _WORKLOAD: "label the pod azure.workload.identity/use: true, annotate its service account with "
    "azure.workload.identity/client-id, and make the pod anew",
}
_IMDS_HOST = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
_IMDS = "http://169.254.169.254"
_AUTHORITY = "https://login.microsoftonline.com"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Azure(IdentitySource):
    """Asks for a token of the resource `audience` (`api://<app id>`); `client_id` selects a user-assigned identity."""

    audience: str | None = None
    client_id: str | None = None
    source: Literal["azure"] = "azure"

    title: ClassVar[str] = "Azure managed identity"
    renewable: ClassVar[bool] = True

    @classmethod
    def detect(cls, context: Context) -> Detection:
        for variables in (_APP_SERVICE, _WORKLOAD):
            if all(name in context.environ for name in variables):
                return detected(cls(), f"{' and '.join(variables)} are set")
        # The names of tenant and client alone are those of a service principal, which other tools log in with.
        for variables, sign in ((_APP_SERVICE, _APP_SERVICE), (_WORKLOAD, _WORKLOAD[:1])):
            if any(name in context.environ or context.environ.is_empty(name) for name in sign):
                present = [name for name in variables if name in context.environ]
                missing = [name for name in variables if name not in context.environ]
                if present:
                    return nearly_detected(
                        "azure",
                        f"{_all_are(present)} set, but {_all_are(missing)} not",
                        _COMPLETED[variables],
                    )
        return not_detected("azure", none_is_set(*_APP_SERVICE, *_WORKLOAD))

    def unmet(self, context: Context) -> IdentitySourceError | None:
        if self._resource(context) != DEFAULT_AUDIENCE:
            return None
        return IdentitySourceError(
            "Azure issues tokens for applications that are registered in your tenant only, and none is named",
            hint="register an application, expose an API, and set ANT_IDENTITY_AUDIENCE to its App ID URI "
            "(api://<app id>); the federation rule's audience must be that of the token",
        )

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        self.require_met(context)
        resource = self._resource(context)
        endpoint, request, sent = yield from call(lambda: self._request(context, resource))
        explain = partial(_explained, resource=resource, name=endpoint.name)
        raw = yield from endpoint.token(request, "access_token", sent=sent, explain=explain)
        token = context.parse(self, raw, audience=None)
        _check_audience(token, resource)
        return token

    def _resource(self, context: Context) -> str:
        return self.audience or context.audience

    def _request(self, context: Context, resource: str) -> tuple[Endpoint, Request, list[SecretStr]]:
        if all(name in context.environ for name in _APP_SERVICE):
            return self._app_service(context, resource)
        if all(name in context.environ for name in _WORKLOAD):
            return self._workload(context, resource)
        return self._imds(context.environ, resource)

    def _app_service(self, context: Context, resource: str) -> tuple[Endpoint, Request, list[SecretStr]]:
        environ, secret = context.environ, context.header_value("IDENTITY_HEADER")
        query = self._query(environ, resource, "2019-08-01")
        url = f"{_check_local(environ['IDENTITY_ENDPOINT'], environ)}?{urlencode(query, errors='replace')}"
        remedy = "check that the app has a managed identity (Settings, Identity), and restart it after a change"
        endpoint = Endpoint("the managed identity endpoint of App Service", remedy)
        return endpoint, Request("GET", url, headers={"X-IDENTITY-HEADER": secret}, direct=True), [secret]

    def _imds(self, environ: Mapping[str, str], resource: str) -> tuple[Endpoint, Request, list[SecretStr]]:
        host = _check_local(environ.get(_IMDS_HOST, _IMDS), environ).rstrip("/")
        query = urlencode(self._query(environ, resource, "2018-02-01"), errors="replace")
        url = f"{host}/metadata/identity/oauth2/token?{query}"
        remedy = "check that the machine has a managed identity (Security, Identity), and that no proxy is in between"
        return (
            Endpoint("Azure's instance metadata service", remedy, passing=_is_passing),
            Request("GET", url, headers={"Metadata": "true"}, direct=True),
            [],
        )

    def _query(self, environ: Mapping[str, str], resource: str, version: str) -> dict[str, str]:
        # The endpoints cache, and would hand out the same token, exchanged already, for hours.
        query = {"api-version": version, "resource": resource, "bypass_cache": "true"}
        client_id = self.client_id or environ.get("AZURE_CLIENT_ID")
        return {**query, "client_id": client_id} if client_id else query

    def _workload(self, context: Context, resource: str) -> tuple[Endpoint, Request, list[SecretStr]]:
        """Trade the pod's projected token at Entra ID for one of the application."""
        environ = context.environ
        tenant = environ["AZURE_TENANT_ID"]
        if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}", tenant):
            raise IdentitySourceError(
                "AZURE_TENANT_ID is not a valid tenant", hint="set it to the tenant's GUID or domain"
            )
        assertion = trimmed(read_token(environ.expand(environ[_WORKLOAD[0]]), where=_WORKLOAD[0]))
        require_jwt(assertion, f"the file that {_WORKLOAD[0]} names")
        authority = check_url(
            environ.get("AZURE_AUTHORITY_HOST", _AUTHORITY), what="AZURE_AUTHORITY_HOST", environ=environ
        )
        form: dict[str, str | SecretStr] = {
            "grant_type": "client_credentials",
            "client_id": self.client_id or environ["AZURE_CLIENT_ID"],
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
            "scope": f"{resource}/.default",
        }
        remedy = "check the federated credential of the application: issuer, subject and audience of the pod's account"
        return (
            Endpoint("Entra ID", remedy, _ON_NETWORK, _is_passing),
            Request("POST", f"{authority}/{tenant}/oauth2/v2.0/token", form=form),
            [assertion],
        )


def _all_are(names: list[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _check_local(url: str, environ: Mapping[str, str]) -> str:
    """Allow plain http to the machine itself and to link-local addresses, which no router passes on."""
    with suppress(ValueError):
        host = urlsplit(url).hostname or ""
        if ipaddress.ip_address(host).is_link_local:
            return url
    return check_url(url, what="the managed identity endpoint", environ=environ)


_ON_NETWORK = "check the network, the proxy variables and AZURE_AUTHORITY_HOST"
_ON_CREDENTIAL = "in the application's federated credential (az ad app federated-credential list --id <app id>)"
# By the code of Entra ID: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_ERRORS = {
    "500011": (
        "does not know the application {resource} in this tenant",
        "create the service principal of the application in this tenant (az ad sp create --id <app id>), or "
        "correct ANT_IDENTITY_AUDIENCE to its App ID URI",
    ),
    "700016": (
        "does not know the application that AZURE_CLIENT_ID names in this tenant",
        "correct AZURE_CLIENT_ID or AZURE_TENANT_ID: the annotation azure.workload.identity/client-id of the service "
        "account sets the former",
    ),
    "700024": (
        "says that the pod's token is stale",
        "let the kubelet rotate the file that AZURE_FEDERATED_TOKEN_FILE names (no copy of it, no subPath mount), and "
        "check the clock of the node",
    ),
    "700211": (
        "finds no federated credential with the issuer of the pod's token",
        f"set the issuer {_ON_CREDENTIAL} to this cluster's OIDC issuer URL, to the last slash",
    ),
    "700212": (
        "finds no federated credential with the audience of the pod's token",
        f"set the audience {_ON_CREDENTIAL} to api://AzureADTokenExchange, which is the pod's",
    ),
    "700213": (
        "finds no federated credential with the subject of the pod's token",
        f"set the subject {_ON_CREDENTIAL} to system:serviceaccount:<namespace>:<account>; the comparison is "
        "case-sensitive",
    ),
    "70021": (
        "finds no federated credential that matches the pod's token",
        "give the application a federated credential with this cluster's issuer and the subject "
        "system:serviceaccount:<namespace>:<account>",
    ),
    "700222": (
        "does not accept the token in the file, which Entra ID issued itself",
        "let AZURE_FEDERATED_TOKEN_FILE name the token of the pod's service account that the kubelet projects",
    ),
    "7000112": (
        "says that the application that AZURE_CLIENT_ID names is disabled",
        "enable it in Entra ID (Enterprise applications, Properties), or correct AZURE_CLIENT_ID",
    ),
    "50013": (
        "cannot verify the signature of the pod's token",
        "check that the OIDC issuer URL of this cluster serves its current keys, and that the token in the file that "
        "AZURE_FEDERATED_TOKEN_FILE names is of this cluster",
    ),
    "53003": (
        "refuses by a Conditional Access policy",
        "let an administrator of the tenant permit this workload identity (Entra ID, Sign-in logs)",
    ),
    "90002": ("does not know the tenant", "correct AZURE_TENANT_ID, and AZURE_AUTHORITY_HOST in a national cloud"),
    "90033": ("is unavailable for a moment", "run again; if it persists, see https://status.azure.com"),
}
_ERRORS |= {"50001": _ERRORS["500011"], "90024": _ERRORS["90033"]}
_PASSING = ("AADSTS90033", "AADSTS90024")
# What the metadata service says to a client that does not choose among several identities.
_SEVERAL = re.compile("multiple user.assigned", re.IGNORECASE)


def _is_passing(reply: Response) -> bool:
    """Whether the service says so: Entra ID by its code, the metadata service by 410 while it is updated."""
    return reply.status == 410 or any(code.encode() in reply.body for code in _PASSING)


def _explained(reply: Response, shown: str, resource: str, name: str) -> IdentitySourceError | None:
    """Tell the errors that have one cure."""
    code = re.search(r"AADSTS(\d+)", shown)
    known = _ERRORS.get(code[1]) if code else None
    if known is None and _SEVERAL.search(shown):
        known = (
            "says that this machine has several user-assigned identities, and none is chosen",
            "set AZURE_CLIENT_ID to the client id of the identity to use, or `client_id` in the profile",
        )
    elif known is None and reply.status == 410:
        known = (
            "is being updated",
            "run again in a minute: an update of the metadata service takes 70 seconds at most",
        )
    elif known is None and reply.status == 400 and re.search("dentity (not )?found", shown):
        known = (
            "says that this machine has no such identity",
            "assign a managed identity to it, or correct AZURE_CLIENT_ID to the client id of one that it has",
        )
    if known is None and code:
        known = (
            "refuses to issue a token",
            f"see https://login.microsoftonline.com/error?code={code[1]} for what this code means",
        )
    if known is None:
        return None
    what, hint = known
    return IdentitySourceError(
        f"{name} {what.replace('{resource}', sanitize(resource, limit=128))} (HTTP {reply.status}): {shown}", hint=hint
    )


def _check_audience(token: IdentityToken, resource: str) -> None:
    """A v2.0 token names the application by its id, a v1.0 token by the resource that was asked for."""
    expected = {resource, resource.rstrip("/"), resource.removeprefix("api://")}
    if not expected & set(token.unverified_audiences):
        found = ", ".join(sanitize(entry, limit=128) for entry in token.unverified_audiences) or "no audience"
        raise IdentityTokenError(
            f"the identity token from {token.source} is for another audience: found {found}, "
            f"expected {sanitize(resource, limit=128)}",
            hint="set ANT_IDENTITY_AUDIENCE to the App ID URI of the application that the federation rule expects",
        )
