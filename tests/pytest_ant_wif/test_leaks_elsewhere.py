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


@pytest.mark.parametrize("options", [(), ("--capture=tee-sys",), ("-s",)], ids=["captured", "teed", "not captured"])
def test_no_piece_of_a_secret_gets_out(
    options: tuple[str, ...], pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(SUITE)
    result = run("-vv", "-l", "--report-log=report.json", "--junitxml=junit.xml", "-p", "pytest_reportlog", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    written = "\n".join(
        [result.stdout.str(), result.stderr.str(), Path("report.json").read_text(), Path("junit.xml").read_text()]
    )
    for secret in Path("secrets.txt").read_text().split():
        # Its first 16 characters may be shown, to tell its kind.
        pieces = {secret[start : start + 20] for start in range(16, len(secret) - 20)}
        assert not [piece for piece in pieces if piece in written]
