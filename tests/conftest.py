"""How the suite runs."""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is no such hook
def pytest_xdist_auto_num_workers() -> int:
    """Half as many workers again as processors: many tests wait for a process or a clock, not for a processor."""
    return max(2, (os.cpu_count() or 2) * 3 // 2)
