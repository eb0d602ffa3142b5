"""`oauth`: a JWT access token of any OAuth server, by the client credentials grant.

RFC 6749 §4.4; the client is known by its secret (§2.3.1) or by a signed assertion (RFC 7523 §2.2,
`private_key_jwt`).
"""

from __future__ import annotations

import base64
import codecs
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote_plus

from pydantic import Field

from ant_wif._files import read_up_to
from ant_wif._http import Flow, Request, Response, call, check_url
from ant_wif._secrets import SecretStr, sanitize, sanitize_path
from ant_wif.errors import IdentitySourceError
from ant_wif.identity._endpoint import Endpoint
from ant_wif.identity.source import Context, IdentitySource
from ant_wif.identity.token import IdentityToken

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60
_PEM_LIMIT = 1 << 16
_OF_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True)
class OAuth(IdentitySource):
    """Asks `token_url` for a token of this client. Its secret stands in a variable, its key in a file, never here."""

    token_url: Annotated[str, Field(min_length=1)]
    client_id: Annotated[str, Field(min_length=1)]
    scope: str | None = None
    audience: str | None = None
    client_secret_variable: str | None = None
    private_key_path: str | None = None
    key_id: str | None = None
    source: Literal["oauth"] = "oauth"

    title: ClassVar[str] = "OAuth client credentials"
    renewable: ClassVar[bool] = True
    undetected: ClassVar[str] = "only by configuration: a profile's identity_token with `token_url`, `client_id`"

    def __post_init__(self) -> None:
        """Raises ValueError: the client has no way, or two ways, to say who it is."""
        if (self.client_secret_variable is None) == (self.private_key_path is None):
            raise ValueError("give one of client_secret_variable and private_key_path")
        if self.private_key_path is not None and self.key_id is None:
            raise ValueError("private_key_path needs key_id beside it")

    def asks_for(self, context: Context) -> str:
        return f"client {sanitize(self.client_id, limit=64)} at {sanitize(self.token_url, limit=128)}"

    def unmet(self, context: Context) -> IdentitySourceError | None:
        variable = self.client_secret_variable
        if variable is None or variable in context.environ:
            return None
        return IdentitySourceError(
            f"the variable {sanitize_path(variable)}, which should hold the OAuth client's secret, is not set",
            hint=f"set {sanitize_path(variable)} from your CI system's secrets, or use private_key_path",
        )

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        self.require_met(context)
        url = check_url(self.token_url, what="token_url", environ=context.environ)
        request, sent = yield from call(lambda: self._request(url, context))
        endpoint = Endpoint(f"the OAuth server {sanitize(url, limit=128)}", "check token_url, and the server's own log")
        raw = yield from endpoint.token(request, "access_token", sent=sent, explain=self._explain)
        return context.parse(self, raw, audience=self.audience)

    def _request(self, url: str, context: Context) -> tuple[Request, list[SecretStr]]:
        """Make the request, and say what in it no message may repeat."""
        form: dict[str, str | SecretStr] = {"grant_type": "client_credentials"}
        form |= {name: value for name, value in (("scope", self.scope), ("audience", self.audience)) if value}
        if self.client_secret_variable is not None:
            secret = SecretStr(context.environ[self.client_secret_variable])
            encoded = self._basic(secret)
            header = SecretStr(f"Basic {encoded.get_secret_value()}")
            return Request("POST", url, headers={"Authorization": header}, form=form), [secret, encoded]
        assertion = self._assertion(url, context.clock, context.environ.expand(str(self.private_key_path)))
        form |= {
            "client_id": self.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion
        }  # fmt: skip
        return Request("POST", url, form=form), [assertion]

    def _basic(self, secret: SecretStr) -> SecretStr:
        """Encode both halves before they are joined, as RFC 6749 §2.3.1 has it."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(secret.get_secret_value())}"
        return SecretStr(base64.b64encode(pair.encode()).decode("ascii"))

    def _assertion(self, url: str, clock: Callable[[], float], path: Path) -> SecretStr:
        now = int(clock())
        claims: dict[str, object] = {
            "iss": self.client_id, "sub": self.client_id, "aud": url, "jti": secrets.token_urlsafe(24),
            "iat": now, "exp": now + ASSERTION_SECONDS,
        }  # fmt: skip
        signed = _signed(path, claims, str(self.key_id))
        if isinstance(signed, SecretStr):
            return signed
        raise IdentitySourceError(f"the OAuth client's private key {sanitize_path(path)} {signed[0]}", hint=signed[1])

    def _explain(self, reply: Response, shown: str) -> IdentitySourceError | None:
        if reply.status not in {400, 401, 403}:
            return None
        how = self.client_secret_variable or self.private_key_path
        return IdentitySourceError(
            f"the OAuth server refused the client {sanitize(self.client_id, limit=64)} (HTTP {reply.status}): {shown}",
            hint=f"check client_id, {sanitize_path(how)}, scope and audience against the client's entry at the server",
        )


def _signed(path: Path, claims: dict[str, object], key_id: str) -> SecretStr | tuple[str, str]:
    """Sign, or say what is wrong and what to do: this frame holds the key."""
    try:
        import jwt
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        return "cannot be used without PyJWT and cryptography", "pip install 'ant-wif[oauth]'"
    try:
        key = load_pem_private_key(read_up_to(path, _PEM_LIMIT).removeprefix(codecs.BOM_UTF8), password=None)
    except OSError as error:
        return f"could not be read: {error.strerror or type(error).__name__}", f"check {sanitize_path(path)}"
    except (ValueError, TypeError):
        return "is not an unencrypted private key in PEM form", "write it as PKCS #8 (-----BEGIN PRIVATE KEY-----)"
    try:
        # RFC 7518 §3.4: each algorithm has its curve, and ES512 that of 521 bits.
        algorithm = _OF_CURVE.get(key.curve.name) if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
        return SecretStr(jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_id}))  # type: ignore[arg-type]  # PyJWT refuses other keys itself
    except Exception as error:  # noqa: BLE001 - whatever the libraries raise may quote the key
        return (
            f"cannot sign ({type(error).__name__})",
            "use an RSA key of 2048 bits, or an EC key on P-256, P-384 or P-521",
        )
