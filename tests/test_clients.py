"""Frameworks and tools beside the official SDKs, each below `ant exec`: `make clients` installs and runs the newest.

docs/frameworks.md says which way is which program's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ant_wif.emulator import Emulator

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent / "clients"
CLIENTS = {
    "anthropic": ((), ("python", "anthropic_sdk.py")),
    "langchain-anthropic": ((), ("python", "langchain.py")),
    "pydantic-ai": ((), ("python", "pydantic_ai_agent.py")),
    "litellm by a token": (("--env",), ("python", "litellm_completion.py")),
    "litellm by a key": (("--as-api-key",), ("python", "litellm_completion.py")),
    "Vercel's ai": (("--env",), ("node", "vercel_ai.mjs")),
    "claude-agent-sdk": ((), ("python", "claude_agent.py")),
    "Claude Code": ((), ("claude", "--print", "Say this")),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of the programs, with what `make clients` installed for those in JavaScript."""
    copy = tmp_path / "clients"
    shutil.copytree(HERE, copy)
    installed = Path(sys.prefix) / "npm" / "node_modules"
    if installed.exists():
        (copy / "node_modules").symlink_to(installed)
    return copy


def _run(emulator: Emulator, place: Path, options: tuple[str, ...], command: tuple[str, ...]) -> str:
    home = place.parent / "home"
    home.mkdir()
    path = os.pathsep.join([str(Path(sys.executable).parent), str(place / "node_modules" / ".bin"), os.defpath])
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    ant = [sys.executable, "-m", "ant_cli", "exec", *options, "--", *command]
    environ = {**emulator.env("github"), **quiet, "HOME": str(home), "PATH": path}
    done = subprocess.run(
        ant, env=environ, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("client", CLIENTS)
def test_the_client_gets_its_answer_for_one_exchange(client: str, place: Path) -> None:
    with Emulator() as emulator:
        assert "Say this" in _run(emulator, place, *CLIENTS[client])
        assert emulator.exchanges == 1
        assert {request.status for request in emulator.requests.messages()} == {200}


def test_instructor_gets_its_form(place: Path) -> None:
    with Emulator() as emulator:
        emulator.reply(tool_use={"name": "Form", "input": {"city": "Bergen"}})
        assert _run(emulator, place, (), ("python", "instructor_form.py")) == "Bergen\n"
        assert emulator.exchanges == 1
