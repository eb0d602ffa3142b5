"""Whose tokens a setup would accept: the subject and the claims of each platform, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ant_wif._http import run
from ant_wif._secrets import SecretStr
from ant_wif.admin.setup import WorkloadIdentity, aws, azure, ci, github, google_cloud, kubernetes
from ant_wif.emulator import Emulator
from ant_wif.errors import ConfigurationError
from ant_wif.rules import Rule, check_rule
from ant_wif.rules.cel import evaluate_condition
from ant_wif.rules.jwt import read_assertion
from support.loopback import TokenEndpoint
from support.samples import needs_cel

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


def test_the_form_of_github_s_subject_can_be_chosen() -> None:
    numbered = "acme@90210/app@734201985"
    classic, immutable = "repo:acme/app:ref:refs/heads/main", "repo:acme@90210/app@734201985:ref:refs/heads/main"
    assert github.trust(repository=numbered, form="classic").subject == classic
    assert github.trust(repository=numbered, form="immutable").subject == immutable
    settings = github.SubjectSettings(immutable=True, numbers=("90210", "734201985"))
    assert github.trust(repository="acme/app", settings=settings) == github.trust(
        repository=numbered, settings=settings
    )
    assert github.trust(repository="acme/app", settings=settings, form="classic").subject == classic
    with pytest.raises(ConfigurationError, match="these are not known") as caught:
        github.trust(repository="acme/app", form="immutable")
    assert "--repo" in (caught.value.hint or "")


@needs_cel
@pytest.mark.parametrize("repository", ["acme/app", "acme@90210/app@734201985"])
@pytest.mark.parametrize("environment", [None, 'a:"b\\'])
def test_both_forms_of_github_s_subject_are_accepted_by_one_condition(repository: str, environment: str | None) -> None:
    found = github.trust(repository=repository, form="both", environment=environment)
    assert found.subject is None
    assert found.condition is not None
    context = "ref:refs/heads/main" if environment is None else 'environment:a%3A"b\\'
    for subject, accepted in (
        (f"repo:acme/app:{context}", True),
        (f"repo:acme@90210/app@734201985:{context}", True),
        (f"repo:acme-evil/app:{context}", False),
        ("repo:acme/app:ref:refs/heads/other", False),
        ("repo:acme@90210/app@734201985:pull_request", False),
    ):
        assert evaluate_condition(found.condition, {"sub": subject})[0] is accepted, subject
    rule = Rule(
        id="", name=found.name, issuer_id="", service_account_id="", claims=found.claims, condition=found.condition,
        workspace_ids=("wrkspc_01x",),
    )  # fmt: skip
    check_rule(rule, issuer_url=found.issuer_url, organization_role="developer")


@pytest.mark.parametrize(
    ("keys", "subject"),
    [
        (("repo", "context", "job_workflow_ref"), "repo:acme/app:ref:refs/heads/main:job_workflow_ref:*"),
        (("repository_owner", "ref"), "repository_owner:acme:ref:refs/heads/main"),
        (("context", "repo"), "ref:refs/heads/main:repo:acme/app"),
        (("actor", "repo"), None),
    ],
)
def test_a_subject_of_the_repository_s_own_making_is_expected_as_far_as_it_is_known(
    keys: tuple[str, ...], subject: str | None
) -> None:
    settings = github.SubjectSettings(include_claim_keys=keys)
    found = github.trust(repository="acme/app", settings=settings)
    assert found.subject == subject
    assert found.claims["repository"] == "acme/app"
    assert any(", ".join(keys) in note for note in found.notes)
    with pytest.raises(ConfigurationError, match="--subject both"):
        github.trust(repository="acme/app", settings=settings, form="both")


@pytest.mark.parametrize(
    ("issuer", "api"),
    [
        ("https://token.actions.githubusercontent.com", "https://api.github.com"),
        ("https://token.actions.githubusercontent.com/acme-enterprise", "https://api.github.com"),
        ("https://token.actions.acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://git.acme.example/_services/token", "https://git.acme.example/api/v3"),
        ("https://idp.acme.example", None),
        ("https://token.actions.ghe.com.evil.example", None),
        ("http://git.acme.example/_services/token", None),
    ],
)
def test_github_s_api_is_that_of_the_issuer(issuer: str, api: str | None) -> None:
    assert github.api_url(issuer) == api
    found = github.trust(repository="acme/app", issuer_url=issuer)
    assert (found.issuer_url, found.subject) == (issuer, "repo:acme/app:ref:refs/heads/main")


@pytest.mark.parametrize(
    "issuer",
    [
        "https://github.com@evil.example/_services/token",
        "https://token.actions.evil.example\\.ghe.com",
        "https://evil.example/_services/token?x",
    ],
)
def test_an_issuer_that_is_not_valid_names_no_api(issuer: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is not"):
        github.api_url(issuer)


def settings_from(**answer: Any) -> github.SubjectSettings:
    with TokenEndpoint(**answer) as endpoint:
        return run(github.read_settings("acme", "app", url=endpoint.base_url, token=SecretStr("gh-example")))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 401, "body": {"message": "Bad credentials"}}, "HTTP 401 for its OIDC settings: the token is not"),
        ({"status": 403, "body": {"message": "no"}}, "HTTP 403 for its OIDC settings: the token may not read"),
        ({"status": 404, "body": {"message": "Not Found"}}, "HTTP 404 for its OIDC settings: there is no repository"),
        ({"status": 301, "body": {}}, "HTTP 301 for its OIDC settings: acme/app was renamed"),
        ({"status": 307, "headers": {"Location": "/a"}}, "HTTP 307 for its OIDC settings: it redirects to /a"),
        ({"status": 500, "body": {}}, "HTTP 500 for its OIDC settings: its body is a JSON object that names no error"),
        *(
            ({"body": body}, "GitHub returned OIDC settings that cannot be read")
            for body in (
                ["no"],
                {},
                None,
                "",
                5,
                b"",
                b"<html>",
                b"[" * 100_000,
                {"message": "no"},
                {"use_default": "yes"},
                {"use_default": False, "include_claim_keys": "repo"},
                {"use_default": False, "include_claim_keys": [1]},
                {"use_default": True, "use_immutable_subject": "true"},
                {"use_default": True, "sub_claim_prefix": 5},
            )
        ),
    ],
)
def test_settings_that_github_does_not_tell_are_one_sentence_in_the_plan(answer: dict[str, Any], said: str) -> None:
    settings = settings_from(**answer)
    assert said in (settings.unknown or "")
    assumption = github.trust(repository="acme/app", settings=settings).assumption or ""
    assert said in assumption
    assert "assumes the classic form of the subject: pass --subject" in assumption
    assert "gh-example" not in assumption


def test_settings_of_a_repository_that_nothing_answers_for_say_so() -> None:
    with TokenEndpoint() as endpoint:
        url = endpoint.base_url
    settings = run(github.read_settings("acme", "app", url=url, token=SecretStr("gh-example")))
    assert "GitHub could not be reached" in (settings.unknown or "")


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
def test_a_name_that_is_unreadable_or_that_a_workflow_would_evaluate_is_refused(name: str) -> None:
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
def test_what_is_not_a_repository_is_refused(repository: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a repository"):
        github.trust(repository=repository)


@pytest.mark.parametrize(
    "name", ["*", "feature/*", "a b", "a..b", "a:b", "/a", "a/", "a~1", "a^", "a\\b", "a@{1}", "x.lock", ""]
)
@pytest.mark.parametrize("option", ["branch", "tag"])
def test_what_is_not_a_name_in_git_is_refused(option: str, name: str) -> None:
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


BITBUCKET_REPOSITORY = "8f3c1b7a-5d2e-4c69-9a40-7be1d2c3f4a5"
CI_SYSTEMS: dict[str, Callable[..., WorkloadIdentity]] = {
    "gitlab": lambda **more: ci.gitlab(**{"project": "acme/app", **more}),
    "circleci": lambda **more: ci.circleci(
        **{
            "organization_id": "8f0e4c1a-77b1-4d3e-9a55-2f6f0c9d1e01",
            "project_id": "1c5e7b90-3f2d-4a86-b0c4-5d8e6f7a9b02",
            **more,
        }
    ),
    "buildkite": lambda **more: ci.buildkite(**{"organization": "acme", "pipeline": "app", **more}),
    "azure_pipelines": lambda **more: ci.azure_pipelines(
        **{"organization": "acme", "project": "app", "connection": "anthropic", "organization_id": OBJECT, **more}
    ),
    "bitbucket": lambda **more: ci.bitbucket(**{"workspace": "acme", "repository_id": BITBUCKET_REPOSITORY, **more}),
    "terraform_cloud": lambda **more: ci.terraform_cloud(
        **{"organization": "acme", "project": "Default Project", "workspace": "app", **more}
    ),
    "spacelift": lambda **more: ci.spacelift(**{"account": "acme", "space": "legacy", "stack": "app", **more}),
    "oidc": lambda **more: ci.oidc(**{"issuer_url": "https://ci.acme.example", "subject": "job:1", **more}),
}


@pytest.mark.parametrize("platform", [name for name in CI_SYSTEMS if name != "oidc"])
def test_a_ci_system_s_job_has_what_its_rule_asks_for(emulator: Emulator, platform: str) -> None:
    claims = read_assertion(emulator.issue(platform)).claims
    found = CI_SYSTEMS[platform](issuer_url=str(claims["iss"]))
    assert {name: claims.get(name) for name in found.claims} == found.claims
    assert found.subject is not None
    assert str(claims["sub"]).startswith(found.subject.removesuffix("*"))
    assert found.audience == claims["aud"]
    real = CI_SYSTEMS[platform]()
    rule = Rule(
        id="", name=real.name, issuer_id="", service_account_id="", subject_prefix=real.subject, claims=real.claims,
        workspace_ids=("wrkspc_01x",),
    )  # fmt: skip
    check_rule(rule, issuer_url=real.issuer_url, organization_role="developer")


@pytest.mark.parametrize("platform", ["gitlab", "circleci", "buildkite"])
def test_a_tag_s_job_has_another_identity_than_the_branch_of_that_name(platform: str) -> None:
    branch, tag = (CI_SYSTEMS[platform](**{kind: "v1"}) for kind in ("branch", "tag"))
    assert (branch.subject, branch.claims) != (tag.subject, tag.claims)
    assert CI_SYSTEMS[platform](branch="refs/heads/v1") == branch
    with pytest.raises(ConfigurationError, match="not for both"):
        CI_SYSTEMS[platform](branch="a", tag="b")


@pytest.mark.parametrize(
    ("platform", "options"),
    [
        *(("gitlab", {"project": name}) for name in ("app", "acme/*", "acme/app:ref", "https://gitlab.com/acme/app")),
        *((name, {"branch": branch}) for name in ("gitlab", "circleci", "buildkite", "azure_pipelines", "bitbucket")
          for branch in ("release/*", 'a"b', "a$b", "a b", "${{ x }}", "")),
        ("gitlab", {"environment": "*"}),
        ("circleci", {"organization_id": "acme"}),
        ("circleci", {"project_id": "*"}),
        ("buildkite", {"organization": "Acme"}),
        ("buildkite", {"pipeline": "*"}),
        ("azure_pipelines", {"connection": "*"}),
        ("azure_pipelines", {"organization_id": None}),
        ("azure_pipelines", {"tenant": TENANT}),
        ("azure_pipelines", {"tenant": TENANT, "subject": "*"}),
        ("bitbucket", {"repository_id": "acme/app"}),
        ("bitbucket", {"environment": "production"}),
        ("bitbucket", {"workspace": "a/b"}),
        ("terraform_cloud", {"workspace": "*"}),
        ("terraform_cloud", {"project": "a:workspace"}),
        ("terraform_cloud", {"phase": "any"}),
        ("spacelift", {"stack": "*"}),
        ("spacelift", {"account": "acme.app.spacelift.io"}),
        ("spacelift", {"run_type": "*"}),
        *(("oidc", {"subject": subject}) for subject in ("*", "", "a*b", "a**", " a", "a\n")),
        ("oidc", {"issuer_url": "ci.acme.example"}),
        ("oidc", {"audience": "a\u202e"}),
    ],
)  # fmt: skip
def test_what_a_ci_system_does_not_have_is_refused(platform: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CI_SYSTEMS[platform](**options)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_azure_devops_or_entra_id_issues_the_tokens_of_a_service_connection() -> None:
    older = CI_SYSTEMS["azure_pipelines"]()
    assert (older.issuer_url, older.subject) == (f"https://vstoken.dev.azure.com/{OBJECT}", "sc://acme/app/anthropic")
    newer = CI_SYSTEMS["azure_pipelines"](tenant=TENANT, subject="/eid1/c/pub/t/x/a/y/sc/1/2")
    assert newer.issuer_url == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert newer.subject == "/eid1/c/pub/t/x/a/y/sc/1/2"
    assert {older.audience, newer.audience} == {"api://AzureADTokenExchange"}


def test_a_deployment_environment_of_bitbucket_is_in_subject_and_claims() -> None:
    found = CI_SYSTEMS["bitbucket"](environment="production", environment_id=f"{{{OBJECT}}}")
    assert found.subject == f"{{{BITBUCKET_REPOSITORY}}}:{{{OBJECT}}}:*"
    assert found.claims["deploymentEnvironmentUuid"] == f"{{{OBJECT}}}"


def test_any_issuer_s_audience_and_keys_reach_the_rule_and_the_job() -> None:
    found = CI_SYSTEMS["oidc"](subject="job:*", audience="claude", claims={"ref": "main"}, name="nightly")
    assert (found.subject, found.audience, found.claims, found.name) == ("job:*", "claude", {"ref": "main"}, "nightly")
    assert found.variables == {"ANT_IDENTITY_AUDIENCE": "claude"}
    assert any("begins with" in note for note in found.notes)
    assert not CI_SYSTEMS["oidc"]().notes


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
