"""From a fresh process with variables to the first answer that needed a credential."""

from __future__ import annotations

import statistics
import sys

from stage import Stage, alone
from table import Row, ratio

BAR = 0.35

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
    here, official = [], []
    for number in range(stage.runs + 1):
        ours, theirs = _seconds(stage, HERE), _seconds(stage, OFFICIAL)
        if number:  # the first run writes bytecode
            here.append(ours)
            official.append(theirs)
    ours, theirs = statistics.median(here), statistics.median(official)
    return [
        Row(
            "from variables to the first answer, one fresh process",
            f"{ours * 1000:.0f} ms ({ratio(ours / theirs)})",
            f"{theirs * 1000:.0f} ms",
            f"{BAR} x",
            ours / theirs <= BAR,
            {"seconds": here, "official_seconds": official, "ratio": ours / theirs},
        )
    ]


def _seconds(stage: Stage, program: str) -> float:
    seconds, ended = alone([sys.executable, "-c", program], stage.federation(stage.home()))
    if ended.status != 0:
        raise RuntimeError(f"no answer came:\n{ended.error[-2000:]}")
    return seconds
