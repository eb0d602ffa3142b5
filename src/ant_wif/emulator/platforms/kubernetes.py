"""Kubernetes: a pod with a projected token for the Claude API, and the cluster's TokenRequest API."""

from __future__ import annotations

import uuid
from pathlib import Path

from starlette.routing import Route

from ant_wif.emulator._issuers.files import write_privately
from ant_wif.emulator._issuers.provider import IdentityProvider
from ant_wif.emulator.platforms.token_requests import API_AUDIENCE, TokenRequests
from ant_wif.rules import DEFAULT_AUDIENCE

NAMESPACE = "ci"
SERVICE_ACCOUNT = "builder"
_POD = {"name": "builder-7c9d6", "uid": "3b8f7c62-1d4e-4f0a-9b55-8a7c6d5e4f22"}
_BOUND_TO: dict[str, object] = {
    "namespace": NAMESPACE,
    "node": {"name": "node-1", "uid": "0e5d1f9a-6f0b-4a59-8d3c-3f2b9f0e6a11"},
    "pod": _POD,
    "serviceaccount": {"name": SERVICE_ACCOUNT, "uid": "9c2e6a40-7b1d-4c8f-a3e7-1f0d2c3b4a33"},
}
_YEAR_SECONDS = 31_536_000
# The kubelet asks for a new API token after this time, though the old one lives for a year.
_WARN_AFTER_SECONDS = 3607


class Kubernetes(IdentityProvider):
    name = "kubernetes"
    source = "kubernetes"
    subject = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
    lifetime_seconds = 3600
    allow_token_requests = True
    """Whether the service account may `create` on `serviceaccounts/token` of itself."""

    def claims(self, now: int) -> dict[str, object]:
        return {
            "iss": self.issuer_url,
            "sub": self.subject,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "nbf": now,
            "kubernetes.io": _BOUND_TO,
        }

    def token(self, audience: str, lifetime: int | None = None, *, bound: bool = True) -> str:
        """Return what the kubelet or TokenRequest hands out, `bound` to the pod. `lifetime` is in seconds."""
        named = {name: value for name, value in _BOUND_TO.items() if bound or name not in {"node", "pod"}}
        claims = {"aud": [audience], "kubernetes.io": named}
        return self.mint(now=self._clock(), lifetime=lifetime, claims=claims)

    def api_token(self) -> str:
        """Return the pod's own token, for the cluster's API."""
        now = int(self._clock())
        bound = {**_BOUND_TO, "warnafter": now + _WARN_AFTER_SECONDS}
        claims = {"aud": [API_AUDIENCE], "kubernetes.io": bound}
        return self.mint(now=now, lifetime=_YEAR_SECONDS, claims=claims)

    def environment(self) -> dict[str, str]:
        """Return a pod's variables, and the address that a client cannot make of them: there is no https here."""
        host, _, port = self.base_url.partition("//")[2].rpartition(":")
        return {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            "KUBERNETES_SERVICE_PORT_HTTPS": port,
            "ANT_KUBERNETES_API_URL": self.base_url,
            "ANTHROPIC_IDENTITY_TOKEN_FILE": self.write_mounts(self._folder.path / "pod"),
        }

    def identity_token(self) -> dict[str, object]:
        return {"source": self.source, "path": self.write_mounts(self._folder.path / "pod")}

    def own_routes(self) -> list[Route]:
        return TokenRequests(self, _POD).routes()

    def write_mounts(self, root: Path) -> str:
        """Write what is mounted into the pod, with `root` for its root; return the projected token's path."""
        mounts = root / "var" / "run" / "secrets"
        write_privately(mounts / "kubernetes.io" / "serviceaccount" / "token", self.api_token())
        write_privately(mounts / "kubernetes.io" / "serviceaccount" / "namespace", NAMESPACE)
        return write_privately(mounts / "anthropic.com" / "token", self.token(DEFAULT_AUDIENCE))

    def now(self) -> float:
        return self._clock()
