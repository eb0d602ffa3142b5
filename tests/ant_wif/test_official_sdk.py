"""This project, the official SDK and the emulator use one another's files and variables."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anthropic
import httpx
import pytest
from anthropic.lib.credentials import CredentialsFile

import ant_wif
from ant_wif import Credentials
from ant_wif._config.config_dir import ConfigDir
from ant_wif.emulator import Emulator
from support.jobs import profile_of


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    """The emulator of this module, without history, and on time again afterwards."""
    clock = running.clock
    running.clear_history()
    yield running
    running.clock = clock


class Workload:
    """One workload: a home directory with a configuration directory and a file that holds the identity token."""

    def __init__(self, home: Path, emulator: Emulator) -> None:
        self.home = home
        self.emulator = emulator
        self.directory = ConfigDir(home / ".config" / "anthropic")
        self.identity_token_file = home / "identity-token"
        self.rotate_identity_token()

    def rotate_identity_token(self) -> None:
        """Have the platform put a new token into the file: one can be exchanged only once."""
        self.identity_token_file.write_text(self.emulator.issue() + "\n")

    def use_profile(self) -> None:
        """Federate by the profile `work`, which is the active one."""
        identity_token = {"source": "file", "path": str(self.identity_token_file)}
        self.directory.write("work", profile_of(self.emulator.env(), identity_token=identity_token))
        self.directory.activate("work")

    def resolve(self, *, clock: Callable[[], float] = time.time) -> Credentials:
        """What this project makes of the files alone."""
        return ant_wif.resolve(environ={"HOME": str(self.home)}, clock=clock)

    def kept(self, name: str = "work") -> dict[str, object]:
        """The profile's credentials file."""
        found: dict[str, object] = json.loads(self.directory.credentials_path(name).read_text())
        return found


@pytest.fixture
def workload(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workload:
    """A workload whose home is also this process's: the official SDK reads `os.environ`."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "ANT_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return Workload(tmp_path, emulator)


@pytest.fixture
def official() -> Iterator[CredentialsFile]:
    """The official SDK's view of the profile `work`. It reads nothing before it is called."""
    provider = CredentialsFile(profile="work")
    yield provider
    provider.close()


def list_models_with(credentials: Credentials) -> int:
    """Call the API with what this project resolved; return the HTTP status."""
    with httpx.Client(base_url=credentials.base_url, auth=credentials.auth) as client:
        return client.get("/v1/models").status_code


def test_this_project_uses_the_token_that_the_official_sdk_keeps(workload: Workload, official: CredentialsFile) -> None:
    workload.use_profile()
    token = official().token

    credentials = workload.resolve()
    assert credentials.token() == token
    assert list_models_with(credentials) == 200
    assert workload.emulator.exchanges == 1


def test_this_project_replaces_the_official_sdks_token_when_it_expires_and_keeps_the_other_fields(
    workload: Workload, official: CredentialsFile
) -> None:
    workload.use_profile()
    path = workload.directory.credentials_path("work")
    path.parent.mkdir(mode=0o700)
    path.touch(0o600)
    path.write_text(json.dumps({"organization_name": "Acme", "later": {"kept": True}}))
    first = official().token
    before = workload.kept()
    assert before["access_token"] == first

    def two_hours_later() -> float:
        return time.time() + 7200

    workload.emulator.clock = two_hours_later
    workload.rotate_identity_token()
    second = workload.resolve(clock=two_hours_later).token()

    assert second != first
    assert workload.emulator.exchanges == 2
    after = workload.kept()
    assert after["access_token"] == second
    assert isinstance(after["expires_at"], int)
    assert after["expires_at"] > two_hours_later()
    unchanged = set(before) - {"access_token", "expires_at"}
    assert unchanged >= {"version", "type", "organization_name", "later"}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_official_sdk_uses_the_token_that_this_project_keeps(workload: Workload) -> None:
    workload.use_profile()
    token = workload.resolve().token()
    with anthropic.Anthropic() as client:
        assert list(client.models.list())
        assert client.credentials is not None
        assert client.credentials().token == token
    assert workload.emulator.exchanges == 1


def test_a_token_that_the_official_sdk_put_beside_this_projects_note_is_trusted(
    workload: Workload, official: CredentialsFile
) -> None:
    workload.use_profile()
    ours = workload.resolve().token()
    note = workload.kept()["ant_wif"]
    workload.rotate_identity_token()
    theirs = official(force_refresh=True).token
    assert theirs != ours
    assert workload.kept()["ant_wif"] == note, "the official SDK keeps fields that it does not know"

    credentials = workload.resolve()
    assert credentials.token() == theirs
    assert list_models_with(credentials) == 200
    assert workload.emulator.exchanges == 2
