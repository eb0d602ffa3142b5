"""`make release-check`: whether this tree can be released, and which part of it is wrong.

Builds the wheel and the sdist, compares them with what git tracks, installs each into fresh environments with each
extra alone, and runs a smoke suite there. Nothing is uploaded.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv" / "bin"
LINT = ROOT / ".venv" / "lint" / "bin"
VERSION_FILE = "src/ant_wif/_constants.py"
PACKAGES = {"src/ant_wif": "ant_wif", "src/ant_cli": "ant_cli", "pytest_plugin/pytest_ant_wif": "pytest_ant_wif"}
PLACEHOLDER = "github.com/OWNER/"

SMOKE = {
    "": "",
    "aws": "import boto3; ant_wif.identity.Aws()",
    "gcp": "import google.auth, requests; ant_wif.identity.GoogleCloud()",
    "oauth": "import jwt, cryptography; import ant_wif.identity.oauth",
    "spiffe": "import spiffe; import ant_wif.identity.spiffe",
    "emulator": "from ant_wif.emulator import Emulator; Emulator()",
    "pytest": "import moto.sts, pytest, pytest_ant_wif.plugin",
    "all": "import boto3, google.auth, jwt, spiffe, moto.sts, pytest_ant_wif.plugin, ant_wif.emulator",
}
"""What must be possible with each extra alone, once `ant_wif` is imported."""
WITH_EMULATOR = {"emulator", "pytest", "all"}
SUITE = ["suite_with_credentials.py", "emulator_in_a_test.py"]
"""Of tests/howto: a suite that uses the fixtures, and a script that uses the emulator."""
FROM_SDIST = [
    "tests/architecture",
    "tests/ant_wif/test_package.py",
    "tests/ant_wif/test_rules.py",
    "tests/test_release.py",
]


def main() -> int:
    """Print what is wrong, and return 1 if anything is."""
    problems, reminders = judge(ROOT)
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    _run([sys.executable, "-m", "hatchling", "build", "-d", str(dist)], cwd=ROOT)
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    tracked = tracked_files(ROOT)
    problems += [*missing_from_wheel(wheel, tracked), *missing_from_sdist(sdist, tracked)]
    if not problems:
        problems += try_packages(wheel, sdist)
    for reminder in reminders:
        print(f"before the tag: {reminder}")
    for problem in problems:
        print(f"release-check: {problem}", file=sys.stderr)
    if not problems:
        print(f"release-check: {wheel.name} and {sdist.name} can be released")
    return 1 if problems else 0


def judge(root: Path) -> tuple[list[str], list[str]]:
    """Return what is wrong with the tree, and what must be done before a tag; with a tag here, that is wrong too."""
    version = _only(r'^__version__ = "(.+)"$', (root / VERSION_FILE).read_text())
    if not (root / ".git").exists():
        return ["this is not a git clone: what belongs to a release is what git tracks"], []
    problems = []
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        problems.append(f"{VERSION_FILE}: {version!r} is not a valid version; see docs/versioning.md")
    changed = _git(root, "status", "--porcelain").splitlines()
    if changed:
        listed = ", ".join(line[3:] for line in changed[:5])
        problems.append(f"the tree is dirty: commit or remove {listed}{' and others' if len(changed) > 5 else ''}")
    here = _git(root, "tag", "--points-at", "HEAD", "--list", "v*").split()
    name = f"v{version}"
    if name not in here and _git(root, "tag", "--list", name):
        problems.append(f"version {version} exists: the tag {name} is on another commit; raise it in {VERSION_FILE}")
    problems += [f"the tag {tag} is on this commit, whose version is {version}" for tag in here if tag != name]
    state = _changelog_state((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    reminders = []
    if state == "unreleased":
        reminders.append(f"CHANGELOG.md: {version} is marked as unreleased; write the date of the release")
    elif state:
        problems.append(f"CHANGELOG.md: {state}")
    if PLACEHOLDER in (root / "pyproject.toml").read_text(encoding="utf-8"):
        reminders.append("pyproject.toml: [project.urls] names the owner OWNER; write the repository's owner")
    return (problems + reminders, []) if here else (problems, reminders)


def _changelog_state(changelog: str, version: str) -> str:
    """Return what is wrong with the entry of a version, `unreleased`, or nothing."""
    found = re.search(rf"^## \[?{re.escape(version)}\]?(?: \S (.+))?\n((?:(?!## ).*\n?)*)", changelog, re.MULTILINE)
    if found is None:
        return f"there is no entry for {version}"
    if not re.search(r"^- \S", found[2], re.MULTILINE):
        return f"the entry for {version} is empty"
    if found[1] == "unreleased":
        return "unreleased"
    return "" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", found[1] or "") else f"the entry for {version} has no date"


def tracked_files(root: Path) -> list[str]:
    return _git(root, "ls-files", "-z").rstrip("\0").split("\0")


def missing_from_wheel(wheel: Path, tracked: Sequence[str]) -> Iterator[str]:
    """Say which files of the three packages a wheel does not have, and which it has and git does not.

    What else is in it is made as it is built: what pip reads, and the man pages.
    """
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if not re.match(r"[^/]+\.(dist-info|data)/", name)}
    expected = {
        package + name.removeprefix(folder)
        for folder, package in PACKAGES.items()
        for name in tracked
        if name.startswith(f"{folder}/")
    }
    yield from _differences("wheel", expected, found)


def missing_from_sdist(sdist: Path, tracked: Sequence[str]) -> Iterator[str]:
    """Say which tracked files an sdist does not have, and which it has and git does not."""
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()} - {"PKG-INFO"}
    yield from _differences("sdist", set(tracked), found)


def _differences(what: str, expected: set[str], found: set[str]) -> Iterator[str]:
    yield from (f"the {what} misses {name}" for name in sorted(expected - found))
    yield from (f"the {what} has {name}, which git does not track" for name in sorted(found - expected))


def try_packages(wheel: Path, sdist: Path) -> Iterator[str]:
    """Try both packages out. Yields what fails, with the end of what it printed."""
    yield from _tried("twine check", [str(LINT / "twine"), "check", "--strict", str(wheel), str(sdist)])
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    yield from (
        f"{name}: tests/support/release_check.py has no smoke test for it" for name in extras if name not in SMOKE
    )
    with tempfile.TemporaryDirectory(prefix="ant-wif-release-") as name:
        folder = Path(name)
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        unpacked = folder / sdist.name.removesuffix(".tar.gz")
        yield from _from_sdist(unpacked, wheel, folder / "rebuilt")
        for extra, statement in SMOKE.items():
            yield from _in_fresh_environment(folder / (extra or "none"), wheel, extra, statement)
        # What pip does for whoever takes the sdist; the wheel that comes of it was compared above.
        yield from _in_fresh_environment(folder / "sdist", sdist, "", SMOKE[""])


def _from_sdist(unpacked: Path, wheel: Path, rebuilt: Path) -> Iterator[str]:
    """The wheel that the sdist gives is the same, and its tests pass."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(rebuilt)]
    yield from _tried("a wheel from the sdist", build, cwd=unpacked)
    if [hashlib.sha256(each.read_bytes()).digest() for each in (wheel, *rebuilt.glob("*.whl"))][1:] != [
        hashlib.sha256(wheel.read_bytes()).digest()
    ]:
        yield "the wheel that is built from the sdist differs from the one that is built from the tree"
    path = os.pathsep.join(str(unpacked / folder) for folder in ("src", "pytest_plugin"))
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FROM_SDIST]
    yield from _tried("the tests of the sdist", tests, cwd=unpacked, environ={"PYTHONPATH": path})


