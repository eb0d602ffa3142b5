"""STS GetWebIdentityToken and IAM's switch for it, as boto3 sees them: in process, and of a server process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import boto3
import httpx
import jwt
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import enable_iam_authentication
from moto.server import ThreadedMotoServer

import ant_wif
from ant_wif import identity
from ant_wif.emulator import Emulator
from pytest_ant_wif.moto_web_identity import enable, install, jwks, remote_signer
from support.loopback import TokenEndpoint

ACCOUNT = "123456789012"
AUDIENCE = "https://api.anthropic.com"
NAMESPACE = "https://sts.amazonaws.com/"
TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
)


@cache
def boto_session() -> Any:
    """One for all tests: it has read the models of the services."""
    return boto3.Session()


class Aws:
    """Clients of an AWS that is either moto in this process or a server at `url`."""

    def __init__(self, stack: ExitStack, url: str | None) -> None:
        self._stack = stack
        self.url = url

    def client(self, service: str, key: dict[str, str] | None = None) -> Any:
        key = key or {"AccessKeyId": "testing", "SecretAccessKey": "testing"}
        client = boto_session().client(
            service,
            region_name="eu-west-1",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            aws_session_token=key.get("SessionToken"),
            # So that refusals are those of the service and not of botocore.
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
        )
        self._stack.callback(client.close)
        return client

    def enable(self, key: dict[str, str] | None = None) -> str:
        return str(self.client("iam", key).enable_outbound_web_identity_federation()["IssuerIdentifier"])

    def token(self, key: dict[str, str] | None = None, **parameters: Any) -> str:
        asked = {"Audience": [AUDIENCE], "SigningAlgorithm": "RS256", **parameters}
        answer = self.client("sts", key).get_web_identity_token(**asked)
        return str(answer["WebIdentityToken"])

    def claims(self, key: dict[str, str] | None = None, **parameters: Any) -> dict[str, Any]:
        return verified(self.token(key, **parameters), self.jwks())

    def jwks(self) -> dict[str, Any]:
        if self.url is None:
            return jwks()
        found: dict[str, Any] = httpx.get(f"{self.url}/outbound-web-identity/{ACCOUNT}/jwks.json").json()
        return found

    def refusal(self, key: dict[str, str] | None = None, **parameters: Any) -> tuple[int, str, str]:
        with pytest.raises(ClientError) as refused:
            self.token(key, **parameters)
        return told(refused.value)

    def user(self, name: str = "ada", **parameters: Any) -> dict[str, str]:
        iam = self.client("iam")
        iam.create_user(UserName=name, **parameters)
        key: dict[str, str] = iam.create_access_key(UserName=name)["AccessKey"]
        return key

    def session(self, role_arn: str, **parameters: Any) -> dict[str, Any]:
        sts = self.client("sts")
        key: dict[str, Any] = sts.assume_role(RoleArn=role_arn, RoleSessionName="job", **parameters)["Credentials"]
        return key


def told(error: ClientError) -> tuple[int, str, str]:
    response: dict[str, Any] = error.response
    return (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"])


def verified(token: str, keys: dict[str, Any], audience: str | None = AUDIENCE) -> dict[str, Any]:
    header = jwt.get_unverified_header(token)
    key = jwt.PyJWKSet.from_dict(keys)[header["kid"]]
    found: dict[str, Any] = jwt.decode(token, key, algorithms=[header["alg"]], audience=audience)
    return found


def run_server(stack: ExitStack, *options: str) -> str:
    command = [sys.executable, "-m", "pytest_ant_wif.moto_web_identity", "--port", "0", *options]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True))
    stack.callback(process.terminate)
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ExitStack() as stack:
        yield run_server(stack)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ExitStack]:
    """No AWS of the machine that runs these tests takes part; what a test adds to moto ends with it."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with ExitStack() as stack:
        stack.callback(install)
        yield stack


@pytest.fixture
def aws(stack: ExitStack) -> Aws:
    install()
    stack.enter_context(mock_aws())
    return Aws(stack, None)


