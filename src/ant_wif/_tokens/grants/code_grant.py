"""The authorization_code grant with PKCE (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

from __future__ import annotations

import json

from ant_wif._http.flow import Flow, Reply, Request, Unreachable, pause, send
from ant_wif._http.retry import Backoff, is_transient
from ant_wif._secrets import SecretStr, clean
from ant_wif._tokens.grants.authorization_code import Answer, Attempt
from ant_wif._tokens.grants.endpoint import Granted, error_fields, token_endpoint, what_it_is
from ant_wif.errors import ExchangeError, LoginError

__all__ = ["ABOUT", "redeem"]

ABOUT = {
    "organization_uuid": ("organization", "uuid"),
    "organization_name": ("organization", "name"),
    "account_email": ("account", "email_address"),
    "workspace_id": ("workspace", "id"),
    "workspace_name": ("workspace", "name"),
}
"""Fields of a credentials file, and where in the answer they stand."""


def redeem(base_url: str, attempt: Attempt, answer: Answer) -> Flow[tuple[Granted, dict[str, str]]]:
    """Trade a code for tokens; return them with who and what they are bound to, by the names in `ABOUT`.

    Raises:
        LoginError: the code was refused.
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
    backoff = Backoff()
    while True:
        reply = yield from send(request)
        delay = backoff.delay(reply) if _left_the_code_alone(reply) else None
        if delay is None:
            return _read(reply, request.url, [answer.code, attempt.verifier, attempt.state])
        yield from pause(delay)


def _left_the_code_alone(reply: Reply | Unreachable) -> bool:
    """A code works once: a request is sent again only where it was surely not looked at."""
    if isinstance(reply, Unreachable):
        return not reply.maybe_received
    return reply.status in {429, 503, 529}


def _read(reply: Reply | Unreachable, url: str, sent: list[SecretStr]) -> tuple[Granted, dict[str, str]]:
    if isinstance(reply, Unreachable):
        raise ExchangeError(
            f"the login could not be completed: {url} could not be used: {reply.reason}",
            hint="check the network, the proxy variables and --base-url, then log in again",
        )
    granted = Granted.parse(reply.body) if reply.status == 200 else ""
    if isinstance(granted, Granted):
        return granted, _about(reply.body)
    status = f"HTTP {reply.status}{f', request id {reply.request_id}' if reply.request_id else ''}"
    body = error_fields(reply.body, sent)
    said = granted or " ".join(body.values()) or f"its body is {what_it_is(reply.body)}"
    if reply.status in {400, 401, 403}:
        raise LoginError(
            f"the code was refused ({status}: {said})",
            hint="log in again; a code works once, and for a minute only",
        )
    raise ExchangeError(
        f"the login could not be completed: {url} answered {status}: {said}",
        hint="log in again in a minute" if is_transient(reply) else "check --base-url, and log in again",
        status=reply.status,
        request_id=reply.request_id,
        body=body,
    )


def _about(body: bytes) -> dict[str, str]:
    """Return who and what the token is bound to, as far as the answer says so."""
    fields = json.loads(body)
    found: dict[str, str] = {}
    for name, (group, key) in ABOUT.items():
        value = fields[group].get(key) if isinstance(fields.get(group), dict) else None
        if isinstance(value, str) and value:
            found[name] = clean(value)
    return found
