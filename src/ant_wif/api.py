"""The little that is needed of the API: lists that page by themselves, errors that say what to do."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ant_wif.errors import ApiError
from ant_wif.flow import REQUEST_ID, TIMEOUT_SECONDS
from ant_wif.secrets import clean
from ant_wif.transport import USER_AGENT
from ant_wif.wiretap import log_request, log_response

if TYPE_CHECKING:
    import httpx

    from ant_wif.credentials import Credentials

__all__ = ["Bound", "bound_to", "list_models", "open_client"]

PAGE_SIZE = 100


def open_client(credentials: Credentials) -> httpx.Client:
    """Open an HTTP client that is bound to the credential and its host. The caller closes it."""
    import httpx

    return httpx.Client(
        base_url=credentials.base_url,
        auth=credentials.auth,
        headers={"User-Agent": USER_AGENT},
        timeout=TIMEOUT_SECONDS,
        event_hooks={"request": [log_request], "response": [log_response]},
    )


@dataclass(frozen=True)
class Bound:
    """What the server says that a credential is bound to; `None` where it does not say."""

    organization_id: str | None
    workspace_id: str | None


def bound_to(client: httpx.Client) -> Bound:
    """Ask the server for the least there is, and return what it says of the credential.

    Raises:
        ApiError: the API refused, failed or could not be reached.
    """
    _, headers = _get(client, "/v1/models", {"limit": "1"})
    found = (headers.get(f"anthropic-{name}-id") for name in ("organization", "workspace"))
    return Bound(*(clean(value, limit=64) if value else None for value in found))


def list_models(client: httpx.Client, *, limit: int | None = None) -> Iterator[dict[str, object]]:
    """Yield the models one by one, asking for the next page only when it is reached.

    `limit` is the most that are yielded; without it all are.

    Raises:
        ApiError: the API refused, failed or could not be reached.
    """
    remaining = limit
    after: str | None = None
    while remaining is None or remaining > 0:
        size = PAGE_SIZE if remaining is None else min(PAGE_SIZE, remaining)
        page, _ = _get(client, "/v1/models", {"limit": str(size)} | ({"after_id": after} if after else {}))
        items = page.get("data")
        if not isinstance(items, list):
            raise ApiError("the API's list of models has no data", hint="check that ANTHROPIC_BASE_URL names the API")
        yield from (item for item in items if isinstance(item, dict))
        remaining = None if remaining is None else remaining - len(items)
        after = str(page["last_id"]) if page.get("last_id") else None
        if not page.get("has_more") or not items or after is None:
            return


def _get(client: httpx.Client, path: str, query: dict[str, str]) -> tuple[dict[str, object], httpx.Headers]:
    import httpx

    response = problem = None
    try:
        response = client.get(path, params=query)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        problem = clean(error) or type(error).__name__
    if response is None:
        raise ApiError(
            f"the API at {client.base_url} could not be reached: {problem}",
            hint="check the network, the proxy variables and ANTHROPIC_BASE_URL, then run again",
        )
    answer: object = None
    with contextlib.suppress(ValueError, RecursionError):
        answer = json.loads(response.content)
    if response.status_code == 200 and isinstance(answer, dict):
        return answer, response.headers
    raise _refusal(response, answer)


def _refusal(response: httpx.Response, answer: object) -> ApiError:
    found = answer.get("error") if isinstance(answer, dict) else None
    error = found if isinstance(found, dict) else {}
    body = {name: clean(error[name]) for name in ("type", "message") if isinstance(error.get(name), str)}
    stated = response.headers.get("request-id", "")
    request_id = stated if REQUEST_ID.fullmatch(stated) else None
    said = ": ".join(body.values()) or "the answer is no JSON object"
    return ApiError(
        f"GET {response.request.url.path} was answered with HTTP {response.status_code}"
        f"{f', request id {request_id}' if request_id else ''}: {said}",
        hint=_HINTS.get(response.status_code, "run again in a minute" if response.status_code >= 500 else None),
        status=response.status_code,
        request_id=request_id,
        body=body,
    )


_HINTS = {
    401: "`ant auth status` shows which credential was used and where it comes from",
    403: "the credential is valid, but its scope or workspace does not cover this: check the federation rule",
    404: "check that ANTHROPIC_BASE_URL names the Claude API",
    429: "run again when the time that the server's retry-after states has passed",
}
