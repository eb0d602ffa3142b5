"""Access tokens of a minute, asked for a hundred times."""

from __future__ import annotations

import sys

from stage import Stage, alone
from table import Row

CALLS = 100
SECONDS = 60
MOST = 2

HERE = f"""
import ant_wif
creds = ant_wif.resolve()
assert all(creds.token() for _ in range({CALLS}))
"""
OFFICIAL = f"""
import anthropic
cache = anthropic.Anthropic()._token_cache
assert all(cache.get_token() for _ in range({CALLS}))
"""


def rows(stage: Stage) -> list[Row]:
    rule = stage.emulator.rule("github")
    stage.emulator.update_rule("github", token_lifetime_seconds=SECONDS)
    try:
        here, official = _attempts(stage, HERE), _attempts(stage, OFFICIAL)
    finally:
        stage.emulator.update_rule("github", token_lifetime_seconds=rule.token_lifetime_seconds)
    return [
        Row(
            f"{CALLS} calls of `token()`, {SECONDS}-second tokens",
            f"{here} exchanges",
            f"{official} exchanges",
            f"{MOST} exchanges",
            here <= MOST,
            {"attempts": here, "official_attempts": official},
        )
    ]


def _attempts(stage: Stage, program: str) -> int:
    """The identity token carries no `jti`, so that it may be exchanged as often as anyone likes."""
    environment = stage.federation(stage.home(), jti=None)
    stage.emulator.clear_history()
    _, ended = alone([sys.executable, "-c", program], environment)
    if ended.status != 0:
        raise RuntimeError(f"a call of token() failed:\n{ended.error[-2000:]}")
    return stage.attempts
