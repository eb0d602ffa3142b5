"""What `ant` says to the runner of a GitHub Actions job."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
from pathlib import Path

import pytest

from ant_cli._github import token_for
from ant_wif.emulator import Emulator
from support.jobs import federation_of

from .conftest import Ant

Environ = dict[str, str]


@pytest.fixture
def job(emulator: Emulator, tmp_path: Path) -> Environ:
    files = {name: str(tmp_path / name.lower()) for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        Path(path).write_text("before\n")
    return {**emulator.env("github"), **files}


def test_the_summary_of_the_job_shows_the_status_as_it_stands_in_the_log(ant: Ant, job: Environ) -> None:
    outcome = ant("auth", "status", "--github-summary", **job)
    summary = Path(job["GITHUB_STEP_SUMMARY"]).read_text()
    assert outcome.status == 0
    assert summary.startswith("before\n### Claude API credential\n\n```text\n")
    assert summary.endswith("\n```\n\n")
    assert outcome.out.strip() in summary
    assert "(active) * Federation" in summary


def test_what_is_exported_is_masked_before_it_is_written(ant: Ant, job: Environ, emulator: Emulator) -> None:
    outcome = ant("auth", "export", "--github", **job)
    written = dict(line.split("=", 1) for line in Path(job["GITHUB_ENV"]).read_text().splitlines()[1:])
    assert outcome.status == 0
    assert set(written) == {"ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"}
    assert written["ANTHROPIC_BASE_URL"] == emulator.base_url
    mask, said = outcome.err.splitlines()
    assert mask == f"::add-mask::{written['ANTHROPIC_AUTH_TOKEN']}"
    assert re.fullmatch(
        r"set for later steps: ANTHROPIC_AUTH_TOKEN and ANTHROPIC_BASE_URL; the token expires at 20.*", said
    )
    assert outcome.out == ""
    later = ant("models", "list", "--limit", "1", **written)
    assert later.status == 0
    assert emulator.exchanges == 1


def test_the_outputs_of_a_step_say_what_works_without_the_token(ant: Ant, job: Environ, emulator: Emulator) -> None:
    outcome = ant("auth", "verify", "--github-output", **job)
    assert outcome.status == 0
    source, workspace, expires = Path(job["GITHUB_OUTPUT"]).read_text().splitlines()[1:]
    assert (source, workspace) == ("source=federation", f"workspace={emulator.rule().workspace_ids[0]}")
    assert re.fullmatch(r"expires=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", expires)
    assert "sk-ant-" not in outcome.out + outcome.err
    elsewhere = ant("auth", "verify", "--github-output", **{**job, "GITHUB_OUTPUT": ""})
    assert "GITHUB_OUTPUT is not set" in elsewhere.err


def test_a_file_without_a_last_newline_keeps_its_last_variable(ant: Ant, job: Environ) -> None:
    Path(job["GITHUB_ENV"]).write_text("FOO=bar")
    ant("auth", "export", "--github", **job)
    assert Path(job["GITHUB_ENV"]).read_text().startswith("FOO=bar\nANTHROPIC_AUTH_TOKEN=sk-ant-")


@pytest.mark.skipif(os.name != "posix", reason="files have no modes here")
def test_a_variable_file_that_the_runner_did_not_make_is_private(ant: Ant, job: Environ) -> None:
    Path(job["GITHUB_ENV"]).unlink()
    before = os.umask(0)
    try:
        assert ant("auth", "export", "--github", **job).status == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path(job["GITHUB_ENV"]).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ANTHROPIC_WORKSPACE_ID", "ANTHROPIC_ORGANIZATION_ID", "ANTHROPIC_CONFIG_DIR"])
def test_a_variable_cannot_smuggle_a_command_into_the_log(name: str, ant: Ant, job: Environ) -> None:
    outcome = ant("auth", "status", "--github-summary", **{**job, name: "/a\n::warning::injected\r::error::too"})
    assert not [line for line in outcome.out.splitlines() if line.lstrip().startswith("::")]
    assert "\n::warning" not in Path(job["GITHUB_STEP_SUMMARY"]).read_text()


def test_an_api_key_is_exported_as_one(ant: Ant, job: Environ, emulator: Emulator) -> None:
    ant("auth", "export", "--github", **{**job, "ANTHROPIC_API_KEY": emulator.api_key})
    assert f"ANTHROPIC_API_KEY={emulator.api_key}\n" in Path(job["GITHUB_ENV"]).read_text()


@pytest.mark.parametrize(
    ("words", "variable"),
    [(("auth", "export", "--github"), "GITHUB_ENV"), (("auth", "status", "--github-summary"), "GITHUB_STEP_SUMMARY")],
)
@pytest.mark.parametrize("how", ["unset", "unwritable"])
def test_a_file_of_the_runner_that_is_not_there_is_named(
    how: str, words: tuple[str, ...], variable: str, ant: Ant, job: Environ, tmp_path: Path, emulator: Emulator
) -> None:
    job[variable] = "" if how == "unset" else str(tmp_path / "nowhere" / "file")
    outcome = ant(*words, **job)
    assert outcome.status == 1
    assert f"error: {variable} " in outcome.err
    assert "hint: " in outcome.err
    assert (emulator.exchanges, "add-mask" in outcome.err) == (0, False)


@pytest.mark.parametrize("kind", ["directory", "pipe", "socket", "device"])
@pytest.mark.parametrize(
    ("words", "variable"),
    [
        (("auth", "export", "--github"), "GITHUB_ENV"),
        (("auth", "verify", "--github-output"), "GITHUB_OUTPUT"),
        (("auth", "status", "--github-summary"), "GITHUB_STEP_SUMMARY"),
    ],
)
def test_what_is_not_a_file_of_the_runner_is_told_as_what_it_is(
    words: tuple[str, ...],
    variable: str,
    kind: str,
    ant: Ant,
    job: Environ,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / kind
    monkeypatch.chdir(tmp_path)  # a socket's path may be short only
    with contextlib.ExitStack() as held:
        if kind == "directory":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            held.enter_context(socket.socket(socket.AF_UNIX)).bind(kind)
        else:
            controller, terminal = os.openpty()
            held.callback(os.close, controller)
            held.callback(os.close, terminal)
            path.symlink_to(os.ttyname(terminal))
        outcome = ant(*words, **{**job, variable: str(path)})
    assert outcome.status != 0
    assert f"error: {variable} names {path}, which is a {kind}, not a file\n" in outcome.err


def test_a_full_disk_is_not_a_wrong_variable(ant: Ant, job: Environ) -> None:
    outcome = ant("auth", "export", "--github", **{**job, "GITHUB_ENV": "/dev/full"})
    assert outcome.status == 1
    assert "No space left on device\nhint: free some space there\n" in outcome.err


def test_export_has_to_be_told_where_to(ant: Ant, job: Environ, emulator: Emulator) -> None:
    outcome = ant("auth", "export", **job)
    assert outcome.status == 2
    assert "--github" in outcome.err
    assert emulator.exchanges == 0


def test_an_error_is_an_annotation_of_its_first_line(ant: Ant, job: Environ, emulator: Emulator) -> None:
    emulator.update_rule("github", subject_prefix="repo:somebody/else")
    outcome = ant("auth", "verify", **job)
    assert outcome.status == 4
    (annotation,) = (line for line in outcome.err.splitlines() if line.startswith("::error"))
    assert annotation.startswith("::error title=ant::")
    error = next(line for line in outcome.err.splitlines() if line.startswith("error: "))
    assert error.removeprefix("error: ").replace("%", "%25") == annotation.removeprefix("::error title=ant::")


def test_elsewhere_there_are_no_workflow_commands(ant: Ant, job: Environ, emulator: Emulator) -> None:
    token = emulator.issue("github")
    ids = federation_of(job)
    outcome = ant("auth", "print-credentials", "--access-token", **ids, ANTHROPIC_IDENTITY_TOKEN=token)
    assert outcome.status == 0
    assert "::" not in outcome.err
    assert "::" not in ant("auth", "verify", ANTHROPIC_IDENTITY_TOKEN=token, **ids).err


@pytest.mark.parametrize(
    ("variables", "url", "found"),
    [
        ({"GH_ENTERPRISE_TOKEN": "gh-server"}, "https://evil.example/api/v3", None),
        ({"GH_ENTERPRISE_TOKEN": "gh-server", "GH_HOST": "git.acme.example"}, "https://evil.example/api/v3", None),
        (
            {"GH_ENTERPRISE_TOKEN": "gh-server", "GH_HOST": "git.acme.example"},
            "https://git.acme.example/api/v3",
            "gh-server",
        ),
        (
            {"GITHUB_ENTERPRISE_TOKEN": "gh-server", "GITHUB_SERVER_URL": "https://git.acme.example"},
            "https://git.acme.example/api/v3",
            "gh-server",
        ),
        ({"GH_TOKEN": "gh-public"}, "https://api.github.com", "gh-public"),
        ({"GH_TOKEN": "gh-public"}, "https://git.acme.example/api/v3", None),
    ],
)
def test_a_token_for_a_github_server_goes_only_to_the_server_that_a_variable_names(
    variables: Environ, url: str, found: str | None
) -> None:
    token = token_for({**variables, "PATH": ""}, url)
    assert (token and token.get_secret_value()) == found
