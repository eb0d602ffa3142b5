"""Keeping a person's login alive: the refresh_token grant (RFC 6749 §6), whose token rotates."""

from __future__ import annotations

from ant_wif._constants import OAUTH_BETA
from ant_wif._http import Backoff, Flow, Request, RequestFailure, check_url, send_again
from ant_wif._secrets import SecretStr
from ant_wif._tokens.grants.endpoint import Granted, read_answer, token_endpoint
from ant_wif.errors import LoginError

__all__ = ["refresh"]


def refresh(
    base_url: str,
    client_id: str,
    refresh_token: SecretStr,
    *,
    profile: str,
    patient: bool = True,
    base_url_from: str = "",
) -> Flow[Granted]:
    """Trade a refresh token for an access token and the next refresh token; the old one is dead from then on.

    It is sent once: what may have reached the server may have used it up. A connection that was never made is retried.

    Raises:
        InsecureUrlError: the base URL must not carry a token.
        LoginError: the server ended the login.
        ExchangeError: the endpoint failed, or could not be reached.
    """
    check_url(base_url, what=base_url_from or "the base URL")
    request = Request(
        "POST",
        token_endpoint(base_url),
        headers={"anthropic-beta": OAUTH_BETA},
        json={"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id},
    )
    answer = yield from send_again(
        request,
        Backoff() if patient else Backoff(attempts=1),
        lambda failed: isinstance(failed, RequestFailure) and not failed.maybe_received,
    )
    found = read_answer(answer, request.url, [refresh_token], named_by=base_url_from)
    if isinstance(found, Granted):
        return found
    if found.status in {400, 401} and found.error.fields:
        raise LoginError(
            f"the login of profile {profile!r} has ended: its refresh was refused ({found.brief})",
            hint=f"log in again: ant auth login --profile {profile}",
        )
    raise found.as_error(f"the login of profile {profile!r} could not be refreshed: {found.message}")
