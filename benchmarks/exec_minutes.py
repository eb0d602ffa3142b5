"""`ant exec` over five lifetimes of the shortest tokens that a rule may hand out: 60 seconds each, in real time."""

from __future__ import annotations

import subprocess
import sys

from stage import ANT, Stage
from table import Row

LIFETIME = 60
LIFETIMES = 5

PROGRAM = f"""
import json, os, pathlib, time
path = pathlib.Path(os.environ["ANTHROPIC_CONFIG_DIR"], "credentials", os.environ["ANTHROPIC_PROFILE"] + ".json")
end, expired, reads, tokens = time.time() + {LIFETIME * LIFETIMES + 5}, 0, 0, set()
while time.time() < end:
    stored = json.loads(path.read_text())
    expired += stored["expires_at"] <= time.time()
    reads += 1
    tokens.add(stored["access_token"])
    time.sleep(0.05)
print(reads, expired, len(tokens))
"""


def rows(stage: Stage) -> list[Row]:
    rule = stage.emulator.rule("github")
    stage.emulator.update_rule("github", token_lifetime_seconds=LIFETIME)
    stage.emulator.clear_history()
    environment = {**stage.emulator.env("github"), **stage.variables(stage.home())}
    try:
        done = subprocess.run(
            [ANT, "exec", "--", sys.executable, "-c", PROGRAM],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        stage.emulator.update_rule("github", token_lifetime_seconds=rule.token_lifetime_seconds)
    if done.returncode:
        raise RuntimeError(done.stderr)
    reads, expired, tokens = map(int, done.stdout.split())
    return [
        Row(
            f"`ant exec` over {LIFETIMES} lifetimes of {LIFETIME} s",
            f"{reads} reads, {expired} of an expired token, {tokens} tokens, {stage.attempts} exchanges",
            "has none",
            "0 expired",
            expired == 0 and tokens >= LIFETIMES,
            {"reads": reads, "expired": expired, "tokens": tokens, "exchanges": stage.attempts},
        )
    ]
