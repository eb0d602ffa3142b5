"""Azure: a workload with a managed identity, on App Service, on a virtual machine or in AKS."""

from __future__ import annotations

import base64
import secrets
import time
import uuid
from collections.abc import Callable, Iterable

from starlette.routing import Route

from ant_wif.emulator._issuers.files import Folder
from ant_wif.emulator._issuers.provider import IdentityProvider
from ant_wif.emulator._state.state import Expiring
from ant_wif.emulator.platforms.entra import CLIENT_ID, EXCHANGE_AUDIENCE, TENANT, TokenEndpoint, unknown_resource
from ant_wif.emulator.platforms.kubernetes import Kubernetes
from ant_wif.emulator.platforms.managed_identity import ManagedIdentity
from ant_wif.rules import VerificationKey

_APPLICATION = "c0de7a11-5e3b-4f6a-9d82-7f8091a2b303"
_RESOURCE = f"api://{_APPLICATION}"
_LEGACY_RESOURCE = "api://legacy-v1"
_OBJECT = "e4f5a6b7-1c2d-4e3f-8a9b-0c1d2e3f4a04"
# Entra dates its tokens back by five minutes.
_BACKDATED_SECONDS = 300
_DAY_SECONDS = 86_400
# A token that has less than this left is not handed out again.
_RENEWED_SECONDS = 300


class Azure(IdentityProvider):
    name = "azure"
    source = "azure"
    subject = _OBJECT
    # A v2.0 token names the application by its id, and not by the URI that was asked for.
    audience = _APPLICATION
    lifetime_seconds = 3600
    max_lifetime_seconds = _DAY_SECONDS + _BACKDATED_SECONDS

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        folder: Folder | None = None,
        cluster: Kubernetes | None = None,
    ) -> None:
        super().__init__(clock, folder)
        self._cluster = cluster or Kubernetes(clock, folder)
        self._identity_header = secrets.token_hex(16).upper()
        self._cache: Expiring[str, tuple[str, int]] = Expiring()

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
            "IDENTITY_HEADER": self._identity_header,
            "MSI_ENDPOINT": endpoint,
            "MSI_SECRET": self._identity_header,
            "WEBSITE_SITE_NAME": "acme-ci",
            "ANT_IDENTITY_AUDIENCE": _RESOURCE,
        }

    def identity_token(self) -> dict[str, object]:
        return {"source": self.source, "audience": _RESOURCE}

    def own_routes(self) -> list[Route]:
        entra = TokenEndpoint(self._mint, self._trusted, self._cluster.subject, self._clock)
        identity = ManagedIdentity(self._managed, self._identity_header, {CLIENT_ID, _OBJECT}, self._clock)
        # The legacy issuer ends in a slash.
        return [*self.document_routes(f"/azure/{TENANT}/"), *identity.routes(), entra.route("/azure")]

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

    def _trusted(self) -> tuple[str, Iterable[VerificationKey]]:
        return self._cluster.issuer_url, self._cluster.key.key_set().values()

    def _managed(self, resource: str, *, bypass_cache: bool) -> tuple[str, int]:
        """Return a managed identity's token and when it was issued. Raises `EntraError`."""
        now = self._clock()
        cached = None if bypass_cache else self._cache.get(resource, now=now)
        if cached is not None:
            return cached
        fresh = self._mint(resource, _DAY_SECONDS), int(now)
        self._cache.put(resource, fresh, until=now + _DAY_SECONDS - _RENEWED_SECONDS, now=now)
        return fresh

    def _mint(self, resource: str, lifetime: int | None = None) -> str:
        if resource in {_RESOURCE, _APPLICATION}:
            return self.mint(now=self._clock(), lifetime=lifetime)
        if resource == _LEGACY_RESOURCE:
            legacy = {"iss": f"{self.base_url}/azure/{TENANT}/", "aud": resource, "ver": "1.0", "azp": None}
            legacy |= {"azpacr": None, "appid": CLIENT_ID, "appidacr": "2", "idp": legacy["iss"]}
            return self.mint(now=self._clock(), lifetime=lifetime, claims=legacy)
        raise unknown_resource(resource)
