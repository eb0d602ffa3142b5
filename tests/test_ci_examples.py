"""The examples work when copied: their own commands run, with the platform's variables, against the emulator."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from ant_wif.emulator import Emulator
from loopback import TokenEndpoint

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "ci-examples"
AUDIENCE = "https://api.anthropic.com"
IDS = {f"ANTHROPIC_{name}_ID" for name in ("FEDERATION_RULE", "ORGANIZATION", "SERVICE_ACCOUNT", "WORKSPACE")}
BASH = ("bash", "-e", "-o", "pipefail", "-c")
AWS_ACCOUNT = "123456789012"


def read(path: str) -> Any:
    return yaml.safe_load((EXAMPLES / path).read_text())


GITHUB = read("github-actions/keyless.yml")
GITHUB_PYTEST = read("github-actions/pytest.yml")
GITLAB = read("gitlab/.gitlab-ci.yml")
CIRCLECI = read("circleci/.circleci/config.yml")
BUILDKITE = read("buildkite/pipeline.yml")
CODEBUILD = read("aws-codebuild/buildspec.yml")
CLOUD_BUILD = read("google-cloud-build/cloudbuild.yaml")
AZURE = read("azure-pipelines/azure-pipelines.yml")
KUBERNETES = {
    manifest["kind"]: manifest for manifest in yaml.safe_load_all((EXAMPLES / "kubernetes" / "job.yaml").read_text())
}
POD = KUBERNETES["Job"]["spec"]["template"]["spec"]


@dataclass(frozen=True)
class Job:
    """What a system runs: each script in a shell of its own, the `shell` that the system takes."""

    folder: str
    name: str
    scripts: list[str]
    shell: tuple[str, ...] = BASH

    @property
    def text(self) -> str:
        return "\n".join(self.scripts)


def github_jobs() -> Iterator[Job]:
    for name, job in GITHUB["jobs"].items():
        yield Job("github-actions", name, [step["run"] for step in job["steps"] if "run" in step])


def gitlab_jobs() -> Iterator[Job]:
    for name, job in GITLAB.items():
        if "script" in job:
            yield Job("gitlab", name, ["\n".join(job["script"])])


def circleci_jobs() -> Iterator[Job]:
    for name, job in CIRCLECI["jobs"].items():
        yield Job("circleci", name, [step["run"] for step in job["steps"] if "run" in step])


def buildkite_jobs() -> Iterator[Job]:
    for step in BUILDKITE["steps"]:
        yield Job("buildkite", step["key"], ["\n".join(step["commands"])], ("bash", "-e", "-c"))


def codebuild_jobs() -> Iterator[Job]:
    commands = [command for phase in CODEBUILD["phases"].values() for command in phase["commands"]]
    yield Job("aws-codebuild", "build", ["\n".join(commands)], ("sh", "-e", "-c"))


def cloud_build_jobs() -> Iterator[Job]:
    # The script says itself which shell it wants and when to stop.
    yield from (
        Job("google-cloud-build", step["id"], [step["script"]], ("bash", "-c")) for step in CLOUD_BUILD["steps"]
    )


def azure_jobs() -> Iterator[Job]:
    for job in AZURE["jobs"]:
        scripts = [step.get("script") or step["inputs"].get("inlineScript") for step in job["steps"]]
        yield Job("azure-pipelines", job["job"], [script for script in scripts if script])


def kubernetes_jobs() -> Iterator[Job]:
    (container,) = POD["containers"]
    yield Job("kubernetes", container["name"], container["args"], tuple(container["command"]))


JOBS = [
    job
    for jobs in (
        github_jobs,
        gitlab_jobs,
        circleci_jobs,
        buildkite_jobs,
        codebuild_jobs,
        cloud_build_jobs,
        azure_jobs,
        kubernetes_jobs,
    )
    for job in jobs()
]
every_job = pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.folder}: {job.name}")


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


@contextmanager
def on_codebuild(emulator: Emulator, *, enabled: bool = True) -> Iterator[dict[str, str]]:
    """STS is moto's, which has the emulator sign; the role's credentials come from an endpoint, as in a build."""
    options = ["--signer-url", f"{emulator.base_url}/_emulator/aws/sign", "--issuer-url"]
    options += [emulator.issuer("aws").issuer_url, *(["--enable", AWS_ACCOUNT] if enabled else [])]
    command = [sys.executable, "-m", "pytest_ant_wif.moto_web_identity", "--port", "0", *options]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    with ExitStack() as stack:
        server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True))
        stack.callback(server.terminate)
        assert server.stdout is not None
        sts_url = server.stdout.readline().strip()
        sts = boto3.client(
            "sts",
            region_name="eu-west-1",
            endpoint_url=sts_url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        stack.callback(sts.close)
        key = sts.assume_role(RoleArn=emulator.rule("aws").subject_prefix, RoleSessionName="build")["Credentials"]
        answer = {name: key[name] for name in ("AccessKeyId", "SecretAccessKey")}
        answer |= {"Token": key["SessionToken"], "Expiration": f"{key['Expiration']:%Y-%m-%dT%H:%M:%SZ}"}
        credentials = stack.enter_context(TokenEndpoint(body=answer))
        yield {
            **ids(emulator, "aws"),
            "CODEBUILD_BUILD_ID": "keyless:0b7e2f6c",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{credentials.base_url}/credentials",
            "AWS_ENDPOINT_URL_STS": sts_url,
        }


_AZ = """\
import json, sys, urllib.error, urllib.request
words = sys.argv[1:]
assert words[:2] == ["account", "get-access-token"], words
assert words[2::2] == ["--resource", "--query", "--output"] and words[5::2] == ["accessToken", "tsv"], words
url = {endpoint!r} + "?api-version=2019-08-01&resource=" + words[3]
try:
    answer = urllib.request.urlopen(urllib.request.Request(url, headers={{"X-IDENTITY-HEADER": {header!r}}}))
