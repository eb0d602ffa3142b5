"""What the API says when it refuses or fails, and what a person is told of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ant_wif._http import REQUEST_ID, RequestFailure, Response, sent_secrets
from ant_wif._secrets import SecretStr, clean
from ant_wif._strict import read_json
from ant_wif.errors import ApiError

if TYPE_CHECKING:
    import httpx

__all__ = ["broken", "failed", "refusal", "request_id_of", "shown_request"]

_HINTS = {
    401: "`ant auth status` shows which credential was used and where it comes from",
    403: "the credential is valid, but its scope or workspace does not cover this: check the federation rule",
    404: "check the path and the id, and that ANTHROPIC_BASE_URL names the Claude API",
    413: "the request is larger than the API takes: send less at once",
    429: "run again when the time that the server's retry-after states has passed",
}


def refusal(request: httpx.Request, outcome: Response | RequestFailure) -> ApiError:
    """Return the error for an answer that is no success, or for none at all."""
    if isinstance(outcome, RequestFailure):
        host = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}"
        return ApiError(
            f"the API at {host} could not be reached: {outcome.reason}",
            hint="check the network, the proxy variables and ANTHROPIC_BASE_URL, then run again",
        )
    answer: object = None
    with contextlib.suppress(ValueError):
        answer = read_json(outcome.body)
    body = _error_fields(answer, sent_secrets(request))
    request_id = request_id_of(outcome.headers) or _request_id_in(answer)
    said = ": ".join(body.values()) or "the answer is no JSON object with an error in it"
    return ApiError(
        f"{shown_request(request)} was answered with HTTP {outcome.status}{_by_id(request_id)}: {said}",
        hint=_HINTS.get(outcome.status, "run again in a minute" if outcome.status >= 500 else None),
        status=outcome.status,
        request_id=request_id,
        body=body,
    )


def broken(response: httpx.Response, problem: str) -> ApiError:
    """Return the error for an answer that began as a success and did not end as one."""
    request_id = request_id_of(response.headers)
    return ApiError(
        f"the answer to {shown_request(response.request)} broke off{_by_id(request_id)}: {problem}",
        hint="what came before the break is not all; run again",
        request_id=request_id,
    )


def failed(response: httpx.Response, event: Mapping[str, object]) -> ApiError:
    """Return the error for an event of a stream that tells of one."""
    body = _error_fields(event, sent_secrets(response.request))
    request_id = request_id_of(response.headers) or _request_id_in(event)
    return ApiError(
        f"the API failed in the middle of its answer{_by_id(request_id)}: "
        f"{': '.join(body.values()) or 'it does not say why'}",
        hint="what came before is not all; run again in a minute",
        request_id=request_id,
        body=body,
    )


def _error_fields(answer: object, known: Iterable[SecretStr] = ()) -> dict[str, str]:
    """Return `type` and `message` of the error in an answer, as far as they are there, cleaned and cut."""
    found = answer.get("error") if isinstance(answer, Mapping) else None
    error = found if isinstance(found, dict) else {}
    return {name: clean(error[name], known=known) for name in ("type", "message") if isinstance(error.get(name), str)}


def request_id_of(headers: Mapping[str, str]) -> str | None:
    stated = headers.get("request-id", "")
    return stated if REQUEST_ID.fullmatch(stated) else None


def shown_request(request: httpx.Request) -> str:
    return f"{clean(request.method, limit=16)} {clean(request.url.path)}"


def _request_id_in(answer: object) -> str | None:
    stated = answer.get("request_id") if isinstance(answer, Mapping) else None
    return stated if isinstance(stated, str) and REQUEST_ID.fullmatch(stated) else None


def _by_id(request_id: str | None) -> str:
    return f", request id {request_id}" if request_id else ""
