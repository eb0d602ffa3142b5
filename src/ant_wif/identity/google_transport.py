"""google-auth's HTTP transport, stricter and less patient with the metadata server.

https://cloud.google.com/compute/docs/metadata/querying-metadata#parts-of-a-request
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import google.auth.exceptions
import google.auth.transport.requests

from ant_wif.flow import Reply, Unreachable
from ant_wif.retry import is_transient
from ant_wif.secrets import SecretStr

__all__ = ["CheckedRequest", "MetadataServerError", "universe"]

TIMEOUT_SECONDS = 10
_UNIVERSE = "http://metadata.google.internal/computeMetadata/v1/universe/universe-domain"
_DEFAULT_UNIVERSE = "googleapis.com"


class MetadataServerError(google.auth.exceptions.GoogleAuthError):
    """The metadata server cannot answer now. Not a `TransportError`, which google-auth waits out for 15 seconds."""

    def __init__(self, message: str, outcome: Reply | Unreachable) -> None:
        super().__init__(message)  # type: ignore[no-untyped-call]  # google-auth has no types
        self.outcome = outcome


class CheckedRequest(google.auth.transport.requests.Request):
    """Refuses an answer of the metadata server without its header: a captive portal or proxy gave it.

    Asks the metadata server that `environ` names now: google-auth looks only once, when it is imported.
    `status` is that of the last answer, `known` what was handed out as tokens, whatever it is.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        self.status: int | None = None
        self.known: list[SecretStr] = []
        self._host = environ.get("GCE_METADATA_HOST") or environ.get("GCE_METADATA_ROOT")

    def __call__(self, url: str, *arguments: Any, **options: Any) -> Any:
        options["timeout"] = min(options.get("timeout") or TIMEOUT_SECONDS, TIMEOUT_SECONDS)
        self.status = None
        if not urlsplit(url).path.startswith("/computeMetadata/"):
            return self._answered(url, *arguments, **options)
        if self._host:
            url = urlsplit(url)._replace(netloc=self._host).geturl()
        try:
            response = self._answered(url, *arguments, **options)
        except google.auth.exceptions.TransportError as error:
            unreachable = Unreachable(str(error), maybe_received=True, transient=True)
            raise MetadataServerError(f"the metadata server could not be reached: {error}", unreachable) from None
        reply = Reply(response.status, {}, b"")
        if is_transient(reply):
            raise MetadataServerError(f"the metadata server answered HTTP {reply.status}", reply)
        if response.headers.get("metadata-flavor") != "Google":
            raise google.auth.exceptions.InvalidOperation("the answer lacks the header Metadata-Flavor: Google")
        if urlsplit(url).path.endswith("/identity"):
            self.known.append(SecretStr(response.data.decode("utf-8", "replace")))
        return response

    def _answered(self, url: str, *arguments: Any, **options: Any) -> Any:
        response = super().__call__(url, *arguments, **options)  # type: ignore[no-untyped-call]  # google-auth has no types
        self.status = response.status
        return response


def universe(request: CheckedRequest) -> str:
    """Ask under which domain the APIs are. google-auth would, with a transport of its own."""
    response = request(_UNIVERSE, headers={"Metadata-Flavor": "Google"})
    if response.status != 200:
        return _DEFAULT_UNIVERSE
    domain: str = response.data.decode("utf-8", "replace").strip()
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", domain):
        raise google.auth.exceptions.InvalidValue("the metadata server names no domain of Google's APIs")
    return domain
