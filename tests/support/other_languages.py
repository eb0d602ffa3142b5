"""The official SDKs and the official Go `ant`, each as a program that lists the models once for each line it reads."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from filelock import FileLock

from support import preloaded
from support.machine import ENVIRON

__all__ = ["PROGRAMS", "go_ant", "typescript_scripts"]

SOURCES = Path(__file__).parents[1]
PYTHON = (
    "import anthropic, sys\nclient = anthropic.Anthropic()\n"
    "for _ in sys.stdin: print(client.models.list().data[0].id, flush=True)"
)


def _built(name: str, tools: Sequence[str], commands: Sequence[Sequence[str]]) -> Path:
    """Return a copy of the folder `name` of the tests in which the commands were run, once beside Python's packages.

    Skips the test where a tool is missing, or there is nothing to install from.
    """
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)}: not here")
    sources, folder = SOURCES / name, Path(sys.prefix) / name
    stamp, now = folder / ".built", "".join(path.read_text() for path in sorted(sources.iterdir()))
    with FileLock(f"{folder}.lock"):
        if not stamp.exists() or stamp.read_text() != now:
            shutil.rmtree(folder, ignore_errors=True)  # an older version may have left other files
            shutil.copytree(sources, folder)
            for command in commands:
                done = subprocess.run(command, cwd=folder, env=ENVIRON, capture_output=True, text=True, check=False)
                if done.returncode:
                    pytest.skip(f"{command[0]} could not build {name}: {(done.stderr + done.stdout)[-300:]}")
            stamp.write_text(now)
    return folder


def go_ant() -> str:
    """Return the official Go `ant`: `$ANT_GO`, else `ant-go` on PATH. Skips the test where there is none."""
    program = os.environ.get("ANT_GO") or shutil.which("ant-go")
    if not program:
        pytest.skip("the official Go ant is not here: build it, and set ANT_GO to it")
    return program


def _python() -> list[str]:
    return [str(preloaded.programs("sdk") / "python"), "-W", "error", "-c", PYTHON]


def typescript_scripts() -> Path:
    """Return the folder with the scripts and the SDK. Skips the test where there is no node, or no registry."""
    install = "npm install --silent --no-audit --no-fund --no-package-lock --cache .npm"
    return _built("typescript", ["node", "npm"], [install.split()])


def _typescript() -> list[str]:
    return ["node", str(typescript_scripts() / "list_again.js")]


def _go() -> list[str]:
    return [str(_built("go", ["go"], [["go", "build", "-o", "list_again", "."]]) / "list_again")]


def _java() -> list[str]:
    copying = ["mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", "-DoutputDirectory=lib"]
    folder = _built("java", ["java", "javac", "mvn"], [copying, ["javac", "-cp", "lib/*", "ListAgain.java"]])
    # A program that lives for a second costs half as much when it is not optimized.
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{folder}:{folder}/lib/*", "ListAgain"]


def _go_ant() -> list[str]:
    lists = f"{shlex.quote(go_ant())} models list --format jsonl --transform id --raw-output < /dev/null"
    return ["sh", "-c", f'while read -r _; do out=$({lists}) || exit; echo "$out" | head -n 1; done']


PROGRAMS: Mapping[str, Callable[[], list[str]]] = {
    "python": _python,
    "typescript": _typescript,
    "go": _go,
    "java": _java,
    "go ant": _go_ant,
}
"""Each returns the command line, building the program first where there is something to build."""
