"""Why a token is denied, as far as can be seen from here: for errors, `ant auth verify` and `explain` alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import unquote

from ant_wif._constants import DEFAULT_AUDIENCE
from ant_wif.rules.checks import shown
from ant_wif.rules.evaluate import Evaluation, Knowledge, evaluate_known
from ant_wif.rules.models import Check, ExchangeRequest, Rule
from ant_wif.rules.reasons import REASONS

Claims = Mapping[str, object]

_ISSUER, _KEY, _SIGNATURE, _AUDIENCE, _SUBJECT, _CLAIMS, _CONDITION, _JTI = 6, 7, 8, 11, 12, 13, 14, 15
_CLUSTER_AUDIENCES = ("https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local")
_NUMBERS = (
    "GitHub Actions: `sub` names owner and repository with their numbers, as it does for repositories that were "
    "created, renamed or transferred after 15 July 2026, or have chosen it; the rule's subject must have them too"
)
_DEPENDABOT = "dependabot[bot]"


def examine(
    request: ExchangeRequest,
    known: Knowledge,
    *,
    source: str,
    now: float,
    used: bool = False,
    lost: bool = False,
    just_issued: bool = False,
) -> Evaluation:
    """Make every check that can be made. `source` is the name of the identity source, empty where it is not known.

    `used` says that the token was exchanged from this machine before, `lost` that it was presented and no answer came,
    `just_issued` that it was issued for this examination.
    """
    found = evaluate_known(request, known, now=now, jti_seen=lambda _: used)
    if _is_from("azure", source, found.unverified_claims or {}):
        # Its tokens have neither the usual lifetime nor, where it is v2.0, the audience that was asked for.
        found = evaluate_known(request, replace(known, defaults_apply=False), now=now, jti_seen=lambda _: used)
    if "jti" not in (found.unverified_claims or {}) or (known.issuer is not None and not known.issuer.check_jti):
        return found
    sentence = "It was not exchanged from this machine. What others did with it is not known here."
    if lost:
        sentence = "The token was presented before and no answer came, so it may be used already."
    checks = (
        check._replace(unchecked=True, sentence=sentence)
        if check.number == _JTI and check.passed and not just_issued
        else check
        for check in found.checks
    )
    return replace(found, checks=tuple(checks))


def visible_causes(
    checks: tuple[Check, ...], claims: Claims, known: Knowledge, *, source: str, before: str = ""
) -> tuple[str, ...]:
    """Return what explains a denial, the certain before the likely: failed checks, earlier use, usual mismatches.

    `before` says what is known of an earlier use of the token.
    """
    failed = (f"{check.sentence} {REASONS[check.reason].remedy}" for check in checks if check.failed and check.reason)
    return (*failed, *([before] if before else []), *_of_the_audience(checks, claims, known, source),
            *_mismatches(checks, claims, known), *_platform_causes(source, claims, known, checks))  # fmt: skip


NOTABLE_SECONDS = 5
"""A `Date` has whole seconds, and an answer takes its time: less than this says nothing."""


def drift_cause(ahead: float | None, whose: str) -> list[str]:
    """Return what a clock of `whose`, so many seconds ahead of this machine's, says of the times in a token."""
    if ahead is None or abs(ahead) < NOTABLE_SECONDS:
        return []
    direction = "behind" if ahead > 0 else "ahead of"
    return [f"This machine's clock is {abs(ahead):.0f} seconds {direction} that of {whose}"]


def _of_the_audience(checks: tuple[Check, ...], claims: Claims, known: Knowledge, source: str) -> Iterator[str]:
    audience = claims.get("aud", [])
    found = audience if isinstance(audience, list) else [audience]
    unknown = any(check.number == _AUDIENCE and check.unchecked for check in checks)
    if known.rule is not None or not found or DEFAULT_AUDIENCE in found or not unknown:
        return
    if _is_from("azure", source, claims):
        return
    near = next((near for each in found if (near := _nearly(str(each), DEFAULT_AUDIENCE))), "")
    yield (
        f"the token is for the audience {', '.join(map(str, found))}, which differs from the default "
        f"{DEFAULT_AUDIENCE}{near}; the rule must name exactly that audience, or ANT_IDENTITY_AUDIENCE must go"
    )


# What is compared with what is registered


