"""Kubernetes: the pods that run as one service account of one cluster.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ant_wif._secrets import sanitize
from ant_wif.admin.setup.models import WorkloadIdentity, issuer_address, public_keys, required, slug
from ant_wif.errors import ConfigurationError

__all__ = ["trust"]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


def trust(
    *, issuer_url: str, namespace: str, service_account: str, jwks: Mapping[str, object] | None = None
) -> WorkloadIdentity:
    """Return what accepts the tokens of one service account.

    `issuer_url` is exactly the cluster's. `jwks` is its key set, where the internet cannot reach it:
    what `kubectl get --raw /openid/v1/jwks` prints.

    Raises:
        ConfigurationError: an option is not what it should be.
    """
    required(namespace, _LABEL, what="a namespace", expected="lower-case letters, digits and hyphens")
    required(
        service_account, rf"{_LABEL}(?:\.{_LABEL})*", what="a service account",
        expected="lower-case letters, digits, hyphens and dots",
    )  # fmt: skip
    host = urlsplit(issuer_address(issuer_url)).hostname or ""
    if jwks is None and host.endswith((".svc", ".local")):
        raise ConfigurationError(
            f"the issuer {sanitize(issuer_url)} is a name within the cluster: its keys cannot be fetched from outside",
            hint="give them with --jwks: `kubectl get --raw /openid/v1/jwks` prints them",
        )
    notes = [
        f"The pod runs as {service_account} in {namespace}, and projects a token with the audience "
        "https://api.anthropic.com to /var/run/secrets/anthropic.com/token.",
    ]
    if jwks is not None:
        notes.append("When the cluster rotates its keys, run this again with the new ones.")
    return WorkloadIdentity(
        platform="kubernetes",
        issuer_name=slug("kubernetes", issuer_url.partition("://")[2]),
        issuer_url=issuer_url,
        name=slug("kubernetes", namespace, service_account),
        subject=f"system:serviceaccount:{namespace}:{service_account}",
        jwks=None if jwks is None else {"type": "inline", "keys": public_keys(jwks)},
        notes=tuple(notes),
    )
