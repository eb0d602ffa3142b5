"""`ant wif setup`: a plan, a question, and a job that may call the API afterwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ant_wif._config.config_dir import ConfigDir
from ant_wif.emulator import Emulator, Fault
from support import preloaded
from support.jobs import platform_of
from support.login import keep_a_login
from support.registrations import registrations
from support.samples import needs_cel
from support.terminal import in_a_terminal, rest

from .conftest import Ant, Outcome

Setup = Callable[..., Outcome]
APPLICATION = "c0de7a11-5e3b-4f6a-9d82-7f8091a2b303"
POD = ["--namespace", "ci", "--service-account", "b"]


@pytest.fixture
def emulator(seeded: Emulator) -> Emulator:
    return seeded


@pytest.fixture
def admin(emulator: Emulator, directory: ConfigDir) -> list[str]:
    """The login of an administrator, as options."""
    keep_a_login(directory, emulator, "admin", scope="org:admin")
    return ["--profile", "admin"]


@pytest.fixture
def setup(ant: Ant, admin: list[str]) -> Setup:
    return lambda *words, **environ: ant("wif", "setup", *words, *admin, **environ)


@pytest.fixture
def github(emulator: Emulator) -> list[str]:
    url = f"{emulator.base_url}/github"
    return ["github", "--repo", "acme/app", "--issuer-url", url, "--workspace", "Engineering"]


def variables(outcome: Outcome) -> dict[str, str]:
    return dict(re.findall(r"^  (ANT\w+)=(\S+)$", outcome.out, re.MULTILINE))


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        ("github --repo https://www.github.com/acme/app", "repo:acme/app:"),
        ("github --repo https://github.com/acme/app", "repo:acme/app:"),
        ("github --repo https://github.com/acme/app.git/", "repo:acme/app:"),
        ("github --repo git@github.com:acme/app.git", "repo:acme/app:"),
        ("github --repo ssh://git@github.com:22/acme/app.git", "repo:acme/app:"),
        ("github --repo https://someone:hidden@GitHub.com/acme/app", "repo:acme/app:"),
        ("github --repo github.com/acme/app", "repo:acme/app:"),
        ("github --repo https://github.com/acme@1/app@2", "repo:acme@1/app@2:"),
        ("github --repo acme@1/app@2", "repo:acme@1/app@2:"),
        ("github --repo https://github.com/acme/app?tab=readme-ov-file", "repo:acme/app:"),
        ("github --repo https://github.com/acme/app/?x=/y#readme", "repo:acme/app:"),
        ("github --repo github.com/acme/app.git#readme", "repo:acme/app:"),
        (
            "github --repo git@git.acme.example:acme/app --issuer-url https://git.acme.example/_services/token",
            "repo:acme/app:",
        ),
        (
            "github --repo https://acme.ghe.com/acme/app --issuer-url https://token.actions.acme.ghe.com",
            "repo:acme/app:",
        ),
        ("gitlab --project https://gitlab.com/acme/web/app/-/tree/main", "project_path:acme/web/app:"),
        ("gitlab --project git@gitlab.com:acme/app.git", "project_path:acme/app:"),
        ("gitlab --project gitlab.com/acme/app", "project_path:acme/app:"),
        ("gitlab --project https://gitlab.com/acme/app?ref_type=heads", "project_path:acme/app:"),
        ("gitlab --project https://gitlab.com/acme/app/-/tree/main?x=1#l2", "project_path:acme/app:"),
        ("gitlab --project https://x.example/git/acme/app --issuer-url https://x.example/git", "project_path:acme/"),
    ],
)  # fmt: skip
def test_a_repository_is_named_by_its_url_too(setup: Setup, words: str, subject: str) -> None:
    outcome = setup(*words.split(), "--dry-run", "--format", "json")
    assert outcome.status == 0, outcome.err
    rule = next(each for each in outcome.json()["plan"] if each["kind"] == "rule")  # type: ignore[attr-defined]  # a list
    assert json.dumps(rule).count(f'"{subject}') == 1
    assert "hidden" not in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "github --repo https://gitlab.com/acme/app",
            "the repository is on gitlab.com, and the issuer is that of github.com\n"
            "hint: give --issuer-url https://gitlab.com/_services/token, if that is GitHub Enterprise Server",
        ),
        ("github --repo git@github.com:acme/app.git --issuer-url https://token.actions.acme.ghe.com", "acme.ghe.com\n"),
        ("github --repo https://github.com/acme", "'acme' is not a repository: expected OWNER/NAME"),
        ("github --repo https://github.com/acme/app/pull/1", "'acme/app/pull/1' is not a repository"),
        *(
            (f"github --repo {address}", "hint: did you mean acme/app?\n")
            for address in (
                "https://github.com/acme/app/pull/1", "https://github.com/acme/app/tree/main", "acme/app/tree/main",
                "https://github.com/acme/app/blob/main/a.py?plain=1#L3", "github.com/acme/app/actions",
                "repo:acme/app/", "acme/app/",
            )
        ),
        ("github --repo acme@1/app@2/tree/main", "hint: did you mean acme@1/app@2?\n"),
        ("github --repo acme/app?x", "a wildcard would let others in; expected OWNER/NAME, or OWNER@ID/NAME@ID\n"),
        (
            "gitlab --project https://git.acme.example/acme/app",
            "hint: give --issuer-url https://git.acme.example, if that is a self-managed GitLab",
        ),
        *(
            (f"github --repo {address}", f"'{address}' is the address of github.com and not of a repository there\n")
            for address in ("https://github.com/", "https://github.com", "git@github.com:", "ssh://git@github.com/")
        ),
        ("github --repo github.com/", "hint: add the path of the repository, or give the path alone\n"),
        ("gitlab --project https://gitlab.com/", "'https://gitlab.com/' is the address of gitlab.com and not of a"),
        (
            "bitbucket --bitbucket-workspace https://bitbucket.org/x --repository-id x",
            "'https://bitbucket.org/x' is not a Bitbucket workspace: expected its ID, as in its URL\n"
            "hint: give it alone, without the rest of the address\n",
        ),
        (
            "azure-pipelines --organization https://dev.azure.com/acme --project p --connection c",
            "hint: give it alone, without the rest of the address\n",
        ),
        ("gitlab --project https://gitlab.com/acme", "'acme' is not a project: expected GROUP/NAME"),
        ("buildkite --organization acme --pipeline https://buildkite.com/acme/app", "expected its slug, as in the "),
        ("spacelift --account acme.app.spacelift.io --space s --stack t", "expected its subdomain"),
    ],
)  # fmt: skip
def test_a_url_that_names_no_repository_of_the_issuer_is_refused_with_the_form_to_use(
    setup: Setup, words: str, said: str
) -> None:
    outcome = setup(*words.split(), "--dry-run")
    assert (outcome.status, outcome.out) == (2, "")
    assert said in outcome.err


def test_the_plan_is_carried_out_and_the_job_may_call_the_api(
    ant: Ant, setup: Setup, emulator: Emulator, github: list[str]
) -> None:
    outcome = setup(*github, "--yes")
    assert outcome.status == 0, outcome.err
    marks = [line[:2] for line in outcome.out.splitlines()[:11] if line[:2] in {"= ", "+ ", "~ "}]
    assert marks == ["= ", "+ ", "+ ", "+ "]
    assert '    subject_prefix: "repo:acme/app:ref:refs/heads/main"\n' in outcome.out
    assert "github-acme-app-main in Engineering" in outcome.out
    assert [line.partition(" ")[0] for line in outcome.err.splitlines()] == ["created:"] * 3

    found = variables(outcome)
    job = {**emulator.env("github"), "ANTHROPIC_BASE_URL": "", **found}
    assert found["ANTHROPIC_FEDERATION_RULE_ID"] == emulator.rule("github-acme-app-main").id
    verified = ant("auth", "verify", "--format", "json", **job)
    assert verified.status == 0, verified.err
    assert verified.json()["organization_id"] == emulator.organization_id
    assert [record.rule_id for record in emulator.history] == [found["ANTHROPIC_FEDERATION_RULE_ID"]]


def test_a_second_run_changes_nothing_and_says_so(setup: Setup, emulator: Emulator, github: list[str]) -> None:
    first = setup(*github, "--yes")
    before = registrations(emulator)
    again = setup(*github)
    assert (again.status, again.err) == (0, "")
    assert "Everything exists already. Nothing was changed." in again.out
    assert variables(again) == variables(first)
    assert registrations(emulator) == before


def test_the_workflow_is_yaml_that_github_takes_and_its_last_step_runs(
    ant: Ant, setup: Setup, emulator: Emulator, github: list[str]
) -> None:
    outcome = setup(*github, "--yes")
    workflow = yaml.safe_load(outcome.out.partition("Save this file as .github/workflows/claude.yml:\n\n")[2])
    # YAML 1.1 takes `on` for a truth value, which GitHub does not.
    assert workflow[True] == {"push": {"branches": ["main"]}}
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    assert workflow["env"] == variables(outcome)
    assert workflow["jobs"]["claude"]["steps"][-1] == {"run": "ant auth verify"}
    job = platform_of(emulator.env("github"))
    verified = ant("auth", "verify", **{**job, **workflow["env"]})
    assert verified.status == 0, verified.err


@pytest.mark.parametrize(
    ("words", "trigger", "environment"),
    [
        (["--tag", "v1.0"], {"push": {"tags": ["v1.0"]}}, None),
        (["--environment", "pro: duction"], "workflow_dispatch", "pro: duction"),
        (["--environment", "production", "--branch", "main"], {"push": {"branches": ["main"]}}, "production"),
        (["--pull-request"], "pull_request", None),
        (["--environment", '🚀 "prod" # x'], "workflow_dispatch", '🚀 "prod" # x'),
        # What stands here are patterns, in which these two have a meaning.
        (["--branch", "c++"], {"push": {"branches": ["c\\+\\+"]}}, None),
        (["--tag", "!v1"], {"push": {"tags": ["\\!v1"]}}, None),
        (["--branch", 'it\'s-"quoted"-#1!'], {"push": {"branches": ['it\'s-"quoted"-#1!']}}, None),
    ],
)
def test_the_workflow_runs_for_what_the_rule_accepts(
    setup: Setup, github: list[str], words: list[str], trigger: object, environment: str | None
) -> None:
    workflow = yaml.safe_load(str(setup(*github, *words, "--yes", "--json").json()["workflow"]))
    assert workflow[True] == trigger
    assert workflow["jobs"]["claude"].get("environment") == environment


def test_a_dry_run_shows_the_plan_and_changes_nothing(setup: Setup, emulator: Emulator, github: list[str]) -> None:
    before = registrations(emulator)
    outcome = setup(*github, "--dry-run")
    assert (outcome.status, outcome.err) == (0, "")
    assert "+ rule             github-acme-app-main\n" in outcome.out
    assert "Nothing was changed. Run the command without --dry-run to apply the plan." in outcome.out
    assert "ANTHROPIC_" not in outcome.out
    assert registrations(emulator) == before


def test_without_a_terminal_and_without_yes_nothing_is_done(
    setup: Setup, emulator: Emulator, github: list[str]
) -> None:
    before = registrations(emulator)
    outcome = setup(*github)
    assert outcome.status == 2
    assert "+ rule " in outcome.out
    assert "confirmation required; pass --yes when not interactive" in outcome.err
    assert registrations(emulator) == before


def test_a_person_is_asked(emulator: Emulator, admin: list[str], github: list[str], home: Path) -> None:
    before = registrations(emulator)
    with in_a_terminal("wif", "setup", *github, *admin, environ={"HOME": str(home)}) as terminal:
        terminal.expect_exact("Do this? [y/N]: ")
        assert registrations(emulator) == before
        terminal.sendline("y")
        status, printed = rest(terminal)
    assert status == 0
    assert "created: rule github-acme-app-main" in printed
    assert emulator.rule("github-acme-app-main").subject_prefix == "repo:acme/app:ref:refs/heads/main"


def test_json_has_plan_ids_and_variables_for_programs(setup: Setup, emulator: Emulator, github: list[str]) -> None:
    planned = setup(*github, "--json", "--dry-run")
    assert (planned.status, planned.err) == (0, "")
    document = planned.json()
    assert (document["schema"], document["platform"], document["applied"]) == ("ant.wif.setup/1", "github", False)
    plan = document["plan"]
    assert isinstance(plan, list)
    assert [(item["kind"], item["action"]) for item in plan] == [
        ("issuer", "keep"),
        ("service_account", "create"),
        ("membership", "create"),
        ("rule", "create"),
    ]
    assert set(plan[0]) == {"kind", "action", "name", "id", "details", "changes"}
    assert document["workflow"] is None
    done = setup(*github, "--format", "json", "--yes")
    document = done.json()
    assert document["applied"] is True
    assert document["ids"] == {
        "issuer": emulator.issuer().id,
        "service_account": emulator.rule("github-acme-app-main").service_account_id,
        "rule": emulator.rule("github-acme-app-main").id,
        "workspace": emulator.rule().workspace_ids[0],
        "organization": emulator.organization_id,
    }
    assert "+ rule " in done.err
    assert setup(*github, "--transform", "variables.ANTHROPIC_FEDERATION_RULE_ID", "-r").out == (
        f"{emulator.rule('github-acme-app-main').id}\n"
    )


def test_what_differs_is_shown_field_by_field(setup: Setup, emulator: Emulator, github: list[str]) -> None:
    setup(*github, "--yes")
    outcome = setup(*github, "--lifetime", "10m", "--yes")
    assert "~ rule             github-acme-app-main (fdrl_" in outcome.out
    assert "    token_lifetime_seconds: 3600 -> 600\n" in outcome.out
    assert outcome.err.startswith("updated: rule github-acme-app-main (fdrl_")
    assert emulator.rule("github-acme-app-main").token_lifetime_seconds == 600


def test_keys_that_are_used_or_replaced_are_seen_in_the_plan(
    setup: Setup, emulator: Emulator, github: list[str], tmp_path: Path
) -> None:
    assert f'    issuer_url: "{emulator.base_url}/github"\n    keys: "' in setup(*github, "--dry-run").out
    for name in ("kubernetes", "gitlab"):
        (tmp_path / name).write_text(json.dumps(emulator._platforms.named(name).key.jwks()))
    words = ["kubernetes", "--issuer", "https://kubernetes.default.svc", *POD, "--jwks"]
    assert setup(*words, str(tmp_path / "kubernetes"), "--yes").status == 0
    replaced = setup(*words, str(tmp_path / "gitlab"), "--dry-run")
    assert '    jwks: "inline: ' in replaced.out
    assert "after a rotation this is right, and for a second cluster it is wrong" in replaced.out


def test_what_failed_can_be_run_again(setup: Setup, emulator: Emulator, github: list[str]) -> None:
    before = registrations(emulator)
    emulator.fail("admin", Fault.not_json())
    broken = setup(*github, "--yes")
    assert (broken.status, registrations(emulator)) == (1, before)
    assert setup(*github, "--yes").status == 0
    assert "Nothing was changed" in setup(*github).out


@pytest.mark.parametrize(
    "words",
    [
        ["github", "--repo", "acme/*"],
        ["github", "--repo", "acme/app", "--branch", "release/*"],
        ["github", "--repo", "acme/app", "--branch", "a", "--tag", "b"],
        ["github", "--repo", "acme/app", "--branch", ""],
        ["github"],
        ["aws", "--issuer", "https://a.example", "--role-arn", "*"],
        ["aws", "--issuer", "https://a.example"],
        ["google-cloud"],
        ["azure", "--tenant", "acme", "--audience", APPLICATION, "--object-id", APPLICATION],
        ["kubernetes", "--issuer", "https://kubernetes.default.svc", "--namespace", "ci", "--service-account", "b"],
        ["kubernetes", "--issuer", "https://a.example", *POD, "--jwks", __file__],
        ["github", "--repo", "acme/app", "--scope", "org:admin"],
        ["github", "--repo", "acme/app", "--transform", "["],
        ["gitlab", "--project", "acme/*"],
        ["azure-pipelines", "--organization", "acme", "--project", "app", "--connection", "anthropic"],
        ["oidc", "--issuer-url", "https://ci.acme.example", "--subject", "*"],
        ["oidc", "--issuer-url", "https://ci.acme.example", "--subject", "a", "--claim", "ref"],
    ],
)
def test_what_would_be_too_wide_or_makes_no_sense_is_wrong_usage(
    setup: Setup, emulator: Emulator, words: list[str]
) -> None:
    before = registrations(emulator)
    outcome = setup(*words, "--yes")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert registrations(emulator) == before


def test_what_the_server_would_refuse_fails_already_in_a_dry_run(setup: Setup) -> None:
    outcome = setup("kubernetes", "--issuer", "https://10.0.0.1", *POD, "--dry-run")
    assert (outcome.status, outcome.out) == (1, "")
    assert "the server would refuse the issuer: issuer_url: must name its host by a public DNS name" in outcome.err
    outcome = setup("github", "--repo", "acme/app", "--workspace", "Nowhere", "--dry-run")
    assert (outcome.status, outcome.out) == (1, "")
    assert "no workspace named 'Nowhere'" in outcome.err


def test_every_platform_s_job_gets_a_token_after_its_setup(
    ant: Ant, setup: Setup, emulator: Emulator, tmp_path: Path
) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(emulator._platforms.kubernetes.key.jwks()))
    names = ("aws", "google-cloud", "azure", "kubernetes")
    issuer = {name: emulator.issuer(name).issuer_url for name in names}
    subject = {name: str(emulator.rule(name).subject_prefix) for name in names}
    namespace, account = subject["kubernetes"].split(":")[-2:]
    tenant, application = issuer["azure"].split("/")[-2], str(emulator.rule("azure").audience)
    platforms = {
        "aws": ["--issuer", issuer["aws"], "--role-arn", subject["aws"]],
        "google-cloud": ["--issuer-url", issuer["google-cloud"], "--unique-id", subject["google-cloud"]],
        "azure": ["--issuer-url", issuer["azure"], "--object-id", subject["azure"], "--tenant", tenant,
                  "--audience", application],
        "kubernetes": ["--issuer", issuer["kubernetes"], "--namespace", namespace, "--service-account", account,
                       "--jwks", str(keys)],
    }  # fmt: skip
    for platform, words in platforms.items():
        outcome = setup(platform, *words, "--yes")
        assert outcome.status == 0, outcome.err
        token = emulator.issue(platform.replace("-", "_"))
        job = {"ANTHROPIC_IDENTITY_TOKEN": token, **variables(outcome)}
        verified = ant("auth", "verify", **job)
        assert verified.status == 0, verified.err
        assert setup(platform, *words).err == ""


@pytest.mark.parametrize("immutable", [False, True])
def test_the_form_of_the_subject_is_asked_of_github_where_a_token_is_at_hand(
    ant: Ant, setup: Setup, emulator: Emulator, github: list[str], immutable: bool
) -> None:
    emulator.github_subjects(immutable=immutable)
    asked = {"GITHUB_API_URL": f"{emulator.base_url}/github/api", "GH_TOKEN": "gh-example"}
    outcome = setup(*github, "--yes", **asked)
    assert outcome.status == 0, outcome.err
    assert "assumes the classic form" not in outcome.out
    verified = ant("auth", "verify", **{**emulator.env("github"), **variables(outcome)})
    assert verified.status == 0, verified.err
    assert "assumes the classic form" in setup(*github, "--dry-run").out
    emulator.github_subjects()


def test_a_gh_that_is_logged_in_gives_the_token(
    setup: Setup, emulator: Emulator, github: list[str], tmp_path: Path
) -> None:
    emulator.github_subjects(immutable=True)
    (tmp_path / "gh").write_text('#!/bin/sh\n[ "$*" = "auth token --hostname 127.0.0.1" ] && echo gh-example\n')
    (tmp_path / "gh").chmod(0o755)
    outcome = setup(*github, "--dry-run", GITHUB_API_URL=f"{emulator.base_url}/github/api", PATH=f"{tmp_path}:/bin")
    assert "repo:acme@90210/app@734201985:ref:refs/heads/main" in outcome.out
    emulator.github_subjects()


@needs_cel
def test_one_rule_accepts_a_repository_s_subjects_before_and_after_the_change(
    ant: Ant, setup: Setup, emulator: Emulator, github: list[str]
) -> None:
    words = [*github[:2], "acme@90210/app@734201985", *github[3:], "--subject"]
    classic = setup(*words, "classic", "--yes")
    both = setup(*words, "both", "--yes")
    assert "    condition: " in both.out
    assert variables(both)["ANTHROPIC_SERVICE_ACCOUNT_ID"] == variables(classic)["ANTHROPIC_SERVICE_ACCOUNT_ID"]
    for immutable in (True, False):
        emulator.github_subjects(immutable=immutable)
        verified = ant("auth", "verify", **{**emulator.env("github"), **variables(both)})
        assert verified.status == 0, verified.err
    before = registrations(emulator)
    assert setup(*words, "both").err == ""
    assert registrations(emulator) == before


def test_a_repository_that_makes_its_own_subjects_gets_a_rule_for_them(
    ant: Ant, setup: Setup, emulator: Emulator, github: list[str]
) -> None:
    emulator.github_subjects(include_claim_keys=["repo", "context", "job_workflow_ref"])
    asked = {"GITHUB_API_URL": f"{emulator.base_url}/github/api", "GITHUB_TOKEN": "gh-example"}
    outcome = setup(*github, "--yes", **asked)
    assert '"repo:acme/app:ref:refs/heads/main:job_workflow_ref:*"' in outcome.out
    verified = ant("auth", "verify", **{**emulator.env("github"), **variables(outcome)})
    assert verified.status == 0, verified.err
    emulator.github_subjects()


CIRCLECI = ["--org-id", "8f0e4c1a-77b1-4d3e-9a55-2f6f0c9d1e01",
            "--project-id", "1c5e7b90-3f2d-4a86-b0c4-5d8e6f7a9b02"]  # fmt: skip
PIPELINES = {
    "gitlab": ["--project", "acme/app"],
    "circleci": CIRCLECI,
    "buildkite": ["--organization", "acme", "--pipeline", "app"],
    "azure-pipelines": ["--organization", "acme", "--project", "app", "--connection", "anthropic"],
    "bitbucket": ["--bitbucket-workspace", "acme", "--repository-id", "{8f3c1b7a-5d2e-4c69-9a40-7be1d2c3f4a5}"],
    "terraform-cloud": ["--organization", "acme", "--terraform-workspace", "app"],
    "spacelift": ["--account", "acme", "--space", "legacy", "--stack", "app"],
    "oidc": ["--subject", "project_path:acme/app:ref_type:branch:ref:main", "--claim", "ref=main"],
}


def commands_of(path: str, text: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables that a pipeline file sets, and the commands that it runs."""
    if path.endswith((".tf", ".sh")):
        named = dict(re.findall(r'^(?:export|      )\s*(ANT\w+) ?= ?"?([^"\n]+)"?$', text, re.MULTILINE))
        command = re.findall(r'command = "(.*)"', text) or [text]
        return named, command
    found = yaml.safe_load(text)
    if path == ".gitlab-ci.yml":
        return found["claude"]["variables"], found["claude"]["script"]
    if path == ".circleci/config.yml":
        job = found["jobs"]["claude"]
        return job["environment"], [step["run"] for step in job["steps"]]
    if path == ".buildkite/pipeline.yml":
        return found["env"], [command.replace("$$", "$") for command in found["steps"][0]["commands"]]
    if path == "azure-pipelines.yml":
        scripts = [step.get("script") or step["inputs"]["inlineScript"] for step in found["steps"]]
        assert found["steps"][1]["env"] == {"SYSTEM_ACCESSTOKEN": "$(System.AccessToken)"}
        return found["variables"], scripts
    if path == "bitbucket-pipelines.yml":
        step = found["pipelines"]["branches"]["main"][0]["step"]
        assert step["oidc"] == {"audiences": ["https://api.anthropic.com"]}
        return {}, step["script"]
    assert path == ".spacelift/config.yml"
    return found["stacks"]["app"]["environment"], found["stacks"]["app"]["before_apply"]


