"""Ways out of a suite that are no captured line: comparisons that pytest cuts, subtests, streams behind the capture."""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import _pytest
import pluggy
import pytest

import pytest_ant_wif

from .conftest import inner_run

Run = Callable[..., pytest.RunResult]

SUITE = """
import pathlib

import pytest

def noted(*secrets):
    with pathlib.Path("secrets.txt").open("a") as file:
        file.writelines(f"{secret}\\n" for secret in secrets)
    return secrets

def test_two_tokens_that_begin_alike(ant_identity_token):
    one, other = noted(ant_identity_token("github"), ant_identity_token("github", sub="repo:x/y:ref:refs/heads/zzz"))
    assert one == other

def test_a_token_and_its_beginning(ant_token):
    noted(ant_token)
    assert ant_token == ant_token[:60] + "Q" * 49

def test_parts_of_a_token(ant_token):
    assert ant_token.split("-") == ["x"]

def test_behind_the_capture(ant_token, capsys):
    with capsys.disabled():
        print(ant_token)

def test_subtests(ant_token, subtests):
    with subtests.test(msg=f"message {ant_token}", token=ant_token):
        print(ant_token)
        assert not ant_token
"""


@pytest.mark.parametrize("option", ["--capture=tee-sys", "-s"])
def test_no_piece_of_a_secret_gets_out(
    option: str, pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(SUITE)
    result = run("-vv", "-l", "--report-log=report.json", "--junitxml=junit.xml", "-p", "pytest_reportlog", option)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    written = "\n".join(
        [result.stdout.str(), result.stderr.str(), Path("report.json").read_text(), Path("junit.xml").read_text()]
    )
    for secret in Path("secrets.txt").read_text().split():
        # Its first 16 characters may be shown, to tell its kind.
        pieces = {secret[start : start + 20] for start in range(16, len(secret) - 20)}
        assert not [piece for piece in pieces if piece in written]


ODD = """
import pytest

class Odd:
    def __str__(self):
        raise RuntimeError("odd")
    __repr__ = __str__

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = pytest.TestReport.from_item_and_call(item, call)
    report.sections = [("odd", 7)]
    report.longrepr = Odd() if call.when == "call" and item.name == "test_b" else None
    report.user_properties = [("x", Odd()), "no pair"]
    return report
"""


@pytest.mark.parametrize("leaks", ["redact", "fail"])
def test_reports_that_the_guard_cannot_read_are_one_warning_and_the_run_goes_on(
    leaks: str, pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makeconftest(ODD)
    pytester.makepyfile("def test_a(): pass\ndef test_b(): pass\ndef test_c(): pass")
    result = run("-p", "no:junitxml", "-W", "error", "--ant-leaks", leaks)
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    result.assert_outcomes(passed=3, warnings=1)
    result.stdout.fnmatch_lines(["*ant-wif: the leak guard failed (*), output may be unmasked*"])


CONFTEST = """
import logging, os, sys
print(os.environ["SEEN"])
logging.basicConfig(level="INFO", stream=sys.stdout)
logging.getLogger().addHandler(logging.StreamHandler())
"""
LOGGING = """
import logging, os
def test_log(ant_token):
    logging.info("a %s and %s", os.environ["SEEN"], ant_token)
    with open("secrets.txt", "w") as file:
        file.write(ant_token)
"""


@pytest.mark.parametrize("uncaptured", ["-s", "-pno:capture"])
def test_handlers_that_a_conftest_makes_of_uncaptured_streams_show_no_secret(
    uncaptured: str, pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = f"sk-ant-oat01-{'EXAMPLE-' * 8}"
    monkeypatch.setenv("SEEN", seen)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(LOGGING)
    result = run(uncaptured, "-v", "-p", "no:logging")
    result.assert_outcomes(passed=1)
    shown = result.stdout.str() + result.stderr.str()
    assert shown.count(seen[:16]) == 3
    assert seen not in shown
    assert Path("secrets.txt").read_text() not in shown
    result.stdout.fnmatch_lines([f"INFO:root:a {seen[:16]}... and [[]masked[]]"])


@pytest.mark.parametrize("option", ["-s", "--capture=fd"])
def test_a_conftest_that_fails_leaves_the_streams_as_they_were(
    option: str, pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makeconftest("import sys\nprint('said, and no line', end='')\nraise RuntimeError('no use')")
    result = run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no use" in result.stderr.str()
    assert result.stdout.str().count("said, and no line") == 1


def test_what_pytest_traces_for_debugging_holds_no_secret(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEN", "hidden")
    pytester.makepyfile(LOGGING + "    assert not ant_token, ant_token\n")
    result = run("--debug=trace.log", "-p", "no:logging")
    result.assert_outcomes(failed=1, warnings=0)
    token, traced = Path("secrets.txt").read_text(), Path("trace.log").read_text()
    assert token[:16] in traced
    assert token[16:40] not in traced


LACKING = """
import pytest

class Writer:
    def __init__(self, writer):
        object.__setattr__(self, "writer", writer)
    def __getattr__(self, name):
        if name == "_file":
            raise AttributeError(name)
        return getattr(self.writer, name)

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reporter._tw = Writer(reporter._tw)
"""


def test_a_pytest_without_what_the_guard_knows_of_it_is_one_warning_and_the_run_goes_on(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makeconftest(LACKING)
    pytester.makepyfile(f"def test_a(): pass\ndef test_b():\n    assert 0, 'sk-ant-oat01-{'EXAMPLE-' * 5}'")
    result = run("-W", "error", "--capture=sys")
    result.assert_outcomes(passed=1, failed=1, warnings=1)
    assert f"EXAMPLE-{'EXAMPLE-' * 3}" not in "\n".join(line for line in result.outlines if line.startswith("E "))


# What the guard uses of pytest and pluggy that is not for others; what the warning says where there is no such thing,
# if anything; and in which file alone a secret may be then.
NOT_PUBLIC: dict[str, tuple[str | None, str | None]] = {
    "_file": ("the terminal", None),
    "_global_capturing": (None, None),
    "_old": (None, None),
    "_other": (None, None),
    "syscapture": (None, None),
    "tmpfile": (None, None),
    "read_global_capture": (None, None),
    "_writer": ("the trace", "trace.log"),
    "setwriter": ("the trace", "trace.log"),
    "log_cli_handler": ("the log", None),
    "log_file_handler": ("the log", "all.log"),
    "global_properties": ("junit XML", "junit.xml"),
}
LEAKS_EVERYWHERE = """
import sys
SEEN = "sk-ant-oat01-" + "EXAMPLE-" * 8
print(SEEN, file=sys.stderr)
def pytest_configure(): print("configured", SEEN)
def pytest_sessionstart(): print("started", SEEN)
def pytest_sessionfinish(): print("finished", SEEN)
def pytest_terminal_summary(terminalreporter): terminalreporter.write_line(f"summary {SEEN}")
"""
TESTS_LEAK_EVERYWHERE = """
import logging, pytest, warnings
SEEN = "sk-ant-oat01-" + "EXAMPLE-" * 8
def test_prints(record_testsuite_property):
    print(SEEN)
    logging.warning(SEEN)
    warnings.warn(SEEN)
    record_testsuite_property("seen", SEEN)
def test_fails():
    print(shown := SEEN)
    assert not shown, shown
def test_skips(): pytest.skip(SEEN)
def test_disables(capsys):
    with capsys.disabled():
        print(SEEN)
"""


def _private_names_used() -> set[str]:
    """Names with an underscore that the plugin looks up in what is not its own, and that pytest or pluggy sets."""
    used, own = set(), set()
    for path in Path(pytest_ant_wif.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                (own if isinstance(node.value, ast.Name) and node.value.id == "self" else used).add(node.attr)
            elif isinstance(node, ast.Call):
                used |= {str(each.value) for each in node.args if isinstance(each, ast.Constant)}
    roots = (Path(module.__file__).parent for module in (_pytest, pluggy))
    sources = [path.read_text() for root in roots for path in root.rglob("*.py")]
    private = {name for name in used - own if re.fullmatch("_[a-z]+(_[a-z]+)*", name)}
    return {name for name in private if any(re.search(rf"self\.{name}\b(:.*)? =", text) for text in sources)}


def test_each_private_attribute_of_pytest_that_the_guard_uses_is_in_the_table() -> None:
    assert {"_file", "_writer"} <= _private_names_used() <= set(NOT_PUBLIC)


@pytest.mark.parametrize("name", NOT_PUBLIC)
def test_a_pytest_with_another_name_for_it_runs_on_and_one_warning_says_what_may_be_unmasked(
    name: str, pytester: pytest.Pytester, run: Run
) -> None:
    for module in (_pytest, pytest, pluggy):  # -m finds them in the current folder first
        package = Path(module.__file__).parent
        for path in Path(shutil.copytree(package, package.name)).rglob("*.py"):
            if re.search(rf"\b{name}\b", text := path.read_text()):
                path.write_text(re.sub(rf"\b{name}\b", f"renamed_{name}", text))
    pytester.makeconftest(LEAKS_EVERYWHERE)
    suite = pytester.makepyfile(TESTS_LEAK_EVERYWHERE)
    guarded, unmasked = NOT_PUBLIC[name]
    written = {file: Path(file) for file in (".stdout", ".stderr", "trace.log", "all.log", "junit.xml")}
    options = ("-l", "-rA", "--debug=trace.log", "--log-file=all.log", "--log-cli-level=INFO", "--junitxml=junit.xml")
    capture = "tee-sys" if name in {"tmpfile", "_other"} else "fd"
    # Its parent has the plugin's libraries and no pytest.
    result = run(*options, f"--capture={capture}", str(suite), heavy="ant")
    result.assert_outcomes(passed=2, failed=1, skipped=1, warnings=2 if guarded else 1)
    said = [line for line in result.outlines if "ant-wif: the leak guard failed" in line]
    assert [line.partition("), ")[2] for line in said] == ([f"{guarded} may be unmasked"] if guarded else [])
    leaked = {file for file, path in written.items() if "EXAMPLE-EXAMPLE" in path.read_text()}
    assert leaked == ({unmasked} if unmasked else set())


FOREIGN = """
import pytest
SEEN = "sk-ant-oat01-" + "EXAMPLE-" * 8

class Problem:
    __slots__ = ("error",)
    def __init__(self, error):
        self.error = error
    def __str__(self):
        return f"the check says {self.error}"
    def toterminal(self, writer):
        writer.line(str(self))

class Check(pytest.Item):
    def runtest(self):
        raise ValueError(SEEN)
    def repr_failure(self, excinfo):
        return Problem(excinfo.value)

class File(pytest.File):
    def collect(self):
        yield Check.from_parent(self, name="check")

def pytest_collect_file(file_path, parent):
    return File.from_parent(parent, path=file_path) if file_path.suffix == ".checked" else None
"""


def test_a_failure_that_another_plugin_describes_in_a_way_of_its_own_shows_no_secret(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makeconftest(FOREIGN)
    Path("a.checked").touch()
    result = run("--junitxml=junit.xml", "--report-log=report.json", "-p", "pytest_reportlog")
    result.assert_outcomes(failed=1)
    for written in (result.stdout.str(), Path("junit.xml").read_text(), Path("report.json").read_text()):
        assert "the check says sk-ant-oat01-EXA..." in written
        assert "EXAMPLE-EXAMPLE" not in written


EXTRA = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "teardown":
        report.extra = {"of the call": ["printed sk-ant-oat01-" + "EXAMPLE-" * 5]}
    return report
"""


def test_what_another_plugin_adds_to_a_report_without_text_holds_no_secret(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makeconftest(EXTRA)
    pytester.makepyfile("def test_a(): pass")
    run("--report-log=report.json", "-p", "pytest_reportlog").assert_outcomes(passed=1)
    written = Path("report.json").read_text()
    assert "of the call" in written
    assert "EXAMPLE-EXAMPLE" not in written


BETWEEN_TESTS = """
SEEN = "sk-ant-oat01-" + "EXAMPLE-" * 8
def pytest_configure(): print("configured with", SEEN)
def pytest_sessionstart(): print("started with", SEEN)
def pytest_sessionfinish(): print("finished with", SEEN)
"""


def test_what_a_conftest_prints_between_tests_shows_no_secret(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makeconftest(BETWEEN_TESTS)
    pytester.makepyfile("def test_one(): pass")
    result = run()
    for moment in ("configured", "started", "finished"):
        result.stdout.fnmatch_lines([f"*{moment} with sk-ant-oat01-EXA..."])
    result.stdout.no_fnmatch_line("*EXAMPLE*")


ENDS_THE_RUN = {
    "a conftest that cannot be imported": "raise ImportError(f'no use: {SEEN}')",
    "a conftest whose exception has a text of its own": """
class Odd(Exception):
    def __str__(self):
        return f"no use: {SEEN}"
raise Odd
""",
    "a conftest whose source holds it": f"raise ImportError('no use' + 'sk-ant-oat01-{'EXAMPLE-' * 4}'[99:])",
    "options": "def pytest_addoption(parser): raise RuntimeError(f'no use: {SEEN}')",
    "a usage error": "import pytest\ndef pytest_configure(): raise pytest.UsageError(f'no use: {SEEN}')",
    "the end of a session": "def pytest_sessionfinish(): raise RuntimeError(f'no use: {SEEN}')",
    "the end of all": "def pytest_unconfigure(): raise RuntimeError(f'no use: {SEEN}')",
}


@pytest.mark.parametrize("conftest", ENDS_THE_RUN.values(), ids=ENDS_THE_RUN)
def test_an_error_that_ends_the_run_shows_no_secret(conftest: str, pytester: pytest.Pytester, run: Run) -> None:
    pytester.makeconftest(f"print(SEEN := 'sk-ant-oat01-' + 'EXAMPLE-' * 8)\n{conftest}")
    pytester.makepyfile("def test_a(): pass")
    for option in ("-s", "--capture=fd"):
        result = run(option)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        shown = result.stdout.str() + result.stderr.str()
        assert "no use" in result.stderr.str()
        assert "EXAMPLE-EXAMPLE" not in shown
    assert "EXAMPLE-EXAMPLE" in run("--ant-leaks=off").stderr.str()


@pytest.mark.parametrize(
    "ends", ["", "def pytest_collection(): raise pytest.UsageError('no use')"], ids=["goes on", "ends"]
)
@pytest.mark.parametrize("capture", ["no", "fd", "sys", "tee-sys"])
def test_a_guard_that_a_conftest_loads_masks_what_is_printed_from_then_on(
    capture: str, ends: str, pytester: pytest.Pytester, clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    loading = f"import pytest\npytest_plugins = ['pytest_ant_wif.plugin']\n{BETWEEN_TESTS}{ends}\n"
    pytester.makeconftest(loading + "def pytest_unconfigure(): print('unconfigured with', SEEN)")
    pytester.makepyfile("def test_one(): pass")
    options = ("-p", "no:cacheprovider", f"--capture={capture}")
    result = inner_run(pytester, (sys.executable, "-m", "pytest", *options))
    for moment in ("configured", "started", "finished", "unconfigured"):
        assert f"{moment} with sk-ant-oat01-EXA..." in result.stdout.str()
    assert "EXAMPLE-EXAMPLE" not in result.stdout.str()


@pytest.mark.parametrize("raised", ["SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("hook", ["", "def pytest_unconfigure(): "], ids=["a conftest", "the end of all"])
def test_an_exit_or_interrupt_that_ends_the_run_stays_one_and_shows_no_secret(
    hook: str, raised: str, pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makeconftest(f"SEEN = 'sk-ant-oat01-' + 'EXAMPLE-' * 8\n{hook}raise {raised}(f'no use: {{SEEN}}')")
    pytester.makepyfile("def test_a(): pass")
    result, unguarded = (run(f"--ant-leaks={value}") for value in ("fail", "off"))
    assert result.ret == unguarded.ret
    assert result.errlines[-1].endswith("no use: sk-ant-oat01-EXA...")
    assert "EXAMPLE-EXAMPLE" not in result.stdout.str() + result.stderr.str()
    assert "EXAMPLE-EXAMPLE" in unguarded.stderr.str()


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_is_shown_in_spite_of_a_conftest_that_fails_with_a_secret(
    option: str, pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makeconftest("raise ImportError('sk-ant-oat01-' + 'EXAMPLE-' * 8)")
    result = run(option)
    assert result.ret == pytest.ExitCode.OK
    assert "EXAMPLE-EXAMPLE" not in result.stdout.str() + result.stderr.str()


def test_an_error_without_a_secret_stays_as_it_is(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makeconftest("def pytest_sessionfinish(): raise RuntimeError('no use')")
    result = run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED  # as Python itself ends
    assert result.errlines[-1] == "RuntimeError: no use"
    pytester.makeconftest("raise RuntimeError('no use')")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines[0].startswith("ImportError while loading conftest")
    assert result.errlines[-1] == "E   RuntimeError: no use"


ENDED = """
import sys

def pytest_runtest_logreport(report):
    raise RuntimeError("another plugin's own")

def pytest_warning_recorded(warning_message):
    print("RECORDED", warning_message.message, file=sys.__stderr__)
"""


def test_a_run_that_another_plugin_ends_with_an_internal_error_does_not_blame_the_guard(
    pytester: pytest.Pytester, clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(ENDED)
    pytester.makepyfile("def test_one(): print('sk-ant-oat01-' + 'EXAMPLE-' * 8)")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = inner_run(pytester, (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "ant_wif"))
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    assert not [line for line in (*result.outlines, *result.errlines) if "RECORDED" in line or "EXAMPLE-EX" in line]


RETRIED = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        attempt = pytest.TestReport.from_item_and_call(item, call)
        attempt.outcome = "retried"
        item.ihook.pytest_runtest_logreport(report=attempt)
    return report

def pytest_report_teststatus(report):
    if report.outcome == "retried":
        return "retried", "R", "RETRY"
"""


def test_an_attempt_that_another_plugin_reports_is_masked_and_not_counted_as_a_failure(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makeconftest(RETRIED)
    pytester.makepyfile("def test_a():\n    assert 0, 'sk-ant-oat01-' + 'EXAMPLE-' * 8")
    result = run("--ant-leaks", "fail", "-rA")
    assert "EXAMPLE-EXAMPLE" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*= 1 failed, 1 retried in *"])
