"""How the suite runs."""

from __future__ import annotations

import gc
import os
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from support import preloaded
from support.machine import read_files_of_botocore_once, trust_no_authority

if TYPE_CHECKING:
    from ant_wif.emulator import Emulator

# The same examples in every run: a failure belongs to a change and never to the day. `make long` looks for new ones,
# and for many: more of the same ones would find nothing the second time.
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=25)
settings.register_profile("long", deadline=None, max_examples=400)
settings.load_profile("suite")

# A job that a shell starts in the background, and what `nohup` starts, inherits signals as ignored, and would hand
# that on to every process of the tests. Python itself then installs no handler for SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _name in ("SIGQUIT", "SIGHUP"):
    if hasattr(signal, _name):  # Windows has neither
        signal.signal(getattr(signal, _name), signal.SIG_DFL)

# Tests make thousands of folders, and many a file is flushed: in memory, where a system has room for that, and not on a
# disk, which takes a hundred times as long to remove what the third run before this one left.
_MEMORY = "/dev/shm"
if (
    os.access(_MEMORY, os.W_OK)
    and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    and shutil.disk_usage(_MEMORY).free > 2**30
):
    tempfile.tempdir = os.environ.setdefault("TMPDIR", _MEMORY)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Have no garbage looked for in what stays to the end: all modules that are imported, and all tests.

    In what tests make it is looked for less often: most of it goes without, and to look takes some 6 % of their time.
    """
    trust_no_authority()  # workers of pytest-xdist, which do so themselves, have been started by now
    gc.disable()
    try:
        return (yield)
    finally:
        read_files_of_botocore_once()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        gc.enable()


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is no such hook
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many workers as processors: many tests wait for a process or a clock, not for a processor."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    """Fork the workers from a process that has imported what they need: a third of what each costs to begin."""
    python = shlex.quote(str(preloaded.programs("worker") / "python"))
    specs[:] = [type(spec)(f"{spec}//python={python}") for spec in specs]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long parameters by their length: ids are in the environment of programs, and the same in every worker.

    Older releases of pytest take the whole of them, and a signature differs in each process.
    """
    return f"{argname}-of-{len(val)}" if isinstance(val, (str, bytes)) and len(val) > 80 else None


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts take a fiftieth of their time, where what is tested is not how long they are."""
    monkeypatch.setattr(time, "sleep", lambda seconds, pause=time.sleep: pause(seconds / 50))


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    from ant_wif.emulator import Emulator

    with Emulator() as started:
        yield started


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    from ant_wif.emulator import Emulator

    with Emulator() as started:
        yield started
