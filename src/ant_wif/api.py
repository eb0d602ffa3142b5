"""The API as one credential may use it: requests, answers, errors that say what to do."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ant_wif.errors import ApiError, InsecureUrlError
from ant_wif.flow import TIMEOUT_SECONDS, Reply, Unreachable
from ant_wif.paging import PAGE_SIZE, Query, items
from ant_wif.refusals import refusal, request_id_of, shown_request
from ant_wif.retry import Backoff
from ant_wif.secrets import clean
from ant_wif.transport import USER_AGENT, unreachable
from ant_wif.wiretap import log_body, log_request, log_response

if TYPE_CHECKING:
    import httpx

    from ant_wif.credentials import Credentials

__all__ = ["Answer", "Api", "Bound", "Query"]

# A long answer of a model takes minutes.
ANSWER_SECONDS = 600.0
LARGEST_ANSWER = 64 << 20
_LARGEST_REFUSAL = 1 << 20
# What may be sent again when nobody knows whether it was received (RFC 9110 §9.2.2).
_IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}


@dataclass(frozen=True)
class Answer:
    """An answer that was read to its end: `headers` in lower case."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        """Whether it says so (RFC 8259 §11, RFC 6839 §3.1)."""
        return self.media_type == "application/json" or self.media_type.endswith("+json")

    def document(self) -> object:
        """Return the JSON that the body is. Raises ValueError where it is none."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("it is nested too deep") from None


@dataclass(frozen=True)
class Bound:
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
        credentials: Credentials,
        *,
        backoff: Callable[[], Backoff] = Backoff,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import httpx

        self._backoff = backoff
        self._sleep = sleep
        self._client = httpx.Client(
            base_url=credentials.base_url,
            auth=credentials.auth,
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
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
    ) -> Answer:
        """Send a request and read its answer. `body` is JSON, unless `headers` name another content type.

        Raises:
            ApiError: the API refused, failed or could not be reached.
            InsecureUrlError: `path` is a URL of another host.
        """
        with self.open(method, path, query=query, body=body, headers=headers) as response:
            return self.read(response)

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
        import httpx

        response = self._sent(method, path, query, body, headers or {})
        problem = None
        try:
            with contextlib.closing(response):
                yield response
        except httpx.HTTPError as error:
            request = response.request
            problem = unreachable(request.method, str(request.url), _patience(request), error)
        if problem is not None:
            raise ApiError(
                f"the answer to {shown_request(request)} broke off: {problem.reason}",
                hint="what came before the break is not all; run again",
                request_id=request_id_of(response.headers),
            )

    def read(self, response: httpx.Response) -> Answer:
        """Read an open answer to its end. Raises ApiError where it is too long."""
        content = _read(response, LARGEST_ANSWER)
        log_body(content)
        return Answer(dict(response.headers), content)

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
        answer = self.call(method, path, query=query, body=body, headers=headers)
        with contextlib.suppress(ValueError):
            found = answer.document()
            if isinstance(found, dict):
                return found
        raise ApiError(
            f"{method} {clean(path)} was answered with something that is no JSON object",
            hint="check that ANTHROPIC_BASE_URL names the Claude API, and that no proxy answers in its place",
        )

    def items(
        self,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        limit: int | None = None,
        page_size: int | None = PAGE_SIZE,
    ) -> Iterator[Mapping[str, object]]:
        """Yield what a list holds, see `ant_wif.paging`. Raises as `call` does."""

        def get(page: Query) -> Mapping[str, object]:
            return self.get(path, query=page, headers=headers)

        return items(get, query, name=path, limit=limit, page_size=page_size)

    def bound(self) -> Bound:
        """Ask the server for the least there is, and return what it says of the credential. Raises as `call` does."""
        headers = self.call("GET", "/v1/models", query=[("limit", "1")]).headers
        found = (headers.get(f"anthropic-{name}-id") for name in ("organization", "workspace"))
        return Bound(*(clean(value, limit=64) if value else None for value in found))

    def _sent(
        self, method: str, path: str, query: Query, body: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Return the open answer of a success."""
        request = self._request(method, path, query, body, headers)
        backoff = self._backoff()
        while True:
            outcome = self._attempt(request)
            if not isinstance(outcome, (Reply, Unreachable)):
                return outcome
            delay = backoff.delay(outcome) if _may_repeat(method, outcome) else None
            if delay is None:
                raise refusal(request, outcome)
            self._sleep(delay)

    def _attempt(self, request: httpx.Request) -> httpx.Response | Reply | Unreachable:
        import httpx

        try:
            response = self._client.send(request, stream=True)
            if response.is_success:
                return response
            with contextlib.closing(response):
                content = _read(response, _LARGEST_REFUSAL)
        except httpx.HTTPError as error:
            return unreachable(request.method, str(request.url), _patience(request), error)
        log_body(content)
        return Reply(response.status_code, dict(response.headers), content)

    def _request(
        self, method: str, path: str, query: Query, body: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Request:
        import httpx

        own = self._client.base_url
        try:
            url = httpx.URL(path)
            timeout = httpx.Timeout(TIMEOUT_SECONDS if body is None else ANSWER_SECONDS, connect=TIMEOUT_SECONDS)
            request = self._client.build_request(method, path, content=body, headers=headers, timeout=timeout)
            if query:
                request.url = request.url.copy_merge_params(list(query))
        except (httpx.InvalidURL, UnicodeError) as error:
            raise InsecureUrlError(
                f"{clean(path)} is no path of the API: {clean(error)}", hint="give a path such as /v1/models"
            ) from None
        stray = url.userinfo or "\\" in path or (url.netloc and not url.scheme) or (url.scheme and not url.netloc)
        if stray or (request.url.scheme, request.url.netloc) != (own.scheme, own.netloc):
            raise InsecureUrlError(
                f"{clean(path)} is not at {own.scheme}://{own.netloc.decode()}, which the credential is for",
                hint="give a path such as /v1/models, or choose the host with --base-url",
            )
        if body is not None:
            request.headers.setdefault("Content-Type", "application/json")
        return request


def _may_repeat(method: str, outcome: Reply | Unreachable) -> bool:
    if isinstance(outcome, Reply):
        return outcome.headers.get("x-should-retry") != "false"
    return not outcome.maybe_received or method in _IDEMPOTENT


def _patience(request: httpx.Request) -> float:
    """Return the seconds of silence after which an answer is given up."""
    return float(request.extensions["timeout"]["read"])


def _read(response: httpx.Response, most: int) -> bytes:
    """Read an answer to its end. Raises ApiError where it is too long."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > most:
            raise ApiError(
                f"the answer to {shown_request(response.request)} is longer than {most} bytes",
                hint="ask for less at once",
            )
    return bytes(body)
