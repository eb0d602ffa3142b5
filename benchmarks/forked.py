"""Processes that ask for a token at the same moment, each with its credential ready: what each was given.

Started one by one, what takes long to import would be through in one before another has begun.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

from stage import Stage, result, script

__all__ = ["granted"]


def granted(stage: Stage, which: str, environment: dict[str, str], count: int) -> list[str]:
    """Return the tokens that `count` processes were given, fewer than that if some failed.

    `which` is `here` or `official`. The history has what they sent, and nothing else.
    """
    stage.emulator.clear_history()
    found = result(script(__file__, which, str(count)), environment)
    if which == "here":
        for error in {each["error"] for each in found if each["error"]}:
            print(error, file=sys.stderr)
    return [each["token"] for each in found if each["token"]]


def _measure(prepare: Callable[[], Callable[[], str]], count: int) -> list[dict[str, str | None]]:
    starts, opens = os.pipe()
    waiting, waits = os.pipe()
    answers: list[tuple[int, int]] = []
    for _ in range(count):
        reads, writes = os.pipe()
        child = os.fork()
        if not child:
            os.close(opens)
            _answer(prepare, (waits, starts), writes)
        os.close(writes)
        answers.append((child, reads))
    os.close(waits)
    os.read(waiting, 1)  # returns when everyone has closed it, too: all wait, or have failed
    os.close(opens)  # which ends the wait of all
    return [_collected(*answer) for answer in answers]


def _answer(prepare: Callable[[], Callable[[], str]], gate: tuple[int, int], writes: int) -> None:
    found: dict[str, str | None] = {"token": None, "error": None}
    try:
        ask = prepare()
        os.close(gate[0])
        os.read(gate[1], 1)
        found["token"] = ask()
    except BaseException as error:  # noqa: BLE001 - a forked child must not run on into its parent's code
        found["error"] = f"{type(error).__name__}: {error}"[:1000]
    os.write(writes, json.dumps(found).encode())
    os._exit(0)


def _collected(child: int, reads: int) -> dict[str, str | None]:
    with open(reads, "rb") as pipe:
        answer: dict[str, str | None] = json.loads(pipe.read() or '{"token": null, "error": "it died"}')
    os.waitpid(child, 0)
    return answer


def _here() -> Callable[[], Callable[[], str]]:
    import filelock  # noqa: F401 - imported late there, and here ahead
    import httpx  # noqa: F401

    import ant_wif

    resolve = ant_wif.resolve
    return lambda: resolve().token


def _official() -> Callable[[], Callable[[], str]]:
    import anthropic

    def prepare() -> Callable[[], str]:
        cache = anthropic.Anthropic()._token_cache
        assert cache is not None
        return cache.get_token

    return prepare


if __name__ == "__main__":
    json.dump(_measure({"here": _here, "official": _official}[sys.argv[1]](), int(sys.argv[2])), sys.stdout)
