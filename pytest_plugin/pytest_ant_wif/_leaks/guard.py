"""The leak guard: no secret in what pytest writes.

A report of a test is cleaned where it is made, and what others add to it is cleaned when it is logged: on its way to
the terminal, to junit XML, to the report log, or to the controller of pytest-xdist. What reaches the terminal or a log
file by another way is cleaned as it is written.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ant_wif._leaks.reports import VARIABLES, is_bare, parts_of, subtest_of
from pytest_ant_wif._leaks.writers import CleanFile, CleanFormatter, CleanStream
from pytest_ant_wif._options import is_marked, is_worker
from pytest_ant_wif._safety import never_raises, warn_once

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_ant_wif._leaks.masking import Masking

    Reporting = Generator[None, pytest.TestReport, pytest.TestReport]

ALLOWED = "ant_allow_secrets"
_MARK = (ALLOWED, "true")
_SHORTEST = 10  # characters of the shortest text that is ever masked, in part or whole
_LONG = 4096  # characters from which a text is remembered that has no mark of a secret
_REMEMBERED = 16
_INNERMOST = 3  # frames shown of an error that ends the run
_ACCUSED = "a secret leaked into "
_COUNTED = ("passed", "failed", "skipped")  # others are attempts that another plugin makes again
# What pytest itself needs to tell reports apart, and what is cleaned in a way of its own.
_KEPT = {
    "sections", "nodeid", "_id", "location", "outcome", "when", "longrepr", "user_properties", "result", "keywords",
}  # fmt: skip
# Where pytest keeps the reason of an expected failure until it writes it into the report.
_EXPECTED: pytest.StashKey[Any] = getattr(sys.modules.get("_pytest.skipping"), "xfailed_key", pytest.StashKey())


class LeakGuard:
    """Masks secrets, those it was told of and those that have the shape of one; with `fail`, names the tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.fails = False
        self._knows = False
        self._item: object = None
        self._allowed = False
        self._accusation = ""
        self._leaked: list[str] = []
        self._judged: object = None
        self._cassettes_are_clean = False
        self._free_of_marks: list[str] = []
        self._streams: list[CleanStream] = []
        self._undo: list[Callable[[], None]] = []
        for name in VARIABLES:
            if os.environ.get(name):
                self.know(os.environ[name])

    def __dir__(self) -> list[str]:
        """Return the hooks: pytest looks at each name twice, in every run."""
        return [name for name in vars(LeakGuard) if name.startswith("pytest_")]

    @cached_property
    def _masking(self) -> Masking:
        """Made on first use: it reads everything that any suite writes, and most has nothing to mask."""
        from pytest_ant_wif._leaks.masking import Masking

        return Masking()

    def know(self, secret: str) -> None:
        """Remember a secret."""
        self._masking.know(secret)
        self._knows = True

    def clean(self, text: str) -> str:
        """Return `text` with every secret masked."""
        if len(text) < _SHORTEST:  # as most of what the terminal is told of a test that passes
            return text
        try:
            return self._masking.clean(text) if self._may_leak(text) else text
        except Exception as error:  # noqa: BLE001 - as in `never_raises`
            warn_once(self._config, error)
            return text

    def leaks(self, *values: object) -> bool:
        """Whether the text of one of these holds a secret."""
        return any(self.clean(text) != text for text in map(str, values))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise a UsageError with the masked text in place of an error that holds a secret; an exit stays one."""
        try:
            yield
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            shown = self._shown(error)
            if shown is None:
                raise
            raise shown from None

    @never_raises
    def _shown(self, error: BaseException) -> BaseException | None:
        # Of an exit, Python shows the text alone.
        if not self.leaks(error if isinstance(error, SystemExit) else "".join(traceback.format_exception(error))):
            return None
        for kind in (SystemExit, KeyboardInterrupt):
            if isinstance(error, kind):
                return kind(self.clean(str(error)))
        if isinstance(error, pytest.UsageError):
            return pytest.UsageError(self.clean("\n".join(map(str, error.args))))
        return pytest.UsageError(self.clean("".join(traceback.format_exception(error, limit=-_INNERMOST))))

    @cached_property
    def _look(self) -> Callable[[str], bool]:
        from ant_wif._secrets import may_hold_secret

        return may_hold_secret

    def _may_leak(self, text: str) -> bool:
        if self._knows or len(text) < _LONG:
            return self._knows or self._look(text)
        # A report repeats what was printed, and passes here several times; the terminal writes it without its end.
        if any(known.startswith(text) for known in self._free_of_marks):
            return False
        if self._look(text):
            return True
        self._free_of_marks = [text, *self._free_of_marks[: _REMEMBERED - 1]]
        return False

    @contextmanager
    def _knowing(self, parts: Sequence[str]) -> Iterator[None]:
        """Know meanwhile what these parts of a report label as a secret."""
        before = self._knows
        with self._masking.knowing("\n".join(parts)) as found:
            self._knows = before or found
            yield
        self._knows = before

    # --- assertions -------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    @never_raises
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Note whether this test means to show secrets."""
        self._item, self._allowed = item, is_marked(item, ALLOWED)
        self._accusation = ""
        self._clean_cassettes()

    @pytest.hookimpl(tryfirst=True)
    @never_raises
    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> list[str] | None:
        """Explain a comparison of secrets without a difference, whose lines begin in the middle of one."""
        if self._allowed:
            return None
        try:
            shown = [repr(left), repr(right)]
        except Exception:  # noqa: BLE001  # pytest says what is wrong with it
            return None
        if not self.leaks(*shown):
            return None
        return [f"{self.clean(shown[0])} {op} {self.clean(shown[1])}", "(no difference is shown: it holds a secret)"]

    # --- reports ------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Reporting:
        """Clean a report where it is made: wrappers of other plugins read it before it is logged."""
        report = yield
        may_be_expected = call.when == "call" and item.stash.get(_EXPECTED, None)
        if may_be_expected or self._allowed or item is not self._item or not is_bare(report):
            self._clean_where_it_is_made(item, call, report)
        return report

    @never_raises
    def _clean_where_it_is_made(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> None:
        self._leaked = []
        if is_marked(item, ALLOWED):
            report.user_properties = [*report.user_properties, _MARK]
            return
        if parts := self._suspicious(report):
            with self._knowing(parts):
                if self.fails:
                    self._leaked = list(self._leaks_of(report))
                self._clean_report(report)
        self._judged = report.longrepr
        # pytest writes the reason of an expected failure into the report later.
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, pytest.xfail.Exception):
            self._clean_reason(error, "msg")
        elif (error or call.when == "call") and (expected := item.stash.get(_EXPECTED, None)):
            self._clean_reason(expected, "reason")

    def _clean_reason(self, holder: object, name: str) -> None:
        reason = str(getattr(holder, name))
        if self.leaks(reason):
            self._leaked.append("the reason")
            object.__setattr__(holder, name, self.clean(reason))  # frozen

    @never_raises
    def judge(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Make a failure of a report that holds a secret, or held one before it was cleaned."""
        leaked, self._leaked = self._leaked, []
        if is_bare(report) or is_marked(item, ALLOWED):
            return
        if (parts := self._suspicious(report)) or leaked:
            with self._knowing(parts):
                self._accuse(report, leaked)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Iterator[None]:
        """Clean what was added to a report since it was made, as the output of a subtest; that may be a leak, too.

        Reports that come from a worker or a forked process are cleaned again.
        """
        for stream in self._streams:
            stream.release()
        if not is_bare(report):
            self._clean_before_it_is_seen(report)
        return (yield)

    @never_raises
    def _clean_before_it_is_seen(self, report: pytest.TestReport) -> None:
        if _MARK in report.user_properties:
            if not is_worker(self._config):  # the controller has to know it, too
                report.user_properties = [pair for pair in report.user_properties if pair != _MARK]
        elif parts := self._suspicious(report):
            with self._knowing(parts):
                if self.fails and report.outcome in _COUNTED and not str(report.longrepr).startswith(_ACCUSED):
                    self._accuse(report)
                self._clean_report(report)

    def _suspicious(self, report: pytest.TestReport | pytest.CollectReport) -> list[str]:
        """The parts of a report that may hold a secret; of most there are none, and nothing is to be cleaned."""
        return [part for part in parts_of(report, self._judged) if self._may_leak(part)]

    @pytest.hookimpl(tryfirst=True)
    @never_raises
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Clean what is said of a module that cannot be imported."""
        if not is_bare(report) and self._suspicious(report):
            self._clean_report(report)

    @pytest.hookimpl(tryfirst=True)
    @never_raises
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Clean a warning; the report log holds them, too."""
        text = str(warning_message.message)
        if self.leaks(text):
            warning_message.message = UserWarning(self.clean(text))

    def _leaks_of(self, report: pytest.TestReport) -> Iterator[str]:
        leaks = self.leaks
        for title, content in report.sections:
            # A report repeats what was captured in the phases before.
            if title.endswith(f" {report.when}") and leaks(content):
                yield title.lower()
        if isinstance(report.longrepr, (str, tuple)):
            if leaks(report.longrepr):
                yield "the reason" if report.skipped else "the message"
        elif report.longrepr is not None:
            yield from self._leaks_of_traceback(report.longrepr)
        if leaks(getattr(report, "wasxfail", "")):
            yield "the reason"
        if leaks(subtest_of(report)):
            yield "the description of a subtest"
        if report.when == "call" or report.failed:
            for name, value in report.user_properties:
                if leaks(name, value):
                    yield f"the property {self.clean(name)}"

    def _leaks_of_traceback(self, shown: Any) -> Iterator[str]:
        leaks = self.leaks
        if leaks(getattr(getattr(shown, "reprcrash", None), "message", "")):
            yield "the message"
        chain = getattr(shown, "chain", None) or [(getattr(shown, "reprtraceback", None), None, None)]
        for part, crash, _ in chain:
            if leaks(getattr(crash, "message", "")):
                yield "the message"
            for entry in getattr(part, "reprentries", ()):
                if leaks("\n".join(getattr(getattr(entry, "reprlocals", None), "lines", ()))):
                    yield "a local variable"
                for name, value in getattr(getattr(entry, "reprfuncargs", None), "args", ()):
                    if leaks(value):
                        yield f"the argument {name}"
                lines = getattr(entry, "lines", ())
                if leaks("\n".join(line for line in lines if not line.startswith("E "))):
                    yield "the source shown in the traceback"
        if leaks(shown):
            yield "the traceback"

    def _accuse(self, report: pytest.TestReport, before: Sequence[str] = ()) -> None:
        """Make a failure of a report that holds a secret, or held one `before` it was cleaned, at these places."""
        found = dict.fromkeys([*before, *self._leaks_of(report)])
        places = [each for each in found if each != "the traceback"] or list(found)
        if not places:
            return
        if report.failed:
            report.sections.append(("what the test itself failed with", self.clean(str(report.longrepr))))
        if hasattr(report, "wasxfail"):
            del report.wasxfail
        report.outcome = "failed"
        report.longrepr = self._accusation = f"{_ACCUSED}{', '.join(places)} (--ant-leaks fail)"

    def _clean_report(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        report.sections = [(self.clean(title), self.clean(content)) for title, content in report.sections]
        self._masking.clean_object(report, kept=_KEPT)
        if isinstance(report.longrepr, tuple):
            path, line, reason = report.longrepr
            report.longrepr = (path, line, self.clean(reason))
        elif isinstance(report.longrepr, str):
            report.longrepr = self.clean(report.longrepr)
        elif report.longrepr is not None and self._may_leak(str(report.longrepr)):
            self._masking.clean_object(report.longrepr)
            if self.leaks(report.longrepr):  # another plugin's, whose parts only it knows
                report.longrepr = self.clean(str(report.longrepr))
        if isinstance(report, pytest.TestReport):
            report.user_properties = [(self.clean(name), self._plain(value)) for name, value in report.user_properties]

    def _plain(self, value: object) -> object:
        """Return the value of a property as it is, or as masked text."""
        return self.clean(str(value)) if self.leaks(value) else value

    # --- what is written by another way -------------------------------------------------------------

    @partial(never_raises, guarded="standard output")
    def cover_streams(self) -> None:
        """Clean standard output and error where they are not captured, also for handlers that keep them.

        That is with `-s`, for `capsys.disabled()` and between tests, or what is captured and shown. pytest puts back
        what it finds when it begins to capture, and this is done before.
        """
        for file in ("stdout", "stderr"):
            self._cover(sys, file)

    @partial(never_raises, guarded="standard output")
    def cover_captured_streams(self) -> None:
        """Cover what pytest puts back, for a guard that came too late: a conftest loaded it."""
        if isinstance(sys.stdout, CleanStream) and isinstance(sys.stderr, CleanStream):
            return
        capturing = self._capturing()
        for name, file in (("out", "stdout"), ("err", "stderr")):
            capture = None if capturing is None else getattr(capturing, name)
            if capture is None:
                self._cover(sys, file)
                continue
            owner = getattr(capture, "syscapture", capture)
            is_shown = getattr(sys, file) is owner._old
            self._cover(owner, "_old")
            if is_shown:  # until pytest captures again
                self._replace(sys, file, owner._old)
            if self._config.known_args_namespace.capture == "tee-sys":
                self._cover(capture.tmpfile, "_other")

    def _cover(self, owner: Any, name: str) -> None:
        file = getattr(owner, name)
        if file is not None and not isinstance(file, CleanStream):
            self._streams.append(CleanStream(file, self.clean))
            self._replace(owner, name, self._streams[-1])

    @partial(never_raises, guarded="the trace")
    def cover_trace(self) -> None:
        """Clean what `pytest --debug` writes of each call of a hook."""
        tracer = self._config.trace.root
        writer = tracer._writer
        if writer is not None:
            self.clean("sk-ant-oat01-")  # what is imported on first use would be traced itself, and lead here again
            tracer.setwriter(lambda text: writer(self.clean(text)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Clean the terminal, live logs and the log file as they are written; `caplog` sees what was logged."""
        self._clean_terminal()
        self.cover_captured_streams()
        self._clean_logs()
        self._clean_teamcity()
        if self._config.pluginmanager.has_plugin("allure_listener"):
            self._clean_allure()

    @partial(never_raises, guarded="the log")
    def _clean_logs(self) -> None:
        plugin = self._part("logging-plugin", "logging")
        for name in ("log_file_handler", "log_cli_handler") if plugin else ():
            handler = getattr(plugin, name)
            self._replace(handler, "formatter", CleanFormatter(handler.formatter, self.clean))

    @never_raises
    def _clean_teamcity(self) -> None:
        """Clean each value before it is escaped: teamcity-messages notes both sides of a comparison by itself."""
        messages: Any = getattr(getattr(self._config, "_teamcityReporting", None), "teamcity", None)
        if type(messages).__module__ == "teamcity.messages":
            escape = messages.escapeValue
            self._replace(messages, "escapeValue", lambda value: escape(self.clean(messages.decode(value))))

    @never_raises
    def _clean_allure(self) -> None:
        from pytest_ant_wif._leaks.allure import clean_allure

        clean_allure(self._config, self._clean_unless_allowed, self._clean_item, self._replace)

    @never_raises
    def _clean_item(self, item: Any) -> None:
        if not self._allowed and self._may_leak(repr(item)):
            self._masking.clean_object(item)
        if self._accusation:
            from pytest_ant_wif._leaks.allure import show_as_failed

            show_as_failed(item, self._accusation)

    def _clean_unless_allowed(self, text: str) -> str:
        return text if self._allowed else self.clean(text)

    @pytest.hookimpl(optionalhook=True)
    def pytest_recording_configure(self) -> None:
        """Clean the cassettes of pytest-recording, too, which imports vcrpy for the first one."""
        self._clean_cassettes()

    @never_raises
    def _clean_cassettes(self) -> None:
        if not self._cassettes_are_clean and "vcr.cassette" in sys.modules:
            from pytest_ant_wif._leaks.cassettes import clean_cassettes

            self._cassettes_are_clean = True
            clean_cassettes(self._clean_unless_allowed, self._replace)

    @pytest.hookimpl(optionalhook=True, trylast=True)
    @never_raises
    def pytest_benchmark_update_json(self, output_json: dict[str, object]) -> None:
        """Clean what pytest-benchmark saves, in which `extra_info` is the test's own."""
        if self._may_leak(shown := repr(output_json)):
            with self._knowing([shown]):
                output_json.update(self._masking.clean_value(output_json))

    @partial(never_raises, guarded="the terminal")
    def _clean_terminal(self) -> None:
        if self._part("terminalreporter", "terminal") is None:
            return
        writer = self._config.get_terminal_writer()
        # Not the stream that stands in its place: what it is about to write is shown at once.
        file = writer._file.shown if isinstance(writer._file, CleanStream) else writer._file
        self._replace(writer, "_file", CleanFile(file, self.clean))

    @pytest.hookimpl(tryfirst=True)
    @partial(never_raises, guarded="junit XML")
    def pytest_sessionfinish(self) -> None:
        """Clean what junit XML says of the run as a whole."""
        values = [getattr(plugin, "global_properties", None) for plugin in self._config.pluginmanager.get_plugins()]
        found = [value for value in values if isinstance(value, list)]
        if not found and self._config.getoption("xmlpath", None) and not is_worker(self._config):
            raise AttributeError("global_properties")
        for properties in found:
            properties[:] = [(name, self.clean(str(value))) for name, value in properties]

    @never_raises
    def put_back(self) -> None:
        """Put back what was replaced."""
        for stream in self._streams:
            stream.flush()
        while self._undo:
            self._undo.pop()()

    @never_raises
    def show_captured(self) -> None:
        """Show what was captured and not shown, as pytest does next: the run ended before a test could begin."""
        if self._capturing() is not None:  # an internal error has ended it
            manager = self._part("capturemanager", "capture")
            manager.suspend_global_capture()
            for stream, text in zip((sys.stdout, sys.stderr), manager.read_global_capture(), strict=True):
                stream.write(self.clean(text))

    def _capturing(self) -> Any:
        manager = self._part("capturemanager", "capture")
        return None if manager is None else manager._global_capturing

    def _part(self, name: str, module: str) -> Any:
        """Return a part of pytest, or None where an option such as `-p no:logging` leaves it out."""
        plugins = self._config.pluginmanager
        found = plugins.get_plugin(name)
        if found is None and plugins.has_plugin(module):
            raise LookupError(name)
        return found

    def _replace(self, owner: Any, name: str, value: object) -> None:
        before = getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, before))


class LeakJudge:
    """Makes failures of the leaks that the guard found, when pytest has said what it makes of a test."""

    def __init__(self, guard: LeakGuard) -> None:
        self._guard = guard

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Reporting:
        report = yield
        self._guard.judge(item, report)
        return report
