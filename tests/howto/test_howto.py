"""Every example of the README and of docs/ stands in a file of this folder, and runs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ant_cli.main import main
from ant_wif.emulator import Emulator
from ant_wif.identity import DEFAULT_AUDIENCE, Kubernetes
from support import preloaded
from support.samples import MODEL

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTS = sorted(path for path in HERE.glob("*.py") if not path.name.startswith(("test_", "suite_", "conftest")))
PRINTED = {
    "administer.py": r"400 True\nrepo:acme/\* repo:acme/\*\n",
    "list_models.py": r"(claude-[\w.-]+\n)+",
    "explain_what_is_missing.py": r"set ANTHROPIC_ORGANIZATION_ID and an identity token .*\n(.*\n)+",
    "federate_outright.py": r"federation github_actions\n",
    "many_tasks.py": r"\{200\}\n",
    "what_would_be_used.py": r"environment github_actions wrkspc_\w+\n",
    "share_among_processes.py": r"4 processes, 1 token\n",
    "own_identity_source.py": r"Acme's vault\n",
    "official_sdk.py": r"claude-[\w.-]+\n",
    "httpx2_client.py": r"200\n",
    "approve_a_login.py": r"wrkspc_…\n",
    "set_up_federation.py": r"(create \w+ .+\n){4}False\n",
    "emulator_in_a_test.py": r"401 match_subject_prefix\n",
    "message_and_clock.py": r"Say this\n401\n",
    "replies_and_requests.py": r"tool_use\n529\n\['get_weather', 'get_weather'\]\n",
}


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("language", "suffix"), [("python", "py"), ("bash", "sh")])
def test_every_example_is_a_file_that_runs(language: str, suffix: str) -> None:
    files = {path.read_text() for path in HERE.glob(f"*.{suffix}")}
    for page in PAGES:
        for block in _blocks(page, language):
            assert block in files, f"{page.name} shows {language} that no file in tests/howto holds:\n{block}"


def test_every_example_names_the_model_that_the_tests_name() -> None:
    for example in HERE.glob("*.*"):
        assert set(re.findall(r"claude-[a-z]+-[\w-]+", example.read_text())) <= {MODEL}, example


def test_the_api_is_called_as_is_said(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Be brief.")
    with Emulator() as emulator:
        path = f"{preloaded.programs()}:/usr/bin:/bin"
        job = {**emulator.env("github"), "HOME": str(tmp_path), "PATH": path}
        command = ["bash", "-eu", str(HERE / "call_the_api.sh")]
        outcome = subprocess.run(command, env=job, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    printed = outcome.stdout.splitlines()
    assert printed[0] == "Why did the build fail?"
    assert printed[2:5] == ["Two lines,", "as they stand.", ""]


def test_the_curl_lines_of_the_documentation_run_as_written(tmp_path: Path) -> None:
    """A cell of a table has no address: the one of the models is added."""
    migrating = re.findall(
        r"`(curl --header [^`]+Authorization[^`]+)`", (HERE.parents[1] / "docs/migrating.md").read_text()
    )
    with Emulator() as emulator:
        path = f"{preloaded.programs()}:/usr/bin:/bin"
        job = {**emulator.env("github"), "HOME": str(tmp_path), "PATH": path, "NO_PROXY": "127.0.0.1"}
        command = f'{(HERE / "ask.sh").read_text()}\n{migrating[0]} --fail "$ANTHROPIC_BASE_URL/v1/models"'
        outcome = preloaded.run(
            [preloaded.ANT, "exec", "--", "bash", "-eu", "-c", command],
            env=job,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (outcome.returncode, outcome.stdout.count('"has_more"')) == (0, 2), outcome.stderr


# Runs each script as a program would be run, but in one process: to import what they need costs more than they do.
ALL_SCRIPTS = """
import contextlib, io, json, os, runpy, sys
import anthropic

shown = {}
for script in sys.argv[2:]:
    os.environ["HOME"] = os.path.join(sys.argv[1], os.path.basename(script))
    os.mkdir(os.environ["HOME"])
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(script, run_name="__main__")
    shown[os.path.basename(script)] = printed.getvalue()
