"""Google Cloud: a service account's key, and the token endpoint that takes what is signed with it."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.fields import OAuthError, granted, read_form, refused, require_grant, required
from ant_wif.emulator._issuers.keys import SigningKey
from ant_wif.emulator.platforms._assertions import UnacceptableError, verified_claims

UNIQUE_ID = "104857600123456789012"
PROJECT = "acme-ci"
EMAIL = f"builder@{PROJECT}.iam.gserviceaccount.com"

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# google-auth writes this into an assertion for an ID token, whatever the key file's `token_uri` is.
_REAL_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  # an address
_LONGEST_SECONDS = 3600


class ServiceAccountKey:
    """`mint` returns an ID token of the service account for an audience, `token_uri` where to ask for it."""

    def __init__(self, mint: Callable[[str], str], token_uri: Callable[[], str], clock: Callable[[], float]) -> None:
        self._mint = mint
        self._token_uri = token_uri
        self._clock = clock
        self._key = SigningKey()

    def route(self, path: str) -> Route:
        return Route(f"{path}/token", self._token, methods=["POST"])

    def file(self) -> str:
        """Return what stands in the key file that the Cloud Console lets one download."""
        return json.dumps(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": self._key.kid("RS256"),
                "private_key": self._key.private_pem(),
                "client_email": EMAIL,
                "client_id": UNIQUE_ID,
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": self._token_uri(),
                "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
                "universe_domain": "googleapis.com",
            },
            indent=2,
        )

    async def _token(self, request: Request) -> Response:
        try:
            form = await read_form(request)
            require_grant(form, _GRANT_TYPE)
            audience = self._asked_audience(required(form, "assertion"))
        except OAuthError as error:
            return refused(error)
        return granted({"id_token": self._mint(audience)})

    def _asked_audience(self, assertion: str) -> str:
        try:
            audiences = (self._token_uri(), _REAL_TOKEN_URI)
            claims = verified_claims(assertion, self._key.key_set().values(), audiences, now=self._clock())
        except UnacceptableError as error:
            raise OAuthError("invalid_grant", f"Invalid JWT: {error}") from None
        if claims.get("iss") != EMAIL:
            raise OAuthError("invalid_grant", "Invalid grant: account not found")
        lifetime = _number(claims.get("exp")) - _number(claims.get("iat"))
        if not 0 < lifetime <= _LONGEST_SECONDS:
            raise OAuthError("invalid_grant", "Invalid JWT: it must be a short-lived token (60 minutes)")
        audience = claims.get("target_audience")
        if not isinstance(audience, str) or not audience:
            raise OAuthError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return audience


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else float("inf")
