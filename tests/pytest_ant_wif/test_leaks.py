"""No secret in anything that pytest writes: tests that leak in every way, and a search of all that was written."""

from __future__ import annotations

import json
import re
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from ant_wif.emulator import Emulator

Run = Callable[..., pytest.RunResult]

# Each test leaks by one way what SECRET is; the name of the test says in which place `fail` finds it.
SUITE = """
import logging
import sys
import warnings
from pathlib import Path

import pytest

KINDS = dict(line.split(" ", 1) for line in Path(__file__).with_name("kinds").read_text().splitlines())
KINDS["pem"] = KINDS["pem"].replace("|", "\\n")
every = pytest.mark.parametrize("kind", list(KINDS))


@pytest.fixture
def code(kind):
    return KINDS[kind]

@every
def test_stdout(kind):
    print("the code_verifier=" + KINDS[kind])

@every
def test_stderr(kind):
    print("Authorization: Bearer " + KINDS[kind], file=sys.stderr)

@every
def test_log(kind):
    logging.getLogger("any").warning('{"code": "%s"}', KINDS[kind])

@every
def test_assert(kind):
    code = KINDS[kind]
    assert code == "another", f"code={code}"

@every
def test_raise(kind):
    raise RuntimeError("the code=" + KINDS[kind])

@every
def test_chain(kind):
    try:
        raise ValueError("code='" + KINDS[kind] + "'")
    except ValueError as error:
        raise RuntimeError("something else") from error

@every
def test_locals(kind):
    code = KINDS[kind]
    deep = {"code": code}
    raise RuntimeError("nothing of it in the message")

@every
def test_argument(kind, code):
    raise RuntimeError("nothing of it in the message")

@every
def test_skip(kind):
    pytest.skip("code=" + KINDS[kind])

@every
@pytest.mark.xfail(reason="is expected")
def test_xfail(kind):
    raise RuntimeError("code=" + KINDS[kind])

@every
def test_because(kind):
    pytest.xfail("code=" + KINDS[kind])

@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.xfail(reason="code=" + KINDS[kind])) for kind in KINDS]
)
def test_reason(kind):
    raise RuntimeError("nothing of it in the message")

@every
def test_property(kind, record_property):
    record_property("seen", {"code": KINDS[kind]})

@pytest.fixture
def before(kind):
    print("code=" + KINDS[kind])

@pytest.fixture
def after(kind):
    yield
    print("code=" + KINDS[kind])

@every
def test_setup(kind, before): ...

@every
def test_teardown(kind, after): ...

def test_clean_but_for_attributes(record_testsuite_property):
    record_testsuite_property("token", KINDS["jwt"])

def test_clean_but_for_a_warning():
    warnings.warn("code=" + KINDS["access"])

def test_clean():
    print("exit code=3, secret=False, status_code: 200, the assertion failed, api_key=None, Bearer of news,")
    print("sk-ant-oat01-abc..., [JWT of 700 characters], code = compute_the_3_codes_of_this_run(), token=[masked]")
    print("secret='a/path/of/some/length/2', code: https://example.com/some/page?with=2")
    assert logging
"""
# As plugins and conftests do that write a file of their own.
READS_REPORTS_WHERE_THEY_ARE_MADE = """
import pytest

class Reporter:
    def write(self, report):
        with open("out/made.txt", "a") as file:
            print(vars(report), report.longreprtext, getattr(report, "wasxfail", ""), file=file)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    Reporter().write(report)
    return report

class Wrapper(Reporter):
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self):
        report = yield
        self.write(report)
        return report

class First(Reporter):
    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self):
        self.write((yield).get_result())

def pytest_configure(config):
    config.pluginmanager.register(Wrapper())
    config.pluginmanager.register(First())
"""
PLACES = {
    "stdout": "captured stdout call",
    "stderr": "captured stderr call",
    "log": "captured log call",
    "assert": "the message",
    "raise": "the message",
    "chain": "the message",
    "locals": "a local variable",
    "argument": "the argument code",
    "skip": "the reason",
    "xfail": "the message",
    "because": "the reason",
    "reason": "the reason",
    "property": "the property seen",
    "setup": "captured stdout setup",
    "teardown": "captured stdout teardown",
}
CLEAN = 3  # property of the run, warning, nothing


@pytest.fixture
def kinds(pytester: pytest.Pytester) -> dict[str, str]:
    with Emulator() as emulator:
        login = emulator.login()
        body = "|".join(secrets.token_urlsafe(48) for _ in range(3))
        made = {
            "access": login.access_token,
            "refresh": login.refresh_token,
            "key": emulator.api_key,
            "jwt": emulator.issue(),
            "code": f"{secrets.token_urlsafe(32)}0aA",
            "verifier": f"{secrets.token_urlsafe(64)}0aA",
            "known": "a key of the environment that has no shape",
            "pem": f"-----BEGIN PRIVATE KEY-----|{body}|-----END PRIVATE KEY-----",
        }
    pytester.path.joinpath("kinds").write_text("".join(f"{name} {value}\n" for name, value in made.items()))
    return made


def _pieces(kinds: dict[str, str]) -> set[str]:
    """All that must not be found: of a long secret also a piece from its middle or end."""
    found = set()
    for value in kinds.values():
        for part in value.split("|"):
            if not part.startswith("-----"):
                found |= {part, part[20:36], part[-16:]}
    return {piece for piece in found if len(piece) > 11}


