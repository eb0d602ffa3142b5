"""`aws`: a JWT of the AWS role that this runs as, from STS.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ant_wif._http import Flow, call, mask_foreign_logs
from ant_wif._secrets import SecretStr, is_sendable, sanitize
from ant_wif.errors import IdentitySourceError
from ant_wif.identity._registry import AMAZON, AWS_SIGNS, cloud_of
from ant_wif.identity.source import Context, Detection, IdentitySource, detected, not_detected
from ant_wif.identity.token import IdentityToken

__all__ = ["Aws"]

DEFAULT_REGION = "us-east-1"
TIMEOUT_SECONDS = 5
_INSTANCE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"

_REMEDIES = {
    "OutboundWebIdentityFederationDisabled": (
        "the AWS account does not issue identity tokens yet",
        "switch it on once for the account: aws iam enable-outbound-web-identity-federation",
    ),
    "AccessDenied": (
        "the AWS role may not ask for an identity token",
        "allow the action sts:GetWebIdentityToken in the role's policy",
    ),
    "ExpiredToken": ("the AWS credentials have expired", "obtain new AWS credentials, then run again"),
    "InvalidClientTokenId": (
        "AWS does not know these credentials",
        "check which AWS credentials are set",
    ),
    "SignatureDoesNotMatch": ("AWS refuses the signature", "check AWS_SECRET_ACCESS_KEY and this machine's clock"),
    "Throttling": ("STS is throttling this account", "run again in a minute"),
    "ValidationError": ("STS refuses the request", "check audience, signing_algorithm and duration_seconds"),
}


@dataclass(frozen=True)
class Aws(IdentitySource):
    """Asks STS, with whatever credentials boto3 finds."""

    audience: str | None = None
    region: str | None = None
    signing_algorithm: Literal["RS256", "ES384"] = "RS256"
    duration_seconds: Annotated[int, Field(ge=60, le=3600)] = 900
    profile_name: str | None = None
    source: Literal["aws"] = "aws"

    title: ClassVar[str] = "AWS STS"
    renewable: ClassVar[bool] = True

    @classmethod
    def detect(cls, context: Context) -> Detection:
        found = next((name for name in AWS_SIGNS if name in context.environ), None)
        if found is not None:
            return detected(cls(), f"{found} is set")
        if "AWS_WEB_IDENTITY_TOKEN_FILE" in context.environ:
            return not_detected(
                "aws", "AWS_WEB_IDENTITY_TOKEN_FILE is set, but that token is for STS alone; name the source `aws` to "
                "have STS issue one, or project one for Anthropic into the pod"
            )  # fmt: skip
        return not_detected("aws", f"none of {', '.join(AWS_SIGNS)} is set")

    @classmethod
    def detect_machine(cls, context: Context) -> Detection:
        if _INSTANCE in context.environ:
            return detected(cls(), f"{_INSTANCE} is set")
        if cloud_of(context.root) == AMAZON:
            return detected(cls(), "the firmware says that this is an EC2 instance")
        return not_detected("aws", "the firmware names no EC2 instance")

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        audience = self.audience or context.audience
        context.require_process_environment(self, "boto3")
        # boto3 reads AWS_DEFAULT_REGION only; every other SDK of AWS reads this one first.
        region = self.region or context.environ.get("AWS_REGION")
        raw = yield from call(lambda: self._issued(audience, region))
        return context.parse(self, raw, audience=audience)

    def _issued(self, audience: str, region: str | None) -> SecretStr:
        found = self._ask(audience, region)
        if isinstance(found, SecretStr):
            return found
        raise IdentitySourceError(found[0], hint=found[1])

    def _ask(self, audience: str, region: str | None) -> SecretStr | tuple[str, str]:  # noqa: PLR0911 - one a remedy
        """Ask STS, or say what is wrong and what to do: the frames of boto3 hold secrets."""
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
            from botocore.parsers import ResponseParserError
        except ImportError:
            return "the identity source aws needs boto3, which is not installed", "pip install 'ant-wif[aws]'"
        known: list[SecretStr] = []
        try:
            with mask_foreign_logs(known):
                session = boto3.Session(profile_name=self.profile_name)
                unusable = _read_credentials(session, known)
                if unusable is not None:
                    return unusable
                client = session.client(
                    "sts",
                    region_name=region or session.region_name or DEFAULT_REGION,
                    config=Config(
                        connect_timeout=TIMEOUT_SECONDS,
                        read_timeout=TIMEOUT_SECONDS,
                        # Three attempts, unless AWS_MAX_ATTEMPTS says otherwise.
                        retries={"mode": "standard"},
                    ),
                )
                if not hasattr(client, "get_web_identity_token"):
                    return "this boto3 does not know sts:GetWebIdentityToken", "pip install --upgrade 'ant-wif[aws]'"
                answer = client.get_web_identity_token(
                    Audience=[audience], SigningAlgorithm=self.signing_algorithm, DurationSeconds=self.duration_seconds
                )
                return SecretStr(answer["WebIdentityToken"])
        except ClientError as error:
            return _explained(error.response.get("Error", {}), known)
        except BotoCoreError as error:
            return f"AWS STS could not be asked: {sanitize(error, known=known)}", _remedy_without_answer(
                type(error).__name__
            )
        except (ResponseParserError, KeyError, TypeError, ValueError) as error:
            return (
                f"AWS STS answered something else than a token ({type(error).__name__})",
                "check AWS_ENDPOINT_URL_STS",
            )


def _read_credentials(session: Any, known: list[SecretStr]) -> tuple[str, str] | None:
    """Add the secrets of the AWS credentials to what is known; say what is wrong with one that cannot be sent.

    botocore would quote the whole of it.
    """
    try:
        credentials = session.get_credentials()
    except ValueError:  # raised for one that is no legal header value
        return _unsendable("AWS_CONTAINER_AUTHORIZATION_TOKEN, or the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,")
    if credentials is None:
        return None
    frozen = credentials.get_frozen_credentials()
    for name in ("access_key", "secret_key", "token"):
        value = getattr(frozen, name)
        if not value:
            continue
        secret = SecretStr(value)
        known.append(secret)
        if not is_sendable(secret):
            variable = _VARIABLES[name]
            return _unsendable(
                variable if credentials.method == "env" else f"{variable}, or what stands for it in the AWS profile,"
            )
    return None


_VARIABLES = {
    "access_key": "AWS_ACCESS_KEY_ID",
    "secret_key": "AWS_SECRET_ACCESS_KEY",
    "token": "AWS_SESSION_TOKEN",
}


def _unsendable(name: str) -> tuple[str, str]:
    return (
        f"{name} holds a blank, a line break or another character that no HTTP header can carry",
        f"set {name.rstrip(',')} anew; often a line break was copied along",
    )


def _explained(error: dict[str, str], known: list[SecretStr]) -> tuple[str, str]:
    code = sanitize(error.get("Code", ""), limit=80, known=known)
    said = sanitize(error.get("Message", ""), known=known)
    remedy = next(
        (remedy for name, remedy in _REMEDIES.items() if code.startswith(name) or said.startswith(name)), None
    )
    what, hint = remedy or (
        "AWS STS refuses to issue an identity token",
        "see what the message says of the AWS account",
    )
    return f"{what} ({code}: {said})", hint


def _remedy_without_answer(kind: str) -> str:
    if kind in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "MetadataRetrievalError"}:
        return (
            "give the container, function or instance a role, or set AWS credentials: `aws sts get-caller-identity` "
            "must work"
        )
    if kind == "ProfileNotFound":
        return "correct profile_name in the profile's identity_token, or AWS_PROFILE"
    return "check the network, the region and AWS_ENDPOINT_URL_STS"
