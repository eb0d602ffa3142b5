"""The plugin beside other plugins, the real ones, alone and together: `make neighbours` installs and runs them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., pytest.RunResult]

pytestmark = pytest.mark.neighbours

SEEN = "sk-ant-oat01-" + "EXAMPLE-" * 8

SUITE = """
import logging

import pytest

SEEN = "sk-ant-oat01-" + "EXAMPLE-" * 8

def noted(secret):
    with open("secrets.txt", "a") as file:
        file.write(f"{secret}\\n")
    return secret

@pytest.mark.parametrize("turn", range(4))
def test_prints(turn, ant_token):
    print(noted(ant_token), SEEN)
    logging.getLogger("any").warning("%s", ant_token)

@pytest.mark.xfail(strict=True, reason="is meant to")
def test_fails(ant_token):
    shown = noted(ant_token)
    assert shown == SEEN, shown

def test_skips():
    pytest.skip(SEEN)

def test_records(record_property, ant_token):
    record_property("token", noted(ant_token))

def test_client(ant_client, ant_emulator):
    ant_emulator.reply("scripted")
    assert ant_client.get("/v1/models").status_code == 200

@pytest.mark.anyio
async def test_async(ant_async_client):
    assert (await ant_async_client.get("/v1/models")).status_code == 200

@pytest.mark.parametrize("value", [1, 2])
@pytest.mark.ant_platform("gitlab")
def test_platform(ant_platform, ant_cli, value):
    assert noted(ant_platform.credentials().token())
    assert ant_cli("auth", "status").exit_code == 0
"""
PASSED = 10  # anyio runs its test on asyncio and on trio

# The plugins by the names of their entry points, and the options that have them do something.
NEIGHBOURS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pytest-asyncio": (("pytest_asyncio.plugin",), ("-o", "asyncio_default_fixture_loop_scope=function")),
    "pytest-randomly": (("randomly",), ()),
    "pytest-cov": (("pytest_cov",), ("--cov=json", "--cov-report=xml:out/coverage.xml")),
    "pytest-timeout": (("timeout",), ("--timeout=200",)),
    "pytest-rerunfailures": (("rerunfailures",), ("--reruns=1",)),
    "pytest-sugar": (("sugar",), ("--force-sugar",)),
    "pytest-mock": (("pytest_mock",), ()),
    "pytest-html": (("metadata", "pytest_html.plugin", "html_fixtures"), ("--html=out/report.html",)),
    "allure-pytest": (("allure_pytest",), ("--alluredir=out/allure",)),
    "pytest-nunit": (("nunit",), ("--nunitxml=out/nunit.xml",)),
    "pytest-azurepipelines": (("nunit", "azurepipelines"), ()),
    "teamcity-messages": (("pytest-teamcity",), ("--teamcity",)),
    "pytest-recording": (("recording",), ("--record-mode=none",)),
    "pytest-json-report": (("metadata", "pytest_jsonreport"), ("--json-report", "--json-report-file=out/report.json")),
    "pytest-reportlog": (("pytest_reportlog",), ("--report-log=out/report.jsonl",)),
    "pytest-bdd": (("pytest-bdd",), ("--cucumberjson=out/cucumber.json",)),
    "pytest-env": (("env",), ("-o", "env=ANTHROPIC_API_KEY=not-for-the-emulator")),
    "pytest-socket": (("pytest_socket",), ("--disable-socket", "--allow-hosts=127.0.0.1,::1", "--allow-unix-socket")),
    "inline-snapshot": (("inline_snapshot",), ()),
    "syrupy": (("syrupy",), ()),
    "respx": (("respx",), ()),
    "pytest-httpx": (("pytest_httpx",), ()),
    "pytest-freezer": (("freezer",), ()),
    "time-machine": (("time_machine",), ()),
}


def _assert_clean(result: pytest.RunResult) -> None:
    secrets = {SEEN, *Path("secrets.txt").read_text().split()}
    written = [Path(".stdout"), Path(".stderr"), *Path("out").rglob("*")]
    for path in written:
        text = path.read_bytes().decode("latin-1") if path.is_file() else ""
        assert "the leak guard failed" not in text
        for secret in secrets:
            assert secret[16:40] not in text, path


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_a_suite_passes_beside_each_and_no_token_is_in_what_they_write(
    neighbour: str, pytester: pytest.Pytester, run: Run
) -> None:
    _check(pytester, run, [neighbour])


def test_a_suite_passes_beside_all_of_them(pytester: pytest.Pytester, run: Run) -> None:
    # But for pytest-sugar, which fails beside teamcity-messages by itself: that one makes pytest verbose.
    _check(pytester, run, [each for each in NEIGHBOURS if each != "pytest-sugar"])


def _check(pytester: pytest.Pytester, run: Run, neighbours: list[str]) -> None:
    pytester.makepyfile(SUITE)
    Path("out").mkdir()
    plugins = list(dict.fromkeys(["anyio", *(name for each in neighbours for name in NEIGHBOURS[each][0])]))
    options = [option for each in neighbours for option in NEIGHBOURS[each][1]]
    written = ("--showlocals", "--junitxml=out/junit.xml")
    result = run("-W", "error", "-n", "2", *written, *options, plugins=tuple(plugins), others=True)
    assert result.ret == pytest.ExitCode.OK
    (suite,) = ET.parse("out/junit.xml").getroot()  # pytest-sugar has a summary of its own
    assert (suite.get("tests"), suite.get("skipped")) == (str(PASSED + 2), "2")
    _assert_clean(result)


BENCHMARK = """
SEEN = "sk-ant-oat01-" + "EXAMPLE-" * 8