@pytest.mark.parametrize("platform", PIPELINES)
def test_the_printed_pipeline_file_runs_and_a_second_setup_changes_nothing(
    setup: Setup, emulator: Emulator, platform: str, tmp_path: Path
) -> None:
    job = "gitlab" if platform == "oidc" else platform.replace("-", "_")
    url = emulator.issuer(job).issuer_url
    words = [platform, *PIPELINES[platform], "--issuer-url", url, "--workspace", "Engineering"]
    before = registrations(emulator)
    planned = setup(*words, "--dry-run", "--json")
    assert (planned.status, planned.json()["applied"], planned.json()["pipeline"]) == (0, False, None)
    assert registrations(emulator) == before
    done = setup(*words, "--yes")
    assert done.status == 0, done.err
    after = registrations(emulator)
    again = setup(*words, "--json")
    assert (again.status, again.err, again.json()["applied"]) == (0, "", False)
    assert registrations(emulator) == after
    file = again.json()["pipeline"]
    assert isinstance(file, dict)
    assert done.out.endswith(f"{file['path']}:\n\n{file['text']}")

    assert "--require-hashes" in file["text"], "it says how hashes are pinned"
    declared, scripts = commands_of(file["path"], file["text"])
    surroundings = emulator.env(job)
    if platform == "azure-pipelines":
        surroundings["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"] = surroundings.pop("ANT_AZURE_SERVICE_CONNECTION_ID")
    if platform == "oidc":
        surroundings = {"ANTHROPIC_IDENTITY_TOKEN": emulator.issue("gitlab")}
    surroundings = {
        name: value for name, value in surroundings.items() if not name.endswith("_ID") or "ANTHROPIC" not in name
    }
    script = re.sub(r"\S+ -m (venv|pip install) \S+", "true", "\n".join(scripts)).replace(".venv/bin/ant", "ant")
    path = f"{preloaded.programs()}{os.pathsep}{surroundings.get('PATH', os.environ['PATH'])}"
    outcome = subprocess.run(
        ["bash", "-eu", "-c", script],
        env={**surroundings, **declared, "HOME": str(tmp_path), "PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    assert emulator.history[-1].rule_id == again.json()["ids"]["rule"]  # type: ignore[index]  # an object


def test_the_plan_is_as_the_documentation_shows_it(setup: Setup) -> None:
    page = (Path(__file__).parents[2] / "docs" / "wif-setup.md").read_text(encoding="utf-8")
    example = r"^\$ ant wif setup (github .*) --profile admin --dry-run\n(.*?)^```$"
    shown = re.search(example, page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    outcome = setup(*shown[1].split(), "--dry-run")
    assert re.sub(r"wrkspc_\w+", "wrkspc_…", outcome.out) == shown[2]


def test_nothing_secret_is_printed(setup: Setup, github: list[str], directory: ConfigDir) -> None:
    stored = json.loads(directory.credentials_path("admin").read_text())
    for words in ([], ["--json"], ["--debug"]):
        outcome = setup(*github, *words, "--yes")
        for name in ("access_token", "refresh_token"):
            assert stored[name] not in outcome.out + outcome.err


def test_an_api_key_sets_up_nothing(ant: Ant, emulator: Emulator, github: list[str]) -> None:
    key = {"ANTHROPIC_API_KEY": emulator.api_key, "ANTHROPIC_BASE_URL": emulator.base_url}
    outcome = ant("wif", "setup", *github, "--yes", **key)
    assert (outcome.status, outcome.out) == (3, "")
    assert "does not accept keys" in outcome.err