print(json.dumps(shown))
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each script prints, in the job of a platform and with a HOME of its own."""
    home = str(tmp_path_factory.mktemp("homes"))
    with Emulator() as emulator:
        command = [sys.executable, "-W", "error", "-c", ALL_SCRIPTS, home, *map(str, SCRIPTS)]
        job = emulator.env("github")
        outcome = preloaded.run(command, env=job, heavy="sdk", capture_output=True, text=True, check=False)
        assert outcome.stderr == ""
        assert emulator.exchanges <= len(SCRIPTS)
    shown: dict[str, str] = json.loads(outcome.stdout)
    return shown


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_example_prints_what_is_said_of_it(script: Path, printed: dict[str, str]) -> None:
    assert re.fullmatch(PRINTED[script.name], printed[script.name])


# Pretended platforms have nothing to do with the mode.
@pytest.mark.parametrize(("mode", "suites"), [("emulator", "suite_*.py"), ("live", "suite_with_*.py")])
def test_the_example_suites_pass(mode: str, suites: str, tmp_path: Path) -> None:
    for suite in HERE.glob(suites):
        shutil.copy(suite, tmp_path / f"test_{suite.name}")
    # Other plugins of this machine cost time; that this one is found by itself shows test_sample_project.py.
    alone = ["-W", "error", "-p", "no:cacheprovider", "-p", "ant_wif"]
    with Emulator() as emulator:
        job = {**emulator.env("github"), "HOME": str(tmp_path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, "-m", "pytest", "-q", *alone, "--ant-mode", mode]
        outcome = preloaded.run(command, env=job, heavy="sdk", cwd=tmp_path, capture_output=True, text=True)
        assert outcome.returncode == 0, outcome.stdout
        assert emulator.exchanges == (1 if mode == "live" else 0)


def test_the_readme_shows_what_the_demo_prints() -> None:
    shown = next(block for block in _blocks(ROOT / "README.md", "console") if "make demo" in block)
    printed = preloaded.run(
        [preloaded.ANT, "demo"], env={"HOME": "/nonexistent"}, heavy="sdk", capture_output=True, text=True, check=True
    )
    assert printed.stderr == ""
    real = [_without_what_varies(line) for line in printed.stdout.splitlines()]
    for line in shown.splitlines():
        if not line.startswith("$") and line.strip() not in {"…", "| …"}:
            assert _without_what_varies(line) in real


def _without_what_varies(line: str) -> str:
    return re.sub(r"127\.0\.0\.1:\d+|sk-ant-oat01-\S+|expires in \d+|claude-\S+", "", line)


def test_the_readme_s_workflow_is_the_example_s() -> None:
    shown = yaml.safe_load(next(iter(_blocks(ROOT / "README.md", "yaml"))))
    workflow = yaml.safe_load((ROOT / "ci-examples" / "github-actions" / "keyless.yml").read_text())
    assert shown["env"] == workflow["env"]
    assert shown["permissions"] == workflow["jobs"]["status"]["permissions"]
    runs = [step.get("run") for step in workflow["jobs"]["status"]["steps"]]
    assert all(step["run"] in runs for step in shown["steps"])


def test_every_command_line_of_a_page_is_one_that_ant_understands(capsys: pytest.CaptureFixture[str]) -> None:
    shown = "".join(block for page in PAGES for block in _blocks(page, "console")).replace("\\\n", "")
    lines = [line for line in shown.splitlines() if line.startswith("$ ")]
    for line in lines:
        for words in _calls_of_ant(line.removeprefix("$ ")):
            asked = words.index("--") if "--" in words else len(words)
            assert main([*words[:asked], "--help", *words[asked:]], {"HOME": "/nonexistent"}) == 0, line
    capsys.readouterr()


def _calls_of_ant(line: str) -> Iterator[list[str]]:
    """Yield the words of each call of `ant` in a line of shell, below `ant exec` as well."""
    words = shlex.split(line, comments=True)
    for place, word in enumerate(words):
        if word == "ant":
            end = next((at for at, each in enumerate(words) if at > place and each in {"|", ">", "&", "<"}), len(words))
            yield words[place + 1 : end]
        elif "$(ant " in word:
            yield from _calls_of_ant(word.partition("$(")[2].partition(")")[0])


def test_the_guide_to_github_actions_shows_the_variables_of_the_example() -> None:
    (shown,) = (yaml.safe_load(block) for block in _blocks(ROOT / "docs" / "github-actions.md", "yaml"))
    workflow = yaml.safe_load((ROOT / "ci-examples" / "github-actions" / "keyless.yml").read_text())
    assert shown["env"] == workflow["env"]
    assert shown["permissions"] == workflow["jobs"]["status"]["permissions"]
    runs = [step.get("run") for step in workflow["jobs"]["status"]["steps"]]
    assert [step["run"] for step in shown["jobs"]["models"]["steps"]] == [run for run in runs if run]


def test_the_guides_to_gitlab_and_kubernetes_show_the_token_of_the_examples() -> None:
    (shown,) = (yaml.safe_load(block) for block in _blocks(ROOT / "docs" / "gitlab.md", "yaml"))
    example = yaml.safe_load((ROOT / "ci-examples" / "gitlab" / ".gitlab-ci.yml").read_text())
    assert shown["models"]["id_tokens"] in [job["id_tokens"] for job in example.values() if "id_tokens" in job]
    (pod,) = (yaml.safe_load(block)["spec"] for block in _blocks(ROOT / "docs" / "kubernetes.md", "yaml"))
    (source,) = pod["volumes"][0]["projected"]["sources"]
    (mount,) = pod["containers"][0]["volumeMounts"]
    assert source["serviceAccountToken"]["audience"] == DEFAULT_AUDIENCE
    assert f"{mount['mountPath']}/{source['serviceAccountToken']['path']}" == Kubernetes().path


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            generated = target.startswith(("api/", "commands/"))  # `make site` checks these
            assert generated or (page.parent / target).exists(), f"{page.name} links to {target}"
