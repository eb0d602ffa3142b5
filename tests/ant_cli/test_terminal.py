"""Output for a person: tables, colors, any width of a terminal, and the line while something takes long."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from ant_cli._terminal import fitted, table, understands_color, wrapped
from ant_wif._config import ConfigDir
from ant_wif.emulator import Emulator, Fault
from support import preloaded, terminal
from support.login import keep_a_login

from .conftest import Ant

IDS = ("0f3c1a52-7b7e-4a51-9c0e-6c1f2d3e4b5a", "wrkspc_01EXAMPLE", "fdrl_01EXAMPLE")
REPORT = [f"  (active) * {'ANTHROPIC_ORGANIZATION_ID':<45}  {IDS[0]}", f"{'           * Workspace':<58}{IDS[1]}"]


def in_a_terminal(*words: str, columns: int, environ: Mapping[str, str], raw: bool = False) -> str:
    with terminal.in_a_terminal(*words, columns=columns, environ=environ) as child:
        status, shown = terminal.rest(child)
    assert status == 0, shown
    text = shown.replace("\r\n", "\n")
    return text if raw else re.sub(r"^[^\r\n]*\r\x1b\[K", "", text)  # the line while a request takes long


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 300])
def test_no_id_is_broken_at_any_width(columns: int) -> None:
    shown = list(fitted(REPORT, columns))
    assert max(map(len, shown)) <= columns
    assert all(sum(each in line for line in shown) == 1 for each in IDS[:2])
    rows = list(table(["NAME", "ID"], [["a name of three words", each] for each in IDS], columns))
    assert all(sum(each in line for line in rows) == 1 for each in IDS)


@pytest.mark.parametrize("columns", [20, 40, 60])
def test_prose_is_wrapped_and_no_id_and_no_command_with_it(columns: int) -> None:
    fact = (
        f"  to check: the rule {IDS[2]} exists in this organization and is not archived; the organization is {IDS[0]}"
    )
    command = f"ant profile set workspace_id {IDS[1]} --profile default"
    hint = f"hint: the workspace is another one, so run `{command}` or log in again: ant auth login --profile default"
    shown = [*wrapped(fact, columns), *wrapped(hint, columns)]
    assert " ".join(line.strip() for line in shown) == f"{fact.strip()} {hint}"
    long = [line for line in shown if len(line) > columns]
    assert all(any(whole in line for whole in (*IDS, command, "ant auth login --profile default")) for line in long)
    assert any(command in line for line in shown)
    assert list(wrapped(fact, None)) == [fact]
    assert list(wrapped(f"?  9  {'the token is valid now':<38} 30 s left", 50)) == [
        "?  9  the token is valid now  30 s left"
    ]


def test_the_columns_of_a_report_stay_below_each_other_where_they_fit() -> None:
    assert list(fitted(REPORT, None)) == list(fitted(REPORT, 300)) == REPORT
    first, second = fitted(REPORT, 80)
    assert first.index(IDS[0]) == second.index(IDS[1]) < REPORT[0].index(IDS[0])


def test_a_table_that_is_too_wide_becomes_a_block_for_each_row() -> None:
    rows = [["one", "1" * 30], ["two", "2" * 30]]
    assert list(table(["NAME", "ID"], rows, 35)) == [
        "NAME: one", f"ID:   {'1' * 30}", "", "NAME: two", f"ID:   {'2' * 30}"
    ]  # fmt: skip
    head, *lines = table(["NAME", "ID"], rows, 36)
    assert head.index("ID") == lines[0].index("1")


@pytest.mark.parametrize("choice", ["always", "never"])
def test_a_chosen_color_is_independent_of_the_environment(choice: str) -> None:
    for environ in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert understands_color(choice, environ) is (choice == "always")


def test_colors_are_printed_to_a_pipe_on_request_only(ant: Ant) -> None:
    assert "\x1b" not in ant("auth", "status").out
    assert "\x1b[1mCredentials\x1b[0m" in ant("auth", "status", "--color", "always").out
    assert "\x1b" not in ant("--color", "always", "auth", "status", "--format", "json").out


def test_a_terminal_gets_tables_and_colors(seeded: Emulator, directory: ConfigDir) -> None:
    keep_a_login(directory, seeded, "default")
    keep_a_login(directory, seeded, "admin", scope="org:admin")
    home = {"HOME": str(directory.path.parents[1]), "ANTHROPIC_BASE_URL": seeded.base_url}
    profiles = in_a_terminal("profile", "list", columns=200, environ={**home, "NO_COLOR": "1"})
    head, *rows = profiles.splitlines()
    assert head.split() == ["PROFILE", "TYPE", "ORGANIZATION", "WORKSPACE", "EXPIRES"]
    assert [row[: head.index("TYPE")].split() for row in rows] == [["*", "admin"], ["default"]]
    profiles = in_a_terminal("profile", "list", columns=80, environ={**home, "NO_COLOR": "1"})
    assert re.match(r"PROFILE:      \* admin\nTYPE:         user_oauth\n", profiles)
    models = in_a_terminal(
        "models", "list", "--limit", "2", columns=80, environ={**home, "ANTHROPIC_PROFILE": "default"}
    )
    assert models.startswith("\x1b[1mID ")
    assert len(models.splitlines()) == 3
    issuers = in_a_terminal(
        "wif", "issuers", "list", "--profile", "admin", columns=40, environ={**home, "TERM": "dumb"}
    )
    assert "\x1b" not in issuers
    blocks = issuers.rstrip("\n").split("\n\n")
    assert all(re.match(r"NAME:   \S+\nID:     \S+\nISSUER: \S+$", block) for block in blocks)


@pytest.mark.parametrize("columns", [60, 80])
def test_the_sources_that_are_detected_fit_in_a_terminal(columns: int, home: Path) -> None:
    shown = in_a_terminal("identity", "detect", columns=columns, environ={"HOME": str(home)})
    assert "BITBUCKET_STEP_OIDC_TOKEN" in shown
    assert [line for line in shown.splitlines() if len(line) > columns] == []


def test_a_pipe_gets_the_same_list_as_documents(ant: Ant, seeded: Emulator) -> None:
    outcome = ant("models", "list", "--limit", "2", **seeded.env("github"))
    found = [json.loads(line) for line in outcome.out.splitlines()]
    assert len(found) == 2
    assert json.loads(ant("models", "list", "--limit", "2", "--format", "json", **seeded.env("github")).out) == found
    assert json.loads(ant("cache", "list", "--format", "json", ANT_CACHE="memory").out) == []


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_the_status_is_printed_in_every_encoding_and_to_a_reader_that_leaves(encoding: str, seeded: Emulator) -> None:
    environ = {**seeded.env("github"), "HOME": "/nonexistent", "PYTHONIOENCODING": encoding}
    environ["PATH"] = f"{preloaded.programs()}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", "ant auth status | head -n 1"], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Active profile:")


def test_a_line_is_shown_while_the_api_takes_long_and_removed_after_it(seeded: Emulator, home: Path) -> None:
    environ = {"HOME": str(home), "ANTHROPIC_API_KEY": seeded.api_key, "ANTHROPIC_BASE_URL": seeded.base_url}
    seeded.fail("models", Fault.delay(1.5))
    shown = in_a_terminal("models", "list", "--limit", "1", columns=80, environ={**environ, "NO_COLOR": "1"}, raw=True)
    assert re.fullmatch(r"Reading the list \S+\r\x1b\[KID +NAME +CREATED\nclaude-\S+ .*\n", shown)
    seeded.fail("models", Fault.delay(1.5))
    dumb = in_a_terminal("models", "list", "--limit", "1", columns=80, environ={**environ, "TERM": "dumb"}, raw=True)
    assert dumb.startswith("ID ")
