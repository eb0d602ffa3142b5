"""Many processes, and one identity token that can be exchanged once."""

from __future__ import annotations

import statistics

from stage import OFFICIAL, PRINT, Ended, Stage, alone, at_once, complain
from table import Ratio, Row

PROCESSES = 128
OFFICIAL_PROCESSES = 32
LATER = 8
LONGEST = 1.2
MINUTES_LEFT = 5


def rows(stage: Stage) -> list[Row]:
    return [_together(stage), _later(stage)]


def _together(stage: Stage) -> Row:
    """The bar on time: as long as it takes to print a static token so often."""
    static = stage.variables(stage.home(), ANTHROPIC_AUTH_TOKEN="sk-ant-oat01-static")
    alone(PRINT, static)  # the first run writes bytecode
    plain, cold = [], []
    succeeded, attempts = PROCESSES, []
    for _ in range(max(1, min(3, stage.runs))):
        plain.append(at_once(PRINT, static, PROCESSES)[0])
        seconds, ended, seen = _cold(stage, PRINT, PROCESSES)
        cold.append(seconds)
        attempts.append(seen)
        complain(ended)
        succeeded = min(succeeded, _alike(ended))
    theirs, ended, seen = _cold(stage, OFFICIAL, OFFICIAL_PROCESSES)
    ratio = Ratio.of(cold, plain)
    return Row(
        f"{PROCESSES} processes at once, one single-use token file, nothing stored",
        f"{succeeded} succeed, {max(attempts)} exchange, {statistics.median(cold):.1f} s, {ratio} with a static token",
        f"{_granted(ended)} of {OFFICIAL_PROCESSES} succeed, {seen} requests, {theirs:.1f} s",
        f"{PROCESSES} succeed, 1 exchange, {LONGEST} x with a static token",
        succeeded == PROCESSES and set(attempts) == {1} and ratio.median <= LONGEST,
        {"seconds": cold, "static_seconds": plain, "succeeded": succeeded, "attempts": attempts,
         "official_seconds": theirs, "official_succeeded": _granted(ended), "official_attempts": seen},
        ratio,
    )  # fmt: skip


def _later(stage: Stage) -> Row:
    rule = stage.emulator.rule("github")
    stage.emulator.update_rule("github", token_lifetime_seconds=MINUTES_LEFT * 60)
    try:
        succeeded, attempts = _one_after_another(stage, PRINT)
        theirs, seen = _one_after_another(stage, OFFICIAL)
    finally:
        stage.emulator.update_rule("github", token_lifetime_seconds=rule.token_lifetime_seconds)
    return Row(
        f"{LATER} more, one after another, {MINUTES_LEFT} minutes left",
        f"{succeeded} succeed, {attempts} further exchanges",
        f"{theirs} succeed, {seen} further requests",
        f"{LATER} succeed, 0 further exchanges",
        succeeded == LATER and attempts == 0,
        {"succeeded": succeeded, "attempts": attempts, "official_succeeded": theirs, "official_attempts": seen},
    )


def _cold(stage: Stage, command: list[str], count: int) -> tuple[float, list[Ended], int]:
    environment = stage.federation(stage.home())
    stage.emulator.clear_history()
    seconds, ended = at_once(command, environment, count)
    return seconds, ended, stage.attempts


def _one_after_another(stage: Stage, command: list[str]) -> tuple[int, int]:
    """Exchange once, then count what the later processes get, and what they send for it."""
    environment = stage.federation(stage.home())
    alone(command, environment)
    stage.emulator.clear_history()
    ended = [alone(command, environment)[1] for _ in range(LATER)]
    if command == PRINT:
        complain(ended)
    return _granted(ended), stage.attempts


def _granted(ended: list[Ended]) -> int:
    return sum(each.token is not None for each in ended)


def _alike(ended: list[Ended]) -> int:
    """How many printed the one token that all should have."""
    tokens = [each.token for each in ended if each.token is not None]
    return max((tokens.count(token) for token in set(tokens)), default=0)
