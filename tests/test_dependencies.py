"""The lock files: complete, with hashes, and without the address of a package index."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SAMPLE = tomllib.loads((ROOT / "tests" / "howto" / "sample_project" / "pyproject.toml").read_text())

EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
NAMED = {
    "dev.txt": [
        *PROJECT["project"]["dependencies"],
        *(requirement for extra in EXTRAS.values() for requirement in extra),
        *(
            requirement
            for name, group in GROUPS.items()
            if name not in {"lint", "docs", "uv", "neighbours", "clients", "mutation"}
            for requirement in group
        ),
        *PROJECT["build-system"]["requires"],
    ],
    "action.txt": [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]],
    "docs.txt": [*PROJECT["project"]["dependencies"], *GROUPS["docs"]],
    "lint.txt": GROUPS["lint"],
    "uv.txt": GROUPS["uv"],
    "sample.txt": [*PROJECT["project"]["dependencies"], *EXTRAS["pytest"], *SAMPLE["dependency-groups"]["test"]],
}


def names(requirements: list[str]) -> Iterator[str]:
    for requirement in requirements:
        found = re.match(r"[\w.-]+", requirement)
        assert found is not None, requirement
        name = re.sub(r"[-_.]+", "-", found.group()).lower()
        if name != "ant-wif":
            yield name


def entries(name: str) -> list[str]:
    """Return a lock file's requirements, each with its hashes."""
    lines = [line for line in (LOCK / name).read_text().splitlines() if not line.lstrip().startswith("#")]
    return re.findall(r"^\S.*?(?=^\S|\Z)", "\n".join(lines), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", NAMED)
def test_a_lock_file_pins_everything_that_is_named(name: str) -> None:
    pinned = {entry.partition("==")[0] for entry in entries(name)}
    assert set(names(NAMED[name])) <= pinned, "run make lock"


@pytest.mark.parametrize("name", NAMED)
def test_every_requirement_of_a_lock_file_has_one_version_and_hashes(name: str) -> None:
    for entry in entries(name):
        assert re.match(r"[a-z0-9-]+==[^\s;*]+( ; .+)? \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n?)+\Z", entry), entry


def test_the_action_installs_what_the_suite_runs_with() -> None:
    locked, tested = ({entry.strip() for entry in entries(name)} for name in ("action.txt", "dev.txt"))
    assert locked <= tested


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git knows which files are tracked, and this is not a clone")
def test_no_tracked_file_names_the_address_of_a_package_index() -> None:
    index = re.compile(
        # What pip, uv, npm and uploads write into files: options, the path of every index, the usual addresses.
        rb"--(extra-)?index-url|--find-links|https?://[^\s\"']+/simple\b|\"resolved\":"
        + rb"|files\.python"
        + rb"hosted\.org|\bpypi\."
        + rb"org|repository-url"
    )
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in tracked.decode().rstrip("\0").split("\0"):
        path = ROOT / name
        if path.is_file() and path != Path(__file__):
            found = index.search(path.read_bytes())
            assert found is None, f"{name}: {found.group().decode()}"


def test_the_suite_starts_without_pytest_xdist() -> None:
    """What pytest-xdist declares, hooks and markers, is not there then."""
    command = ["-m", "pytest", "-p", "no:xdist", "--collect-only", "-q", "-c", "pyproject.toml"]
    modules = ["tests/ant_wif/test_package.py", "tests/pytest_ant_wif/test_fixtures.py"]
    done = subprocess.run([sys.executable, *command, *modules], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
