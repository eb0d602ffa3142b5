"""Issuers that many organizations share, and what in a rule tells one of them from all the others.

Anyone can get a token of such an issuer. A rule that does not say whose tokens it means would accept them all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ant_wif.rules.cel import named_claims
from ant_wif.rules.models import Rule


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
