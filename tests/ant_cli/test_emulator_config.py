"""`ant emulator --config`: a seed file that is used, and ones that are not."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from support import preloaded
from support.preloaded import ANT

from .conftest import Ant


@pytest.mark.parametrize("options", [[], ["--quiet"]], ids=["usual", "quiet"])
def test_the_emulator_starts_with_what_the_seed_file_says(tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text("workspaces: [{name: Engineering, id: wrkspc_seeded}]\n")
    command = [ANT, "emulator", "--config", str(path), *options]
    process = preloaded.Popen(command, stderr=subprocess.PIPE, text=True, env={"HOME": "/nonexistent"})
    try:
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        env = httpx.get(f"{url}/_emulator/env/github").json()
        assert env["ANTHROPIC_WORKSPACE_ID"] == "wrkspc_seeded"
        httpx.get(f"{url}/_emulator/history")  # answered after the line of the first request was printed
    finally:
        process.terminate()
        _, printed = process.communicate()
    line = re.search(r"^GET /_emulator/env/github 200 \d+ ms$", printed, re.MULTILINE)
    assert (line is None) == bool(options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [{name: a}]\n", "rules[0].issuer: this field is required; correct rules[0].issuer in"),
        ("rules: [\n", "line 2"),
        (None, "cannot be read"),
    ],
)
def test_a_seed_file_that_cannot_be_used_is_wrong_usage(ant: Ant, tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "seed.yaml"
    if text is not None:
        path.write_text(text)
    outcome = ant("emulator", "--config", str(path))
    assert outcome.status == 2
    assert said in outcome.err
    assert "seed.yaml" in outcome.err
