"""A request to the API: how it is sent, which error follows when it fails, and lists as if they had no pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from ant_wif._constants import ADMIN_SCOPE
from ant_wif._http import TIMEOUT_SECONDS, ErrorAnswer, RequestFailure, Response, read_error, sent_secrets
from ant_wif._secrets import has_surrogates, quoted, sanitize
from ant_wif.errors import ApiError, InsecureUrlError

if TYPE_CHECKING:
    import httpx

    from ant_wif.integrations import ApiCredential

PAGE_SIZE = 100

Query = Sequence[tuple[str, str]]

_CURSORS = {"page", "after_id", "before_id"}
_MOST_EMPTY_PAGES = 100


def items(
    get: Callable[[Query], tuple[Mapping[str, object], Mapping[str, str]]],
    query: Query,
    *,
    name: str,
    limit: int | None = None,
    page_size: int | None = PAGE_SIZE,
) -> Iterator[Mapping[str, object]]:
    """Yield what a list holds one by one, asking for the next page only when it is reached.

    `get` returns a page and its headers. Pages lead on by `next_page`, or by `has_more` and the id at their end.
    `limit` is the most that are yielded; without it all are. `page_size` is asked for, unless it is `None`. `name` is
    that of the list in errors.

    Raises ApiError: what answers is not a list, or one that leads in a circle, or on and on to nothing.
    """
    remaining = limit
    backwards = any(parameter == "before_id" for parameter, _ in query)
    following: tuple[str, str] | None = None
    seen: set[str] = set()
    empty = 0
    while remaining is None or remaining > 0:
        size = [] if page_size is None else [("limit", str(min(page_size, remaining or page_size)))]
        kept = [pair for pair in query if following is None or pair[0] not in _CURSORS]
        found, has_more, following, headers = _of_page(
            *get([*kept, *size, *([following] if following else [])]), backwards=backwards
        )
        if found is None:
            raise unexpected(
                headers,
                f"the response to GET {sanitize(name)} is not a list: it has no objects in `data`",
                hint="check that the path is that of a list, and that the base URL names the API",
            )
        yield from found if remaining is None else found[:remaining]
        remaining = None if remaining is None else remaining - len(found)
        if following is None and has_more:
            raise unexpected(
                headers,
                f"the list at {sanitize(name)} has more, and does not say where it goes on",
                hint="what came up to here is not all; report this to the operator of the API",
            )
        if following is None:
            return
        if following[1] in seen:
            raise unexpected(
                headers,
                f"the list at {sanitize(name)} leads in a circle: the page {sanitize(following[1])} came before",
                hint="what came up to here is all there is; report this to the operator of the API",
            )
        seen.add(following[1])
        empty = 0 if found else empty + 1
        if empty == _MOST_EMPTY_PAGES:
            raise unexpected(
                headers,
                f"the list at {sanitize(name)} has more, but {empty} pages up to {sanitize(following[1])} are empty",
                hint="what came up to here may not be all; report this to the operator of the API",
            )


def unexpected(headers: Mapping[str, str], problem: str, hint: str) -> ApiError:
    """Return the error for a success that is not what was asked for, by the headers that it has."""
    error = read_error(None, headers, ())
    return ApiError(f"{problem}{error.by_id}", hint=hint, request_id=error.request_id)


def _of_page(
    page: Mapping[str, object], headers: Mapping[str, str], *, backwards: bool
) -> tuple[list[Mapping[str, object]] | None, bool, tuple[str, str] | None, Mapping[str, str]]:
    """Return the objects of a page, `None` if it has no list of them; whether more follow, and where; its headers."""
    data = page.get("data")
    found = data if isinstance(data, list) and all(isinstance(item, dict) for item in data) else None
    return found, page.get("has_more") is True, _following(page, backwards=backwards), headers


def _following(page: Mapping[str, object], *, backwards: bool) -> tuple[str, str] | None:
    """Return the query parameter that leads to the next page, or `None` on the last one."""
    cursor = page.get("next_page")
    if isinstance(cursor, str) and cursor:
        return "page", cursor
    end = page.get("first_id" if backwards else "last_id")
    if page.get("has_more") is True and isinstance(end, str) and end:
        return ("before_id" if backwards else "after_id"), end
    return None


def split_query(path: str) -> tuple[str, Query]:
    """Return a path without its query, and what was in that."""
    bare, mark, query = path.partition("?")
    return bare, parse_qsl(query.partition("#")[0], keep_blank_values=True) if mark else []


_HINTS = {
    401: "`ant auth status` shows which credential was used and where it comes from",
    413: "the request is larger than the API takes: send less at once",
    429: "run again when the time that the server's retry-after states has passed",
}
_OTHER_KINDS = {"sk-ant-ort": "a refresh token", "sk-ant-admin": "a key of the Admin API", "eyJ": "a JWT"}
"""How values begin that are neither an API key nor an access token."""


def refusal(request: httpx.Request, outcome: Response | RequestFailure, credential: ApiCredential) -> ApiError:
    """Return the error for an answer that is not a success, or for none at all."""
    base_url = credential.base_url_from or "the base URL"
    if isinstance(outcome, RequestFailure):
        host = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}"
        return ApiError(
            f"the API at {host} could not be reached: {outcome.reason}",
            hint=outcome.hint or f"check the network, the proxy variables and {base_url}, then run again",
        )
    error = outcome.error(sent_secrets(request))
    hint = _HINTS.get(outcome.status, "run again in a minute" if outcome.status >= 500 else None)
    facts: tuple[str, ...] = (f"credential: {credential.origin}",) if outcome.status in {401, 403} else ()
    if outcome.status == 403 or 300 <= outcome.status < 400:
        hint = f"check that {base_url} names the Claude API, and that no proxy answers in its place"
    if outcome.status == 403 and error.fields:
        facts, hint = _forbidden(credential, for_admin="/organizations" in request.url.path)
        asked = request.headers.get("anthropic-workspace-id")
        if asked == credential.workspace_id and credential.workspace_from:
            facts += (f"workspace: {asked}, from {credential.workspace_from}",)
    elif outcome.status == 404 and request.url.path.startswith("/v1/v1/"):
        hint = f"remove /v1 from {base_url}: it is part of the path"
    elif outcome.status == 404:
        hint = f"check the path and the id, and that {base_url} names the Claude API"
    elif outcome.status == 401 and credential.source in {"api_key", "auth_token"}:
        facts, hint = _refused(credential, _other_kind(request))
    return ApiError(
        f"{shown_request(request)} returned HTTP {outcome.status}{error.by_id}: {error.said}",
        facts=facts,
        hint=hint,
        status=outcome.status,
        request_id=error.request_id,
        body=_named(error),
    )


def _other_kind(request: httpx.Request) -> str | None:
    """Return what the credential of a request is by its form alone, if it is neither an API key nor an access token."""
    if "/organizations" in request.url.path:  # where keys of the Admin API belong
        return None
    sent = request.headers.get("authorization", "").removeprefix("Bearer ")
    return next((kind for begin, kind in _OTHER_KINDS.items() if sent.startswith(begin)), None)


def _refused(credential: ApiCredential, other_kind: str | None) -> tuple[tuple[str, ...], str]:
    """Say which static credential was refused, and whether it is one of another kind: the facts and the hint."""
    origin = credential.origin
    if other_kind is None:
        hint = f"correct {origin}, or leave it out: `ant auth status` shows what is used then"
        return (f"credential: {origin}",), hint
    if other_kind == "a JWT":
        hint = "give it as ANTHROPIC_IDENTITY_TOKEN, if it is a platform's identity token"
    else:
        hint = f"give {'an API key' if credential.source == 'api_key' else 'an access token'}"
    return (f"credential: {origin}, which holds {other_kind}",), hint


def _forbidden(credential: ApiCredential, *, for_admin: bool) -> tuple[tuple[str, ...], str]:
    """Say whose permission is missing, and what gives it: the facts and the hint of a 403."""
    facts = (f"credential: {credential.origin}",)
    if credential.source in {"api_key", "auth_token"}:
        return (
            facts,
            f"the credential is valid, but does not cover this: check what {credential.origin} is allowed to do",
        )
    if credential.scope is None:
        return (
            facts,
            "the credential is valid, but its scope or workspace does not cover this: check the federation rule",
        )
    scope = sanitize(credential.scope, limit=128) or "not recorded with the login"
    if for_admin and ADMIN_SCOPE not in credential.scope.split():
        hint = f"this needs the scope {ADMIN_SCOPE}: ant auth login --profile admin --scope {ADMIN_SCOPE}"
    elif ADMIN_SCOPE in credential.scope.split():
        hint = f"the scope {ADMIN_SCOPE} covers the Admin API: use the profile of another login, --profile NAME"
    else:
        profile = credential.origin.removeprefix("profile:")
        hint = (
            "the scope or the workspace of the login does not cover this: `ant auth status` shows both, "
            f"`ant auth login --profile {profile}` chooses another workspace"
        )
    return (*facts, f"scope: {scope}"), hint


def broken(response: httpx.Response, problem: str) -> ApiError:
    """Return the error for an answer that began as a success and did not end as one."""
    error = read_error(None, response.headers, sent_secrets(response.request))
    return ApiError(
        f"the answer to {shown_request(response.request)} broke off{error.by_id}: {problem}",
        hint="what came before the break is not all; run again",
        request_id=error.request_id,
    )


def failed(response: httpx.Response, event: Mapping[str, object]) -> ApiError:
    """Return the error for an event of a stream that tells of one."""
    error = read_error(event, response.headers, sent_secrets(response.request))
    return ApiError(
        f"the API failed in the middle of its answer{error.by_id}: {error.said or 'it does not say why'}",
        hint="what came before is not all; run again in a minute",
        request_id=error.request_id,
        body=_named(error),
    )


def _named(error: ErrorAnswer) -> dict[str, str]:
    """Return the fields by their names within the API's own `error`."""
    return {name.removeprefix("error."): value for name, value in error.fields.items()}


