"""One attempt to log in: what is sent to the Console, and what must come back (RFC 6749 §4.1, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from ant_wif._secrets import SecretStr, clean
from ant_wif.errors import LoginError

__all__ = ["Answer", "AnswerError", "Attempt", "Reason"]

Reason = Literal["state", "denied", "refused", "code"]
"""What is wrong with an answer: another run's state, a person's no, the Console's no, or no code in it."""

_AGAIN = "run the command again, and use the page that this run opens"


class AnswerError(LoginError):
    """What came back does not log anybody in."""

    def __init__(self, message: str, *, hint: str | None = None, reason: Reason = "refused") -> None:
        super().__init__(message, hint=hint)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Answer:
    """An authorization code, with the redirect URI that it was issued for."""

    code: SecretStr
    redirect_uri: str


@dataclass(frozen=True)
class Attempt:
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

    def answer(self, query: dict[str, str], redirect_uri: str) -> Answer:
        """Read what the Console sent to a redirect URI.

        Raises:
            AnswerError: the state is not this run's, consent was denied, or the code is missing.
        """
        if not self._is_ours(query.get("state", "")):
            raise AnswerError(
                "the answer belongs to another login: its state is not the one of this run", hint=_AGAIN, reason="state"
            )
        if query.get("error") == "access_denied":
            raise AnswerError(
                "the login was denied on the consent page", hint="run the command again, and approve", reason="denied"
            )
        if query.get("error"):
            raise AnswerError(
                f"the Console refused the login ({_shown(query, 'error', 'error_description')})",
                hint="check --scope, --client-id, --organization-id, --workspace-id and --console-url",
                reason="refused",
            )
        if not query.get("code"):
            raise AnswerError("the answer holds no code", hint=_AGAIN, reason="code")
        return Answer(SecretStr(query["code"]), redirect_uri)

    def pasted(self, text: str, loopback_uri: str | None) -> Answer:
        """Read what a person pasted: `code#state`, a bare code, or the whole address that the browser ended at.

        Raises:
            AnswerError: as for `answer`.
        """
        text = text.strip()
        if text.startswith(("http://", "https://")):
            try:
                parts = urlsplit(text)
                query = {name: values[0] for name, values in parse_qs(parts.query, max_num_fields=50).items()}
            except ValueError:
                raise AnswerError("what was pasted is no address", hint=_AGAIN, reason="code") from None
            at_loopback = loopback_uri is not None and parts.path == urlsplit(loopback_uri).path
            return self.answer(query, loopback_uri if at_loopback and loopback_uri else self.paste_uri)
        code, separator, state = text.partition("#")
        return self.answer(
            {"code": code, "state": state if separator else self.state.get_secret_value()}, self.paste_uri
        )

    def _is_ours(self, state: str) -> bool:
        return hmac.compare_digest(state.encode(), self.state.get_secret_value().encode())


def _shown(query: dict[str, str], *names: str) -> str:
    return ": ".join(clean(query[name], limit=200) for name in names if query.get(name))


def _random(length: int) -> str:
    return _base64url(secrets.token_bytes(length))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