@pytest.fixture(params=["in process", "server"])
def either(request: pytest.FixtureRequest, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Aws:
    if request.param == "in process":
        found: Aws = request.getfixturevalue("aws")
        return found
    url: str = request.getfixturevalue("server")
    httpx.post(f"{url}/moto-api/reset").raise_for_status()
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    return Aws(stack, url)


@pytest.mark.parametrize(("alg", "kid"), [("RS256", "RSA_0"), ("ES384", "EC384_0")])
def test_a_token_verifies_with_the_key_set_of_the_account(either: Aws, alg: str, kid: str) -> None:
    either.enable()
    token = either.token(SigningAlgorithm=alg)
    assert jwt.get_unverified_header(token) == {"alg": alg, "kid": kid, "typ": "JWT"}
    assert verified(token, either.jwks())["aud"] == AUDIENCE
    assert not {"d", "p", "q"} & {member for key in either.jwks()["keys"] for member in key}


def test_a_token_names_issuer_times_account_and_region(either: Aws) -> None:
    issuer = either.enable()
    answer = either.client("sts").get_web_identity_token(Audience=[AUDIENCE], SigningAlgorithm="RS256")
    claims = verified(answer["WebIdentityToken"], either.jwks())
    assert re.fullmatch(r"https://[0-9a-f-]{36}\.tokens\.sts\.global\.api\.aws", issuer)
    assert claims["iss"] == issuer
    assert claims["exp"] - claims["iat"] == 300
    assert abs(answer["Expiration"].timestamp() - claims["exp"]) < 1
    subject = f"arn:aws:iam::{ACCOUNT}:user/moto"
    assert claims[NAMESPACE] == {"aws_account": ACCOUNT, "source_region": "eu-west-1", "principal_id": subject}
    assert either.claims()["jti"] != claims["jti"]


def test_what_the_request_asks_for_is_in_the_claims(aws: Aws) -> None:
    aws.enable()
    for duration in 60, 3600:
        claims = aws.claims(DurationSeconds=duration)
        assert claims["exp"] - claims["iat"] == duration
    assert aws.claims(Audience=[AUDIENCE, "other"])["aud"] == [AUDIENCE, "other"]
    tags = [{"Key": "job", "Value": "42"}, {"Key": "empty", "Value": ""}]
    assert aws.claims(Tags=tags)[NAMESPACE]["request_tags"] == {"job": "42", "empty": ""}
    organization = aws.client("organizations").create_organization(FeatureSet="ALL")["Organization"]
    assert aws.claims()[NAMESPACE]["org_id"] == organization["Id"]


def test_a_user_is_the_subject_with_path_and_tags(aws: Aws) -> None:
    aws.enable()
    key = aws.user("ada", Path="/people/", Tags=[{"Key": "team", "Value": "red"}])
    claims = aws.claims(key)
    assert claims["sub"] == f"arn:aws:iam::{ACCOUNT}:user/people/ada"
    assert claims[NAMESPACE]["principal_id"] == claims["sub"]
    assert claims[NAMESPACE]["principal_tags"] == {"team": "red"}
    assert "original_session_exp" not in claims[NAMESPACE]


def test_the_subject_of_a_session_is_the_role_itself(aws: Aws) -> None:
    aws.enable()
    tags = [{"Key": "team", "Value": "red"}]
    role = aws.client("iam").create_role(RoleName="ci", Path="/jobs/", AssumeRolePolicyDocument=TRUST, Tags=tags)
    session = aws.session(role["Role"]["Arn"])
    claims = aws.claims(session)
    assert claims["sub"] == f"arn:aws:iam::{ACCOUNT}:role/jobs/ci"
    assert claims[NAMESPACE]["principal_tags"] == {"team": "red"}
    end = datetime.strptime(claims[NAMESPACE]["original_session_exp"], "%Y-%m-%dT%H:%M:%SZ").replace(
        tzinfo=timezone.utc
    )
    assert abs((end - session["Expiration"]).total_seconds()) < 1
    unheard_of = f"arn:aws:iam::{ACCOUNT}:role/unheard-of"
    assert aws.claims(aws.session(unheard_of))["sub"] == unheard_of


def test_the_role_of_another_account_gets_the_token_of_that_account(aws: Aws) -> None:
    other = "210987654321"
    aws.enable()
    session = aws.session(f"arn:aws:iam::{other}:role/ci")
    assert aws.refusal(session)[1] == "OutboundWebIdentityFederationDisabledException"
    issuer = enable(other)
    claims = verified(aws.token(session), jwks(other))
    assert (claims["iss"], claims[NAMESPACE]["aws_account"]) == (issuer, other)
    with pytest.raises(jwt.InvalidSignatureError):
        verified(aws.token(session), jwks())


def test_the_switch_is_off_at_first_goes_on_and_off_once_each_and_keeps_the_issuer(either: Aws) -> None:
    status, code, message = either.refusal()
    assert (status, code) == (403, "OutboundWebIdentityFederationDisabledException")
    assert "not enabled for this account" in message
    iam, sts = either.client("iam"), either.client("sts")
    with pytest.raises(sts.exceptions.OutboundWebIdentityFederationDisabledException):
        sts.get_web_identity_token(Audience=[AUDIENCE], SigningAlgorithm="RS256")
    for ask in (iam.get_outbound_web_identity_federation_info, iam.disable_outbound_web_identity_federation):
        with pytest.raises(iam.exceptions.FeatureDisabledException) as disabled:
            ask()
        assert told(disabled.value)[:2] == (404, "FeatureDisabled")
    issuer = either.enable()
    with pytest.raises(iam.exceptions.FeatureEnabledException) as enabled:
        either.enable()
    assert told(enabled.value)[:2] == (409, "FeatureEnabled")
    info = iam.get_outbound_web_identity_federation_info()
    assert (info["IssuerIdentifier"], info["JwtVendingEnabled"]) == (issuer, True)
    iam.disable_outbound_web_identity_federation()
    assert either.refusal()[1] == "OutboundWebIdentityFederationDisabledException"
    assert either.enable() == issuer


@pytest.mark.parametrize(
    ("parameters", "explanation"),
    [
        (
            {"SigningAlgorithm": "HS256"},
            "'HS256' at 'signingAlgorithm' failed to satisfy constraint: Member must satisf",
        ),
        ({"SigningAlgorithm": None}, "null at 'signingAlgorithm'"),
        ({"DurationSeconds": 59}, "'59' at 'durationSeconds' failed to satisfy constraint: Member must have value gre"),
        ({"DurationSeconds": 3601}, "'3601' at 'durationSeconds'"),
        ({"Audience": None}, "null at 'audience' failed to satisfy constraint: Member must not be null"),
        ({"Audience": []}, "'[]' at 'audience'"),
        ({"Audience": [""]}, "at 'audience'"),
        ({"Audience": [str(number) for number in range(11)]}, "Member must have length less than or equal to 10"),
        ({"Audience": ["a" * 1001]}, "Member must have length less than or equal to 1000"),
        ({"Tags": [{"Key": "", "Value": ""}]}, "at 'tags.1.member.key'"),
        ({"Tags": [{"Key": "k" * 129, "Value": ""}]}, "at 'tags.1.member.key'"),
        ({"Tags": [{"Key": "<team>", "Value": ""}]}, "Member must satisfy regular expression pattern"),
        ({"Tags": [{"Key": "team", "Value": "v" * 257}]}, "at 'tags.1.member.value'"),
        ({"Tags": [{"Key": str(number), "Value": ""} for number in range(51)]}, "at 'tags'"),
        ({"SigningAlgorithm": "none", "DurationSeconds": 0}, "2 validation errors detected: "),
    ],
)
def test_what_the_service_model_does_not_allow_is_a_validation_error(
    aws: Aws, parameters: dict[str, Any], explanation: str
) -> None:
    aws.enable()
    asked = {"Audience": [AUDIENCE], "SigningAlgorithm": "RS256", **parameters}
    with pytest.raises(ClientError) as refused:
        aws.client("sts").get_web_identity_token(**{name: value for name, value in asked.items() if value is not None})
    status, code, message = told(refused.value)
    assert (status, code) == (400, "ValidationError")
    assert re.match(r"\d validation errors? detected: ", message)
    assert explanation in message


def test_what_would_be_too_much_or_too_long_is_refused(aws: Aws) -> None:
    aws.enable()
    tags = [{"Key": "team", "Value": "red"}, {"Key": "Team", "Value": "blue"}]
    assert aws.refusal(Tags=tags)[:2] == (400, "InvalidParameterValue")
    tags = [{"Key": f"{number:0128}", "Value": "v" * 256} for number in range(50)]
    assert aws.refusal(Tags=tags)[:2] == (400, "JWTPayloadSizeExceededException")
    session = aws.session(f"arn:aws:iam::{ACCOUNT}:role/ci", DurationSeconds=900)
    assert aws.token(session, DurationSeconds=600)
    assert aws.refusal(session, DurationSeconds=3600)[:2] == (403, "SessionDurationEscalationException")


@pytest.mark.parametrize("resource", ["*", f"arn:aws:sts::{ACCOUNT}:self"])
def test_moto_enforces_the_permission(aws: Aws, resource: str) -> None:
    aws.enable()
    key = aws.user("ada")
    statement = {"Effect": "Allow", "Action": "sts:GetWebIdentityToken", "Resource": resource}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with enable_iam_authentication():
        status, code, message = aws.refusal(key)
    assert (status, code) == (403, "AccessDenied")
    assert message.endswith("is not authorized to perform: sts:GetWebIdentityToken")
    aws.client("iam").put_user_policy(UserName="ada", PolicyName="federate", PolicyDocument=policy)
    with enable_iam_authentication():
        assert aws.claims(key)["sub"] == f"arn:aws:iam::{ACCOUNT}:user/ada"
        unknown = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "wrong"}
        assert aws.refusal(unknown)[1] == "InvalidClientTokenId"


