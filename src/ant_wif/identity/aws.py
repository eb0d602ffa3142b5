"""`aws`: a JWT of the AWS role that this runs as, from STS.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal, cast
from urllib.parse import urlsplit

from pydantic import Field

from ant_wif._environment import Environment, elapsed, endless
from ant_wif._http import (
    Flow,
    Request,
    RequestFailure,
    call,
    mask_foreign_logs,
    proxy_secrets,
    run,
    send,
    without_login,
)
from ant_wif._secrets import SecretBytes, SecretStr, is_sendable, sanitize, sanitize_path, wrap_secrets
from ant_wif.errors import IdentitySourceError
from ant_wif.identity._endpoint import file_problem
from ant_wif.identity._registry import AWS_SIGNS
from ant_wif.identity.source import (
    Context,
    Detection,
    IdentitySource,
    detected,
    nearly_detected,
    none_is_set,
    not_detected,
)
from ant_wif.identity.token import IdentityToken

DEFAULT_REGION = "us-east-1"
TIMEOUT_SECONDS = 10
DEADLINE_SECONDS = 30

_REMEDIES = {
    "OutboundWebIdentityFederationDisabled": (
        "the AWS account does not issue identity tokens yet",
        "switch it on once for the account: aws iam enable-outbound-web-identity-federation",
    ),
    "AccessDenied": (
        "the AWS role is not allowed to request an identity token",
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
            return nearly_detected(
                "aws",
                "AWS_WEB_IDENTITY_TOKEN_FILE is set, but that token is for STS alone",
                "set ANT_IDENTITY_SOURCE=aws to have STS issue one, or project one for Anthropic into the pod",
            )
        return not_detected("aws", none_is_set(*AWS_SIGNS))

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        audience = self.audience or context.audience
        context.require_process_environment(self, "boto3")
        # boto3 reads AWS_DEFAULT_REGION only; every other SDK of AWS reads this one first.
        region = self.region or context.environ.get("AWS_REGION")
        raw = yield from call(lambda: self._issued(audience, region, context.environ))
        return context.parse(self, raw, audience=audience)

    def _issued(self, audience: str, region: str | None, environ: Environment) -> SecretStr:
        found = _endless_file(environ) or self._ask(audience, region, environ)
        if isinstance(found, SecretStr):
            return found
        raise IdentitySourceError(found[0], hint=found[1])

    def _ask(self, audience: str, region: str | None, environ: Environment) -> SecretStr | tuple[str, str]:
        """Ask STS, or say what is wrong and what to do: the frames of boto3 hold secrets."""
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import ClientError
        except ImportError:
            return "the identity source aws needs boto3, which is not installed", "pip install 'ant-wif[aws]'"
        way = Way(environ, elapsed() + DEADLINE_SECONDS, known := list(proxy_secrets(environ)))
        otherwise, core = _ON_CONFIGURATION, way.session()
        try:
            with mask_foreign_logs(known):
                session = boto3.Session(profile_name=self.profile_name, botocore_session=core)
                way.lead_metadata(core)
                unusable = _read_credentials(session, known, environ)
                if unusable is not None:
                    return unusable
                otherwise = f"check the network, the region and {_endpoint_variable(environ)}"
                region = region or session.region_name or DEFAULT_REGION
                _check_region(region)
                # Three attempts, unless AWS_MAX_ATTEMPTS says otherwise.
                client = session.client("sts", region_name=region, config=Config(retries={"mode": "standard"}))
                if not hasattr(client, "get_web_identity_token"):
                    return "this boto3 does not know sts:GetWebIdentityToken", "pip install --upgrade 'ant-wif[aws]'"
                answer = client.get_web_identity_token(
                    Audience=[audience], SigningAlgorithm=self.signing_algorithm, DurationSeconds=self.duration_seconds
                )
                return SecretStr(answer["WebIdentityToken"])
        except ClientError as error:
            return _explained(error.response.get("Error", {}), known)
        except Exception as error:  # noqa: BLE001 - whatever boto3 and what it loads raise is told as theirs
            return _told(error, known, environ, otherwise, _program(core) if otherwise == _ON_CONFIGURATION else None)


@dataclass(frozen=True)
class Way:
    """How botocore's requests are sent: in place of its own transport, which has no deadline and no limit of size.

    They end at `until`, in seconds of `ant_wif._environment.elapsed`. `known` is what no log may hold.
    """

    environ: Environment
    until: float
    known: list[SecretStr]

    def session(self) -> Any:
        """Make a session of botocore all of whose clients send this way."""
        from botocore.hooks import HierarchicalEmitter, first_non_none_response
        from botocore.session import Session

        class Emitter(HierarchicalEmitter):  # type: ignore[misc]  # botocore has no types
            """Sends what no handler has answered, as moto's does."""

            def emit(self, event_name: str, **kwargs: Any) -> list[tuple[object, object]]:
                responses: list[tuple[object, object]] = super().emit(event_name, **kwargs)
                if event_name.startswith("before-send.") and first_non_none_response(responses) is None:
                    responses.append((None, send_request(kwargs["request"])))
                return responses

        core = Session(event_hooks=Emitter())
        send_request = _Sender(self, core).send
        return core

    def lead_metadata(self, core: Any) -> None:
        """Have the endpoints of a container and of an instance asked this way, which no event of botocore tells of.

        A botocore that names its parts otherwise asks them its own way.
        """
        from botocore.utils import ContainerMetadataFetcher

        providers = core.get_component("credential_provider")
        for name, part, seconds in (
            ("container-role", "_fetcher", ContainerMetadataFetcher.TIMEOUT_SECONDS),
            ("iam-role", "_role_fetcher", core.get_config_variable("metadata_service_timeout")),
        ):
            fetcher: Any = getattr(providers.get_provider(name), part, None)
            if hasattr(fetcher, "_session"):
                fetcher._session = _Sender(self, core, seconds, of_machine=True)


