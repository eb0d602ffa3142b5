"""How `ant` explains itself: help, version, and what it suggests for a misspelled word."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from ant_cli._click.groups import Explained
from ant_cli._click.help import summary
from ant_cli._click.suggesting import commands_below
from ant_cli.main import cli
from ant_wif import __version__
from ant_wif._config import KEYS, ConfigDir
from ant_wif.emulator import Emulator
from support import preloaded
from support.login import keep_a_login
from support.preloaded import ANT
from support.samples import MODEL

from .conftest import Ant

WIDTH = 80

ROOT = click.Context(cli, info_name="ant", **cli.context_settings)
PAGES = {each.command_path: each for each in (ROOT, *commands_below(ROOT))}
GROUPS = [path for path, each in PAGES.items() if isinstance(each.command, click.Group) and path != "ant emulator"]


@pytest.mark.parametrize("path", GROUPS)
def test_a_bare_group_prints_its_help(ant: Ant, path: str) -> None:
    words = path.split()[1:]
    asked = ant(*words, "--help")
    assert asked.out.startswith(f"Usage: {path} ")
    bare = ant(*words)
    assert (bare.status, bare.out, bare.err) == (0, asked.out, "")


@pytest.mark.parametrize("path", GROUPS)
def test_a_group_with_options_needs_a_command(ant: Ant, path: str) -> None:
    outcome = ant(*path.split()[1:], "--profile", "staging")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == f"error: missing command\nhint: {path} --help\n"


def test_the_help_command_prints_the_help_of_every_command(ant: Ant) -> None:
    for path in PAGES:
        words = path.split()[1:]
        asked = ant("help", *words)
        assert (asked.status, asked.err) == (0, ""), path
        assert asked.out == ant(*words, "--help").out == ant(*words, "-h").out, path


def test_the_version_names_the_program(ant: Ant) -> None:
    for words in (["--version"], ["-v"], ["-V"], ["version"]):
        assert ant(*words).out == f"ant-wif {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("aut", "did you mean 'ant auth'?"),
        ("modles", "did you mean 'ant models'?"),
        ("Models", "did you mean 'ant models'?"),
        ("auth stauts", "did you mean 'ant auth status'?"),
        ("wif rule", "did you mean 'ant wif rules'?"),
        ("wif rules lst", "did you mean 'ant wif rules list'?"),
        ("wif setup kubernetse", "did you mean 'ant wif setup kubernetes'?"),
        ("help modles", "did you mean 'ant models'?"),
        ("help auth stauts", "did you mean 'ant auth status'?"),
        ("login", "did you mean 'ant auth login'?"),
        ("stauts", "did you mean 'ant auth status'?"),
        ("auth detect", "did you mean 'ant identity detect'?"),
        ("emulator envv", "did you mean 'ant emulator env'?"),
        ("wif rules delete fdrl_x", "did you mean 'ant wif rules archive'?"),
        ("profile rm x", "did you mean 'ant profile delete'?"),
        ("models get x", "did you mean 'ant models retrieve'?"),
        ("doctor", "did you mean 'ant auth status'?"),
        ("auth token", "did you mean 'ant auth print-credentials' or 'ant identity token'?"),
        ("models:list", "did you mean 'ant models list'?"),
        ("wif:setup:github --repo a/b", "did you mean 'ant wif setup github'?"),
        ("profile use x", "did you mean 'ant profile activate'?"),
        ("auth switch x", "did you mean 'ant profile activate'?"),
        ("profile switch x", "did you mean 'ant profile activate'?"),
        ("profile current", "did you mean 'ant auth status'?"),
        ("auth print-access-token", "did you mean 'ant auth print-credentials'?"),
        ("auth print-identity-token", "did you mean 'ant identity token'?"),
        ("gcloud:auth", "ant --help"),
        ("files list", "there is no command for files; `ant api /v1/files` reaches them"),
        ("skill", "there is no command for skills; `ant api /v1/skills` reaches them"),
        ("messages batch create", "there is no command for batches; `ant api /v1/messages/batches` reaches them"),
        ("users", "there is no command for users; `ant api /v1/organizations/users` reaches them"),
        ("usage", "ant --help"),
        ("models nonsense", "ant models --help"),
        ("init", "ant --help"),
    ],
)
def test_a_misspelled_command_gets_a_suggestion(ant: Ant, typed: str, meant: str) -> None:
    outcome = ant(*typed.split())
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("error: unknown command ")
    assert outcome.err.endswith(f"\nhint: {meant}\n")


@pytest.mark.parametrize("option", ["--json", "--output json", "-o json", "--output=json"])
def test_the_json_option_of_other_command_lines_leads_to_format(ant: Ant, option: str) -> None:
    outcome = ant("auth", "status", *option.split())
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.endswith("\nhint: did you mean --format json?\n")


@pytest.mark.parametrize(
    ("typed", "instead"),
    [
        ("beta:agents list", "`ant api PATH` reaches every endpoint"),
        ("messages:batches list", "`ant api PATH` reaches every endpoint"),
        ("completions create", "`ant api PATH` reaches every endpoint"),
        ("auth beta:files", "`ant api PATH` reaches every endpoint"),
        ("beta:worker run", "`ant exec -- PROGRAM beta:worker` runs the official CLI"),
        ("@manpages", "use `man ant`"),
        ("models list --max-items 3", "lists take --limit"),
        ("models list --max-item=3", "lists take --limit"),
        ("models list -max-items 3", "lists take --limit"),
        ("--max-items 3 models list", "lists take --limit"),
        ("models list --after-id x", "use `ant api '/v1/models?after_id=ID'`"),
        ("models list --before-id x", "use `ant api '/v1/models?before_id=ID'`"),
        ("models retrieve x --beta y", "use `ant api PATH -H anthropic-beta:NAME`"),
        ("messages create --temperature 1", "set the field temperature in a body on stdin"),
        ("messages create --temprature 1", "set the field temperature in a body on stdin"),
        ("messages create --top-k 1", "set the field top_k in a body on stdin"),
        ("messages create --inference-geo us", "set the field inference_geo in a body on stdin"),
        ("messages create --metadata.user-id x", "use --metadata '{user_id: ...}'"),
        ("messages count-tokens --message.role user", "use --message '{role: ...}'"),
        ("messages create --user-profile-id x", "use `ant api PATH --input FILE -H anthropic-user-profile-id:ID`"),
        ("models list --transform-error x", "use --format-error json, and filter what it prints"),
        ("--webhook-key x models list", "no command needs it, so leave it out"),
        ("models list --format pretty", "use auto, json or yaml"),
        ("models list --format-error explore", "use auto, json or yaml"),
    ],
)
def test_what_only_the_official_cli_has_is_recognized(ant: Ant, typed: str, instead: str) -> None:
    outcome = ant(*typed.split())
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.endswith(f" of the official CLI, and this is ant-wif: {instead}\n")


@pytest.mark.parametrize(
    "typed", ["explore", "models pretty", "models list --format completions", "--format @manpages"]
)
def test_formats_and_commands_of_the_official_cli_are_told_apart(ant: Ant, typed: str) -> None:
    outcome = ant(*typed.split())
    assert (outcome.status, outcome.out) == (2, "")
    assert "official CLI" not in outcome.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--profil x", "--profile"),
        ("auth --fromat json status", "--format"),
        ("models list --limti 3", "--limit"),
        ("wif rules list --include-archive", "--include-archived"),
        ("emulator --prot 3", "--port"),
        ("messages create --max-token 5", "--max-tokens"),
        ("messages --beta x create", "'ant messages create --beta"),
        ("models list -limit 3", "--limit"),
        ("-profile x models list", "--profile"),
        ("models list -raw-output", "--raw-output"),
        ("wif setup --repo acme/app", "'ant wif setup github --repo"),
        ("wif --project acme/app", "'ant wif setup gitlab --project"),
    ],
)
def test_a_misspelled_option_gets_a_suggestion(ant: Ant, typed: str, meant: str) -> None:
    outcome = ant(*typed.split())
    assert outcome.status == 2
    assert outcome.err.startswith("error: unknown option '-")
    assert re.search(rf"\nhint: did you mean .*{meant}\b.*\?\n", outcome.err)


def test_a_command_without_commands_has_no_help_for_one(ant: Ant) -> None:
    outcome = ant("help", "models", "list", "all")
    assert outcome.status == 2
    assert "'ant models list' has no commands below it" in outcome.err


def test_help_fits_in_80_columns_of_ascii_and_names_no_type_of_python() -> None:
    for path, context in PAGES.items():
        text = click.Context(context.command, info_name=path, terminal_width=WIDTH, parent=None).get_help()
        assert text.isascii(), path  # so every encoding has it
        assert [line for line in text.splitlines() if len(line) > WIDTH] == [], path
        assert not re.search("INTEGER|FLOAT| RANGE", text), path
        assert re.search(r"^Examples:\n(  .+\n?)+", text, re.MULTILINE), path


@pytest.mark.parametrize("columns", [40, 60, WIDTH])
def test_help_is_cut_nowhere_in_a_narrow_terminal(columns: int) -> None:
    for path, context in PAGES.items():
        pages = [
            click.Context(context.command, info_name=path, terminal_width=each).get_help() for each in (columns, 300)
        ]
        words, whole = [[word for word in page.split() if word != "\\"] for page in pages]
        assert words == whole, path
        text = pages[0].partition("\nExamples:")[0]
        assert [line for line in text.splitlines() if len(line) > columns and len(line.split()) > 1] == [], path


def test_help_fits_into_the_terminal(ant: Ant, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, longest in ((1, 50), (40, 40), (80, 80), (300, 80)):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert max(map(len, ant("auth", "login", "--help").out.splitlines())) <= longest


@pytest.mark.parametrize("path", GROUPS)
def test_a_group_shows_the_whole_summary_of_each_command_in_one_line(path: str) -> None:
    context = PAGES[path]
    text = click.Context(context.command, info_name=path, terminal_width=WIDTH).get_help()
    for name, each in PAGES.items():
        if each.parent is not None and each.parent.command_path == path:
            line = summary(each.command)
            assert len(line) <= 60
            assert re.search(rf"^  {name.rpartition(' ')[2]} +{re.escape(line)}$", text, re.MULTILINE)


def test_the_help_groups_commands_and_options(ant: Ant) -> None:
    titles = re.findall(r"^(\w.*):$", ant("--help").out, re.MULTILINE)
    assert titles == [
        "Credentials", "Configuration", "API", "Tests", "Help",
        "Credential options", "Federation options", "Output options", "Diagnostics", "Examples",
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["set", "get"])
def test_the_keys_of_a_profile_are_listed(ant: Ant, command: str) -> None:
    text = ant("profile", command, "--help").out
    assert all(key in text for key in KEYS)


NEEDS_A_PERSON = ("ant auth login", "ant wif setup github --repo acme/app --profile admin")
RUN_ELSEWHERE = ("ant demo",)  # tests/howto/test_howto.py
RUNS_UNTIL_STOPPED = ("ant emulator", "ant emulator --port 8700 --config seed.yaml")
EXAMPLES = sorted(
    {example for each in PAGES.values() if isinstance(each.command, Explained) for example in each.command.examples}
)
ISSUER = {"name": "ci-acme", "issuer_url": "https://ci.acme.example"}
EVERYWHERE = {"applies_to_all_workspaces": True}
MATCH = {"subject_prefix": "repo:acme/app:*", "audience": "https://api.anthropic.com"}
MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def job(
    example: str, ant: Ant, seeded: Emulator, directory: ConfigDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The variables of a job in a folder with the files that the examples name, and what the example removes."""
    keep_a_login(directory, seeded, "admin", scope="org:admin")
    for name in ("staging", "default"):
        keep_a_login(directory, seeded, name)
    of_github = seeded.rule("github")
    target = {"type": "service_account", "service_account_id": of_github.service_account_id}
    rule = {"name": "nightly", "issuer_id": of_github.issuer_id, "match": MATCH, "target": target, **EVERYWHERE}
    admin = ("--profile", "admin")
    if "old-issuer" in example:
        named = ("--name", "old-issuer", "--url", "https://old.example")
        assert ant("wif", "issuers", "create", *named, *admin).status == 0
    if "old-account" in example:
        assert ant("wif", "service-accounts", "create", "--name", "old-account", *admin).status == 0
    (tmp_path / "rule.json").write_text(json.dumps(rule))
    (tmp_path / "issuer.json").write_text(json.dumps(ISSUER))
    (tmp_path / "body.json").write_text(json.dumps({"model": MODEL, "messages": MESSAGES}))
    (tmp_path / "messages.json").write_text(json.dumps(MESSAGES))
    (tmp_path / "prompt.txt").write_text("Be brief.")
    (tmp_path / "app.py").write_text("import os\nassert os.environ\n")
    monkeypatch.chdir(tmp_path)
    return {
        **seeded.env("github"),
        "PATH": f"{preloaded.programs()}:/usr/bin:/bin",
        "GITHUB_ENV": str(tmp_path / "env"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_runs(example: str, ant: Ant, seeded: Emulator, job: dict[str, str], home: Path) -> None:
    line = example.replace("http://127.0.0.1:8700", seeded.base_url)
    if " < " in line:  # a guest in this process has no standard input
        command, _, file = line.partition(" < ")
        with open(file) as stdin:
            words = [ANT, *shlex.split(command)[1:]]
            done = preloaded.run(words, env={**job, "HOME": str(home)}, stdin=stdin, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return
    inner = re.fullmatch(r'eval "\$\((.*)\)"', line)
    words = shlex.split(inner[1] if inner else line.partition(" > ")[0])[1:]
    if example.startswith(NEEDS_A_PERSON) or example in (*RUNS_UNTIL_STOPPED, *RUN_ELSEWHERE) or "--watch" in words:
        words.append("--help")  # which reads the options first
    outcome = ant(*words, **job)
    assert outcome.status == 0, outcome.err
