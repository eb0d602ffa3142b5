"""The API as one credential may use it: requests, answers, errors that say what to do."""

from __future__ import annotations

import contextlib
import io
import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ant_wif._api.request import (
    DEADLINE,
    PAGE_SIZE,
    ApiRequest,
    Query,
    broken,
    items,
    refusal,
    shown_request,
    split_query,
    unexpected,
)
from ant_wif._http import (
    Backoff,
    Deadline,
    RequestFailure,
    Response,
    client_for,
    http_errors,
    log_body,
    log_request,
    log_response,
    mask_foreign_logs,
    masked_headers,
    proxy_secrets,
    request_failure,
    request_id_of,
    sent_secrets,
    with_issuer,
)
from ant_wif._secrets import SecretBytes, sanitize
from ant_wif._strict import read_json
from ant_wif.errors import ApiError

if TYPE_CHECKING:
    import httpx

    from ant_wif.integrations import ApiCredential

LARGEST_ANSWER = 64 << 20
_LARGEST_REFUSAL = 1 << 20


def _not_the_api(base_url: str = "") -> str:
    return f"check that {base_url or 'the base URL'} names the Claude API, and that no proxy answers in its place"


T = TypeVar("T")


@dataclass(frozen=True)
class ApiResponse:
    """An answer that was read to its end: `headers` in lower case."""

    headers: Mapping[str, str] = field(repr=False)
    content: SecretBytes

    @property
    def body(self) -> bytes:
        return self.content.get_secret_value()

    def document(self) -> object:
        """Return the JSON that the body is. Raises ApiError if it is not JSON."""
        with contextlib.suppress(ValueError):
            return read_json(self.body)
        raise unexpected(self.headers, "the response is not JSON", _not_the_api())


@dataclass(frozen=True)
class BoundTo:
    """What the server says that a credential is bound to; `None` where it does not say."""

    organization_id: str | None
    workspace_id: str | None


