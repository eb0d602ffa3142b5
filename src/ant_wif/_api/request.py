"""A request to the API before it is sent: to which host it may go, and whether it may be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ant_wif._api.pagination import Query
from ant_wif._http import TIMEOUT_SECONDS, RequestFailure, Response
from ant_wif._secrets import clean
from ant_wif.errors import InsecureUrlError

if TYPE_CHECKING:
    import httpx

__all__ = ["ApiRequest"]

# A long answer of a model takes minutes.
ANSWER_SECONDS = 600.0
# What may be sent again when nobody knows whether it was received (RFC 9110 §9.2.2).
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

    def build(self, client: httpx.Client) -> httpx.Request:
        """Return the request, new each time: the one that was sent has the credential of that time.

        Raises:
            InsecureUrlError: it would go to another host than the client's.
        """
        import httpx

        own = client.base_url
        shown = "the URL with a user name in it" if "@" in self.path else clean(self.path)
        timeout = httpx.Timeout(TIMEOUT_SECONDS if self.body is None else ANSWER_SECONDS, connect=TIMEOUT_SECONDS)
        try:
            url = httpx.URL(self.path)
            request = client.build_request(
                self.method, self.path, content=self.body, headers=self.headers, timeout=timeout
            )
            if self.query:
                request.url = request.url.copy_merge_params(list(self.query))
        except (httpx.InvalidURL, UnicodeError) as error:
            raise InsecureUrlError(
                f"{shown} is no path of the API: {clean(error)}", hint="give a path such as /v1/models"
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
