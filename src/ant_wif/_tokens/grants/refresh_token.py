"""Keeping a person's login alive: the refresh_token grant (RFC 6749 §6), whose token rotates."""

from __future__ import annotations

from ant_wif._constants import OAUTH_BETA
from ant_wif._http import (
    Backoff,
    Flow,
    Request,
    RequestFailure,
    Response,
    check_url,
    is_transient,
    pause,
    retry_after,
    send,
)
from ant_wif._secrets import SecretStr
from ant_wif._tokens.grants.endpoint import Granted, error_fields, token_endpoint, what_it_is
from ant_wif.errors import ExchangeError, LoginError

__all__ = ["refresh"]


def refresh(
    base_url: str, client_id: str, refresh_token: SecretStr, *, profile: str, patient: bool = True
) -> Flow[Granted]:
    """Trade a refresh token for an access token and the next refresh token; the old one is dead from then on.

    Raises:
        InsecureUrlError: the base URL must not carry a token.
        LoginError: the server ended the login.
        ExchangeError: the endpoint failed, or could not be reached.
    """
    check_url(base_url, what="the base URL")
    request = Request(
        "POST",
        token_endpoint(base_url),
        headers={"anthropic-beta": OAUTH_BETA},
        json={"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id},
    )
    backoff = Backoff() if patient else Backoff(attempts=1)
    while True:
        answer = yield from send(request)
        delay = backoff.delay(answer)
        if delay is None:
            return _read(answer, request.url, refresh_token, profile)
        yield from pause(delay)


def _read(answer: Response | RequestFailure, url: str, sent: SecretStr, profile: str) -> Granted:
    failed = f"the login of profile {profile!r} could not be refreshed"
    if isinstance(answer, RequestFailure):
        raise ExchangeError(
            f"{failed}: {url} could not be used: {answer.reason}",
            hint="check the network, the proxy variables and the profile's base_url, then run again",
        )
    granted = Granted.parse(answer.body) if answer.status == 200 else ""
    if isinstance(granted, Granted):
        return granted
    body = error_fields(answer.body, [sent])
    status = f"HTTP {answer.status}{f', request id {answer.request_id}' if answer.request_id else ''}"
    said = granted or " ".join(body.values()) or f"its body is {what_it_is(answer.body)}"
    if answer.status in {400, 401} and body:
        raise LoginError(
            f"the login of profile {profile!r} has ended: its refresh was refused ({status}: {said})",
            hint=f"log in again: ant auth login --profile {profile}",
        )
    wait = retry_after(answer)
    raise ExchangeError(
        f"{failed}: {url} answered {status}, but {said}",
        hint=f"run again in {f'{wait:.0f} seconds' if wait else 'a minute'}"
        if is_transient(answer)
        else "check that the profile's base_url names the Claude API and that no proxy answers in its place",
        status=answer.status,
        request_id=answer.request_id,
        body=body,
    )
