"""One denial for each reason: opaque to the caller, told in the history, and named by the explanation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import yaml

import ant_wif
from ant_wif._environment import Environment
from ant_wif._resolution import Resolution, ResolutionContext
from ant_wif._secrets import SecretStr
from ant_wif._tokens.assertion_log import DENIED, GRANTED, UNKNOWN, AssertionUse
from ant_wif._tokens.grants.jwt_bearer import Federation
from ant_wif.diagnostics.explain import Explanation, Registered, explain, explain_assertion
from ant_wif.emulator import Emulator
from ant_wif.errors import ConfigurationError, ExchangeError, IdentityTokenError
from ant_wif.rules import DEFAULT_AUDIENCE, REASONS, KeySet, KeySetUnavailableError, Reason, reasons_table
from support.clock import Clock
from support.federation_grant import BETA, GRANT_TYPE
from support.leaks import jwts_in
from support.registrations import as_seeded
from support.samples import needs_cel

NOW = 1_800_000_000.0


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    """The emulator of the module, as seeded: a key takes a tenth of a second to generate."""
    running.clock = Clock(NOW)
    with as_seeded(running):
        yield running


def unavailable() -> KeySet:
    raise KeySetUnavailableError("timed out")


@dataclass(frozen=True)
class Cure:
    """What is done so that the very token that was denied is granted."""

    rule: dict[str, object] = field(default_factory=dict)
    issuer: dict[str, object] = field(default_factory=dict)
    seconds: float = 0


@dataclass(frozen=True)
class Denial:
    """What is done to the seeded job so that its token is denied.

    Where that is the token's own fault, `cure` has it granted nevertheless, if anything can.
    """

    token: dict[str, Any] = field(default_factory=dict)
    assertion: str | None = None
    rule: dict[str, object] = field(default_factory=dict)
    issuer: dict[str, object] = field(default_factory=dict)
    account: dict[str, object] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    key_set: Any = None
    exchanged_before: bool = False
    cure: Cure | None = None


SEVERAL = ("wrkspc_01", "wrkspc_02")
PULL_REQUEST = "repo:acme/app:pull_request"
LONG = "claims.l.all(a, claims.l.all(b, claims.l.all(c, claims.l.all(d, true))))"
DENIALS: list[tuple[Reason, Denial]] = [
    ("rule_not_found", Denial(rule={"archived": True})),
    ("rule_not_found", Denial(issuer={"archived": True})),
    ("rule_not_found", Denial(account={"archived": True})),
    ("rule_not_found", Denial(request={"federation_rule_id": "fdrl_unknown"})),
    ("malformed_assertion", Denial(assertion="e30.e30")),
    ("malformed_assertion", Denial(token={"fill": "x" * 13_000})),
    ("alg_not_allowed", Denial(token={"alg": "none"})),
    ("alg_not_allowed", Denial(token={"alg": "HS256"})),
    ("kid_missing", Denial(token={"kid": None})),
    (
        "issuer_mismatch",
        Denial(token={"iss": "https://issuer.example"}, cure=Cure(issuer={"issuer_url": "https://issuer.example"})),
    ),
    ("jwks_unavailable", Denial(key_set=unavailable)),
    ("kid_not_found", Denial(token={"kid": "rotated"})),
    ("signature_invalid", Denial(token={"key": "other"})),
    ("claim_missing", Denial(token={"sub": None})),
    ("claim_missing", Denial(token={"jti": 5})),
    ("expired", Denial(token={"iat": int(NOW) - 331, "exp": int(NOW) - 31}, cure=Cure(seconds=-2))),
    ("not_yet_valid", Denial(token={"nbf": int(NOW) + 31}, cure=Cure(seconds=1))),
    ("lifetime_exceeded", Denial(token={"lifetime": 3601}, cure=Cure(issuer={"max_jwt_lifetime_seconds": 3601}))),
    ("match_audience", Denial(token={"aud": "sts.amazonaws.com"}, cure=Cure(rule={"audience": "sts.amazonaws.com"}))),
    ("match_subject_prefix", Denial(token={"sub": PULL_REQUEST}, cure=Cure(rule={"subject_prefix": PULL_REQUEST}))),
    ("match_claims", Denial(rule={"claims": {"environment": "production"}})),
    ("match_condition", Denial(rule={"condition": "claims.repository_owner == 'other'"})),
    ("match_condition", Denial(rule={"condition": "claims.missing == 'x'"})),
    ("match_condition", Denial(rule={"condition": "claims.sub =="})),
    ("match_condition", Denial(rule={"condition": "true"})),
    ("match_condition", Denial(token={"l": [0] * 2500}, rule={"condition": LONG})),
    ("jti_reused", Denial(exchanged_before=True)),
    ("service_account_mismatch", Denial(request={"service_account_id": "svac_other"})),
    ("workspace_id_required", Denial(rule={"workspace_ids": SEVERAL})),
    ("workspace_not_enabled", Denial(request={"workspace_id": "wrkspc_other"})),
    ("service_account_not_member", Denial(rule={"workspace_ids": ("wrkspc_other",)})),
]


def test_every_reason_is_provoked_and_described() -> None:
    assert {reason for reason, _ in DENIALS} == set(get_args(Reason)) == set(REASONS)


def test_the_documentation_has_the_table_of_reasons() -> None:
    page = (Path(__file__).parents[2] / "docs" / "denied.md").read_text(encoding="utf-8")
    begin, end = "<!-- reasons: the table of ant_wif.rules.reasons_table() -->\n", "<!-- end of reasons -->"
    assert page.partition(begin)[2].partition(end)[0] == reasons_table()


def ids(federation: Federation) -> dict[str, str]:
    names = ("federation_rule_id", "organization_id", "service_account_id", "workspace_id")
    return {name: getattr(federation, name) for name in names if getattr(federation, name) is not None}


def exchange(client: httpx.Client, federation: Federation, assertion: str) -> httpx.Response:
    request = {"grant_type": GRANT_TYPE, "assertion": assertion, **ids(federation)}
    return client.post("/v1/oauth/token", json=request, headers=BETA)


def federation_of(emulator: Emulator, **changes: Any) -> Federation:
    federation = Federation(emulator.base_url, emulator.rule().id, emulator.organization_id)
    return federation._replace(**changes)


def settings_of(federation: Federation, assertion: str) -> dict[str, str]:
    """Return the variables of a process that federates alike, whose token is in none of this machine's files."""
    asked = {f"ANTHROPIC_{name.upper()}": value for name, value in ids(federation).items()}
    return {**asked, "ANTHROPIC_BASE_URL": federation.base_url, "ANTHROPIC_IDENTITY_TOKEN": assertion}