_FORMS: tuple[tuple[str, Callable[[str], str]], ...] = (
    (" by white space around it", str.strip),
    (" in upper and lower case only", str.lower),
    (" by a slash at the end", lambda text: text.rstrip("/")),
    (" in percent-encoding only", unquote),
    (" by its scheme", lambda text: text.partition("://")[2] or text),
)


def _nearly(found: str, wanted: str, *, is_prefix: bool = False) -> str:
    """Return in what little `found` differs from what is wanted, nothing where it differs in more."""
    for difference, form in _FORMS:
        pattern, text = form(wanted), form(found)
        if text == pattern or (is_prefix and pattern.endswith("*") and text.startswith(pattern[:-1])):
            return difference
    return ""


def _mismatches(checks: tuple[Check, ...], claims: Claims, known: Knowledge) -> Iterator[str]:
    """Yield what a person does not see who compares two values: the usual slips, and which part is another."""
    failed = {check.number for check in checks if check.failed}
    pairs: list[tuple[str, object, str]] = []
    if _ISSUER in failed and known.issuer is not None:
        pairs.append(("iss", claims.get("iss"), known.issuer.issuer_url))
    if known.rule is not None:
        rule, audience = known.rule, claims.get("aud")
        if _AUDIENCE in failed:
            each = audience if isinstance(audience, list) else [audience]
            pairs += [("aud", value, rule.audience or DEFAULT_AUDIENCE) for value in each]
        if _SUBJECT in failed and rule.subject_prefix is not None:
            pairs.append(("sub", claims.get("sub"), rule.subject_prefix))
        if _CLAIMS in failed:
            pairs += [(name, claims.get(name), wanted) for name, wanted in rule.claims.items()]
    for name, found, wanted in pairs:
        if found is None and name in _ABSENT:
            yield f"the token has no claim `{name}`: {_ABSENT[name]}"
        elif isinstance(found, str) and found != wanted:
            yield from _mismatch(name, found, wanted, claims)


def _mismatch(name: str, found: str, wanted: str, claims: Claims) -> Iterator[str]:
    is_subject = name == "sub"
    near = _nearly(found, wanted, is_prefix=is_subject)
    glob = wanted.strip("^$").replace("\\", "").replace(".*", "*")
    other = next((other for other, value in claims.items() if other != name and value == wanted), "")
    if near:
        yield f"`{name}` differs from what is registered{near}, and that counts"
    elif is_subject and not wanted.endswith("*") and found.startswith(wanted):
        yield "the rule's subject is only the beginning of `sub`: a `*` at its end lets it match what follows"
    elif not {"*", "?"}.isdisjoint(glob) and fnmatchcase(found, glob):
        allowed = "only a `*` at the end of a subject is a wildcard" if is_subject else f"`{name}` takes no wildcard"
        yield f"{allowed}: every other character is compared as it is; write a condition instead"
    elif other:
        yield f"the rule expects in `{name}` what the token has in `{other}`: register that of `{name}`, or `{other}`"
    elif is_subject:
        yield from _between_parts(found, wanted)


_ABSENT = {
    "environment": "the job names no environment",
    "email": "the identity token has to be asked for with it",
    "ref": "the job runs for no branch or tag",
}
_TEMPORARY = "each run has its own, so end the rule's subject before it, in `*`"
_PARTS: Mapping[str, str] = {
    "project_path": "it was renamed or moved, or this is a fork",
    "ref_type": "a branch's rule denies tags, and a tag's denies branches",
    "ref": "run it there, or write a rule for this one",
    "commit": _TEMPORARY,
    "step": _TEMPORARY,
    "user": "each user who starts a pipeline has another, so end the rule's subject before it, in `*`",
    "machine": "each machine has another name, so end the rule's subject before it, in `*`",
    "run_phase": "plan and apply have subjects of their own: write a rule for each, or end it in `run_phase:*`",
    "run_type": "write a rule for each, or end the subject in `run_type:*`",
    "scope": "reading and writing have subjects of their own: end the subject in `scope:*`, or write a rule for each",
    "environment": "the job must name that environment, or the rule this one",
    "namespace": "deploy the pod there, or write a rule for this namespace",
    "service account": "set `serviceAccountName` in the pod's specification, or write a rule for this account",
    "service": "`sub` is the ARN of the role, and not that of a session",
}
"""What is said of a part of a subject that is not the rule's."""


class _Subject(NamedTuple):
    """How a platform's subjects begin, and what their parts are called; without names each part follows its own."""

    begins: str
    separator: str
    names: tuple[str, ...] = ()


