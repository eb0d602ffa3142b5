"""What `--debug` shows: each request and answer at debug level, every secret in them masked."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ant_wif._secrets import SecretStr, mask, redact

if TYPE_CHECKING:
    import httpx

__all__ = ["log_body", "log_failure", "log_reply", "log_request", "log_response", "sent_secrets"]

log = logging.getLogger("ant_wif.http")


def log_reply(
    url: str, status: int, headers: Mapping[str, str], body: bytes, *, known: Iterable[SecretStr] = ()
) -> None:
    """Log an answer that was read to its end; it may quote secrets that are `known`."""
    log.debug("< %s %s %s", status, redact(url), _shown_headers(headers, known))
    log_body(body, known=known)


def log_body(body: bytes, *, known: Iterable[SecretStr] = ()) -> None:
    """Log the body of an answer, or a part of it."""
    log.debug("< %s", _Scrubbed(body, known))


def log_failure(method: str, url: str, reason: str) -> None:
    """Log that no usable answer came."""
    log.debug("! %s %s: %s", method, redact(url), reason)


def log_request(request: httpx.Request) -> None:
    """Log a request at debug level, every secret in it masked."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug("> %s %s %s", request.method, redact(str(request.url)), _shown_headers(request.headers))
        # A body that is streamed is not ours to consume.
        with contextlib.suppress(Exception):
            if request.content:
                log.debug("> %s", _Scrubbed(request.content))


def log_response(response: httpx.Response) -> None:
    """Log a response's status and headers at debug level, every secret in them masked."""
    if log.isEnabledFor(logging.DEBUG):
        url = redact(str(response.request.url))
        shown = _shown_headers(response.headers, sent_secrets(response.request))
        log.debug("< %s %s %s", response.status_code, url, shown)


def sent_secrets(request: httpx.Request) -> tuple[SecretStr, ...]:
    """Return the credential that a request carried: an answer may quote it, whatever it looks like."""
    found = (request.headers.get(name, "").rpartition(" ")[2] for name in ("authorization", "x-api-key"))
    return tuple(SecretStr(secret) for secret in found if secret)


class _Scrubbed:
    """A body that is decoded and masked only if a handler prints it."""

    def __init__(self, body: bytes, known: Iterable[SecretStr] = ()) -> None:
        self._body = body
        self._known = known

    def __str__(self) -> str:
        return redact(self._body.decode("utf-8", "replace"), self._known)


_SECRET_HEADERS = {"authorization", "x-api-key", "x-identity-header", "proxy-authorization", "cookie", "set-cookie"}


def _shown_headers(headers: Mapping[str, str], known: Iterable[SecretStr] = ()) -> str:
    return " ".join(f"{name.lower()}: {_shown_header(name.lower(), value, known)};" for name, value in headers.items())


def _shown_header(name: str, value: str, known: Iterable[SecretStr]) -> str:
    if name not in _SECRET_HEADERS:
        return redact(value, known)
    scheme, space, credential = value.rpartition(" ")
    # The beginning of a token names its kind; that of a name with a password is the password.
    shown = mask(credential) if scheme.lower() in {"", "bearer"} else f"({len(credential)} characters)"
    return f"{scheme}{space}{shown}"