def test_speed(benchmark, ant_token):
    with open("secrets.txt", "a") as file:
        file.write(ant_token)
    benchmark.extra_info |= {"token": ant_token, "more": [{"nested": SEEN}], "key": 7}
    assert benchmark(lambda: 7) == 7
"""


def test_what_a_benchmark_notes_is_masked_where_it_is_saved(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(BENCHMARK)
    Path("out").mkdir()
    options = ("--benchmark-json=out/saved.json", "--benchmark-storage=out", "--benchmark-autosave")
    result = run(*options, "--benchmark-verbose", plugins=("benchmark",), others=True)
    assert result.ret == pytest.ExitCode.OK
    _assert_clean(result)
    (saved,) = json.loads(Path("out/saved.json").read_text())["benchmarks"]
    assert set(saved["extra_info"]) == {"token", "more", "key"}
    assert saved["extra_info"]["key"] == 7


FAILING = """
import pytest

SEEN = "sk-ant-oat01-" + "EXAMPLE-" * 8

@pytest.mark.parametrize("value", [SEEN, {"a": SEEN}, SEEN.encode()], ids=["text", "member", "bytes"])
def test_compares(value, ant_token):
    with open("secrets.txt", "a") as file:
        file.write(f"{ant_token}\\n")
    assert value == ant_token
"""


def test_both_sides_of_a_comparison_that_failed_are_masked_for_teamcity(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(FAILING)
    result = run("--teamcity", plugins=("pytest-teamcity",), others=True)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*teamcity[[]testFailed *actual='sk-ant-oat01-EXA...' *expected='|[[]masked|]'*"])
    _assert_clean(result)


MOCKED = """
import httpx
import pytest

MODELS = {"data": [{"id": "claude-of-the-mock"}]}
"""
BY_RESPX = """
def test_the_api_is_mocked(respx_mock, ant_credentials, ant_client):
    respx_mock.get(f"{ant_credentials.base_url}/v1/models").respond(json=MODELS)
    assert ant_client.get("/v1/models").json() == MODELS

def test_in_the_other_order(ant_client, ant_credentials, respx_mock):
    respx_mock.get(f"{ant_credentials.base_url}/v1/models").respond(json=MODELS)
    assert ant_client.get("/v1/models").json() == MODELS

def test_a_token(respx_mock, ant_token):
    assert ant_token

def test_the_token_is_refreshed(respx_mock, ant_credentials):
    before = ant_credentials.token()
    ant_credentials.invalidate()
    assert ant_credentials.token() != before

