"""`kubernetes`: the service-account token that the kubelet projects into a pod.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from ant_wif._http import Flow, Request, Response, call, check_url
from ant_wif._secrets import SecretStr
from ant_wif.errors import IdentityTokenError, IdentityTokenReusedError
from ant_wif.identity._endpoint import Endpoint
from ant_wif.identity.file import InFile, read_token
from ant_wif.identity.source import Context, Detection, detected, nearly_detected, not_detected
from ant_wif.identity.token import IdentityToken

PATH = "/var/run/secrets/anthropic.com/token"
API_URL = "ANT_KUBERNETES_API_URL"
_DEFAULT_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
# The kubelet writes a new token when four fifths of the old one's life have passed.
_ROTATED_AFTER = 0.8
_MINTED_SECONDS = 3600


@dataclass(frozen=True)
class Kubernetes(InFile):
    """The projected token; when that was exchanged already, another from the cluster's TokenRequest API."""

    path: str = PATH
    source: Literal["kubernetes"] = "kubernetes"

    title: ClassVar[str] = "Kubernetes projected token"
    compares_audience: ClassVar[bool] = True

    @classmethod
    def detect(cls, context: Context) -> Detection:
        mounted = context.locate(PATH)
        if os.path.isfile(mounted):
            return detected(cls(path=str(mounted)), f"{PATH} is mounted")
        if "KUBERNETES_SERVICE_HOST" in context.environ:
            return nearly_detected(
                "kubernetes",
                f"this is a pod, but {PATH} is not mounted",
                f"add a projected serviceAccountToken volume with the audience {context.audience} (the pod's default "
                "token is for the cluster's own API, and not used)",
            )
        return not_detected("kubernetes", f"{PATH} does not exist")

    def another(self, used: IdentityToken, context: Context) -> Flow[IdentityToken]:
        """Read the file again, in case it has rotated; if not, request one from the cluster."""
        token = yield from self.fetch(context)
        if token.assertion != used.assertion:
            return token
        request = yield from call(lambda: _token_request(token, context))
        if request is None:
            raise _until_rotation(token, "and this pod has no access to the cluster's API")

        def explain(reply: Response, _: str) -> IdentityTokenError | None:
            refused = f"and the cluster refuses to issue another (HTTP {reply.status})"
            return _until_rotation(token, refused) if reply.status in {401, 403, 404} else None

        raw = yield from _API.token(request, "status", "token", sent=[token.assertion], explain=explain)
        return context.parse(self, raw, audience=context.audience)


_API = Endpoint("the cluster's TokenRequest API", "run again; if it persists, look at the cluster's API server")


def _token_request(token: IdentityToken, context: Context) -> Request | None:
    """Build a TokenRequest for the account that the token names; `None` where this pod has no way to send it."""
    account = context.locate(_DEFAULT_ACCOUNT)
    own, authority = account / "token", account / "ca.crt"
    api = context.environ.get(API_URL) or _api_url(context.environ)
    namespace, name = _named(token, "namespace"), _named(token, "serviceaccount")
    if not api or not namespace or not name:
        return None
    bearer = read_token(own, where="the pod") if os.path.isfile(own) else token.assertion
    spec: dict[str, object] = {"audiences": [context.audience], "expirationSeconds": _MINTED_SECONDS}
    pod, uid = _named(token, "pod"), _named(token, "pod", "uid")
    if pod and uid:
        spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uid}
    return Request(
        "POST",
        f"{check_url(api, what='the URL of the cluster')}/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
        headers={"Authorization": SecretStr(f"Bearer {bearer.get_secret_value()}")},
        json={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
        ca_file=authority if os.path.isfile(authority) else None,
    )


def _api_url(environ: Mapping[str, str]) -> str:
    """Return where the cluster's API is, as every pod is told; empty outside of a pod."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://{f'[{host}]' if ':' in host else host}:{port}" if host else ""


def _named(token: IdentityToken, part: str, field: str = "name") -> str | None:
    """Return one of the unverified names in the `kubernetes.io` claim, if it is one that a URL can hold."""
    claim = token.unverified_claims.get("kubernetes.io")
    found = claim.get(part) if isinstance(claim, Mapping) else None
    value = found.get(field) if isinstance(found, Mapping) else found
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9.-]{1,253}", value) else None


def _until_rotation(token: IdentityToken, why: str) -> IdentityTokenReusedError:
    issued_at, expires_at = (token.unverified_claims.get(name) for name in ("iat", "exp"))
    rotation = "at about four fifths of its life"
    if isinstance(issued_at, (int, float)) and isinstance(expires_at, (int, float)) and abs(expires_at) < 1e11:
        at = datetime.datetime.fromtimestamp(
            issued_at + _ROTATED_AFTER * (expires_at - issued_at), datetime.timezone.utc
        )
        rotation = f"at about {at.isoformat(timespec='minutes')}"
    return IdentityTokenReusedError(
        f"the projected token in {token.source} was exchanged already, {why}; the kubelet writes the next one "
        f"{rotation}",
        hint="let the pod's service account create `serviceaccounts/token` for itself, or give the federation rule a "
        "longer token_lifetime_seconds, or the issuer check_jti: false",
    )
