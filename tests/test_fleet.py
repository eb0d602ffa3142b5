"""The simulation behind docs/scale.md: what holds of a fleet, whatever its size."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[1] / "benchmarks" / "fleet.py"


@pytest.fixture(scope="module")
def fleet() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fleet", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fleet"] = module  # where its dataclasses look
    spec.loader.exec_module(module)
    return module


def test_processes_that_share_ask_for_one_token_between_them(fleet: ModuleType) -> None:
    one_hour = fleet.Fleet(jobs=100, hours=1, processes=4, lifetime=3600)
    shared, apart = fleet.simulate(one_hour), fleet.simulate(replace(one_hour, shared=False))
    assert (shared.granted, apart.granted) == (100, 400)
    assert (shared.refused, shared.failed) == (0, 0)


def test_a_job_asks_again_for_each_lifetime_less_the_two_minutes_ahead(fleet: ModuleType) -> None:
    jobs = fleet.Fleet(jobs=50, hours=1, duration=1200)
    granted = {lifetime: fleet.simulate(replace(jobs, lifetime=lifetime)).granted for lifetime in (300, 600, 3600)}
    assert granted == {300: 7 * 50, 600: 3 * 50, 3600: 50}


@pytest.mark.parametrize(("limit", "burst"), [(5.0, 10.0), (20.0, 20.0)])
def test_with_jitter_fewer_are_refused_and_fail_than_without(fleet: ModuleType, limit: float, burst: float) -> None:
    together = fleet.Fleet(jobs=400, hours=1, within=1, lifetime=3600, limit=limit, burst=burst)
    spread, alike = fleet.simulate(together), fleet.simulate(replace(together, jitter=False))
    assert spread.refused < alike.refused
    assert spread.failed <= alike.failed
    # All that were refused in the first second, and come back.
    assert spread.peak(2) < alike.peak(2) / 2


def test_renewals_after_an_outage_come_spread(fleet: ModuleType) -> None:
    renewing = fleet.Fleet(jobs=300, hours=1, within=1, duration=1200, outage=(470, 520), limit=1000, burst=1000)
    spread, alike = fleet.simulate(renewing), fleet.simulate(replace(renewing, jitter=False))
    assert (spread.failed, alike.failed) == (0, 0), "every job goes on with the token that it has"
    assert spread.peak(520, 640) < alike.peak(520, 640) / 2


def test_the_same_seed_gives_the_same_day(fleet: ModuleType) -> None:
    jobs = fleet.Fleet(jobs=100, hours=1, within=1, limit=5, burst=5)
    assert fleet.simulate(jobs) == fleet.simulate(jobs) != fleet.simulate(jobs, seed=2)
