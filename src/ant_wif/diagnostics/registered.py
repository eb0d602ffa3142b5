"""What is registered, read from the platform with the login of an administrator."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ant_wif._http.flow import Reply, Request, send
from ant_wif._http.transport import run
from ant_wif._http.urls import is_loopback
from ant_wif._resolution.chain import Resolution
from ant_wif._secrets import clean
from ant_wif.admin.client import ADMIN_SCOPE, Admin, Document, stated, understood
from ant_wif.admin.documents import can_verify, key_set_of, read_issuer, read_rule, read_service_account
from ant_wif.diagnostics.clocks import seconds_ahead
from ant_wif.diagnostics.documents import Registered
from ant_wif.errors import ApiError
from ant_wif.rules import KeySet, KeySetUnavailableError, read_key_set
from ant_wif.rules.addresses import address_flaw

if TYPE_CHECKING:
    import httpx

    from ant_wif.credentials import Credentials

__all__ = ["administrator", "read_registered", "registered_for"]

_PATIENCE_SECONDS = 10.0
_DISCOVERY = "/.well-known/openid-configuration"


def registered_for(resolution: Resolution, *, http_client: httpx.Client | None = None) -> Registered:
    """Return what is registered for this run's federation, nothing where no administrator's login was named.

    Raises what `administrator` and `read_registered` raise.
    """
    rule_id = resolution.settings.federation_rule_id
    credentials = administrator(resolution)
    if credentials is None or rule_id is None:
        return Registered()
    return read_registered(credentials, rule_id, clock=resolution.clock, http_client=http_client)


def administrator(resolution: Resolution) -> Credentials | None:
    """Return the login of an administrator that was named outright, by `--profile` or ANTHROPIC_PROFILE.

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
        found = _found(lambda: admin.rules.get(rule_id))
        if found is None:
            return replace(asked, absent=rule_id)
        rule = understood(read_rule, found)
        issued = admin.issuers.get(rule.issuer_id)
        account_id = rule.service_account_id
        account = admin.service_accounts.get(account_id)
        members = [stated(each, "workspace_id") for each in admin.service_accounts.workspaces(account_id)]
        default = admin.default_workspace_id()
    local = is_loopback(urlsplit(credentials.base_url).hostname or "")
    notes: list[str] = []
    keys = key_set_of(issued)
    inline = keys is not None
    if keys is None:
        try:
            fetched = _fetched_keys(issued, allow_loopback=local, client=http_client)
            keys = lambda: fetched  # noqa: E731 - what the checks ask for
        except KeySetUnavailableError as error:
            notes.append(f"the issuer's keys could not be had from here, which says nothing of the platform: {error}")
    return replace(
        asked,
        rule=rule,
        issuer=understood(read_issuer, issued),
        key_set=keys,
        inline_keys=inline,
        service_account=understood(lambda document: read_service_account(document, members), account),
        default_workspace_id=default,
        notes=tuple(notes),
    )


def _fetched_keys(issuer: Document, *, allow_loopback: bool, client: httpx.Client | None) -> KeySet:
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
                raise KeySetUnavailableError(f"{clean(url)} {flaw}")
            return _document(Request("GET", str(url), timeout=_PATIENCE_SECONDS, ca_file=ca_file), client)

        if source.get("type") == "explicit_url":
            return read_key_set(fetch(source.get("url")))
        base = str(source.get("discovery_base") or issuer.get("issuer_url")).rstrip("/")
        return read_key_set(fetch(fetch(f"{base}{_DISCOVERY}").get("jwks_uri")))


def _document(request: Request, client: httpx.Client | None) -> Mapping[str, object]:
    answer = run(send(request), client)
    if not isinstance(answer, Reply):
        raise KeySetUnavailableError(f"{clean(request.url)}: {answer.reason}")
    if answer.status != 200:
        raise KeySetUnavailableError(f"{clean(request.url)} was answered with HTTP {answer.status}")
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise KeySetUnavailableError(f"{clean(request.url)} was answered with something that is no JSON object")
    return found


def _found(get: Callable[[], Document]) -> Document | None:
    try:
        return get()
    except ApiError as error:
        if error.status != 404:
            raise
        return None
