"""What the library logs, on stderr."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

import click

_WARNING_SECONDS = 60
_LOGGER = logging.getLogger("ant_wif")
_before: list[tuple[int, list[logging.Handler]]] = []


def debug() -> None:
    """Print everything, each HTTP request and answer with it, until `stop`."""
    _print_with(_Now(), "%(name)s %(message)s")
    _LOGGER.setLevel(logging.DEBUG)


def stop() -> None:
    """Leave logging as it was before: the process may belong to another program, and its stderr may have changed."""
    while _before:
        level, handlers = _before.pop()
        _LOGGER.setLevel(level)
        _LOGGER.handlers[:] = handlers


def warn() -> None:
    """Print warnings, until `stop`. Python would print them too, but as they are."""
    _print_with(NowAndThen(seconds=0), "warning: %(message)s")


def warn_now_and_then() -> None:
    """Print warnings, one a minute at most, for what runs long beside a program whose log this is."""
    _print_with(NowAndThen(), "ant: warning: %(message)s")


def _print_with(handler: logging.Handler, form: str) -> None:
    _before.append((_LOGGER.level, _LOGGER.handlers[:]))
    _LOGGER.handlers[:] = [other for other in _LOGGER.handlers if not isinstance(other, NowAndThen)]
    if not _LOGGER.handlers:
        handler.setFormatter(_Formatter(form))
        _LOGGER.addHandler(handler)


def try_to_say(line: str) -> None:
    """Print a line to stderr, if anybody still reads there."""
    try:
        click.echo(line, err=True)
    except OSError:
        fall_silent(sys.stderr)


def fall_silent(*streams: TextIO | None) -> None:
    """Discard further output: the reader has closed it, and Python would warn when it closes the stream."""
    for stream in filter(None, streams):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Formatter(logging.Formatter):
    """Writes what is only to be shown."""

    def format(self, record: logging.LogRecord) -> str:
        from ant_wif._secrets import harmless

        return harmless(super().format(record), lines=True)


class _Now(logging.Handler):
    """Prints to stderr while its reader is there: Python would end with 120 for what is left to write."""

    def emit(self, record: logging.LogRecord) -> None:
        try_to_say(self.format(record))


class NowAndThen(logging.Handler):
    """Prints a warning to stderr unless one was printed less than `seconds` ago, by `clock`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, seconds: float = _WARNING_SECONDS) -> None:
        super().__init__(logging.WARNING)
        self._seconds = seconds
        self._clock = clock
        self._again_at = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Print it, or not."""
        now = self._clock()
        if now >= self._again_at:
            self._again_at = now + self._seconds
            try_to_say(self.format(record))
