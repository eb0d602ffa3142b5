"""Any command, given any single bad variable, option or file, ends with an error that says what is wrong."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ant_cli.main import COMMANDS as SECTIONS
from ant_cli.main import main
from support.loopback import TokenEndpoint
from support.misbehaving_server import forged_jwt

COMMANDS = [
    "auth status", "auth status --format json", "auth verify", "auth explain", "auth explain --rule FILE",
    "auth explain --issuer FILE", "auth explain --jwks FILE", "auth print-credentials", "auth print-credentials --env",
    "auth print-credentials --access-token", "auth login --no-browser --timeout 1s", "auth logout", "auth logout --all",
    "auth export --github", "auth status --github-summary", "cache list", "cache clear", "exec -- true",
    "exec --env -- true", "exec --as-api-key -- true", "identity detect", "identity claims", "identity token",
    "identity token --output OUT", "profile list", "profile get", "profile get workspace_id",
    "profile set workspace_id wrkspc_01", "profile activate default", "profile create new --federation",
    "profile delete default --yes", "wif issuers list", "wif rules list", "wif service-accounts list",
    "wif rules get fdrl_01", "wif rules archive fdrl_01 --yes",
    "wif issuers create --url https://x.example --jwks FILE",
    "wif setup github --repo acme/app --dry-run", "wif setup kubernetes --issuer https://x.example --jwks FILE "
    "--namespace a --service-account b --dry-run", "api /v1/models", "api /v1/x -X POST --input FILE",
    "api /v1/x -f a=@FILE", "messages create --model m --max-tokens 5 --message hi",
    "messages count-tokens --model m --message @FILE", "models list", "models retrieve m",
    "models list --transform id -r", "models list --format yaml", "completion bash", "version", "help auth login",
    "emulator env --platform github --url URL",
]  # fmt: skip

FEDERATION = {
    "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_01",
    "ANTHROPIC_ORGANIZATION_ID": "8f2b5a40-1d0e-4c8e-9a55-0f2d3c4b5a69",
}
TEXTS = [
    "", " ", "\n", "-1", "~", "~gone/x", "../..", "/dev/null/x", "http://[", "https://u:p@x.example/?q#f", "{}",
    "\udcff", "caf\u00e9\u202e", "a" * 5000,
]  # fmt: skip
GITHUB = {"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x", "ACTIONS_ID_TOKEN_REQUEST_URL": "{url}?v=2"}
AKS = {"AZURE_FEDERATED_TOKEN_FILE": "FILE", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c",
       "AZURE_AUTHORITY_HOST": "{url}", "ANT_IDENTITY_AUDIENCE": "api://x"}  # fmt: skip
APP = {"IDENTITY_ENDPOINT": "{url}", "IDENTITY_HEADER": "x", "ANT_IDENTITY_AUDIENCE": "api://x"}
DEVOPS = {"SYSTEM_OIDCREQUESTURI": "{url}", "SYSTEM_ACCESSTOKEN": "x", "ANT_AZURE_SERVICE_CONNECTION_ID": "x"}
NOTHING: Mapping[str, str] = MappingProxyType({})
ALONE = [
    "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR", "PATH", "COLUMNS", "ANTHROPIC_CONFIG_DIR",
    "ANTHROPIC_PROFILE", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID", "ANTHROPIC_SERVICE_ACCOUNT_ID",
    "ANTHROPIC_WORKSPACE_ID", "ANTHROPIC_IDENTITY_TOKEN", "ANTHROPIC_IDENTITY_TOKEN_FILE", "ANT_IDENTITY_SOURCE",
    "ANT_IDENTITY_AUDIENCE", "ANT_CACHE_DIR", "ANT_CACHE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "SPIFFE_ENDPOINT_SOCKET", "CLOUDSDK_CONFIG", "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "GITLAB_CI", "KUBERNETES_SERVICE_HOST",
]  # fmt: skip
# Each variable, and those without which it is not read.
VARIABLES: dict[str, Mapping[str, str]] = {
    **dict.fromkeys(ALONE, NOTHING),
    **dict.fromkeys(("GITHUB_ENV", "GITHUB_STEP_SUMMARY", "RUNNER_TEMP", *GITHUB), GITHUB),
    **dict.fromkeys(AKS, AKS),
    **dict.fromkeys(APP, APP),
    **dict.fromkeys(DEVOPS, DEVOPS),
    "ANT_FLY_API_SOCKET": {"FLY_APP_NAME": "app", "FLY_MACHINE_ID": "x"},
}
OPTIONS = [
    "--profile", "--api-key", "--auth-token", "--base-url", "--organization-id", "--workspace-id",
    "--service-account-id", "--federation-rule", "--identity-token", "--identity-token-file", "--identity-source",
    "--format", "--format-error", "--transform",
]  # fmt: skip
CONTENTS = [
    b"", b"{}", b"[]", b"null", b"7", b"{", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"\x00\x01\xff", b"[" * 2000,
    b'{"version": "9.9", "authentication": {"type": "x"}}', b'{"a": 1, "a": 2}', b"<html>", b"x" * 2_000_000,
    b'{"authentication": {"type": "user_oauth", "credentials_path": "\\u0000"}}',
    b'{"authentication": {"type": "oidc_federation", "identity_token": {"source": "command", "command": ["/gone"]}}}',
    b'{"authentication": {"type": "user_oauth"}, "base_url": 7, "workspace_id": "\\u202e"}',
    b'{"type": "oauth_token", "access_token": 7, "expires_at": 1e400, "refresh_token": ""}',
]  # fmt: skip
PLACES = [
    "FILE", "home/.config/anthropic/active_config", "home/.config/anthropic/configs/default.json",
    "home/.config/anthropic/credentials/default.json", "home/.config/gcloud/application_default_credentials.json",
]  # fmt: skip
KINDS = ["directory", "dangling", "loop", "fifo", "socket"]
# Left out, these are hosts of the internet.
HOSTS = {"ANTHROPIC_BASE_URL", "AZURE_AUTHORITY_HOST"}


@dataclass(frozen=True)
class Bad:
    """One input, and the variables without which nothing would read it."""

    name: str
    value: str | bytes
    beside: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self.name}={self.value[:40]!r}"


INPUTS = [
    *(
        Bad(name, value, beside)
        for (name, beside), value in itertools.product(VARIABLES.items(), TEXTS)
        if name not in HOSTS or value.strip()
    ),
    *(Bad(option, value) for option, value in itertools.product(OPTIONS, TEXTS)),
    *(Bad(place, content) for place, content in itertools.product(PLACES, CONTENTS)),
    # The reader of a pipe waits some seconds for its writer: tests/security/test_endless_files.py.
    *(Bad(place, kind) for place, kind in itertools.product(PLACES, KINDS) if (place, kind) != ("FILE", "fifo")),
]


def run(command: str, bad: Bad, folder: Path, endpoint: TokenEndpoint) -> str:
    """Run `ant` with that input where everything else is in order, and return what it printed."""
    environ = {
        "HOME": str(folder / "home"),
        "PATH": os.environ["PATH"],
        "ANTHROPIC_BASE_URL": endpoint.base_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        **FEDERATION,
    }
    if not bad.beside and bad.name not in {"ANT_IDENTITY_SOURCE", "SPIFFE_ENDPOINT_SOCKET", "CLOUDSDK_CONFIG"}:
        environ["ANTHROPIC_IDENTITY_TOKEN"] = forged_jwt()
    environ |= {name: value.format(url=endpoint.base_url) for name, value in bad.beside.items()}
    words = command.split()
    if bad.name.startswith("--"):
        words = [bad.name, str(bad.value), *words]
    elif bad.name in PLACES:
        place(folder / bad.name, bad.value)
        if "configs/" in bad.name or "credentials/" in bad.name:
            environ["ANTHROPIC_PROFILE"] = "default"
    else:
        environ[bad.name] = str(bad.value)
    stand_ins = {"FILE": str(folder / "FILE"), "OUT": str(folder / "out"), "URL": endpoint.base_url}
    for stand_in, value in stand_ins.items():
        words = [word if bad.value == word else word.replace(stand_in, value) for word in words]
        environ = {name: text.replace(stand_in, value) if text == stand_in else text for name, text in environ.items()}
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as process, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        process.setenv("HOME", str(folder / "home"))  # which is used where the input is not a home
        main(words, environ)
    return out.getvalue() + err.getvalue()


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def place(path: Path, what: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if isinstance(what, bytes):
        path.write_bytes(what)
        path.chmod(0o600)
    elif what == "directory":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as listener, working_in(path.parent):
            listener.bind(path.name)
    else:
        path.symlink_to(path if what == "loop" else "gone")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as started:
        yield started


def test_there_are_enough_inputs_and_every_command_is_among_those_that_get_them() -> None:
    assert len(INPUTS) > 200
    assert {command.split()[0] for command in COMMANDS} >= {
        name for section in SECTIONS.values() for name in section
    } - {"demo"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(command=st.sampled_from(COMMANDS), bad=st.sampled_from(INPUTS))
def test_no_bad_input_ends_as_unexpected(
    command: str, bad: Bad, endpoint: TokenEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("machine", numbered=True)
    work = folder / "deep" / "inside"
    work.mkdir(parents=True)
    with working_in(work):
        said = run(command, bad, folder, endpoint)
    assert "error: unexpected" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("command", "bad"),
    [
        ("auth verify", Bad("home/.config/anthropic/active_config", "fifo")),
        ("auth status", Bad("XDG_CONFIG_HOME", "a" * 5000)),
        ("cache clear", Bad("HOME", "a" * 5000)),
        ("profile delete default --yes", Bad("home/.config/anthropic/configs/default.json", CONTENTS[14])),
        ("auth login --no-browser --timeout 1s", Bad("--organization-id", "\udcff")),
        ("exec --env -- true", Bad("--identity-token", "\udcff")),
        ("identity claims", Bad("ANT_IDENTITY_AUDIENCE", "\udcff", APP)),
        ("models list", Bad("ANT_AZURE_SERVICE_CONNECTION_ID", "\udcff", DEVOPS)),
        ("identity token", Bad("IDENTITY_ENDPOINT", "http://[", APP)),
        ("emulator env --platform github --url URL", Bad("COLUMNS", "x")),
    ],
    ids=repr,
)
def test_inputs_that_once_did(
    command: str, bad: Bad, endpoint: TokenEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    said = run(command, bad, tmp_path, endpoint)
    assert "unexpected" not in said
    assert "Traceback" not in said
