"""Kubernetes: a pod with a projected token for the Claude API, and the cluster's TokenRequest API."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif._secrets import sanitize
from ant_wif._strict import read_object
from ant_wif.emulator._http.protocol import bearer, json_response, read_body
from ant_wif.emulator._issuers import IdentityProvider, write_privately
from ant_wif.emulator.platforms._assertions import UnacceptableError, verified_claims
from ant_wif.rules import DEFAULT_AUDIENCE

API_AUDIENCE = "https://kubernetes.default.svc.cluster.local"

_PATH = "/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
_SHORTEST_SECONDS, _LONGEST_SECONDS = 600, 1 << 32
_REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid"}


class _Failure(Exception):  # noqa: N818  # an answer, on its way to the client
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def _read_spec(body: bytes) -> dict[str, object]:
    try:
        spec = read_object(body).get("spec", {})
    except ValueError:
        raise _Failure(400, "the object provided is unrecognized") from None
    if not isinstance(spec, dict):
        raise _Failure(400, "the object provided is unrecognized")
    return spec


def _audience_and_lifetime(spec: dict[str, object]) -> tuple[str, int]:
    audiences, lifetime = spec.get("audiences") or [API_AUDIENCE], spec.get("expirationSeconds", 3600)
    if not isinstance(audiences, list) or len(audiences) != 1 or not isinstance(audiences[0], str):
        raise _Failure(400, "spec.audiences: the emulator takes one audience")
    if not isinstance(lifetime, int) or not _SHORTEST_SECONDS <= lifetime <= _LONGEST_SECONDS:
        what = "may not specify a duration less than 10 minutes"
        raise _Failure(422, f'TokenRequest "" is invalid: spec.expirationSeconds: Invalid value: {lifetime}: {what}')
    return audiences[0], lifetime


def _status(failure: _Failure) -> Response:
    return json_response(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": failure.message,
            "reason": _REASONS[failure.code],
            "code": failure.code,
        },
        failure.code,
    )


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


class EmulatedKubernetes(IdentityProvider):
    name = "kubernetes"
    source = "kubernetes"
    subject = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
    lifetime_seconds = 3600
    allow_token_requests = True
    """Whether the service account may `create` on `serviceaccounts/token` of itself."""

    def claims(self, now: int) -> dict[str, object]:
        return {**super().claims(now), "jti": str(uuid.uuid4()), "nbf": now, "kubernetes.io": _BOUND_TO}

    def token(self, audience: str, lifetime: int | None = None, *, bound: bool = True) -> str:
        """Return what the kubelet or TokenRequest hands out, `bound` to the pod. `lifetime` is in seconds."""
        named = {name: value for name, value in _BOUND_TO.items() if bound or name not in {"node", "pod"}}
        claims = {"aud": [audience], "kubernetes.io": named}
        return self.mint(lifetime=lifetime, claims=claims)

    def api_token(self) -> str:
        """Return the pod's own token, for the cluster's API."""
        now = int(self.now())
        bound = {**_BOUND_TO, "warnafter": now + _WARN_AFTER_SECONDS}
        return self.mint(now=now, lifetime=_YEAR_SECONDS, claims={"aud": [API_AUDIENCE], "kubernetes.io": bound})

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
        return [Route(_PATH, self._create, methods=["POST"])]

    def write_mounts(self, root: Path) -> str:
        """Write what is mounted into the pod, with `root` for its root; return the projected token's path."""
        mounts = root / "var" / "run" / "secrets"
        write_privately(mounts / "kubernetes.io" / "serviceaccount" / "token", self.api_token())
        write_privately(mounts / "kubernetes.io" / "serviceaccount" / "namespace", NAMESPACE)
        return write_privately(mounts / "anthropic.com" / "token", self.token(DEFAULT_AUDIENCE))

    async def _create(self, request: Request) -> Response:
        try:
            caller = self._caller(request)
            self._authorize(caller, request.path_params["namespace"], request.path_params["account"])
            spec = _read_spec(await read_body(request))
            audience, lifetime = _audience_and_lifetime(spec)
            bound = self._bound_pod(spec.get("boundObjectRef"))
        except _Failure as failure:
            return _status(failure)
        token = self.token(audience, lifetime, bound=bound is not None)
        ends = datetime.fromtimestamp(int(self.now() + lifetime), tz=timezone.utc)
        answer = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": request.path_params["account"],
                "namespace": request.path_params["namespace"],
                "creationTimestamp": None,
            },
            "spec": {"audiences": [audience], "expirationSeconds": lifetime, "boundObjectRef": bound},
            "status": {"token": token, "expirationTimestamp": f"{ends:%Y-%m-%dT%H:%M:%SZ}"},
        }
        return json_response(answer, 201)

    def _caller(self, request: Request) -> str:
        keys = self.key.key_set().values()
        try:
            claims = verified_claims(bearer(request) or "", keys, [API_AUDIENCE], now=self.now())
        except UnacceptableError:
            raise _Failure(401, "Unauthorized") from None
        if claims.get("iss") != self.issuer_url:
            raise _Failure(401, "Unauthorized")
        return str(claims.get("sub"))

    def _authorize(self, caller: str, namespace: str, account: str) -> None:
        itself = caller == f"system:serviceaccount:{namespace}:{account}"
        if not itself or not self.allow_token_requests:
            raise _Failure(
                403,
                f'serviceaccounts "{account}" is forbidden: User "{caller}" cannot create resource '
                f'"serviceaccounts/token" in API group "" in the namespace "{namespace}"',
            )

    def _bound_pod(self, reference: object) -> dict[str, object] | None:
        """Return the reference to the pod that the token is to be bound to, or `None` for no pod."""
        if reference is None:
            return None
        if not isinstance(reference, dict) or reference.get("kind") != "Pod":
            raise _Failure(400, "spec.boundObjectRef: the emulator binds tokens to pods only")
        if reference.get("name") != _POD["name"]:
            raise _Failure(404, f'pods "{sanitize(str(reference.get("name")), limit=64)}" not found')
        if reference.get("uid", _POD["uid"]) != _POD["uid"]:
            raise _Failure(409, "the UID in the bound object reference does not match that of the object")
        return reference
