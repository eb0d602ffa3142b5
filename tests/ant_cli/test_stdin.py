"""Standard input that belongs to another program is not read by any command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ant_cli.main import cli, main
from ant_wif._config.config_dir import ConfigDir

from .conftest import Ant

REFUSED = "reads stdin, which belongs to another program here: name a file"
USERS = {
    ("api", "/v1/messages", "--input", "-"): REFUSED,
    ("wif", "issuers", "create", "--input", "-"): REFUSED,
    ("wif", "rules", "create", "--input", "-"): REFUSED,
    ("wif", "service-accounts", "create", "--input", "-"): REFUSED,
    ("messages", "create"): "missing: --model, --max-tokens, --message, or the field in a body on stdin",
    ("messages", "count-tokens"): "missing: --model, --message, or the field in a body on stdin",
    ("profile", "delete", "staging"): "pass --yes",
    ("auth", "login", "--no-browser"): "no code was pasted, and standard input has ended",
}
every_user = pytest.mark.parametrize("words", USERS, ids=" ".join)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: ConfigDir) -> Path:
    """The stdin of the process that runs `ant`: a file, so that what was read of it can be told."""
    (directory.path / "configs").mkdir(parents=True)
    (directory.path / "configs" / "staging.json").write_text("{}")
    path = tmp_path / "stdin"
    path.write_text("name: from-the-host\n")
    monkeypatch.setattr(sys, "stdin", path.open())
    return path


def left(host: Path) -> str:
    with sys.stdin as stdin:
        assert stdin.name == str(host)
        return stdin.read()


@every_user
def test_the_stdin_of_a_hosting_process_is_left_alone(ant: Ant, words: tuple[str, ...], host: Path) -> None:
    outcome = ant(*words)
    assert outcome.status in {1, 2}
    assert USERS[words] in outcome.err
    assert left(host) == "name: from-the-host\n"


def test_words_alone_come_from_a_hosting_process_too(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wif", "service-accounts", "create", "--input", "-"]) == 2
    assert REFUSED in capsys.readouterr().err
    assert left(host) == "name: from-the-host\n"


def test_a_runner_of_click_is_a_hosting_process() -> None:
    found = CliRunner().invoke(
        cli, ["wif", "service-accounts", "create", "--input", "-"], input="name: from-the-host\n"
    )
    assert found.exit_code == 2
    assert REFUSED in found.output
