"""What a release is made of: workflows without keys, complete packages, and a check that names what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.release_check import (
    PACKAGES,
    PLACEHOLDER,
    SMOKE,
    VERSION_FILE,
    judge,
    missing_from_sdist,
    missing_from_wheel,
    tracked_files,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)]


def workflow(name: str) -> Any:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


@pytest.mark.parametrize(
    "path", [*WORKFLOWS, *sorted((ROOT / "ci-examples" / "github-actions").glob("*.yml"))], ids=lambda path: path.name
)
def test_every_action_is_pinned_by_its_whole_commit_with_its_version_beside(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "uses:" in line and "uses: $/" not in line:
            assert re.search(r"uses: [\w-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_permission_and_no_key_but_what_a_job_asks_for(path: Path) -> None:
    text = path.read_text()
    assert yaml.safe_load(text)["permissions"] == {}
    assert "secrets." not in text
    for name, job in yaml.safe_load(text)["jobs"].items():
        assert job["timeout-minutes"], name
        rights = {right for right, level in job["permissions"].items() if level == "write"}
        assert not rights or (name == "publish" and rights <= {"id-token", "pages"}), name
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_the_job_that_publishes_runs_nothing_of_the_repository() -> None:
    jobs = workflow("release")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert all("run" not in step for step in jobs["publish"]["steps"])
    assert jobs["publish"]["steps"][-1]["with"] == {"attestations": True}
    assert {"run": "make release-check"} in jobs["build"]["steps"]


def test_the_suite_runs_on_every_python_that_the_package_names() -> None:
    matrix = workflow("tests")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == PYTHONS
    assert matrix["system"] == ["ubuntu", "macos", "windows"]
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    assert workflow("tests")["jobs"]["bounds"]["strategy"]["matrix"]["versions"] == ["newest", "oldest"]


def test_the_owner_of_the_repository_is_named_where_it_is_known_to_be() -> None:
    owned = re.compile(rb"github\.com/(?!\{)[\w.-]+/ant-wif|\bOWNER/ant-wif|[\w.-]+\.github\.io/ant-wif")
    places = [
        path.relative_to(ROOT).as_posix()
        for part in (".github", "src", "pytest_plugin", "docs", "ci-examples", "benchmarks", "tests")
        for path in (ROOT / part).rglob("*")
        if path.is_file() and path != Path(__file__) and path.suffix != ".pyc" and owned.search(path.read_bytes())
    ]
    top = (path for path in ROOT.iterdir() if path.is_file() and path.name != "PKG-INFO")  # an sdist has it
    places += [path.name for path in top if owned.search(path.read_bytes())]
    assert sorted(places) == [
        "ci-examples/github-actions/README.md",
        "ci-examples/github-actions/exported.yml",
        "docs/ci.md",
        "pyproject.toml",
    ]
    owners = {re.sub(r"/ant-wif.*", "", url) for url in PROJECT["urls"].values()}
    assert len(owners) == 1, "every URL is of one owner"


def test_every_package_says_that_it_has_types() -> None:
    assert all((ROOT / folder / "py.typed").is_file() for folder in PACKAGES)


def test_the_release_check_tries_every_extra() -> None:
    assert set(SMOKE) == {"", *PROJECT["optional-dependencies"]}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A small repository that can be released as it is."""
    for name, text in {
        VERSION_FILE: '__version__ = "1.2.0"\n',
        "CHANGELOG.md": "# Changelog\n\n## 1.2.0 - 2020-02-02\n\n- A thing.\n\n## 1.1.0 - 2020-01-01\n\n- First.\n",
        "pyproject.toml": 'urls = {Source = "https://github.com/acme/ant-wif"}\n',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "Change")


def change(clone: Path, name: str, old: str, new: str) -> None:
    path = clone / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    commit(clone)