def registered_in(emulator: Emulator) -> Registered:
    rule, issuer = emulator.rule(), emulator.issuer()
    return Registered(
        rule=rule,
        issuer=issuer,
        key_set=emulator._state.key_sets[issuer.id],
        service_account=emulator._state.service_accounts[rule.service_account_id],
        default_workspace_id=emulator._state.default_workspace.id,
    )


def explained(assertion: str, federation: Federation | None, registered: Registered, **more: Any) -> Explanation:
    complete = {"identity_source": "file", "expected_audience": DEFAULT_AUDIENCE, "now": NOW, **more}
    return explain_assertion(SecretStr(assertion), federation, registered, **complete)


def presented(outcome: str) -> AssertionUse:
    return AssertionUse(outcome, "f" * 64, NOW - 5, NOW + 600, 4711, "pytest")


@contextmanager
def provoked(emulator: Emulator, denial: Denial) -> Iterator[Federation]:
    """Register what denies; leave everything as it was. Yields whose token the request asks for."""
    state, before, trusted = emulator._state, emulator.rule(), emulator.issuer()
    account, keys = state.service_accounts[before.service_account_id], state.key_sets[trusted.id]
    emulator.update_rule("github", **denial.rule)
    emulator.update_issuer("github", **denial.issuer)
    state.service_accounts[account.id] = replace(account, **denial.account)
    state.key_sets[trusted.id] = denial.key_set or keys
    yield federation_of(emulator, **denial.request)
    state.rules[before.id], state.issuers[trusted.id] = before, trusted
    state.service_accounts[account.id], state.key_sets[trusted.id] = account, keys


def assert_denied(response: httpx.Response) -> None:
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "type": "error",
        "error": {"type": "authentication_error", "message": "Authentication failed"},
        "request_id": response.headers["request-id"],
    }


EACH_DENIAL = pytest.mark.parametrize(
    ("reason", "denial"),
    [pytest.param(*each, marks=needs_cel if each[1].rule.get("condition") else ()) for each in DENIALS],
)


@EACH_DENIAL
def test_a_denial_is_opaque_recorded_and_explained(
    emulator: Emulator, client: httpx.Client, tmp_path: Path, reason: Reason, denial: Denial
) -> None:
    assertion = denial.assertion or emulator.issue(**denial.token)
    with provoked(emulator, denial) as federation:
        if denial.exchanged_before:
            assert exchange(client, federation, assertion).status_code == 200

        response = exchange(client, federation, assertion)
        assert_denied(response)
        assert set(response.headers) == {"date", "request-id", "content-length", "content-type"}
        record = emulator.history[-1]
        assert (record.outcome, record.reason) == ("denied", reason)
        assert (record.status, record.request_id) == (401, response.headers["request-id"])

        before = presented(GRANTED) if denial.exchanged_before else None
        explanation = explained(assertion, federation, registered_in(emulator), before=before)
        found = explain(resolved(tmp_path, emulator, **settings_of(federation, assertion)), registered_in(emulator))
    assert explanation.reason == reason
    # What another process did with a token is known only where this one keeps its notes.
    assert found.reason == (None if denial.exchanged_before else reason)
    failed = next(check for check in explanation.checks if check.failed)
    assert failed.number == REASONS[reason].check
    assert failed.found + failed.sentence
    assert explanation.remedy == REASONS[reason].remedy


@EACH_DENIAL
def test_a_denial_spends_nothing(emulator: Emulator, client: httpx.Client, reason: Reason, denial: Denial) -> None:
    assertion = denial.assertion or emulator.issue(**{"jti": f"once-{DENIALS.index((reason, denial))}", **denial.token})
    good = emulator.issue(jti=f"once-{DENIALS.index((reason, denial))}")
    with provoked(emulator, denial) as federation:
        if denial.exchanged_before:
            assert exchange(client, federation, assertion).status_code == 200
        for _ in range(2):
            assert_denied(exchange(client, federation, assertion))
    assert [record.reason for record in emulator.history][-2:] == [reason, reason]

    # The very token is granted where it can be mended, else a good one with the same `jti`.
    mended = assertion if denial.cure or not (denial.token or denial.assertion) else good
    cure = denial.cure or Cure()
    emulator.clock = lambda: NOW + cure.seconds
    with provoked(emulator, Denial(rule=cure.rule, issuer=cure.issuer)) as federation:
        statuses = [exchange(client, federation, mended).status_code for _ in range(2)]
    assert statuses == ([401, 401] if denial.exchanged_before else [200, 401])
    assert emulator.history[-1].reason == "jti_reused"


@needs_cel
def test_a_token_that_is_granted_passes_every_check(emulator: Emulator, client: httpx.Client) -> None:
    emulator.update_rule("github", condition="claims.repository == 'acme/app' && has(claims.run_id)")
    assertion, federation = emulator.issue(), federation_of(emulator)
    explanation = explained(assertion, federation, registered_in(emulator), just_issued=True)
    assert [check.number for check in explanation.checks] == list(range(1, 18))
    assert all(check.passed for check in explanation.checks)
    assert (explanation.reason, explanation.causes) == (None, ())
    assert exchange(client, federation, assertion).status_code == 200


