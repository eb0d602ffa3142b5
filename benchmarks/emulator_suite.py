"""What a suite of an application pays in the emulator: undoing a test, a reply that was set, the list of requests.

What is compared is a whole request to the application, in process and in one thread, with no socket and no client:
that tells best what differs. The ratios are of a call as a test makes it, by httpx over a socket.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from emulator_exchange import asgi_status
from emulator_memory import resident_mebibytes
from stage import Stage, script
from table import Ratio, Row

ROUNDS = 40
BLOCK = 50
RESETS = 200
CALLS = 100_000
WARM_UP = 12_000
"""More than the list of requests holds."""
RESET_MS = 1
MORE = 1.05
MEBIBYTES = 5


def rows(stage: Stage) -> list[Row]:
    # Longer than others: a hundred thousand calls take their time.
    done = subprocess.run(
        script(__file__), env=stage.variables(stage.home()), stdout=subprocess.PIPE, check=True, timeout=1200
    )
    found = json.loads(done.stdout)
    scripted, recorded = (
        Ratio(tuple(1 + (one - other) / found["call"] for one, other in zip(found[name], found[beside], strict=True)))
        for name, beside in (("scripted", "plain"), ("plain", "unrecorded"))
    )
    reset, growth = found["reset"], found["growth"]
    return [
        Row("undoing a test of ten calls", f"{reset:.2f} ms", "has none", f"{RESET_MS} ms", reset <= RESET_MS),
        _compared("a call with a reply that was set", scripted),
        _compared("a call that is recorded", recorded),
        Row(
            f"memory after {CALLS:,} calls with replies",
            f"{growth:+.1f} MiB",
            "has none",
            f"under {MEBIBYTES} MiB",
            growth < MEBIBYTES,
            found,
        ),
    ]


def _compared(case: str, found: Ratio) -> Row:
    return Row(case, str(found), "has none", f"{MORE:.2f} x", found.median <= MORE, ratio=found)


async def _measure() -> None:
    """The measured process. A call that is not recorded goes to the application below the recorder."""
    import httpx

    from ant_wif.emulator import Emulator
    from ant_wif.emulator._state.history import Recorder

    with Emulator() as emulator:
        served = emulator._server._server.config.app  # type: ignore[union-attr]  # it is started
        application = inspect.getclosurevars(served).nonlocals["app"]
        recorder = application._app
        assert isinstance(recorder, Recorder)
        question = {"role": "user", "content": "Is it raining in Bergen?"}
        body = json.dumps({"model": "claude-opus-5-5", "max_tokens": 50, "messages": [question]}).encode()
        headers = {"x-api-key": emulator.api_key, "anthropic-version": "2023-06-01"}

        async def call(count: int) -> None:
            for _ in range(count):
                assert await asgi_status(application, "/v1/messages", body, headers) == 200

        async def timed(prepare: Callable[[], object]) -> float:
            undo = emulator.savepoint()
            prepare()
            started = time.thread_time()
            await call(BLOCK)
            taken = time.thread_time() - started
            application._app = recorder
            undo()
            return taken / BLOCK * 1e6

        kinds: dict[str, Callable[[], object]] = {
            "plain": lambda: None,
            "scripted": lambda: emulator.reply("Is it raining in Bergen?", times=None),
            "unrecorded": lambda: setattr(application, "_app", recorder._app),
        }
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for number in range(ROUNDS + 1):
            for name in sorted(kinds, reverse=bool(number % 2)):
                taken = await timed(kinds[name])
                if number:  # the first round imports
                    times[name].append(taken)
        with httpx.Client(base_url=emulator.base_url, headers=headers) as client:
            started = time.process_time()
            for _ in range(RESETS):
                assert client.post("/v1/messages", json=json.loads(body)).status_code == 200
            whole = (time.process_time() - started) / RESETS * 1e6
        resets = []
        for _ in range(RESETS):
            undo = emulator.savepoint()
            emulator.reply("yes", times=10)
            await call(10)
            started = time.thread_time()
            undo()
            emulator.savepoint()
            resets.append((time.thread_time() - started) * 1000)
        emulator.reply("yes", times=None)
        await call(WARM_UP)
        gc.collect()
        before = resident_mebibytes()
        await call(CALLS)
        gc.collect()
        growth = resident_mebibytes() - before
    json.dump({**times, "call": whole, "reset": statistics.median(resets), "growth": growth}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(_measure())
