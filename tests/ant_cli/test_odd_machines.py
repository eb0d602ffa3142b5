"""Machines without a home directory, users that the system does not know, and terminals of any encoding."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from pathlib import Path

import pytest

from ant_cli.main import main
from ant_wif._environment import NOWHERE
from support import preloaded
from support.loopback import TokenEndpoint
from support.misbehaving_server import forged_jwt

FEDERATION = {
    "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_01",
    "ANTHROPIC_ORGANIZATION_ID": "8f2b5a40-1d0e-4c8e-9a55-0f2d3c4b5a69",
}
# Another real user id makes the lookup of a home fail, while the effective one still reads the interpreter's files.
WITHOUT_HOME = """
import contextlib, io, json, os, sys
os.setreuid(54321, -1)
from ant_cli.main import main
import ant_wif
sys.stdin = open(os.devnull)
outcomes = []
environ, commands = json.load(open(sys.argv[1]))
for words in commands:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words, environ)
    outcomes.append([status, out.getvalue() + err.getvalue()])
outcomes.append([0, ant_wif.resolve(environ=environ).source])
print(json.dumps(outcomes))
"""
COMMANDS = {
    "auth status": 0,
    "auth verify": 0,
    "auth explain": 0,
    "auth print-credentials": 0,
    "exec -- true": 0,
    "identity detect": 0,
    "identity claims": 0,
    "cache list": 0,
    "cache clear": 0,
    "profile list": 0,
    "api /v1/models": 0,
    "auth login --no-browser": 1,
    "auth logout": 1,
    "profile get": 1,
    "profile set workspace_id wrkspc_01": 1,
    "profile activate x": 1,
    "profile create x --federation": 1,
    "--profile x models list": 3,
    "--identity-token-file ~/token auth verify": 3,
}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="takes the id of a user that does not exist")
def test_without_a_home_directory_everything_works_that_needs_none_and_the_rest_says_set_home(tmp_path: Path) -> None:
    with TokenEndpoint() as endpoint:
        environ = {
            **FEDERATION,
            "PATH": os.environ["PATH"],
            "ANTHROPIC_IDENTITY_TOKEN": forged_jwt({"iat": int(time.time()), "exp": int(time.time()) + 900}),
            "ANTHROPIC_BASE_URL": endpoint.base_url,
        }
        job = tmp_path / "job.json"
        job.write_text(json.dumps([environ, [words.split() for words in COMMANDS]]))
        done = preloaded.run(
            [sys.executable, "-c", WITHOUT_HOME, job],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    assert outcomes.pop() == [0, "federation"]
    for (words, expected), (status, said) in zip(COMMANDS.items(), outcomes, strict=True):
        assert status == expected, f"ant {words}: {said}"
        assert "unexpected" not in said
        if expected:
            assert "hint: set HOME" in said, f"ant {words}: {said}"
    assert not NOWHERE.exists()


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8"])
def test_a_terminal_of_any_encoding_is_written_to_without_an_error(encoding: str, tmp_path: Path) -> None:
    odd = tmp_path / "h\u4e2d\u20ac"
    environ = {
        "HOME": str(odd),
        **FEDERATION,
        "ANTHROPIC_IDENTITY_TOKEN": forged_jwt({"sub": "caf\u00e9 \u4e2d", "exp": int(time.time()) + 900}),
    }
    for words in (
        ["auth", "status"], ["auth", "status", "--format", "json"], ["auth", "explain"], ["identity", "claims"],
        ["identity", "claims", "--format", "yaml"], ["identity", "detect"], ["profile", "list"], ["cache", "list"],
        ["profile", "get"], ["--help"], ["api", "--help"], ["messages", "create", "--help"], ["emulator", "--help"],
    ):  # fmt: skip
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
        err = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(words, environ)
        assert out.errors == "strict"
        for stream in (out, err):
            stream.flush()
            assert b"unexpected" not in stream.buffer.getvalue()  # type: ignore[attr-defined]  # of the class above
            assert b"not valid UTF-8" not in stream.buffer.getvalue()  # type: ignore[attr-defined]  # as above
