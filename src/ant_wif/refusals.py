"""What the API says when it refuses, and what a person is told of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ant_wif.errors import ApiError
from ant_wif.flow import REQUEST_ID, Reply, Unreachable
from ant_wif.secrets import clean

if TYPE_CHECKING:
    import httpx

__all__ = ["error_fields", "refusal", "request_id_of", "shown_request"]

_HINTS = {
    401: "`ant auth status` shows which credential was used and where it comes from",
    403: "the credential is valid, but its scope or workspace does not cover this: check the federation rule",
    404: "check the path and the id, and that ANTHROPIC_BASE_URL names the Claude API",
    413: "the request is larger than the API takes: send less at once",
    429: "run again when the time that the server's retry-after states has passed",
}


def refusal(request: httpx.Request, outcome: Reply | Unreachable) -> ApiError:
    """Return the error for an answer that is no success, or for none at all."""
    if isinstance(outcome, Unreachable):
        host = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}"
        return ApiError(
            f"the API at {host} could not be reached: {outcome.reason}",
            hint="check the network, the proxy variables and ANTHROPIC_BASE_URL, then run again",
        )
    answer: object = None
    with contextlib.suppress(ValueError, RecursionError):
        answer = json.loads(outcome.body)
    body = error_fields(answer)
    request_id = request_id_of(outcome.headers)
    said = ": ".join(body.values()) or "the answer is no JSON object with an error in it"
    return ApiError(
        f"{shown_request(request)} was answered with HTTP {outcome.status}"
        f"{f', request id {request_id}' if request_id else ''}: {said}",
        hint=_HINTS.get(outcome.status, "run again in a minute" if outcome.status >= 500 else None),
        status=outcome.status,
        request_id=request_id,
        body=body,
    )


def error_fields(answer: object) -> dict[str, str]:
    """Return `type` and `message` of the error in an answer, as far as they are there, cleaned and cut."""
    found = answer.get("error") if isinstance(answer, dict) else None
    error = found if isinstance(found, dict) else {}
    return {name: clean(error[name]) for name in ("type", "message") if isinstance(error.get(name), str)}


def request_id_of(headers: Mapping[str, str]) -> str | None:
    stated = headers.get("request-id", "")
    return stated if REQUEST_ID.fullmatch(stated) else None


def shown_request(request: httpx.Request) -> str:
    return f"{clean(request.method, limit=16)} {clean(request.url.path)}"
