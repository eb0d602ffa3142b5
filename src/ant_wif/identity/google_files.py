"""Credentials files of Google Cloud, each type read by its own class of google-auth.

https://cloud.google.com/docs/authentication/application-default-credentials
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ant_wif._secrets import clean

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

__all__ = ["impersonated", "loaded"]

_AWS = "urn:ietf:params:aws:token-type:aws4_request"


def loaded(document: Mapping[str, object], scope: str) -> Credentials:
    """Make credentials that yield access tokens for `scope`, no request sent.

    Raises:
        ValueError, or an error of google-auth: the file cannot be used.
    """
    kind = document.get("type")
    if kind == "impersonated_service_account":
        return _impersonated_by_file(document, scope)
    read = _reader(document)
    if read is None:
        raise ValueError(f"credentials of type {clean(kind, limit=40)} cannot mint ID tokens")
    return cast("Credentials", read(document, scopes=[scope]))


def _reader(document: Mapping[str, object]) -> Any:
    from google.auth import aws, identity_pool, pluggable
    from google.oauth2 import credentials, service_account

    source = document.get("credential_source")
    if document.get("type") == "service_account":
        return service_account.Credentials.from_service_account_info
    if document.get("type") == "authorized_user":
        return credentials.Credentials.from_authorized_user_info
    if document.get("type") != "external_account":
        return None
    if document.get("subject_token_type") == _AWS:
        return aws.Credentials.from_info
    if isinstance(source, Mapping) and "executable" in source:
        return pluggable.Credentials.from_info
    return identity_pool.Credentials.from_info


def _impersonated_by_file(document: Mapping[str, object], scope: str) -> Credentials:
    from google.auth import impersonated_credentials

    source, account = document.get("source_credentials"), impersonated(document)
    if not isinstance(source, Mapping) or account is None:
        raise ValueError("the credentials lack source_credentials or service_account_impersonation_url")
    return impersonated_credentials.Credentials(
        loaded(source, scope),
        target_principal=account,
        target_scopes=[scope],
        delegates=document.get("delegates") or [],
    )


def impersonated(document: Mapping[str, object]) -> str | None:
    """Return the account in `…/serviceAccounts/<email>:generateAccessToken`."""
    url = document.get("service_account_impersonation_url")
    return url.rpartition("/")[2].partition(":")[0] or None if isinstance(url, str) else None
