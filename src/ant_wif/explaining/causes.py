"""What the tokens of a platform are known to be denied for, read off the token itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ant_wif.explaining.documents import Registered
from ant_wif.rules import Check

__all__ = ["is_from", "platform_causes"]

Claims = Mapping[str, object]

_ISSUER, _KEY, _SIGNATURE, _SUBJECT = 6, 7, 8, 12
_CLUSTER_AUDIENCES = ("https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local")


def platform_causes(source: str, claims: Claims, registered: Registered, checks: tuple[Check, ...]) -> Iterator[str]:
    """Yield what is known to go wrong with a token like this, the most likely first.

    `source` is the name of the identity source. A cause that a check has ruled out is not named.
    """
    passed = {check.number for check in checks if check.passed}
    suspects = {
        "github": _github(claims, passed),
        "google": _google(claims),
        "azure": _azure(claims, registered, checks),
        "kubernetes": _kubernetes(claims, registered, checks),
    }
    for platform, causes in suspects.items():
        if is_from(platform, source, claims):
            yield from causes


def is_from(platform: str, source: str, claims: Claims) -> bool:
    """Whether a token is of the platform, also where it came in a file."""
    issuer = str(claims.get("iss"))
    return {
        "github": source == "github_actions"
        or issuer.startswith("https://token.actions.githubusercontent.com")
        or "job_workflow_ref" in claims,
        "google": source == "google_cloud" or issuer == "https://accounts.google.com",
        "azure": source == "azure"
        or issuer.startswith(("https://sts.windows.net/", "https://login.microsoftonline.com/")),
        "kubernetes": source == "kubernetes" or "kubernetes.io" in claims or "://oidc.eks." in issuer,
    }[platform]


def _github(claims: Claims, passed: set[int]) -> Iterator[str]:
    subject = str(claims.get("sub"))
    if _SUBJECT in passed:
        return
    if re.match(r"repo:[^/@]+@\d+/[^/@:]+@\d+:", subject):
        yield (
            "GitHub Actions: `sub` names owner and repository with their numbers, as it does for repositories that "
            "were created or renamed after 15 July 2026; the rule's subject must have them too"
        )
    if subject.endswith(":pull_request"):
        yield (
            "GitHub Actions: the job runs for a pull request, so `sub` ends in `pull_request` and not in "
            "`ref:refs/heads/…`; run it on push, or write a rule for pull requests"
        )
    elif ":environment:" in subject:
        environment = subject.partition(":environment:")[2]
        yield (
            f"GitHub Actions: the job names an environment, so `sub` ends in `environment:{environment}` and not in "
            "`ref:refs/heads/…`; the rule must expect that, or the job must name none"
        )
    elif ":ref:refs/tags/" in subject:
        yield "GitHub Actions: the job runs for a tag, so `sub` ends in `ref:refs/tags/…`; a branch's rule denies it"


def _google(claims: Claims) -> Iterator[str]:
    if "email" not in claims:
        yield (
            "Google Cloud: the token has no `email`, so a rule that names it denies the token; it is there when the "
            "metadata server is asked with `format=full`"
        )


def _azure(claims: Claims, registered: Registered, checks: tuple[Check, ...]) -> Iterator[str]:
    is_issuer = any(check.number == _ISSUER and check.passed for check in checks)
    if not is_issuer and (claims.get("ver") == "1.0" or str(claims.get("iss")).startswith("https://sts.windows.net/")):
        yield (
            "Azure: this is a v1.0 token, whose `iss` is https://sts.windows.net/…/ with a slash at the end; register "
            "that issuer, or set requestedAccessTokenVersion to 2 in the application's manifest"
        )
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    too_long = any(check.reason == "lifetime_exceeded" for check in checks)
    if too_long and isinstance(issued_at, int) and isinstance(expires_at, int):
        yield (
            f"Azure: the token lives {(expires_at - issued_at) / 3600:.0f} hours, as those of managed identities do, "
            "and an issuer accepts one hour unless it is told otherwise; set its max_jwt_lifetime_seconds to "
            f"{expires_at - issued_at} or more"
        )
    audience = claims.get("aud")
    if registered.rule is None and isinstance(audience, str) and not audience.startswith("https://api.anthropic.com"):
        yield (
            f"Azure: the token's audience is {audience}, because Entra ID knows applications only; the rule must "
            "name it as its audience, in full: v1.0 tokens have `api://…`, v2.0 tokens the bare application id"
        )


def _kubernetes(claims: Claims, registered: Registered, checks: tuple[Check, ...]) -> Iterator[str]:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if "sts.amazonaws.com" in audiences:
        yield (
            "EKS: the token is the one for IAM roles (IRSA), with the audience sts.amazonaws.com; project a second one "
            "with the audience https://api.anthropic.com"
        )
    if any(each in _CLUSTER_AUDIENCES for each in audiences):
        yield (
            "Kubernetes: the token is the pod's own for the cluster's API; project one with the audience "
            "https://api.anthropic.com"
        )
    by_number = {check.number: check for check in checks}
    stale = {by_number[_KEY].reason, by_number[_SIGNATURE].reason} & {"kid_not_found", "signature_invalid"}
    if stale and registered.inline_keys:
        yield (
            "Kubernetes: the keys that are registered inline are not those that the cluster signs with now; register "
            "the output of `kubectl get --raw /openid/v1/jwks` anew"
        )
    elif by_number[_KEY].unchecked:
        yield (
            "Kubernetes: where the issuer's keys are registered inline, they are stale after the cluster has rotated "
            "its own; compare them with `kubectl get --raw /openid/v1/jwks`"
        )