def test_what_cannot_be_known_is_neither_passed_nor_failed(emulator: Emulator) -> None:
    explanation = explained(emulator.issue(), None, Registered())
    unchecked = {check.number for check in explanation.checks if check.unchecked}
    assert unchecked == {1, 2, *range(6, 18)} - {9}
    assert explanation.reason is None
    assert {check.number: check.found for check in explanation.checks}[12] == f'"{emulator.rule().subject_prefix}"'


def test_checks_go_on_after_one_has_failed_where_they_can(emulator: Emulator) -> None:
    assertion = emulator.issue(kid=None, sub=None, aud="else", exp=1)
    explanation = explained(assertion, federation_of(emulator), registered_in(emulator))
    states = {check.number: "f" if check.failed else "?" if check.unchecked else "p" for check in explanation.checks}
    assert "".join(states[number] for number in range(1, 18)) == "ppppfp??f?f?pp?pp"


def test_a_token_that_cannot_be_read_leaves_the_rest_unchecked(emulator: Emulator) -> None:
    explanation = explained("no.jwt", federation_of(emulator), registered_in(emulator))
    assert [check.number for check in explanation.checks if check.failed] == [3]
    assert all(check.unchecked for check in explanation.checks[3:])
    assert (explanation.unverified_header, explanation.unverified_claims) == (None, None)
    assert "audience" not in "\n".join(explained("no.jwt", None, Registered()).causes)


@pytest.mark.parametrize(
    ("rule", "request_", "reason"),
    [
        ({"workspace_ids": SEVERAL}, {}, "workspace_id_required"),
        ({}, {"workspace_id": "default"}, "workspace_not_enabled"),
        ({"applies_to_all_workspaces": True}, {"workspace_id": "wrkspc_01"}, "service_account_not_member"),
    ],
)
def test_what_depends_on_what_no_file_says_is_a_suspicion_only(
    emulator: Emulator, rule: dict[str, object], request_: dict[str, Any], reason: Reason
) -> None:
    emulator.update_rule("github", **rule)
    known = replace(registered_in(emulator), service_account=None, default_workspace_id=None)
    explanation = explained(emulator.issue(), federation_of(emulator, **request_), known)
    assert (explanation.reason, explanation.checks[-1].reason) == (None, reason)


# What is known of platforms


AZURE_V1 = {"iss": "https://sts.windows.net/5d3a1c7e/", "ver": "1.0", "aud": "api://app", "lifetime": 86_400}
AZURE_V2 = {"iss": "https://login.microsoftonline.com/5d3a1c7e/v2.0", "ver": "2.0", "aud": "c0de7a11"}
GOOGLE = {"iss": "https://accounts.google.com", "sub": "1234567890"}
POD: dict[str, object] = {"kubernetes.io": {"namespace": "ci"}, "sub": "system:serviceaccount:ci:builder"}


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"sub": "repo:acme/app:pull_request"}, ["pull_request", "ref:refs/heads/"]),
        ({"sub": "repo:acme/app:environment:production"}, ["environment:production", "ref:refs/heads/"]),
        ({"sub": "repo:acme/app:ref:refs/tags/v1"}, ["ref:refs/tags/"]),
        (GOOGLE, ["email", "format=full"]),
        (AZURE_V1, ["v1.0", "requestedAccessTokenVersion", "lives 24 hours", "seconds to 86400 or", "api://app"]),
        ({**AZURE_V2, "ver": "1.0"}, ["this is a v1.0 token"]),
        (AZURE_V2, ["c0de7a11"]),
        ({**POD, "aud": ["sts.amazonaws.com"]}, ["IRSA"]),
        ({**POD, "aud": ["https://kubernetes.default.svc"]}, ["the pod's own"]),
        (POD, ["kubectl get --raw /openid/v1/jwks"]),
        ({"sub": "project_path:acme/app:ref_type:branch:ref:x", "lifetime": 7200}, ["the job's `timeout`"]),
        ({"sub": "project_path:acme/app:ref_type:tag:ref:v1"}, ["GitLab: the pipeline runs for a tag"]),
        (
            {"sub": "project_path:acme/app:ref_type:branch:ref:x", "pipeline_source": "merge_request_event"},
            ["GitLab: the pipeline runs for a merge request"],
        ),
        ({"sub": "organization:acme:pipeline:app:ref:x:commit:0b:step:t"}, ["Buildkite: `sub` names the commit"]),
        ({"sub": "org/5d/project/c0/user/90"}, ["CircleCI: `sub` names the user"]),
        ({"sub": "{0b6f}:{5d3a}"}, ["Bitbucket: `sub` names the run of the step"]),
        ({"sub": "organization:acme:project:w:workspace:p:run_phase:plan"}, ["Terraform: `sub` names the phase"]),
    ],
)
def test_a_token_shows_what_its_platform_is_denied_for(
    emulator: Emulator, claims: dict[str, Any], said: list[str]
) -> None:
    causes = "\n".join(explained(emulator.issue(**claims), None, Registered()).causes)
    assert all(words in causes for words in said), causes


def test_no_cause_is_named_that_the_token_does_not_show(emulator: Emulator) -> None:
    for claims in ({}, {**GOOGLE, "email": "ci@acme.example"}, {**POD, "iss": "https://cluster.example"}):
        known = registered_in(emulator) if claims == {} or "email" not in claims else Registered()
        explanation = explained(emulator.issue(**claims), None, known)
        failed = [check.sentence for check in explanation.checks if check.failed]
        assert len(explanation.causes) == len(failed), claims
        assert all(cause.startswith(said) for cause, said in zip(explanation.causes, failed, strict=True))


NUMBERS = "repo:acme@90210/app@734201985"
QUEUE = "ref:refs/heads/gh-readonly-queue/main/pr-7-0b6f2f0e"


