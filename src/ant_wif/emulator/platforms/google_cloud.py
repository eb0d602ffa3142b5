"""Google Cloud: a Compute Engine instance with a metadata server, as google-auth and curl use it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ant_wif.emulator._http.fields import OAuthError, granted, read_form, refused, require_grant, required
from ant_wif.emulator._http.protocol import json_response
from ant_wif.emulator._issuers import Folder, IdentityProvider, SigningKey
from ant_wif.emulator._state.state import ExpiringMap
from ant_wif.emulator.platforms._assertions import UnacceptableError, verified_claims

UNIQUE_ID = "104857600123456789012"
PROJECT = "acme-ci"
EMAIL = f"builder@{PROJECT}.iam.gserviceaccount.com"

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# google-auth writes this into an assertion for an ID token, whatever the key file's `token_uri` is.
_REAL_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  # an address
_LONGEST_SECONDS = 3600

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_INSTANCE = {
    "instance_creation_timestamp": 1_760_000_000,
    "instance_id": "4152180350913842177",
    "instance_name": "ci-runner-1",
    "project_id": PROJECT,
    "project_number": 734201985012,
    "zone": "europe-west4-a",
}
_ROOT = "/computeMetadata/v1"
_ACCOUNT = f"{_ROOT}/instance/service-accounts/{{account}}"
_FLAVOR = {"metadata-flavor": "Google", "server": "Metadata Server for VM"}
# A token that has less than this left is not handed out again.
_RENEWED_SECONDS = 300


class EmulatedGoogleCloud(IdentityProvider):
    name = "google_cloud"
    source = "google_cloud"
    real_issuer = "https://accounts.google.com"
    subject = UNIQUE_ID
    lifetime_seconds = 3600

    def __init__(self, clock: Callable[[], float], folder: Folder) -> None:
        super().__init__(clock, folder)
        self._account_key = SigningKey()
        self._cache: ExpiringMap[tuple[str, bool], str] = ExpiringMap()

    @property
    def issuer_path(self) -> str:
        return "/google"

    def claims(self, now: int) -> dict[str, object]:
        return {
            **super().claims(now),
            "azp": UNIQUE_ID,
            "email": EMAIL,
            "email_verified": True,
            "google": {"compute_engine": _INSTANCE},
        }

    def environment(self) -> dict[str, str]:
        address = self.base_url.partition("//")[2]
        # google-auth looks at the IP to find out whether it is on Google Cloud, and asks the host.
        return {"GCE_METADATA_HOST": address, "GCE_METADATA_IP": address, "GCE_METADATA_ROOT": address}

    def own_routes(self) -> list[Route]:
        found: dict[str, Callable[[Request], Response]] = {
            f"{_ROOT}/project/project-id": lambda _: _text(PROJECT),
            f"{_ROOT}/universe/universe-domain": lambda _: _text("googleapis.com"),
            f"{_ROOT}/instance/service-accounts/": lambda _: _text(f"default/\n{EMAIL}/\n"),
            f"{_ACCOUNT}/": self._account,
            f"{_ACCOUNT}/email": lambda _: _text(EMAIL),
            f"{_ACCOUNT}/scopes": lambda _: _text("".join(f"{scope}\n" for scope in _SCOPES)),
            f"{_ACCOUNT}/token": lambda _: self._access_token(),
            f"{_ACCOUNT}/identity": self._identity,
        }
        routes = [Route("/", self._root, methods=["GET"])]
        routes += [Route(path, _guarded(answer), methods=["GET"]) for path, answer in found.items()]
        return [*routes, Route(f"{self.issuer_path}/token", self._token, methods=["POST"])]

    async def _root(self, request: Request) -> Response:
        """Answer google-auth when it finds out where it is. To all others there is nothing here."""
        if request.headers.get("metadata-flavor") != "Google":
            raise HTTPException(404)
        return _text("computeMetadata/\n")

    def _account(self, request: Request) -> Response:
        if request.query_params.get("recursive", "").lower() != "true":
            return _text("aliases\nemail\nidentity\nscopes\ntoken\n")
        account = {"aliases": ["default"], "email": EMAIL, "scopes": list(_SCOPES)}
        return json_response(account, headers=_FLAVOR)

    def _access_token(self) -> Response:
        # Good for nothing but to be there: google-auth fetches one when it makes credentials.
        token = f"ya29.c.{secrets.token_urlsafe(96)}"
        return json_response({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}, headers=_FLAVOR)

    def _identity(self, request: Request) -> Response:
        audience, form = request.query_params.get("audience"), request.query_params.get("format", "standard")
        if not audience:
            return _text("non-empty audience parameter required", 400)
        if form not in {"standard", "full"}:
            return _text("invalid format parameter: use standard or full", 400)
        now, key = self.now(), (audience, form == "full")
        token = self._cache.get(key, now=now)
        if token is None:
            more = {} if form == "full" else {"email": None, "email_verified": None, "google": None}
            token = self.mint(now=now, claims={"aud": audience, **more})
            self._cache.put(key, token, until=now + self.lifetime_seconds - _RENEWED_SECONDS, now=now)
        return _text(token)

    @property
    def _token_uri(self) -> str:
        return f"{self.issuer_url}/token"

    def key_file(self) -> str:
        """Return the content of the service account's key file that the Cloud Console offers for download."""
        return json.dumps(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": self._account_key.kid("RS256"),
                "private_key": self._account_key.private_pem(),
                "client_email": EMAIL,
                "client_id": UNIQUE_ID,
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": self._token_uri,
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
        return granted({"id_token": self.mint(claims={"aud": audience, "azp": EMAIL, "google": None})})

    def _asked_audience(self, assertion: str) -> str:
        try:
            audiences = (self._token_uri, _REAL_TOKEN_URI)
            claims = verified_claims(assertion, self._account_key.key_set().values(), audiences, now=self.now())
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


def _text(text: str, status: int = 200) -> Response:
    return PlainTextResponse(text, status, _FLAVOR, media_type="text/html" if status == 200 else "text/plain")


def _guarded(answer: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    """Refuse what may come from a proxy or a browser, and service accounts that the instance has not."""

    async def guarded(request: Request) -> Response:
        if request.headers.get("metadata-flavor") != "Google":
            return _text("Your client does not have permission: missing required header Metadata-Flavor: Google", 403)
        if "x-forwarded-for" in request.headers:
            return _text("Your client does not have permission: requests must not be forwarded", 403)
        if request.path_params.get("account", "default") not in {"default", EMAIL}:
            return _text("The requested URL was not found on this server", 404)
        return answer(request)

    return guarded
