"""`ant`, run in this process with an environment of its own."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ant_cli.main import main
from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif.emulator import Emulator
from support.registrations import as_seeded


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    def json(self) -> dict[str, object]:
        loaded: dict[str, object] = json.loads(self.out)
        return loaded


Ant = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def ant(capsys: pytest.CaptureFixture[str], home: Path) -> Ant:
    """Run `ant` with these words, and with no variable but HOME and those given."""

    def run(*words: str, **environ: str) -> Outcome:
        capsys.readouterr()
        status = main(words, {"HOME": str(home), **environ})
        out, err = capsys.readouterr()
        return Outcome(status, out, err)

    return run


@pytest.fixture
def seeded(running: Emulator) -> Iterator[Emulator]:
    """The emulator of the module, with what is registered as it was when it started."""
    with as_seeded(running):
        yield running


@pytest.fixture
def directory(home: Path) -> ConfigDir:
    return ConfigDir.locate(Environment({"HOME": str(home)}))


@pytest.fixture
def engineering(emulator: Emulator) -> str:
    """The id of the emulator's other workspace."""
    return emulator.rule().workspace_ids[0]


@pytest.fixture
def environ(home: Path, emulator: Emulator) -> dict[str, str]:
    home.mkdir()
    return {"HOME": str(home)}


@pytest.fixture
def words(emulator: Emulator) -> list[str]:
    return ["auth", "login", "--base-url", emulator.base_url, "--console-url", emulator.base_url]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nothing listens, and nothing else can: it stays taken."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
