"""Which source is used: the order, what each says of itself, and sources of other packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ant_wif
from ant_cli.main import main
from ant_wif import ConfigurationError, IdentitySourceError
from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif._http.transport import run as drive
from ant_wif.emulator import Emulator
from ant_wif.identity import (
    Aws,
    Context,
    Detection,
    File,
    GoogleCloud,
    IdentitySource,
    Kubernetes,
    detect,
    detect_all,
    first_detected,
)
from support import preloaded
from support.jobs import federation_of
from support.misbehaving_server import HostileServer, denial, forged_jwt
from support.samples import ORGANIZATION, RULE, federation_profile

AMBIENT = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
RULE_SET = {"ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}
MOUNT = "var/run/secrets/anthropic.com/token"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The file system of a machine that has nothing to tell."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def found_in(root: Path, **variables: str) -> IdentitySource | None:
    return detect(Context(Environment({"HOME": str(root / "home"), **variables}), root=root))


def told(root: Path, name: str, **variables: str) -> Detection:
    context = Context(Environment({"HOME": str(root / "home"), **variables}), root=root)
    (found,) = [each for each in detect_all(context) if each.name == name]
    return found


def write(path: Path, text: str = "x") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def firmware(root: Path, **says: str) -> None:
    for name, text in says.items():
        write(root / "sys/class/dmi/id" / name, f"{text}\n")


def run(*words: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *words]
    return preloaded.run(command, env=environ, capture_output=True, text=True, timeout=60)


Ant = Callable[..., tuple[int, str, str]]
Install = Callable[[str], dict[str, str]]


@pytest.fixture
def ant(capsys: pytest.CaptureFixture[str]) -> Ant:
    """The command line: its exit status, and what it prints on either stream."""

    def call(*words: str, environ: dict[str, str]) -> tuple[int, str, str]:
        status = main(words, environ)
        return (status, *capsys.readouterr())

    return call


# --- the order ----------------------------------------------------------------------------------------------------

IN_ORDER: list[tuple[str, dict[str, str]]] = [
    ("file", {"ANTHROPIC_IDENTITY_TOKEN_FILE": "/token"}),
    ("env", {"ANTHROPIC_IDENTITY_TOKEN": "x"}),
    ("github_actions", {"GITHUB_ACTIONS": "true"}),
    ("gitlab", {"GITLAB_CI": "true"}),
    ("circleci", {"CIRCLECI": "true"}),
    ("buildkite", {"BUILDKITE": "true"}),
    ("azure_pipelines", {"SYSTEM_OIDCREQUESTURI": "https://dev.azure.com/acme/oidctoken"}),
    ("bitbucket", {"BITBUCKET_BUILD_NUMBER": "42"}),
    ("terraform_cloud", {"TFC_RUN_ID": "run-1"}),
    ("spacelift", {"TF_VAR_spacelift_run_id": "01J"}),
    ("semaphore", {"SEMAPHORE": "true"}),
    ("vercel", {"VERCEL": "1"}),
    ("fly", {"FLY_APP_NAME": "app", "FLY_MACHINE_ID": "148e21ea7e46e8"}),
    ("azure", {"IDENTITY_ENDPOINT": "http://127.0.0.1/token", "IDENTITY_HEADER": "x"}),
    ("aws", {"AWS_LAMBDA_FUNCTION_NAME": "ci"}),
    ("google_cloud", {"K_SERVICE": "ci"}),
    ("spiffe", {"SPIFFE_ENDPOINT_SOCKET": "unix:///run/agent.sock"}),
]


NAMES = [
    "file", "env", "github_actions", "gitlab", "circleci", "buildkite", "azure_pipelines", "bitbucket",
    "terraform_cloud", "spacelift", "semaphore", "vercel", "fly", "kubernetes", "azure", "aws", "google_cloud",
    "spiffe", "oauth", "url", "command",
]  # fmt: skip


@pytest.mark.parametrize("position", range(len(IN_ORDER)), ids=[name for name, _ in IN_ORDER])
def test_the_first_that_recognises_itself_is_used(root: Path, position: int) -> None:
    expected, _ = IN_ORDER[position]
    found = found_in(root, **{name: value for _, variables in IN_ORDER[position:] for name, value in variables.items()})
    assert found is not None
    assert found.source == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"BUILDKITE": "true", "AWS_LAMBDA_FUNCTION_NAME": "ci"}, "buildkite"),
        ({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://x", "AWS_LAMBDA_FUNCTION_NAME": "ci"}, "kubernetes"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23", "K_SERVICE": "ci"}, "kubernetes"),
    ],
)
def test_a_projected_token_comes_after_ci_and_before_clouds(
    root: Path, variables: dict[str, str], expected: str
) -> None:
    write(root / MOUNT, forged_jwt())
    found = found_in(root, **variables)
    assert found is not None
    assert found.source == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"}, "aws"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23"}, "aws"),
        ({"CODEBUILD_BUILD_ID": "1"}, "aws"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1"}, "aws"),
        ({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "x"}, None),
        ({"AZURE_FEDERATED_TOKEN_FILE": "/x", "AZURE_TENANT_ID": "x", "AZURE_CLIENT_ID": "x"}, "azure"),
        ({"AZURE_FEDERATED_TOKEN_FILE": "/x", "AZURE_TENANT_ID": "x"}, None),
        ({"IDENTITY_ENDPOINT": "http://x"}, None),
        ({"CLOUD_RUN_JOB": "x"}, "google_cloud"),
        ({"FUNCTION_TARGET": "x"}, "google_cloud"),
        ({"GAE_SERVICE": "x"}, "google_cloud"),
        ({"GCE_METADATA_HOST": "x"}, "google_cloud"),
        ({"GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent"}, None),
        ({"GITHUB_ACTIONS": "false"}, None),
        ({"GITLAB_CI": ""}, None),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None),
    ],
)
def test_what_is_enough_to_recognise_a_platform(root: Path, variables: dict[str, str], expected: str | None) -> None:
    found = found_in(root, **variables)
    assert (found and found.source) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("service_account", True), ("external_account", True), ("authorized_user", False), ("", False)],
)
@pytest.mark.parametrize("place", ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "HOME"])
def test_google_credentials_count_if_they_can_issue_tokens(root: Path, kind: str, expected: bool, place: str) -> None:
    folder = root / "home" / ("" if place != "HOME" else ".config/gcloud")
    path = write(folder / "application_default_credentials.json", json.dumps({"type": kind} if kind else [kind]))
    variables = {"GOOGLE_APPLICATION_CREDENTIALS": path, "CLOUDSDK_CONFIG": str(folder), "HOME": str(root / "home")}
    found = told(root, "google_cloud", **{place: variables[place]})
    assert found.detected is expected
    if expected:
        # Not below `root`: where a home is, is not fixed.
        used = detect(Context(Environment({"HOME": str(root / "home"), place: variables[place]})))
        assert isinstance(used, GoogleCloud)
    if kind and (expected or place == "GOOGLE_APPLICATION_CREDENTIALS"):
        assert f"{path} holds credentials of type {kind}" in found.reason


AWS_POD = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
AZURE_VM = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("variables", "mounted", "vendor", "expected", "named"),
    [
        ({"GITHUB_ACTIONS": "true", **AWS_POD}, True, "Amazon EC2", "github_actions", {"kubernetes", "aws"}),
        ({"GITLAB_CI": "true", "GCE_METADATA_HOST": "127.0.0.1"}, False, "Google", "gitlab", {"google_cloud"}),
        ({"TF_BUILD": "True", **AZURE_VM}, False, "", "azure_pipelines", {"azure"}),
        ({"TFC_RUN_ID": "run-1"}, False, "Amazon EC2", "terraform_cloud", {"aws"}),
        ({"SEMAPHORE": "true", **AWS_POD}, True, "Amazon EC2", "semaphore", {"kubernetes", "aws"}),
        ({"VERCEL": "1", "AWS_LAMBDA_FUNCTION_NAME": "fn"}, False, "", "vercel", {"aws"}),
    ],
    ids=["GitHub on EKS", "GitLab on GCE", "Azure Pipelines on a VM", "Terraform on EC2", "Semaphore on EKS", "Vercel"],
)
def test_where_several_are_present_the_job_wins_and_the_others_are_named(
    root: Path, variables: dict[str, str], mounted: bool, vendor: str, expected: str, named: set[str]
) -> None:
    if mounted:
        write(root / MOUNT, forged_jwt())
    firmware(root, sys_vendor=vendor)
    found = found_in(root, **variables)
    assert (found and found.source) == expected
    context = Context(Environment({"HOME": str(root / "home"), **variables}), root=root)
    assert {each.name for each in detect_all(context) if each.detected} == {expected, *named}


# --- platforms that are configured in part ------------------------------------------------------------------------

IN_PART: dict[str, tuple[dict[str, str], str]] = {
    "a pod without the projection": ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "/var/run/secrets/anthropic.com/token"),
    "EKS with IRSA only": ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "arn"}, "AWS_WEB_IDENTITY_TOKEN_FILE"),
    "AKS without its client": (
        {"AZURE_FEDERATED_TOKEN_FILE": "/t", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": ""},
        "AZURE_CLIENT_ID is not",
    ),
    "AKS without its tenant": (
        {"AZURE_FEDERATED_TOKEN_FILE": "/t", "AZURE_CLIENT_ID": "c"},
        "AZURE_TENANT_ID is not",
    ),
    "AKS without its token": (
        {"AZURE_FEDERATED_TOKEN_FILE": "", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"},
        "AZURE_FEDERATED_TOKEN_FILE is not",
    ),
    "an app without its header": ({"IDENTITY_ENDPOINT": "http://127.0.0.1/token"}, "IDENTITY_HEADER is not"),
    "an app without its endpoint": ({"IDENTITY_HEADER": "x"}, "IDENTITY_ENDPOINT is not"),
    "a key file that is gone": ({"GOOGLE_APPLICATION_CREDENTIALS": "/gone.json"}, "/gone.json cannot be read"),
    "a container of a GitHub job": (
        {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x.example", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"},
        "GITHUB_ACTIONS is not",
    ),
    "a GitHub job without permission": ({"GITHUB_ACTIONS": "true"}, "ACTIONS_ID_TOKEN_REQUEST_URL"),
    "a container of a GitLab job": ({"ANTHROPIC_ID_TOKEN": "x"}, "GITLAB_CI is not"),
    "a GitLab job without its token": ({"GITLAB_CI": "true"}, "ANTHROPIC_ID_TOKEN"),
}
MACHINES = {
    "Google": {"GCE_METADATA_HOST": "127.0.0.1:1"},
    "Azure": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"},
    "AWS": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"},
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("case", IN_PART)
def test_a_platform_that_is_configured_in_part_is_named_and_the_machine_is_not_used_in_its_place(
    case: str, machine: str, ant: Ant, tmp_path: Path
) -> None:
    variables, says = IN_PART[case]
    environ = {**AMBIENT, **RULE_SET, **variables, **MACHINES[machine], "HOME": str(tmp_path)}
    for words in (["auth", "status"], ["auth", "verify"], ["identity", "claims"], ["models", "list"]):
        for named in ({}, {"ANTHROPIC_CONFIG_DIR": str(tmp_path)}):
            status, out, err = ant(*words, environ={**environ, **named})
            assert says in out + err, f"{words}: {out}{err}"
            assert status == (0 if words[1] == "status" else 3)
    context = Context(Environment({**environ, "ANT_IDENTITY_SOURCE": "azure"}))
    found, near_misses = first_detected(context, plugins=False)
    assert (found and found.source) in {None, "github_actions", "gitlab"}
    assert bool(near_misses) is (found is None)


def test_what_is_of_the_pod_itself_is_used_though_a_projection_is_missing(root: Path) -> None:
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    for variables, expected in (
        (AWS_POD, "aws"),
        ({"AZURE_FEDERATED_TOKEN_FILE": "/x", "AZURE_TENANT_ID": "x", "AZURE_CLIENT_ID": "x"}, "azure"),
        ({"SPIFFE_ENDPOINT_SOCKET": "unix:///run/agent.sock"}, "spiffe"),
        ({"ANTHROPIC_IDENTITY_TOKEN_FILE": "/x"}, "file"),
    ):
        found = found_in(root, **pod, **{name: value for name, value in variables.items() if name not in pod})
        assert (found and found.source) == expected
    firmware(root, sys_vendor="Google")
    assert found_in(root, **pod) is None
    assert found_in(root, AZURE_TENANT_ID="t", AZURE_CLIENT_ID="c") is not None


def test_a_source_that_is_named_is_used_whatever_is_configured_in_part(ant: Ant, tmp_path: Path) -> None:
    environ = {**AMBIENT, **RULE_SET, "HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    environ |= {"GCE_METADATA_HOST": "127.0.0.1:1", "ANT_IDENTITY_SOURCE": "google_cloud"}
    _, out, _ = ant("identity", "detect", environ=environ)
    assert "* google_cloud     yes  GCE_METADATA_HOST is set" in out
    assert "  kubernetes       part this is a pod" in out


# --- the firmware -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({"sys_vendor": "Amazon EC2"}, "aws"),
        ({"sys_vendor": "Xen", "bios_version": "4.11.amazon"}, "aws"),
        ({"sys_vendor": "Google", "product_name": "Google Compute Engine"}, "google_cloud"),
        ({"product_name": "Google"}, "google_cloud"),
        ({"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77"}, "azure"),
        ({"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "1234-5678"}, None),
        ({"sys_vendor": "QEMU", "product_name": "Standard PC", "bios_version": "1.16"}, None),
    ],
)
def test_the_firmware_tells_the_cloud(root: Path, says: dict[str, str], expected: str | None) -> None:
    firmware(root, **says)
    found = found_in(root)
    assert (found and found.source) == expected
    if expected is not None:
        assert "firmware says" in told(root, expected).reason


def test_folders_that_may_not_be_looked_into_are_no_reason_to_fail() -> None:
    # A name that is too long fails as a folder without the right to search does, for root too.
    assert detect(Context(Environment({"HOME": f"/{'x' * 5000}"}))) is None


def test_variables_of_a_job_come_before_the_firmware_of_its_machine(root: Path) -> None:
    firmware(root, sys_vendor="Amazon EC2")
    for name, variables in IN_ORDER[:-1]:
        found = found_in(root, **variables)
        assert found is not None
        assert found.source == name


def test_firmware_that_cannot_be_read_says_nothing(root: Path) -> None:
    (root / "sys/class/dmi/id/sys_vendor").mkdir(parents=True)
    (root / "sys/class/dmi/id/product_name").write_bytes(b"\xff\xfe")
    assert found_in(root) is None


@pytest.mark.parametrize(
    ("vendor", "variables", "expected"),
    [
        ("", ["azure", "container", "google", "imds", "instance"], "azure"),
        ("", ["container", "google", "imds", "instance"], "aws"),
        ("", ["google", "imds", "instance"], "google_cloud"),
        ("", ["imds", "instance"], "azure"),
        ("", ["instance"], "aws"),
        ("Google", ["imds", "instance"], "google_cloud"),
        ("Microsoft", ["instance"], "azure"),
        ("Amazon EC2", ["imds"], "azure"),
        ("Amazon EC2", ["google"], "google_cloud"),
    ],
)
def test_a_machine_s_own_identity_comes_after_that_of_what_runs_on_it(
    root: Path, vendor: str, variables: list[str], expected: str
) -> None:
    known = {
        "azure": {"IDENTITY_ENDPOINT": "http://127.0.0.1/token", "IDENTITY_HEADER": "x"},
        "container": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"},
        "google": {"GCE_METADATA_HOST": "127.0.0.1"},
        "imds": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1"},
        "instance": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1"},
    }
    tag = "7783-7084-3265-9085-8269-3286-77" if vendor == "Microsoft" else ""
    firmware(root, sys_vendor=vendor, chassis_asset_tag=tag)
    found = found_in(root, **{name: value for each in variables for name, value in known[each].items()})
    assert found is not None
    assert found.source == expected


# --- what each says ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "variables", "says"),
    [
        ("file", {}, "ANTHROPIC_IDENTITY_TOKEN_FILE is not set"),
        ("env", {}, "ANTHROPIC_IDENTITY_TOKEN is not set"),
        ("github_actions", {}, "GITHUB_ACTIONS is not 'true'"),
        ("gitlab", {}, "GITLAB_CI is not set"),
        ("circleci", {}, "CIRCLECI is not set"),
        ("buildkite", {}, "BUILDKITE is not set"),
        ("azure_pipelines", {}, "SYSTEM_OIDCREQUESTURI is not set"),
        ("fly", {}, "FLY_APP_NAME is not set"),
        ("fly", {"FLY_APP_NAME": "app"}, "/.fly/api does not exist: this is not a Machine"),
        ("url", {}, "only by configuration"),
        ("bitbucket", {}, "BITBUCKET_BUILD_NUMBER and BITBUCKET_STEP_OIDC_TOKEN are not set"),
        ("terraform_cloud", {}, "TFC_RUN_ID, TFC_WORKLOAD_IDENTITY_TOKEN and"),
        ("spacelift", {}, "SPACELIFT_OIDC_TOKEN and"),
        ("semaphore", {}, "SEMAPHORE and"),
        ("vercel", {}, "VERCEL and"),
        ("kubernetes", {}, "/var/run/secrets/anthropic.com/token does not exist"),
        ("kubernetes", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "add a projected serviceAccountToken volume with the "),
        ("azure", {}, "IDENTITY_ENDPOINT, IDENTITY_HEADER, "),
        ("azure", {}, "the firmware names no Azure machine"),
        ("aws", {}, "AWS_LAMBDA_FUNCTION_NAME"),
        ("aws", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/x"}, "that token is for STS alone"),
        ("google_cloud", {}, "GCE_METADATA_HOST"),
        ("spiffe", {}, "SPIFFE_ENDPOINT_SOCKET is not set"),
        ("oauth", {}, "only by configuration"),
        ("command", {}, "only by configuration"),
    ],
)
def test_a_source_that_is_not_recognised_says_what_it_looked_for(
    root: Path, name: str, variables: dict[str, str], says: str
) -> None:
    found = told(root, name, **variables)
    assert not found.detected
    assert says in found.reason


def test_the_token_file_of_aws_is_for_sts_alone_and_never_read(root: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "sts-token", forged_jwt())
    assert found_in(root, AWS_WEB_IDENTITY_TOKEN_FILE=path, AWS_ROLE_ARN="arn:aws:iam::123456789012:role/ci") is None
    found = found_in(root, AWS_WEB_IDENTITY_TOKEN_FILE=path, AWS_LAMBDA_FUNCTION_NAME="ci")
    assert isinstance(found, Aws)
    assert found.at_hand(Context()) is None


# In images /var/run is a link to /run.
@pytest.mark.parametrize("folder", ["/var/run", "/run", "//var/run", "/var/run/../run", "a link"])
@pytest.mark.parametrize("kind", [File, Kubernetes])
def test_the_default_token_of_a_pod_is_refused_under_every_name_with_the_projection_that_is_missing(
    root: Path, kind: type[File] | type[Kubernetes], folder: str
) -> None:
    assert found_in(root, KUBERNETES_SERVICE_HOST="10.0.0.1") is None
    mounted = "secrets/kubernetes.io/serviceaccount/token"
    (root / "token").symlink_to(f"/run/{mounted}")
    with pytest.raises(IdentitySourceError) as refused:
        drive(kind(path=str(root / "token") if folder == "a link" else f"{folder}/{mounted}").fetch(Context()))
    assert "cluster's own API" in str(refused.value)
    assert "projected serviceAccountToken volume with the audience https://api.anthropic.com" in str(refused.value.hint)


def test_ant_identity_detect_marks_what_is_used_and_explains_every_source(ant: Ant, tmp_path: Path) -> None:
    environ = {**AMBIENT, "HOME": str(tmp_path), "GITLAB_CI": "true", "AWS_LAMBDA_FUNCTION_NAME": "ci"}
    status, out, _ = ant("identity", "detect", environ=environ)
    assert status == 0
    lines = [line for line in out.splitlines() if line[2:].split()[0] in NAMES]
    assert [line[2:].split()[0] for line in lines] == NAMES
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["gitlab"]
    assert all(len(line.split(maxsplit=2)[2]) > 10 for line in lines)
    shown = json.loads(ant("identity", "detect", "--format", "json", environ=environ)[1])
    assert shown["selected"] == "gitlab"
    assert [each["name"] for each in shown["sources"]] == NAMES
    sure = {"gitlab": True, "aws": True, "github_actions": False, "oauth": False}
    assert {each["name"]: each["detected"] for each in shown["sources"]}.items() >= sure.items()
    assert all(set(each) == {"name", "detected", "near_miss", "reason"} and each["reason"] for each in shown["sources"])


# --- nothing is sent, nothing heavy is loaded ------------------------------------------------------------------------

WATCHED = """
import sys

