"""Many processes that find one person's login expired, whose refresh token works once."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from forked import granted
from stage import Stage
from table import Row

PROCESSES = 16


@dataclass(frozen=True)
class Found:
    succeeded: int
    refreshes: int
    granted: int
    is_live: bool
    """Whether the refresh token that is stored at the end can still be used."""

    def __str__(self) -> str:
        kept = "kept" if self.is_live else "lost"
        return f"{self.succeeded} succeed, {self.refreshes} refreshes ({self.granted} granted), login {kept}"


def rows(stage: Stage) -> list[Row]:
    here, official = _expired(stage, "here"), _expired(stage, "official")
    return [
        Row(
            f"{PROCESSES} processes at the same moment, an expired login",
            str(here),
            str(official),
            f"{PROCESSES} succeed, 1 refresh, login kept",
            here == Found(PROCESSES, 1, 1, is_live=True),
            {"here": vars(here), "official": vars(official)},
        )
    ]


def _expired(stage: Stage, which: str) -> Found:
    emulator, home = stage.emulator, stage.home()
    login = emulator.login()
    path = stage.profile(
        home,
        {
            "version": "1.0",
            "authentication": {"type": "user_oauth", "client_id": login.client_id},
            "organization_id": login.organization_uuid,
            "workspace_id": login.workspace_id,
            "base_url": emulator.base_url,
        },
        {
            "version": "1.0",
            "type": "oauth_token",
            "access_token": login.access_token,
            "refresh_token": login.refresh_token,
            "expires_at": int(time.time()) - 60,
            "scope": login.scope,
        },
    )
    tokens = granted(stage, which, stage.variables(home), PROCESSES)
    return Found(
        sum(token != login.access_token for token in tokens),
        len(emulator.refreshes),
        sum(record.outcome == "granted" for record in emulator.refreshes),
        emulator.is_live_refresh_token(json.loads(path.read_text())["refresh_token"]),
    )
