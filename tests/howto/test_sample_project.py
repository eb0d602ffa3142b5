"""A project of somebody else, in a virtual environment of its own: the plugin as it is installed, with pytest 8."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ant_wif.emulator import Emulator
from support.machine import ENVIRON

SAMPLE = Path(__file__).parent / "sample_project"
ROOT = SAMPLE.parent.parent.parent


def _run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], env=env or ENVIRON, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of a fresh virtual environment that has what the sample project's lock file names.

    All but pytest is linked from the environment of this run: to copy and compile it would take most of a minute.
    """
    wheels, venv = tmp_path / "wheels", tmp_path / "venv"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    _run(sys.executable, "-m", "venv", "--without-pip", venv)
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", wheels, cwd=ROOT)
    (wheel,) = wheels.glob("ant_wif-*.whl")
    made = venv / "bin" / "python"
    (packages,) = venv.glob("lib/python*/site-packages")
    locked = (ROOT / "requirements" / "sample.txt").read_text()
    # Packages of another version, as with `make oldest`, and pytest itself are installed as the lock file says.
    own = [
        block
        for block, name, version in re.findall(r"^(([\w.-]+)==(\S+)(?:.*\\\n)+.*\n)", locked, re.MULTILINE)
        if name == "pytest" or not _link(name, version, packages)
    ]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "own.txt").write_text(f"{''.join(own)}ant-wif @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    named = ("--no-deps", "--require-hashes", "--requirement", tmp_path / "own.txt")
    # As in the Makefile: uv takes a tenth of pip's time, and pip may find an index where uv does not.
    uv = (Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--python", made, *named)
    if not uv[0].exists() or subprocess.run(uv, env=ENVIRON, capture_output=True, check=False).returncode != 0:
        _run(*pip, "--python", made, "install", "--no-compile", *named)
    return made


def _link(name: str, version: str, packages: Path) -> bool:
    """Link what a distribution consists of. Return whether this environment has that version of it."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    if distribution.version != version:
        return False
    for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
        target = packages / top
        if not target.exists():  # of a namespace package, one link has it all
            target.symlink_to(Path(str(distribution.locate_file(top))))
    return True


def test_the_sample_project_s_suite_passes_emulated_and_live(python: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(SAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    shown = _run(python, "-m", "pytest", "-n", "1", env=home, cwd=project)
    assert "pytest-8." in shown
    assert "6 passed, 1 skipped" in shown
    # It is the installed plugin that skips, not the one of this checkout.
    assert re.search(r"SKIPPED \[1\] \.\./venv/lib.*: needs a real credential, and the mode is emulator: ", shown)
    with Emulator() as emulator:
        live = ("--ant-mode", "live", "-k", "not needs_no_key and not command")
        shown = _run(python, "-m", "pytest", *live, env={**emulator.env("github"), **home}, cwd=project)
        assert "3 passed" in shown
        assert emulator.exchanges == 1
