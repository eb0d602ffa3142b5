"""AWS: a Lambda function whose role may call sts:GetWebIdentityToken. STS itself is not emulated here.

A test that emulates it gets its tokens from `Emulator.sign_as`, or from `POST /_emulator/aws/sign`.
"""

from __future__ import annotations

import uuid

from ant_wif.emulator._issuers import IdentityProvider

_ACCOUNT = "123456789012"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/ci"
_REGION = "us-east-1"


class EmulatedAws(IdentityProvider):
    name = "aws"
    source = "aws"
    subject = _ROLE
    lifetime_seconds = 300
    # The caller of STS chooses between them.
    algorithms = ("RS256", "ES384")

    def claims(self, now: int) -> dict[str, object]:
        return {
            **super().claims(now),
            "jti": str(uuid.uuid4()),
            "https://sts.amazonaws.com/": {
                "aws_account": _ACCOUNT,
                "source_region": _REGION,
                "org_id": "o-a1b2c3d4e5",
                "ou_path": "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/",
                "principal_id": _ROLE,
                "lambda_source_function_arn": f"arn:aws:lambda:{_REGION}:{_ACCOUNT}:function:ci",
                "request_tags": {},
            },
        }

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "ASIAEMULATOREXAMPLE1",
            "AWS_SECRET_ACCESS_KEY": "emulator/secret/access/key/EXAMPLE+12345",
            "AWS_SESSION_TOKEN": "emulator-session-token",
            "AWS_REGION": _REGION,
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
            "AWS_LAMBDA_FUNCTION_NAME": "ci",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        }
