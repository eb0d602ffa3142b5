"""An OAuth server such as Okta, whose clients get JWTs with the client credentials grant (RFC 6749 §4.4)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.fields import OAuthError, granted, read_form, refused, require_grant
from ant_wif.emulator._issuers.files import Folder
from ant_wif.emulator._issuers.provider import IdentityProvider
from ant_wif.emulator.platforms.oauth import OAuthClients

_SCOPE = "anthropic"
_SEEDED_CLIENT = "0oa7d2c4e6f8a0b2c4d6"


class OAuthServer(IdentityProvider):
    name = "oauth"
    source = "oauth"
    subject = _SEEDED_CLIENT
    lifetime_seconds = 3600

    def __init__(self, clock: Callable[[], float] = time.time, folder: Folder | None = None) -> None:
        super().__init__(clock, folder)
        self.clients = OAuthClients()
        self._seeded = self.clients.register(_SEEDED_CLIENT)

    def claims(self, now: int) -> dict[str, object]:
        return {
            "ver": 1,
            "jti": f"AT.{uuid.uuid4()}",
            "iss": self.issuer_url,
            "iat": now,
            "cid": self.subject,
            "scp": [_SCOPE],
            "sub": self.subject,
        }

    def environment(self) -> dict[str, str]:
        return {"OAUTH_CLIENT_SECRET": self._seeded.client_secret or ""}

    def identity_token(self) -> dict[str, object]:
        return {
            "source": self.source,
            "token_url": self.token_url,
            "client_id": _SEEDED_CLIENT,
            "client_secret_variable": "OAUTH_CLIENT_SECRET",
            "scope": _SCOPE,
            "audience": self.audience,
        }

    @property
    def token_url(self) -> str:
        return f"{self.issuer_url}/token"

    def own_routes(self) -> list[Route]:
        return [Route("/oauth/token", self._token, methods=["POST"])]

    async def _token(self, request: Request) -> Response:
        try:
            form = await read_form(request)
            audiences, header = (self.token_url, self.issuer_url), request.headers.get("authorization")
            client = self.clients.authenticated(header, form, audiences, self._clock())
            require_grant(form, "client_credentials")
            scope = _known_scope(form.get("scope", _SCOPE))
        except OAuthError as error:
            return refused(error, {"www-authenticate": 'Basic realm="oauth"'} if error.status == 401 else None)
        audience = form.get("audience") or form.get("resource") or self.audience
        claims = {"aud": audience, "sub": client.client_id, "cid": client.client_id}
        token = self.mint(now=self._clock(), claims=claims)
        return granted(
            {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime_seconds, "scope": scope}
        )


def _known_scope(scope: str) -> str:
    if set(scope.split()) - {_SCOPE}:
        raise OAuthError("invalid_scope", "One or more scopes are not configured for the server")
    return scope
