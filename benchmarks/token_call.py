"""What it costs to be told the token that is already held."""

from __future__ import annotations

import json
import statistics
import sys
import timeit

from stage import Stage, result, script
from table import Row, ratio

CALLS = 20_000
ALTERNATIONS = 31
BAR = 1.0


def rows(stage: Stage) -> list[Row]:
    found = result(script(__file__), stage.federation(stage.home(), jti=None))
    here, official = statistics.median(found["here"]), statistics.median(found["official"])
    return [
        Row(
            "`token()` with a token held",
            f"{here:.0f} ns ({ratio(here / official)})",
            f"{official:.0f} ns",
            f"{BAR} x",
            here / official <= BAR,
            {"here_ns": here, "official_ns": official, "ratio": here / official},
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
