"""What the tests of the plugin share: an inner run of pytest in which nothing of this machine takes part."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping

import jwt.algorithms
import pytest

from ant_wif.emulator import Emulator

# pytester forgets the modules that a test imports; cryptography does not outlive being imported twice.
assert jwt.algorithms

_KEPT = {"PATH", "HOME", "USERPROFILE", "TMPDIR", "LANG", "LC_ALL", "PYTEST_DEBUG_TEMPROOT"}

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
    """No variable of the machine that runs these tests takes part; HOME is pytester's own."""
    for name in [name for name in os.environ if name not in _KEPT]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(pytester.path))


@pytest.fixture
def run(clean: None, pytester: pytest.Pytester) -> Run:
    """Run the inner suite as a process of its own; what pytest itself trips over is never acceptable."""

    def run_it(*options: str) -> pytest.RunResult:
        # pytest-asyncio warns of a setting that suites without it have no use for.
        asyncio = () if "asyncio" in options else ("-p", "no:asyncio")
        given = [option for option in options if option != "asyncio"]
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *asyncio, *given)
        for line in (*result.outlines, *result.errlines):
            assert "INTERNALERROR" not in line
        return result

    return run_it


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

    def begin(**claims: object) -> None:
        identity = pytester.path / "identity-token"
        identity.write_text(platform.issue("github", **claims))  # type: ignore[arg-type]  # claims, not options
        identity.chmod(0o600)
        ids = {name: value for name, value in platform.env("github").items() if name.startswith("ANTHROPIC_")}
        job({**ids, "ANTHROPIC_IDENTITY_TOKEN_FILE": str(identity), "ANT_CACHE": "memory"})

    return begin


@pytest.fixture
def told(pytester: pytest.Pytester) -> Callable[[], list[dict[str, str]]]:
    """Read what the tests of the inner suite noted with `note(…)`; see `NOTE`."""

    def read() -> list[dict[str, str]]:
        return [json.loads(path.read_text()) for path in sorted((pytester.path / "notes").glob("*.json"))]

    return read
