"""The examples work when copied: their own commands run, with the platform's variables, against the emulator."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from ant_wif import __version__
from ant_wif.emulator import Emulator
from support import preloaded
from support.ci_repository import BIN, EXAMPLES, IDS, PYTEST_ADDOPTS, ROOT, locked, read, repository, without_installing
from support.leaks import jwts_in
from support.loopback import TokenEndpoint

AUDIENCE = "https://api.anthropic.com"
BASH = ("bash", "-e", "-o", "pipefail", "-c")
AWS_ACCOUNT = "123456789012"


GITHUB = read("github-actions/keyless.yml")
GITHUB_PYTEST = read("github-actions/pytest.yml")
GITLAB = read("gitlab/.gitlab-ci.yml")
CIRCLECI = read("circleci/.circleci/config.yml")
BUILDKITE = read("buildkite/pipeline.yml")
CODEBUILD = read("aws-codebuild/buildspec.yml")
CLOUD_BUILD = read("google-cloud-build/cloudbuild.yaml")
AZURE = read("azure-pipelines/azure-pipelines.yml")
BITBUCKET = read("bitbucket/bitbucket-pipelines.yml")
TERRAFORM = (EXAMPLES / "terraform-cloud" / "main.tf").read_text()
SPACELIFT = read("spacelift/.spacelift/config.yml")
SEMAPHORE = read("semaphore/.semaphore/semaphore.yml")
KUBERNETES = {
    manifest["kind"]: manifest
    for manifest in yaml.safe_load_all((EXAMPLES / "kubernetes" / "cronjob.yaml").read_text())
}
POD = KUBERNETES["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
JENKINSFILE = (EXAMPLES / "jenkins" / "Jenkinsfile").read_text()


@dataclass(frozen=True)
class Job:
    """What a system runs: each script in a shell of its own, the `shell` that the system takes."""

    folder: str
    name: str
    scripts: list[str]
    shell: tuple[str, ...] = BASH

    def __str__(self) -> str:
        return f"{self.folder}: {self.name}"

    @property
    def text(self) -> str:
        return "\n".join(self.scripts)


def steps(folder: str, jobs: Any, key: str = "run") -> Iterator[Job]:
    for name, job in jobs.items():
        yield Job(folder, name, [step[key] for step in job["steps"] if key in step])


def all_jobs() -> Iterator[Job]:
    yield from steps("github-actions", GITHUB["jobs"])
    for name, job in GITLAB.items():
        if "script" in job:
            yield Job("gitlab", name, ["\n".join(job["script"])])
    yield from steps("circleci", CIRCLECI["jobs"])
    for step in BUILDKITE["steps"]:
        yield Job("buildkite", step["key"], ["\n".join(step["commands"])], ("bash", "-e", "-c"))
    commands = [command for phase in CODEBUILD["phases"].values() for command in phase["commands"]]
    yield Job("aws-codebuild", "build", ["\n".join(commands)], ("sh", "-e", "-c"))
    for step in CLOUD_BUILD["steps"]:  # The script says itself which shell it wants and when to stop.
        yield Job("google-cloud-build", step["id"], [step["script"]], ("bash", "-c"))
    for job in AZURE["jobs"]:
        scripts = [step.get("script") or step["inputs"].get("inlineScript") for step in job["steps"]]
        yield Job("azure-pipelines", job["job"], [script for script in scripts if script])
    for entry in BITBUCKET["pipelines"]["branches"]["main"]:
        yield Job("bitbucket", entry["step"]["name"], ["\n".join(entry["step"]["script"])])
    (command,) = re.findall(r"command = <<-EOT\n(.*?)^ *EOT$", TERRAFORM, re.MULTILINE | re.DOTALL)
    yield Job("terraform-cloud", "local-exec", [textwrap.dedent(command)], ("sh", "-e", "-c"))
    hooks = "\n".join(SPACELIFT["stack_defaults"]["before_apply"]).replace(".venv/bin/", "")
    yield Job("spacelift", "before_apply", [hooks], ("sh", "-e", "-c"))
    for job in SEMAPHORE["blocks"][0]["task"]["jobs"]:
        yield Job("semaphore", job["name"], ["\n".join(job["commands"])], ("bash", "-e", "-c"))
    (container,) = POD["containers"]
    yield Job("kubernetes", container["name"], container["args"], tuple(container["command"]))
    # Between three quotes Groovy puts nothing into the text.
    for number, script in enumerate(re.findall(r"sh '''\n(.*?)'''", JENKINSFILE, re.DOTALL)):
        yield Job("jenkins", f"sh {number}", [textwrap.dedent(script)], ("sh", "-xe", "-c"))


JOBS = list(all_jobs())
every_job = pytest.mark.parametrize("job", JOBS, ids=str)


# What surrounds a job on each system: its variables, and what answers it.


def ids(emulator: Emulator, platform: str) -> dict[str, str]:
    """Return the four ids, and where the emulator is."""
    return {name: value for name, value in emulator.env(platform).items() if name in {*IDS, "ANTHROPIC_BASE_URL"}}


@contextmanager
def plain(platform: str, emulator: Emulator) -> Iterator[dict[str, str]]:
    yield emulator.env(platform)


@contextmanager
def on_cloud_build(emulator: Emulator) -> Iterator[dict[str, str]]:
    found = emulator.env("google_cloud")
    declared = dict(variable.split("=", 1) for variable in CLOUD_BUILD["options"]["env"])
    substituted = {
        name: re.sub(r"\$\{_(\w+)\}", lambda match: found[match[1]], value) for name, value in declared.items()
    }
    yield {name: value for name, value in found.items() if name not in IDS} | substituted


@dataclass(frozen=True)
class Aws:
    """An AWS where one account issues identity tokens: STS is moto's, which has the emulator sign."""

    emulator: Emulator
    sts_url: str

    @contextmanager
    def build(self, account: str = AWS_ACCOUNT) -> Iterator[dict[str, str]]:
        """Give what a build of that account has: its role's credentials come from an endpoint."""
        with ExitStack() as stack:
            sts = boto3.client(
                "sts",
                region_name="eu-west-1",
                endpoint_url=self.sts_url,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
            stack.callback(sts.close)
            role = str(self.emulator.rule("aws").subject_prefix).replace(AWS_ACCOUNT, account)
            key = sts.assume_role(RoleArn=role, RoleSessionName="build")["Credentials"]
            answer = {name: key[name] for name in ("AccessKeyId", "SecretAccessKey")}
            answer |= {"Token": key["SessionToken"], "Expiration": f"{key['Expiration']:%Y-%m-%dT%H:%M:%SZ}"}
            credentials = stack.enter_context(TokenEndpoint(body=answer))
            yield {
                **ids(self.emulator, "aws"),
                "CODEBUILD_BUILD_ID": "keyless:0b7e2f6c",
                "AWS_REGION": "eu-west-1",
                "AWS_DEFAULT_REGION": "eu-west-1",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{credentials.base_url}/credentials",
                "AWS_ENDPOINT_URL_STS": self.sts_url,
            }


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Emulator() as emulator:
        options = ["--signer-url", f"{emulator.base_url}/_emulator/aws/sign", "--issuer-url"]
        options += [emulator.issuer("aws").issuer_url, "--enable", AWS_ACCOUNT]
        command = [sys.executable, "-m", "pytest_ant_wif.moto_web_identity", "--port", "0", *options]
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True) as server:
            assert server.stdout is not None
            yield Aws(emulator, server.stdout.readline().strip())
            server.terminate()