@dataclass(frozen=True)
class _Sender:
    """Stands for `botocore.httpsession.URLLib3Session`."""

    way: Way
    core: Any
    seconds: float = TIMEOUT_SECONDS
    of_machine: bool = False

    def send(self, request: Any) -> Any:
        """Send a prepared request. Raises an error of botocore's, one that it retries where that may help."""
        from botocore.awsrequest import AWSResponse

        way, authorities = self.way, None
        if request.url.lower().startswith("https:") and not self.of_machine:
            authorities = self.core.get_config_variable("ca_bundle") or way.environ.get("REQUESTS_CA_BUNDLE")
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        body = request.body.encode() if isinstance(request.body, str) else request.body
        reply = run(
            send(
                Request(
                    request.method,
                    request.url,
                    cast("dict[str, str | SecretStr]", wrap_secrets(headers)),
                    content=SecretBytes(body) if body else None,
                    timeout=round(max(min(self.seconds, way.until - elapsed()), 0), 1),
                    ca_file=Path(authorities) if authorities else None,
                    known=tuple(way.known),
                    direct=self.of_machine,
                )
            ),
            environ=way.environ,
        )
        if isinstance(reply, RequestFailure):
            raise self._error(request.url, reply, authorities)
        return AWSResponse(request.url, reply.status, reply.headers, SimpleNamespace(stream=lambda: [reply.body]))

    def _error(self, url: str, failure: RequestFailure, authorities: str | None) -> Exception:
        from botocore import exceptions

        kind = exceptions.ReadTimeoutError if failure.maybe_received else exceptions.EndpointConnectionError
        if not failure.transient or elapsed() >= self.way.until:
            kind = exceptions.MetadataRetrievalError if self.of_machine else exceptions.BotoCoreError
        if authorities and not (failure.transient or failure.maybe_received or failure.hint):
            kind = exceptions.SSLError
        error: Exception = kind(endpoint_url=url, error=failure.reason, error_msg=failure.reason, hint=failure.hint)
        error.args = (f"{without_login(url)}: {failure.reason}",)
        return error


def _check_region(region: str) -> None:
    """Refuse a line feed at the end, which botocore's own check lets pass. Raises InvalidRegionError."""
    from botocore.exceptions import InvalidRegionError

    if region.endswith("\n"):
        raise InvalidRegionError(region_name=region)


