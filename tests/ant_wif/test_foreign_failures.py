"""What other libraries raise is told as theirs: with the file, variable or service, a remedy, and never as a bug."""

from __future__ import annotations

import inspect
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path

import botocore.exceptions
import pytest
from botocore.parsers import ResponseParserError

from ant_wif import IdentityTokenError
from ant_wif.identity import Aws
from support.identity_failures import OPAQUE

Fail = Callable[..., IdentityTokenError]
CLEARED = ("AWS_", "GOOGLE_", "GCE_", "CLOUDSDK_")


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Set variables of the process, which boto3 and google-auth read, with none of the clouds' own before."""
    for name in [name for name in os.environ if name.startswith(CLEARED)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def set_all(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


def defined_by(module: types.ModuleType) -> list[type[Exception]]:
    """The exceptions that a library defines."""
    found = (kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, Exception))
    return [kind for kind in found if not issubclass(kind, Warning)]


def made(kind: type[Exception], message: str) -> Exception:
    """One of that kind, without its constructor where that wants more than a message."""
    if issubclass(kind, botocore.exceptions.ClientError):
        return kind({"Error": {"Code": "Unheard", "Message": message}}, "GetWebIdentityToken")
    try:
        return kind(message)
    except (TypeError, KeyError):
        error = kind.__new__(kind)
        Exception.__init__(error, message)
        return error


# --- AWS -----------------------------------------------------------------------------------------------------------

GONE = "/gone/token"
ROLE = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/ci"}
POD = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}


@pytest.mark.parametrize(
    ("variables", "configuration", "says", "hint"),
    [
        ({**ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": GONE}, "", "AWS_WEB_IDENTITY_TOKEN_FILE", "IRSA"),
        ({**POD, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": GONE}, "", "AUTHORIZATION_TOKEN_FILE", "Pod Identity agent"),
        ({}, f"credential_process = {GONE} --now", "the AWS configuration", "AWS_CONFIG_FILE"),
        ({}, f"role_arn = arn:aws:iam::1:role/x\nweb_identity_token_file = {GONE}", "the AWS configuration", "CONFIG"),
    ],
    ids=["irsa", "pod identity", "program", "file in the configuration"],
)
def test_a_file_that_aws_credentials_need_and_that_is_absent_is_named(
    variables: dict[str, str], configuration: str, says: str, hint: str,
    process: Callable[..., None], fails: Fail, tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "config").write_text(f"[default]\n{configuration}\n")
    process(**variables, AWS_CONFIG_FILE=str(tmp_path / "config"))
    error = fails(Aws(), None, hint)
    assert f"{GONE}, which " in str(error)
    assert says in str(error)
    assert "does not exist" in str(error)


@pytest.mark.parametrize(
    ("prints", "says"),
    [
        ("echo not json", "JSONDecodeError"),
        ("echo no such role >&2; exit 3", "no such role"),
        ("echo '{\"Version\": 9}'", "Unsupported version"),
        ("echo '{\"Version\": 1}'", "AccessKeyId"),
    ],
)
def test_a_program_for_aws_credentials_that_fails_is_told_as_aws_failure(
    prints: str, says: str, process: Callable[..., None], fails: Fail, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{prints}\n")
    program.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    process(AWS_CONFIG_FILE=str(tmp_path / "config"))
    error = fails(Aws(), None)
    assert says in str(error)
    assert "HTTP header" not in str(error)


def test_a_configuration_of_aws_that_cannot_be_parsed_is_named(
    process: Callable[..., None], fails: Fail, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default\nregion\n")
    process(AWS_CONFIG_FILE=str(tmp_path / "config"))
    assert str(tmp_path / "config") in str(fails(Aws(), None, "AWS_CONFIG_FILE"))


@pytest.mark.parametrize("where", ["credentials", "call"])
@pytest.mark.parametrize("kind", [*defined_by(botocore.exceptions), ResponseParserError, OSError, RuntimeError])
def test_no_exception_of_botocore_escapes(
    kind: type[Exception], where: str, fails: Fail, process: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Session:
        """Stands for boto3's, and fails at one of the two places where a library may."""

        region_name = None

        def __init__(self, **_: object) -> None:
            pass

        def get_credentials(self) -> object:
            if where == "credentials":
                raise made(kind, "no credentials today")
            frozen = types.SimpleNamespace(access_key="AKIA", secret_key=OPAQUE, token=None)
            return types.SimpleNamespace(method="env", get_frozen_credentials=lambda: frozen)

        def client(self, *_: object, **__: object) -> object:
            raise made(kind, f"not with {OPAQUE}")

    process()
    monkeypatch.setitem(sys.modules, "boto3", types.SimpleNamespace(Session=Session))  # type: ignore[arg-type]  # all that is used of it
    assert "AWS" in str(fails(Aws(), None))