seen = []
watched = ("socket.", "subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system")
sys.addaudithook(lambda event, _: seen.append(event) if event.startswith(watched) else None)

from pathlib import Path
from ant_wif.identity import Context, detect, detect_all

context = Context(root=Path(sys.argv[1]))
found = detect(context)
names = [each.name for each in detect_all(context) if each.detected] if "survey" in sys.argv else []
heavy = {"boto3", "botocore", "google.auth", "requests", "spiffe", "grpc", "jwt"} & set(sys.modules)
print(found and found.source, len(names), seen, sorted(heavy))
"""


@pytest.mark.parametrize(
    ("variables", "words", "expected"),
    [
        ({}, ("survey",), "None 0"),
        (
            {name: value for _, variables in IN_ORDER for name, value in variables.items()},
            ("survey",),
            f"file {len(IN_ORDER)}",
        ),
    ],
    ids=["nowhere", "everywhere"],
)
def test_detection_sends_no_packet_and_loads_no_cloud_s_library(
    root: Path, variables: dict[str, str], words: tuple[str, ...], expected: str
) -> None:
    ran = run("-c", WATCHED, str(root), *words, environ={**AMBIENT, "HOME": str(root), **variables})
    assert (ran.stdout, ran.stderr) == (f"{expected} [] []\n", "")


# --- the first is the only one ---------------------------------------------------------------------------------------


def test_a_platform_that_gives_no_token_is_the_error_and_the_next_is_not_tried(ant: Ant, tmp_path: Path) -> None:
    environ = {**RULE_SET, "HOME": str(tmp_path), "GITLAB_CI": "true", "AWS_LAMBDA_FUNCTION_NAME": "ci"}
    with pytest.raises(IdentitySourceError, match="ANTHROPIC_ID_TOKEN is not set") as refused:
        ant_wif.resolve(environ=environ)
    assert "id_tokens: {ANTHROPIC_ID_TOKEN: {aud: https://api.anthropic.com}}" in str(refused.value.hint)
    status, out, err = ant("models", "list", environ={**AMBIENT, **environ})
    assert (status, out) == (3, "")
    assert err.splitlines()[1].startswith("hint: add to the job: id_tokens:")


def test_a_platform_that_refuses_is_the_error_and_the_next_is_not_tried(tmp_path: Path) -> None:
    with HostileServer(denial(403)) as runner, HostileServer() as metadata:
        creds = ant_wif.resolve(
            environ={
                **RULE_SET,
                "HOME": str(tmp_path),
                "GITHUB_ACTIONS": "true",
                "ACTIONS_ID_TOKEN_REQUEST_URL": f"{runner.base_url}/token?v=1",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ghs-request-token",
                "AZURE_POD_IDENTITY_AUTHORITY_HOST": metadata.base_url,
                "ANT_IDENTITY_AUDIENCE": "api://acme",
            }
        )
        with pytest.raises(IdentitySourceError, match="GitHub's OIDC endpoint refused"):
            creds.token()
        assert (len(runner.requests), metadata.connections) == (1, 0)


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        ((), {}, "github_actions"),
        ((), {"ANT_IDENTITY_SOURCE": "auto"}, "github_actions"),
        ((), {"ANT_IDENTITY_SOURCE": "buildkite"}, "buildkite"),
        (("--identity-source", "circleci"), {"ANT_IDENTITY_SOURCE": "buildkite"}, "circleci"),
        (("--identity-source", "aws"), {}, "aws"),
        ((), {"ANT_IDENTITY_SOURCE": "none"}, None),
        (("--identity-token-file", "/token"), {"ANT_IDENTITY_SOURCE": "buildkite"}, "file"),
    ],
)
def test_a_source_is_named_explicitly(
    ant: Ant, tmp_path: Path, words: tuple[str, ...], variables: dict[str, str], expected: str | None
) -> None:
    environ = {**AMBIENT, "HOME": str(tmp_path), "GITHUB_ACTIONS": "true", **variables}
    _, out, _ = ant("identity", "detect", "--format", "json", *words, environ=environ)
    assert json.loads(out)["selected"] == expected


@pytest.mark.parametrize("way", ["option", "variable"])
@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("jenkins", "found: 'jenkins'\n  expected: file, env, github_actions", "correct "),
        ("oauth", "oauth needs more than its name", "profile"),
        ("command", "command needs more than its name", "profile"),
        ("file", "file needs more than its name", "profile"),
    ],
)
def test_a_name_that_is_not_enough_is_an_error(tmp_path: Path, way: str, name: str, says: str, hint: str) -> None:
    environ = {"HOME": str(tmp_path), **RULE_SET, "GITHUB_ACTIONS": "true"}
    variables, argument = ({"ANT_IDENTITY_SOURCE": name}, None) if way == "variable" else ({}, name)
    with pytest.raises(ConfigurationError) as refused:
        ant_wif.resolve(environ={**environ, **variables}, identity_source=argument)
    assert says in str(refused.value)
    assert hint in str(refused.value.hint)


# --- sources of other packages ---------------------------------------------------------------------------------------

ACME = """
import os
from dataclasses import dataclass
from typing import ClassVar, Literal

