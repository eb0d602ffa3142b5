"""What an emulator remembers, and how it is brought back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext


def savepoint(owner: object, *names: str, lock: AbstractContextManager[object] | None = None) -> Callable[[], None]:
    """Return what gives attributes of `owner` the values again that they have now; collections are copied."""
    guard = nullcontext() if lock is None else lock
    with guard:
        kept = {name: _copied(getattr(owner, name)) for name in names}

    def bring_back() -> None:
        with guard:
            for name, value in kept.items():
                setattr(owner, name, _copied(value))

    return bring_back


def _copied(value: object) -> object:
    return value.copy() if isinstance(value, dict | list | set | deque) else value
