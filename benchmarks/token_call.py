"""What it costs to be told the token that is already held."""

from __future__ import annotations

import json
import statistics
import sys
import timeit

from stage import Stage, result, script
from table import Ratio, Row

CALLS = 20_000
ALTERNATIONS = 31
BAR = 1.0


def rows(stage: Stage) -> list[Row]:
    found = result(script(__file__), stage.federation(stage.home(), jti=None))
    ratio = Ratio.of(found["here"], found["official"])
    return [
        Row(
            "`token()` with a token held",
            f"{statistics.median(found['here']):.0f} ns, {ratio}",
            f"{statistics.median(found['official']):.0f} ns",
            f"{BAR} x",
            ratio.median <= BAR,
            {"ns": found["here"], "official_ns": found["official"]},
            ratio,
        )
    ]


def _measure() -> int:
    """The measured process: both in one, by turns."""
    import anthropic

    import ant_wif

    credentials = ant_wif.resolve()
    cache = anthropic.Anthropic()._token_cache
    assert cache is not None
    assert credentials.token()
    assert cache.get_token()
    here, official = [], []
    for _ in range(ALTERNATIONS):
        here.append(timeit.timeit(credentials.token, number=CALLS) / CALLS * 1e9)
        official.append(timeit.timeit(cache.get_token, number=CALLS) / CALLS * 1e9)
    json.dump({"here": here, "official": official}, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(_measure())
