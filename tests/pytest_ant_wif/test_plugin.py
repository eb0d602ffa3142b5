"""The plugin as a project that installs it sees it."""

from __future__ import annotations

import subprocess
import sys

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