except urllib.error.HTTPError as error:
    sys.exit("ERROR: " + json.load(error)["error_description"])
print(json.load(answer)["access_token"])
"""


@contextmanager
def on_azure(emulator: Emulator, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Inside AzureCLI@2: an `az` that is logged in, whose tokens are the emulator's. The agent has no identity."""
    found = emulator.env("azure")
    (tmp_path / "az.py").write_text(_AZ.format(endpoint=found["IDENTITY_ENDPOINT"], header=found["IDENTITY_HEADER"]))
    az = tmp_path / "bin" / "az"
    az.parent.mkdir()
    az.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / "az.py"))} "$@"\n')
    az.chmod(0o755)
    (task,) = (step for step in AZURE["jobs"][0]["steps"] if step.get("task") == "AzureCLI@2")
    own = {name: value.replace("$(Agent.TempDirectory)", str(tmp_path)) for name, value in task["env"].items()}
    path = f"{az.parent}{os.pathsep}{os.environ['PATH']}"
    audience = found["ANT_IDENTITY_AUDIENCE"]
    yield {**ids(emulator, "azure"), "ANT_IDENTITY_AUDIENCE": audience, **own, "PATH": path}


Surroundings = Callable[[Emulator, Path], Any]
PLATFORMS: dict[str, tuple[str, Surroundings]] = {
    "github-actions": ("github", lambda emulator, _: plain("github", emulator)),
    "gitlab": ("gitlab", lambda emulator, _: plain("gitlab", emulator)),
    "circleci": ("circleci", lambda emulator, _: plain("circleci", emulator)),
    "buildkite": ("buildkite", lambda emulator, _: plain("buildkite", emulator)),
    "aws-codebuild": ("aws", lambda emulator, _: on_codebuild(emulator)),
    "google-cloud-build": ("google_cloud", lambda emulator, _: on_cloud_build(emulator)),
    "azure-pipelines": ("azure", on_azure),
    "kubernetes": ("kubernetes", lambda emulator, _: plain("kubernetes", emulator)),
}