def _endless_file(environ: Environment) -> tuple[str, str] | None:
    """Say which file botocore would read for ever, or to the end of the memory; it does not look before."""
    for name in (*_FILES, *_CONFIGURATION_FILES, *_AUTHORITIES):
        path = environ.get(name, "")
        if problem := endless(environ.expand(path) if name in _CONFIGURATION_FILES else path, _FILE_LIMIT):
            hint = _FILES.get(name, f"correct {name}")
            return f"boto3 cannot read {sanitize_path(path)}, which {name} names: it {problem}", hint
    return None


def _read_credentials(session: Any, known: list[SecretStr], environ: Environment) -> tuple[str, str] | None:
    """Add the secrets of the AWS credentials to what is known; say what is wrong with one that cannot be sent.

    botocore would quote the whole of it.
    """
    try:
        credentials = session.get_credentials()
    except ValueError as error:  # also raised for a token that is not a legal header value
        if type(error) is not ValueError or not any(name.startswith(_CONTAINER_TOKEN) for name in environ):
            raise
        return _unsendable(f"{_CONTAINER_TOKEN}, or the file of {_CONTAINER_TOKEN}_FILE,")
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
                variable if credentials.method == "env" else f"{variable}, or its setting in the AWS profile,"
            )
    return None


_CONTAINER_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_CONTAINER_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - a variable's name
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


_FILES = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": "check that the pod's service account has its role annotation and that the pod was "
    "made after it (IRSA), or unset AWS_WEB_IDENTITY_TOKEN_FILE",
    f"{_CONTAINER_TOKEN}_FILE": "check that the Pod Identity agent runs on the node, and that the pod was made after "
    "its association",
}
_CONFIGURATION_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
_FILE_LIMIT = 16 << 20  # as large as the authorities of all the world
_AUTHORITIES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
_ON_CONFIGURATION = "correct the file that AWS_CONFIG_FILE names (default ~/.aws/config)"
_ON_ROLE = (
    "give the container, function or instance a role, or set AWS credentials: `aws sts get-caller-identity` must work"
)
# By the name of the exception, or of a class that it derives from.
_LOCAL_REMEDIES = {
    **dict.fromkeys(
        ("NoCredentialsError", "CredentialRetrievalError", "MetadataRetrievalError"),
        _ON_ROLE,
    ),
    "RuntimeError": _REMEDIES["ExpiredToken"][1],
    "PartialCredentialsError": "set what is missing too, or unset the rest of these credentials",
    **dict.fromkeys(
        ("ConfigParseError", "ConfigNotFound", "InvalidConfigError", "UnknownCredentialError", "JSONDecodeError"),
        _ON_CONFIGURATION,
    ),
    **dict.fromkeys(("SSOError", "TokenRetrievalError", "NoAuthTokenError"), "run `aws sso login`, then run again"),
    "LoginError": "run `aws login`, then run again",
    **dict.fromkeys(("ProxyConnectionError", "InvalidProxiesConfigError"), "check the proxy variables"),
    "SSLError": "name the certificates of the authority that signs for this network in AWS_CA_BUNDLE",
    "MissingDependencyException": "pip install 'botocore[crt]'",
}