def test_enabling_from_python_may_be_repeated_and_ends_with_the_mock(aws: Aws) -> None:
    assert enable() == enable()
    assert aws.claims()["iss"] == enable()
    with mock_aws():
        assert aws.token()  # nested, which forgets nothing


def test_a_new_mock_starts_with_the_switch_off_and_the_same_keys(stack: ExitStack) -> None:
    install()
    tokens = []
    for _ in range(2):
        with mock_aws():
            aws = Aws(stack, None)
            assert aws.refusal()[1] == "OutboundWebIdentityFederationDisabledException"
            enable()
            tokens.append(aws.token())
    assert len({verified(token, jwks())["iss"] for token in tokens}) == 1


def test_a_threaded_moto_server_has_it_too(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    threaded = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    threaded.start()
    stack.callback(threaded.stop)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*threaded.get_host_and_port()))
    aws = Aws(stack, None)
    stack.callback(lambda: aws.client("iam").disable_outbound_web_identity_federation())
    aws.enable()
    assert aws.claims()["aud"] == AUDIENCE


def test_a_signer_from_outside_signs_with_the_issuer_that_was_given(aws: Aws) -> None:
    asked: list[tuple[dict[str, object], str]] = []

    def signer(claims: dict[str, object], alg: str) -> str:
        asked.append((claims, alg))
        return "signed-elsewhere"

    install(signer, issuer="http://127.0.0.1/aws")
    assert aws.enable() == "http://127.0.0.1/aws"
    assert aws.token(SigningAlgorithm="ES384") == "signed-elsewhere"
    ((claims, alg),) = asked
    assert (claims["iss"], claims["aud"], alg) == ("http://127.0.0.1/aws", AUDIENCE, "ES384")
    # Without an issuer, the signer is to add its own; installing again returns to the keys of the account.
    install(lambda claims, _: "|".join(claims))
    assert aws.token() == f"sub|aud|iat|exp|jti|{NAMESPACE}"
    install()
    assert aws.claims()["aud"] == AUDIENCE