_SUBJECTS = (
    _Subject("system:serviceaccount:", ":", ("namespace", "service account")),
    _Subject("spiffe://", "/", ("trust domain", "path")),
    _Subject("sc://", "/", ("organization", "project", "service connection")),
    _Subject("arn:", ":", ("partition", "service", "region", "account", "resource")),
    _Subject("{", ":", ("repository", "step")),
    _Subject("org/", "/"),
    *(_Subject(f"{name}:", ":") for name in ("project_path", "organization", "space", "org", "owner")),
)
_NAMES = (
    "project_path|ref_type|ref|organization|pipeline|commit|step|org|project|workspace|run_phase|space|stack|run_type|"
    "scope|repo|owner|environment|user|vcs-origin|vcs-ref"
)


def _parts(subject: str, form: _Subject) -> dict[str, str]:
    separator, names = form.separator, form.names
    if not names:
        words = re.split(rf"(?:^|{separator})({_NAMES}){separator}", subject)
        return dict(zip(words[1::2], words[2::2], strict=True))
    values = subject.removeprefix(form.begins).split(separator, len(names) if form.begins == "{" else len(names) - 1)
    if len(values) > len(names):  # Bitbucket names a deployment between repository and step
        names = ("repository", "environment", "step")
    return dict(zip(names, values, strict=False))


def _between_parts(found: str, wanted: str) -> Iterator[str]:
    """Yield which part of a subject is another than the rule's, by its name where the form of the subject is known."""
    form = next((each for each in _SUBJECTS if found.startswith(each.begins) and wanted.startswith(each.begins)), None)
    if form is None:
        yield from _between_unnamed(re.split("[:/]", found), re.split("[:/]", wanted.removesuffix("*")), wanted)
        return
    open_end = wanted.endswith("*")
    have, expected = _parts(found, form), _parts(wanted.removesuffix("*"), form)
    last = next(reversed(expected), "")
    for name, value in expected.items():
        here = have.get(name)
        if here is None:
            yield f"`sub` has no {name}, which the rule expects"
        elif here != value and not (open_end and name == last and f"{here}{form.separator}".startswith(value)):
            remedy = f"; {_PARTS[name]}" if name in _PARTS else ""
            expects = shown(value.removesuffix(form.separator))
            yield f"the {name} in `sub` is {shown(here)}, and the rule expects {expects}{remedy}"


def _between_unnamed(found: list[str], expected: list[str], wanted: str) -> Iterator[str]:
    if wanted.endswith("*") and len(found) >= len(expected):
        found = [*found[: len(expected) - 1], found[len(expected) - 1][: len(expected[-1])]]
    differ = [pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]]
    if len(found) == len(expected) and len(differ) == 1 and not wanted.startswith("repo:"):
        yield f"one part of `sub` is {shown(differ[0][0])}, and the rule expects {shown(differ[0][1])} there"


# What is known of platforms


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
    subject = str(claims.get("sub"))
    if subject.startswith("project_path:") and any(check.reason == "lifetime_exceeded" for check in checks):
        yield (
            "GitLab: the token is valid for as long as the job's `timeout`; shorten that to one hour, or raise the "
            "issuer's max_jwt_lifetime_seconds"
        )
    if known.rule is None:
        yield from (text for form, text in _WITHOUT_A_RULE if re.match(form, subject))
        if claims.get("pipeline_source") == "merge_request_event" and subject.startswith("project_path:"):
            yield "GitLab: the pipeline runs for a merge request, so `sub` names its source branch"


_BEFORE = "which differs each time; the rule's subject must end before it, in `*`"
_WITHOUT_A_RULE = (
    (
        r"project_path:.*:ref_type:tag:",
        "GitLab: the pipeline runs for a tag, and `sub` says so; a branch's rule denies it",
    ),
    (r"organization:.*:commit:", f"Buildkite: `sub` names the commit, {_BEFORE}"),
    (r"org/.*/user/", f"CircleCI: `sub` names the user who started the pipeline, {_BEFORE}"),
    (r"\{.*\}:\{", f"Bitbucket: `sub` names the run of the step, {_BEFORE}"),
    (r"organization:.*:run_phase:", f"Terraform: `sub` names the phase of the run; {_PARTS['run_phase']}"),
)
"""What is said of a subject, by its form, where the rule's is not known."""


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