@pytest.mark.parametrize(
    ("subject", "wanted", "said", "unsaid"),
    [
        (f"{NUMBERS}:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main", "with their numbers", ""),
        ("repo:acme/app:ref:refs/heads/main", f"{NUMBERS}:ref:refs/heads/main", "without the numbers", ""),
        (f"{NUMBERS}:pull_request", f"{NUMBERS}:ref:refs/heads/main", "pull request", "numbers"),
        ("repo:acme/app:ref:refs/heads/main", "repo:acme/app:environment:prod", "names no environment", ""),
        ("repo:acme/app:environment:dev", "repo:acme/app:environment:prod", "", "GitHub"),
        ("repo:Acme/App:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main", "upper and lower case", "GitHub"),
        ("repository_owner_id:90210:x", "repo:acme/app:ref:refs/heads/main", "another form", "numbers"),
        ("repo:acme/app:ref:refs/heads/x", "repo:acme/app:ref:refs/heads/main", "", "GitHub"),
        (f"repo:acme/app:{QUEUE}", "repo:acme/app:ref:refs/heads/main", "runs in a merge queue", "pull request"),
        ("repo:acme/app:ref:refs/heads/main", "repo:acme/old:ref:refs/heads/main", "before it was renamed", "fork"),
        ("repo:acme/app:pull_request", "repo:acme/old:pull_request", "before it was renamed", "fork"),
        ("repo:joe/app:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main", "may be a fork of acme/app", ""),
        (f"{NUMBERS}:ref:refs/heads/main", "repo:acme@90210/old@734201985:*", "names it acme/old", "another"),
        ("repo:acme/app:ref:refs/heads/main", "repo:acme/application:*", "the rule is for acme/application", "fork"),
    ],
)
def test_how_a_job_s_subject_differs_from_the_rule_s_is_named(
    emulator: Emulator, subject: str, wanted: str, said: str, unsaid: str
) -> None:
    emulator.update_rule("github", subject_prefix=wanted)
    explanation = explained(emulator.issue(sub=subject), federation_of(emulator), registered_in(emulator))
    assert explanation.reason == "match_subject_prefix"
    causes = "\n".join(explanation.causes)
    assert said in causes
    assert not unsaid or unsaid not in causes


GITLAB = "project_path:acme/app:ref_type:branch:ref:main"
BUILDKITE = "organization:acme:pipeline:app:ref:refs/heads/main:commit:0b6f2f0e:step:test"
CIRCLECI = "org/5d3a1c7e/project/c0de7a11/user/90210"
TERRAFORM = "organization:acme:project:web:workspace:prod:run_phase:apply"
ROLE = "arn:aws:iam::123456789012:role/ci"
CLUSTER = "system:serviceaccount:ci:builder"
SPACELIFT = "space:root:stack:web:run_type:TRACKED:scope:write"
MISMATCHES = [
    # what a person does not see in two values
    (GITLAB, f"{GITLAB} ", "by white space around it"),
    (GITLAB, f" {GITLAB[:-4]}*", "by white space around it"),
    (GITLAB, GITLAB.replace("acme", "Acme"), "in upper and lower case only"),
    ("spiffe://acme.example/ci", "spiffe://acme.example/ci/", "by a slash at the end"),
    ("repo:acme/app:environment:a%20b", "repo:acme/app:environment:a b", "in percent-encoding only"),
    (GITLAB, "project_path:acme/*:ref_type:branch:ref:main", "only a `*` at the end of a subject is a wildcard"),
    (GITLAB, "^project_path:acme/.*$", "only a `*` at the end of a subject is a wildcard"),
    (GITLAB, "project_path:acme/app:ref_type:branch:ref:mai?", "only a `*` at the end"),
    (GITLAB, "project_path:acme/app:", "a `*` at its end lets it match what follows"),
    ("1234567890", "acme/app", "what the token has in `repository`"),
    # which part is another
    (GITLAB, GITLAB.replace("acme/app", "acme/old"), 'the project_path in `sub` is "acme/app"'),
    (GITLAB.replace("branch", "tag"), GITLAB, "a branch's rule denies tags"),
    (GITLAB.replace("main", "dev"), GITLAB, 'the ref in `sub` is "dev", and the rule expects "main"'),
    (GITLAB, "project_path:other/*", 'the project_path in `sub` is "acme/app", and the rule expects "other/"'),
    (BUILDKITE, BUILDKITE.replace("0b6f2f0e", "1c7e5d3a"), "the commit in `sub` is"),
    (BUILDKITE, "organization:acme:pipeline:web:*", 'the pipeline in `sub` is "app", and the rule expects "web"'),
    (CIRCLECI, CIRCLECI.replace("90210", "90211"), "each user who starts a pipeline has another"),
    (CIRCLECI, CIRCLECI.replace("c0de7a11", "e4170b6f"), "the project in `sub` is"),
    ("{0b6f}:{5d3a}", "{0b6f}:{1c7e}", "the step in `sub`"),
    ("{0b6f}:{5d3a}", "{0b6f}:{e417}:*", "`sub` has no environment, which the rule expects"),
    ("{0b6f}:{e418}:{5d3a}", "{0b6f}:{e417}:*", "the environment in `sub`"),
    (TERRAFORM, TERRAFORM.replace("apply", "plan"), "plan and apply have subjects of their own"),
    (TERRAFORM, "organization:acme:project:web:workspace:dev:run_phase:*", "the workspace in `sub`"),
    (SPACELIFT, SPACELIFT.replace("write", "read"), "reading and writing have subjects of their own"),
    (CLUSTER, "system:serviceaccount:prod:builder", 'the namespace in `sub` is "ci"'),
    (CLUSTER, "system:serviceaccount:ci:default", "set `serviceAccountName` in the pod's specification"),
    (ROLE, "arn:aws:sts::123456789012:assumed-role/ci/session", "the ARN of the role, and not that of a session"),
    (ROLE, ROLE.replace("123456789012", "123456789013"), "the account in `sub`"),
    ("sc://acme/app/anthropic", "sc://acme/app/other", "the service connection in `sub`"),
    (
        "owner:acme:project:web:environment:preview",
        "owner:acme:project:web:environment:production",
        "the environment in",
    ),
    ("acme:app:148e", "acme:web:*", 'one part of `sub` is "app", and the rule expects "web" there'),
]


