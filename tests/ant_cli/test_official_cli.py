"""What `docs/official-cli.md` says of this `ant`, and of the official one where that is to be had."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from ant_cli._click.suggesting import commands_below
from ant_cli.main import cli
from ant_wif.emulator import Emulator
from support.loopback import TokenEndpoint
from support.misbehaving_server import forged_jwt
from support.other_languages import go_ant
from support.samples import ORGANIZATION, WORKSPACE, login_profile

from .conftest import Ant

NO_KEY = {"ANTHROPIC_API_KEY": ""}
TWO_TOKENS = {"ANTHROPIC_IDENTITY_TOKEN": "a", "ANTHROPIC_IDENTITY_TOKEN_FILE": "/nonexistent"}
NOTHING: dict[str, str] = {}
FEDERATION = {"ANTHROPIC_FEDERATION_RULE_ID": "fdrl_01a"}
MODELS = ("models", "list")
PAGE = {"access_token": "sk-ant-oat01-x", "expires_in": 600, "data": [{"id": "m", "type": "model"}], "has_more": False}
"""What serves both as a token and as a list."""

Ending = tuple[int, str]
WRONG_KEY = {"ANTHROPIC_API_KEY": "wrong"}
STATUSES = [
    pytest.param(MODELS, {}, (0, ""), (0, ""), id="done"),
    pytest.param(("models", "retrieve", "none"), {}, (1, "not_found_error"), (1, "404"), id="not found"),
    pytest.param((*MODELS, "--nosuch"), {}, (2, "unknown option"), (1, "flag provided but not defined"), id="option"),
    pytest.param(("nosuch",), {}, (2, "unknown command"), (3, "No help topic"), id="command"),
    pytest.param(MODELS, NO_KEY, (3, "no credentials found"), (1, "Invalid x-api-key"), id="an empty key"),
    pytest.param(MODELS, NOTHING, (3, "no credentials found"), (1, "No credential"), id="nothing"),
    pytest.param(MODELS, WRONG_KEY, (4, "Invalid bearer token"), (1, "Invalid x-api-key"), id="denied"),
    pytest.param(MODELS, FEDERATION, (3, "ORGANIZATION_ID"), (1, "ORGANIZATION_ID"), id="half a federation"),
]
"""Words, changed variables, and of each program: its exit status, and what it prints."""
TRANSFORMS = [
    ("id", "id", "claude-", "claude-"),
    ("{id: id, name: display_name}", "{id,name:display_name}", '{"id": "claude-', '{"id":"claude-'),
    ("keys(@)", "@keys", '["', '["'),
    ("missing", "missing", "null", '{"type":"model"'),
]


def variables(emulator: Emulator, changes: Mapping[str, str]) -> dict[str, str]:
    """A key, unless `changes` speak of a federation or of nothing."""
    key = {} if changes is FEDERATION or changes is NOTHING else {"ANTHROPIC_API_KEY": emulator.api_key}
    return {"ANTHROPIC_BASE_URL": emulator.base_url, **key, **changes}


def official(
    emulator: Emulator | TokenEndpoint, environ: Mapping[str, str], *words: str
) -> subprocess.CompletedProcess[str]:
    """It takes the host from an option only, and the id of a model too."""
    words = (*words[:2], "--model-id", *words[2:]) if words[:2] == ("models", "retrieve") else words
    return subprocess.run(
        [go_ant(), "--base-url", emulator.base_url, *words],
        env={"HOME": "/nonexistent", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("words", "changes", "ours", "theirs"), STATUSES)
def test_this_one_ends_with_the_status_of_the_page(
    words: tuple[str, ...], changes: dict[str, str], ours: Ending, theirs: Ending, emulator: Emulator, ant: Ant
) -> None:
    del theirs
    outcome = ant(*words, **variables(emulator, changes))
    assert (outcome.status, ours[1] in outcome.err) == (ours[0], True), outcome.err


@pytest.mark.parametrize(("words", "changes", "ours", "theirs"), STATUSES)
def test_the_official_one_ends_with_the_status_of_the_page(
    words: tuple[str, ...], changes: dict[str, str], ours: Ending, theirs: Ending, emulator: Emulator
) -> None:
    del ours
    done = official(emulator, variables(emulator, changes), *words)
    assert (done.returncode, theirs[1] in done.stdout + done.stderr) == (theirs[0], True), done.stderr


@pytest.mark.parametrize(("expression", "_", "first", "__"), TRANSFORMS)
def test_this_one_transforms_as_the_page_says(
    expression: str, _: str, first: str, __: str, emulator: Emulator, ant: Ant
) -> None:
    outcome = ant(*MODELS, "--format", "jsonl", "-r", "--transform", expression, **variables(emulator, {}))
    assert outcome.out.startswith(first), outcome.err


@pytest.mark.parametrize(("_", "expression", "__", "first"), TRANSFORMS)
def test_the_official_one_transforms_as_the_page_says(
    _: str, expression: str, __: str, first: str, emulator: Emulator
) -> None:
    words = (*MODELS, "--format", "jsonl", "-r", "--transform", expression)
    assert official(emulator, variables(emulator, {}), *words).stdout.startswith(first)


def test_the_official_one_refuses_two_identity_tokens(emulator: Emulator) -> None:
    complete = {**FEDERATION, **TWO_TOKENS, "ANTHROPIC_ORGANIZATION_ID": emulator.organization_id}
    done = official(emulator, complete, *MODELS)
    assert (done.returncode, "mutually exclusive" in done.stderr) == (1, True), done.stderr


def test_each_sends_the_headers_of_the_page(ant: Ant) -> None:
    """A federation's workspace goes with the exchange here, and as a header of each call there."""
    federation = {**FEDERATION, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION, "ANTHROPIC_WORKSPACE_ID": WORKSPACE}
    federation["ANTHROPIC_IDENTITY_TOKEN"] = forged_jwt()
    for environ in ({"ANTHROPIC_API_KEY": "a-key"}, federation):
        with TokenEndpoint(body=PAGE) as endpoint:
            assert ant(*MODELS, ANTHROPIC_BASE_URL=endpoint.base_url, **environ).status == 0
            ours = list(endpoint.requests)
            endpoint.clear()
            done = official(endpoint, environ, *MODELS)
            assert done.returncode == 0, done.stderr
            theirs = list(endpoint.requests)
        if environ is federation:
            assert [ours[0].fields["workspace_id"], theirs[0].fields.get("workspace_id")] == [WORKSPACE, None]
            workspaces = [calls[-1].headers.get("anthropic-workspace-id") for calls in (ours, theirs)]
            assert workspaces == [None, WORKSPACE]
        else:
            assert ours[0].headers["authorization"] == "Bearer a-key"
            assert theirs[0].headers["x-api-key"] == "a-key"


