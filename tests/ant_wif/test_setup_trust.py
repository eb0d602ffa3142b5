"""Whose tokens a setup would accept: the subject and the claims of each platform, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ant_wif.admin.setup import WorkloadIdentity, aws, azure, github, google_cloud, kubernetes
from ant_wif.emulator import Emulator
from ant_wif.errors import ConfigurationError
from ant_wif.rules import Rule, check_rule
from ant_wif.rules.jwt import read_assertion

TENANT = "7a1d2c3b-0000-4a5b-8c9d-0e1f2a3b4c5d"
APPLICATION = "c0de7a11-5e3b-4f6a-9d82-7f8091a2b303"
OBJECT = "e4f5a6b7-1c2d-4e3f-8a9b-0c1d2e3f4a04"
ACCOUNT = "https://abc.tokens.sts.global.api.aws"
ROLE = "arn:aws:iam::123456789012:role/service-role/ci"

GITHUB = {"repository": "acme/app", "repository_owner": "acme"}


@pytest.mark.parametrize(
    ("options", "context", "claims"),
    [
        ({}, "ref:refs/heads/main", {"ref": "refs/heads/main"}),
        ({"branch": "release/2.0"}, "ref:refs/heads/release/2.0", {"ref": "refs/heads/release/2.0"}),
        ({"branch": "refs/heads/dev"}, "ref:refs/heads/dev", {"ref": "refs/heads/dev"}),
        ({"tag": "v1.0"}, "ref:refs/tags/v1.0", {"ref": "refs/tags/v1.0"}),
        ({"environment": "production"}, "environment:production", {"environment": "production"}),
        ({"environment": "a:b"}, "environment:a%3Ab", {"environment": "a:b"}),
        (
            {"environment": "production", "branch": "main"},
            "environment:production",
            {"environment": "production", "ref": "refs/heads/main"},
        ),
        ({"pull_request": True}, "pull_request", {"event_name": "pull_request"}),
    ],
)
def test_github_s_subject_names_the_repository_and_what_the_job_runs_for(
    options: dict[str, Any], context: str, claims: dict[str, str]
) -> None:
    found = github.trust(repository="acme/app", **options)
    assert found.subject == f"repo:acme/app:{context}"
    assert found.claims == {**GITHUB, **claims}
    assert found.issuer_url == "https://token.actions.githubusercontent.com"


def test_github_s_newer_subjects_have_numbers_and_so_have_the_claims() -> None:
    found = github.trust(repository="acme@90210/app@734201985")
    assert found.subject == "repo:acme@90210/app@734201985:ref:refs/heads/main"
    assert found.claims["repository"] == "acme/app"
    assert (found.claims["repository_owner_id"], found.claims["repository_id"]) == ("90210", "734201985")
    assert found.name == "github-acme-app-main"
    assert github.trust(repository="repo:acme@90210/app@734201985") == found


def test_who_gives_no_numbers_is_told_how_to_ask_github_whether_there_are_any() -> None:
    ask = "`gh api repos/acme/app/actions/oidc/customization/sub --jq .sub_claim_prefix`"
    note = "\n".join(github.trust(repository="acme/app").notes)
    assert ask in note
    assert "created, renamed or transferred after 15 July 2026" in note
    # Enterprise Server has no such subjects, and whoever gave numbers knows.
    for quiet in (
        github.trust(repository="acme@90210/app@734201985"),
        github.trust(repository="acme/app", issuer_url="https://git.acme.example/_services/token"),
    ):
        assert "15 July" not in "\n".join(quiet.notes)


@pytest.mark.parametrize(
    "name", ["pro\u202eduction", "pro\u2028d", "pro\ufeffd", "a\x85b", "\ud800", "${{ github.token }}"]
)
def test_a_name_that_nobody_can_read_or_that_a_workflow_would_evaluate_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an environment"):
        github.trust(repository="acme/app", environment=name)
    for kind in () if "$" in name else ("branch", "tag"):
        with pytest.raises(ConfigurationError, match="expected one name, as git has it"):
            github.trust(repository="acme/app", **{kind: name})


@pytest.mark.parametrize(
    "repository",
    [
        "acme", "acme/", "/app", "acme/*", "*/app", "acm?/app", "acme/app/x", "acme/app:ref", "acme/app ",
        "acme/app\n", "acme/..", "https://github.com/acme/app", "acme@1/app", "acme/app@2", "acme@x/app@y",
        "äcme/app", "",
    ],
)  # fmt: skip
def test_what_is_no_repository_is_refused(repository: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a repository"):
        github.trust(repository=repository)


@pytest.mark.parametrize(
    "name", ["*", "feature/*", "a b", "a..b", "a:b", "/a", "a/", "a~1", "a^", "a\\b", "a@{1}", "x.lock", ""]
)
@pytest.mark.parametrize("option", ["branch", "tag"])
def test_what_is_no_name_in_git_is_refused(option: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match="expected one name, as git has it"):
        github.trust(repository="acme/app", **{option: name})


def test_a_wildcard_is_said_to_let_others_in() -> None:
    for wild in (
        lambda: github.trust(repository="acme/*"),
        lambda: github.trust(repository="acme/app", environment="prod*"),
        lambda: aws.trust(issuer_url=ACCOUNT, role_arn="arn:aws:iam::123456789012:role/*"),
        lambda: kubernetes.trust(issuer_url="https://idp.acme.example", namespace="ci", service_account="*"),
        lambda: google_cloud.trust(service_account_email="*@acme.iam.gserviceaccount.com"),
    ):
        with pytest.raises(ConfigurationError, match="a wildcard would let others in"):
            wild()


@pytest.mark.parametrize(
    "options",
    [{"branch": "a", "tag": "b"}, {"pull_request": True, "branch": "a"}, {"pull_request": True, "environment": "a"}],
)
def test_what_no_job_can_be_for_at_once_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        github.trust(repository="acme/app", **options)
    assert caught.value.hint


def test_aws_is_one_role_or_every_role_of_an_account() -> None:
    assert aws.trust(issuer_url=ACCOUNT, role_arn=ROLE).subject == ROLE
    every = aws.trust(issuer_url=ACCOUNT, account="123456789012")
    assert every.subject == "arn:aws:iam::123456789012:role/*"
    assert any("Every role" in note for note in every.notes)
    with pytest.raises(ConfigurationError, match="the ARN of a session"):
        aws.trust(issuer_url=ACCOUNT, role_arn="arn:aws:sts::123456789012:assumed-role/ci/session")
    for options in ({}, {"role_arn": ROLE, "account": "123456789012"}, {"account": "12345"}, {"role_arn": "ci"}):
        with pytest.raises(ConfigurationError):
            aws.trust(issuer_url=ACCOUNT, **options)


def test_google_cloud_is_a_number_an_address_or_both() -> None:
    email = "ci@acme.iam.gserviceaccount.com"
    both = google_cloud.trust(service_account_email=email, unique_id="104857600123456789012")
    assert (both.subject, both.claims) == ("104857600123456789012", {"email": email})
    only = google_cloud.trust(service_account_email=email)
    assert (only.subject, only.claims) == (None, {"email": email})
    assert any("uniqueId" in note for note in only.notes)
    with pytest.raises(ConfigurationError, match="whose tokens"):
        google_cloud.trust()
    with pytest.raises(ConfigurationError, match="unique id"):
        google_cloud.trust(unique_id=email)
    with pytest.raises(ConfigurationError, match="address of a service account"):
        google_cloud.trust(service_account_email="ada@acme.example")


def test_azure_names_the_application_as_the_version_of_the_token_does() -> None:
    newer = azure.trust(tenant=TENANT, audience=f"api://{APPLICATION}", object_id=OBJECT.upper())
    assert newer.issuer_url == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert (newer.subject, newer.audience, newer.claims) == (OBJECT, APPLICATION, {"tid": TENANT})
    older = azure.trust(tenant=TENANT, audience=APPLICATION, object_id=OBJECT, client_id=OBJECT, version=1)
    assert older.issuer_url == f"https://sts.windows.net/{TENANT}/"
    assert (older.audience, older.claims["appid"]) == (f"api://{APPLICATION}", OBJECT)
    assert azure.trust(tenant=TENANT, audience=APPLICATION, client_id=OBJECT).claims["azp"] == OBJECT
    assert newer.variables == older.variables == {"ANT_IDENTITY_AUDIENCE": f"api://{APPLICATION}"}
    assert newer.max_jwt_lifetime_seconds >= 86_700
    assert azure.trust(tenant=TENANT, audience=APPLICATION.upper(), object_id=OBJECT) == azure.trust(
        tenant=TENANT, audience=APPLICATION, object_id=OBJECT
    )
    for options in (
        {"tenant": TENANT, "audience": "api://claude$(id)", "object_id": OBJECT, "version": 1},
        {"tenant": "acme", "audience": APPLICATION, "object_id": OBJECT},
        {"tenant": TENANT, "audience": "api://claude", "object_id": OBJECT},
        {"tenant": TENANT, "audience": APPLICATION},
        {"tenant": TENANT, "audience": APPLICATION, "object_id": "ci"},
    ):
        with pytest.raises(ConfigurationError):
            azure.trust(**options)


def test_azure_s_client_id_alone_is_said_to_let_in_people_too() -> None:
    alone = azure.trust(tenant=TENANT, audience=APPLICATION, client_id=OBJECT)
    assert any("--object-id" in note for note in alone.notes)
    named = azure.trust(tenant=TENANT, audience=APPLICATION, object_id=OBJECT, client_id=OBJECT)
    assert not any("--object-id" in note for note in named.notes)


def test_kubernetes_registers_public_keys_only() -> None:
    public = {"kty": "RSA", "kid": "one", "n": "AQAB", "e": "AQAB"}
    keys = {"keys": [{**public, "d": "AQAB"}, {"kty": "oct", "k": "AQAB"}, {"kty": ["RSA"]}, "RSA"]}
    found = kubernetes.trust(
        issuer_url="https://kubernetes.default.svc", namespace="ci", service_account="builder", jwks=keys
    )
    assert found.subject == "system:serviceaccount:ci:builder"
    assert found.jwks == {"type": "inline", "keys": [public]}
    with pytest.raises(ConfigurationError, match="no RSA or EC key"):
        kubernetes.trust(issuer_url="https://idp.acme.example", namespace="ci", service_account="b", jwks={"keys": []})


@pytest.mark.parametrize("host", ["kubernetes.default.svc", "kubernetes.default.svc.cluster.local"])
def test_a_cluster_that_only_itself_can_reach_must_bring_its_keys(host: str) -> None:
    with pytest.raises(ConfigurationError, match="a name within the cluster") as caught:
        kubernetes.trust(issuer_url=f"https://{host}", namespace="ci", service_account="builder")
    assert "--jwks" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "url", ["", "acme", "ftp://idp.acme.example", "https://idp.acme.example/*", "https://a@b.example"]
)
def test_an_issuer_s_url_is_one(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected its URL"):
        kubernetes.trust(issuer_url=url, namespace="ci", service_account="builder")


EMAIL = "ci@acme-prod.iam.gserviceaccount.com"
TRUSTS: dict[str, Callable[[str], WorkloadIdentity]] = {
    "github": lambda url: github.trust(repository="acme/app", issuer_url=url),
    "aws": lambda url: aws.trust(issuer_url=url, role_arn="arn:aws:iam::123456789012:role/ci"),
    "kubernetes": lambda url: kubernetes.trust(issuer_url=url, namespace="ci", service_account="builder"),
}


@pytest.mark.parametrize("platform", TRUSTS)
def test_the_claims_of_the_platform_s_jobs_are_those_that_are_asked_for(emulator: Emulator, platform: str) -> None:
    claims = read_assertion(emulator.issue(platform)).claims
    found = TRUSTS[platform](str(claims["iss"]))
    assert found.issuer_url == claims["iss"]
    assert {name: claims.get(name) for name in found.claims} == found.claims
    if platform != "kubernetes":
        assert found.subject == claims["sub"]
    else:
        assert str(claims["sub"]).startswith("system:serviceaccount:")


@pytest.mark.parametrize("platform", ["github", "google_cloud"])
def test_a_rule_for_a_shared_issuer_says_whose_tokens_it_means(platform: str) -> None:
    found = (
        github.trust(repository="acme/app") if platform == "github" else google_cloud.trust(service_account_email=EMAIL)
    )
    rule = Rule(
        id="", name=found.name, issuer_id="", service_account_id="", subject_prefix=found.subject, claims=found.claims,
        workspace_ids=("wrkspc_01x",),
    )  # fmt: skip
    check_rule(rule, issuer_url=found.issuer_url, organization_role="developer")