@contextmanager
def on_azure(emulator: Emulator) -> Iterator[dict[str, str]]:
    """Inside AzureCLI@2, which has the id of the service connection. The agent has no identity."""
    found = emulator.env("azure_pipelines")
    (task,) = (step for step in AZURE["jobs"][0]["steps"] if step.get("task") == "AzureCLI@2")
    assert task["env"] == {"SYSTEM_ACCESSTOKEN": "$(System.AccessToken)"}
    assert task["inputs"]["azureSubscription"] == "anthropic"
    found["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"] = found.pop("ANT_AZURE_SERVICE_CONNECTION_ID")
    yield found


@contextmanager
def on_jenkins(emulator: Emulator, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Inside `withCredentials`: the file that the plugin wrote, whose token has no `jti`."""
    (kind, variable) = re.findall(r"withCredentials\(\[(\w+)\(.*variable: '(\w+)'\)\]\)", JENKINSFILE)[0]
    assert (kind, variable) == ("file", "ANTHROPIC_IDENTITY_TOKEN_FILE")
    job = "https://jenkins.example.com/job/nightly/job/main/"
    emulator.update_rule("gitlab", subject_prefix=job)
    token = tmp_path / "secretFiles" / "token"
    token.parent.mkdir()
    token.write_text(emulator.issue("gitlab", sub=job, jti=None))
    yield {**ids(emulator, "gitlab"), "JOB_URL": job, variable: str(token)}


@contextmanager
def on_semaphore(emulator: Emulator, tmp_path: Path) -> Iterator[dict[str, str]]:
    """On a machine with Semaphore's own programs."""
    tools = tmp_path / "toolbox"
    tools.mkdir()
    for name in ("checkout", "sem-version"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    yield {**emulator.env("semaphore"), "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}


Surroundings = Callable[[Emulator, Path], Any]
PLATFORMS: dict[str, Surroundings] = {
    "github-actions": lambda emulator, _: plain("github", emulator),
    "gitlab": lambda emulator, _: plain("gitlab", emulator),
    "circleci": lambda emulator, _: plain("circleci", emulator),
    "buildkite": lambda emulator, _: plain("buildkite", emulator),
    "google-cloud-build": lambda emulator, _: on_cloud_build(emulator),
    "azure-pipelines": lambda emulator, _: on_azure(emulator),
    "bitbucket": lambda emulator, _: plain("bitbucket", emulator),
    "terraform-cloud": lambda emulator, _: plain("terraform_cloud", emulator),
    "spacelift": lambda emulator, _: plain("spacelift", emulator),
    "semaphore": on_semaphore,
    "kubernetes": lambda emulator, _: plain("kubernetes", emulator),
    "jenkins": on_jenkins,
}
FOLDERS = {*PLATFORMS, "aws-codebuild"}


def run(job: Job, environ: dict[str, str], tmp_path: Path, prefix: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run the job's scripts until one fails, all but the lines that install; return status and output."""
    repository(tmp_path)
    # What is forked elsewhere sees no mount of a namespace.
    found = BIN if prefix else preloaded.programs("pytest")
    path = f"{found}{os.pathsep}{environ.get('PATH', os.environ['PATH'])}"
    said = ""
    for script in job.scripts:
        outcome = subprocess.run(
            [*prefix, *job.shell, without_installing(script)],
            env={**environ, "HOME": str(tmp_path), "PATH": path, "PYTEST_ADDOPTS": PYTEST_ADDOPTS},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        said += outcome.stdout + outcome.stderr
        if outcome.returncode:
            return outcome.returncode, said
    return 0, said


def without_status(job: Job) -> Job:
    """Leave out the line that succeeds whatever comes after it."""
    lines = ("\n".join(line for line in script.splitlines() if "ant auth status" not in line) for script in job.scripts)
    return replace(job, scripts=list(lines))


def first(folder: str) -> Job:
    """Return the job that says whether the credential works."""
    return next(job for job in JOBS if job.folder == folder and "ant auth status" in job.text)


def runs_keyless(job: Job, emulator: Emulator, environ: dict[str, str], tmp_path: Path) -> None:
    before = emulator.exchanges
    status, said = run(job, environ, tmp_path)
    assert status == 0, said
    assert emulator.exchanges - before == 1
    if "ant auth status" in job.text:
        assert "(active) * " in said
        assert "claude-" in said
    if "pytest" in job.text:
        assert "1 passed" in said
    assert "sk-ant-oat01-" not in said
    assert jwts_in(said) == []


def runs_pytest_alone(job: Job) -> bool:
    return without_installing(job.text) == "python -m pytest --ant-mode live"


@pytest.mark.parametrize(
    "job", [job for job in JOBS if job.folder in PLATFORMS and not runs_pytest_alone(job)], ids=str
)
def test_the_commands_of_a_job_run_keyless(job: Job, tmp_path: Path) -> None:
    with Emulator() as emulator, PLATFORMS[job.folder](emulator, tmp_path) as environ:
        runs_keyless(job, emulator, environ, tmp_path)


def test_a_job_that_the_rule_does_not_mean_is_told_what_its_token_says(tmp_path: Path) -> None:
    with Emulator() as emulator, on_jenkins(emulator, tmp_path) as environ:
        subject = str(emulator.rule("gitlab").subject_prefix)
        emulator.update_rule("gitlab", subject_prefix="another-subject")
        status, said = run(without_status(first("jenkins")), environ, tmp_path)
        assert emulator.history[-1].reason == "match_subject_prefix"
    assert status == 4
    assert "the identity token was denied (HTTP 401" in said
    assert f"sub: {subject.rstrip('*')}" in said
    assert "claude-" not in said


def test_the_commands_of_a_codebuild_project_run_keyless(aws: Aws, tmp_path: Path) -> None:
    with aws.build() as environ:
        runs_keyless(first("aws-codebuild"), aws.emulator, environ, tmp_path)


def test_a_build_in_an_account_that_issues_no_tokens_is_told_the_command(aws: Aws, tmp_path: Path) -> None:
    with aws.build("210987654321") as environ:
        status, said = run(without_status(first("aws-codebuild")), environ, tmp_path)
    assert status == 3
    assert "the AWS account does not issue identity tokens yet" in said
    assert "aws iam enable-outbound-web-identity-federation" in said


def test_a_pod_finds_the_token_where_the_manifest_mounts_it(tmp_path: Path) -> None:
    alone = ("unshare", "--map-root-user", "--mount")
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a mount namespace of its own")
    with Emulator() as emulator:
        emulator.kubernetes_pod(tmp_path / "pod")
        mount = 'mount -t tmpfs tmpfs /run && cp -R "$0" /run/secrets && exec "$@"'
        mounted = (*alone, "sh", "-c", mount, str(tmp_path / "pod" / "var" / "run" / "secrets"))
        environ = {
            name: value for name, value in emulator.env("kubernetes").items() if name != "ANTHROPIC_IDENTITY_TOKEN_FILE"
        }
        environ["TMPDIR"] = str(tmp_path)  # there, /tmp is nobody's
        status, said = run(without_status(first("kubernetes")), environ, tmp_path, mounted)
        assert (status, emulator.exchanges) == (0, 1), said


def test_a_gitlab_job_without_id_tokens_is_told_what_to_add(tmp_path: Path) -> None:
    with Emulator() as emulator:
        status, said = run(
            without_status(first("gitlab")), emulator.env("gitlab") | {"ANTHROPIC_ID_TOKEN": ""}, tmp_path
        )
    assert status == 3
    assert "this GitLab CI job has no ID token" in said


@pytest.mark.parametrize(
    ("folder", "missing", "said"),
    [
        ("azure-pipelines", "SYSTEM_ACCESSTOKEN", "map it into the step"),
        ("bitbucket", "BITBUCKET_STEP_OIDC_TOKEN", "add to the step: oidc:"),
        ("terraform-cloud", "TFC_WORKLOAD_IDENTITY_TOKEN", "TFC_WORKLOAD_IDENTITY_AUDIENCE"),
        ("spacelift", "SPACELIFT_OIDC_TOKEN", "SPACELIFT_OIDC_TOKEN is not set"),
        ("semaphore", "SEMAPHORE_OIDC_TOKEN", "SEMAPHORE_OIDC_TOKEN is not set"),
    ],
)
def test_a_job_without_its_token_is_told_what_to_add(folder: str, missing: str, said: str, tmp_path: Path) -> None:
    with Emulator() as emulator, PLATFORMS[folder](emulator, tmp_path) as environ:
        status, text = run(without_status(first(folder)), environ | {missing: ""}, tmp_path)
    assert status == 3
    assert said in text


# What the files say.


_INSTALLS = (
    rf"pip install (?:--user )?'?ant-wif(?:\[([a-z,]+)\])?=={re.escape(__version__)}'?"
    rf"( {re.escape(locked('anthropic'))}$)?"
)


@every_job
def test_a_job_installs_what_its_commands_need(job: Job) -> None:
    found = re.search(_INSTALLS, job.text, re.MULTILINE)
    assert found
    assert bool(found[2]) == ("python program.py" in job.text)
    cloud = {"aws-codebuild": {"aws"}, "google-cloud-build": {"gcp"}}.get(job.folder, set())
    assert set((found[1] or "").split(",")) - {""} == cloud | (
        {"pytest"} if "pytest --ant-mode live" in job.text else set()
    )


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_the_status_comes_before_the_program(folder: str) -> None:
    jobs = [job for job in JOBS if job.folder == folder]
    text = first(folder).text
    proof = "ant models list" if folder == "github-actions" else "ant exec -- python program.py"
    assert text.index("ant auth status") < text.index(proof)
    assert folder in {"kubernetes", "terraform-cloud"} or any("pytest --ant-mode live" in job.text for job in jobs)


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_a_readme_says_what_to_create_and_what_to_do_when_denied(folder: str) -> None:
    text = (EXAMPLES / folder / "README.md").read_text()
    for expected in ("issuer", "service account", "workspace", "federation rule", "subject", "audience"):
        assert expected in text
    for expected in ("`ant auth status`", "`ant identity claims`", "the identity token was denied (HTTP 401", *IDS):
        assert expected in text
    files = [path for path in (EXAMPLES / folder).rglob("*") if path.is_file() and path.name != "README.md"]
    assert files
    assert all(path.name in text for path in files)
    assert "(../program.py)" in text


def test_the_index_lists_every_folder() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    listed = set(re.findall(r"\]\(([a-z-]+)\)", (EXAMPLES / "README.md").read_text()))
    assert folders == listed == FOLDERS


WORKFLOWS = set((ROOT / ".github").rglob("*.yml"))
LINT = [
    line for line in (ROOT / "Makefile").read_text().replace("\\\n", "").splitlines() if "/check-jsonschema " in line
]


def test_lint_checks_every_file_that_has_a_schema() -> None:
    checked = {path for line in LINT for word in line.split() if word[0] not in "/$" for path in ROOT.glob(word)}
    without_schema = {
        "buildspec.yml", "policy.json", "cronjob.yaml", "Jenkinsfile", "program.py", "main.tf", "semaphore.yml",
        ".spacelift/config.yml",
    }  # fmt: skip
    files = {path for path in EXAMPLES.rglob("*") if path.is_file() and path.suffix != ".md"} | {ROOT / "action.yml"}
    names = {path: {path.name, f"{path.parent.name}/{path.name}"} for path in files}
    assert checked == {path for path in files if without_schema.isdisjoint(names[path])} | WORKFLOWS


def test_lint_has_zizmor_read_every_file_for_github() -> None:
    (line,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if "/zizmor " in line)
    read_by_it = {path for word in line.split() for path in ROOT.glob(word) if path.suffix == ".yml"}
    assert read_by_it == {*(EXAMPLES / "github-actions").rglob("*.yml"), ROOT / "action.yml"}


_SECRETS = re.compile(
    r"sk-ant-|eyJ[A-Za-z0-9_-]{8}|\b(?:AKIA|ASIA)[A-Z0-9]{12}|-----BEGIN|gh[pousr]_|glpat-|\bsecrets\.\w|_API_KEY|_AUTH_TOKEN\s*[=:]"
    r"|client.?secret|password",
    re.IGNORECASE,
)


def test_no_file_holds_a_secret_or_asks_for_one() -> None:
    for path in (*EXAMPLES.rglob("*"), ROOT / "action.yml"):
        text = path.read_text() if path.is_file() else ""
        assert not _SECRETS.findall(text), path
        # Ids are not secret, but they are not ours to give either.
        assert not re.findall(r"\b(?:fdrl|svac|wrkspc)_[A-Za-z0-9]", text), path


@pytest.mark.parametrize(("name", "exchanges"), [("live", 1), ("emulated", 0)])
def test_the_parallel_suite_needs_one_exchange_on_main_and_none_on_a_pull_request(
    name: str, exchanges: int, tmp_path: Path
) -> None:
    steps = GITHUB_PYTEST["jobs"][name]["steps"]
    job = Job("github-actions", name, [step["run"] for step in steps if "run" in step])
    with Emulator() as emulator:
        environ = emulator.env("github") if name == "live" else {}
        status, said = run(job, {**environ, "PYTEST_XDIST_AUTO_NUM_WORKERS": "1"}, tmp_path)
        assert status == 0, said
        assert emulator.exchanges == exchanges
    assert "1 passed" in said


def test_only_a_push_to_main_may_ask_for_an_identity_token() -> None:
    jobs = GITHUB_PYTEST["jobs"]
    assert jobs["live"]["if"] == "github.event_name == 'push'"
    assert jobs["live"]["env"] == {name: f"${{{{ vars.{name} }}}}" for name in IDS}
    assert jobs["live"]["permissions"]["id-token"] == "write"
    assert jobs["emulated"]["permissions"] == {"contents": "read"}
    assert GITHUB_PYTEST[True]["push"] == {"branches": ["main"]}


def test_cloud_build_sets_the_four_ids_from_substitutions() -> None:
    own = {"ANT_IDENTITY_SOURCE=google_cloud"}
    assert set(CLOUD_BUILD["options"]["env"]) - own == {f"{name}=${{_{name}}}" for name in IDS}


def test_only_the_main_branch_runs_keyless() -> None:
    assert GITHUB[True]["push"] == {"branches": ["main"]}  # YAML 1.1 reads the key `on` so
    assert "when { branch 'main' }" in JENKINSFILE
    assert GITLAB[".keyless"]["rules"] == [{"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}]
    assert all(job["extends"] == ".keyless" for job in GITLAB.values() if "script" in job)
    for entry in CIRCLECI["workflows"]["keyless"]["jobs"]:
        assert all(job["filters"] == {"branches": {"only": "main"}} for job in entry.values())
    assert all(step["if"] == 'build.branch == "main"' for step in BUILDKITE["steps"])
    assert (AZURE["trigger"], AZURE["pr"]) == (["main"], "none")
    assert BITBUCKET["pipelines"].keys() == {"branches"}
    assert BITBUCKET["pipelines"]["branches"].keys() == {"main"}
    assert SEMAPHORE["blocks"][0]["run"] == {"when": "branch = 'main'"}


def test_no_example_pipes_a_download_into_a_shell_or_installs_what_has_no_version() -> None:
    for path in (*EXAMPLES.rglob("*"), ROOT / "action.yml"):
        text = path.read_text() if path.is_file() else ""
        assert not re.search(r"(?:curl|wget)\b[^\n]*\|\s*(?:ba|z)?sh\b", text), path
        for words in re.findall(r"(?:pip3?|npm) install ([^\n&#]*)", text) if path.suffix != ".md" else []:
            named = [word.strip("'") for word in words.split() if not word.startswith("-")]
            assert all(re.search(r"==\d|@\d|\$", word) for word in named), (path, named)


def test_gitlab_declares_the_token_that_the_source_reads() -> None:
    assert GITLAB[".keyless"]["id_tokens"] == {"ANTHROPIC_ID_TOKEN": {"aud": AUDIENCE}}


def test_the_buildspec_has_the_form_that_codebuild_knows() -> None:
    assert CODEBUILD["version"] == 0.2
    assert list(CODEBUILD["phases"]) == ["install", "build"]
    for phase in CODEBUILD["phases"].values():
        assert set(phase) <= {"on-failure", "runtime-versions", "commands"}
        assert all(isinstance(command, str) for command in phase["commands"])
    assert all(isinstance(version, str) for version in CODEBUILD["phases"]["install"]["runtime-versions"].values())


def test_the_role_of_the_build_may_ask_for_this_audience_and_no_other() -> None:
    (statement,) = json.loads((EXAMPLES / "aws-codebuild" / "policy.json").read_text())["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:GetWebIdentityToken")
    assert statement["Condition"]["ForAllValues:StringEquals"] == {"sts:IdentityTokenAudience": AUDIENCE}


def test_the_pod_mounts_a_token_for_the_audience_where_the_source_looks() -> None:
    (projected,) = (volume for volume in POD["volumes"] if "projected" in volume)
    (source,) = projected["projected"]["sources"]
    assert source["serviceAccountToken"] == {"path": "token", "audience": AUDIENCE, "expirationSeconds": 3600}
    (container,) = POD["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts[projected["name"]] == "/var/run/secrets/anthropic.com"
    assert set(mounts) == {volume["name"] for volume in POD["volumes"]}
    assert container["envFrom"] == [{"configMapRef": {"name": "anthropic"}}]


def test_the_pod_s_account_may_request_its_own_token_and_nothing_else() -> None:
    account = KUBERNETES["ServiceAccount"]["metadata"]
    assert POD["serviceAccountName"] == account["name"]
    assert KUBERNETES["Role"]["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": [account["name"]],
            "verbs": ["create"],
        }
    ]
    binding = KUBERNETES["RoleBinding"]
    assert binding["roleRef"]["name"] == KUBERNETES["Role"]["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", **account}]
    assert {manifest["metadata"]["namespace"] for manifest in KUBERNETES.values()} == {account["namespace"]}
    subject = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    assert f"`{subject}`" in (EXAMPLES / "kubernetes" / "README.md").read_text()
    with Emulator() as emulator:
        assert emulator.rule("kubernetes").subject_prefix == subject
