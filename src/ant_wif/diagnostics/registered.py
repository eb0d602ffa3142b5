"""What is known of the server's side: from files, or from an organization, with the drift of its clock."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ant_wif._constants import ADMIN_SCOPE
from ant_wif._files import read_document
from ant_wif._http import Flow, Request, RequestFailure, Response, T, is_loopback, run, seconds_ahead, send
from ant_wif._resolution import Resolution
from ant_wif._secrets import sanitize, sanitize_path
from ant_wif._strict import read_object
from ant_wif.admin.client import (
    Admin,
    Document,
    can_verify,
    key_set_of,
    parsed,
    read_issuer,
    read_rule,
    read_service_account,
    required_text,
)
from ant_wif.errors import ApiError, ConfigurationError
from ant_wif.rules import Issuer, KeySet, KeySetUnavailableError, Rule, ServiceAccount, read_key_set
from ant_wif.rules.registration import address_flaw

if TYPE_CHECKING:
    import httpx

    from ant_wif.credentials import Credentials

__all__ = [
    "Registered",
    "administrator",
    "noting_dates",
    "read_registered",
    "registered_for",
]


def noting_dates(flow: Flow[T], drifts: list[float], clock: Callable[[], float]) -> Flow[T]:
    """Run the flow as it is, and note of each answer how far its `Date` is ahead of this machine's clock."""
    try:
        step = next(flow)
        while True:
            try:
                answer = yield step
            except Exception as error:  # noqa: BLE001 - it is the flow's, and goes there
                step = flow.throw(error)
                continue
            ahead = seconds_ahead(answer.headers, clock()) if isinstance(answer, Response) else None
            if ahead is not None:
                drifts.append(ahead)
            step = flow.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value


@dataclass(frozen=True)
class Registered:
    """What is known of the server's side; `None` for what is not.

    `inline_keys` says that the keys are those that stand in the issuer, as registered. `organization_id` is that
    of the organization that was asked, `origin` says with what; `absent` is the id of a rule that it has not got.
    `seconds_ahead` is how far the clock of who was asked is ahead of this machine's. `notes` say what could not be
    read, and why.
    """

    rule: Rule | None = None
    issuer: Issuer | None = None
    key_set: Callable[[], KeySet] | None = None
    inline_keys: bool = False
    service_account: ServiceAccount | None = None
    default_workspace_id: str | None = None
    organization_id: str | None = None
    origin: str | None = None
    absent: str | None = None
    seconds_ahead: float | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, *, rule: Path | None = None, issuer: Path | None = None, jwks: Path | None = None) -> Registered:
        """Read the files that are given.

        Raises:
            ConfigurationError: a file cannot be read, or is not what it should be.
        """
        issued = _read(issuer, "issuer", lambda document: (read_issuer(document, whole=False), key_set_of(document)))
        keys = _read(jwks, "key set", _published)
        registered, inline = issued or (None, None)
        found = _read(rule, "rule", partial(read_rule, whole=False))
        return cls(found, registered, keys or inline, keys is None and inline is not None)

    def over(self, other: Registered) -> Registered:
        """Return `other` with what is known here in the place of what is known there.

        An issuer in the place of another brings its keys, or none: those of the other are not its own.
        """
        found = replace(other, rule=self.rule, absent=None) if self.rule is not None else other
        if self.issuer is not None:
            found = replace(found, issuer=self.issuer, key_set=None, inline_keys=False)
        if self.key_set is not None:
            found = replace(found, key_set=self.key_set, inline_keys=self.inline_keys)
        return found


def _published(document: Mapping[str, object]) -> Callable[[], KeySet]:
    if not can_verify():
        raise ValueError("to verify signatures takes PyJWT: pip install 'ant-wif[emulator]'")
    try:
        keys = read_key_set(document)
    except KeySetUnavailableError as error:
        raise ValueError(str(error)) from None
    return lambda: keys


def _read(path: Path | None, what: str, reader: Callable[[Mapping[str, object]], T]) -> T | None:
    if path is None:
        return None
    document = read_document(path, what=f"{what} file", hint=_hint(what), may_be_yaml=True)
    try:
        return reader(document)
    except ValueError as error:
        raise ConfigurationError(
            f"the {what} file {sanitize_path(path)} is not valid: {error}", hint=_hint(what)
        ) from None


def _hint(what: str) -> str:
    if what == "key set":
        return "give --jwks the JSON that the issuer publishes, at `jwks_uri` of its discovery document"
    return f"give --{what} the JSON or YAML of one {what} as the Admin API returns it"


_PATIENCE_SECONDS = 10.0
_DISCOVERY = "/.well-known/openid-configuration"


