"""A file that somebody names and that has no end, or no beginning, holds nobody up and fills no memory."""

from __future__ import annotations

import os
import resource
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ant_wif._environment import IS_POSIX, Environment
from ant_wif._files import read_up_to
from ant_wif.emulator import Emulator
from ant_wif.identity import Context, GoogleCloud
from ant_wif.identity.file import read_token
from support import preloaded
from support.preloaded import ANT
from support.samples import ORGANIZATION, RULE

pytestmark = pytest.mark.skipif(not IS_POSIX, reason="needs pipes and devices in the file system")

AKS = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "ANT_IDENTITY_AUDIENCE": "api://x"}
KEYS = "wif issuers create --url https://x.example --jwks"
# The command; what else names the file to a person; the variables.
COMMANDS: dict[str, tuple[str, dict[str, str]]] = {
    "--identity-token-file": ("--identity-token-file FILE identity claims", {}),
    "ANTHROPIC_IDENTITY_TOKEN_FILE": ("models list", {"ANTHROPIC_IDENTITY_TOKEN_FILE": "FILE"}),
    "AZURE_FEDERATED_TOKEN_FILE": ("identity claims", {"AZURE_FEDERATED_TOKEN_FILE": "FILE", **AKS}),
    "AWS_WEB_IDENTITY_TOKEN_FILE": (
        "--identity-source aws identity claims",
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "FILE", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"},
    ),
    "AWS_CA_BUNDLE": (
        "--identity-source aws identity claims",
        {
            "AWS_CA_BUNDLE": "FILE",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_ENDPOINT_URL_STS": "https://127.0.0.1:9",
            "AWS_MAX_ATTEMPTS": "1",
        },
    ),
    "GOOGLE_APPLICATION_CREDENTIALS": (
        "--identity-source google_cloud identity claims",
        {"GOOGLE_APPLICATION_CREDENTIALS": "FILE"},
    ),
    "SSL_CERT_FILE": ("--api-key k --base-url https://127.0.0.1:9 models list", {"SSL_CERT_FILE": "FILE"}),
    "--input": ("--api-key k api /v1/x -X POST --input FILE", {}),
    "@": ("--api-key k api /v1/x -f a=@FILE", {}),
    "message of @": ("--api-key k messages create --model m --max-tokens 5 --message @FILE", {}),
    "--rule": ("--identity-token x auth explain --rule FILE", {}),
    "--issuer": ("--identity-token x auth explain --issuer FILE", {}),
    "--jwks": (f"--api-key k {KEYS} FILE", {}),
    "seed file": ("emulator --config FILE", {}),
}
MEMORY = 2 << 30


def place(kind: str, folder: Path) -> Path:
    path = folder / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "sparse file":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    elif kind == "socket":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.path.relpath(path))
        listener.close()
    else:
        path.mkdir()
    assert stat.S_IFMT(path.stat().st_mode)
    return path


KINDS = ("pipe", "device", "sparse file", "socket", "folder")


@pytest.mark.parametrize("turns", [2, pytest.param(1, marks=pytest.mark.long)], ids=["turns", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_file_of_text_ends_every_command_with_its_name(kind: str, turns: int, tmp_path: Path) -> None:
    """Every second command; all commands with a pipe, which is the one that is waited for, and under `-m long`."""
    path, home = place(kind, tmp_path), tmp_path / "home"
    home.mkdir()
    environ = {
        "HOME": str(home), "PATH": os.environ["PATH"], "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    started = {}
    for number, (name, (command, variables)) in enumerate(COMMANDS.items()):
        if (number + KINDS.index(kind)) % turns and kind != "pipe":
            continue
        words = [word.replace("FILE", str(path)) for word in command.split()]
        own = {key: value.replace("FILE", str(path)) for key, value in variables.items()}
        # All at once: each waits some seconds for somebody to write into the pipe.
        started[name] = preloaded.Popen(
            [ANT, *words],
            env=environ | own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        resource.prlimit(started[name].pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
    ended = {name: (process.communicate(timeout=120)[0], process) for name, process in started.items()}
    for name, (said, process) in ended.items():
        if (kind, name) == ("folder", "AWS_CA_BUNDLE"):  # which may be one
            continue
        assert process.returncode in {2, 3}, (name, said)
        assert not any(sign in said for sign in ("Traceback", "MemoryError", "unexpected")), (name, said)
        assert str(path) in said or name in said, (name, said)
        if kind == "pipe":
            assert all(each in said for each in (str(path), name.rpartition(" of ")[2])), (name, said)


@contextmanager
def written(path: Path, *pieces: bytes, pause: float = 0.2) -> Iterator[None]:
    """A program that opens the pipe after a while, and writes piece by piece."""

    def write() -> None:
        time.sleep(pause)
        with path.open("wb", buffering=0) as pipe:
            for piece in pieces:
                time.sleep(pause)
                pipe.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    yield
    writer.join()


def test_a_pipe_is_read_to_its_end_however_late_its_writer_comes(tmp_path: Path) -> None:
    path = place("pipe", tmp_path)
    with written(path, b"a.b", b".c\n"):
        assert read_token(path).get_secret_value() == "a.b.c\n"
    with written(path):
        assert read_up_to(path, 10) == b""
    with written(path, b"x" * 100):
        assert read_up_to(path, 10) == b"x" * 11


def test_a_pipe_is_read_by_a_process_that_has_more_files_open_than_select_can_ask(tmp_path: Path) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, most[1]), most[1]))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1024)]
    try:
        path = place("pipe", tmp_path)
        with written(path, b"x"):
            assert read_up_to(path, 10) == b"x"
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, most)


