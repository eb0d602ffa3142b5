"""From a fresh process with variables to the first answer that needed a credential."""

from __future__ import annotations

import statistics
import sys

from stage import Stage, in_turn
from table import Ratio, Row

BAR = 0.2

HERE = """
import httpx
import ant_wif
creds = ant_wif.resolve()
with httpx.Client(base_url=creds.base_url, auth=creds.auth) as client:
    assert client.get("/v1/models").raise_for_status().json()["data"]
"""
OFFICIAL = """
import anthropic
with anthropic.Anthropic() as client:
    assert client.models.list().data
"""


def rows(stage: Stage) -> list[Row]:
    here, official = in_turn(
        stage,
        *(([sys.executable, "-c", program], lambda: stage.federation(stage.home())) for program in (HERE, OFFICIAL)),
    )
    ratio = Ratio.of(here, official)
    return [
        Row(
            "from variables to the first answer, one fresh process, CPU time",
            f"{statistics.median(here) * 1000:.0f} ms, {ratio}",
            f"{statistics.median(official) * 1000:.0f} ms",
            f"{BAR} x",
            ratio.median <= BAR,
            {"seconds": here, "official_seconds": official},
            ratio,
        )
    ]
