"""Why a token is denied, as far as can be seen from here: for errors, `ant auth verify` and `explain` alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ant_wif._constants import DEFAULT_AUDIENCE
from ant_wif.rules.evaluate import Evaluation, Knowledge, evaluate_known
from ant_wif.rules.models import Check, ExchangeRequest, Rule
from ant_wif.rules.reasons import REASONS

__all__ = ["examine", "visible_causes"]

Claims = Mapping[str, object]

_ISSUER, _KEY, _SIGNATURE, _AUDIENCE, _SUBJECT, _CLAIMS, _CONDITION, _JTI = 6, 7, 8, 11, 12, 13, 14, 15
_CLUSTER_AUDIENCES = ("https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local")
_NUMBERS = (
    "GitHub Actions: `sub` names owner and repository with their numbers, as it does for repositories that were "
    "created, renamed or transferred after 15 July 2026, or have chosen it; the rule's subject must have them too"
)
_DEPENDABOT = "dependabot[bot]"


def examine(
    request: ExchangeRequest, known: Knowledge, *, source: str, now: float, used: bool = False, lost: bool = False
) -> Evaluation:
    """Make every check that can be made. `source` is the name of the identity source, empty where it is not known.

    `used` says that the token was exchanged from this machine before, `lost` that it was presented and no answer came.
    """
    found = evaluate_known(request, known, now=now, jti_seen=lambda _: used)
    if _is_from("azure", source, found.unverified_claims or {}):
        # Its tokens have neither the usual lifetime nor, where it is v2.0, the audience that was asked for.
        found = evaluate_known(request, replace(known, defaults_apply=False), now=now, jti_seen=lambda _: used)
    if "jti" not in (found.unverified_claims or {}):
        return found
    return replace(found, checks=tuple(_as_far_as_known(check, lost=lost) for check in found.checks))


def _as_far_as_known(check: Check, *, lost: bool) -> Check:
    """Say of a token that was not exchanged from here no more than that."""
    if check.number != _JTI or not check.passed:
        return check
    if lost:
        sentence = "The token was presented before and no answer came, so it may be used already."
        return replace(check, unchecked=True, sentence=sentence)
    return replace(check, found=f"{check.found}, not from this machine")


def visible_causes(
    checks: tuple[Check, ...], claims: Claims, known: Knowledge, *, source: str, before: str = ""
) -> tuple[str, ...]:
    """Return what explains a denial, the certain before the likely: failed checks, earlier use, usual mismatches.

    `before` says what is known of an earlier use of the token.
    """
    failed = (f"{check.sentence} {REASONS[check.reason].remedy}" for check in checks if check.failed and check.reason)
    return (*failed, *([before] if before else []), *_of_the_audience(checks, claims, known, source),
            *_platform_causes(source, claims, known, checks))  # fmt: skip


def _of_the_audience(checks: tuple[Check, ...], claims: Claims, known: Knowledge, source: str) -> Iterator[str]:
    wanted = known.expected_audience or DEFAULT_AUDIENCE
    unknown = any(check.number == _AUDIENCE and check.unchecked for check in checks)
    if known.rule is not None or wanted == DEFAULT_AUDIENCE or not unknown or _is_from("azure", source, claims):
        return
    slash = " by a slash at the end" if wanted.rstrip("/") == DEFAULT_AUDIENCE else ""
    yield (
        f"the token is for the audience {wanted}, which differs from the default {DEFAULT_AUDIENCE}{slash}; the rule "
        "must name exactly that audience, or ANT_IDENTITY_AUDIENCE must go"
    )


def _platform_causes(source: str, claims: Claims, known: Knowledge, checks: tuple[Check, ...]) -> Iterator[str]:
    """Yield what is known to go wrong with a token like this, the most likely first.

    A cause that a check has ruled out is not named.
    """
    passed = {check.number for check in checks if check.passed}
    failed = {check.number for check in checks if check.failed}
    suspects = {
        "github": _github(claims, known.rule, passed, failed),
        "google": _google(claims, passed),
        "azure": _azure(claims, known.rule, checks, passed),
        "kubernetes": _kubernetes(claims, known, checks, passed),
    }
    for platform, causes in suspects.items():
        if _is_from(platform, source, claims):
            yield from causes


def _is_from(platform: str, source: str, claims: Claims) -> bool:
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


def _github(claims: Claims, rule: Rule | None, passed: set[int], failed: set[int]) -> Iterator[str]:
    yield from _reusable(claims, passed)
    subject = claims.get("sub")
    if _SUBJECT in passed or not isinstance(subject, str):
        return
    wanted = rule.subject_prefix if rule is not None else None
    if wanted is None:
        yield from [_NUMBERS] if _has_numbers(subject) else []
    elif _ISSUER not in failed:
        yield from _between_subjects(subject, wanted)
    yield from _started_by(claims)
    if wanted is None or _context(subject) != _context(wanted) or "gh-readonly-queue" in subject:
        yield from _between_contexts(subject, wanted)


def _reusable(claims: Claims, passed: set[int]) -> Iterator[str]:
    caller, called = claims.get("workflow_ref"), claims.get("job_workflow_ref")
    if caller and called and caller != called and not {_CLAIMS, _CONDITION} <= passed:
        yield (
            f"GitHub Actions: the job is part of a reusable workflow, so `job_workflow_ref` is {called} and not the "
            f"workflow that calls it, {caller}; the rule must expect the former"
        )


def _started_by(claims: Claims) -> Iterator[str]:
    if claims.get("actor") == _DEPENDABOT:
        yield (
            "GitHub Actions: Dependabot started the job, so `sub` is that of its pull request or of a branch "
            "`dependabot/…`; write a rule for it, or leave out the step when `github.actor` is dependabot[bot]"
        )


def _between_contexts(subject: str, wanted: str | None) -> Iterator[str]:
    """Yield in what a job runs for something else than the rule expects, or than rules usually do."""
    if ":ref:refs/heads/gh-readonly-queue/" in subject:
        yield (
            "GitHub Actions: the job runs in a merge queue, so `sub` names a temporary branch, "
            "`ref:refs/heads/gh-readonly-queue/…`; write a rule whose subject ends in `gh-readonly-queue/*`, or run "
            "it on push"
        )
    elif _context(subject) == "pull_request":
        yield (
            "GitHub Actions: the job runs for a pull request, so `sub` ends in `pull_request` and not in "
            "`ref:refs/heads/…`; run it on push, or write a rule for pull requests"
        )
    elif _context(subject) == "environment":
        environment = subject.partition(":environment:")[2]
        yield (
            f"GitHub Actions: the job names an environment, so `sub` ends in `environment:{environment}` and not in "
            "`ref:refs/heads/…`; the rule must expect that, or the job must name none"
        )
    elif wanted is not None and _context(wanted) == "environment":
        yield (
            "GitHub Actions: the job names no environment, so `sub` does not end in `environment:…`, which the rule "
            "expects; have the job name it, or write a rule for what it runs for"
        )
    elif _context(subject) == "ref:refs/tags":
        yield "GitHub Actions: the job runs for a tag, so `sub` ends in `ref:refs/tags/…`; a branch's rule denies it"


def _between_subjects(subject: str, wanted: str) -> Iterator[str]:
    """Yield in what the subject of a job differs from that of a rule, what it runs for left aside."""
    if not subject.startswith("repo:") and wanted.startswith("repo:"):
        yield (
            "GitHub Actions: `sub` has another form than the rule expects, because the repository or its organization "
            "has chosen its own; the rule must expect that, or the repository must go back to the usual one"
        )
    elif _has_numbers(subject) and not _has_numbers(wanted):
        yield _NUMBERS
    elif _has_numbers(wanted) and not _has_numbers(subject):
        yield (
            "GitHub Actions: `sub` names owner and repository without the numbers that the rule expects; write the "
            "rule without them, or have the repository use immutable subjects"
        )
    elif subject.lower() == wanted.lower():
        yield "GitHub Actions: `sub` differs from the rule's subject in upper and lower case only, and that counts"
    else:
        yield from _between_repositories(_REPOSITORY.match(subject), _REPOSITORY.match(wanted))


def _between_repositories(found: re.Match[str] | None, wanted: re.Match[str] | None) -> Iterator[str]:
    if found is None or wanted is None or found[0].lower() == wanted[0].lower() or "*" in wanted[0]:
        return
    here, there = (f"{each['owner']}/{each['name']}" for each in (found, wanted))
    if found["number"] and found["number"] == wanted["number"]:
        yield (
            f"GitHub Actions: the repository is now {here}, and the rule names it {there}: it was renamed or "
            "transferred; put its present name into the rule"
        )
    elif found["name"].lower() == wanted["name"].lower():
        yield (
            f"GitHub Actions: the job runs in {here}, which may be a fork of {there}, or where that was transferred; "
            "run it in the rule's repository, or write a rule for this one"
        )
    else:
        yield (
            f"GitHub Actions: the job runs in {here}, and the rule is for {there}: another repository, or the same "
            "before it was renamed"
        )


_REPOSITORY = re.compile(r"repo:(?P<owner>[^/@:]+)(?:@\d+)?/(?P<name>[^/@:]+)(?:@(?P<number>\d+))?(?=:|$)")


def _has_numbers(subject: str) -> bool:
    """Whether a subject names the owner with its number: https://docs.github.com/en/actions/reference/security/oidc."""
    return re.match(r"repo:[^/@:]+@\d", subject) is not None