def registered_for(resolution: Resolution, *, http_client: httpx.Client | None = None) -> Registered:
    """Return what is registered for this run's federation, nothing where no administrator's login was named.

    Raises what `administrator` and `read_registered` raise.
    """
    rule_id = resolution.inputs.settings.federation_rule_id
    credentials = administrator(resolution)
    if credentials is None or rule_id is None:
        return Registered()
    return read_registered(credentials, rule_id, clock=resolution.inputs.clock, http_client=http_client)


def administrator(resolution: Resolution) -> Credentials | None:
    """Return the login of an administrator that was named by `--profile` or ANTHROPIC_PROFILE.

    `None` where none was named, or what was named is a federation, or a login without the scope org:admin: then
    the profile says nothing about what is registered. Raises AntWifError where the login cannot be used.
    """
    named = next(each for each in resolution.candidates if each.tier == 3)
    if named.profile is None or named.profile.type != "user_oauth":
        return None
    granted = named.stored.scope if named.stored is not None else None
    scopes = granted or getattr(named.profile.known.authentication, "scope", None) or ""
    if ADMIN_SCOPE not in scopes.split():
        return None
    if named.error is not None:
        raise named.error
    return resolution.credentials(named)


def read_registered(
    credentials: Credentials,
    rule_id: str,
    *,
    clock: Callable[[], float] = time.time,
    http_client: httpx.Client | None = None,
) -> Registered:
    """Read a rule with all that it names, and the keys of its issuer; `http_client` fetches these.

    `clock` tells this machine's time, to be compared with that of the API.

    Raises:
        ApiError: the server refused, failed or could not be reached.
        ConfigurationError: the credential is an API key.
    """
    with Admin(credentials) as admin:
        headers = admin.headers()
        asked = Registered(
            organization_id=admin.organization_id(headers),
            origin=credentials.origin,
            seconds_ahead=seconds_ahead(headers, clock()),
        )
        try:
            rule = parsed(read_rule, admin.rules.get(rule_id))
        except ApiError as error:
            if error.status == 404:
                return replace(asked, absent=rule_id)
            raise
        issued = admin.issuers.get(rule.issuer_id)
        account_id = rule.service_account_id
        account = admin.service_accounts.get(account_id)
        members = [required_text(each, "workspace_id") for each in admin.service_accounts.workspaces(account_id)]
        default = admin.default_workspace_id()
    local = is_loopback(urlsplit(credentials.base_url).hostname or "")
    notes: list[str] = []
    keys = key_set_of(issued)
    inline = keys is not None
    if keys is None:
        try:
            fetched = _fetched_keys(issued, credentials.environ, allow_loopback=local, client=http_client)
            keys = lambda: fetched  # noqa: E731 - what the checks ask for
        except KeySetUnavailableError as error:
            notes.append(f"the issuer's keys could not be had from here, which says nothing of the platform: {error}")
    return replace(
        asked,
        rule=rule,
        issuer=parsed(read_issuer, issued),
        key_set=keys,
        inline_keys=inline,
        service_account=parsed(lambda document: read_service_account(document, members), account),
        default_workspace_id=default,
        notes=tuple(notes),
    )


def _fetched_keys(
    issuer: Document, environ: Mapping[str, str], *, allow_loopback: bool, client: httpx.Client | None
) -> KeySet:
    """Fetch the keys as the platform does. Raises KeySetUnavailableError."""
    if not can_verify():
        raise KeySetUnavailableError("to verify signatures takes PyJWT: pip install 'ant-wif[emulator]'")
    jwks = issuer.get("jwks")
    source: Mapping[str, object] = jwks if isinstance(jwks, dict) else {"type": "discovery"}
    with ExitStack() as stack:
        authority = source.get("ca_cert_pem")
        ca_file = None
        if isinstance(authority, str):
            ca_file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "ca.pem"
            ca_file.write_text(authority, encoding="utf-8", errors="replace")

        def fetch(url: object) -> Mapping[str, object]:
            flaw = address_flaw(str(url), allow_loopback=allow_loopback)
            if flaw is not None:
                raise KeySetUnavailableError(f"{sanitize(url)} {flaw}")
            request = Request("GET", str(url), timeout=_PATIENCE_SECONDS, ca_file=ca_file)
            return _document(run(send(request), client, environ), request.url)

        if source.get("type") == "explicit_url":
            return read_key_set(fetch(source.get("url")))
        base = str(source.get("discovery_base") or issuer.get("issuer_url")).rstrip("/")
        return read_key_set(fetch(fetch(f"{base}{_DISCOVERY}").get("jwks_uri")))


def _document(answer: Response | RequestFailure, url: str) -> Mapping[str, object]:
    if not isinstance(answer, Response):
        raise KeySetUnavailableError(f"{sanitize(url)}: {answer.reason}")
    if answer.status != 200:
        raise KeySetUnavailableError(f"{sanitize(url)} returned HTTP {answer.status}: {answer.error(()).said}")
    try:
        return read_object(answer.body)
    except ValueError:
        raise KeySetUnavailableError(f"{sanitize(url)} returned something that is not a JSON object") from None
