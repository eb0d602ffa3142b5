"""What the tests of the plugin share: an inner run of pytest in which nothing of this machine takes part."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import jwt.algorithms
import pydantic
import pytest

from ant_wif.emulator import Emulator
from support.jobs import federation_of
from support.preloaded import Popen

# pytester forgets the modules that a test imports; cryptography and pydantic do not outlive being imported twice.
assert jwt.algorithms
assert pydantic.BaseModel

_KEPT = {"PATH", "HOME", "USERPROFILE", "LANG", "LC_ALL", "SSL_CERT_DIR"}

Run = Callable[..., pytest.RunResult]

LEFTOVERS = '''
"""Notes which threads and sockets a process of pytest has left when it ends."""

import functools
import json
import os
import threading
from pathlib import Path

import pytest

FDS = Path("/proc/self/fd")


def sockets():
    found = set()
    for each in FDS.iterdir() if FDS.exists() else ():
        try:
            found.add(os.readlink(each))
        except OSError:
            pass
    return {each for each in found if each.startswith("socket:")}


BEFORE = sockets()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    # A thread of execnet is one of pytest-xdist, which ends after its plugins; trio keeps some for its next run.
    threads = [
        thread.name
        for thread in threading.enumerate()
        if thread is not threading.main_thread()
        and not isinstance(thread, threading._DummyThread)
        and not thread.name.startswith("Trio ")
        and "execnet" not in repr(getattr(thread, "_target", None))
    ]
    note = Path(os.environ["LEFTOVERS"]) / f"{os.getpid()}.json"
    note.write_text(json.dumps({"threads": threads, "sockets": sorted(sockets() - BEFORE)}))
'''


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
    """No variable of the machine that runs these tests takes part; HOME and the folder for files are pytester's own."""
    for name in [name for name in os.environ if name not in _KEPT]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(pytester.path))
    # A summary that is cut to the width of a terminal says little.
    monkeypatch.setenv("COLUMNS", "600")


@pytest.fixture
def run(clean: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the inner suite as a process of its own; what pytest itself trips over is never acceptable.

    Only the plugins that an option or `plugins` asks for are loaded: the others of this machine cost time.
    Nothing may be left: no thread or socket in a process, no process, no file.
    """
    files, notes = (pytester.mkdir(name) for name in (".files", ".leftovers"))
    monkeypatch.setenv("TMPDIR", str(files))
    monkeypatch.setenv("LEFTOVERS", str(notes))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.path.joinpath("leftovers.py").write_text(LEFTOVERS)

    def run_it(
        *options: str,
        plugins: tuple[str, ...] = (),
        cache: bool = False,
        others: bool = False,
        heavy: str | None = "pytest",
    ) -> pytest.RunResult:
        if "-n" in options:
            pytest.importorskip("xdist")
            plugins = ("xdist", *plugins)
        loaded = [word for name in ("ant_wif", "leftovers", *plugins) for word in ("-p", name)]
        command = [sys.executable, "-m", "pytest", *([] if cache else ["-p", "no:cacheprovider"]), *loaded, *options]
        base = pytester.path / ".base"
        result = inner_run(pytester, [*command, f"--basetemp={base}"], heavy)
        for line in (*result.outlines, *result.errlines):
            assert "INTERNALERROR" not in line
        assert not list(files.iterdir()), "files were left"
        for note in notes.iterdir():
            left = json.loads(note.read_text())
            # Those of other plugins are not ours to judge.
            assert others or left == {"threads": [], "sockets": []}
            note.unlink()
        return result

    return run_it


def inner_run(pytester: pytest.Pytester, command: Sequence[str], heavy: str | None = "pytest") -> pytest.RunResult:
    """Run pytest in a session of its own, and see that no process of it is left."""
    output, errors = pytester.path / ".stdout", pytester.path / ".stderr"
    with output.open("w") as out, errors.open("w") as err:
        popen = functools.partial(Popen, heavy=heavy) if heavy else subprocess.Popen
        process = popen(command, stdout=out, stderr=err, start_new_session=True, cwd=pytester.path)
        status = process.wait(timeout=240)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    shown, complained = output.read_text(), errors.read_text()
    print(shown, complained)
    return pytest.RunResult(status, shown.splitlines(), complained.splitlines(), 0)


@pytest.fixture
def platform() -> Iterator[Emulator]:
    """The platform that a live run has to do with, in this process."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def job(clean: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Set the variables of a job, for the inner run to find."""

    def begin(variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return begin


@pytest.fixture
def single_use(
    job: Callable[[Mapping[str, str]], None], platform: Emulator, pytester: pytest.Pytester
) -> Callable[..., None]:
    """Begin a job with one identity token in a file. Tokens are kept in memory, so no file shares them."""

    def begin() -> None:
        identity = Path(pytester.path / "identity-token")
        identity.write_text(platform.issue("github"))
        identity.chmod(0o600)
        ids = federation_of(platform.env("github"))
        job({**ids, "ANTHROPIC_IDENTITY_TOKEN_FILE": str(identity), "ANT_CACHE": "memory"})

    return begin