from ant_wif.identity import Context, IdentitySource, detected, not_detected
from ant_wif._secrets import SecretStr
from ant_wif._http.flow import call


@dataclass(frozen=True)
class Vault(IdentitySource):
    path: str = "/run/acme/identity.jwt"
    source: Literal["vault"] = "vault"

    title: ClassVar[str] = "Acme's vault"

    @classmethod
    def detect(cls, context):
        if "ACME_VAULT" in context.environ:
            return detected(cls(context.environ["ACME_VAULT"]), "ACME_VAULT is set")
        return not_detected("vault", "ACME_VAULT is not set")

    def fetch(self, context):
        raw = yield from call(lambda: SecretStr(context.environ.expand(self.path).read_text()))
        return context.parse(self, raw, audience=context.audience)


class Raising(Vault):
    @classmethod
    def detect(cls, context):
        raise RuntimeError("the vault is bricked")


@dataclass(frozen=True)
class Plain(IdentitySource):
    source: Literal["plain"] = "plain"

    title: ClassVar[str] = "A plain source"

    def fetch(self, context):
        yield from ()


class Unrelated:
    pass
"""
ENTRY_POINTS = """
[ant_wif.identity_sources]
vault = acme_identity:Vault
"""
BROKEN = """
absent = acme_absent:Source
gone = acme_identity:Gone
other = acme_identity:Unrelated
raising = acme_identity:Raising
file = acme_identity:Vault
"""


def package(folder: Path, entry_points: str) -> Path:
    """A package beside this one, as far as a process needs it."""
    write(folder / "acme_identity.py", ACME)
    write(folder / "acme_identity-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: acme-identity\nVersion: 1.0\n")
    write(folder / "acme_identity-1.0.dist-info/entry_points.txt", entry_points)
    return folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Have this process find the package; return an environment."""

    def install(entry_points: str) -> dict[str, str]:
        monkeypatch.syspath_prepend(package(tmp_path, entry_points))
        monkeypatch.setitem(sys.modules, "acme_identity", None)
        monkeypatch.delitem(sys.modules, "acme_identity")
        return {**AMBIENT, "HOME": str(tmp_path / "home")}

    return install


