"""The examples for GitHub Actions on a runner: what their jobs do, and what they show to all who may read the log."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ant_wif.emulator import Emulator
from support import preloaded
from support.ci_repository import EXAMPLES, IDS, PROGRAM, ROOT, read, repository, without_installing
from support.github_runner import Runner
from support.leaks import jwts_in

KEYLESS = read("github-actions/keyless.yml")
EXEC = read("github-actions/exec.yml")
LONG = read("github-actions/long-job.yml")
EXPORTED = read("github-actions/exported.yml")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
USED = next(step["uses"] for step in EXPORTED["jobs"]["variable"]["steps"] if "uses" in step)

CARELESS = """
print(token)
print(*os.environ.items(), sep="\\n")
"""
CAREFREE = {"run": "env; cat $RUNNER_TEMP/ant-wif/*.json 2>&1 || true"}
CLAUDE = '#!/bin/sh\ncat > said; test "$1" = --print; exec python program.py\n'


@dataclass
class GitHub:
    """A repository on GitHub with the four variables and the action, in a folder of its own."""

    folder: Path
    emulator: Emulator

    def runner(self, **changes: str) -> Runner:
        folders = {name: self.folder / name for name in ("home", "files", "work", "runner")}
        for path in folders.values():
            path.mkdir()
        found = self.emulator.env("github")
        machine = {name: value for name, value in found.items() if name not in IDS} | {
            "HOME": str(folders["home"]),
            "GITHUB_WORKSPACE": str(folders["work"]),
            "RUNNER_TEMP": str(folders["runner"]),
            "PATH": os.environ["PATH"],
            **changes,
        }
        # What the action's first step would have installed. Elsewhere there is no `ant`.
        (folders["runner"] / "ant-wif-action").mkdir()
        (folders["runner"] / "ant-wif-action" / "bin").symlink_to(preloaded.programs())
        return Runner(
            folders["files"],
            {name: value for name, value in machine.items() if value},
            variables={name: found[name] for name in IDS},
            actions={USED: (ACTION, ROOT)},
            prepare=without_installing,
        )

    def with_the_action(self, **changes: str) -> tuple[Runner, int]:
        """Run the job that uses the action, and then a step that prints whatever there is."""
        runner = self.runner(**changes)
        job = EXPORTED["jobs"]["variable"]
        workflow = {**EXPORTED, "jobs": {"variable": {**job, "steps": [*job["steps"], CAREFREE]}}}
        return runner, runner.run(workflow, "variable")

    def in_mode(self, **inputs: str) -> tuple[Runner, int]:
        """Run the action with these inputs, and then a step that prints its outputs and whatever there is."""
        runner = self.runner()
        step = EXPORTED["jobs"]["variable"]["steps"][0]
        outputs = {name.upper(): f"${{{{ steps.claude.outputs.{name} }}}}" for name in ACTION["outputs"]}
        shown = {"run": 'echo "$SOURCE,$WORKSPACE,$EXPIRES"', "env": outputs}
        # The status hands no token on, so there is nothing to mask: what a later step reads from the cache is its own.
        later = [] if inputs["mode"] == "status" else [CAREFREE]
        job = {"steps": [{**step, "with": {**step["with"], **inputs}}, shown, *later]}
        return runner, runner.run({"jobs": {"one": job}}, "one")

    def with_exec(self, workflow: Any, name: str, program: str) -> tuple[Runner, int]:
        """Run a job whose program is this one, as Python is set up for it; `claude` and `git` are on the PATH too."""
        tools = self.folder / "tools"
        tools.mkdir()
        for tool, text in {"claude": CLAUDE, "git": "#!/bin/sh\necho a commit\n"}.items():
            (tools / tool).write_text(text)
            (tools / tool).chmod(0o755)
        runner = self.runner(PATH=os.pathsep.join((str(tools), str(preloaded.programs()), os.environ["PATH"])))
        repository(self.folder / "work", program)
        return runner, runner.run(workflow, name)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    with Emulator() as emulator:
        yield GitHub(tmp_path, emulator)


def shows_no_secret(runner: Runner) -> None:
    """Nothing that looks like a secret, and nothing that was masked: so it was masked before it was first printed."""
    text = "\n".join([*runner.log, *runner.annotations, runner.summary])
    assert re.findall(r"sk-ant-oat01-[\w-]{8,}", text) == jwts_in(text) == []
    assert not [secret for secret in runner.masks if secret in text]


def test_a_job_with_the_action_shows_no_secret_though_a_later_step_prints_all_it_has(github: GitHub) -> None:
    runner, status = github.with_the_action()
    log = "\n".join(runner.log)
    assert status == 0, log
    shows_no_secret(runner)
    # By the runner before each later step, and by that step: it was there to be seen.
    assert "  ANTHROPIC_AUTH_TOKEN: ***" in runner.log
    assert "ANTHROPIC_AUTH_TOKEN=***" in runner.log
    assert '"access_token": "***"' in log
    assert set(runner.exported) == {"ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"}
    assert "claude-" in log
    assert github.emulator.exchanges == 1
    # What people are meant to see.
    assert "### Claude API credential" in runner.summary
    assert "(active) * Federation (jwt-bearer)" in runner.summary
    assert any(line.startswith("The credential works: federation (github_actions)") for line in runner.log)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "the identity token was denied (HTTP 401"),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": ""}, "ACTIONS_ID_TOKEN_REQUEST_URL is not set"),
    ],
    ids=["denied", "no permission"],
)
def test_a_job_that_fails_says_why_on_the_page_of_the_run_and_shows_no_secret(
    changes: dict[str, str], reason: str, github: GitHub
) -> None:
    github.emulator.update_rule("github", subject_prefix="another-subject")
    runner, status = github.with_the_action(**changes)
    assert status == (3 if changes else 4)
    (annotation,) = runner.annotations
    assert reason in annotation
    assert runner.log[-1] == f"Process completed with exit code {status}."
    assert "### Claude API credential" in runner.summary
    assert not runner.exported
    shows_no_secret(runner)


@pytest.mark.parametrize("mode", ["status", "exec", "export"])
def test_each_mode_of_the_action_tells_what_the_credential_is_and_shows_no_secret(github: GitHub, mode: str) -> None:
    commands = {"run": 'test -z "$ANTHROPIC_AUTH_TOKEN"\nls "$ANTHROPIC_CONFIG_DIR"'} if mode == "exec" else {}
    runner, status = github.in_mode(mode=mode, **commands)
    log = "\n".join(runner.log)
    assert status == 0, log
    told = next(line for line in runner.log if re.match(r"federation,wrkspc_\w+,\d{4}-\d\d-\d\dT[\d:]+\+00:00$", line))
    assert told.split(",")[1] == github.emulator.rule().workspace_ids[0]
    assert ("credentials" in runner.log) == (mode == "exec")
    assert ("ANTHROPIC_AUTH_TOKEN" in runner.exported) == (mode == "export")
    assert "(active) * Federation (jwt-bearer)" in runner.summary
    assert github.emulator.exchanges == 1
    shows_no_secret(runner)


def test_a_command_that_fails_under_the_action_fails_the_step(github: GitHub) -> None:
    runner, status = github.in_mode(mode="exec", run="false | true\necho not reached")
    assert status == 1
    assert "not reached" not in runner.log


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"mode": "exec"}, "the input run is required with mode: exec"),
        ({"mode": "export", "run": "true"}, "the input run needs mode: exec"),
        ({"mode": "Export"}, "the input mode must be exec, export or status"),
        ({"mode": ""}, "the input mode must be exec, export or status"),
        ({"mode": "exec:run"}, "the input mode must be exec, export or status"),
    ],
)
def test_an_input_of_the_action_that_is_not_valid_is_named(github: GitHub, inputs: dict[str, str], said: str) -> None:
    runner, status = github.in_mode(**inputs)
    assert (status, runner.annotations) == (2, [said])
    assert github.emulator.exchanges == 0


def test_a_program_under_exec_that_prints_its_token_shows_no_secret(github: GitHub) -> None:
    runner, status = github.with_exec(LONG, "nightly", PROGRAM + CARELESS)
    assert status == 0, runner.log
    assert "***" in runner.log
    assert any(line.startswith("claude-") for line in runner.log)
    assert not [line for line in runner.log if "ANTHROPIC_FEDERATION_RULE_ID'," in line]
    shows_no_secret(runner)
    assert github.emulator.exchanges == 1


def test_the_program_of_the_examples_lists_the_models_by_way_of_the_official_sdk(github: GitHub) -> None:
    runner, status = github.with_exec(EXEC, "program", (EXAMPLES / "program.py").read_text())
    assert status == 0, runner.log
    assert any(line.startswith("claude-") for line in runner.log)
    assert "(active) * Federation (jwt-bearer)" in runner.summary
    assert github.emulator.exchanges == 1


def test_claude_code_reads_the_commit_and_has_a_credential(github: GitHub, tmp_path: Path) -> None:
    runner, status = github.with_exec(EXEC, "claude-code", PROGRAM)
    assert status == 0, runner.log
    assert any(line.startswith("claude-") for line in runner.log)
    assert (tmp_path / "work" / "said").read_text() == "a commit\n"


@pytest.mark.parametrize("workflow", [KEYLESS, EXEC, LONG], ids=lambda workflow: workflow["name"])
def test_a_workflow_sets_the_four_ids_from_variables_and_stores_no_key(workflow: Any) -> None:
    assert workflow["env"] == {name: f"${{{{ vars.{name} }}}}" for name in IDS}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read", "id-token": "write"}


def test_the_action_is_given_the_four_ids_and_passes_them_on_as_variables() -> None:
    inputs = {name: name.removeprefix("ANTHROPIC_").lower().replace("_", "-") for name in IDS}
    required = {name for name, one in ACTION["inputs"].items() if one.get("required")}
    assert required == set(inputs.values())
    assert set(ACTION["inputs"]) - required == {"mode", "run"}
    job = EXPORTED["jobs"]["variable"]
    (given,) = (step["with"] for step in job["steps"] if "with" in step)
    assert given == {inputs[name]: f"${{{{ vars.{name} }}}}" for name in IDS}
    named = ACTION["runs"]["steps"][-1]["env"]
    assert {name: named[name] for name in IDS} == {name: f"${{{{ inputs.{inputs[name]} }}}}" for name in IDS}
    assert job["permissions"] == {"contents": "read", "id-token": "write"}


def test_no_workflow_that_has_the_permission_runs_for_a_pull_request() -> None:
    # YAML 1.1 reads the key `on` as true.
    for workflow in (KEYLESS, EXEC, EXPORTED):
        assert workflow[True] == {"push": {"branches": ["main"]}}
    assert set(LONG[True]) == {"schedule", "workflow_dispatch"}


def test_the_step_that_proves_which_credential_wins_fails_for_a_key_and_passes_without_it(github: GitHub) -> None:
    page = (ROOT / "docs" / "migrating.md").read_text()
    (proof,) = re.findall(r"^\$ (test .*)$", page, re.MULTILINE)
    runner = github.runner(PATH=f"{preloaded.programs()}{os.pathsep}{os.environ['PATH']}")
    workflow = {"env": KEYLESS["env"], "jobs": {"proof": {"steps": [{"run": proof}]}}}
    assert runner.run(workflow, "proof") == 0
    workflow["env"] = {**KEYLESS["env"], "ANTHROPIC_API_KEY": github.emulator.api_key}
    assert runner.run(workflow, "proof") == 1