@pytest.mark.parametrize(("subject", "wanted", "said"), MISMATCHES)
def test_a_subject_that_is_nearly_the_rule_s_is_told_where_it_differs(
    emulator: Emulator, subject: str, wanted: str, said: str
) -> None:
    emulator.update_rule("github", subject_prefix=wanted)
    explanation = explained(emulator.issue(sub=subject), federation_of(emulator), registered_in(emulator))
    assert explanation.reason == "match_subject_prefix"
    assert said in explanation.causes[1], explanation.causes


@pytest.mark.parametrize(
    ("claims", "rule", "issuer", "said"),
    [
        ({"ref": "refs/heads/dev"}, {"claims": {"ref": "refs/heads/*"}}, {}, "`ref` takes no wildcard"),
        ({"ref": "refs/heads/Main"}, {"claims": {"ref": "refs/heads/main"}}, {}, "`ref` differs"),
        ({"environment": None}, {"claims": {"environment": "prod"}}, {}, "the job names no environment"),
        ({"aud": "https://api.anthropic.com/"}, {}, {}, "`aud` differs from what is registered by a slash at the end"),
        ({"aud": ["a", "api.anthropic.com"]}, {}, {}, "`aud` differs from what is registered by its scheme"),
        ({"iss": "https://idp.example/"}, {}, {"issuer_url": "https://idp.example"}, "`iss` differs"),
        ({"iss": "https://idp.example"}, {}, {"issuer_url": "https://IDP.example"}, "in upper and lower case only"),
    ],
)
def test_a_claim_that_is_nearly_what_is_registered_is_told_how_it_differs(
    emulator: Emulator, claims: dict[str, Any], rule: dict[str, object], issuer: dict[str, object], said: str
) -> None:
    emulator.update_rule("github", **rule)
    emulator.update_issuer("github", **issuer)
    explanation = explained(emulator.issue(**claims), federation_of(emulator), registered_in(emulator))
    assert said in explanation.causes[1], explanation.causes


@pytest.mark.parametrize(
    ("claims", "rule", "said"),
    [
        (
            {"workflow_ref": "acme/app/.github/workflows/ci.yml@main", "job_workflow_ref": "acme/x/.github/w.yml@v1"},
            {"claims": {"job_workflow_ref": "acme/app/.github/workflows/ci.yml@main"}},
            "part of a reusable workflow, so `job_workflow_ref` is acme/x/.github/w.yml@v1",
        ),
        ({"sub": "repo:acme/app:pull_request", "actor": "dependabot[bot]"}, {}, "Dependabot started the job"),
    ],
)
def test_what_a_job_was_started_by_and_called_from_is_named(
    emulator: Emulator, claims: dict[str, Any], rule: dict[str, object], said: str
) -> None:
    emulator.update_rule("github", **rule)
    for registered in (registered_in(emulator), Registered()):
        assert said in "\n".join(explained(emulator.issue(**claims), federation_of(emulator), registered).causes)
    assert said not in "\n".join(explained(emulator.issue(), None, Registered()).causes)


VISIBLE: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "too long-lived": ({"lifetime": 7200}, {}, "The token has 7200 s, and at most 3600 s is assumed"),
    "ahead": ({"iat": 90, "exp": 900}, {}, "The token's `iat` is "),
    "not before": ({"nbf": 300, "exp": 900}, {}, "The token's `nbf` is "),
    "audience with a slash": (
        {"aud": "https://api.anthropic.com/"},
        {"ANT_IDENTITY_AUDIENCE": "https://api.anthropic.com/"},
        "which differs from the default https://api.anthropic.com by a slash at the end",
    ),
    "audience of one's own": (
        {"aud": "https://ci.acme.example"},
        {"ANT_IDENTITY_AUDIENCE": "https://ci.acme.example"},
        "the token is for the audience https://ci.acme.example, which differs from the default",
    ),
    "environment": ({"sub": "repo:acme/app:environment:prod"}, {}, "the job names an environment"),
    "pull request": ({"sub": "repo:acme/app:pull_request"}, {}, "the job runs for a pull request"),
    "numbers": ({"sub": f"{NUMBERS}:ref:refs/heads/main"}, {}, "with their numbers"),
    "merge queue": ({"sub": f"repo:acme/app:{QUEUE}"}, {}, "the job runs in a merge queue"),
    "Azure": (AZURE_V1, {"ANT_IDENTITY_AUDIENCE": "api://app"}, "this is a v1.0 token"),
}


@pytest.mark.parametrize("case", VISIBLE)
def test_what_can_be_seen_is_the_first_cause_in_the_error_and_in_the_explanation(
    case: str, emulator: Emulator, tmp_path: Path
) -> None:
    claims, environ, said = VISIBLE[case]
    moments = {name: int(NOW) + value if name in {"iat", "nbf", "exp"} else value for name, value in claims.items()}
    # No such rule, so the server denies whatever the token is.
    job = {**emulator.env("github"), **environ, "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_gone", "HOME": str(tmp_path)}
    job["ANTHROPIC_IDENTITY_TOKEN"] = emulator.issue(**moments)
    assert said in explain(resolved(tmp_path, emulator, **job)).causes[0]
    for _ in range(2):
        with pytest.raises(ExchangeError) as denied:
            ant_wif.resolve(environ=job, clock=lambda: NOW).token()
        assert said in denied.value.causes[0]
        assert f"to check: {denied.value.causes[0]}" in str(denied.value)


