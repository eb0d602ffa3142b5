"""google-auth's HTTP transport, with one more check: who answers for the metadata server must say that it is one.

https://cloud.google.com/compute/docs/metadata/querying-metadata#parts-of-a-request
"""

from __future__ import annotations

from typing import Any

import google.auth.exceptions
import google.auth.transport.requests

__all__ = ["checked_request"]

TIMEOUT_SECONDS = 10


class CheckedRequest(google.auth.transport.requests.Request):
    """Refuses an answer of the metadata server without its header: a captive portal or proxy gave it."""

    def __call__(self, url: str, *arguments: Any, **options: Any) -> Any:
        options["timeout"] = min(options.get("timeout") or TIMEOUT_SECONDS, TIMEOUT_SECONDS)
        response = super().__call__(url, *arguments, **options)  # type: ignore[no-untyped-call]  # google-auth has no types
        if "/computeMetadata/" in url and response.headers.get("metadata-flavor") != "Google":
            raise google.auth.exceptions.InvalidOperation("the answer lacks the header Metadata-Flavor: Google")
        return response


def checked_request() -> CheckedRequest:
    """Make a transport with a session of its own."""
    return CheckedRequest()
