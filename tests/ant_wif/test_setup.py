"""From what is registered to what is wanted: what is kept, created, changed, and left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ant_wif
from ant_wif._api.client import Api
from ant_wif._http.flow import Backoff
from ant_wif.admin import setup
from ant_wif.admin.client import Admin
from ant_wif.admin.setup import SetupPlan, SetupRequest, WorkloadIdentity
from ant_wif.admin.setup.models import PlannedResource
from ant_wif.credentials import Credentials
from ant_wif.emulator import Emulator, Fault
from ant_wif.errors import ApiError, ConfigurationError
from support.loopback import TokenEndpoint
from support.registrations import as_seeded, registrations
from support.samples import needs_cel

TENANT = "7a1d2c3b-0000-4a5b-8c9d-0e1f2a3b4c5d"
APPLICATION = "c0de7a11-5e3b-4f6a-9d82-7f8091a2b303"


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    with as_seeded(running):
        yield running


@pytest.fixture
def admin(emulator: Emulator, tmp_path: Path) -> Iterator[Admin]:
    token = emulator.login(scope="org:admin").access_token
    credentials = ant_wif.resolve(auth_token=token, base_url=emulator.base_url, environ={"HOME": str(tmp_path)})
    with Admin(credentials, Api(credentials, backoff=lambda: Backoff(attempts=1))) as started:
        yield started


def github(emulator: Emulator, **options: Any) -> WorkloadIdentity:
    return setup.github.trust(**{"repository": "acme/app", "issuer_url": f"{emulator.base_url}/github", **options})


def wanted(admin: Admin, trust: WorkloadIdentity, **more: Any) -> SetupRequest:
    return SetupRequest(**{"trust": trust, "workspace_id": admin.workspace_id("Engineering"), **more})


def actions(plan: SetupPlan) -> list[str]:
    return [item.action for item in plan.items]


def test_what_is_missing_is_created_and_a_second_time_there_is_nothing_to_do(emulator: Emulator, admin: Admin) -> None:
    before = registrations(emulator)
    asked = wanted(admin, github(emulator))
    planned = setup.plan(admin, asked)
    assert actions(planned) == ["keep", "create", "create", "create"]
    assert registrations(emulator) == before
    assert "ANTHROPIC_FEDERATION_RULE_ID" not in planned.variables
    made: list[PlannedResource] = []
    applied = setup.apply(admin, planned, made.append)
    assert [item.kind for item in made] == ["service_account", "membership", "rule"]
    rule = emulator.rule("github-acme-app-main")
    assert (rule.subject_prefix, rule.audience) == ("repo:acme/app:ref:refs/heads/main", "https://api.anthropic.com")
    assert rule.claims == {"repository": "acme/app", "repository_owner": "acme", "ref": "refs/heads/main"}
    assert rule.workspace_ids == (asked.workspace_id,)
    assert rule.oauth_scope == "workspace:developer"
    assert applied.variables == {
        "ANTHROPIC_FEDERATION_RULE_ID": rule.id,
        "ANTHROPIC_ORGANIZATION_ID": emulator.organization_id,
        "ANTHROPIC_SERVICE_ACCOUNT_ID": rule.service_account_id,
        "ANTHROPIC_WORKSPACE_ID": asked.workspace_id,
        "ANTHROPIC_BASE_URL": emulator.base_url,
    }
    after = registrations(emulator)
    again = setup.plan(admin, asked)
    assert not again.changes_something
    assert again.variables == applied.variables
    setup.apply(admin, again)
    assert registrations(emulator) == after


def test_an_issuer_that_is_not_there_is_created_with_its_keys_to_be_fetched(emulator: Emulator, admin: Admin) -> None:
    asked = wanted(admin, github(emulator, issuer_url="https://git.acme.example/_services/token"))
    setup.apply(admin, setup.plan(admin, asked))
    found = admin.issuers.find("github-git-acme-example-services-token")
    assert (found["issuer_url"], found["jwks"]) == (asked.trust.issuer_url, {"type": "discovery"})
    assert not setup.plan(admin, asked).changes_something


def test_the_default_workspace_needs_no_membership(emulator: Emulator, admin: Admin) -> None:
    asked = wanted(admin, github(emulator), workspace_id=admin.workspace_id("default"))
    assert actions(setup.plan(admin, asked)) == ["keep", "create", "keep", "create"]
    setup.apply(admin, setup.plan(admin, asked))
    assert not setup.plan(admin, asked).changes_something


def test_a_service_account_that_is_there_is_used_by_name_or_id(emulator: Emulator, admin: Admin) -> None:
    account = emulator.rule().service_account_id
    for named in ("ci", account):
        asked = wanted(admin, github(emulator, branch="dev"), service_account=named)
        planned = setup.plan(admin, asked)
        assert actions(planned) == ["keep", "keep", "keep", "create"]
        assert planned.service_account.id == account


def test_a_rule_that_accepts_more_is_made_narrower(emulator: Emulator, admin: Admin) -> None:
    # The seeded rule has the subject, and asks for no claim.
    asked = wanted(admin, github(emulator), service_account="ci")
    planned = setup.plan(admin, asked)
    assert actions(planned) == ["keep", "keep", "keep", "update"]
    assert {change.field: (change.before, change.after) for change in planned.rule.changes} == {
        "match.claims.repository": (None, "acme/app"),
        "match.claims.repository_owner": (None, "acme"),
        "match.claims.ref": (None, "refs/heads/main"),
    }
    setup.apply(admin, planned)
    assert emulator.rule().claims == asked.trust.claims
    assert not setup.plan(admin, asked).changes_something


@needs_cel
def test_a_rule_that_asks_for_more_stays_as_narrow_as_it_is(emulator: Emulator, admin: Admin) -> None:
    trust = github(emulator)
    narrow = {**trust.claims, "workflow": "ci"}
    emulator.update_rule("github", claims=narrow, condition="claims.run_attempt == '1'", token_lifetime_seconds=600)
    asked = wanted(admin, trust, service_account="ci")
    assert not setup.plan(admin, asked).changes_something
    longer = wanted(admin, trust, service_account="ci", lifetime=1200, scope="workspace:inference")
    setup.apply(admin, setup.plan(admin, longer))
    rule = emulator.rule()
    assert (rule.token_lifetime_seconds, rule.oauth_scope) == (1200, "workspace:inference")
    assert (rule.claims, rule.condition) == (narrow, "claims.run_attempt == '1'")


def test_a_wrong_claim_and_a_wrong_audience_are_corrected(emulator: Emulator, admin: Admin) -> None:
    trust = github(emulator)
    emulator.update_rule(
        "github", claims={**trust.claims, "repository_owner": "other"}, audience="https://acme.example"
    )
    planned = setup.plan(admin, wanted(admin, trust, service_account="ci"))
    assert {change.field: change.before for change in planned.rule.changes} == {
        "match.claims.repository_owner": "other",
        "match.audience": "https://acme.example",
    }
    setup.apply(admin, planned)
    assert emulator.rule().claims == trust.claims
    assert emulator.rule().audience == "https://api.anthropic.com"


def test_a_rule_that_has_the_usual_audience_without_naming_it_is_kept(emulator: Emulator, admin: Admin) -> None:
    trust = github(emulator)
    emulator.update_rule("github", claims=trust.claims, audience=None)
    assert not setup.plan(admin, wanted(admin, trust, service_account="ci")).changes_something


@pytest.mark.parametrize("difference", ["account", "workspace", "scope", "archived", "subject"])
def test_a_rule_for_another_workload_is_not_changed(emulator: Emulator, admin: Admin, difference: str) -> None:
    trust, account = github(emulator), "ci"
    emulator.update_rule("github", claims=trust.claims)
    if difference == "account":
        account = "another"
    elif difference == "workspace":
        emulator.update_rule("github", workspace_ids=(admin.workspace_id("default"),))
    elif difference == "scope":
        emulator.update_rule("github", oauth_scope="org:admin")
    elif difference == "archived":
        emulator.update_rule("github", archived=True)
    else:
        trust = github(emulator, branch="dev")
    before = emulator.rule()
    planned = setup.plan(admin, wanted(admin, trust, service_account=account))
    assert (planned.rule.action, planned.rule.id) == ("create", None)
    if difference != "scope":  # an issuer behind a rule of the Console's is the Console's
        setup.apply(admin, planned)
    assert emulator.rule() == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"repository": "acme/a-b"}, {"repository": "acme-a/b"}),
        ({"branch": "v1"}, {"tag": "v1"}),
        ({"branch": "c"}, {"branch": "c++"}),
        ({"branch": "日本"}, {"branch": "中国"}),
        ({"branch": "x" * 200 + "y"}, {"branch": "x" * 200 + "z"}),
    ],
)
def test_workloads_whose_names_are_alike_share_nothing(
    emulator: Emulator, admin: Admin, one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = wanted(admin, github(emulator, **one)), wanted(admin, github(emulator, **other))
    assert first.trust.name == second.trust.name
    done = setup.apply(admin, setup.plan(admin, first))
    planned = setup.plan(admin, second)
    assert actions(planned) == ["keep", "create", "create", "create"]
    assert (planned.rule.name, planned.service_account.name) == (f"{first.trust.name}-2",) * 2
    assert setup.apply(admin, planned).service_account.id != done.service_account.id
    for asked in (first, second):
        assert not setup.plan(admin, asked).changes_something
    # Asked for outright, an account may be shared.
    shared = wanted(admin, second.trust, service_account=first.trust.name)
    assert actions(setup.plan(admin, shared)) == ["keep", "keep", "keep", "create"]


def test_pods_of_two_clusters_that_have_the_same_name_share_nothing(emulator: Emulator, admin: Admin) -> None:
    def trust(cluster: str) -> WorkloadIdentity:
        return setup.kubernetes.trust(
            issuer_url=f"https://{cluster}.acme.example", namespace="ci", service_account="builder"
        )

    accounts = [
        setup.apply(admin, setup.plan(admin, wanted(admin, trust(cluster)))).service_account.id
        for cluster in ("one", "two")
    ]
    assert accounts[0] != accounts[1]


def test_two_runs_at_once_make_everything_once(emulator: Emulator, admin: Admin) -> None:
    asked = wanted(admin, github(emulator, issuer_url="https://git.acme.example"))
    planned = setup.plan(admin, asked)
    other = setup.plan(admin, asked)
    made: list[PlannedResource] = []

    def overtake(item: PlannedResource) -> None:
        made.append(item)
        if item.kind == "issuer":
            setup.apply(admin, other)

    applied = setup.apply(admin, planned, overtake)
    after = registrations(emulator)
    again = setup.plan(admin, asked)
    assert not again.changes_something
    assert applied.variables == again.variables
    assert actions(applied) == ["create", "keep", "keep", "keep"]
    assert [item.kind for item in made] == ["issuer"]
    assert setup.apply(admin, planned).variables == again.variables
    assert registrations(emulator) == after


def test_what_another_run_changed_otherwise_than_planned_is_not_gone_along_with(
    emulator: Emulator, admin: Admin
) -> None:
    planned = setup.plan(admin, wanted(admin, github(emulator)))
    setup.apply(admin, setup.plan(admin, wanted(admin, github(emulator), lifetime=600)))
    emulator.update_rule("github-acme-app-main", claims={})
    before = registrations(emulator)
    with pytest.raises(ApiError) as caught:
        setup.apply(admin, planned)
    assert caught.value.status == 409
    assert "run this again" in (caught.value.hint or "")
    assert registrations(emulator) == before


def test_an_environment_s_other_branch_has_a_rule_of_its_own(emulator: Emulator, admin: Admin) -> None:
    def asked(branch: str | None) -> SetupRequest:
        trust = github(emulator, environment="production", branch=branch)
        return wanted(admin, trust, service_account="ci")

    main = setup.apply(admin, setup.plan(admin, asked("main")))
    for other in ("release", None):
        planned = setup.plan(admin, asked(other))
        assert planned.rule.action == "create", other
        setup.apply(admin, planned)
    assert emulator.rule(main.rule.name).claims["ref"] == "refs/heads/main"
    for branch in ("main", "release", None):
        assert not setup.plan(admin, asked(branch)).changes_something


def test_branches_whose_jobs_have_the_same_subject_have_a_rule_each(emulator: Emulator, admin: Admin) -> None:
    repository = "8f3c1b7a-5d2e-4c69-9a40-7be1d2c3f4a5"
    for branch in ("main", "dev"):
        trust = setup.ci.bitbucket(workspace="acme", repository_id=repository, branch=branch)
        planned = setup.plan(admin, wanted(admin, trust))
        assert planned.rule.action == "create", branch
        setup.apply(admin, planned)
        assert not setup.plan(admin, wanted(admin, trust)).changes_something


class Altering(Api):
    """Answers as the API does, but for what `alter` makes of each document."""

    def __init__(self, credentials: Credentials, alter: Callable[[dict[str, Any]], object]) -> None:
        super().__init__(credentials)
        self._alter = alter

    def items(self, *words: Any, **more: Any) -> Iterator[Any]:
        return map(self._altered, super().items(*words, **more))

    def send(self, *words: Any, **more: Any) -> Any:
        return self._altered(super().send(*words, **more))

    def _altered(self, document: Any) -> Any:
        self._alter(document)
        return document


def test_what_a_rule_asks_that_is_not_known_here_is_not_lost_in_an_update(emulator: Emulator, admin: Admin) -> None:
    def newer(document: dict[str, Any]) -> None:
        if document.get("type") == "federation_rule":
            document["match"]["network"] = "10.0.0.0/8"

    with Admin(admin.credentials, Altering(admin.credentials, newer)) as altering:
        planned = setup.plan(altering, wanted(altering, github(emulator), service_account="ci"))
    match = planned.rule.body["match"]
    assert isinstance(match, dict)
    assert (match["network"], match["claims"]["ref"]) == ("10.0.0.0/8", "refs/heads/main")


@pytest.mark.parametrize("identifier", ["fdrl_01;id", "fdrl_01\nX=1", "${{ github.token }}", "svac_01x"])
def test_an_invalid_id_does_not_get_into_the_variables_of_a_job(
    emulator: Emulator, admin: Admin, identifier: str
) -> None:
    def hostile(document: dict[str, Any]) -> None:
        if document.get("type") == "federation_rule" and document["name"] == "github-acme-app-main":
            document["id"] = identifier

    asked = wanted(admin, github(emulator))
    with Admin(admin.credentials, Altering(admin.credentials, hostile)) as altering:
        planned = setup.plan(altering, asked)
        for attempt in (lambda: setup.apply(altering, planned), lambda: setup.plan(altering, asked)):
            with pytest.raises(ApiError, match="is not valid"):
                attempt()


def test_an_archived_issuer_and_rule_are_not_used_again(emulator: Emulator, admin: Admin) -> None:
    asked = wanted(admin, github(emulator, issuer_url="https://git.acme.example"))
    done = setup.apply(admin, setup.plan(admin, asked))
    admin.rules.archive(done.rule.id or "")
    admin.issuers.archive(done.issuer.id or "")
    planned = setup.plan(admin, asked)
    assert actions(planned) == ["create", "keep", "keep", "create"]
    assert (planned.issuer.name, planned.rule.name) == ("github-git-acme-example-2", "github-acme-app-main-2")
    again = setup.apply(admin, planned)
    assert again.rule.id != done.rule.id


def test_of_two_issuers_with_one_url_that_is_used_which_has_the_rule(emulator: Emulator, admin: Admin) -> None:
    asked = wanted(admin, github(emulator, issuer_url="https://git.acme.example"))
    first = setup.apply(admin, setup.plan(admin, asked))
    for name in ("a-later-one", "the-latest"):
        later = admin.issuers.create({"name": name, "issuer_url": asked.trust.issuer_url})
        assert not setup.plan(admin, asked).changes_something
    again = setup.plan(admin, wanted(admin, github(emulator))).rule.body
    target = {"type": "service_account", "service_account_id": first.service_account.id}
    admin.rules.create({**again, "name": "moved", "issuer_id": later["id"], "target": target})
    admin.rules.archive(first.rule.id or "")
    assert setup.plan(admin, asked).issuer.id == later["id"]


def test_an_archived_service_account_stands_in_the_way(emulator: Emulator, admin: Admin) -> None:
    asked = wanted(admin, github(emulator, branch="gone"))
    account = admin.service_accounts.create({"name": asked.trust.name})
    admin.service_accounts.archive(str(account["id"]))
    with pytest.raises(ConfigurationError, match="is archived, and its name stays taken") as caught:
        setup.plan(admin, asked)
    assert "--service-account" in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["issuer", "service_account", "membership"])
def test_what_broke_in_the_middle_is_continued(emulator: Emulator, admin: Admin, kind: str) -> None:
    asked = wanted(
        admin, github(emulator, issuer_url="https://git.acme.example", branch=f"after-{kind}".replace("_", "-"))
    )

    def break_off(item: PlannedResource) -> None:
        if item.kind == kind:
            emulator.fail("admin", Fault.status(500))

    with pytest.raises(ApiError) as caught:
        setup.apply(admin, setup.plan(admin, asked), break_off)
    assert (caught.value.hint or "").startswith("what was made stays: run this again")
    left = actions(setup.plan(admin, asked))
    made = ["issuer", "service_account", "membership", "rule"].index(kind) + 1
    assert left == ["keep"] * made + ["create"] * (4 - made)
    setup.apply(admin, setup.plan(admin, asked))
    assert not setup.plan(admin, asked).changes_something


def test_an_issuer_is_made_to_accept_the_longer_tokens_of_managed_identities(emulator: Emulator, admin: Admin) -> None:
    issuer = emulator.issuer("azure")
    emulator.update_issuer("azure", max_jwt_lifetime_seconds=3600)
    trust = setup.azure.trust(
        tenant=TENANT, audience=APPLICATION, object_id=emulator.rule("azure").subject_prefix or "",
        issuer_url=issuer.issuer_url,
    )  # fmt: skip
    planned = setup.plan(admin, wanted(admin, trust))
    assert [(change.field, change.before) for change in planned.issuer.changes] == [("max_jwt_lifetime_seconds", 3600)]
    setup.apply(admin, planned)
    assert emulator.issuer("azure").max_jwt_lifetime_seconds == trust.max_jwt_lifetime_seconds
    assert setup.plan(admin, wanted(admin, trust)).issuer.action == "keep"


def test_rotated_keys_of_a_cluster_replace_those_that_are_registered(emulator: Emulator, admin: Admin) -> None:
    def trust(platform: str) -> WorkloadIdentity:
        keys = emulator._platforms.named(platform).key.jwks()
        return setup.kubernetes.trust(
            issuer_url="https://kubernetes.default.svc", namespace="ci", service_account="builder", jwks=keys
        )

    setup.apply(admin, setup.plan(admin, wanted(admin, trust("kubernetes"))))
    assert not setup.plan(admin, wanted(admin, trust("kubernetes"))).changes_something
    planned = setup.plan(admin, wanted(admin, trust("gitlab")))
    assert [change.field for change in planned.issuer.changes] == ["jwks"]
    setup.apply(admin, planned)
    assert admin.issuers.get(planned.issuer.id or "")["jwks"] == trust("gitlab").jwks


@pytest.mark.parametrize("url", ["https://10.0.0.1", "https://idp.acme.example:8443", "http://idp.acme.example"])
def test_an_issuer_that_the_server_would_refuse_is_refused_here(emulator: Emulator, admin: Admin, url: str) -> None:
    before = registrations(emulator)
    trust = setup.kubernetes.trust(issuer_url=url, namespace="ci", service_account="builder")
    with pytest.raises(ConfigurationError, match="would refuse the issuer: issuer_url: must") as caught:
        setup.plan(admin, wanted(admin, trust))
    assert "--jwks" in (caught.value.hint or "")
    assert registrations(emulator) == before


def test_a_service_account_that_could_not_be_made_is_refused_here(emulator: Emulator, admin: Admin) -> None:
    with pytest.raises(ConfigurationError, match="no service account 'No Name', and none can be made: its name: must"):
        setup.plan(admin, wanted(admin, github(emulator), service_account="No Name"))


@pytest.mark.parametrize("lifetime", [59, 86_401])
def test_a_rule_that_the_server_would_refuse_is_refused_here(emulator: Emulator, admin: Admin, lifetime: int) -> None:
    with pytest.raises(ConfigurationError, match="would refuse the rule: token_lifetime_seconds: must"):
        setup.plan(admin, wanted(admin, github(emulator), lifetime=lifetime))


def test_an_answer_that_is_not_a_registration_is_an_error_of_its_own(emulator: Emulator, tmp_path: Path) -> None:
    trust = github(emulator, issuer_url="https://git.acme.example")
    with TokenEndpoint(body={"data": [{"issuer_url": trust.issuer_url}]}) as endpoint:
        credentials = ant_wif.resolve(
            auth_token="some-bearer-token", base_url=endpoint.base_url, environ={"HOME": str(tmp_path)}
        )
        with Admin(credentials) as admin, pytest.raises(ApiError, match="is not valid"):
            setup.plan(admin, SetupRequest(trust=trust, workspace_id="wrkspc_01x"))
