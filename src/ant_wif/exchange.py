"""The token endpoint: the request built, the answer read. No caching, no files.

The grant is RFC 7523 §2.1 (`urn:ietf:params:oauth:grant-type:jwt-bearer`), sent as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from ant_wif.errors import ConfigurationError, ExchangeError
from ant_wif.identity import Context, IdentitySource, IdentityToken
from ant_wif.secrets import SecretStr, clean
from ant_wif.tokens import AccessToken
from ant_wif.transport import Flow, Reply, Request, Unreachable, send
from ant_wif.urls import check_url

__all__ = ["Federation", "exchange"]

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
BETA = "oauth-2025-04-20,oidc-federation-2026-04-01"
_TOKEN_FIELDS = ("access_token", "refresh_token", "id_token")
_ERROR_FIELDS = ("error", "error_description", "error_uri")


@dataclass(frozen=True)
class Federation:
    """What an identity token is exchanged under: the rule, and where its token is to be valid."""

    base_url: str
    federation_rule_id: str
    organization_id: str
    service_account_id: str | None = None
    workspace_id: str | None = None

    def check(self) -> None:
        """Refuse what the server could only refuse too, before a single-use assertion is spent on it.

        Raises:
            InsecureUrlError: the base URL must not carry a token.
            ConfigurationError: an id has not the form of its kind.
        """
        check_url(self.base_url, what="the base URL")
        wanted = [
            ("federation rule", self.federation_rule_id, _tagged("fdrl"), "fdrl_…"),
            ("organization", self.organization_id, _is_uuid, "a UUID without prefix"),
            ("service account", self.service_account_id, _tagged("svac"), "svac_…"),
            ("workspace", self.workspace_id, _is_workspace, "wrkspc_… or the word default"),
        ]
        for name, value, well_formed, expected in wanted:
            if value is not None and not well_formed(value):
                raise ConfigurationError(
                    f"{clean(value, limit=64)!r} is not the id of {'an' if name == 'organization' else 'a'} {name}: "
                    f"expected {expected}",
                    hint=f"copy the {name}'s id from the Console and mind which variable it goes into",
                )


def exchange(federation: Federation, source: IdentitySource, context: Context) -> Flow[AccessToken]:
    """Fetch an identity token from `source` and exchange it once.

    Raises:
        ConfigurationError, InsecureUrlError: refused before anything was sent.
        IdentityTokenError: the source has no token that could be exchanged.
        ExchangeError: the endpoint denied, failed, or could not be reached.
    """
    federation.check()
    token = yield from source.fetch(context)
    answer = yield from send(_request(federation, token))
    return _read(answer, federation, token, context.clock())


def _request(federation: Federation, token: IdentityToken) -> Request:
    fields: dict[str, str | SecretStr | None] = {
        "grant_type": JWT_BEARER,
        "assertion": token.assertion,
        "federation_rule_id": federation.federation_rule_id,
        "organization_id": federation.organization_id,
        "service_account_id": federation.service_account_id,
        "workspace_id": federation.workspace_id,
    }
    return Request(
        "POST",
        _endpoint(federation),
        headers={"anthropic-beta": BETA},
        json={name: value for name, value in fields.items() if value is not None},
    )


def _endpoint(federation: Federation) -> str:
    return f"{federation.base_url.rstrip('/')}/v1/oauth/token"


def _read(answer: Reply | Unreachable, federation: Federation, token: IdentityToken, now: float) -> AccessToken:
    if isinstance(answer, Unreachable):
        raise ExchangeError(
            f"the token endpoint {_endpoint(federation)} could not be used: {answer.reason}",
            hint="check the network, the proxy variables and ANTHROPIC_BASE_URL, then run again",
            unverified_claims=token.unverified_claims,
        )
    if answer.status != 200:
        raise _refusal(answer, federation, token, now)
    granted = _Granted.parse(answer.body)
    if isinstance(granted, str):
        raise ExchangeError(
            f"the token endpoint {_endpoint(federation)} answered HTTP 200, but {granted}",
            hint="check that ANTHROPIC_BASE_URL names the Claude API and that no proxy answers in its place",
            status=200,
            request_id=answer.request_id,
            unverified_claims=token.unverified_claims,
        )
    return AccessToken(granted.access_token, int(now) + granted.expires_in, lifetime=granted.expires_in)


@dataclass(frozen=True)
class _Granted:
    """The answer of RFC 6749 §5.1, as far as it matters."""

    access_token: SecretStr
    expires_in: int

    @classmethod
    def parse(cls, body: bytes) -> _Granted | str:
        """Return what is wrong in words, from a frame that no error passes: it holds the bare token."""
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return f"its body is {_what(body)}, expected a JSON object with access_token and expires_in"
        if not isinstance(fields, dict):
            return f"its body is a JSON {type(fields).__name__}, expected an object"
        token, expires_in, kind = (fields.get(name) for name in ("access_token", "expires_in", "token_type"))
        if kind is not None and str(kind).lower() != "bearer":
            shown = f"{kind!r}" if re.fullmatch(r"[A-Za-z]{1,16}", str(kind)) else "something else"
            return f"its token_type is {shown}, expected 'Bearer'"
        # A token goes into a header: what could not stand there, or would split it, is none.
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            return "it has no usable access_token"
        if isinstance(expires_in, str) and re.fullmatch(r"\d{1,9}", expires_in):
            expires_in = int(expires_in)
        if isinstance(expires_in, bool) or not isinstance(expires_in, (int, float)) or not 1 <= expires_in < 1e9:
            return "it does not say in expires_in for how many seconds the token is valid"
        return cls(SecretStr(token), int(expires_in))


def _refusal(answer: Reply, federation: Federation, token: IdentityToken, now: float) -> ExchangeError:
    body = _error_fields(answer.body, token.assertion)
    said = " ".join(body.values()) or f"its body is {_what(answer.body)}"
    request_id = f", request id {answer.request_id}" if answer.request_id else ""
    message = f"the token endpoint {_endpoint(federation)} answered HTTP {answer.status}{request_id}: {said}"
    causes: tuple[str, ...] = ()
    if answer.status in {401, 403}:
        causes = _likely_causes(federation, token)
        message = (
            f"the identity token was denied (HTTP {answer.status}{request_id}: {said}). "
            f"Sent: {_sent(federation)}. {_presented(token, now)}"
        )
    return ExchangeError(
        message,
        hint=_hint(answer, causes),
        status=answer.status,
        request_id=answer.request_id,
        body=body,
        causes=causes,
        unverified_claims=token.unverified_claims,
    )


def _hint(answer: Reply, causes: tuple[str, ...]) -> str:
    if causes:
        steps = "; ".join(f"({number}) {cause}" for number, cause in enumerate(causes, 1))
        return f"the Console's authentication history names the reason; check in this order: {steps}"
    if 300 <= answer.status < 400:
        return "the endpoint redirects, which is not followed with a token in hand: set ANTHROPIC_BASE_URL to the API"
    if answer.status in {408, 425, 429} or answer.status >= 500:
        after = answer.headers.get("retry-after", "")
        return f"run again in {after} seconds" if re.fullmatch(r"\d{1,5}", after) else "run again in a minute"
    if answer.status in {404, 405}:
        return "check that ANTHROPIC_BASE_URL names the Claude API"
    return "the message names the field that was refused: correct it"


def _sent(federation: Federation) -> str:
    return (
        f"rule {federation.federation_rule_id}, organization {federation.organization_id}, "
        f"service account {federation.service_account_id or 'not named'}, "
        f"workspace {federation.workspace_id or 'not named'}"
    )


def _presented(token: IdentityToken, now: float) -> str:
    claims = token.unverified_claims
    shown = ", ".join(f"{name}={_claim(claims.get(name))}" for name in ("iss", "sub", "aud") if name in claims)
    expires_at, issued_at = claims.get("exp"), claims.get("iat")
    age = ""
    if isinstance(issued_at, (int, float)) and abs(issued_at) < 1e12:
        age = f", {now - issued_at:.0f} seconds old"
    return f"The identity token from {token.source} says, unverified: {shown}, exp={_time(expires_at)}{age}"


def _claim(value: object) -> str:
    return clean(json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value, limit=200)


def _time(value: object) -> str:
    import datetime

    try:
        return datetime.datetime.fromtimestamp(int(value), datetime.timezone.utc).isoformat()  # type: ignore[call-overload]  # whatever it is, int() judges it
    except (TypeError, ValueError, OverflowError, OSError):
        return clean(value, limit=32)


def _likely_causes(federation: Federation, token: IdentityToken) -> tuple[str, ...]:
    """Why a well-formed request is denied, what happens most first. The server never says."""
    causes = [
        "the rule's subject, claims and audience match the `sub` and `aud` above, to the letter",
        "the rule's issuer has exactly the `iss` above, and its key set is reachable",
        f"the rule {federation.federation_rule_id} exists in this organization and is not archived",
    ]
    if "jti" in token.unverified_claims:
        causes.insert(1, "this very token was not exchanged before: one that carries a `jti` can be used once")
    if federation.workspace_id is None:
        causes.insert(1, "the rule covers several workspaces: set ANTHROPIC_WORKSPACE_ID to choose one")
    else:
        causes.append(f"the rule is enabled for the workspace {federation.workspace_id} and its account a member")
    return tuple(causes)


def _error_fields(body: bytes, assertion: SecretStr) -> dict[str, str]:
    """Keep the standard error fields (RFC 6749 §5.2 and the API's own), cleaned: a body may echo the assertion."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    found = {name: fields[name] for name in _ERROR_FIELDS if isinstance(fields.get(name), str)}
    if isinstance(fields.get("error"), dict):
        inner = fields["error"]
        found |= {f"error.{name}": inner[name] for name in ("type", "message") if isinstance(inner.get(name), str)}
    known = [assertion, *(SecretStr(value) for value in map(fields.get, _TOKEN_FIELDS) if isinstance(value, str))]
    return {name: clean(value, known=known) for name, value in found.items()}


def _what(body: bytes) -> str:
    start = body[:256].lstrip().lower()
    if not start:
        return "empty"
    return "an HTML page" if start.startswith((b"<!doctype", b"<html", b"<head")) else f"{len(body)} bytes of no JSON"


def _tagged(prefix: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(rf"{prefix}_[A-Za-z0-9_-]{{1,128}}", value) is not None


def _is_workspace(value: str) -> bool:
    return value == "default" or _tagged("wrkspc")(value)


def _is_uuid(value: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value) is not None
