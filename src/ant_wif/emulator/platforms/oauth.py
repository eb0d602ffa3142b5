"""Servers that give tokens for a secret: OAuth with its clients (RFC 6749 §2.3, RFC 7523 §2.2), and a plain URL."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.fields import OAuthError, granted, read_form, refused, require_grant
from ant_wif.emulator._http.protocol import json_response
from ant_wif.emulator._issuers import Folder, IdentityProvider
from ant_wif.emulator._state import savepoint
from ant_wif.emulator._state.state import ExpiringMap
from ant_wif.emulator.platforms._assertions import UnacceptableError, read_public_key, verified_claims
from ant_wif.rules import VerificationKey

_SCOPE = "anthropic"
_SEEDED_CLIENT = "0oa7d2c4e6f8a0b2c4d6"


class OAuthServer(IdentityProvider):
    name = "oauth"
    source = "oauth"
    subject = _SEEDED_CLIENT
    lifetime_seconds = 3600

    def __init__(self, clock: Callable[[], float], folder: Folder) -> None:
        super().__init__(clock, folder)
        self.clients = OAuthClients()
        self._seeded = self.clients.register(_SEEDED_CLIENT)

    def claims(self, now: int) -> dict[str, object]:
        return {
            **super().claims(now),
            "ver": 1,
            "jti": f"AT.{uuid.uuid4()}",
            "cid": self.subject,
            "scp": [_SCOPE],
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
            client = self.clients.authenticated(header, form, audiences, self.now())
            require_grant(form, "client_credentials")
            scope = _known_scope(form.get("scope", _SCOPE))
        except OAuthError as error:
            return refused(error, {"www-authenticate": 'Basic realm="oauth"'} if error.status == 401 else None)
        audience = form.get("audience") or form.get("resource") or self.audience
        token = self.mint(claims={"aud": audience, "sub": client.client_id, "cid": client.client_id})
        return granted(
            {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime_seconds, "scope": scope}
        )


def _known_scope(scope: str) -> str:
    if set(scope.split()) - {_SCOPE}:
        raise OAuthError("invalid_scope", "One or more scopes are not configured for the server")
    return scope


_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LEEWAY_SECONDS = 60


@dataclass(frozen=True)
class OAuthClient:
    """A registered client: it has a secret, or else the server has its public key."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    public_key: VerificationKey | None = field(default=None, repr=False)


class OAuthClients:
    def __init__(self) -> None:
        self._clients: dict[str, OAuthClient] = {}
        self._spent: ExpiringMap[tuple[str, str], bool] = ExpiringMap()

    def register(self, client_id: str | None = None, public_key: str | None = None) -> OAuthClient:
        """Add or replace a client. Raises ValueError for an invalid public key."""
        client = OAuthClient(
            client_id or f"0oa{secrets.token_hex(9)}",
            None if public_key else secrets.token_urlsafe(48),
            read_public_key(public_key) if public_key else None,
        )
        self._clients[client.client_id] = client
        return client

    def savepoint(self) -> Callable[[], None]:
        """Return what brings back the clients of now."""
        return savepoint(self, "_clients")

    def authenticated(
        self, header: str | None, form: Mapping[str, str], audiences: tuple[str, ...], now: float
    ) -> OAuthClient:
        """Return the client that a request comes from; `header` is its Authorization.

        Raises `OAuthError` unless the client proves itself in exactly one way.
        """
        ways = [header is not None, "client_secret" in form, "client_assertion" in form]
        if sum(ways) != 1:
            found = "more than one way" if sum(ways) else "no way"
            raise OAuthError("invalid_request" if sum(ways) else "invalid_client", f"{found} of authentication", 401)
        if "client_assertion" in form:
            return self._by_assertion(form, audiences, now)
        client_id, secret = _basic(header) if header else (form.get("client_id", ""), form["client_secret"])
        client = self._clients.get(client_id)
        expected = client.client_secret if client else None
        if client is None or expected is None or not hmac.compare_digest(secret.encode(), expected.encode()):
            raise _invalid_client()
        return client

    def _by_assertion(self, form: Mapping[str, str], audiences: tuple[str, ...], now: float) -> OAuthClient:
        """private_key_jwt: each assertion counts once, and is for this server."""
        import jwt

        assertion = form["client_assertion"]
        if form.get("client_assertion_type") != _ASSERTION_TYPE:
            raise OAuthError("invalid_request", f"client_assertion_type must be {_ASSERTION_TYPE}")
        try:
            named = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            raise _invalid_client() from None
        client = self._clients.get(named) if isinstance(named, str) else None
        if client is None or client.public_key is None or form.get("client_id", named) != named:
            raise _invalid_client()
        try:
            claims = verified_claims(assertion, [client.public_key], audiences, now=now)
        except UnacceptableError as error:
            raise OAuthError("invalid_client", f"The client_assertion is not accepted: {error}", 401) from None
        jti, expires = claims.get("jti"), claims["exp"]
        if claims.get("sub") != named or not isinstance(jti, str) or not isinstance(expires, int | float):
            raise _invalid_client()
        if self._spent.get((client.client_id, jti), now=now):
            raise OAuthError("invalid_client", "The client_assertion was used before", 401)
        self._spent.put((client.client_id, jti), value=True, until=expires + _LEEWAY_SECONDS, now=now)
        return client


def _basic(header: str) -> tuple[str, str]:
    """Return client id and secret, which are form-encoded in the header (RFC 6749 §2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    try:
        client_id, _, secret = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        raise _invalid_client() from None
    if scheme.lower() != "basic":
        raise _invalid_client()
    return unquote_plus(client_id), unquote_plus(secret)


def _invalid_client() -> OAuthError:
    return OAuthError("invalid_client", "The client does not exist, or its credential is wrong", 401)


class EmulatedTokenUrl(IdentityProvider):
    """A server of one's own that hands out tokens to who has its secret, as HashiCorp Vault does."""

    name = "url"
    source = "url"
    subject = "role:ci"
    lifetime_seconds = 600

    def claims(self, now: int) -> dict[str, object]:
        return {**super().claims(now), "jti": str(uuid.uuid4()), "nbf": now}

    def environment(self) -> dict[str, str]:
        return {"VAULT_TOKEN": self._secret}

    def identity_token(self) -> dict[str, object]:
        return {
            "source": self.source,
            "url": f"{self.issuer_url}/v1/identity/oidc/token/ci",
            "headers": {"X-Vault-Token": {"variable": "VAULT_TOKEN"}},
            "json_field": "data.token",
        }

    def own_routes(self) -> list[Route]:
        return [Route(f"/{self.name}/v1/identity/oidc/token/ci", self._token, methods=["GET"])]

    async def _token(self, request: Request) -> Response:
        if not self.is_secret(request.headers.get("x-vault-token")):
            return json_response({"errors": ["permission denied"]}, status=403)
        return json_response({"data": {"token": self.mint(), "ttl": self.lifetime_seconds}})
