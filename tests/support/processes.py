"""Many threads or processes that do the same at the same moment; processes for the price of one start: by fork."""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import httpx

from support import preloaded

__all__ = ["PRINT_TOKEN", "forked", "in_threads"]

T = TypeVar("T")

PRINT_TOKEN = "import ant_wif; print(ant_wif.resolve().token())"

FORKER = """
import os, sys, traceback
import httpx, pydantic_settings, filelock
import ant_wif, ant_wif._resolution, ant_wif._http.transport
import ant_wif._tokens.grants.jwt_bearer, ant_wif._tokens.shared_refresh
number, folder, program = int(sys.argv[1]), sys.argv[2], compile(sys.argv[3], "program", "exec")
begin, go = os.pipe()
for each in range(number):
    if os.fork() == 0:
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{folder}/{each}.{name}", os.O_WRONLY | os.O_CREAT, 0o600), descriptor)
        os.close(go)
        os.read(begin, 1)
        status = 0
        try:
            exec(program, {})
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush(); sys.stderr.flush()
        os._exit(status)
os.close(go)
for _ in range(number):
    _, status = os.wait()
    if status:
        sys.exit(1)
"""


def forked(number: int, environ: Mapping[str, str], program: str = PRINT_TOKEN) -> list[str]:
    """Let so many processes run a program; return what each printed. Fails with what the failing ones said."""
    with TemporaryDirectory() as folder:
        done = preloaded.run(
            [sys.executable, "-c", FORKER, str(number), folder, program],
            env=dict(environ),
            capture_output=True,
            text=True,
            check=False,
        )
        said = [path.read_text() for path in sorted(Path(folder).glob("*.err"))]
        assert done.returncode == 0, "\n".join([done.stderr, *filter(None, said)])
        return [path.read_text() for path in sorted(Path(folder).glob("*.out"))]


def in_threads(count: int, base_url: str, work: Callable[[httpx.Client], T]) -> list[T]:
    """Return what each of so many threads got, whose connections are there before the race begins."""
    together, trust = threading.Barrier(count), ssl.create_default_context()

    def one(_: int) -> T:
        with httpx.Client(base_url=base_url, verify=trust) as own:
            own.get("/_emulator/history")
            together.wait(60)
            return work(own)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
