"""What may be registered: names, issuers and rules, checked before anybody relies on them.

Everything that registers asks here: the emulator's Admin API and seed file, and a client that wants to know
before it asks the platform. The functions are pure.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ant_wif._constants import ADMIN_SCOPE
from ant_wif.rules.cel import ConditionError, ConditionUnavailableError, check_condition, named_claims
from ant_wif.rules.models import Issuer, Rule

# Strict, so that no two parsers can disagree about where a URL leads: no user, no blank, no backslash, ASCII only.
_URL = re.compile(
    r"(?P<scheme>(?i:https?))://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>\d{1,5}))?"
    r"([/?][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?",
    re.ASCII,
)
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The last label of every public name begins with a letter. That of an IPv4 address, in any spelling, does not.
_DNS_NAME = re.compile(rf"({_LABEL}\.)+[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?")
# Names that no public server answers (RFC 6761, RFC 6762, RFC 7686, RFC 8375). Those for tests and examples may stand.
_NOWHERE = ("localhost", "local", "internal", "home.arpa", "onion", "invalid", "alt")


def address_flaw(url: str, *, allow_loopback: bool = False) -> str | None:
    """Return what is wrong with a URL to fetch from, as in "must …", or `None`.

    With `allow_loopback`, this machine may be named as well, over http or https and on any port.
    """
    found = _URL.fullmatch(url)
    if found is None or int(found["port"] or 0) > 65535:
        return "must be a URL of scheme, host, port and path, such as https://idp.example.com"
    host = found["host"].lower()
    if allow_loopback and is_loopback(host.strip("[]")):
        return None
    flaws = {
        "must use https": found["scheme"].lower() != "https",
        "must use port 443": int(found["port"] or 443) != 443,
        "must name its host by a public DNS name, not by an IP address or a name without a dot": len(host) > 253
        or not _DNS_NAME.fullmatch(host),
        f"must name a host that is public, and {host} is not": any(
            f".{host}".endswith(f".{name}") for name in _NOWHERE
        ),
    }
    return next((flaw for flaw, there in flaws.items() if there), None)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`: a loopback address, or `localhost`."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


@dataclass(frozen=True)
class SharedIssuer:
    """`claims` name a tenant or something that one tenant owns; `subject` is how a subject begins that does.

    Where there is no `subject`, a subject in full is a tenant's, and the beginning of one is not.
    """

    name: str
    claims: frozenset[str]
    subject: re.Pattern[str] | None
    example: str


# A name is whole only where what ends it is there too: `repo:acme*` accepts `repo:acme-evil/x`. The star at the
# end of a prefix is part of what these expressions see, so that it is not taken for the end of a subject.
SHARED_ISSUERS = {
    "https://token.actions.githubusercontent.com": SharedIssuer(
        "GitHub Actions",
        frozenset(
            {
                "enterprise",
                "enterprise_id",
                "repository",
                "repository_id",
                "repository_owner",
                "repository_owner_id",
                "workflow_ref",
            }
        ),
        re.compile(
            r"""repo:[^*/:\s]+/ | repository:[^*/:\s]+/ | repository_owner:[^*/:\s]+(:|\Z)
            | repository(_owner)?_id:\d+(:|\Z)""",
            re.VERBOSE,
        ),
        "a subject_prefix such as repo:OWNER/*, or the claim repository_owner",
    ),
    "https://gitlab.com": SharedIssuer(
        "GitLab",
        frozenset({"namespace_id", "namespace_path", "project_id", "project_path"}),
        re.compile(r"project_path:[^*/:\s]+/"),
        "a subject_prefix such as project_path:GROUP/*, or the claim namespace_path",
    ),
    "https://agent.buildkite.com": SharedIssuer(
        "Buildkite",
        frozenset({"organization_id", "organization_slug", "pipeline_id"}),
        re.compile(r"organization:[^*/:\s]+:"),
        "a subject_prefix such as organization:ORGANIZATION:*, or the claim organization_slug",
    ),
    "https://app.terraform.io": SharedIssuer(
        "Terraform Cloud",
        frozenset(
            {
                "terraform_organization_id",
                "terraform_organization_name",
                "terraform_project_id",
                "terraform_workspace_id",
            }
        ),
        re.compile(r"organization:[^*/:\s]+:"),
        "a subject_prefix such as organization:ORGANIZATION:*, or the claim terraform_organization_name",
    ),
    "https://accounts.google.com": SharedIssuer(
        "Google",
        frozenset({"email", "hd", "sub"}),
        None,
        "a subject_prefix that is the whole subject, or the claim email or hd",
    ),
}


def shared_issuer(issuer_url: str) -> SharedIssuer | None:
    """Return the shared issuer that has this URL, or `None` where one organization alone has its tokens."""
    return SHARED_ISSUERS.get(issuer_url.lower().rstrip("/"))


def pins_tenant(rule: Rule, shared: SharedIssuer) -> bool:
    """Return whether the rule says whose tokens of a shared issuer it means."""
    subject, exact = rule.subject_prefix or "", rule.claims.get("sub", "")
    if _is_a_tenants(subject, shared, whole=not subject.endswith("*")) or _is_a_tenants(exact, shared, whole=True):
        return True
    if any(rule.claims.get(name) for name in shared.claims):
        return True
    return rule.condition is not None and not shared.claims.isdisjoint(named_claims(rule.condition))


def _is_a_tenants(subject: str, shared: SharedIssuer, *, whole: bool) -> bool:
    if shared.subject is None:
        return whole and bool(subject)
    return shared.subject.match(subject) is not None


MAX_JWT_LIFETIMES = range(1, 176_400 + 1)
"""How many seconds an issuer's tokens may live at most."""

