"""A platform that a test pretends to be on, and moto's AWS with the tokens that real AWS issues."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_ant_wif._environment import AntEnv

if TYPE_CHECKING:
    from ant_wif import Credentials
    from ant_wif.emulator import Emulator

ACCOUNT = "123456789012"
_ROLE = "ci"


@dataclass(frozen=True)
class Platform:
    """Where the test pretends to run. Detection, fetch and exchange are the real ones, against loopback."""

    name: str
    emulator: Emulator
    env: AntEnv = field(repr=False)

    def credentials(self) -> Credentials:
        """Resolve, as a program on this platform would. Raises AntWifError."""
        import ant_wif

        return ant_wif.resolve()


class MotoAws:
    """moto in this process: an account that issues identity tokens, and a role `ci` to be."""

    account_id = ACCOUNT

    def __init__(self, emulator: Emulator, env: AntEnv) -> None:
        self._emulator = emulator
        self._env = env
        self._stack = ExitStack()

    def __enter__(self) -> MotoAws:
        from moto import mock_aws

        from pytest_ant_wif import moto_web_identity

        for name, value in self._emulator.env("aws").items():
            self._env.setenv(name, value)
        issuer = self._emulator.issuer("aws").issuer_url
        moto_web_identity.install(partial(self._emulator.sign_as, "aws"), issuer=issuer)
        self._stack.enter_context(mock_aws())
        moto_web_identity.enable(ACCOUNT)
        self._assume_role()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def client(self, service: str) -> Any:
        """Make a boto3 client in the mocked account, with the credentials that the variables name now."""
        import boto3

        # boto3's default session would go on with the credentials that it saw first.
        return boto3.Session(region_name="us-east-1").client(service)

    def _assume_role(self) -> None:
        """Become the role, as a container of it is: the token's subject is then the role's ARN."""
        role = f"arn:aws:iam::{ACCOUNT}:role/{_ROLE}"
        given = self.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        for name, key in (
            ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
            ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
            ("AWS_SESSION_TOKEN", "SessionToken"),
        ):
            self._env.setenv(name, given[key])
