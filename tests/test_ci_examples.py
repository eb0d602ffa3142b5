"""The examples work when copied: their own commands run, with the platform's variables, against the emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ant_wif.emulator import Emulator

ROOT = Path(__file__).parent.parent
WORKFLOW = yaml.safe_load((ROOT / "ci-examples" / "github-actions" / "keyless.yml").read_text())


@pytest.mark.parametrize("job", WORKFLOW["jobs"])
def test_the_commands_of_the_github_job_run_keyless(job: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "howto" / "suite_with_credentials.py", tmp_path / "test_suite.py")
    # Installing is what the project's own environment has done already.
    commands = [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]
    commands = [command for command in commands if "pip install" not in command]
    assert commands
    with Emulator() as emulator:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environ = {**emulator.env("github"), "HOME": str(tmp_path), "PATH": path}
        outcome = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", "\n".join(commands)],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        assert emulator.exchanges == 1
    assert "sk-ant-oat01-" not in outcome.stdout + outcome.stderr


def test_the_workflow_sets_the_four_ids_from_variables_and_stores_no_key() -> None:
    names = {"FEDERATION_RULE_ID", "ORGANIZATION_ID", "SERVICE_ACCOUNT_ID", "WORKSPACE_ID"}
    assert WORKFLOW["env"] == {f"ANTHROPIC_{name}": f"${{{{ vars.ANTHROPIC_{name} }}}}" for name in names}
    for job in WORKFLOW["jobs"].values():
        assert job["permissions"]["id-token"] == "write"
