"""`ant`, run in this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CommandOutcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> object:
        """Return stdout as the JSON document that it is. Raises ValueError if it is not JSON."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class CommandLine:
    """Runs `ant` with the given environment: in this process, `ant exec` in one of its own."""

    environ: Mapping[str, str]

    def __call__(self, *words: str) -> CommandOutcome:
        if "exec" in words:
            # It may become another program, and what it runs writes past any object that stands for stdout.
            done = subprocess.run(  # noqa: S603  # the test's own words
                [sys.executable, "-m", "ant_cli", *words],
                env={"PATH": os.defpath, **self.environ},
                capture_output=True,
                text=True,
                check=False,
            )
            return CommandOutcome(done.returncode, done.stdout, done.stderr)
        from ant_cli.main import main

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(words, self.environ)
        return CommandOutcome(status, out.getvalue(), err.getvalue())
