"""What several modules of tests share: an emulator, and how identity sources are fetched from and must fail."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator

import httpx
import pytest

from ant_wif.emulator import Emulator
from ant_wif.errors import IdentityTokenError
from ant_wif.identity import IdentityToken
from support.identity_failures import assert_fails, fetched


@pytest.fixture(scope="module")
def fetch() -> Iterator[Callable[..., IdentityToken]]:
    with httpx.Client() as client:
        yield functools.partial(fetched, client=client)


@pytest.fixture
def fails(caplog: pytest.LogCaptureFixture, fetch: Callable[..., IdentityToken]) -> Callable[..., IdentityTokenError]:
    """Have a source fail, and see that it does as all of them should."""
    caplog.set_level(logging.DEBUG)
    return functools.partial(assert_fails, fetch, caplog)


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator() as started:
        yield started


@pytest.fixture(scope="module")
def client(running: Emulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.base_url, trust_env=False) as opened:
        yield opened


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    """The emulator of the module, with nothing left of the test before in its history, and on time."""
    running.clear_history()
    running.clear_faults()
    running.reset_clock()
    return running
