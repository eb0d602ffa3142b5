"""What is logged of requests and answers, by `--debug` and by other libraries, with every secret in it masked."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ant_wif._secrets import SecretStr, harmless, mask, redact

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("ant_wif.http")


def log_reply(
    url: str, status: int, headers: Mapping[str, str], body: bytes, *, known: Iterable[SecretStr] = ()
) -> None:
    """Log an answer that was read to its end; it may quote secrets that are `known`."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug("< %s %s %s", status, _shown(url), _shown_headers(headers, known))
        # A word that is all of an answer is a token, most likely.
        word = re.fullmatch(rb'\s*"?([\w.~+/=-]{20,})"?\s*', body)
        log_body(body, known=[*known, SecretStr(word[1].decode("ascii"))] if word else known)


def log_body(body: bytes, *, known: Iterable[SecretStr] = ()) -> None:
    """Log the body of an answer, or a part of it."""
    log.debug("< %s", _Scrubbed(body, known))


def log_failure(method: str, url: str, reason: str) -> None:
    """Log that no usable answer came."""
    log.debug("! %s %s: %s", method, _shown(url), _shown(reason))


def log_request(request: httpx.Request, *, known: Iterable[SecretStr] = ()) -> None:
    """Log a request at debug level, every secret in it masked."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug("> %s %s %s", request.method, _shown(str(request.url)), _shown_headers(request.headers, known))
        # A body that is streamed is not ours to consume.
        with contextlib.suppress(Exception):
            if request.content:
                log.debug("> %s", _Scrubbed(request.content, known))


def log_response(response: httpx.Response) -> None:
    """Log a response's status and headers at debug level, every secret in them masked."""
    if log.isEnabledFor(logging.DEBUG):
        url = _shown(str(response.request.url))
        shown = _shown_headers(response.headers, sent_secrets(response.request))
        log.debug("< %s %s %s", response.status_code, url, shown)


def sent_secrets(request: httpx.Request) -> tuple[SecretStr, ...]:
    """Return the credential that a request carried: an answer may quote it, whatever it looks like."""
    found = (request.headers.get(name, "").rpartition(" ")[2] for name in ("authorization", "x-api-key"))
    return tuple(SecretStr(secret) for secret in found if secret)


class _Scrubbed:
    """A body that is decoded and masked only if a handler prints it, and once for all that do."""

    def __init__(self, body: bytes, known: Iterable[SecretStr] = ()) -> None:
        self._body = body
        self._known = known

    def __str__(self) -> str:
        return self._text

    @functools.cached_property
    def _text(self) -> str:
        return harmless(redact(self._body.decode("utf-8", "replace"), self._known), lines=True)


_SECRET_HEADERS = {"authorization", "x-api-key", "x-identity-header", "proxy-authorization", "cookie", "set-cookie"}


def _shown_headers(headers: Mapping[str, str], known: Iterable[SecretStr] = ()) -> str:
    return " ".join(
        f"{_shown(name.lower())}: {_shown_header(name.lower(), value, known)};" for name, value in headers.items()
    )


def _shown_header(name: str, value: str, known: Iterable[SecretStr]) -> str:
    if name not in _SECRET_HEADERS:
        return _shown(value, known)
    if "cookie" in name:
        return f"({len(value)} characters)"
    scheme, space, credential = value.rpartition(" ")
    # The beginning of a token names its kind; that of a name with a password is the password.
    shown = mask(credential) if scheme.lower() in {"", "bearer"} else f"({len(credential)} characters)"
    return f"{harmless(scheme)}{space}{shown}"


def _shown(text: str, known: Iterable[SecretStr] = ()) -> str:
    return harmless(redact(text, known))


# Libraries that log what they send and receive. The loggers meant are those of their modules.
_FOREIGN = {
    "azure", "boto3", "botocore", "google", "grpc", "h11", "h2", "hpack", "httpcore", "httpx", "httpx2", "msal",
    "requests", "requests_oauthlib", "spiffe", "urllib3",
}  # fmt: skip
_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


@contextlib.contextmanager
def mask_foreign_logs(known: Sequence[SecretStr] = ()) -> Iterator[None]:
    """Mask meanwhile what other libraries log, whatever the level and the handler.

    `known` is read at each record, so the caller may add to it. Enter this when the library is imported.
    """
    _foreign_logs.enter(known)
    try:
        yield
    finally:
        _foreign_logs.leave(known)


class _ForeignLogs(logging.Filter):
    """Stands in front of every handler while at least one call is under way; levels and handlers stay as they are.

    It masks for the whole process, because a library may log in threads of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._known: list[Sequence[SecretStr]] = []
        self._filtered: set[logging.Logger] = set()

    def enter(self, known: Sequence[SecretStr]) -> None:
        found = list(logging.Logger.manager.loggerDict.items())
        with self._lock:
            self._known.append(known)
            for name, logger in found:
                if name.partition(".")[0] not in _FOREIGN or not isinstance(logger, logging.Logger):
                    continue
                if logger not in self._filtered:
                    self._filtered.add(logger)
                    logger.filters.insert(0, self)

    def leave(self, known: Sequence[SecretStr]) -> None:
        with self._lock:
            del self._known[next(at for at, each in enumerate(self._known) if each is known)]
            if not self._known:
                for logger in self._filtered:
                    logger.removeFilter(self)
                self._filtered.clear()

    def filter(self, record: logging.LogRecord) -> bool:
        known = [secret for each in list(self._known) for secret in list(each)]
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - logging would print the arguments along with its complaint
            text = f"{type(record.msg).__name__} that cannot be formatted"
        record.msg, record.args = redact(text, known), ()
        if record.exc_info and record.exc_info[0]:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_info, record.exc_text = None, redact(record.exc_text, known)
        for name in vars(record).keys() - _PLAIN:
            setattr(record, name, _masked(getattr(record, name), known))
        return True


_foreign_logs = _ForeignLogs()


def _masked(value: object, known: Sequence[SecretStr], name: object = None) -> object:
    """Return what a record has beside its text; `name` is the key under which it stands."""
    if isinstance(value, Mapping):
        return {key: _masked(each, known, key) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(each, known, name) for each in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    labelled = f'"{name}": "{text}"'
    if name is not None and redact(labelled) != labelled:
        return "[masked]"
    shown = redact(text, known)
    return shown if shown != text else value
