"""`google_cloud`: an ID token of a Google service account, through google-auth.

https://cloud.google.com/docs/authentication/get-id-token
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from ant_wif._environment import Environment, elapsed, endless
from ant_wif._files import read_document
from ant_wif._http import Backoff, Flow, RequestFailure, Response, call, mask_foreign_logs, pause
from ant_wif._secrets import SecretStr, sanitize, sanitize_path
from ant_wif.errors import ConfigurationError, IdentitySourceError
from ant_wif.identity._endpoint import file_problem
from ant_wif.identity._registry import GOOGLE_METADATA_SIGNS, GOOGLE_SERVERLESS_SIGNS
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

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_AWS = "urn:ietf:params:aws:token-type:aws4_request"


def loaded(document: Mapping[str, object], scope: str) -> Credentials:
    """Make credentials that yield access tokens for `scope`, no request sent.

    Raises ValueError, or an error of google-auth: the file cannot be used.
    """
    kind = document.get("type")
    if kind == "impersonated_service_account":
        return _impersonated_by_file(document, scope)
    read = _reader(document)
    if read is None:
        raise ValueError(f"credentials of type {sanitize(kind, limit=40)} cannot issue ID tokens")
    return cast("Credentials", read(document, scopes=[scope]))


def _reader(document: Mapping[str, object]) -> Any:
    from google.auth import aws, identity_pool, pluggable
    from google.oauth2 import credentials, service_account

    source = document.get("credential_source")
    if document.get("type") == "service_account":
        return service_account.Credentials.from_service_account_info
    if document.get("type") == "authorized_user":
        return credentials.Credentials.from_authorized_user_info
    if document.get("type") != "external_account":
        return None
    if document.get("subject_token_type") == _AWS:
        return aws.Credentials.from_info
    if isinstance(source, Mapping) and "executable" in source:
        return pluggable.Credentials.from_info
    file = source.get("file") if isinstance(source, Mapping) else None
    if isinstance(file, str) and (problem := endless(file, _FILE_LIMIT)):
        raise OSError(errno.EINVAL, problem, file)
    return identity_pool.Credentials.from_info


def _impersonated_by_file(document: Mapping[str, object], scope: str) -> Credentials:
    from google.auth import impersonated_credentials

    source, account = document.get("source_credentials"), impersonated(document)
    if not isinstance(source, Mapping) or account is None:
        raise ValueError("the credentials lack source_credentials or service_account_impersonation_url")
    return impersonated_credentials.Credentials(
        loaded(source, scope),
        target_principal=account,
        target_scopes=[scope],
        delegates=document.get("delegates") or [],
    )


def impersonated(document: Mapping[str, object]) -> str | None:
    """Return the account in `…/serviceAccounts/<email>:generateAccessToken`."""
    url = document.get("service_account_impersonation_url")
    return url.rpartition("/")[2].partition(":")[0] or None if isinstance(url, str) else None


FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_FILE_LIMIT = 1 << 16
ATTEMPTS = 3
DEADLINE_SECONDS = 20.0


@dataclass(frozen=True)
class _Refusal:
    """Why no token came, what to do, and what the metadata server did if that may pass by itself."""

    message: str
    hint: str
    outcome: Response | RequestFailure | None = None


@dataclass(frozen=True)
class GoogleCloud(IdentitySource):
    """Application default credentials that can issue ID tokens, else the metadata server.

    `service_account_email` is an account to impersonate.
    """

    audience: str | None = None
    service_account_email: str | None = None
    source: Literal["google_cloud"] = "google_cloud"

    title: ClassVar[str] = "Google Cloud"
    renewable: ClassVar[bool] = True

    @classmethod
    def detect(cls, context: Context) -> Detection:
        path = _credentials_file(context.environ)
        kind = _kind(path) if path else None
        if kind in _MINTING:
            return detected(cls(), f"{sanitize_path(path)} holds credentials of type {kind}")
        if FILE in context.environ and path:
            return nearly_detected("google_cloud", _problem(path), f"{_ON_FILE}; or unset {FILE}")
        signs = (*GOOGLE_METADATA_SIGNS, *GOOGLE_SERVERLESS_SIGNS)
        for name in signs:
            if name in context.environ:
                return detected(cls(), f"{name} is set", of_machine=True)
        return not_detected("google_cloud", none_is_set(FILE, *signs))

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        audience = self.audience or context.audience
        context.require_process_environment(self, "google-auth")
        backoff, until = Backoff(attempts=ATTEMPTS, deadline=DEADLINE_SECONDS), elapsed() + DEADLINE_SECONDS
        while True:
            found = yield from call(lambda: self._ask(audience, context.environ, until))
            if isinstance(found, SecretStr):
                return context.parse(self, found, audience=audience)
            delay = backoff.delay(found.outcome) if found.outcome is not None else None
            if delay is None:
                raise IdentitySourceError(found.message, hint=found.hint)
            yield from pause(delay)

    def _ask(self, audience: str, environ: Environment, until: float) -> SecretStr | _Refusal:
        """Get an ID token, or say what is wrong and what to do: the frames of google-auth hold secrets."""
        try:
            from ant_wif.identity._google_transport import CheckedRequest, MetadataServerError
        except ImportError:
            return _Refusal(
                "the identity source google_cloud needs google-auth and requests, which are not installed",
                "pip install 'ant-wif[gcp]'",
            )
        request = CheckedRequest(environ, until)
        try:
            with mask_foreign_logs(request.known):
                credentials = self._credentials(audience, _credentials_file(environ), request)
                credentials.refresh(request)
                return SecretStr(str(credentials.token))
        except MetadataServerError as error:
            return _Refusal(
                f"Google Cloud gave no ID token: {sanitize(error, known=request.known)}", _ON_METADATA, error.outcome
            )
        except ConfigurationError as error:
            return _Refusal(str(error), error.hint or "")
        except Exception as error:  # noqa: BLE001 - whatever google-auth and what it loads raise is told as theirs
            return _told(error, request.known, request.status, _credentials_file(environ))

    def _credentials(self, audience: str, path: Path | None, request: Any) -> Credentials:
        from google.auth import compute_engine, impersonated_credentials
        from google.oauth2 import service_account

        from ant_wif.identity._google_transport import universe

        email = self.service_account_email
        if path is None:
            if email is None:
                return compute_engine.IDTokenCredentials(request, audience, use_metadata_identity_endpoint=True)
            return _impersonating(compute_engine.Credentials(universe_domain=universe(request)), email, audience)
        document = _read(path)
        kind = document.get("type")
        if kind == "service_account" and email is None:
            own = service_account.IDTokenCredentials.from_service_account_info(document, target_audience=audience)
            return cast("Credentials", own)
        if kind == "external_account":
            # The account that the file impersonates is the one that issues tokens; its source is what is left.
            email = email or impersonated(document)
            document = {name: value for name, value in document.items() if name != "service_account_impersonation_url"}
        source = loaded(document, _SCOPE)
        if kind == "impersonated_service_account" and email is None:
            return impersonated_credentials.IDTokenCredentials(source, target_audience=audience, include_email=True)
        if email is None:
            raise ValueError("the credentials impersonate no service account, and only one can issue ID tokens")
        return _impersonating(source, email, audience)


def _impersonating(source: Credentials, email: str, audience: str) -> Credentials:
    from google.auth import impersonated_credentials

    account = impersonated_credentials.Credentials(source, target_principal=email, target_scopes=[_SCOPE])
    return impersonated_credentials.IDTokenCredentials(account, target_audience=audience, include_email=True)


_MINTING = {"service_account", "impersonated_service_account", "external_account"}


def _credentials_file(environ: Environment) -> Path | None:
    """Return where application default credentials lie, as google-auth would look for them."""
    stated = environ.get(FILE)
    if stated:
        return environ.expand(stated)
    folder = environ.get("CLOUDSDK_CONFIG")
    if not folder and environ.home is None:
        return None
    known = environ.expand(folder or "~/.config/gcloud") / _WELL_KNOWN
    return known if _kind(known) in _MINTING else None


_WELL_KNOWN = "application_default_credentials.json"


def _kind(path: Path) -> str | None:
    """Return the type of a credentials file, `None` where it cannot be read."""
    with contextlib.suppress(ConfigurationError):
        found = _read(path).get("type")
        return found if isinstance(found, str) else None
    return None


def _problem(path: Path) -> str:
    """Say why a credentials file gives no ID token."""
    try:
        kind = _read(path).get("type")
    except ConfigurationError as error:
        return error.summary
    held = f"credentials of type {sanitize(kind, limit=40)}, which cannot issue ID tokens for an audience"
    return f"{sanitize_path(path)} holds {held if kind else 'no credentials'}"


def _read(path: Path) -> dict[str, object]:
    # It is read several times, which no pipe can be.
    if problem := endless(path, _FILE_LIMIT):
        raise ConfigurationError(f"the Google Cloud credentials file {sanitize_path(path)} {problem}", hint=_ON_FILE)
    return read_document(path, what="Google Cloud credentials file", hint=_ON_FILE, limit=_FILE_LIMIT)


_ON_FILE = f"set {FILE} to a credentials file that gcloud or the Google Cloud console wrote"
_ON_METADATA = "run again; if it persists, check GCE_METADATA_HOST, and that this runs on Google Cloud"
# How the APIs of Google state a status in the body of an error.
_CODE = re.compile(r"['\"]code['\"]:\s*(\d{3})\b")


def _told(error: Exception, known: list[SecretStr], status: int | None, path: Path | None) -> _Refusal:
    """Say what stopped google-auth. Of an error's parts some hold the response that it is about."""
    parts = [str(part) for part in error.args if isinstance(part, (str, Exception))]
    said = ": ".join(filter(None, parts))
    named = getattr(error, "filename", None)
    if isinstance(error, OSError) and isinstance(named, (str, bytes)):
        said = f"{sanitize_path(os.fsdecode(named))}, which {sanitize_path(path or FILE)} names, {file_problem(error)}"
    elif isinstance(error, subprocess.TimeoutExpired):
        said = "the program of `credential_source` did not end in time"
    elif isinstance(error, json.JSONDecodeError):
        said = "what should be JSON is something else"
    elif type(error) in {KeyError, TypeError, AttributeError}:
        said = f"{type(error).__name__}: {said}"
    shown = sanitize(said or type(error).__name__, known=known)
    return _Refusal(f"Google Cloud gave no ID token: {shown}", _remedy(error, said, status, path))


