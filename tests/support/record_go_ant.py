"""Writes what the official Go `ant` makes of each row of the table of precedence: `ANT_GO=… python record_go_ant.py`.

It is given the host by an option, since with a key it looks at no variable for it; so hosts are not compared.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
RECORDED = TESTS / "ant_wif" / "go_ant_precedence.json"


def go_outcome(program: str, environ: Mapping[str, str], loopback: Any) -> str:
    """Say which credential the official `ant` sends, in the words of the table."""
    done = subprocess.run(
        [program, "--base-url", loopback.main.base_url, "models", "list", "--format", "jsonl"],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    calls = [request for request in loopback.main.requests if request.path.endswith("/models")]
    grant = loopback.grant(lambda request: request.path.endswith("/oauth/token"))
    if grant is not None:
        return str(grant)
    if not calls:
        return "error" if done.returncode else "none"
    headers = calls[-1].headers
    if "x-api-key" in headers:
        return f"key:{headers['x-api-key']} at main"
    if "authorization" not in headers:
        return "none"
    workspace = headers.get("anthropic-workspace-id")
    suffix = f" for {workspace}" if workspace else ""
    return f"token:{headers['authorization'].removeprefix('Bearer ')} at main{suffix}"


def record(program: str) -> None:
    spec = importlib.util.spec_from_file_location("table", TESTS / "ant_wif" / "test_resolution_table.py")
    assert spec is not None
    assert spec.loader is not None
    table = sys.modules["table"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    answers = {}
    with table.serving() as loopback:
        for row in table.ROWS:
            loopback.clear()
            with tempfile.TemporaryDirectory() as home:
                environ = table.lay_out(row, Path(home), loopback)
                answers[row.id] = go_outcome(program, environ, loopback)
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    differ = sorted(row.id for row in table.ROWS if answers[row.id] != table.comparable(row.expected))
    document = {"version": said, "answers": answers, "differ": differ}
    RECORDED.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    from support.other_languages import go_ant

    record(go_ant())