def shown_request(request: httpx.Request) -> str:
    return f"{sanitize(request.method, limit=16)} {sanitize(request.url.path)}"


DEADLINE = "ant_wif.deadline"
"""The extension of an open answer that holds the `Deadline` of its connection."""
# A long answer of a model takes minutes.
ANSWER_SECONDS = 600.0
# What may be sent again when it is not known whether it was received (RFC 9110 §9.2.2).
_IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
# A gateway says so when it lost the answer of the server behind it.
_ANSWER_LOST = {502, 504}


@dataclass(frozen=True)
class ApiRequest:
    """`path` is one of the API, or a whole URL of the same host. `body` is JSON unless `headers` say otherwise."""

    method: str
    path: str
    query: Query = ()
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    def build(self, client: httpx.Client, seconds: float | None = None) -> httpx.Request:
        """Return the request, new each time: the one that was sent has the credential of that time.

        `seconds` is how long its answer may take, if it is not the usual time.

        Raises InsecureUrlError: it would go to another host than the client's.
        """
        import httpx

        own = client.base_url
        shown = "the URL with a user name in it" if "@" in self.path else sanitize(self.path)
        seconds = seconds or (TIMEOUT_SECONDS if self.body is None else ANSWER_SECONDS)
        timeout = httpx.Timeout(seconds, connect=min(seconds, TIMEOUT_SECONDS))
        try:
            url = httpx.URL(self.path)
            request = client.build_request(
                self.method, self.path, content=self.body, headers=self.headers, timeout=timeout
            )
            if self.query:
                request.url = request.url.copy_merge_params(list(self.query))
        except UnicodeEncodeError:
            pairs = (f"{name}={value}" for name, value in self.query)
            pair = next(filter(has_surrogates, pairs), None)
            what = shown if pair is None else f"the query field {quoted(pair)}"
            raise InsecureUrlError(f"{what} holds text that is not valid UTF-8", hint=f"correct {what}") from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise InsecureUrlError(
                f"{shown} is not a path of the API: {sanitize(error)}", hint="give a path such as /v1/models"
            ) from None
        stray = url.userinfo or "\\" in self.path or bool(url.netloc) != bool(url.scheme)
        if stray or (request.url.scheme, request.url.netloc) != (own.scheme, own.netloc):
            raise InsecureUrlError(
                f"{shown} is not at {own.scheme}://{own.netloc.decode()}, which the credential is for",
                hint="give a path such as /v1/models, or choose the host with --base-url",
            )
        if self.body is not None:
            request.headers.setdefault("Content-Type", "application/json")
        return request

    def may_repeat(self, outcome: Response | RequestFailure) -> bool:
        """Whether it may be sent again: surely where that does no more than sending it once."""
        if self.method in _IDEMPOTENT:
            return True
        if isinstance(outcome, Response):
            return outcome.status not in _ANSWER_LOST
        return not outcome.maybe_received
