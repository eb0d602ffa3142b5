"""`ant` as a whole: where options may stand, how errors look, which status it exits with."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ant_wif import __version__
from ant_wif.emulator import Emulator
from support import preloaded
from support.leaks import jwts_in
from support.preloaded import ANT
from support.samples import ORGANIZATION, RULE

from .conftest import Ant

KEY = "sk-ant-api03-EXAMPLE-of-a-key"


def test_options_may_stand_before_and_after_the_command(ant: Ant) -> None:
    before = ant("--api-key", KEY, "auth", "status", "--format", "json").json()
    after = ant("auth", "status", "--format", "json", "--api-key", KEY).json()
    between = ant("auth", "--api-key", KEY, "status", "--format", "json").json()
    assert before == after == between
    credential = before["credential"]
    assert isinstance(credential, dict)
    assert credential["origin"] == "--api-key"


def test_an_option_after_the_command_overrides_the_one_before_it(ant: Ant) -> None:
    found = ant(
        "--base-url", "https://a.example", "auth", "status", "--base-url", "https://b.example", "--format", "json"
    )
    base_url = found.json()["base_url"]
    assert base_url == {"value": "https://b.example", "via": "flag"}


def test_an_error_is_a_line_its_facts_one_a_line_and_a_hint_on_stderr(ant: Ant) -> None:
    outcome = ant("models", "list")
    assert (outcome.status, outcome.out) == (3, "")
    lines = outcome.err.splitlines()
    assert lines[0] == "error: no credentials found"
    assert lines[-1].startswith("hint: ")
    tiers = [line.partition(":")[0] for line in lines[1:-1]]
    assert tiers[:4] == [
        "  (1) --api-key",
        "  (1) --auth-token",
        "  (2) ANTHROPIC_API_KEY",
        "  (2) ANTHROPIC_AUTH_TOKEN",
    ]
    assert [tier[:5] for tier in tiers[4:]] == ["  (3)", "  (4)", "  (5)"]


def test_an_empty_option_is_wrong_usage(ant: Ant) -> None:
    outcome = ant("models", "list", "--api-key", "")
    assert outcome.status == 2
    assert "is empty" in outcome.err


def test_a_denied_exchange_exits_with_4_and_says_what_was_sent(ant: Ant, emulator: Emulator) -> None:
    emulator.update_rule("github", subject_prefix="repo:somebody/else:*")
    job = emulator.env("github")
    outcome = ant("models", "list", **job)
    assert outcome.status == 4
    for known in (
        job["ANTHROPIC_FEDERATION_RULE_ID"],
        "repo:acme/app:ref:refs/heads/main",
        "request id req_",
        "to check: ",
    ):
        assert known in outcome.err


def test_an_endpoint_that_is_down_exits_with_1_for_the_exchange(ant: Ant, emulator: Emulator, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(emulator.issue())
    emulator.stop()
    outcome = ant(
        "models",
        "list",
        ANTHROPIC_BASE_URL="http://127.0.0.1:9",
        ANTHROPIC_FEDERATION_RULE_ID=RULE,
        ANTHROPIC_ORGANIZATION_ID=ORGANIZATION,
        ANTHROPIC_IDENTITY_TOKEN_FILE=str(token),
    )
    assert outcome.status == 1
    assert "could not be used" in outcome.err


def test_debug_shows_each_request_and_no_secret(ant: Ant, emulator: Emulator) -> None:
    job = emulator.env("github")
    outcome = preloaded.run(
        [ANT, "--debug", "models", "list"],
        env={**job, "HOME": "/nonexistent", "ANT_CACHE": "memory"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "POST" in outcome.stderr
    assert "/v1/oauth/token" in outcome.stderr
    assert "GET" in outcome.stderr
    assert "/v1/models" in outcome.stderr
    assert job["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] not in outcome.stderr
    assert jwts_in(outcome.stderr) == []
    assert re.search(r"sk-ant-oat01-[\w-]{4,}", outcome.stderr) is None
    assert outcome.stdout.count("\n") == len(outcome.stdout.splitlines()) > 1


def test_an_interrupt_exits_with_130(emulator: Emulator) -> None:
    process = preloaded.Popen([ANT, "emulator"], stderr=subprocess.PIPE, text=True, env={"HOME": "/nonexistent"})
    assert process.stderr is not None
    with process.stderr as stderr:
        assert "listening on http://127.0.0.1:" in stderr.readline()
        process.send_signal(2)
        assert process.wait(timeout=30) == 130


INTERRUPTED = """
import atexit, os, signal, sys
place, *sys.argv[1:] = sys.argv[1:]
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
class Finder:
    def find_spec(self, name, *_):
        if name == place:
            interrupt()
if place == "ignored":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    place = "click"
sys.meta_path.insert(0, Finder())
if place == "exit":
    atexit.register(interrupt)
sys.argv[0] = "ant"
from ant_cli.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("ant_cli.main", 130), ("click", 130), ("ant_wif._lazy", 130), ("ant_cli.commands.version", 130),
        ("exit", 130), ("none", 0), ("ignored", 0),
    ],
)  # fmt: skip
def test_ctrl_c_is_quiet_from_the_first_import_to_the_exit(place: str, status: int) -> None:
    command = [sys.executable, "-c", INTERRUPTED, place, "version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (status, "")  # click ends the line that says ^C


@pytest.mark.parametrize("name", ["ant", "ant-wif"])
def test_it_is_installed_under_both_names(name: str) -> None:
    command = [str(Path(sys.executable).with_name(name)), "--version"]
    assert __version__ in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_version_needs_nothing_but_click() -> None:
    loaded = _modules_after("from ant_cli.main import main; main(['--version'])")
    assert "click" in loaded
    assert not loaded & {"logging", "pydantic", "pydantic_settings", "httpx", "anyio", "yaml", "jmespath", "starlette"}


def test_the_status_needs_no_http_library() -> None:
    loaded = _modules_after("from ant_cli.main import main; main(['auth', 'status'])")
    assert not loaded & {"httpx", "anyio", "yaml", "jmespath", "starlette", "jwt", "cryptography"}


def _modules_after(code: str) -> set[str]:
    script = f"import sys; {code}; print(); print(*(name.partition('.')[0] for name in sys.modules))"
    environment = {"HOME": "/nonexistent"}
    outcome = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return set(outcome.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(ant: Ant, shell: str) -> None:
    outcome = ant("completion", shell)
    assert outcome.status == 0
    assert "_ANT_COMPLETE" in outcome.out
    assert ant("@completion", shell).out == outcome.out


@pytest.mark.parametrize("own", [[], [logging.NullHandler()]], ids=["no handler", "a handler of its own"])
def test_a_debug_run_leaves_the_logging_of_the_process_as_it_was(ant: Ant, own: list[logging.Handler]) -> None:
    logger = logging.getLogger("ant_wif")
    before = (logger.handlers[:], logger.level)
    logger.handlers[:] = own
    logger.setLevel(logging.ERROR)
    try:
        ant("models", "list", "--debug")
        assert (logger.handlers, logger.level) == (own, logging.ERROR)
    finally:
        logger.handlers[:], level = before
        logger.setLevel(level)
