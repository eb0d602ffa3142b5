"""What tests of `ant wif setup` share: what is registered, to be compared and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ant_wif.emulator import Emulator

Registrations = tuple[dict[str, object], ...]


def registrations(emulator: Emulator) -> Registrations:
    """Return a copy of all that is registered."""
    state = emulator._state
    with state.lock:
        return dict(state.issuers), dict(state.rules), dict(state.service_accounts)


@contextmanager
def as_seeded(emulator: Emulator) -> Iterator[Emulator]:
    """Put back at the end what was registered at the beginning: a whole emulator takes long to start."""
    state = emulator._state
    everything: tuple[dict[str, Any], ...] = (state.issuers, state.rules, state.service_accounts, state.key_sets)
    kept = [(there, dict(there)) for there in everything]
    emulator.clear_history()
    emulator.clear_faults()
    yield emulator
    for there, before in kept:
        there.clear()
        there.update(before)
