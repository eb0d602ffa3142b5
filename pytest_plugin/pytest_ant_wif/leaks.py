"""The leak guard: no secret in what pytest writes.

Everything that pytest reports of a test passes `pytest_runtest_logreport` on its way to the terminal, to
junit XML, to the report log, or to the controller of pytest-xdist; it is cleaned there, before anybody
else sees it. What reaches the terminal or a log file by another way is cleaned as it is written.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

import pytest

__all__ = ["ALLOWED", "LeakGuard"]

ALLOWED = "ant_allow_secrets"

# What has none of these cannot have the shape of a secret; most texts end here.
_MARKS = (
    "sk-ant-",
    "eyJ",
    "PRIVATE KEY",
    "earer ",
    "earer\\t",
    "_token",
    "assertion",
    "secret",
    "api_key",
    "api-key",
    "code",
)
# pytest cuts long strings in the middle; what is behind the cut is part of the secret, too.
_CUT = re.compile(r"(?:sk-ant-|eyJ)[A-Za-z0-9_.\-]*?\.\.\.[A-Za-z0-9_.\-]+")
_DEEPEST = 12


class LeakGuard:
    """Masks secrets, those it was told of and those that have the shape of one; with `fail`, names the tests."""

    def __init__(self, config: pytest.Config, *, fail: bool) -> None:
        self._config = config
        self._fail = fail
        self._known: dict[str, None] = {}
        self._undo: list[Callable[[], None]] = []

    def know(self, secret: str) -> None:
        """Remember a secret, unless its shape gives it away."""
        if secret and not secret.startswith(("sk-ant-", "eyJ")):
            self._known[secret] = None

    def clean(self, text: str) -> str:
        """Return `text` with every secret masked."""
        if not any(mark in text for mark in _MARKS) and not any(known in text for known in self._known):
            return text
        from ant_wif.secrets import SecretStr, scrub

        text = _CUT.sub(lambda found: f"{found.group()[:16]}...", text)
        return scrub(text, [SecretStr(known) for known in self._known])

    # --- reports ------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """With `fail`, turn the report of a test that leaked into a failure that says where."""
        report = cast("pytest.TestReport", (yield))
        if item.get_closest_marker(ALLOWED) is not None:
            report.user_properties = [*report.user_properties, (ALLOWED, "true")]
        elif self._fail and report.outcome != "skipped":
            places = sorted(set(self._leaks_of(report)))
            if places:
                report.outcome = "failed"
                report.longrepr = f"a secret leaked into {', '.join(places)} (--ant-leaks fail)"
        return report  # type: ignore[return-value]  # pluggy's wrappers return the result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if (ALLOWED, "true") in report.user_properties:
            report.user_properties = [pair for pair in report.user_properties if pair[0] != ALLOWED]
            return
        self._clean_report(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._clean_report(report)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_parametrize_id(self, val: object) -> Iterator[None]:
        """A parameter becomes part of the test's name, which stands everywhere."""
        made = cast("str | None", (yield))
        if made is None and isinstance(val, str) and self.clean(val) != val:
            made = self.clean(val)
        return self.clean(made) if isinstance(made, str) else made  # type: ignore[return-value]  # as above

    def _leaks_of(self, report: pytest.TestReport) -> Iterator[str]:
        for title, content in report.sections:
            if self.clean(content) != content:
                yield title.lower()
        shown = str(report.longrepr) if report.longrepr is not None else ""
        if self.clean(shown) != shown:
            yield "the traceback, its message or its locals"
        for name, value in report.user_properties:
            if self.clean(str(value)) != str(value):
                yield f"the property {name}"

    def _clean_report(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        report.sections = [(title, self.clean(content)) for title, content in report.sections]
        if isinstance(report.longrepr, tuple):
            path, line, reason = report.longrepr
            report.longrepr = (path, line, self.clean(reason))
        elif isinstance(report.longrepr, str):
            report.longrepr = self.clean(report.longrepr)
        elif report.longrepr is not None:
            self._clean_object(report.longrepr, _DEEPEST)
        if isinstance(report, pytest.TestReport):
            report.user_properties = [
                (name, self.clean(value) if isinstance(value, str) else value) for name, value in report.user_properties
            ]

    def _clean_object(self, shown: Any, depth: int) -> None:
        """Clean every text in a representation of an exception, in place: chains, entries, locals, arguments."""
        if depth == 0 or not hasattr(shown, "__dict__"):
            return
        for name, value in list(vars(shown).items()):
            cleaned = self._cleaned(value, depth - 1)
            if cleaned is not value:
                # Some of pytest's representations are frozen.
                object.__setattr__(shown, name, cleaned)

    def _cleaned(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, (list, tuple)):
            made = [self._cleaned(each, depth) for each in value]
            return made if isinstance(value, list) else tuple(made)
        if type(value).__module__.startswith("_pytest."):
            self._clean_object(value, depth)
        return value

    # --- what is written by another way -------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Clean the terminal, live logs and the log file as they are written; `caplog` sees what was logged."""
        manager = self._config.pluginmanager
        if manager.has_plugin("terminalreporter"):
            writer = self._config.get_terminal_writer()
            self._replace(writer, "_file", _CleanFile(writer._file, self.clean))
        if self._config.getoption("capture") == "no":
            for name in ("stdout", "stderr"):
                self._replace(sys, name, _CleanFile(getattr(sys, name), self.clean))
        plugin = manager.get_plugin("logging-plugin")
        for name in ("log_cli_handler", "log_file_handler"):
            handler = getattr(plugin, name, None)
            if isinstance(handler, logging.Handler):
                self._replace(handler, "formatter", _CleanFormatter(handler.formatter, self.clean))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Clean what junit XML says of the run as a whole."""
        for plugin in self._config.pluginmanager.get_plugins():
            properties = getattr(plugin, "global_properties", None)
            if isinstance(properties, list):
                properties[:] = [(name, self.clean(str(value))) for name, value in properties]

    def pytest_unconfigure(self) -> None:
        while self._undo:
            self._undo.pop()()

    def _replace(self, owner: Any, name: str, value: object) -> None:
        before = getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, before))


class _CleanFile:
    """A text file through which no secret passes."""

    def __init__(self, file: TextIO, clean: Callable[[str], str]) -> None:
        self._wrapped = file
        self._clean = clean

    def write(self, text: str) -> int:
        self._wrapped.write(self._clean(text))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._wrapped, name)


class _CleanFormatter(logging.Formatter):
    def __init__(self, formatter: logging.Formatter | None, clean: Callable[[str], str]) -> None:
        super().__init__()
        self._wrapped = formatter or logging.Formatter()
        self._clean = clean

    def format(self, record: logging.LogRecord) -> str:
        return self._clean(self._wrapped.format(record))

    def __getattr__(self, name: str) -> object:
        return getattr(self._wrapped, name)
