"""Ways out of a suite that are no captured line: comparisons that pytest cuts, subtests, streams behind the capture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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