class Api:
    """Sends requests with a credential, to its host and to no other; a context manager.

    A failure that may pass is tried again after a pause, as `retry-after` asks or a little longer each time;
    a POST only where the server cannot have begun with it, or says itself that it did not succeed. After a 401
    the token is obtained anew, once. Not for several threads at once.
    """

    def __init__(
        self,
        credentials: ApiCredential,
        *,
        backoff: Callable[[], Backoff] = Backoff,
        sleep: Callable[[float], None] | None = None,
        seconds: float | None = None,
    ) -> None:
        """`seconds` is how long an answer, or each event or line of a stream, may take; by default that depends."""
        self._credentials = credentials
        self._seconds = seconds
        self._backoff = backoff
        self._sleep = time.sleep if sleep is None else sleep
        self._deadline = Deadline()
        self._environ = credentials.environ
        self._of_proxies = list(proxy_secrets(credentials.environ))
        self._client = client_for(
            credentials.base_url,
            credentials.environ,
            self._deadline,
            base_url=credentials.base_url,
            auth=credentials.auth,
            event_hooks={"request": [log_request], "response": [log_response]},
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiResponse:
        """Send a request and read its answer. `body` is JSON, unless `headers` name another content type.

        Raises:
            ApiError: the API refused, failed or could not be reached.
            InsecureUrlError: `path` is a URL of another host.
        """
        outgoing = ApiRequest(method, path, query, body, headers or {})
        return self._succeed(outgoing, lambda request: self._answer(request, outgoing))

    @contextlib.contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[httpx.Response]:
        """Send a request and hand out its answer when the headers are there; see `call`.

        A connection that breaks while the answer is read raises ApiError, too.
        """
        response = self._succeed(ApiRequest(method, path, query, body, headers or {}), self._response)
        response.extensions[DEADLINE] = self._deadline
        problem = None
        try:
            with mask_foreign_logs(sent_secrets(response.request)), contextlib.closing(response):
                yield response
        except http_errors(UnicodeError) as error:
            problem = _unreachable(response.request, error)
            _clear_frames(error)  # it stays the context of what is raised, and holds the answer
        if problem is not None:
            raise broken(response, problem.reason)

    def get(self, path: str, *, query: Query = (), headers: Mapping[str, str] | None = None) -> Mapping[str, object]:
        """Return the JSON object at a path. Raises as `call` does."""
        return self.send("GET", path, query=query, headers=headers)

    def send(
        self,
        method: str,
        path: str,
        document: Mapping[str, object] | bytes | None = None,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, object]:
        """Send a JSON object, if there is one, and return the one that answers. Raises as `call` does."""
        body = json.dumps(document).encode() if isinstance(document, Mapping) else document
        return self._document(method, path, self.call(method, path, query=query, body=body, headers=headers))

    def _document(self, method: str, path: str, answer: ApiResponse) -> Mapping[str, object]:
        found = _object(answer)
        if found is None:
            problem = f"{method} {sanitize(path)} returned something that is not a JSON object"
            raise unexpected(answer.headers, problem, _not_the_api(self._credentials.base_url_from))
        return found

    def items(
        self,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        limit: int | None = None,
        page_size: int | None = PAGE_SIZE,
    ) -> Iterator[Mapping[str, object]]:
        """Yield what a list holds, see `ant_wif._api.request`. Raises as `call` does."""

        bare, given = split_query(path)

        def get(page: Query) -> tuple[Mapping[str, object], Mapping[str, str]]:
            answer = self.call("GET", bare, query=page, headers=headers)
            return self._document("GET", bare, answer), answer.headers

        return items(get, [*given, *query], name=bare, limit=limit, page_size=page_size)

    def bound(self) -> BoundTo:
        """Ask the server for the least there is, and return what it says of the credential. Raises as `call` does."""
        headers = self.call("GET", "/v1/models", query=[("limit", "1")]).headers
        found = (headers.get(f"anthropic-{name}-id") for name in ("organization", "workspace"))
        return BoundTo(*(sanitize(value, limit=64) if value else None for value in found))

    def _succeed(self, outgoing: ApiRequest, attempt: Callable[[httpx.Request], T | Response | RequestFailure]) -> T:
        """Return what the first attempt has that succeeds."""
        backoff = self._backoff()
        while True:
            request = outgoing.build(self._client, self._seconds)
            outcome = attempt(request)
            if not isinstance(outcome, (Response, RequestFailure)):
                return outcome
            delay = backoff.delay(outcome) if outgoing.may_repeat(outcome) else None
            if delay is None and isinstance(outcome, RequestFailure):
                outcome = with_issuer(outcome, str(request.url), self._environ)
            if delay is None:
                raise refusal(request, outcome, self._credentials)
            self._sleep(delay)

    def _response(self, request: httpx.Request) -> httpx.Response | Response | RequestFailure:
        """Send a request, and return the open answer of a success."""
        self._deadline.until = time.monotonic() + float(request.extensions["timeout"]["read"])
        try:
            with mask_foreign_logs(self._of_proxies):
                response = self._client.send(request, stream=True)
            if response.is_success:
                return response
            with contextlib.closing(response):
                content = _read(response, _LARGEST_REFUSAL)
            if isinstance(content, ApiError):
                raise content
        except http_errors(OSError) as error:
            return _unreachable(request, error)
        known = sent_secrets(request)
        log_body(content, known=known)
        return Response(response.status_code, masked_headers(response.headers, known), SecretBytes(content))

    def _answer(self, request: httpx.Request, outgoing: ApiRequest) -> ApiResponse | Response | RequestFailure:
        """Send a request, and return the whole answer of a success."""
        response = self._response(request)
        if isinstance(response, (Response, RequestFailure)):
            return response
        try:
            with contextlib.closing(response):
                return read_answer(response)
        except http_errors(OSError) as error:
            problem = _unreachable(request, error)
        if outgoing.may_repeat(problem):
            return problem
        raise broken(response, problem.reason)


def _object(answer: ApiResponse) -> Mapping[str, object] | None:
    """Return the JSON object that an answer is, in a frame that no error passes: it may quote what was sent."""
    with contextlib.suppress(ApiError):
        found = answer.document()
        return found if isinstance(found, dict) else None
    return None


def media_type(headers: Mapping[str, str]) -> str:
    """Return the kind of an answer, without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    """Whether a media type is that of a JSON document (RFC 8259 §11, RFC 6839 §3.1)."""
    return kind == "application/json" or kind.endswith("+json")


def read_answer(response: httpx.Response) -> ApiResponse:
    """Read an open answer to its end. Raises ApiError where it is too long."""
    content = _read(response, LARGEST_ANSWER)
    if isinstance(content, ApiError):
        raise content
    known = sent_secrets(response.request)
    log_body(content, known=known)
    return ApiResponse(masked_headers(response.headers, known), SecretBytes(content))


def _clear_frames(error: BaseException | None) -> None:
    """Empty the frames that an error passed, and those of what it was raised for: parts of an answer are in both."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def _unreachable(request: httpx.Request, error: Exception) -> RequestFailure:
    seconds_of_silence = float(request.extensions["timeout"]["read"])
    return request_failure(request.method, str(request.url), seconds_of_silence, error, sent_secrets(request))


def _read(response: httpx.Response, most: int) -> bytes | ApiError:
    """Read an answer to its end, or return what is wrong: this frame holds the answer."""
    body = io.BytesIO()  # hands out what it holds without a copy
    known = sent_secrets(response.request)
    with mask_foreign_logs(known):
        for chunk in response.iter_bytes():
            body.write(chunk)
            if body.tell() > most:
                return ApiError(
                    f"the answer to {shown_request(response.request)} is longer than {most} bytes",
                    hint="ask for less at once",
                    request_id=request_id_of(response.headers, known),
                )
    return body.getvalue()