def _assert_nowhere(kinds: dict[str, str], written: list[Path]) -> None:
    for path in written:
        text = path.read_text()
        for piece in _pieces(kinds):
            assert piece not in text, f"{path.name}: {text[max(0, text.index(piece) - 200) :][:400]}"


ALL_REPORTS = (
    "--showlocals", "-ra", "-v", "--junitxml=out/junit.xml", "--report-log=out/report.jsonl", "--log-file=out/run.log",
    "--log-file-level=INFO", "--log-cli-level=INFO", "-o", "log_cli=true", "-o", "cache_dir=out/cache",
    "-o", "junit_logging=all",
)  # fmt: skip


@pytest.mark.parametrize(("leaks", "options"), [("redact", ()), ("fail", ()), ("fail", ("-n", "1"))])
def test_no_secret_is_in_anything_that_is_written(
    leaks: str,
    options: tuple[str, ...],
    pytester: pytest.Pytester,
    run: Run,
    kinds: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", kinds["known"])
    pytester.path.joinpath("out").mkdir()
    suite = SUITE
    if options:  # pytest-xdist cannot record these
        suite = re.sub(
            r"def test_clean_but_for_attributes.*?\n\n", "def test_clean_too(): ...\n\n", SUITE, flags=re.DOTALL
        )
    pytester.makepyfile(suite)
    pytester.makeconftest(READS_REPORTS_WHERE_THEY_ARE_MADE)
    result = run(*("--ant-leaks", leaks, *ALL_REPORTS, *options), plugins=("pytest_reportlog",), cache=True)
    written = [path for path in (pytester.path / "out").rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"junit.xml", "report.jsonl", "run.log", "nodeids", "made.txt"}
    _assert_nowhere(kinds, [*written, pytester.path / ".stdout", pytester.path / ".stderr"])
    assert result.errlines == []
    ET.parse(pytester.path / "out" / "junit.xml")
    failed = _failures(pytester.path / "out" / "report.jsonl")
    if leaks == "redact":
        number = len(kinds)
        result.assert_outcomes(passed=6 * number + CLEAN, failed=5 * number, skipped=number, xfailed=3 * number)
        return
    assert not [name for name in failed if name.startswith("test_clean")]
    for way, place in PLACES.items():
        for kind in kinds:
            messages = failed.pop(f"test_{way}[{kind}]")
            assert len(messages) == 1, (way, kind, messages)
            assert re.fullmatch(rf"a secret leaked into (.*, )?{place}(, .*)? \(--ant-leaks fail\)", messages[0])
            if way in {"stdout", "stderr", "log", "property", "setup", "teardown", "skip"}:
                assert messages[0] == f"a secret leaked into {place} (--ant-leaks fail)"
    assert failed == {}


def _failures(path: Path) -> dict[str, list[str]]:
    """What failed, phase by phase."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record.get("$report_type") == "TestReport" and record["outcome"] == "failed":
            found.setdefault(record["nodeid"].partition("::")[2], []).append(str(record["longrepr"]))
    return found


def test_a_test_that_means_to_show_a_secret_is_left_alone_and_off_leaves_all(
    pytester: pytest.Pytester, run: Run, kinds: dict[str, str]
) -> None:
    pytester.makepyfile(
        """
        from pathlib import Path
        import pytest

        @pytest.mark.ant_allow_secrets
        def test_allowed():
            print(Path(__file__).with_name("kinds").read_text())
        """
    )
    run("--ant-leaks", "fail", "--junitxml=one.xml", "-o", "junit_logging=all", "-n", "1").assert_outcomes(passed=1)
    shown = pytester.path.joinpath("one.xml").read_text()
    assert kinds["access"] in shown
    assert "ant_allow_secrets" not in shown
    pytester.makepyfile("from pathlib import Path\ndef test_one():\n    assert 0, Path('kinds').read_text()")
    assert kinds["access"] in run("--ant-leaks", "off").stdout.str()


def test_the_guard_covers_what_is_printed_uncaptured_and_modules_that_cannot_be_imported(
    pytester: pytest.Pytester, run: Run, kinds: dict[str, str]
) -> None:
    pytester.makepyfile(
        test_one="def test_one():\n    print(open('kinds').readline())",
        test_two="raise RuntimeError(open('kinds').readline())",
    )
    result = run("-s", "--continue-on-collection-errors", "--junitxml=one.xml")
    result.assert_outcomes(passed=1, errors=1)
    _assert_nowhere(kinds, [pytester.path / ".stdout", pytester.path / ".stderr", pytester.path / "one.xml"])
    result.stdout.fnmatch_lines(
        [f"*access {kinds['access'][:16]}...*", f"*RuntimeError: access {kinds['access'][:16]}..."]
    )


def test_the_token_of_the_run_is_masked_though_it_has_no_shape(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "a-static-token-without-any-shape")
    pytester.makepyfile("def test_one(ant_token, ant_headers):\n    assert ant_token == ant_headers")
    result = run("--ant-mode", "live", "--showlocals")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*a-static-token*")
    result.stdout.fnmatch_lines(["*[[]masked]*"])