@pytest.mark.parametrize(
    ("ahead", "times", "first"),
    [
        (600, {"exp": 300}, "The token expired 300 s ago."),
        (-600, {}, "The token's `iat` is 600 s ahead"),
        (
            600,
            {"iat": 600, "nbf": 600, "exp": 900},
            "This machine's clock is 600 seconds behind that of the Claude API",
        ),
        (
            -600,
            {"iat": -600, "nbf": -600, "exp": -20},
            "This machine's clock is 600 seconds ahead of that of the Claude API",
        ),
        (2, {}, "the rule's subject"),
    ],
)
def test_a_denial_judges_the_times_of_the_token_by_the_clock_of_the_api(
    ahead: int, times: dict[str, int], first: str, emulator: Emulator, tmp_path: Path
) -> None:
    emulator.skew(ahead)
    job = {**emulator.env("github"), "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_gone", "HOME": str(tmp_path)}
    job["ANTHROPIC_IDENTITY_TOKEN"] = emulator.issue(**{name: int(NOW) + value for name, value in times.items()})
    try:
        with pytest.raises(ExchangeError) as denied:
            ant_wif.resolve(environ=job, clock=lambda: NOW).token()
    finally:
        emulator.reset_clock()
    causes = denied.value.causes
    assert first in causes[0]
    assert ("This machine's clock" in "".join(causes)) == (abs(ahead) > 5)


@pytest.mark.parametrize(
    ("aud", "asked", "state"),
    [
        (DEFAULT_AUDIENCE, DEFAULT_AUDIENCE, "unchecked"),
        (DEFAULT_AUDIENCE, "https://ci.acme.example", "unchecked"),
        (f"{DEFAULT_AUDIENCE}/", f"{DEFAULT_AUDIENCE}/", "unchecked"),
        ("https://ci.acme.example", "https://ci.acme.example", "unchecked"),
        ("https://ci.acme.example", DEFAULT_AUDIENCE, "failed"),
    ],
)
def test_no_audience_is_ticked_while_the_rule_is_unknown(emulator: Emulator, aud: str, asked: str, state: str) -> None:
    explanation = explained(emulator.issue(aud=aud), None, Registered(), expected_audience=asked)
    assert explanation.checks[10].state == state
    emulator.update_rule("github", audience=aud)
    known = explained(
        emulator.issue(aud=aud), federation_of(emulator), registered_in(emulator), expected_audience=asked
    )
    assert known.checks[10].state == "passed"


def test_an_assertion_whose_answer_was_lost_is_not_ticked_as_unused(emulator: Emulator) -> None:
    lost = explained(emulator.issue(), None, Registered(), before=presented(UNKNOWN))
    assert lost.checks[14].state == "unchecked"
    assert "the answer was lost" in lost.causes[0]
    elsewhere = explained(emulator.issue(), None, Registered()).checks[14]
    assert (elsewhere.state, elsewhere.sentence.partition(". ")[0]) == (
        "unchecked",
        "It was not exchanged from this machine",
    )
    assert explained(emulator.issue(), None, Registered(), just_issued=True).checks[14].state == "passed"
    emulator.update_issuer("github", check_jti=False)
    assert explained(emulator.issue(), None, registered_in(emulator)).checks[14].state == "passed"


def test_nothing_is_ticked_by_an_issuer_that_is_not_the_rule_s(emulator: Emulator) -> None:
    known = registered_in(emulator)
    assert known.issuer is not None
    other = replace(known, issuer=replace(known.issuer, id="fdis_other"))
    unchecked = {check.number for check in explained(emulator.issue(), None, other).checks if check.unchecked}
    assert {2, 6, 7, 8, 10, 15} <= unchecked


@pytest.mark.parametrize("ahead", [600, -600])
def test_a_time_that_two_clocks_judge_differently_is_neither_passed_nor_failed(emulator: Emulator, ahead: int) -> None:
    assertion = emulator.issue(iat=int(NOW) + ahead, exp=int(NOW) + ahead + 300)
    assert explained(assertion, None, Registered()).checks[8].state == "failed"
    known_drift = explained(assertion, None, Registered(), clock_drift_seconds=float(ahead))
    assert (known_drift.checks[8].state, known_drift.reason) == ("unchecked", None)
    assert "This machine's clock is 600 seconds" in "".join(known_drift.causes)


@pytest.mark.parametrize(
    ("claims", "rule"),
    [
        (GOOGLE, {"subject_prefix": GOOGLE["sub"]}),
        ({**POD, "aud": ["sts.amazonaws.com"]}, {"subject_prefix": POD["sub"], "audience": "sts.amazonaws.com"}),
        ({**AZURE_V2, "lifetime": 300}, {"audience": AZURE_V2["aud"]}),
        ({**AZURE_V1, "lifetime": 300}, {"audience": AZURE_V1["aud"]}),
    ],
)
def test_what_the_registrations_rule_out_is_not_named(
    emulator: Emulator, claims: dict[str, Any], rule: dict[str, object]
) -> None:
    emulator.update_rule("github", **rule)
    emulator.update_issuer("github", issuer_url=claims.get("iss", emulator.issuer().issuer_url))
    explanation = explained(emulator.issue(**claims), federation_of(emulator), registered_in(emulator))
    assert (explanation.reason, explanation.causes) == (None, ())


def test_the_audience_of_azure_is_named_where_the_rule_has_another(emulator: Emulator) -> None:
    emulator.update_rule("github", audience="api://c0de7a11")
    explanation = explained(emulator.issue(**AZURE_V2), federation_of(emulator), registered_in(emulator))
    assert "the token's audience is c0de7a11" in "\n".join(explanation.causes)


@pytest.mark.parametrize("claim", ["iat", "exp"])
def test_times_beyond_all_reckoning_are_explained_too(emulator: Emulator, claim: str) -> None:
    assertion = emulator.issue(**{**AZURE_V1, claim: 10**400})
    for registered in (Registered(), registered_in(emulator)):
        assert explained(assertion, None, registered).causes


