"""The transport that google-auth uses here: no redirect, and limits in time and size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import google.auth.exceptions
import google.auth.transport
import google.auth.transport.requests

from ant_wif._environment import elapsed
from ant_wif._http import Request, RequestFailure, Response, is_transient, proxy_secrets, run, send
from ant_wif._secrets import SecretBytes, SecretStr, wrap_secrets

TIMEOUT_SECONDS = 10
_UNIVERSE = "http://metadata.google.internal/computeMetadata/v1/universe/universe-domain"
_DEFAULT_UNIVERSE = "googleapis.com"


class MetadataServerError(google.auth.exceptions.GoogleAuthError):
    """The metadata server cannot answer now. Not a `TransportError`, which google-auth waits out for 15 seconds."""

    def __init__(self, message: str, outcome: Response | RequestFailure) -> None:
        super().__init__(message)  # type: ignore[no-untyped-call]  # google-auth has no types
        self.outcome = outcome


class CheckedRequest(google.auth.transport.requests.Request):
    """Asks within our limits, and the metadata server without a proxy; refuses its answer without its header.

    The server is that which `environ` names now: google-auth looks only once, when it is imported. All are
    asked until `until`, in seconds of `ant_wif._environment.elapsed`, each time for ten seconds at most.
    `status` is that of the last answer, `known` what no message may quote: tokens, and passwords of proxies.
    """

    def __init__(self, environ: Mapping[str, str], until: float) -> None:
        super().__init__()
        self.status: int | None = None
        self.known = list(proxy_secrets(environ))
        self._environ, self._until = environ, until
        self._host = environ.get("GCE_METADATA_HOST") or environ.get("GCE_METADATA_ROOT")
        self._authorities = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> _Answer:
        self.status = None
        is_metadata = urlsplit(url).path.startswith("/computeMetadata/")
        if is_metadata and self._host:
            url = urlsplit(url)._replace(netloc=self._host).geturl()
        request = Request(
            method,
            url,
            cast("dict[str, str | SecretStr]", wrap_secrets(dict(headers or {}))),
            content=SecretBytes(body) if body else None,
            timeout=round(max(min(timeout or TIMEOUT_SECONDS, TIMEOUT_SECONDS, self._until - elapsed()), 0), 1),
            ca_file=Path(self._authorities) if self._authorities and not is_metadata else None,
            # Where the metadata server has certificates, google-auth mounts an adapter that knows them.
            tls=getattr(self.session.get_adapter(url), "ssl_context", None) if is_metadata else None,
            known=tuple(self.known),
            direct=is_metadata,
        )
        reply = run(send(request), environ=self._environ)
        if isinstance(reply, Response):
            self.status = reply.status
        if is_metadata:
            self._check_metadata(url, reply)
        if isinstance(reply, RequestFailure):
            raise google.auth.exceptions.TransportError(reply.reason)
        return _Answer(reply)

    def _check_metadata(self, url: str, reply: Response | RequestFailure) -> None:
        if isinstance(reply, RequestFailure):
            raise MetadataServerError(f"the metadata server could not be reached: {reply.reason}", reply)
        if is_transient(reply) or reply.is_redirect:
            said = reply.error(self.known).said
            raise MetadataServerError(f"the metadata server returned HTTP {reply.status}: {said}", reply)
        if reply.headers.get("metadata-flavor") != "Google":
            raise google.auth.exceptions.InvalidOperation("the answer lacks the header Metadata-Flavor: Google")
        if urlsplit(url).path.endswith("/identity"):
            self.known.append(SecretStr(reply.body.decode("utf-8", "replace")))


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