def _context(subject: str) -> str:
    """Return what a job runs for, in the word that stands in its subject; nothing where that is another."""
    found = re.search(r":(pull_request\Z|environment(?=:)|ref:refs/(?:heads|tags)(?=/))", subject)
    return found[1] if found else ""


def _google(claims: Claims, passed: set[int]) -> Iterator[str]:
    if "email" not in claims and not {_CLAIMS, _CONDITION} <= passed:
        yield (
            "Google Cloud: the token has no `email`, so a rule that names it denies the token; it is there when the "
            "metadata server is asked with `format=full`"
        )


def _azure(claims: Claims, rule: Rule | None, checks: tuple[Check, ...], passed: set[int]) -> Iterator[str]:
    if _ISSUER not in passed and (
        claims.get("ver") == "1.0" or str(claims.get("iss")).startswith("https://sts.windows.net/")
    ):
        yield (
            "Azure: this is a v1.0 token, whose `iss` is https://sts.windows.net/…/ with a slash at the end; register "
            "that issuer, or set requestedAccessTokenVersion to 2 in the application's manifest"
        )
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    too_long = any(check.reason == "lifetime_exceeded" for check in checks)
    if too_long and isinstance(issued_at, int) and isinstance(expires_at, int):
        lifetime = expires_at - issued_at
        yield (
            f"Azure: the token lives {(lifetime + 1800) // 3600} hours, as those of managed identities do, "
            "and an issuer accepts one hour unless it is told otherwise; set its max_jwt_lifetime_seconds to "
            f"{lifetime} or more"
        )
    audience = claims.get("aud")
    assumed = rule is None and not str(audience).startswith(DEFAULT_AUDIENCE)
    if isinstance(audience, str) and (assumed or (rule is not None and _AUDIENCE not in passed)):
        yield (
            f"Azure: the token's audience is {audience}, because Entra ID knows applications only; the rule must "
            "name it as its audience, in full: v1.0 tokens have `api://…`, v2.0 tokens the bare application id"
        )


def _kubernetes(claims: Claims, known: Knowledge, checks: tuple[Check, ...], passed: set[int]) -> Iterator[str]:
    audience = None if _AUDIENCE in passed else claims.get("aud")
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
    if stale and known.inline_keys:
        yield (
            "Kubernetes: the keys that are registered inline are not those that the cluster signs with now; register "
            "the output of `kubectl get --raw /openid/v1/jwks` anew"
        )
    elif by_number[_KEY].unchecked:
        yield (
            "Kubernetes: where the issuer's keys are registered inline, they are stale after the cluster has rotated "
            "its own; compare them with `kubectl get --raw /openid/v1/jwks`"
        )
