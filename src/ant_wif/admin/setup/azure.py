"""Azure: one managed identity or service principal, with tokens that Entra ID issues for one application.

https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference
"""

from __future__ import annotations

import re

from ant_wif._secrets import quoted
from ant_wif.admin.setup.models import WorkloadIdentity, required, slug
from ant_wif.errors import ConfigurationError

__all__ = ["trust"]

_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Those of managed identities live for a day and the five minutes by which they are dated back.
_LONGEST_SECONDS = 86_400 + 300


def trust(
    *,
    tenant: str,
    audience: str,
    object_id: str | None = None,
    client_id: str | None = None,
    version: int = 2,
    issuer_url: str | None = None,
) -> WorkloadIdentity:
    """Return what accepts the tokens of one identity, by its object id, its client id or both.

    `audience` is the application that stands for the Claude API: its id, or `api://` and its id. `version`
    is the `requestedAccessTokenVersion` of its manifest, which decides issuer and audience.

    Raises:
        ConfigurationError: an option is not what it should be, or both ids are missing.
    """
    if object_id is None and client_id is None:
        raise ConfigurationError("whose tokens are meant?", hint="give --object-id, --client-id or both")
    tenant = _guid(tenant, "a tenant")
    application = audience.removeprefix("api://")
    if re.fullmatch(_GUID, application.lower()) is not None:
        application = application.lower()
    else:
        if version == 2:
            raise ConfigurationError(
                f"{quoted(audience)} is not the id of an application, and a v2.0 token names it by its id",
                hint="give the application's id as --audience: `az ad app list --query '[].appId'` shows it",
            )
        required(audience, r"api://[\w.~/-]{1,200}", what="an App ID URI", expected="api://…")
    claims = {"tid": tenant}
    if client_id is not None:
        claims["azp" if version == 2 else "appid"] = _guid(client_id, "a client id")
    subject = None if object_id is None else _guid(object_id, "an object id")
    issuer = (
        f"https://login.microsoftonline.com/{tenant}/v2.0" if version == 2 else f"https://sts.windows.net/{tenant}/"
    )
    notes = [
        "The object id is that of the managed identity or service principal, not that of an app registration: "
        "`az ad sp show --id CLIENT_ID --query id`.",
        f"The application's requestedAccessTokenVersion must be {version}; `ant identity claims` shows what a "
        "token has for `iss` and `aud`.",
    ]
    if subject is None:
        notes.append(
            "A client id alone also lets in the people who sign in with that client, if it is one for people; "
            "--object-id names the identity itself."
        )
    return WorkloadIdentity(
        platform="azure",
        issuer_name=slug("azure", tenant),
        issuer_url=issuer_url or issuer,
        name=slug("azure", subject or client_id or ""),
        subject=subject,
        claims=claims,
        audience=application if version == 2 else f"api://{application}",
        max_jwt_lifetime_seconds=_LONGEST_SECONDS,
        variables={"ANT_IDENTITY_AUDIENCE": f"api://{application}"},
        notes=tuple(notes),
    )


def _guid(text: str, what: str) -> str:
    return required(text.lower(), _GUID, what=what, expected="a UUID")
