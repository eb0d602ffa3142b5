"""The transport that google-auth uses here: no proxy, no redirect, and limits in time and size."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import google.auth.exceptions
import google.auth.transport
import google.auth.transport.requests

from ant_wif._environment import elapsed
from ant_wif._http import Request, RequestFailure, Response, is_loopback, is_transient, proxy_secrets, run, send
from ant_wif._secrets import SecretStr

TIMEOUT_SECONDS = 10
_UNIVERSE = "http://metadata.google.internal/computeMetadata/v1/universe/universe-domain"
_DEFAULT_UNIVERSE = "googleapis.com"


class MetadataServerError(google.auth.exceptions.GoogleAuthError):
    """The metadata server cannot answer now. Not a `TransportError`, which google-auth waits out for 15 seconds."""

    def __init__(self, message: str, outcome: Response | RequestFailure) -> None:
        super().__init__(message)  # type: ignore[no-untyped-call]  # google-auth has no types
        self.outcome = outcome


class CheckedRequest(google.auth.transport.requests.Request):
    """Asks the metadata server without a proxy, follows it nowhere, and refuses an answer without its header.

    The server is that which `environ` names now: google-auth looks only once, when it is imported. It is
    asked until `until`, in seconds of `ant_wif._environment.elapsed`, each time for ten seconds at most.
    `status` is that of the last answer, `known` what no message may quote: tokens, and passwords of proxies.
    """

    def __init__(self, environ: Mapping[str, str], until: float) -> None:
        super().__init__()
        self.status: int | None = None
        self.known = list(proxy_secrets(environ))
        self._environ, self._until = environ, until
        self._host = environ.get("GCE_METADATA_HOST") or environ.get("GCE_METADATA_ROOT")

    def __call__(self, url: str, *arguments: Any, **options: Any) -> Any:
        options["timeout"] = min(options.get("timeout") or TIMEOUT_SECONDS, TIMEOUT_SECONDS)
        self.status = None
        if urlsplit(url).path.startswith("/computeMetadata/"):
            response = self._metadata(url, *arguments, **options)
        else:
            if is_loopback(urlsplit(url).hostname or ""):
                options["proxies"] = {"http": "", "https": ""}  # requests would take those of the environment
            response = super().__call__(url, *arguments, **options)  # type: ignore[no-untyped-call]  # google-auth has no types
            self.status = response.status
        return response

    def _metadata(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float,
    ) -> _Answer:
        if self._host:
            url = urlsplit(url)._replace(netloc=self._host).geturl()
        request = Request(
            method,
            url,
            headers or {},
            json=json.loads(body) if body else None,
            timeout=round(max(min(timeout, self._until - elapsed()), 0), 1),
            direct=True,
            # Where the metadata server has certificates, google-auth mounts an adapter that knows them.
            tls=getattr(self.session.get_adapter(url), "ssl_context", None),
        )
        reply = run(send(request), environ=self._environ)
        if isinstance(reply, RequestFailure):
            raise MetadataServerError(f"the metadata server could not be reached: {reply.reason}", reply)
        self.status = reply.status
        if is_transient(reply):
            raise MetadataServerError(f"the metadata server returned HTTP {reply.status}", reply)
        if reply.headers.get("metadata-flavor") != "Google":
            raise google.auth.exceptions.InvalidOperation("the answer lacks the header Metadata-Flavor: Google")
        if urlsplit(url).path.endswith("/identity"):
            self.known.append(SecretStr(reply.body.decode("utf-8", "replace")))
        return _Answer(reply)


@dataclass(frozen=True)
class _Answer(google.auth.transport.Response):
    """A reply, under the names by which google-auth reads one."""

    reply: Response

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.reply.headers

    @property
    def data(self) -> bytes:
        return self.reply.body


def universe(request: CheckedRequest) -> str:
    """Ask under which domain the APIs are. google-auth would, with a transport of its own."""
    response = request(_UNIVERSE, headers={"Metadata-Flavor": "Google"})
    if response.status != 200:
        return _DEFAULT_UNIVERSE
    domain: str = response.data.decode("utf-8", "replace").strip()
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", domain):
        raise google.auth.exceptions.InvalidValue("the metadata server names no domain of Google's APIs")
    return domain
