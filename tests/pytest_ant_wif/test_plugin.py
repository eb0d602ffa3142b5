"""The plugin as a project that installs it sees it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

import pytest_ant_wif
from ant_wif.emulator import Emulator

Run = Callable[..., pytest.RunResult]


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
def test_credentials_come_from_the_emulator_unless_told_otherwise(
    pytester: pytest.Pytester, run: Run, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(SUITE)
    run("-W", "error", *options).assert_outcomes(passed=2)


@pytest.mark.parametrize("mode", ["live", "auto"])
def test_live_and_auto_use_the_credential_of_the_environment(
    pytester: pytest.Pytester, run: Run, platform: Emulator, job: Callable[[Mapping[str, str]], None], mode: str
) -> None:
    pytester.makepyfile(SUITE)
    job(platform.env("github"))
    run("-W", "error", "--ant-mode", mode).assert_outcomes(passed=2)
    assert platform.exchanges == 1


def test_auto_without_any_credential_uses_the_emulator(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(SUITE)
    run("--ant-mode", "auto").assert_outcomes(passed=2)


def test_live_on_the_command_line_without_any_credential_is_refused_before_a_test_runs(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(SUITE)
    result = run("--ant-mode", "live")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --ant-mode live: no credentials found*", "hint: *"])


def test_the_mode_may_stand_in_the_ini_file_and_fails_only_the_tests_that_use_the_credential(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makeini("[pytest]\nant_mode = live")
    pytester.makepyfile(SUITE, test_other="def test_needs_nothing() -> None: pass")
    result = run()
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*ant_mode is live*no credentials found*", "hint: *"])


def test_an_unknown_mode_is_one_clear_line(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(SUITE)
    run("--ant-mode", "nonsense").stderr.fnmatch_lines(["*invalid choice: *nonsense*"])
    pytester.makeini("[pytest]\nant_mode = nonsense")
    run().stderr.fnmatch_lines(["*ant_mode is 'nonsense'; expected one of emulator, live, auto*"])


def test_the_fixtures_describe_themselves(run: Run) -> None:
    run("--fixtures", "-q").stdout.fnmatch_lines(
        ["ant_emulator*", "*local stand-in*", "ant_credentials*", "*credential to call the API*"]
    )


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    script = "import sys, pytest_ant_wif.plugin; print(*(name.partition('.')[0] for name in sys.modules))"
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(outcome.stdout.split()) & {"pydantic", "httpx", "boto3", "google", "moto", "starlette", "ant_wif"}


def test_the_public_types_can_be_imported_and_are_all_declared() -> None:
    assert sorted(pytest_ant_wif.__all__) == sorted(pytest_ant_wif._MODULES)
    for name in pytest_ant_wif.__all__:
        assert getattr(pytest_ant_wif, name).__module__.startswith("pytest_ant_wif.")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pytest_ant_wif.nonsense  # type: ignore[attr-defined]  # there is none
