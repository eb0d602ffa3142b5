"""Every platform, from what a job finds there to an answer of the API: as a library, and on the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

import boto3
import grpc
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from spiffe._proto import workload_pb2, workload_pb2_grpc

import ant_wif
from ant_wif import IdentityTokenReusedError
from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif._tokens.grants.jwt_bearer import Federation
from ant_wif._tokens.providers import FederatedProvider
from ant_wif.credentials import Credentials
from ant_wif.emulator import Emulator, Fault
from ant_wif.identity import Context, detect
from support import preloaded
from support.clock import Clock
from support.jobs import platform_of, profile_of

# google-auth and boto3 read the environment of the process.
CALL = """
import sys, ant_wif, httpx

creds = ant_wif.resolve()
with httpx.Client(base_url=creds.base_url, auth=creds.auth) as client:
    print(creds.identity_source, client.get("/v1/models").status_code)
print(*sorted({"boto3", "google.auth", "grpc", "jwt", "moto", "requests", "spiffe"} & set(sys.modules)))
"""
Variables = dict[str, str]


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    with Emulator() as started:
        yield started


def run(*words: str, environ: Variables) -> str:
    command = [sys.executable, "-W", "error", *words]
    ran = preloaded.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


AMBIENT = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}


def assert_library_calls_the_api(emulator: Emulator, home: Path, job: Callable[[], Variables], source: str) -> None:
    before, environ = emulator.exchanges, {**AMBIENT, "HOME": str(home / "library"), **job()}
    if source in {"google_cloud", "aws"}:
        used = "boto3" if source == "aws" else "google.auth requests"
        assert run("-c", CALL, environ=environ) == f"{source} 200\n{used}\n"
    else:
        creds = ant_wif.resolve(environ=environ)
        with httpx.Client(base_url=creds.base_url, auth=creds.auth) as client:
            assert (creds.identity_source, client.get("/v1/models").status_code) == (source, 200)
    assert emulator.exchanges == before + 1


def assert_calls_the_api(emulator: Emulator, home: Path, job: Callable[[], Variables], source: str) -> None:
    """Have two jobs do it, neither of which finds what the other left: in Python, and on the command line."""
    assert_library_calls_the_api(emulator, home, job, source)
    before = emulator.exchanges
    listing = ("-m", "ant_cli", "models", "list", "--transform", "id", "-r")
    listed = run(*listing, environ={**AMBIENT, "HOME": str(home / "command"), **job()})
    assert listed.startswith("claude-")
    assert emulator.exchanges == before + 1


def profile(
    emulator: Emulator, home: Path, platform: str, identity_token: dict[str, object]
) -> Callable[[], Variables]:
    """Write a profile into both homes, and return what is left for the environment."""
    document = profile_of(emulator.env(platform), identity_token=identity_token)
    for name in ("library", "command"):
        ConfigDir.locate(Environment({"HOME": str(home / name)})).write("ci", document)
    return lambda: {"ANTHROPIC_PROFILE": "ci"}


@pytest.mark.parametrize(
    ("platform", "source"),
    [
        ("github", "github_actions"),
        ("google_cloud", "google_cloud"),
        ("azure", "azure"),
        ("azure-aks", "azure"),
        ("kubernetes", "file"),
        ("gitlab", "gitlab"),
        ("circleci", "circleci"),
        ("buildkite", "buildkite"),
        *(
            (name, name)
            for name in ("bitbucket", "terraform_cloud", "spacelift", "semaphore", "vercel", "azure_pipelines", "fly")
        ),
    ],
)
def test_a_job_calls_the_api_with_what_its_platform_gives_it(
    shared: Emulator, tmp_path: Path, platform: str, source: str
) -> None:
    assert_calls_the_api(shared, tmp_path, lambda: shared.env(platform), source)


def test_a_virtual_machine_of_azure_calls_the_api(shared: Emulator, tmp_path: Path) -> None:
    assert_library_calls_the_api(shared, tmp_path, lambda: shared.env("azure-vm"), "azure")


def test_a_job_of_one_platform_loads_nothing_that_only_another_needs(shared: Emulator, tmp_path: Path) -> None:
    environ = {**AMBIENT, "HOME": str(tmp_path), **shared.env("github")}
    assert run("-c", CALL, environ=environ) == "github_actions 200\n\n"


def test_a_service_account_key_calls_the_api(shared: Emulator, tmp_path: Path) -> None:
    key = shared.google_service_account(tmp_path / "key.json")
    job = {**shared.env("google_cloud"), "GOOGLE_APPLICATION_CREDENTIALS": key}
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT"):
        del job[name]
    assert_library_calls_the_api(shared, tmp_path, lambda: job, "google_cloud")


@pytest.mark.parametrize(
    "platform", ["azure", "google_cloud", "gitlab", "circleci", "buildkite", "github", "kubernetes"]
)
def test_a_profile_of_the_platform_calls_the_api(shared: Emulator, tmp_path: Path, platform: str) -> None:
    identity_token = shared.identity_token(platform)
    named = profile(shared, tmp_path, platform, identity_token)
    federation = ("ANTHROPIC_", "ANT_IDENTITY_AUDIENCE")

    def job() -> Variables:
        kept = {
            name: value
            for name, value in shared.env(platform).items()
            if name == "ANTHROPIC_ID_TOKEN" or not name.startswith(federation)
        }
        return {**kept, **named()}

    assert_library_calls_the_api(shared, tmp_path, job, str(identity_token["source"]))


@pytest.fixture(scope="module")
def sts(shared: Emulator) -> Iterator[str]:
    """moto's STS as a process, which has its tokens signed by the emulator."""
    command = [sys.executable, "-m", "pytest_ant_wif.moto_web_identity", "--enable", "123456789012"]
    command += ["--signer-url", f"{shared.base_url}/_emulator/aws/sign"]
    command += ["--issuer-url", shared.issuer("aws").issuer_url]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True))
        stack.callback(process.terminate)
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def assumed_role(sts: str, role: str) -> dict[str, str]:
    """The key of a session of `role`."""
    resource = {"endpoint_url": sts, "region_name": "us-east-1"}
    root = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "example"}
    answer = boto3.Session().client("sts", **resource, **root).assume_role(RoleArn=role, RoleSessionName="ci")
    return {name: str(answer["Credentials"][name]) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_a_function_of_aws_calls_the_api(shared: Emulator, tmp_path: Path, sts: str, algorithm: str) -> None:
    job = {**shared.env("aws"), "AWS_ENDPOINT_URL_STS": sts}
    key = assumed_role(sts, str(shared.rule("aws").subject_prefix))
    job |= {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_SESSION_TOKEN": key["SessionToken"],
    }
    if algorithm == "RS256":
        assert_calls_the_api(shared, tmp_path, lambda: job, "aws")
    else:
        identity_token: dict[str, object] = {"source": "aws", "signing_algorithm": "ES384", "duration_seconds": 60}
        named = profile(shared, tmp_path, "aws", identity_token)
        assert_library_calls_the_api(shared, tmp_path, lambda: {**platform_of(job), **named()}, "aws")


def test_an_oauth_client_calls_the_api_with_its_secret(shared: Emulator, tmp_path: Path) -> None:
    named = profile(shared, tmp_path, "oauth", shared.identity_token("oauth"))
    secret = shared.env("oauth")["OAUTH_CLIENT_SECRET"]
    assert_calls_the_api(shared, tmp_path, lambda: {**named(), "OAUTH_CLIENT_SECRET": secret}, "oauth")


def test_a_server_that_gives_tokens_for_a_secret_calls_the_api(shared: Emulator, tmp_path: Path) -> None:
    named = profile(shared, tmp_path, "url", shared.identity_token("url"))
    secret = shared.env("url")["VAULT_TOKEN"]
    assert_calls_the_api(shared, tmp_path, lambda: {**named(), "VAULT_TOKEN": secret}, "url")


@pytest.mark.parametrize("kind", ["RSA", "EC"])
def test_an_oauth_client_calls_the_api_with_its_private_key(emulator: Emulator, tmp_path: Path, kind: str) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    seeded = emulator.identity_token("oauth")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    emulator.oauth_client(client_id=str(seeded["client_id"]), public_key=public)
    del seeded["client_secret_variable"]
    job = profile(emulator, tmp_path, "oauth", {**seeded, "private_key_path": str(path), "key_id": "key-1"})
    assert_library_calls_the_api(emulator, tmp_path, job, "oauth")


def test_a_program_of_ones_own_calls_the_api(shared: Emulator, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "print-token"
    named = profile(shared, tmp_path, "github", {"source": "command", "command": ["print-token", "--for", "ci job"]})

    def job() -> Variables:
        program.write_text(f'#!/bin/sh\ntest "$2" = "ci job" && echo {shared.issue("github")}\n')
        program.chmod(0o700)
        return {**named(), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}

    assert_calls_the_api(shared, tmp_path, job, "command")


def test_a_workload_with_spiffe_helper_calls_the_api(shared: Emulator, tmp_path: Path) -> None:
    job = profile(shared, tmp_path, "spiffe", shared.identity_token("spiffe"))
    assert_library_calls_the_api(shared, tmp_path, job, "spiffe")


class WorkloadApi(workload_pb2_grpc.SpiffeWorkloadAPIServicer):  # type: ignore[misc]  # generated, without types
    """An agent with one entry, whose JWT-SVIDs the emulator signs."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._subject = str(emulator.rule("spiffe").subject_prefix)
        self.audiences: list[list[str]] = []

    def FetchJWTSVID(self, request: workload_pb2.JWTSVIDRequest, context: grpc.ServicerContext) -> object:  # noqa: N802 - the protocol's name
        # What the standard demands, against requests that a browser was talked into.
        assert ("workload.spiffe.io", "true") in context.invocation_metadata()
        self.audiences.append(list(request.audience))
        claims = {"sub": self._subject, "aud": list(request.audience)}
        svid = self._emulator.sign_as("spiffe", claims, "ES256")
        return workload_pb2.JWTSVIDResponse(svids=[workload_pb2.JWTSVID(spiffe_id=self._subject, svid=svid)])


@pytest.fixture
def agent(shared: Emulator) -> Iterator[WorkloadApi]:
    """Serve at the socket that the emulator's variables name."""
    api = WorkloadApi(shared)
    server = grpc.server(ThreadPoolExecutor(2))
    workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(api, server)
    server.add_insecure_port(shared.env("spiffe")["SPIFFE_ENDPOINT_SOCKET"])
    server.start()
    yield api
    server.stop(None).wait()


def test_a_workload_calls_the_api_with_a_svid_of_its_agent(
    shared: Emulator, tmp_path: Path, agent: WorkloadApi
) -> None:
    job = shared.env("spiffe")
    found = detect(Context(Environment(job), root=tmp_path))
    assert found is not None
    assert found.source == "spiffe"
    # Named besides, because the firmware of a cloud's machine is asked before the socket.
    assert_calls_the_api(shared, tmp_path, lambda: {**job, "ANT_IDENTITY_SOURCE": "spiffe"}, "spiffe")
    assert agent.audiences == [["https://api.anthropic.com"]] * 2


def test_a_profile_names_the_socket_and_audience_of_the_agent(
    shared: Emulator, tmp_path: Path, agent: WorkloadApi
) -> None:
    socket = shared.env("spiffe")["SPIFFE_ENDPOINT_SOCKET"].removeprefix("unix://")
    document: dict[str, object] = {"source": "spiffe", "socket": socket, "audience": "https://api.anthropic.com"}
    assert_library_calls_the_api(shared, tmp_path, profile(shared, tmp_path, "spiffe", document), "spiffe")
    assert agent.audiences


# --- Kubernetes: a token in a file that serves once ---------------------------------------------------------------


@pytest.fixture
def pod() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ant-pod-"))
    yield folder
    shutil.rmtree(folder)


def in_pod(emulator: Emulator, pod: Path, **changes: str) -> Credentials:
    """What `resolve` makes of a pod, whose file system begins at `pod`."""
    job = {**emulator.env("kubernetes"), **changes}
    # The file that this names is the emulator's other pod.
    del job["ANTHROPIC_IDENTITY_TOKEN_FILE"]
    context = Context(Environment(job), root=pod)
    source = detect(context)
    assert source is not None
    assert source.source == "kubernetes"
    federation = Federation(
        job["ANTHROPIC_BASE_URL"],
        job["ANTHROPIC_FEDERATION_RULE_ID"],
        job["ANTHROPIC_ORGANIZATION_ID"],
        job["ANTHROPIC_SERVICE_ACCOUNT_ID"],
        job["ANTHROPIC_WORKSPACE_ID"],
    )
    provider = FederatedProvider(federation, source, context)
    return Credentials(provider, source="federation", origin="test", base_url=federation.base_url)


def projected(pod: Path) -> Path:
    return pod / "var/run/secrets/anthropic.com/token"


def test_a_pod_exchanges_the_mounted_token_and_then_what_its_cluster_issues(emulator: Emulator, pod: Path) -> None:
    emulator.kubernetes_pod(pod)
    creds = in_pod(emulator, pod)
    tokens = {creds.token()}
    for _ in range(2):
        creds.invalidate()
        tokens.add(creds.token())
    assert len(tokens) == emulator.exchanges == 3


def test_a_pod_waits_out_a_cluster_that_is_busy(emulator: Emulator, pod: Path) -> None:
    emulator.kubernetes_pod(pod)
    creds = in_pod(emulator, pod)
    creds.token()
    creds.invalidate()
    emulator.fail("kubernetes", Fault.status(503))
    assert creds.token()


def test_a_token_that_the_kubelet_has_replaced_needs_no_token_request(emulator: Emulator, pod: Path) -> None:
    emulator.kubernetes_pod(pod)
    emulator.allow_token_requests = False
    creds = in_pod(emulator, pod)
    creds.token()
    emulator.kubernetes_token(projected(pod))
    creds.invalidate()
    assert creds.token()
    assert emulator.exchanges == 2


@pytest.mark.parametrize("why", ["HTTP 403", "no access to the cluster's API"])
def test_a_pod_that_may_not_request_tokens_is_told_when_its_file_rotates(
    emulator: Emulator, pod: Path, why: str
) -> None:
    emulator.kubernetes_pod(pod)
    emulator.allow_token_requests = False
    outside = {"ANT_KUBERNETES_API_URL": "", "KUBERNETES_SERVICE_HOST": ""}
    creds = in_pod(emulator, pod, **({} if why == "HTTP 403" else outside))
    creds.token()
    creds.invalidate()
    with pytest.raises(IdentityTokenReusedError) as refused:
        creds.token()
    claims = jwt.decode(projected(pod).read_text(), options={"verify_signature": False})
    rotation = claims["iat"] + 0.8 * (claims["exp"] - claims["iat"])
    assert rotation - time.time() == pytest.approx(2880, abs=60)
    at = datetime.fromtimestamp(rotation, timezone.utc).isoformat(timespec="minutes")
    assert f"the kubelet writes the next one at about {at}" in str(refused.value)
    assert why in str(refused.value)
    assert "create `serviceaccounts/token`" in str(refused.value.hint)
    assert projected(pod).read_text().split(".")[2] not in f"{refused.value!r} {refused.value.hint}"


def test_a_pod_that_may_not_request_tokens_uses_its_file_again_where_the_issuer_does_not_check_jti(
    emulator: Emulator,
) -> None:
    emulator.allow_token_requests = False
    emulator.update_rule("kubernetes", token_lifetime_seconds=60)
    emulator.update_issuer("kubernetes", check_jti=False)
    clock = Clock(time.time())
    creds = ant_wif.resolve(environ=emulator.env("kubernetes"), clock=clock)
    tokens = [creds.token()]
    for _ in range(2):
        clock.now += 70
        tokens.append(creds.token())
    assert len(set(tokens)) == emulator.exchanges == 3


def test_a_pod_without_a_projected_token_has_none(emulator: Emulator, pod: Path) -> None:
    emulator.kubernetes_pod(pod)
    projected(pod).unlink()
    job = emulator.env("kubernetes")
    del job["ANTHROPIC_IDENTITY_TOKEN_FILE"]
    assert detect(Context(Environment(job), root=pod)) is None


@pytest.mark.parametrize(
    ("platform", "variable"),
    [
        ("gitlab", "ANTHROPIC_ID_TOKEN"),
        ("bitbucket", "BITBUCKET_STEP_OIDC_TOKEN"),
        ("terraform_cloud", "TFC_WORKLOAD_IDENTITY_TOKEN"),
        ("spacelift", "SPACELIFT_OIDC_TOKEN"),
        ("semaphore", "SEMAPHORE_OIDC_TOKEN"),
        ("vercel", "VERCEL_OIDC_TOKEN"),
    ],
)
def test_a_token_of_another_platform_is_denied_and_the_issuer_is_named(
    shared: Emulator, tmp_path: Path, platform: str, variable: str
) -> None:
    token = shared.issue("github", aud=shared.rule(platform).audience)
    job = {**shared.env(platform), variable: token, "HOME": str(tmp_path)}
    with pytest.raises(ant_wif.ExchangeError, match=r"denied \(HTTP 401") as caught:
        ant_wif.resolve(environ=job).token()
    assert shared.history[-1].reason == "issuer_mismatch"
    assert f"iss: {shared.issuer('github').issuer_url}" in str(caught.value)
    assert token not in str(caught.value)
