"""What is wrong is said in one clear line, by pytest's own means; it never trips over it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from ant_wif.emulator import Emulator

from .conftest import inner_run

Run = Callable[..., pytest.RunResult]
Say = Callable[..., str]

SUITE = """
import pytest

def test_needs_a_credential(ant_token): ...

def test_needs_none(): ...

@pytest.mark.ant_live
def test_live(ant_token): ...
"""


@pytest.fixture
def refusal(clean: None, pytester: pytest.Pytester) -> Say:
    """Run the inner suite in this process, which it refuses to begin; return the line that says why."""

    def say(*options: str) -> str:
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", *options)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "collected" not in str(result.stdout)
        said = [
            line for line in [*result.outlines, *result.errlines] if "rror: " in line.lower() and "usage: " not in line
        ]
        assert "INTERNALERROR" not in str(result.stdout) + str(result.stderr)
        assert "Traceback" not in str(result.stdout) + str(result.stderr)
        assert len(said) == 1, said
        return said[0].partition("rror: ")[2] or said[0].partition("ERROR: ")[2]

    return say


def test_live_mode_that_was_demanded_without_a_credential(pytester: pytest.Pytester, refusal: Say) -> None:
    pytester.makepyfile(SUITE)
    said = refusal("--ant-mode", "live")
    assert said == "--ant-mode live: no credentials found"


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_tests_that_need_a_credential_where_there_is_none(
    options: tuple[str, ...], pytester: pytest.Pytester, run: Run
) -> None:
    """The mode of the ini file demands nothing of a machine: what needs no credential runs."""
    pytester.makeini("[pytest]\nant_mode = live")
    pytester.makepyfile(SUITE)
    result = run("-rsE", *options)
    result.assert_outcomes(errors=1, passed=1, skipped=1)
    for line in (
        "ERROR *test_needs_a_credential - *ant_mode is live, and there is no credential: no credentials found*",
        "SKIPPED * needs a real credential: no credentials found",
    ):
        result.stdout.fnmatch_lines([line])
    if options:
        return
    # The emulator is no real credential; what is said with `--ant-mode emulator` is in the sample project's test.
    result = run("-rs", "--ant-mode", "auto")
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * needs a real credential: no credentials found"])


def test_words_that_are_no_choice(pytester: pytest.Pytester, refusal: Say) -> None:
    for option in "--ant-mode", "--ant-leaks":
        assert "invalid choice: 'nonsense'" in refusal(option, "nonsense")
        assert "expected one argument" in refusal(option)
    for key, choices in {"ant_mode": "emulator, live, auto", "ant_leaks": "redact, fail, off"}.items():
        for value in "nonsense", "LIVE", "fail off":
            pytester.makeini(f"[pytest]\n{key} = {value}")
            assert refusal() == f"{key} is {value!r}; expected one of {choices}"


def test_a_profile_that_there_is_not(pytester: pytest.Pytester, refusal: Say) -> None:
    pytester.makepyfile(SUITE)
    for name, said in {
        "nowhere": "the profile 'nowhere' does not exist",
        "../up": "--ant-profile is not a valid profile name",
        "": "--ant-profile is not a valid profile name",
    }.items():
        line = refusal("--ant-mode", "live", "--ant-profile", name)
        assert line.startswith("--ant-mode live: ")
        assert said in line


def test_another_plugin_with_the_same_names(pytester: pytest.Pytester, refusal: Say) -> None:
    pytester.makepyfile(
        takes_the_name="""
        def pytest_addoption(parser, pluginmanager):
            pluginmanager.register(object(), "ant_wif_leaks")
        """,
        takes_the_option="""
        def pytest_addoption(parser):
            parser.addoption("--ant-mode")
        """,
    )
    pytester.syspathinsert()
    assert refusal("-p", "takes_the_name") == (
        "another plugin is called ant_wif_leaks: give it another name, or use --ant-leaks off"
    )
    # pytest 8 finds out only after the plugins have declared their options, and shows a traceback of its own.
    if pytest.version_tuple >= (9,):
        assert refusal("-p", "takes_the_option").startswith("another plugin has an option of ant-wif: ")


def test_the_plugin_may_be_loaded_twice_and_with_all_plugins_of_this_machine(
    pytester: pytest.Pytester, clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("def test_one(ant_token, ant_client, tmp_path): ...")
    options = ("-W", "error", "-o", "asyncio_default_fixture_loop_scope=function")
    workers = ("-n", "1") if find_spec("xdist") else ()
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={pytester.path / '.base'}")
    inner_run(pytester, [*command, *options, *workers, "-p", "pytest_ant_wif.plugin"], None).assert_outcomes(passed=1)
    pytester.makeconftest("pytest_plugins = ['pytest_ant_wif.plugin']")
    # Without the plugins that the option `-o` is for.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    inner_run(pytester, [*command, "-W", "error", "-p", "ant_wif"]).assert_outcomes(passed=1)


def test_a_token_endpoint_that_cannot_be_reached(
    pytester: pytest.Pytester, run: Run, single_use: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    single_use()
    pytester.makepyfile("def test_one(ant_token): ...")
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        result = run("--ant-mode", "live", "-n", "1")
        result.assert_outcomes(errors=1)
        (line,) = [line for line in result.outlines if line.startswith("ERROR ")]
        assert f"the token endpoint {url}/v1/oauth/token could not be used" in line


def test_a_rule_that_denies_says_why_in_one_line(
    pytester: pytest.Pytester, run: Run, platform: Emulator, single_use: Callable[[], None]
) -> None:
    single_use()
    platform.update_rule("github", archived=True)
    pytester.makepyfile("def test_one(ant_token): ...\ndef test_two(ant_client):\n    ant_client.get('/v1/models')")
    result = run("--ant-mode", "live")
    result.assert_outcomes(errors=1, failed=1)
    assert len([line for line in result.outlines if line.startswith(("ERROR ", "FAILED ")) and "401" in line]) == 2
