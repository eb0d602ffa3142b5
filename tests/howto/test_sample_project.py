"""A project of somebody else, in a virtual environment of its own: the plugin as it is installed, with pytest 8."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ant_wif.emulator import Emulator

SAMPLE = Path(__file__).parent / "sample_project"
ROOT = SAMPLE.parent.parent.parent


def _run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], env=env, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of a fresh virtual environment with the sample project's test dependencies."""
    wheels, venv = tmp_path / "wheels", tmp_path / "venv"
    # Nothing is compiled in advance: most of what boto3 brings is never imported.
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    _run(sys.executable, "-m", "venv", "--without-pip", venv)
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, ROOT)
    (wheel,) = wheels.glob("ant_wif-*.whl")
    made = venv / "bin" / "python"
    install = (*pip, "--python", made, "install", "--no-compile")
    _run(*install, "--require-hashes", "--requirement", ROOT / "requirements" / "sample.txt")
    _run(*install, "--no-deps", wheel)
    return made


def test_the_sample_project_s_suite_passes_emulated_and_live(python: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(SAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    shown = _run(python, "-m", "pytest", "-n", "2", env=home, cwd=project)
    assert "pytest-8." in shown
    assert "6 passed, 1 skipped" in shown
    # It is the installed plugin that skips, not the one of this checkout.
    assert re.search(r"SKIPPED \[1\] \.\./venv/lib.*: needs a real credential, and the mode is emulator: ", shown)
    with Emulator() as emulator:
        shown = _run(python, "-m", "pytest", "--ant-mode", "live", env={**emulator.env("github"), **home}, cwd=project)
        assert "7 passed" in shown
        assert emulator.exchanges == 1
