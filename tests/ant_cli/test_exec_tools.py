"""The official tools below `ant exec`, as they are: the SDKs of four languages, and the official Go `ant`."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import ant_wif
from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif._export import ExportedProfile
from ant_wif._secrets import SecretStr
from ant_wif._tokens.access_token import AccessToken
from ant_wif.emulator import Emulator
from support import preloaded
from support.jobs import platform_of, profile_of
from support.login import keep_a_login
from support.other_languages import PROGRAMS, go_ant
from support.preloaded import ANT

Environ = dict[str, str]


@pytest.fixture
def by_variables(emulator: Emulator, tmp_path: Path) -> Environ:
    """A GitHub Actions job whose variables hold a federation, with a home and a temp folder of its own."""
    for name in ("home", "runner"):
        (tmp_path / name).mkdir()
    folders = {"HOME": str(tmp_path / "home"), "RUNNER_TEMP": str(tmp_path / "runner")}
    return {**emulator.env("github"), **folders, "PATH": f"{preloaded.programs()}:{os.environ['PATH']}"}


@pytest.fixture
def by_profile(by_variables: Environ, emulator: Emulator) -> Environ:
    profile = profile_of(by_variables, identity_token={"source": "github_actions"})
    ConfigDir(Path(by_variables["HOME"], ".config", "anthropic")).write("default", profile)
    return platform_of(by_variables)


@pytest.fixture
def by_login(by_variables: Environ, emulator: Emulator) -> Environ:
    keep_a_login(ConfigDir(Path(by_variables["HOME"], ".config", "anthropic")), emulator)
    return {name: by_variables[name] for name in ("HOME", "RUNNER_TEMP", "PATH")}


@pytest.mark.parametrize(
    ("tool", "way", "grants"),
    # How the credential came to `ant exec` is the same to every tool; the Go `ant` reads most of what is handed over.
    [
        *((tool, "by_variables", 1) for tool in PROGRAMS),
        *((tool, *kept) for tool in ("go", "go ant") for kept in (("by_profile", 1), ("by_login", 0))),
    ],
)
def test_each_official_tool_makes_three_calls_on_one_exchange(
    tool: str, way: str, grants: int, emulator: Emulator, request: pytest.FixtureRequest
) -> None:
    program, environ = PROGRAMS[tool](), request.getfixturevalue(way)
    done = preloaded.run(
        [ANT, "exec", "--", *program], env=environ, input="\n\n\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line[:7] for line in done.stdout.splitlines()] == ["claude-"] * 3
    assert emulator.exchanges == len(emulator.history) == grants


@pytest.fixture
def handed(by_variables: Environ, emulator: Emulator) -> Callable[[float], Environ]:
    """The environment below `ant exec`, when the token has so many seconds left."""

    def make(seconds: float) -> Environ:
        environ = Environment(by_variables)
        credentials = ant_wif.resolve(environ=environ)
        exported = ExportedProfile(environ, credentials)
        secret = SecretStr(credentials.token())
        exported.put(AccessToken(secret, int(time.time() + seconds)))
        return exported.variables(environ, emulator.base_url)

    return make


@pytest.mark.long  # it is a fact about the tools, whose versions are fixed here
@pytest.mark.parametrize(
    ("tool", "refuses"),
    [("python", False), ("java", False), ("typescript", True), ("go", True), ("go ant", True)],
)
def test_each_tool_refuses_a_token_thirty_seconds_before_its_expiry_or_never(
    tool: str, *, refuses: bool, handed: Callable[[float], Environ], emulator: Emulator
) -> None:
    """So what renews it must be earlier. A tool that no longer refuses, or refuses sooner, is to be heard of here."""
    program, environ = PROGRAMS[tool](), handed(30)
    done = subprocess.run(program, env=environ, input="\n", capture_output=True, text=True, check=False)
    assert bool(done.returncode) == refuses, done.stderr
    assert emulator.exchanges == 1


def test_the_placeholder_for_a_refresh_token_is_not_taken_for_one(
    handed: Callable[[float], Environ], emulator: Emulator
) -> None:
    """The Go `ant` sends it when the token is about to end. That is refused, and ends nothing."""
    environ = handed(5)
    done = subprocess.run([go_ant(), "models", "list"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    first, *rest = [record.outcome for record in emulator.history]
    assert (first, set(rest)) == ("granted", {"denied"})
    assert emulator.exchanges == 1


@pytest.mark.long
def test_no_call_of_any_tool_fails_over_three_lifetimes_of_a_minute(by_variables: Environ, emulator: Emulator) -> None:
    emulator.update_rule("github", token_lifetime_seconds=60)
    programs = {name.replace(" ", "-"): shlex.join(make()) for name, make in PROGRAMS.items()}
    asks = "for second in $(seq 190); do echo; sleep 1; done"
    tools = [f"( {asks} | {program} > {name}.out || touch {name}.failed ) &" for name, program in programs.items()]
    done = subprocess.run(
        [ANT, "exec", "--", "bash", "-c", "\n".join([*tools, "wait"])],
        env=by_variables,
        cwd=by_variables["HOME"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    home = Path(by_variables["HOME"])
    assert not list(home.glob("*.failed")), done.stderr
    assert {name: len((home / f"{name}.out").read_text().splitlines()) for name in programs} == dict.fromkeys(
        programs, 190
    )
    # Each token serves for a quarter of its minute, so that a renewal which fails can be tried again.
    assert emulator.exchanges == len(emulator.history) <= 190 / 15 + 3
