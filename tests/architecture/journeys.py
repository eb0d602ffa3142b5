"""Count the source files that a reader has to open to follow one journey through `ant_wif`.

    $ python tests/architecture/journeys.py                  # every journey: counts, and its files in order of visit
    $ python tests/architecture/journeys.py first_request    # the files of one journey, one a line

A file is visited when one of its functions runs during the journey. Counted: methods, lambdas, generators, and the
functions of an `__init__.py`. Not counted: module and class bodies, and whatever they call while a module is imported.
Files of other distributions are not counted.

Each journey runs in a process of its own, once and cold: nothing is cached from an earlier run, and `HOME` is empty. A
second run in the same process visits the same files, except that `ant_wif/__init__.py` looks a public name up only
once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType

import httpx

import ant_wif
from ant_wif.emulator import Emulator

SOURCE = Path(__file__).parents[2] / "src"
_PREFIX = str(SOURCE / "ant_wif") + os.sep


def resolve() -> list[str]:
    """`ant_wif.resolve()` in a GitHub Actions job, up to the credentials. No request is sent."""
    with Emulator() as emulator, _github_job(emulator), _recorded() as files:
        ant_wif.resolve()
    return list(files)


def first_request() -> list[str]:
    """The first request with resolved credentials: identity token, exchange, store and headers. The client's side."""
    with Emulator() as emulator, _github_job(emulator):
        creds = ant_wif.resolve()
        with _recorded() as files, httpx.Client(base_url=creds.base_url, auth=creds.auth) as client:
            client.get("/v1/models").raise_for_status()
        assert emulator.exchanges == 1
    return list(files)


def exchange() -> list[str]:
    """One exchange in the emulator's thread, from the new connection to the record in the history."""
    files: dict[str, None] = {}
    threading.setprofile(_profiler(files))
    with Emulator() as emulator:
        # With an identity token at hand, the exchange is the only request.
        job = {name: value for name, value in emulator.env("github").items() if name.startswith("ANTHROPIC_")}
        creds = ant_wif.resolve(environ={**job, "ANTHROPIC_IDENTITY_TOKEN": emulator.issue("github")})
        files.clear()  # what starting the server visited
        creds.token()
        visited = list(files)
        assert emulator.exchanges == 1
    return visited


JOURNEYS: dict[str, Callable[[], list[str]]] = {
    "resolve": resolve,
    "first_request": first_request,
    "exchange": exchange,
}


def visited_files(journey: str, run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run) -> list[str]:
    """Run a journey in a new process. Return the files below `ant_wif` that it visits, in order of first visit."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "architecture.journeys", journey]
        where = {"cwd": Path(__file__).parents[1], "env": {"HOME": home}}
        return run(command, **where, stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def packages(files: list[str]) -> set[str]:
    """Return the packages that the files belong to; a module directly in `ant_wif` counts as one."""
    return {Path(file).parts[0] for file in files}


@contextmanager
def _github_job(emulator: Emulator) -> Iterator[None]:
    os.environ.update(emulator.env("github"))
    yield


@contextmanager
def _recorded() -> Iterator[dict[str, None]]:
    """Record what this thread visits."""
    files: dict[str, None] = {}
    sys.setprofile(_profiler(files))
    try:
        yield files
    finally:
        sys.setprofile(None)


def _profiler(files: dict[str, None]) -> Callable[[FrameType, str, object], None]:
    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        # Only the code of functions is "optimized": bodies of modules and classes are not.
        if event == "call" and code.co_flags & CO_OPTIMIZED and code.co_filename.startswith(_PREFIX):
            file = code.co_filename.removeprefix(_PREFIX)
            if file not in files and not _is_importing(frame):
                files[file] = None

    return profile


def _is_importing(frame: FrameType | None) -> bool:
    """Tell whether a module of `ant_wif` is being executed further up the stack."""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(_PREFIX):
            return True
        frame = frame.f_back
    return False


def _main() -> None:
    if len(sys.argv) > 1:
        print("\n".join(JOURNEYS[sys.argv[1]]()))
        return
    for journey in JOURNEYS:
        files = visited_files(journey)
        print(f"{journey}: {len(files)} files in {len(packages(files))} packages")
        print("\n".join(f"  {file}" for file in files))


if __name__ == "__main__":
    _main()
