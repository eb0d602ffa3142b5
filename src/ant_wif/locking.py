"""A lock that processes share and that dies with its holder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

__all__ = ["Release", "try_lock"]

log = logging.getLogger("ant_wif.store")

Release = Callable[[], None]


def try_lock(path: Path) -> Release | None:
    """Take the lock if nobody has it; return what gives it back, or `None` if somebody has.

    The system releases it when the process ends, however it ends.

    Raises:
        OSError: there can be no lock here (a read-only or network file system, a path that is no file).
    """
    from filelock import FileLock, Timeout

    # Not bound to a thread: the flow that took it may be driven on by another.
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except NotImplementedError as error:
        raise OSError(f"{path.name}: {type(error).__name__}") from None
    return lock.release
