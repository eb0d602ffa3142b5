"""What `creds.auth` adds to a request, beside the same request with its headers fixed from the start.

The official SDK's counterpart is measured likewise, on the HTTP library that it uses.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stage import Stage, result, script
from table import Ratio, Row

BLOCK = 25
BLOCKS = 1_000 // BLOCK
BAR = 1.05


def rows(stage: Stage) -> list[Row]:
    server = subprocess.Popen(
        script(str(Path(__file__).with_name("answering.py"))), stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        environment = stage.federation(stage.home(), jti=None)
        environment["ANTHROPIC_BASE_URL"] = server.stdout.readline().strip()
        rounds = [result(script(__file__), environment) for _ in range(max(1, min(3, stage.runs)))]
    finally:
        server.kill()
        server.communicate()
    times = {name: [value for found in rounds for value in found[name]] for name in rounds[0]}
    here, official = (Ratio.of(times[f"{whose}auth"], times[f"{whose}fixed"]) for whose in ("", "official_"))
    return [
        Row(
            f"{BLOCK * BLOCKS:,} requests through `creds.auth`",
            f"{statistics.median(times['auth']) * 1e6:.0f} µs each, {here} fixed headers",
            f"{statistics.median(times['official_auth']) * 1e6:.0f} µs each, {official} fixed headers",
            f"{BAR} x fixed headers",
            here.median <= BAR,
            {"seconds": times},
            here,
        )
    ]


def _measure() -> int:
    """The measured process: four clients, by turns."""
    import anthropic
    import httpx
    import httpx2

    import ant_wif

    credentials = ant_wif.resolve()
    sdk = anthropic.Anthropic()
    fixed = credentials.headers()
    cache, auth = sdk._token_cache, sdk.custom_auth
    assert cache is not None
    theirs = {"anthropic-version": "2023-06-01"}
    token = {"Authorization": f"Bearer {cache.get_token()}", "anthropic-beta": "oauth-2025-04-20"}
    base = credentials.base_url
    with (
        httpx.Client(base_url=base, auth=credentials.auth) as with_auth,
        httpx.Client(base_url=base, headers=fixed) as with_headers,
        httpx2.Client(base_url=base, headers=theirs, auth=auth) as official,
        httpx2.Client(base_url=base, headers={**theirs, **token}) as official_fixed,
    ):
        pairs: list[dict[str, Callable[[str], object]]] = [
            {"auth": with_auth.get, "fixed": with_headers.get},
            {"official_auth": official.get, "official_fixed": official_fixed.get},
        ]
        json.dump({name: times for pair in pairs for name, times in _alternate(pair).items()}, sys.stdout)
    return 0


def _alternate(pair: dict[str, Callable[[str], object]]) -> dict[str, list[float]]:
    """Return the seconds of one request in each block; who goes first changes from block to block."""
    times: dict[str, list[float]] = {name: [] for name in pair}
    for get in pair.values():
        _block(get)
    for number in range(BLOCKS):
        for name in sorted(pair, reverse=bool(number % 2)):
            times[name].append(_block(pair[name]) / BLOCK)
    return times


def _block(get: Callable[[str], object]) -> float:
    started = time.perf_counter()
    for _ in range(BLOCK):
        get("/v1/models")
    return time.perf_counter() - started


if __name__ == "__main__":
    raise SystemExit(_measure())
