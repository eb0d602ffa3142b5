"""What the library logs, on stderr."""

from __future__ import annotations

import logging
import time

import click

__all__ = ["debug", "warn_now_and_then"]

_WARNING_SECONDS = 60


def debug() -> None:
    """Print everything, each HTTP request and answer with it."""
    _print_with(logging.StreamHandler(), "%(name)s %(message)s")
    logging.getLogger("ant_wif").setLevel(logging.DEBUG)


def warn_now_and_then() -> None:
    """Print warnings, one a minute at most, for what runs long beside a program whose log this is."""
    _print_with(_NowAndThen(), "ant: warning: %(message)s")


def _print_with(handler: logging.Handler, form: str) -> None:
    logger = logging.getLogger("ant_wif")
    if not logger.handlers:
        handler.setFormatter(logging.Formatter(form))
        logger.addHandler(handler)


class _NowAndThen(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._again_at = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now >= self._again_at:
            self._again_at = now + _WARNING_SECONDS
            click.echo(self.format(record), err=True)