def test_a_source_of_another_package_is_listed_and_used_by_name(tmp_path: Path, emulator: Emulator) -> None:
    environ = {**AMBIENT, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(package(tmp_path, ENTRY_POINTS))}
    lines = run("-m", "ant_cli", "identity", "detect", environ=environ).stdout.splitlines()
    assert "  vault            no   ACME_VAULT is not set" in lines
    environ |= federation_of(emulator.env("github"))
    environ["ACME_VAULT"] = write(tmp_path / "token", emulator.issue("github"))
    ran = run("-m", "ant_cli", "--identity-source", "vault", "models", "list", environ=environ)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "claude-" in ran.stdout


def test_a_source_of_another_package_need_not_recognise_anything(ant: Ant, installed: Install) -> None:
    environ = installed(ENTRY_POINTS + "plain = acme_identity:Plain\n")
    shown = json.loads(ant("identity", "detect", "--format", "json", environ=environ)[1])
    (plain,) = (each for each in shown["sources"] if each["name"] == "plain")
    assert (plain["detected"], plain["reason"]) == (False, "only by configuration")


def test_a_source_of_another_package_is_used_when_nothing_else_is_recognised(installed: Install, root: Path) -> None:
    installed(ENTRY_POINTS + BROKEN)
    found = found_in(root, ACME_VAULT="/token")
    assert repr(found) == "Vault(path='/token', source='vault')"
    found = found_in(root, ACME_VAULT="/token", SPIFFE_ENDPOINT_SOCKET="unix:///run/agent.sock")
    assert found is not None
    assert found.source == "spiffe"


