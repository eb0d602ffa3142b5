"""The official clients, as they are, get their tokens from the emulator, and new ones when those expire.

Each test is made with the Python SDK, its asynchronous client, and the TypeScript SDK. They are given nothing
but variables and files that the real service would have them be given.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import anthropic
import pytest
from anyio.from_thread import start_blocking_portal

from ant_wif._config.config_dir import ConfigDir
from ant_wif.emulator import Emulator
from support.jobs import federation_of, profile_of
from support.login import keep_a_login
from support.other_languages import typescript_scripts

Lists = Callable[[], str]
"""Lists the models with one and the same client, and returns the id of the first."""


@contextmanager
def python() -> Iterator[Lists]:
    with anthropic.Anthropic() as client:
        yield lambda: client.models.list().data[0].id


@contextmanager
def asynchronous_python() -> Iterator[Lists]:
    async def first_of(client: anthropic.AsyncAnthropic) -> str:
        return (await client.models.list()).data[0].id

    with start_blocking_portal() as portal:
        client = anthropic.AsyncAnthropic()
        with portal.wrap_async_context_manager(client):
            yield lambda: portal.call(first_of, client)


@contextmanager
def typescript(folder: Path) -> Iterator[Lists]:
    pipe = subprocess.PIPE
    with subprocess.Popen(["node", folder / "list_again.js"], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        asks, answers = node.stdin, node.stdout

        def first() -> str:
            asks.write("\n")
            asks.flush()
            answer = answers.readline().strip()
            assert answer, node.communicate()[1]
            return answer

        try:
            yield first
        finally:
            node.kill()


@pytest.fixture(scope="module")
def typescript_sdk() -> Path:
    return typescript_scripts()


@pytest.fixture(params=["python", "asynchronous python", "typescript"])
def client(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[Lists]]:
    if request.param == "typescript":
        return functools.partial(typescript, request.getfixturevalue("typescript_sdk"))
    return python if request.param == "python" else asynchronous_python


@pytest.fixture
def platform(emulator: Emulator) -> Iterator[Emulator]:
    """The emulator of the module, on time again afterwards."""
    clock = emulator.clock
    yield emulator
    emulator.clock = clock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of this process, with nothing in its environment: official clients read that themselves."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "ANT_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def hand_out(emulator: Emulator, home: Path) -> Path:
    """Have the platform write the next identity token: each can be exchanged once."""
    path = home / "identity-token"
    path.write_text(emulator.issue())
    return path


def two_hours_pass(emulator: Emulator) -> None:
    """No access token of before is accepted any longer."""
    emulator.clock = lambda: time.time() + 7200


def stored(home: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(ConfigDir(home / ".config" / "anthropic").secrets_path("default").read_text())
    return found


def test_each_client_federates_by_variables_and_again_when_its_token_expired(
    client: Callable[[], AbstractContextManager[Lists]], platform: Emulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in federation_of(platform.env("github")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN_FILE", str(hand_out(platform, home)))
    with client() as first_model:
        assert [first_model()[:7] for _ in range(3)] == ["claude-"] * 3
        assert [record.outcome for record in platform.history] == ["granted"]

        two_hours_pass(platform)
        hand_out(platform, home)
        assert first_model().startswith("claude-")
    assert [record.outcome for record in platform.history] == ["granted", "granted"]
    assert platform.exchanges == 2


def test_each_client_federates_by_a_profile_and_keeps_the_token_there(
    client: Callable[[], AbstractContextManager[Lists]], platform: Emulator, home: Path
) -> None:
    identity_token = {"source": "file", "path": str(hand_out(platform, home))}
    profile = profile_of(platform.env("github"), identity_token=identity_token)
    ConfigDir(home / ".config" / "anthropic").write("default", profile)
    with client() as first_model:
        assert [first_model()[:7] for _ in range(3)] == ["claude-"] * 3
        assert platform.exchanges == len(platform.history) == 1
        first = stored(home)["access_token"]

        two_hours_pass(platform)
        hand_out(platform, home)
        assert first_model().startswith("claude-")
    assert platform.exchanges == len(platform.history) == 2
    assert stored(home)["access_token"] != first


def test_each_client_refreshes_an_expired_login_and_again_when_that_token_expired(
    client: Callable[[], AbstractContextManager[Lists]], platform: Emulator, home: Path
) -> None:
    directory = ConfigDir(home / ".config" / "anthropic")
    keep_a_login(directory, platform)
    before = {**stored(home), "expires_at": 1}
    directory.secrets_path("default").write_text(json.dumps(before))
    with client() as first_model:
        assert [first_model()[:7] for _ in range(3)] == ["claude-"] * 3
        assert [record.outcome for record in platform.refreshes] == ["granted"]
        after = stored(home)
        assert platform.is_live_refresh_token(str(after["refresh_token"]))
        assert not platform.is_live_refresh_token(str(before["refresh_token"]))

        platform.clock = lambda: time.time() + 2 * 24 * 3600
        assert first_model().startswith("claude-")
    assert [record.outcome for record in platform.history] == ["granted", "granted"]
    assert platform.is_live_refresh_token(str(stored(home)["refresh_token"]))