def _remedy(error: Exception, said: str, status: int | None, path: Path | None) -> str:
    stated = _CODE.search(str(error))
    status = int(stated[1]) if stated else status
    file = sanitize_path(path or FILE)
    remedies = [
        (status == 404, "attach a service account to the machine, job or service, or correct service_account_email"),
        (
            status == 403 or "getOpenIdToken" in said,
            "allow it to issue tokens: role roles/iam.serviceAccountOpenIdTokenCreator on the service account",
        ),
        (
            "Metadata-Flavor" in said,
            "something else answers at the metadata address: check GCE_METADATA_HOST and the proxy variables",
        ),
        (
            "impersonate no" in said,
            "name service_account_email in the profile's identity_token, or log in with "
            "`gcloud auth application-default login --impersonate-service-account=…`",
        ),
        (_ALLOW in said, f"set {_ALLOW}=1, if the program that {file} names is one to run"),
        (
            type(error).__name__ in {"TransportError", "TimeoutError", "ConnectionError"},
            "check the network, the proxy variables and the URLs in the credentials file",
        ),
        (
            path is not None,
            f"correct {file} (of an external account, `credential_source`), or have gcloud write it anew",
        ),
    ]
    return next(
        (remedy for holds, remedy in remedies if holds),
        "`gcloud auth print-identity-token` on the same machine says more",
    )


_ALLOW = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"