def _in_fresh_environment(folder: Path, package: Path, extra: str, statement: str) -> Iterator[str]:
    uv, python, what = str(BIN / "uv"), folder / "bin" / "python", f"{package.name}[{extra}]"
    wanted = f"ant-wif[{extra}] @ {package.as_uri()}" if extra else f"ant-wif @ {package.as_uri()}"
    locked = ["--constraint", str(ROOT / "requirements" / "dev.txt")]
    problems = [
        *_tried(what, [uv, "venv", "--quiet", "--python", sys.executable, str(folder)]),
        *_tried(what, [uv, "pip", "install", "--quiet", "--python", str(python), *locked, wanted]),
    ]
    if problems:
        yield from problems
        return
    # In an empty folder, or what lies there could be imported instead.
    home = folder / "home"
    home.mkdir()
    environ = {"HOME": str(home), "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    # `anthropic_credentials` needs the official SDK, which its caller has.
    names = 'set(ant_wif.__all__) - {"anthropic_credentials"}'
    everything = f"import ant_wif, ant_wif.identity, ant_cli.main; [getattr(ant_wif, name) for name in {names}]"
    yield from _tried(what, [str(python), "-c", f"{everything}; {statement}"], cwd=home, environ=environ)
    for command in (["ant", "--version"], ["ant-wif", "identity", "--help"]):
        yield from _tried(what, [str(python.parent / command[0]), *command[1:]], cwd=home, environ=environ)
    if extra in WITH_EMULATOR:
        yield from _tried(what, [str(python.parent / "ant"), "demo"], cwd=home, environ=environ)
    if extra in WITH_EMULATOR - {"emulator"}:
        suite, script = (shutil.copy(ROOT / "tests" / "howto" / name, home) for name in SUITE)
        yield from _tried(what, [str(python), script], cwd=home, environ=environ)
        yield from _tried(what, [str(python), "-m", "pytest", "-q", suite], cwd=home, environ=environ)


def _tried(
    what: str, command: Sequence[str], *, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[str]:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(environ or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        yield f"{what}: {' '.join(command)[-200:]} ended with {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}"


def _git(root: Path, *arguments: str) -> str:
    return _run(["git", *arguments], cwd=root)


def _run(command: Sequence[str], *, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True).stdout


def _only(pattern: str, text: str) -> str:
    (found,) = re.findall(pattern, text, re.MULTILINE)
    return str(found)


if __name__ == "__main__":
    sys.exit(main())
