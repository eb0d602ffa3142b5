"""The plugin as a project that installs it sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import pytest_ant_wif

LOADED = "import sys, pytest_ant_wif.plugin"
STARTED = "import sys; from ant_wif.emulator import Emulator; emulator = Emulator().start()"
CREDENTIAL = """
from pytest_ant_wif._exchanges import emulated_credentials
assert emulated_credentials(emulator).token()
emulator.stop()
"""


@pytest.mark.parametrize(
    ("script", "heavy"),
    [
        (LOADED, "pydantic httpx boto3 google moto botocore starlette ant_wif"),
        (STARTED + CREDENTIAL, "pydantic_settings httpcore trio jwt filelock boto3 google moto yaml"),
        (f"{STARTED}; emulator.stop()", "pydantic httpx cryptography"),
    ],
    ids=["the plugin is loaded", "a credential of the emulator is used", "the emulator is started"],
)
def test_nothing_heavy_is_imported_where(script: str, heavy: str) -> None:
    assert not _imported_by(script) & (set(heavy.split()) - _of_httpx(heavy))


def _of_httpx(heavy: str) -> set[str]:
    """Return what httpx imports itself, as older releases do of httpcore, where it may be imported at all."""
    return set() if "httpx" in heavy else _imported_by("import sys, httpx")


@cache
def _imported_by(script: str) -> set[str]:
    script += "\nprint(*(name.partition('.')[0] for name in sys.modules))"
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(outcome.stdout.split())


def test_the_public_types_can_be_imported_and_are_all_declared() -> None:
    assert sorted(pytest_ant_wif.__all__) == sorted(pytest_ant_wif._MODULES)
    for name in pytest_ant_wif.__all__:
        assert getattr(pytest_ant_wif, name).__module__.startswith("pytest_ant_wif.")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pytest_ant_wif.nonsense  # type: ignore[attr-defined]  # there is none


RUN = "import sys, pytest{}; sys.exit(pytest.main(['-W', 'error', '-p', 'no:cacheprovider', *{!r}]))"
LOADERS = """
import ant_wif.emulator, sys


def test_loaders(ant_env):
    names = [name for name in sys.modules if name.startswith(("ant_wif.", "ant_cli.", "pytest_ant_wif."))]
    assert len(names) > 30
    assert {type(sys.modules[name].__loader__).__name__ for name in names} == {"SourceFileLoader"}
"""


def run_alone(before: str, named: str, test: Path) -> None:
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    script = RUN.format(before, [*(f"-p{name}" for name in named.split()), str(test)])
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=alone)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("named", ["ant_wif", "pytest_ant_wif.plugin"])
def test_the_assertions_of_this_project_are_not_rewritten(named: str, tmp_path: Path) -> None:
    """It takes seconds in a new environment, and what is rewritten is loaded more slowly ever after."""
    test = tmp_path / "test_loaders.py"
    test.write_text(LOADERS)
    run_alone("", named, test)


@pytest.mark.parametrize(
    ("named", "before"),
    [("pytest_ant_wif.plugin", ", ant_wif, ant_cli, pytest_ant_wif"), ("ant_wif", ", pytest_ant_wif.plugin")],
)
def test_pytest_does_not_warn_of_what_was_imported_before_it(before: str, named: str, tmp_path: Path) -> None:
    test = tmp_path / "test_uses.py"
    test.write_text("def test_uses(ant_env): pass\n")
    run_alone(before, named, test)


HOOK = """
import sys

names = []


class Watch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        names.append(name)


sys.meta_path.insert(0, Watch)
"""
WATCHED = """
import ant_wif.emulator, early


def test_watched():
    assert "ant_wif.emulator" in early.names
"""


def test_the_import_hook_of_another_plugin_sees_the_modules_of_this_project(tmp_path: Path) -> None:
    """Those of typeguard and of jaxtyping check the types of whatever they are told, ours too."""
    (tmp_path / "early.py").write_text(HOOK)
    (tmp_path / "test_watched.py").write_text(WATCHED)
    run_alone(f"; sys.path.insert(0, {str(tmp_path)!r})", "early ant_wif", tmp_path / "test_watched.py")


def test_the_package_changes_nothing_of_python_where_no_pytest_runs() -> None:
    script = "import sys; before = list(sys.meta_path); import pytest_ant_wif; assert sys.meta_path == before"
    subprocess.run([sys.executable, "-c", script], check=True)