_PROFILE = ("`profile_name` in the profile's identity_token", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
_REGION = ("`region` in the profile's identity_token", "AWS_REGION", "AWS_DEFAULT_REGION")
_SETTINGS = {
    "ProfileNotFound": _PROFILE,
    **dict.fromkeys(("NoRegionError", "InvalidRegionError", "UnknownRegionError", "UnknownEndpointError"), _REGION),
}
"""Of each exception about a setting, the field and the variables that it is from."""
_OF_CONTENT = {"JSONDecodeError", "UnicodeError"}


def _correct_setting(error: Exception, kinds: list[str], environ: Environment) -> str | None:
    authorities = next((name for name in _AUTHORITIES if name in environ), None)
    if "SSLError" in kinds and authorities:
        return f"correct {authorities}, which names {sanitize_path(environ[authorities])}"
    path = str(getattr(error, "kwargs", {}).get("path"))
    for name in _CONFIGURATION_FILES:
        stated = environ.get(name, "")
        is_gone = "NoCredentialsError" in kinds and not os.path.isfile(environ.expand(stated))
        if stated and (stated == path or is_gone):
            return f"correct {name}, which names {sanitize_path(stated)}"
    if {"ValueError", "HTTPClientError"} & set(kinds):
        for name in environ:
            if name.startswith("AWS_") and _is_broken_url(environ[name].strip()):
                return f"correct {name}"
    found = next((_SETTINGS[kind] for kind in kinds if kind in _SETTINGS), None)
    if found is None:
        if not any(kind == "ValueError" or kind.startswith("Invalid") for kind in kinds) or _OF_CONTENT & set(kinds):
            return None
        settings = (name for name in environ if name.startswith("AWS_") and name not in _VARIABLES.values())
        return next((f"correct {name}" for name in settings if _quotes(error, environ.get(name, "").strip())), None)
    values = set(map(str, getattr(error, "kwargs", {}).values()))
    return f"correct {next((name for name in found[1:] if environ.get(name) in values), found[0])}"


def _endpoint_variable(environ: Environment) -> str:
    """Return the variable that names the address of STS, or that could."""
    return next(
        (name for name in ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL") if name in environ), "AWS_ENDPOINT_URL_STS"
    )


def _is_broken_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return bool(parts.scheme) and (parts.port == 0 or not parts.netloc.isascii())
    except ValueError:
        return True


def _quotes(error: Exception, value: str) -> bool:
    return bool(value and re.search(rf"(?<![\w./-]){re.escape(value)}(?![\w/-])", str(error)))


def _program(core: Any) -> str | None:
    """Return the program that the AWS configuration names for credentials, without its arguments."""
    with suppress(Exception):  # whatever is wrong with the configuration is told as what it has stopped
        words = str(core.get_scoped_config().get("credential_process", "")).split()
        return sanitize_path(words[0]) if words else None
    return None


def _told(
    error: Exception, known: list[SecretStr], environ: Environment, otherwise: str, program: str | None
) -> tuple[str, str]:
    """Say what stopped boto3 before STS refused anything; `program` is what was to print the credentials."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    path = getattr(error, "filename", None)
    if isinstance(error, OSError) and isinstance(path, (str, bytes)):
        name = next((name for name in _FILES if environ.get(name) == os.fsdecode(path)), None)
        what = (
            f"{sanitize_path(os.fsdecode(path))}, which {name or 'the AWS configuration'} names, {file_problem(error)}"
        )
        return f"boto3 cannot load AWS credentials: {what}", _FILES.get(name or "", _ON_CONFIGURATION)
    name = "AWS_WEB_IDENTITY_TOKEN_FILE"
    said = sanitize(" ".join(str(error).split()), known=known) or type(error).__name__
    if name in environ and ("UnicodeDecodeError" in kinds or "parameter WebIdentityToken" in said):
        what = f"{sanitize_path(environ[name])}, which {name} names, holds no token"
        return f"boto3 cannot load AWS credentials: {what}", _FILES[name]
    hint = _correct_setting(error, kinds, environ) or getattr(error, "kwargs", {}).get("hint")
    hint = hint or next((_LOCAL_REMEDIES[kind] for kind in kinds if kind in _LOCAL_REMEDIES), None)
    if {"ResponseParserError", "KeyError", "TypeError"} & set(kinds):
        hint = hint or f"check {_endpoint_variable(environ)}"
        return f"AWS STS returned something other than a token ({type(error).__name__})", hint
    if {"ValueError", "OSError"} & set(kinds) and "BotoCoreError" not in kinds:
        said = f"{type(error).__name__}: {said}"
    failed = getattr(error, "kwargs", {}).get("provider") == "custom-process"
    if program and (failed or {"JSONDecodeError", "AttributeError"} & set(kinds)):
        prints = "it must print JSON with Version 1, AccessKeyId and SecretAccessKey"
        hint = f"run {program}, the `credential_process` of the AWS profile: {prints}; or {_ON_CONFIGURATION}"
    if "metadata from a loopback address" in said:
        hint = f"correct {_CONTAINER_URI}"
    elif "container-role" in said and _CONTAINER_URI in environ:
        hint = f"check {_CONTAINER_URI} and what answers there"
    return f"AWS STS could not be asked: {said}", hint or otherwise
