"""The sample application and its suite, run as a project of its own."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from support import preloaded

SAMPLE = Path(__file__).parent / "sample_agent"


def test_the_sample_agent_s_suite_passes_without_a_mock(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(SAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    for suite in project.rglob("test_*.py"):
        assert "mock" not in suite.read_text().lower()
        assert "patch" not in suite.read_text().lower()
    plugins = ("-p", "ant_wif", "-p", "anyio", "-p", "xdist", "-n", "2", "-p", "no:cacheprovider")
    environ = {"HOME": str(tmp_path), "PATH": os.defpath, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    outcome = preloaded.run(
        [sys.executable, "-m", "pytest", *plugins],
        env=environ,
        cwd=project,
        capture_output=True,
        text=True,
        heavy="sdk",
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert " 30 passed" in outcome.stdout
