"""`ant`, run in this process."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CommandLine", "CommandOutcome"]


@dataclass(frozen=True)
class CommandOutcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> object:
        """Return stdout as the JSON document that it is. Raises ValueError: it is none."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class CommandLine:
    """Runs `ant` with the given environment."""

    environ: Mapping[str, str]

    def __call__(self, *words: str) -> CommandOutcome:
        from ant_cli.main import main

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(words, self.environ)
        return CommandOutcome(status, out.getvalue(), err.getvalue())