@pytest.mark.parametrize(("source", "issuer"), [("file", AZURE_V1["iss"]), ("azure", "https://login.example")])
def test_the_usual_tokens_of_azure_are_no_failure_as_long_as_nothing_says_what_was_registered(
    emulator: Emulator, source: str, issuer: str
) -> None:
    assertion = emulator.issue(**{**AZURE_V1, "iss": issuer})
    explanation = explained(assertion, None, Registered(), identity_source=source, expected_audience="api://other")
    assert explanation.reason is None
    assert {check.reason for check in explanation.checks if check.unchecked} >= {"lifetime_exceeded", "match_audience"}


def test_inline_keys_that_the_cluster_has_rotated_away_are_called_stale(emulator: Emulator) -> None:
    registered = replace(registered_in(emulator), inline_keys=True)
    for known, key, reason in (
        (replace(registered, key_set=dict), "own", "kid_not_found"),
        (registered, "other", "signature_invalid"),
    ):
        explanation = explained(emulator.issue(**POD, key=key), federation_of(emulator), known)
        assert explanation.reason == reason
        assert "registered inline are not those" in "\n".join(explanation.causes)


@pytest.mark.parametrize(
    ("outcome", "failed", "said"), [(GRANTED, True, "works once"), (UNKNOWN, False, "lost"), (DENIED, False, "")]
)
def test_an_earlier_use_is_told_with_its_process(emulator: Emulator, outcome: str, said: str, *, failed: bool) -> None:
    explanation = explained(emulator.issue(), None, Registered(), before=presented(outcome))
    assert (explanation.reason == "jti_reused") is failed
    assert said in "".join(explanation.causes)
    assert bool(said) is ("4711 (pytest)" in "".join(explanation.causes))


def test_no_secret_gets_into_an_explanation(emulator: Emulator) -> None:
    nested: object = "x"
    for _ in range(50):
        nested = [nested]
    assertion = emulator.issue(sub="sk-ant-oat01-EXAMPLEEXAMPLEEXAMPLE", note={"a": emulator.issue()}, deep=nested)
    text = json.dumps(explained(assertion, federation_of(emulator), Registered()).as_json())
    assert assertion.rpartition(".")[2] not in text
    assert "sk-ant-oat01-EXAMPLEEXAMPLEEXAMPLE" not in text
    assert jwts_in(text) == []


# With a resolution


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, timezone.utc)


def resolved(tmp_path: Path, emulator: Emulator, **environ: str) -> Resolution:
    home = {"HOME": str(tmp_path), "PATH": ""}
    return Resolution(ResolutionContext({}, Environment({**home, **environ}), clock=emulator.clock))


def test_the_token_is_fetched_from_where_an_exchange_would_have_it(emulator: Emulator, tmp_path: Path) -> None:
    explanation = explain(resolved(tmp_path, emulator, **emulator.env("github")))
    assert (explanation.identity_source, explanation.reason) == ("github_actions", None)
    assert (explanation.clock_drift_seconds, explanation.causes) == (0, ())


@pytest.mark.parametrize(
    ("ahead", "said"), [(90, "90 seconds behind"), (-90, "90 seconds ahead of"), (2, ""), (None, "")]
)
def test_the_date_of_an_answer_tells_that_this_clock_is_wrong(
    emulator: Emulator, tmp_path: Path, ahead: int | None, said: str
) -> None:
    def date(response: httpx.Response) -> None:
        response.headers["date"] = "no date" if ahead is None else format_datetime(moment(NOW + ahead), usegmt=True)

    with httpx.Client(event_hooks={"response": [date]}) as http_client:
        found = explain(resolved(tmp_path, emulator, **emulator.env("github")), http_client=http_client)
    assert found.clock_drift_seconds == ahead
    assert said in "".join(found.causes)
    assert len(found.causes) == bool(said)


def test_a_platform_that_refuses_is_not_explained_but_told(emulator: Emulator, tmp_path: Path) -> None:
    environ = {**emulator.env("github"), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "wrong"}
    with pytest.raises(IdentityTokenError):
        explain(resolved(tmp_path, emulator, **environ))


def test_a_token_that_no_source_would_hand_out_is_explained_where_it_lies(emulator: Emulator, tmp_path: Path) -> None:
    token = tmp_path / "token"
    for assertion, reason in ((emulator.issue(exp=5), "expired"), ("<html>", "malformed_assertion")):
        token.write_text(f"{assertion}\n", encoding="ascii")
        found = explain(resolved(tmp_path, emulator, ANTHROPIC_IDENTITY_TOKEN_FILE=str(token)))
        assert found.reason == reason


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_without_a_token_there_is_nothing_to_explain(emulator: Emulator, tmp_path: Path, content: str | None) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_text(content, encoding="ascii")
    with pytest.raises(IdentityTokenError):
        explain(resolved(tmp_path, emulator, ANTHROPIC_IDENTITY_TOKEN_FILE=str(token)))


# Files

RULE: dict[str, object] = {
    "id": "fdrl_01",
    "name": "ci",
    "issuer_id": "fdis_01",
    "match": {"subject_prefix": "repo:acme/*", "claims": {"ref": "x"}, "condition": None, "audience": None},
    "target": {"type": "service_account", "service_account_id": "svac_01"},
    "workspace_ids": ["wrkspc_01"],
    "applies_to_all_workspaces": False,
    "token_lifetime_seconds": 600,
    "archived_at": None,
}
ISSUER: dict[str, object] = {
    "id": "fdis_01",
    "name": "ci",
    "issuer_url": "https://issuer.example",
    "jwks": {"type": "discovery"},
    "check_jti": False,
    "max_jwt_lifetime_seconds": 900,
}