def test_a_source_of_another_package_stands_in_a_profile(
    ant: Ant, installed: Install, tmp_path: Path, emulator: Emulator
) -> None:
    environ = installed(ENTRY_POINTS)
    environ |= federation_of(emulator.env("github"))
    path = write(tmp_path / "token", emulator.issue("github"))
    create = ("profile", "create", "ci", "--identity-source", "vault", "--identity-option", f"path={path}")
    status, _, err = ant(*create, environ=environ)
    assert status == 0, err
    assert "official SDKs refuse a profile whose identity source is vault" in err
    status, out, err = ant("--profile", "ci", "models", "list", environ=environ)
    assert (status, err) == (0, "")
    assert "claude-" in out


def test_a_field_of_another_package_s_source_is_checked_too(ant: Ant, installed: Install) -> None:
    environ = installed(ENTRY_POINTS)
    identity_token = {"source": "vault", "path": [1]}
    authentication = {"type": "oidc_federation", "federation_rule_id": RULE, "identity_token": identity_token}
    document = federation_profile(authentication=authentication)
    ConfigDir.locate(Environment(environ)).write("ci", document)
    status, _, err = ant("--profile", "ci", "models", "list", environ=environ)
    assert status == 3
    assert "identity_token.path is not a string" in err
    assert "hint: correct the fields of the identity source vault" in err