def test_only_the_official_one_reads_xdg_config_home(ant: Ant, emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "anthropic/configs").mkdir(parents=True)
    (tmp_path / "anthropic/configs/theirs.json").write_text(json.dumps(login_profile()))
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert "theirs" in official(emulator, environ, "profile", "list").stdout
    assert "theirs" not in ant("profile", "list", **environ).out


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (["exec", "api", "cache", "demo", "emulator", "identity", "wif", "help", "version"], ["messages:batches"]),
        (
            ["auth verify", "auth explain", "auth export", "profile create", "profile unset"],
            ["@manpages", "completions"],
        ),
    ],
)
def test_the_commands_of_one_cli_only(here: list[str], there: list[str], ant: Ant, emulator: Emulator) -> None:
    for words in here:
        assert ant(*words.split(), "--help").status == 0
        done = official(emulator, {}, *words.split())
        assert "No help topic" in done.stderr, (words, done.stdout + done.stderr)
    for words in there:
        assert official(emulator, {}, words, "--help").returncode == 0
        assert "is a command of the official CLI" in ant(words).err


def test_each_option_of_the_official_one_is_here_too_or_something_is_named_to_use_instead(ant: Ant) -> None:
    def options(command: str) -> set[str]:
        words = [go_ant(), *command.split(), "--help"]
        shown = subprocess.run(words, env={"HOME": "/nonexistent"}, capture_output=True, text=True, check=False).stdout
        return set(re.findall(r"^ +(--[a-z.-]+)", shown, re.MULTILINE))

    root = click.Context(cli, info_name="ant", **cli.context_settings)
    without = []
    for each in (root, *commands_below(root)):
        words = each.command_path.split()[1:]
        if not words or words[0] in {"auth", "messages", "models", "profile"}:
            known = {name for parameter in each.command.get_params(each) for name in parameter.opts}
            for option in options(" ".join(words)) - known:
                hint = ant(*words, option, "x").err.splitlines()[-1]
                without += [] if "and this is ant-wif: " in hint else [(words, option, hint)]
    assert without == []