def written(path: Path, document: object) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def test_rule_and_issuer_are_read_as_the_admin_api_writes_them(tmp_path: Path) -> None:
    archived = {**RULE, "archived_at": "2026-11-23T12:00:00Z"}
    issuer = written(tmp_path / "i", ISSUER)
    found = Registered.load(rule=written(tmp_path / "r", archived), issuer=issuer)
    assert found.rule is not None
    assert found.issuer is not None
    assert (found.rule.subject_prefix, found.rule.claims, found.rule.audience) == ("repo:acme/*", {"ref": "x"}, None)
    assert (found.rule.workspace_ids, found.rule.archived) == (("wrkspc_01",), True)
    assert (found.issuer.check_jti, found.issuer.max_jwt_lifetime_seconds, found.issuer.archived) == (False, 900, False)
    assert (found.key_set, found.inline_keys) == (None, False)


def test_rule_issuer_and_keys_are_read_from_yaml_too(tmp_path: Path, emulator: Emulator) -> None:
    jwks = httpx.get(f"{emulator.base_url}/github/.well-known/jwks").json()
    files = {
        "rule": "# by hand\nmatch:\n  subject_prefix: repo:acme/*\n  claims: {ref: x}\n",
        "issuer": f"issuer_url: {emulator.issuer().issuer_url}\ncheck_jti: false\n",
        "jwks": yaml.safe_dump(jwks),
    }
    found = Registered.load(**{what: written(tmp_path / what, text) for what, text in files.items()})
    assert (found.rule and found.rule.subject_prefix, found.rule and found.rule.claims) == ("repo:acme/*", {"ref": "x"})
    assert (found.issuer and found.issuer.check_jti, found.key_set is not None) == (False, True)


def test_rule_and_issuer_written_by_hand_need_no_ids(emulator: Emulator, tmp_path: Path) -> None:
    subject = emulator.rule().subject_prefix
    for wanted, reason in ((subject, None), ("repo:acme/other:*", "match_subject_prefix")):
        rule = written(tmp_path / "r", {"match": {"subject_prefix": wanted}})
        issuer = written(tmp_path / "i", {"issuer_url": emulator.issuer().issuer_url})
        explanation = explained(emulator.issue(), federation_of(emulator), Registered.load(rule=rule, issuer=issuer))
        assert explanation.reason == reason
        assert {check.number for check in explanation.checks if check.unchecked} == {2, 7, 8, 15, 16, 17}
    nulls = {"token_lifetime_seconds": None, "applies_to_all_workspaces": None, "archived_at": "2026-01-01T00:00:00Z"}
    archived = Registered.load(rule=written(tmp_path / "r", {"match": {"subject_prefix": "repo:*"}, **nulls}))
    assert explained(emulator.issue(), federation_of(emulator), archived).reason == "rule_not_found"
    for document in ({}, {"id": "fdrl_01"}, {"match": "x"}, {"match": {}, "id": 7}):
        with pytest.raises(ConfigurationError):
            Registered.load(rule=written(tmp_path / "r", document))


def test_keys_are_those_of_the_file_or_else_those_registered_inline(tmp_path: Path, emulator: Emulator) -> None:
    jwks = httpx.get(f"{emulator.base_url}/github/.well-known/jwks").json()
    inline = written(tmp_path / "i", {**ISSUER, "jwks": {"type": "inline", **jwks}})
    own = Registered.load(issuer=inline)
    assert own.inline_keys
    assert own.key_set is not None
    assert set(own.key_set()) == {key["kid"] for key in jwks["keys"]}
    other = Registered.load(issuer=inline, jwks=written(tmp_path / "j", {"keys": []}))
    assert not other.inline_keys
    assert other.key_set is not None
    assert other.key_set() == {}


@pytest.mark.parametrize(
    ("what", "document", "said"),
    [
        ("rule", "{", "is not JSON"),
        ("rule", "[" * 100_000, "is not JSON"),
        ("rule", "match: " + "[" * 100_000, "is not JSON or YAML .it is nested too deep"),
        ("rule", [], "holds a JSON list, expected an object"),
        ("rule", "match: {a: 1}\n  x: 2\n", r"is not JSON or YAML \(line 2, column 3: "),
        ("rule", "match: &a\n  x: *a\n", r"is not JSON or YAML \(line 2, column 6: an alias "),
        ("issuer", "match: !!python/name:os.system\n", "is not JSON or YAML"),
        ("jwks", "eyJhbGciOiJSUzI1NiJ9.e30.x", "holds a JSON string, expected an object"),
        ("issuer", " \n", "is empty"),
        ("rule", " " * (1 << 20) + "{}", "rule file .* is larger than 1048576 bytes"),
        ("rule", ISSUER, "`match` is missing"),
        (
            "rule",
            {"match": {"subject": "repo:acme/app:*"}},
            "`match` has the unknown field 'subject'; it has `subject_",
        ),
        ("rule", {**RULE, "id": 5}, "`id`"),
        ("rule", {**RULE, "match": {"claims": {"a": 1}}}, "`match.claims`"),
        ("rule", {**RULE, "match": {"condition": ["x"]}}, "`condition`"),
        ("rule", {**RULE, "workspace_ids": "wrkspc_01"}, "`workspace_ids`"),
        ("rule", {**RULE, "applies_to_all_workspaces": "no"}, "`applies_to_all_workspaces`"),
        ("issuer", RULE, "`issuer_url` is missing"),
        ("issuer", {**ISSUER, "max_jwt_lifetime_seconds": True}, "`max_jwt_lifetime_seconds`"),
        ("jwks", {"kid": "x"}, "`keys`"),
    ],
)
def test_a_file_that_is_something_else_is_refused_and_says_what_is_wrong(
    tmp_path: Path, what: str, document: object, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        Registered.load(**{what: written(tmp_path / "file", document)})
    assert caught.value.hint


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Registered.load(rule=tmp_path / "none")