@pytest.mark.parametrize(("status", "body"), [(404, {}), (200, {}), (200, b"not JSON")])
def test_a_signer_that_does_not_sign_is_named_in_the_refusal(aws: Aws, status: int, body: Any) -> None:
    enable()
    with TokenEndpoint(status=status, body=body) as endpoint:
        install(remote_signer(endpoint.base_url))
        status, code, message = aws.refusal()
        assert (status, code) == (400, "ValidationError")
        assert f"{endpoint.base_url} did not sign the token" in message


@pytest.fixture
def platform() -> Iterator[Emulator]:
    with Emulator() as platform:
        yield platform


def exchange(aws: Aws, platform: Emulator, monkeypatch: pytest.MonkeyPatch, alg: Literal["RS256", "ES384"]) -> None:
    """Have the library get an identity token of STS as the role that the emulator's rule is for, and exchange it."""
    key = aws.session(platform.rule("aws").subject_prefix or "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", key["SessionToken"])
    credentials = ant_wif.federate(
        identity.Aws(signing_algorithm=alg),
        federation_rule_id=platform.rule("aws").id,
        organization_id=platform.organization_id,
        base_url=platform.base_url,
    )
    assert credentials.token()
    assert platform.exchanges == 1


@pytest.mark.parametrize("alg", ["RS256", "ES384"])
def test_the_emulator_signs_tokens_that_its_rule_accepts(
    aws: Aws, platform: Emulator, monkeypatch: pytest.MonkeyPatch, alg: Literal["RS256", "ES384"]
) -> None:
    issuer = platform.issuer("aws").issuer_url
    install(partial(platform.sign_as, "aws"), issuer=issuer)
    assert enable() == issuer
    exchange(aws, platform, monkeypatch, alg)


def test_the_emulator_signs_for_a_server_too(
    stack: ExitStack, platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = platform.issuer("aws").issuer_url
    signer = f"{platform.base_url}/_emulator/aws/sign"
    url = run_server(stack, "--signer-url", signer, "--issuer-url", issuer, "--enable", ACCOUNT)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    aws = Aws(stack, url)
    claims = jwt.decode(aws.token(SigningAlgorithm="ES384"), options={"verify_signature": False})
    assert (claims["iss"], claims["sub"]) == (issuer, f"arn:aws:iam::{ACCOUNT}:user/moto")
    exchange(aws, platform, monkeypatch, "ES384")


def test_what_moto_can_do_it_still_can(either: Aws) -> None:
    sts = either.client("sts")
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:user/moto"
    session = either.session(f"arn:aws:iam::{ACCOUNT}:role/ci")
    assert either.client("sts", session).get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/job"
    iam = either.client("iam")
    iam.create_role(RoleName="ci", AssumeRolePolicyDocument=TRUST)
    assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["ci"]


def test_moto_still_checks_the_trust_of_a_role(aws: Aws) -> None:
    key = aws.user("ada")
    arn = aws.client("iam").create_role(RoleName="ci", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    sts = aws.client("sts", key)
    with enable_iam_authentication(), pytest.raises(ClientError) as refused:
        sts.assume_role(RoleArn=arn, RoleSessionName="job")
    assert told(refused.value)[1] == "AccessDenied"