def test_something_else_is_mocked(respx_mock, ant_client):
    respx_mock.get("https://weather.example/paris").respond(json={"rain": True})
    respx_mock.route(host="127.0.0.1").pass_through()
    assert httpx.get("https://weather.example/paris").json() == {"rain": True}
    assert ant_client.get("/v1/models").json()["data"][0]["id"] != "claude-of-the-mock"

@pytest.mark.anyio
async def test_the_api_is_mocked_for_tasks(respx_mock, ant_credentials, ant_async_client):
    respx_mock.get(f"{ant_credentials.base_url}/v1/models").respond(json=MODELS)
    ant_credentials.invalidate()
    assert (await ant_async_client.get("/v1/models")).json() == MODELS
"""
BY_HTTPX_MOCK = """
def test_the_api_is_mocked(httpx_mock, ant_credentials, ant_client):
    httpx_mock.add_response(url=f"{ant_credentials.base_url}/v1/models", json=MODELS)
    assert ant_client.get("/v1/models").json() == MODELS

def test_in_the_other_order(ant_client, ant_credentials, httpx_mock):
    httpx_mock.add_response(url=f"{ant_credentials.base_url}/v1/models", json=MODELS)
    assert ant_client.get("/v1/models").json() == MODELS

def test_a_token(httpx_mock, ant_token):
    assert ant_token

def test_the_token_is_refreshed(httpx_mock, ant_credentials):
    before = ant_credentials.token()
    ant_credentials.invalidate()
    assert ant_credentials.token() != before

@pytest.mark.httpx_mock(should_mock=lambda request: request.url.host != "127.0.0.1")
def test_something_else_is_mocked(httpx_mock, ant_client):
    httpx_mock.add_response(url="https://weather.example/paris", json={"rain": True})
    assert httpx.get("https://weather.example/paris").json() == {"rain": True}
    assert ant_client.get("/v1/models").json()["data"][0]["id"] != "claude-of-the-mock"

@pytest.mark.anyio
async def test_the_api_is_mocked_for_tasks(httpx_mock, ant_credentials, ant_async_client):
    httpx_mock.add_response(url=f"{ant_credentials.base_url}/v1/models", json=MODELS)
    ant_credentials.invalidate()
    assert (await ant_async_client.get("/v1/models")).json() == MODELS
"""


@pytest.mark.parametrize(
    ("plugin", "suite"), [("respx", BY_RESPX), ("pytest_httpx", BY_HTTPX_MOCK)], ids=["respx", "pytest-httpx"]
)
@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "in reverse"])
def test_a_mock_of_httpx_does_not_get_the_exchange_whichever_test_comes_first(
    plugin: str, suite: str, reverse: bool, pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(MOCKED + suite)
    if reverse:
        pytester.makeconftest("def pytest_collection_modifyitems(items): items.reverse()")
    run("-W", "error", plugins=("anyio", plugin)).assert_outcomes(passed=7)


PRETENDING = """
import datetime

import pytest

QUESTION = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}

def ask(client):
    assert client.post("/v1/messages", json=QUESTION).json()["content"][0]["text"] == "Hello"

def test_the_time_is_frozen_first(freezer, ant_client, ant_token):
    freezer.move_to("2020-01-01")
    ask(ant_client)

def test_the_time_is_frozen_last(ant_emulator, ant_client, freezer):
    freezer.move_to("2040-01-01")
    ant_emulator.reply("Hello", delay=0.01)
    ask(ant_client)

@pytest.mark.parametrize("year", [1999, 2040])
def test_the_time_goes_on_from_elsewhere(year, time_machine, ant_client, ant_token):
    time_machine.move_to(datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc))
    ask(ant_client)

def test_the_time_is_right_again(ant_client):
    ask(ant_client)

def test_the_files_are_hidden(fs, ant_client):
    ask(ant_client)
"""


@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "in reverse"])
def test_another_time_and_other_files_do_not_keep_a_token_from_being_obtained(
    reverse: bool, pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(PRETENDING)
    if reverse:
        pytester.makeconftest("def pytest_collection_modifyitems(items): items.reverse()")
    run("-W", "error", plugins=("freezer", "time_machine", "fakefs"), others=True).assert_outcomes(passed=6)