def run(job: Job, environ: dict[str, str], tmp_path: Path, prefix: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run the job's scripts until one fails, all but the lines that install; return status and output."""
    shutil.copy(ROOT / "tests" / "howto" / "suite_with_credentials.py", tmp_path / "test_suite.py")
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.environ['PATH'])}"
    said = ""
    for script in job.scripts:
        # Installing is what the project's own environment has done already.
        rest = "\n".join(line for line in script.splitlines() if "pip install" not in line)
        outcome = subprocess.run(
            [*prefix, *job.shell, rest],
            env={**environ, "HOME": str(tmp_path), "PATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        said += outcome.stdout + outcome.stderr
        if outcome.returncode:
            return outcome.returncode, said
    return 0, said


@every_job
def test_the_commands_of_a_job_run_keyless(job: Job, tmp_path: Path) -> None:
    _, surroundings = PLATFORMS[job.folder]
    with Emulator() as emulator, surroundings(emulator, tmp_path) as environ:
        status, said = run(job, environ, tmp_path)
        assert status == 0, said
        assert emulator.exchanges == 1
    assert "claude-" in said or "1 passed" in said
    assert "sk-ant-oat01-" not in said
    assert "eyJ" not in said


@pytest.mark.parametrize("folder", PLATFORMS)
def test_a_job_that_the_rule_does_not_mean_is_told_what_its_token_says(folder: str, tmp_path: Path) -> None:
    name, surroundings = PLATFORMS[folder]
    job = next(job for job in JOBS if job.folder == folder and "ant models list" in job.text)
    with Emulator() as emulator, surroundings(emulator, tmp_path) as environ:
        subject = str(emulator.rule(name).subject_prefix).rstrip("*")
        emulator.update_rule(name, subject_prefix="another-subject")
        status, said = run(job, environ, tmp_path)
        assert emulator.history[-1].reason == "match_subject_prefix"
    assert status == 4
    assert "the identity token was denied (HTTP 401" in said
    assert f"sub={subject}" in said


def test_a_pod_finds_the_token_where_the_manifest_mounts_it(tmp_path: Path) -> None:
    (job,) = kubernetes_jobs()
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
        status, said = run(job, environ, tmp_path, mounted)
        assert (status, emulator.exchanges) == (0, 1), said
    assert "Kubernetes projected token" in said


def test_a_gitlab_job_without_id_tokens_is_told_what_to_add(tmp_path: Path) -> None:
    job = next(gitlab_jobs())
    with Emulator() as emulator:
        status, said = run(job, emulator.env("gitlab") | {"ANTHROPIC_ID_TOKEN": ""}, tmp_path)
    assert status == 3
    assert "this GitLab CI job has no ID token" in said


def test_a_build_in_an_account_that_issues_no_tokens_is_told_the_command(tmp_path: Path) -> None:
    (job,) = codebuild_jobs()
    with Emulator() as emulator, on_codebuild(emulator, enabled=False) as environ:
        status, said = run(job, environ, tmp_path)
    assert status == 3
    assert "the AWS account does not issue identity tokens yet" in said
    assert "aws iam enable-outbound-web-identity-federation" in said


def test_a_resource_that_the_azure_tenant_does_not_know_is_named(tmp_path: Path) -> None:
    (job,) = azure_jobs()
    with Emulator() as emulator, on_azure(emulator, tmp_path) as environ:
        status, said = run(job, environ | {"ANT_IDENTITY_AUDIENCE": "api://another"}, tmp_path)
    assert status == 3
    assert "the program az failed" in said
    assert "AADSTS500011" in said


# What the files say.


@every_job
def test_a_job_installs_what_its_commands_need(job: Job) -> None:
    found = re.search(r"pip install (?:--user )?'?ant-wif(?:\[([a-z,]+)\])?'?", job.text)
    assert found
    cloud = {"aws-codebuild": {"aws"}, "google-cloud-build": {"gcp"}}.get(job.folder, set())
    assert set((found[1] or "").split(",")) - {""} == cloud | (
        {"pytest"} if "pytest --ant-mode live" in job.text else set()
    )


@pytest.mark.parametrize("folder", PLATFORMS)
def test_the_status_comes_before_the_proof(folder: str) -> None:
    jobs = [job for job in JOBS if job.folder == folder]
    (proof,) = (job for job in jobs if "ant models list" in job.text)
    assert proof.text.index("ant auth status") < proof.text.index("ant models list")
    assert folder == "kubernetes" or any("pytest --ant-mode live" in job.text for job in jobs)


@pytest.mark.parametrize("folder", PLATFORMS)
def test_a_readme_says_what_to_create_and_what_to_do_when_denied(folder: str) -> None:
    text = (EXAMPLES / folder / "README.md").read_text()
    for expected in ("issuer", "service account", "workspace", "federation rule", "subject", "audience"):
        assert expected in text
    for expected in ("`ant auth status`", "`ant identity claims`", "the identity token was denied (HTTP 401", *IDS):
        assert expected in text
    files = [path for path in (EXAMPLES / folder).rglob("*") if path.is_file() and path.name != "README.md"]
    assert files
    assert all(path.name in text for path in files)


def test_the_index_lists_every_folder() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    listed = set(re.findall(r"\]\(([a-z-]+)\)", (EXAMPLES / "README.md").read_text()))
    assert folders == listed == set(PLATFORMS)


LINT = [line for line in (ROOT / "Makefile").read_text().splitlines() if "/check-jsonschema " in line]


def test_lint_checks_every_file_that_has_a_schema() -> None:
    checked = {path for line in LINT for word in line.split()[3:] for path in ROOT.glob(word)}
    without_schema = {"buildspec.yml", "policy.json", "job.yaml"}
    files = {path for path in EXAMPLES.rglob("*") if path.is_file() and path.suffix != ".md"}
    assert checked == {path for path in files if path.name not in without_schema}


_SECRETS = re.compile(
    r"sk-ant-|eyJ[A-Za-z0-9_-]{8}|\b(?:AKIA|ASIA)[A-Z0-9]{12}|-----BEGIN|gh[pousr]_|glpat-|\bsecrets\.\w|_API_KEY|_AUTH_TOKEN"
    r"|client.?secret|password",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", [path for path in sorted(EXAMPLES.rglob("*")) if path.is_file()], ids=lambda p: p.name)
def test_no_file_holds_a_secret_or_asks_for_one(path: Path) -> None:
    text = path.read_text()
    assert not _SECRETS.findall(text)
    # Ids are not secret, but they are not ours to give either.
    assert not re.findall(r"\b(?:fdrl|svac|wrkspc)_[A-Za-z0-9]", text)


def test_the_workflow_sets_the_four_ids_from_variables_and_stores_no_key() -> None:
    assert GITHUB["env"] == {name: f"${{{{ vars.{name} }}}}" for name in IDS}
    for job in GITHUB["jobs"].values():
        assert job["permissions"]["id-token"] == "write"


@pytest.mark.parametrize(("name", "exchanges"), [("live", 1), ("emulated", 0)])
def test_the_parallel_suite_needs_one_exchange_on_main_and_none_on_a_pull_request(
    name: str, exchanges: int, tmp_path: Path
) -> None:
    steps = GITHUB_PYTEST["jobs"][name]["steps"]
    job = Job("github-actions", name, [step["run"] for step in steps if "run" in step])
    with Emulator() as emulator:
        environ = emulator.env("github") if name == "live" else {}
        status, said = run(job, environ, tmp_path)
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
    assert GITLAB[".keyless"]["rules"] == [{"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}]
    assert all(job["extends"] == ".keyless" for job in GITLAB.values() if "script" in job)
    for entry in CIRCLECI["workflows"]["keyless"]["jobs"]:
        assert all(job["filters"] == {"branches": {"only": "main"}} for job in entry.values())
    assert all(step["if"] == 'build.branch == "main"' for step in BUILDKITE["steps"])
    assert (AZURE["trigger"], AZURE["pr"]) == (["main"], "none")


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


def test_the_pod_s_account_may_mint_its_own_token_and_nothing_else() -> None:
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
