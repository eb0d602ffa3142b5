"""What several modules of tests share: an emulator, and how identity sources are fetched from and must fail."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from ant_wif.emulator import Emulator
from ant_wif.errors import IdentityTokenError
from ant_wif.identity import IdentityToken
from support.admin_api import Administrator
from support.identity_failures import assert_fails, fetched

if TYPE_CHECKING:
    import anthropic


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
def client(running: Emulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.base_url, trust_env=False) as opened:
        yield opened


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    """The emulator of the module, with nothing left of the test before, and on time."""
    running.clear_history()
    running.clear_faults()
    running.clear_requests()
    running.clear_replies()
    running.reset_clock()
    return running


@pytest.fixture
def sdk(emulator: Emulator) -> Iterator[anthropic.Anthropic]:
    import anthropic

    with anthropic.Anthropic(api_key=emulator.api_key, base_url=emulator.base_url, max_retries=0) as opened:
        yield opened


@pytest.fixture(scope="module")
def admin(running: Emulator, client: httpx.Client) -> Administrator:
    return Administrator(running, client)