def test_a_program_that_opens_a_pipe_late_has_the_time_of_one_that_was_there(tmp_path: Path) -> None:
    path = place("pipe", tmp_path)
    with written(path, b"x", pause=3):  # together longer than the wait for a program that opens it
        assert read_up_to(path, 10) == b"x"


def test_a_person_at_a_terminal_may_take_longer_than_a_program() -> None:
    person, terminal = os.openpty()
    try:
        typing = threading.Timer(0.5, lambda: os.write(person, b"{a: 1}\n\x04"))
        typing.start()
        assert read_up_to(Path(os.ttyname(terminal)), 100, seconds=0.1) == b"{a: 1}\n"
        typing.join()
    finally:
        os.close(person)
        os.close(terminal)


def test_a_pipe_that_is_never_written_to_its_end_is_told_apart_from_one_without_a_writer(tmp_path: Path) -> None:
    path = place("pipe", tmp_path)
    with pytest.raises(TimeoutError, match="no program has opened this pipe to write into it in time"):
        read_up_to(path, 10, seconds=0.1)
    writer = os.open(path, os.O_RDWR)
    try:
        os.write(writer, b"half")
        with pytest.raises(TimeoutError, match="no program has written to the end of this pipe in time"):
            read_up_to(path, 10, seconds=0.1)
    finally:
        os.close(writer)


def test_a_token_that_a_program_writes_into_a_pipe_of_its_shell_is_exchanged(tmp_path: Path) -> None:
    with Emulator() as emulator:
        (tmp_path / "token").write_text(emulator.issue())
        environ = {**emulator.env(), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        script = '"$0" --identity-token-file <(sleep 1; cat "$1") auth print-credentials --access-token'
        command = ["bash", "-c", script, ANT, str(tmp_path / "token")]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, emulator.exchanges) == (0, 1), done.stderr
    assert done.stdout.startswith("sk-ant-oat01-")


def test_a_program_that_writes_nothing_into_its_pipe_is_not_waited_for() -> None:
    ours, theirs = os.pipe()
    os.close(theirs)
    try:
        assert read_up_to(Path(f"/dev/fd/{ours}"), 10, seconds=0) == b""
    finally:
        os.close(ours)


@pytest.mark.parametrize("kind", ["pipe", "sparse file"])
@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_file_of_aws_below_home_is_looked_at_where_boto3_would_read_it(
    variable: str, kind: str, tmp_path: Path
) -> None:
    pytest.importorskip("boto3")
    place(kind, tmp_path)
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], variable: f"~/{kind}"}
    done = preloaded.run(
        [ANT, "--identity-source", "aws", "identity", "claims"], env=environ, capture_output=True, text=True
    )
    assert f"boto3 cannot read ~/{kind}, which {variable} names: it is " in done.stderr
    assert f"hint: correct {variable}\n" in done.stderr


def test_an_external_account_of_google_whose_token_is_a_device_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.auth")
    file = tmp_path / "credentials.json"
    file.write_text(
        '{"type": "external_account", "audience": "//iam.googleapis.com/x", "subject_token_type": '
        '"urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token", '
        '"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/'
        'a@x.example:generateAccessToken", "credential_source": {"file": "/dev/zero"}}'
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    from ant_wif._http import run
    from ant_wif.errors import IdentitySourceError

    with pytest.raises(IdentitySourceError, match=r"/dev/zero, which .* names, cannot be used \(is not a regular file"):
        run(GoogleCloud().fetch(Context(Environment())))
