"""The fixtures. This module is loaded in every pytest run, so it imports nothing heavy before one is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, cast

import pytest

if TYPE_CHECKING:
    from ant_wif import Credentials
    from ant_wif.emulator import Emulator

__all__ = ["ant_credentials", "ant_emulator"]

Mode = Literal["emulator", "live", "auto"]
_MODES: tuple[Mode, ...] = ("emulator", "live", "auto")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("ant", "Claude API credentials (ant-wif)")
    explanation = "where ant_credentials comes from: the emulator, the environment, or (auto) whichever there is"
    group.addoption("--ant-mode", choices=_MODES, default=None, help=explanation)
    parser.addini("ant_mode", explanation, default="emulator")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a mode that there is not before any test runs."""
    _mode(config)


@pytest.fixture(scope="session")
def ant_emulator() -> Iterator[Emulator]:
    """A local stand-in for the Claude Platform, running on loopback for the whole session."""
    from ant_wif.emulator import Emulator

    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def ant_credentials(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """A credential to call the API with: the emulator's, or with `--ant-mode live` the real one."""
    import ant_wif

    mode = _mode(request.config)
    if mode != "emulator":
        try:
            return ant_wif.resolve()
        except ant_wif.NoCredentialsError as error:
            if mode == "live":
                pytest.fail(f"--ant-mode live: {error}\nhint: {error.hint}", pytrace=False)
    emulator = cast("Emulator", request.getfixturevalue("ant_emulator"))
    # A home of its own, so that no profile of this machine is even looked at.
    home = {"HOME": str(tmp_path_factory.mktemp("ant-home"))}
    return ant_wif.resolve(environ=emulator.env("github") | home)


def _mode(config: pytest.Config) -> Mode:
    mode = config.getoption("--ant-mode") or config.getini("ant_mode")
    if mode not in _MODES:
        raise pytest.UsageError(f"ant_mode is {mode!r}; expected one of {', '.join(_MODES)}")
    return cast("Mode", mode)
