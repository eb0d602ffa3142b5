"""Completion as a person has it: a real shell in a pseudo-terminal, and the Tab key."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from support import preloaded

BIN = str(Path(sys.executable).parent)
TO_THE_BEGINNING = "\x01"
SHELLS = {
    "bash": (["--norc", "--noprofile"], 'eval "$({name} completion bash)"'),
    "zsh": (["-f"], 'autoload -Uz compinit && compinit -u -D; eval "$({name} completion zsh)"'),
    "fish": (["--no-config"], "{name} completion fish | source"),
}

Complete = Callable[[str], str]


def ask(shell: str, home: Path, name: str = "ant") -> Iterator[Complete]:
    """Start a shell with the completion in force, and hand out what types a line and presses Tab."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    arguments, setup = SHELLS[shell]
    environ = {
        "PATH": f"{preloaded.programs()}:{BIN}:{os.environ['PATH']}",
        "HOME": str(home),
        "TERM": "xterm",
        "PS1": "$ ",
        "LC_ALL": "C.UTF-8",
    }
    child = pexpect.spawn(shell, [*arguments, "-i"], env=environ, encoding="utf-8", timeout=60, dimensions=(50, 300))
    child.delaybeforesend = None

    def complete(typed: str) -> str:
        # What stands in the line after Tab becomes the words of an `echo`.
        child.sendline(f"{typed}\t{TO_THE_BEGINNING}echo 'LINE''=' ")
        child.expect(r"LINE= ([^\r\n\x1b]*)")
        found = child.match
        assert isinstance(found, re.Match)
        return str(found[1]).rstrip()

    try:
        child.sendline(f"{setup.format(name=name)}; echo 'READ''Y'")
        child.expect("READY")
        yield complete
    finally:
        child.close(force=True)


@pytest.fixture(params=SHELLS)
def complete(request: pytest.FixtureRequest, home: Path) -> Iterator[Complete]:
    profiles = home / ".config" / "anthropic" / "configs"
    profiles.mkdir(parents=True)
    (profiles / "staging.json").write_text("{}")
    yield from ask(request.param, home)


def test_a_shell_completes_commands_options_profiles_and_keys(complete: Complete) -> None:
    for typed, completed in {
        "ant prof": "ant profile",
        "ant auth expl": "ant auth explain",
        "ant models list --lim": "ant models list --limit",
        "ant models list --transf": "ant models list --transform",
        "ant --profile sta": "ant --profile staging",
        "ant models list --profile sta": "ant models list --profile staging",
        "ant profile activate sta": "ant profile activate staging",
        "ant profile set work": "ant profile set workspace_id",
        "ant completion fi": "ant completion fish",
        "ant --format js": "ant --format json",
    }.items():
        assert complete(typed) == completed


def test_the_second_name_is_completed_as_well(home: Path) -> None:
    home.mkdir()
    for complete in ask("bash", home, "ant-wif"):
        assert complete("ant-wif prof") == "ant-wif profile"


def test_what_completes_a_word_imports_click_and_little_else(home: Path) -> None:
    environ = {
        "HOME": str(home), "_ANT_COMPLETE": "bash_complete", "COMP_WORDS": "ant profile activate ", "COMP_CWORD": "3",
    }  # fmt: skip
    program = (
        "import sys\ntry:\n    from ant_cli.main import main\n    main()\n"
        "finally:\n    print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)
    modules = {name.partition(".")[0] for name in done.stderr.split()}
    assert "click" in modules
    assert modules.isdisjoint({"pydantic", "httpx", "yaml", "jmespath", "pydantic_settings", "filelock", "anyio"})


def test_a_shell_that_there_is_no_script_for_is_named_as_such() -> None:
    done = preloaded.run([preloaded.ANT, "completion", "tcsh"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.stderr
