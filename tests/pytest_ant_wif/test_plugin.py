"""The plugin as a project that installs it sees it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_ant_wif


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    script = "import sys, pytest_ant_wif.plugin; print(*(name.partition('.')[0] for name in sys.modules))"
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(outcome.stdout.split()) & {
        "pydantic",
        "httpx",
        "boto3",
        "google",
        "moto",
        "botocore",
        "starlette",
        "ant_wif",
    }


def test_the_public_types_can_be_imported_and_are_all_declared() -> None:
    assert sorted(pytest_ant_wif.__all__) == sorted(pytest_ant_wif._MODULES)
    for name in pytest_ant_wif.__all__:
        assert getattr(pytest_ant_wif, name).__module__.startswith("pytest_ant_wif.")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pytest_ant_wif.nonsense  # type: ignore[attr-defined]  # there is none