TOKEN_LIFETIMES = range(60, 86_400 + 1)
"""How many seconds the access tokens of a rule may live."""

SCOPES = ("workspace:developer", "workspace:inference", ADMIN_SCOPE)
"""What a rule may grant. The last one is for the Console to give away."""

NAME_FORM = r"[a-z0-9-]{1,255}"

_NAME = re.compile(NAME_FORM)


class RegistrationError(ValueError):
    """Something that cannot be registered. `field` names where it is wrong, `sentence` says how it must be.

    Both together are the text of the error: `name: must be …`.
    """

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(field, sentence)
        self.field = field
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence}"


def check_name(name: str) -> None:
    """Raises `RegistrationError` for what is not a name of a rule, an issuer or a service account."""
    if not _NAME.fullmatch(name):
        raise RegistrationError("name", "must be 1 to 255 lower-case letters, digits and hyphens")


def check_issuer(issuer: Issuer, jwks: Mapping[str, object], *, allow_loopback: bool = False) -> None:
    """Check an issuer, and where its keys come from: `jwks` in the form that the Admin API takes.

    Only a URL that is fetched must be public; `issuer_url` is otherwise a string to compare with.
    Raises `RegistrationError`.
    """
    check_name(issuer.name)
    if not issuer.issuer_url:
        raise RegistrationError("issuer_url", "must not be empty")
    _check_range("max_jwt_lifetime_seconds", issuer.max_jwt_lifetime_seconds, MAX_JWT_LIFETIMES)
    fetched = fetched_url(issuer.issuer_url, jwks)
    if fetched is not None:
        field, url = fetched
        flaw = address_flaw(url, allow_loopback=allow_loopback)
        if flaw is not None:
            raise RegistrationError(field, flaw)


def fetched_url(issuer_url: str, jwks: Mapping[str, object]) -> tuple[str, str] | None:
    """Return which field says where keys are fetched, and what it says; `None` where none are."""
    if jwks.get("type") == "explicit_url":
        return "jwks.url", str(jwks.get("url", ""))
    if jwks.get("type") != "discovery":
        return None
    base = jwks.get("discovery_base")
    return ("issuer_url", issuer_url) if base is None else ("jwks.discovery_base", str(base))


def check_rule(rule: Rule, *, issuer_url: str, organization_role: str | None) -> None:
    """Check a rule for an issuer and for a target with this role; a role of `None` is not known.

    Raises `RegistrationError`. Whether what the rule names exists is the caller's matter.
    """
    check_terms(rule, issuer_url=issuer_url, organization_role=organization_role)
    check_enablement(rule)


def check_terms(rule: Rule, *, issuer_url: str, organization_role: str | None) -> None:
    """Check everything but where the rule is enabled. Raises `RegistrationError`."""
    check_name(rule.name)
    _check_match(rule)
    check_tenant(rule, issuer_url)
    _check_range("token_lifetime_seconds", rule.token_lifetime_seconds, TOKEN_LIFETIMES)
    scopes = rule.oauth_scope.split(" ")
    if not set(scopes) <= set(SCOPES) or len(set(scopes)) != len(scopes):
        raise RegistrationError("oauth_scope", f"must be one or more of {', '.join(SCOPES)}, with one space between")
    if ADMIN_SCOPE in scopes and organization_role not in {"admin", None}:
        sentence = f"{ADMIN_SCOPE} takes a target whose organization_role is admin, and this one's is not"
        raise RegistrationError("oauth_scope", sentence)


def check_enablement(rule: Rule) -> None:
    """Raises `RegistrationError` for a rule that is enabled nowhere."""
    if not rule.workspace_ids and not rule.applies_to_all_workspaces:
        raise RegistrationError("workspace_id", "is required, unless applies_to_all_workspaces is true")


def check_tenant(rule: Rule, issuer_url: str) -> None:
    """Raises `RegistrationError` where many organizations share the issuer, and the rule takes them all."""
    shared = shared_issuer(issuer_url)
    if shared is not None and not pins_tenant(rule, shared):
        raise RegistrationError("match", f"does not say whose tokens of {shared.name} it means: add {shared.example}")


def _check_match(rule: Rule) -> None:
    for field, value in (("subject_prefix", rule.subject_prefix), ("audience", rule.audience)):
        if value == "":
            raise RegistrationError(f"match.{field}", "must not be empty")
    if not (rule.subject_prefix or "").strip("*") and not rule.claims and rule.condition is None:
        raise RegistrationError(
            "match", "takes any token of the issuer: add claims, a condition, or a subject_prefix other than *"
        )
    if rule.condition is None:
        return
    try:
        check_condition(rule.condition)
    except ConditionError as error:
        raise RegistrationError("match.condition", str(error)) from None
    except ConditionUnavailableError as error:
        raise RegistrationError("match.condition", f"cannot be checked here: {error}") from None


def _check_range(field: str, value: int, allowed: range) -> None:
    if value not in allowed:
        raise RegistrationError(field, f"must be {allowed[0]} to {allowed[-1]} seconds")