def test_a_broken_source_of_another_package_is_explained_and_breaks_nothing(ant: Ant, installed: Install) -> None:
    environ = installed(ENTRY_POINTS + BROKEN) | {"GITHUB_ACTIONS": "true"}
    shown = json.loads(ant("identity", "detect", "--format", "json", environ=environ)[1])
    assert shown["selected"] == "github_actions"
    reasons = {each["name"]: each["reason"] for each in shown["sources"] if not each["detected"]}
    assert "acme_absent" in reasons["absent"]
    assert "ModuleNotFoundError" in reasons["absent"]
    assert "AttributeError" in reasons["gone"]
    assert "not a subclass of ant_wif.identity.IdentitySource" in reasons["other"]
    assert "the vault is bricked" in reasons["raising"]
    assert reasons["vault"] == "ACME_VAULT is not set"
    # A package cannot take the place of a source that is built in.
    assert reasons["file"] == "ANTHROPIC_IDENTITY_TOKEN_FILE is not set"


@pytest.mark.parametrize("name", ["absent", "gone", "other", "raising"])
def test_a_broken_source_that_is_named_explicitly_is_an_error_that_names_its_package(
    ant: Ant, installed: Install, name: str
) -> None:
    environ = installed(ENTRY_POINTS + BROKEN) | RULE_SET
    status, _, err = ant("--identity-source", name, "models", "list", environ=environ)
    assert status == 3
    assert "unexpected" not in err
    assert name in err
    assert "hint: upgrade or remove the package that provides it" in err
