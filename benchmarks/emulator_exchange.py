"""What an exchange costs in the emulator, beside the bare verification of the same token, and what its start costs.

The exchange is a whole request to the application, in process and in one thread: routed, read, verified, judged,
minted, recorded and answered, but with no socket and no client.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from stage import Stage, result, script
from table import Ratio, Row

ROUNDS = 60
BLOCK = 10
BAR = 2.0
BETA = {"anthropic-beta": "oauth-2025-04-20,oidc-federation-2026-04-01"}
START = """
from ant_wif.emulator import Emulator
import json, time
started = time.perf_counter()
with Emulator():
    print(json.dumps((time.perf_counter() - started) * 1000))
"""
START_MILLISECONDS = 150


def rows(stage: Stage) -> list[Row]:
    environment = stage.variables(stage.home())
    found = result(script(__file__), environment)
    ratio = Ratio.of(found["exchange"], found["decode"])
    exchange, decode = statistics.median(found["exchange"]), statistics.median(found["decode"])
    starts = [result([sys.executable, "-c", START], environment) for _ in range(stage.runs)]
    start = statistics.median(starts)
    return [
        Row(
            "an exchange in the emulator, in process (RS256)",
            f"{exchange:.0f} µs ({ratio} `jwt.decode` of the same token, {decode:.0f} µs)",
            "has none",
            f"{BAR} x `jwt.decode`",
            ratio.median <= BAR,
            {"exchange_us": found["exchange"], "decode_us": found["decode"]},
            ratio,
        ),
        Row(
            "`Emulator()` until it answers, once imported",
            f"{start:.0f} ms",
            "has none",
            f"under {START_MILLISECONDS} ms",
            start < START_MILLISECONDS,
            {"ms": start, "all_ms": starts},
        ),
    ]


async def _measure() -> None:
    """The measured process: both in one thread, by turns, on the same tokens."""
    import jwt

    from ant_wif.emulator import Emulator

    with Emulator() as emulator:
        rule = emulator.rule()
        (key,) = emulator._state.key_sets[rule.issuer_id]().values()
        application = emulator._server._server.config.app  # type: ignore[union-attr]  # it is started

        async def decode(token: str) -> None:
            jwt.decode(token, key.public_key, algorithms=["RS256"], audience="https://api.anthropic.com")

        async def exchange(token: str) -> None:
            body = {
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": token,
                "federation_rule_id": rule.id,
                "organization_id": emulator.organization_id,
            }
            assert await asgi_status(application, "/v1/oauth/token", json.dumps(body).encode(), BETA) == 200

        pair: dict[str, Callable[[str], Awaitable[None]]] = {"decode": decode, "exchange": exchange}
        times: dict[str, list[float]] = {name: [] for name in pair}
        for number in range(ROUNDS + 1):
            tokens = [emulator.issue() for _ in range(BLOCK)]
            for name in sorted(pair, reverse=bool(number % 2)):
                started = time.thread_time()
                for token in tokens:
                    await pair[name](token)
                if number:  # the first round imports
                    times[name].append((time.thread_time() - started) / BLOCK * 1e6)
    json.dump(times, sys.stdout)


async def asgi_status(application: Any, path: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Have the application answer, as a server would; return the status."""
    answered: list[Any] = []
    sent = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "user-agent": "benchmark",
        **headers,
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        answered.append(message)

    await application(scope, receive, send)
    return int(answered[0]["status"])


if __name__ == "__main__":
    asyncio.run(_measure())
