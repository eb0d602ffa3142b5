"""The plugin as a project that installs it sees it."""

from __future__ import annotations

import os
import subprocess
import sys

import jwt.algorithms
import pytest

from ant_wif.emulator import Emulator

# pytester forgets the modules that a test imports; cryptography does not outlive being imported twice.
assert jwt.algorithms


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
    """No variable of the machine that runs these tests takes part; HOME is pytester's own."""
    for prefix in ("ANTHROPIC_", "ANT_", "GITHUB_", "ACTIONS_"):
        for name in [name for name in os.environ if name.startswith(prefix)]:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(pytester.path))


SUITE = """
    import httpx
    import ant_wif

    def test_lists_models(ant_credentials: ant_wif.Credentials) -> None:
        with httpx.Client(base_url=ant_credentials.base_url, auth=ant_credentials.auth) as client:
            assert client.get("/v1/models").status_code == 200

    def test_is_the_same_credential(ant_credentials: ant_wif.Credentials) -> None:
        assert ant_credentials.token()
"""


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
@pytest.mark.usefixtures("clean")
def test_credentials_come_from_the_emulator_unless_told_otherwise(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider", *options)
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("mode", ["live", "auto"])
@pytest.mark.usefixtures("clean")
def test_live_and_auto_use_the_credential_of_the_environment(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    pytester.makepyfile(SUITE)
    with Emulator() as platform:
        for name, value in platform.env("github").items():
            monkeypatch.setenv(name, value)
        result = pytester.runpytest_subprocess("-W", "error", "--ant-mode", mode)
        result.assert_outcomes(passed=2)
        assert platform.exchanges == 1


@pytest.mark.usefixtures("clean")
def test_auto_without_any_credential_uses_the_emulator(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    pytester.runpytest_subprocess("--ant-mode", "auto").assert_outcomes(passed=2)


@pytest.mark.usefixtures("clean")
def test_live_without_any_credential_says_what_is_missing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("--ant-mode", "live")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*--ant-mode live: no credentials found*", "*hint: *"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


@pytest.mark.usefixtures("clean")
def test_the_mode_may_stand_in_the_ini_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nant_mode = live")
    pytester.makepyfile(SUITE)
    pytester.runpytest_subprocess().assert_outcomes(errors=2)


@pytest.mark.usefixtures("clean")
def test_an_unknown_mode_is_one_clear_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    by_option = pytester.runpytest_subprocess("--ant-mode", "nonsense")
    by_option.stderr.fnmatch_lines(["*invalid choice: *nonsense*"])
    pytester.makeini("[pytest]\nant_mode = nonsense")
    by_ini = pytester.runpytest_subprocess()
    by_ini.stderr.fnmatch_lines(["*ant_mode is 'nonsense'; expected one of emulator, live, auto*"])
    by_ini.stdout.no_fnmatch_line("*INTERNALERROR*")


@pytest.mark.usefixtures("clean")
def test_the_fixtures_describe_themselves(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--fixtures", "-q")
    result.stdout.fnmatch_lines(
        ["ant_emulator*", "*local stand-in*", "ant_credentials*", "*credential to call the API*"]
    )


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    script = "import sys, pytest_ant_wif.plugin; print(*(name.partition('.')[0] for name in sys.modules))"
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(outcome.stdout.split()) & {"pydantic", "httpx", "boto3", "google", "moto", "starlette", "ant_wif"}
