"""The authorization code grant with PKCE (RFC 6749 §4.1, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from ant_wif._http import Backoff, Flow, Request, RequestFailure, Response, send_again
from ant_wif._secrets import SecretStr, sanitize
from ant_wif._tokens.grants.endpoint import Granted, read_answer, token_endpoint
from ant_wif.errors import LoginError

ACCOUNT_FIELDS = {
    "organization_uuid": ("organization", "uuid"),
    "organization_name": ("organization", "name"),
    "account_email": ("account", "email_address"),
    "workspace_id": ("workspace", "id"),
    "workspace_name": ("workspace", "name"),
}
"""Fields of a credentials file, and where in the answer they stand."""


def redeem(
    base_url: str, attempt: AuthorizationRequest, answer: AuthorizationResponse, *, base_url_from: str
) -> Flow[tuple[Granted, dict[str, str]]]:
    """Trade a code for tokens; return them with who and what they are bound to, by the names in `ACCOUNT_FIELDS`.

    Raises:
        AuthorizationResponseError: the code was refused.
        ExchangeError: the endpoint failed, or could not be reached.
    """
    request = Request(
        "POST",
        token_endpoint(base_url),
        form={
            "grant_type": "authorization_code",
            "code": answer.code,
            "code_verifier": attempt.verifier,
            "client_id": attempt.client_id,
            "redirect_uri": answer.redirect_uri,
            "state": attempt.state,
        },
    )
    reply = yield from send_again(request, Backoff(), _left_the_code_alone)
    found = read_answer(reply, request.url, [answer.code, attempt.verifier, attempt.state], named_by=base_url_from)
    if isinstance(found, Granted):
        return found, _about(reply)
    if found.status in {400, 401, 403}:
        raise AuthorizationResponseError(
            f"the code was refused ({found.brief})",
            hint="log in again; a code works once, and for a minute only",
            reason="rejected",
        )
    raise found.as_error(
        f"the login could not be completed: {found.message}", hint=f"{found.hint}; a code works once: log in anew"
    )


def _left_the_code_alone(reply: Response | RequestFailure) -> bool:
    """A code works once: a request is sent again only where it was surely not looked at."""
    if isinstance(reply, RequestFailure):
        return not reply.maybe_received
    return reply.status in {429, 503, 529}


def _about(reply: Response | RequestFailure) -> dict[str, str]:
    """Return who and what the token is bound to, as far as the answer says so."""
    fields = json.loads(reply.body) if isinstance(reply, Response) else {}
    found: dict[str, str] = {}
    for name, (group, key) in ACCOUNT_FIELDS.items():
        value = fields[group].get(key) if isinstance(fields.get(group), dict) else None
        if isinstance(value, str) and value:
            found[name] = sanitize(value)
    return found


AuthorizationFailure = Literal["state", "denied", "refused", "code", "rejected"]
"""What is wrong with an answer: another run's state, a person's no, the Console's no, no code in it, or a wrong one."""

_AGAIN = "run the command again, and use the page that this run opens"


class AuthorizationResponseError(LoginError):
    """What came back does not log anybody in."""

    def __init__(self, message: str, *, hint: str | None = None, reason: AuthorizationFailure = "refused") -> None:
        super().__init__(message, hint=hint)
        self.reason: AuthorizationFailure = reason


@dataclass(frozen=True)
class AuthorizationResponse:
    """An authorization code, with the redirect URI that it was issued for."""

    code: SecretStr
    redirect_uri: str


@dataclass(frozen=True)
class AuthorizationRequest:
    """A verifier, its challenge, and a state that ties the answer to this run."""

    console_url: str
    client_id: str
    scope: str
    workspace_id: str | None = None
    organization_id: str | None = None
    verifier: SecretStr = field(default_factory=lambda: SecretStr(_random(64)))
    state: SecretStr = field(default_factory=lambda: SecretStr(_random(32)))

    @property
    def paste_uri(self) -> str:
        """The page of the Console that shows the code."""
        return f"{self.console_url}/oauth/code/callback?app=anthropic-cli"

    @staticmethod
    def loopback_uri(port: int) -> str:
        return f"http://localhost:{port}/callback"

    def authorize_url(self, redirect_uri: str) -> str:
        """Return the page on which a person agrees."""
        digest = hashlib.sha256(self.verifier.get_secret_value().encode()).digest()
        query = {
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": self.scope,
            "state": self.state.get_secret_value(),
            "code_challenge": _base64url(digest),
            "code_challenge_method": "S256",
            "workspace_id": self.workspace_id,
            "orgUUID": self.organization_id,
        }
        known = {name: value for name, value in query.items() if value}
        return f"{self.console_url}/oauth/authorize?{urlencode(known)}"

    def answer(self, query: dict[str, str], redirect_uri: str) -> AuthorizationResponse | AuthorizationResponseError:
        """Read what the Console sent to a redirect URI.

        Returns what is wrong (another state than this run's, a denial, no code) instead of raising it: this frame
        holds the code.
        """
        if not self.is_ours(query.get("state", "")):
            return AuthorizationResponseError(
                "the answer belongs to another login: its state is not the one of this run", hint=_AGAIN, reason="state"
            )
        if query.get("error") == "access_denied":
            return AuthorizationResponseError(
                "the login was denied on the consent page", hint="run the command again, and approve", reason="denied"
            )
        if query.get("error"):
            return AuthorizationResponseError(
                f"the Console refused the login ({_shown(query, 'error', 'error_description')})",
                hint="check --scope, --client-id, --organization-id, --workspace-id and --console-url",
                reason="refused",
            )
        if not query.get("code"):
            return AuthorizationResponseError("the answer holds no code", hint=_AGAIN, reason="code")
        return AuthorizationResponse(SecretStr(query["code"]), redirect_uri)

    def pasted(self, text: str, loopback_uri: str | None) -> AuthorizationResponse | AuthorizationResponseError:
        """Read what a person pasted: `code#state`, a bare code, or the whole address that the browser ended at.

        Returns what is wrong, as `answer` does.
        """
        text = text.strip()
        if text.startswith(("http://", "https://")):
            try:
                parts = urlsplit(text)
                query = {name: values[0] for name, values in parse_qs(parts.query, max_num_fields=50).items()}
            except ValueError:
                return AuthorizationResponseError("the pasted text is not an address", hint=_AGAIN, reason="code")
            at_loopback = loopback_uri is not None and parts.path == urlsplit(loopback_uri).path
            return self.answer(query, loopback_uri if at_loopback and loopback_uri else self.paste_uri)
        code, separator, state = text.partition("#")
        return self.answer(
            {"code": code, "state": state if separator else self.state.get_secret_value()}, self.paste_uri
        )

    def is_ours(self, state: str) -> bool:
        """Whether an answer with this state is to this very request."""
        return hmac.compare_digest(state.encode(), self.state.get_secret_value().encode())


def _shown(query: dict[str, str], *names: str) -> str:
    return ": ".join(sanitize(query[name], limit=200) for name in names if query.get(name))


def _random(length: int) -> str:
    return _base64url(secrets.token_bytes(length))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