def test_a_clean_tree_with_a_new_version_can_be_released(clone: Path) -> None:
    assert judge(clone) == ([], [])
    git(clone, "tag", "v1.2.0")
    assert judge(clone) == ([], []), "the tag of this very commit is the release"


def test_a_dirty_tree_is_named_with_its_files(clone: Path) -> None:
    (clone / "pyproject.toml").write_text("changed")
    (clone / "stray.py").touch()
    assert judge(clone)[0] == ["the tree is dirty: commit or remove pyproject.toml, stray.py"]


def test_a_version_that_was_released_from_another_commit_exists(clone: Path) -> None:
    git(clone, "tag", "v1.2.0")
    change(clone, "CHANGELOG.md", "A thing", "Another thing")
    (problem,), _ = judge(clone)
    assert problem.startswith("version 1.2.0 exists: the tag v1.2.0 is on another commit")


def test_a_tag_that_does_not_name_the_version_is_refused(clone: Path) -> None:
    git(clone, "tag", "v1.3.0")
    assert judge(clone)[0] == ["the tag v1.3.0 is on this commit, whose version is 1.2.0"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("1.2.0", "1.2.1", "there is no entry for 1.2.0"),
        ("- A thing.\n", "", "the entry for 1.2.0 is empty"),
        (" - 2020-02-02", "", "the entry for 1.2.0 has no date"),
        ("2020-02-02", "soon", "the entry for 1.2.0 has no date"),
    ],
)
def test_a_changelog_without_an_entry_is_named(clone: Path, old: str, new: str, problem: str) -> None:
    change(clone, "CHANGELOG.md", old, new)
    assert judge(clone) == ([f"CHANGELOG.md: {problem}"], [])


def test_a_version_that_is_not_valid_is_refused(clone: Path) -> None:
    change(clone, VERSION_FILE, "1.2.0", "1.2")
    problems, _ = judge(clone)
    assert problems[0] == f"{VERSION_FILE}: '1.2' is not a valid version; see docs/versioning.md"


def test_what_is_left_to_do_before_a_tag_is_wrong_once_there_is_one(clone: Path) -> None:
    change(clone, "CHANGELOG.md", "2020-02-02", "unreleased")
    change(clone, "pyproject.toml", "github.com/acme/", PLACEHOLDER)
    problems, reminders = judge(clone)
    assert problems == []
    assert [reminder.partition(":")[0] for reminder in reminders] == ["CHANGELOG.md", "pyproject.toml"]
    git(clone, "tag", "v1.2.0")
    assert judge(clone) == (reminders, [])


def test_an_unpacked_sdist_is_not_released(tmp_path: Path, clone: Path) -> None:
    (clone / ".git").rename(tmp_path / "elsewhere")
    assert judge(clone)[0] == ["this is not a git clone: what belongs to a release is what git tracks"]


def test_a_wheel_that_misses_a_file_or_has_a_stray_one_is_named(tmp_path: Path) -> None:
    wheel = tmp_path / "ant_wif-1.2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("ant_wif/__init__.py", "ant_wif/stray.py", "ant_wif-1.2.0.dist-info/METADATA"):
            archive.writestr(name, "")
    tracked = ["README.md", "src/ant_wif/__init__.py", "src/ant_wif/py.typed", "pytest_plugin/pytest_ant_wif/plugin.py"]
    assert list(missing_from_wheel(wheel, tracked)) == [
        "the wheel misses ant_wif/py.typed",
        "the wheel misses pytest_ant_wif/plugin.py",
        "the wheel has ant_wif/stray.py, which git does not track",
    ]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what belongs to a release is what git tracks")
def test_what_is_built_misses_no_file_that_git_tracks(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,), (sdist,), tracked = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz"), tracked_files(ROOT)
    problems = [*missing_from_wheel(wheel, tracked), *missing_from_sdist(sdist, tracked)]
    # What is not committed yet is packed too, and is not wrong until there is a release.
    assert [each for each in problems if " misses " in each or ".data/" in each] == []
