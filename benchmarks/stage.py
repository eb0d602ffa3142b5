"""What every case stands on: the emulator, fresh homes, and processes with nothing else in their environment."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ant_wif.emulator import Emulator

__all__ = [
    "ANT",
    "OFFICIAL",
    "PRINT",
    "Ended",
    "Stage",
    "alone",
    "at_once",
    "complain",
    "in_turn",
    "result",
    "script",
]

ANT = str(Path(sys.executable).with_name("ant"))
PRINT = [ANT, "auth", "print-credentials", "--access-token"]
OFFICIAL = [sys.executable, "-c", "import anthropic; print(anthropic.Anthropic()._token_cache.get_token())"]
"""The official SDK has no such command; this is the least that prints its token."""

_PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Ended:
    """One process that has ended."""

    status: int
    output: str
    error: str

    @property
    def token(self) -> str | None:
        """The access token that it printed, if it did what it should."""
        printed = self.output.strip()
        return printed if self.status == 0 and printed.startswith("sk-ant-oat01-") else None


@dataclass(frozen=True)
class Stage:
    """`runs` is how often timed cases are repeated, `kills` how many processes are killed."""

    emulator: Emulator
    folder: Path
    runs: int = 10
    kills: int = 200

    def home(self) -> Path:
        """Return a new empty folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def variables(self, home: Path, **others: str) -> dict[str, str]:
        """Return a whole environment for a process that lives in `home`."""
        return {"HOME": str(home), "PATH": os.environ["PATH"], **others}

    def federation(self, home: Path, **claims: object) -> dict[str, str]:
        """Return the environment of a process that federates by a token file, which is written newly.

        The token can be exchanged once, unless `jti=None` is among the claims.
        """
        ids = {name: value for name, value in self.emulator.env("github").items() if name.startswith("ANTHROPIC_")}
        return self.variables(home, **ids, ANTHROPIC_IDENTITY_TOKEN_FILE=str(self.identity(home, **claims)))

    def identity(self, home: Path, **claims: object) -> Path:
        path = home / "identity-token"
        path.write_text(self.emulator.issue("github", **claims))  # type: ignore[arg-type]  # claims, not options
        path.chmod(0o600)
        return path

    def federation_profile(self, home: Path, **claims: object) -> Path:
        """Write a federation profile with an identity token of its own; return where its credentials will be."""
        ids = self.emulator.env("github")
        document = {
            "version": "1.0",
            "authentication": {
                "type": "oidc_federation",
                "federation_rule_id": ids["ANTHROPIC_FEDERATION_RULE_ID"],
                "service_account_id": ids["ANTHROPIC_SERVICE_ACCOUNT_ID"],
                "identity_token": {"source": "file", "path": str(self.identity(home, **claims))},
            },
            "organization_id": ids["ANTHROPIC_ORGANIZATION_ID"],
            "workspace_id": ids["ANTHROPIC_WORKSPACE_ID"],
            "base_url": self.emulator.base_url,
        }
        return self.profile(home, document)

    def profile(
        self, home: Path, document: Mapping[str, object], credentials: Mapping[str, object] | None = None
    ) -> Path:
        """Write the profile `default` where every SDK looks; return where its credentials are."""
        root = home / ".config" / "anthropic"
        path = root / "credentials" / "default.json"
        (root / "configs").mkdir(parents=True)
        (root / "configs" / "default.json").write_text(json.dumps(document))
        path.parent.mkdir(mode=0o700)
        if credentials is not None:
            path.touch(mode=0o600)
            path.write_text(json.dumps(credentials))
        return path

    @property
    def attempts(self) -> int:
        """How many requests the token endpoint saw since `clear_history`, granted or not."""
        return len(self.emulator.history)


def at_once(command: Sequence[str], environment: dict[str, str], count: int) -> tuple[float, list[Ended]]:
    """Start `count` processes together; return the seconds until the last has ended, and what came of each."""
    started = time.perf_counter()
    running = [_start(command, environment) for _ in range(count)]
    ended = [_end(process) for process in running]
    return time.perf_counter() - started, ended


def complain(ended: Sequence[Ended]) -> None:
    """Say once each what went wrong, so that a missed bar can be explained."""
    for error in {each.error[-1000:] for each in ended if each.status != 0}:
        print(error, file=sys.stderr)


def alone(command: Sequence[str], environment: dict[str, str]) -> tuple[float, Ended]:
    seconds, (ended,) = at_once(command, environment, 1)
    return seconds, ended


def in_turn(
    stage: Stage, *commands: tuple[Sequence[str], Callable[[], dict[str, str]]], status: int = 0, times: int = 1
) -> list[list[float]]:
    """Return for each command the CPU seconds of its runs, each with an environment that is made for it.

    One run of each follows the other, so that a busy machine slows all alike. The first runs do not count, because
    they write bytecode.

    Each command is run `times` as often as the stage says, and has to end with that status.

    Raises:
        RuntimeError: one ended otherwise.
    """
    taken = [
        [_cpu_seconds(command, environment(), status) for command, environment in commands]
        for _ in range(stage.runs * times + 1)
    ]
    return [list(times) for times in zip(*taken[1:], strict=True)]


def _cpu_seconds(command: Sequence[str], environment: dict[str, str], status: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _, ended = alone(command, environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.status != status:
        raise RuntimeError(
            f"{' '.join(command)[:200]} ended with {ended.status}:\n{ended.output[-2000:]}{ended.error[-2000:]}"
        )
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def script(path: str, *arguments: str) -> list[str]:
    """Return the command that runs one of these modules as the measured process."""
    return [sys.executable, path, *arguments]


def result(command: Sequence[str], environment: dict[str, str]) -> Any:
    """Run a process that prints JSON, and return that.

    Raises:
        RuntimeError: it failed.
    """
    _, ended = alone(command, environment)
    if ended.status != 0:
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {ended.status}:\n{ended.error[-2000:]}")
    return json.loads(ended.output)


def _start(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


def _end(process: subprocess.Popen[str]) -> Ended:
    try:
        output, error = process.communicate(timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, error = process.communicate()
    return Ended(process.returncode, output, error)
