"""What the token endpoint answers, to whichever grant: a token (RFC 6749 §5.1), or why not (§5.2).

And keeping a person's login alive: the refresh_token grant (§6), whose token rotates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ant_wif._constants import OAUTH_BETA
from ant_wif._http import (
    Backoff,
    ErrorAnswer,
    Flow,
    Request,
    RequestFailure,
    Response,
    check_url,
    is_transient,
    retry_after,
    send_again,
    what_it_is,
)
from ant_wif._secrets import SecretStr
from ant_wif._strict import kind_of
from ant_wif.errors import ExchangeError, LoginError

_DAY_SECONDS = 86_400


def token_endpoint(base_url: str) -> str:
    """The one URL of all three grants."""
    return f"{base_url.rstrip('/')}/v1/oauth/token"


class Granted(NamedTuple):
    """The answer of RFC 6749 §5.1, as far as it matters."""

    access_token: SecretStr
    expires_in: int
    """Seconds."""
    refresh_token: SecretStr | None = None
    scope: str | None = None

    @classmethod
    def parse(cls, body: bytes) -> Granted | str:
        """Return what is wrong in words, from a frame that no error passes: it holds the bare token."""
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return f"its body is {what_it_is(body)}, expected a JSON object with access_token and expires_in"
        if not isinstance(fields, dict):
            return f"its body is a JSON {kind_of(fields)}, expected an object"
        token, expires_in, kind = (fields.get(name) for name in ("access_token", "expires_in", "token_type"))
        if kind is not None and str(kind).lower() != "bearer":
            shown = f"{kind!r}" if re.fullmatch(r"[A-Za-z]{1,16}", str(kind)) else "something else"
            return f"its token_type is {shown}, expected 'Bearer'"
        # A token goes into a header: a value that a header cannot have is not a token.
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            return "it has no usable access_token"
        if isinstance(expires_in, str) and re.fullmatch(r"\d{1,9}", expires_in):
            expires_in = int(expires_in)
        if isinstance(expires_in, bool) or not isinstance(expires_in, (int, float)) or not 1 <= expires_in < 1e9:
            return "it does not say in expires_in for how many seconds the token is valid"
        refresh, scope = fields.get("refresh_token"), fields.get("scope")
        return cls(
            SecretStr(token),
            int(expires_in),
            SecretStr(refresh) if refresh and isinstance(refresh, str) else None,
            scope if scope and isinstance(scope, str) else None,
        )


class NotGranted(NamedTuple):
    """Why there is no token, in words; `status` is `None` where no answer came."""

    message: str
    hint: str
    status: int | None = None
    error: ErrorAnswer = ErrorAnswer({}, "", None)

    @property
    def brief(self) -> str:
        """The answer without its URL."""
        return f"HTTP {self.status}{self.error.by_id}: {self.error.said}"

    def as_error(self, message: str = "", *, hint: str = "", **more: Any) -> ExchangeError:
        return ExchangeError(
            message or self.message,
            hint=hint or self.hint,
            status=self.status,
            request_id=self.error.request_id,
            body=self.error.fields,
            **more,
        )


def read_answer(
    answer: Response | RequestFailure, url: str, sent: Sequence[SecretStr], *, named_by: str
) -> Granted | NotGranted:
    """Read what the endpoint answered to any grant; `named_by` is the flag, variable or file that names its host."""
    if isinstance(answer, RequestFailure):
        return NotGranted(
            f"{url} could not be used: {answer.reason}",
            answer.hint or f"check the network, the proxy variables and {named_by or 'the base URL'}, then run again",
        )
    flaw = ""
    if answer.status == 200:
        granted = Granted.parse(answer.body)
        if isinstance(granted, Granted):
            return granted
        flaw = f"but {granted}"
    error = answer.error(sent)
    if flaw:
        error = error._replace(fields={}, said=flaw)
    separator = ", " if flaw else ": "
    message = f"{url} returned HTTP {answer.status}{error.by_id}{separator}{error.said}"
    return NotGranted(message, _hint(answer, error, named_by or "the base URL"), answer.status, error)


def _hint(answer: Response, error: ErrorAnswer, named_by: str) -> str:
    if 300 <= answer.status < 400:
        return (
            f"the endpoint redirects, which is not followed with a token in hand: set {named_by} to the API, "
            "and check that no proxy answers in its place"
        )
    if is_transient(answer):
        wait = retry_after(answer)
        if wait and wait > _DAY_SECONDS:
            return "run again later: the server asks for a wait of more than a day"
        return f"run again in {wait:.0f} seconds" if wait else "run again in a minute"
    if answer.status in {404, 405} or not error.fields:
        return f"check that {named_by} names the Claude API and that no proxy answers in its place"
    if answer.status in {400, 422}:
        return "the message names the field that was refused: correct it"
    return f"see what the message says; if it is not the Claude API's, check {named_by} and the proxy variables"


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
