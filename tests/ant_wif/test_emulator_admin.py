"""The Admin API of the emulator, as the official SDK uses it and as an exchange finds what was registered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import anthropic
import httpx
import pytest

from ant_wif.emulator import Emulator
from support.admin_api import VERSION, Administrator, fresh_name, reason_of
from support.federation_grant import exchange
from support.samples import needs_cel


@pytest.fixture(scope="module")
def sdk(running: Emulator, admin: Administrator) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(auth_token=admin.token, base_url=running.base_url, max_retries=0) as opened:
        yield opened


def test_the_official_sdk_pages_through_all_service_accounts(sdk: anthropic.Anthropic) -> None:
    accounts = sdk.beta.organization.service_accounts
    before = {account.id for account in accounts.list(limit=100)}
    made = [accounts.create(name=fresh_name("paged")).id for _ in range(45)]
    first = accounts.list(limit=20)
    assert len(first.data) == 20
    assert first.next_page
    found = [account.id for account in accounts.list(limit=20)]
    assert len(found) == len(set(found))
    assert [each for each in found if each not in before] == made[::-1], "the newest come first"


def test_the_official_sdk_creates_reads_changes_and_archives_a_service_account(
    emulator: Emulator, sdk: anthropic.Anthropic
) -> None:
    accounts = sdk.beta.organization.service_accounts
    account = accounts.create(name=fresh_name("robot"), description="builds")
    assert account.organization_role == "developer"
    assert account.created_by_actor_id is not None
    assert account.created_by_actor_id.startswith("user_")
    assert account.updated_at == account.created_at
    changed = accounts.update(account.id, description="deploys", organization_role="admin")
    assert (changed.description, changed.organization_role) == ("deploys", "admin")
    assert changed.updated_at > changed.created_at
    assert accounts.update(account.id).updated_at == changed.updated_at
    assert accounts.update(account.id, description=None).description == ""
    archived = accounts.archive(account.id)
    assert archived.archived_at is not None
    emulator.advance(5)
    assert accounts.archive(account.id).archived_at == archived.archived_at
    assert account.id not in {each.id for each in accounts.list(limit=100)}
    assert account.id in {each.id for each in accounts.list(limit=100, include_archived=True)}
    assert accounts.retrieve(account.id).archived_by_actor_id == account.created_by_actor_id


def test_the_official_sdk_manages_the_workspaces_of_a_service_account(
    emulator: Emulator, sdk: anthropic.Anthropic, admin: Administrator
) -> None:
    accounts = sdk.beta.organization.service_accounts
    account = accounts.create(name=fresh_name("member"))
    (implicit,) = list(accounts.workspaces.list(account.id))
    assert (implicit.implicit, implicit.workspace_role) == (True, "workspace_user")
    added = accounts.workspaces.add(
        account.id, workspace_id=admin.workspace_id, workspace_role="workspace_restricted_developer"
    )
    assert (added.implicit, added.created_by_actor_id) == (False, account.created_by_actor_id)
    roles = {each.workspace_id: each.workspace_role for each in accounts.workspaces.list(account.id, limit=1)}
    assert roles == {implicit.workspace_id: "workspace_user", admin.workspace_id: "workspace_restricted_developer"}
    for _ in range(2):
        removed = accounts.workspaces.remove(admin.workspace_id, service_account_id=account.id)
        assert removed.workspace_id == admin.workspace_id
    accounts.workspaces.remove(implicit.workspace_id, service_account_id=account.id)
    assert [each.implicit for each in accounts.workspaces.list(account.id)] == [True]


def test_the_workspaces_of_a_service_account_are_those_that_it_was_added_to_after_the_one_that_it_is_in_anyway(
    sdk: anthropic.Anthropic, admin: Administrator
) -> None:
    accounts = sdk.beta.organization.service_accounts
    account = accounts.create(name=fresh_name("member"))
    default = next(iter(accounts.workspaces.list(account.id))).workspace_id
    accounts.workspaces.add(account.id, workspace_id=admin.workspace_id, workspace_role="workspace_user")
    # What is implicit does not count where the page would have nothing else to go on from.
    first = accounts.workspaces.list(account.id, limit=1)
    assert ([each.workspace_id for each in first.data], first.next_page) == ([default, admin.workspace_id], None)

    accounts.workspaces.add(account.id, workspace_id=default, workspace_role="workspace_admin")
    first = accounts.workspaces.list(account.id, limit=1)
    assert [(each.implicit, each.workspace_role) for each in first.data] == [(False, "workspace_admin")]
    accounts.workspaces.remove(default, service_account_id=account.id)
    members = f"service_accounts/{account.id}/workspaces"
    assert reason_of(admin.ask("GET", f"{members}?page={first.next_page}")).startswith("page: must")
    accounts.archive(account.id)
    assert list(accounts.workspaces.list(account.id)) == []


def test_another_role_in_a_workspace_does_not_change_who_added_the_account(
    emulator: Emulator, admin: Administrator
) -> None:
    members = f"service_accounts/{emulator.rule('github').service_account_id}/workspaces"
    role = {"workspace_id": admin.workspace_id, "workspace_role": "workspace_developer"}
    assert admin.post(members, role)["created_by_actor_id"] is None
    account = admin.account()
    members = f"service_accounts/{account['id']}/workspaces"
    assert admin.post(members, role)["created_by_actor_id"] == account["created_by_actor_id"]


def test_the_official_sdk_creates_reads_changes_and_archives_an_issuer(sdk: anthropic.Anthropic) -> None:
    issuers = sdk.beta.organization.federation.issuers
    issuer = issuers.create(name=fresh_name("idp"), issuer_url="https://idp.acme.example")
    assert (issuer.jwks.type, issuer.check_jti, issuer.max_jwt_lifetime_seconds) == ("discovery", True, 3600)
    changed = issuers.update(
        issuer.id,
        name=fresh_name("renamed"),
        check_jti=False,
        max_jwt_lifetime_seconds=60,
        jwks={"type": "explicit_url", "url": "https://keys.acme.example/jwks"},
        jwks_polling_disabled=False,
    )
    assert (changed.jwks.type, changed.check_jti, changed.max_jwt_lifetime_seconds) == ("explicit_url", False, 60)
    assert changed.issuer_url == issuer.issuer_url
    assert changed.poll_status is not None
    assert changed.poll_status.last_fetched_at is None
    assert issuers.retrieve(issuer.id) == changed
    assert issuers.archive(issuer.id).archived_at is not None
    assert issuer.id not in {each.id for each in issuers.list(limit=100)}


@needs_cel
def test_the_official_sdk_creates_reads_changes_and_archives_a_rule(
    emulator: Emulator, sdk: anthropic.Anthropic, admin: Administrator
) -> None:
    rules, seeded = sdk.beta.organization.federation.rules, emulator.rule("github")
    rule = rules.create(
        name=fresh_name("rule"),
        issuer_id=seeded.issuer_id,
        match={"claims": {"repository_owner": "acme"}, "condition": 'claims.ref == "refs/heads/main"'},
        oauth_scope="workspace:inference",
        target={"type": "service_account", "service_account_id": seeded.service_account_id},
        applies_to_all_workspaces=True,
        token_lifetime_seconds=600,
        description="the main branch",
    )
    assert (rule.workspace_ids, rule.workspace_id, rule.attributes) == ([], None, None)
    assert (rule.issuer_name, rule.target.service_account_name) == ("github", "ci")
    changed = rules.update(rule.id, match={"subject_prefix": "repo:acme/app:*"}, workspace_id=admin.workspace_id)
    assert changed.match.subject_prefix == "repo:acme/app:*"
    assert changed.match.claims is None
    assert changed.match.condition is None
    assert changed.workspace_ids == [admin.workspace_id]
    assert (changed.description, changed.oauth_scope) == ("the main branch", "workspace:inference")
    assert rules.update(rule.id, applies_to_all_workspaces=False).applies_to_all_workspaces is False
    assert rule.id in {each.id for each in rules.list(issuer_id=seeded.issuer_id)}
    assert not list(rules.list(issuer_id="fdis_01unknown"))
    archived = rules.archive(rule.id)
    assert archived.archived_at is not None
    assert archived.workspace_ids == []
    assert rule.id not in {each.id for each in rules.list(limit=100)}


def test_the_official_sdk_manages_the_workspaces_of_a_rule(
    emulator: Emulator, sdk: anthropic.Anthropic, admin: Administrator
) -> None:
    workspaces, rule = sdk.beta.organization.federation.rules.workspaces, admin.rule()
    default = emulator.login().workspace_id
    for _ in range(2):
        added = workspaces.add(rule["id"], workspace_id=default)
        assert added.workspace_name is None
        assert added.created_by_actor_id == rule["created_by_actor_id"]
    listed = {each.workspace_id: each.workspace_name for each in workspaces.list(rule["id"])}
    assert listed == {admin.workspace_id: "Engineering", default: "default"}
    assert "more than one" in admin.refused(f"federation_rules/{rule['id']}", {"workspace_id": default})
    for _ in range(2):
        removed = workspaces.remove(admin.workspace_id, federation_rule_id=rule["id"])
        assert removed.federation_rule_id == rule["id"]
    assert [each.workspace_id for each in workspaces.list(rule["id"])] == [default]


def test_the_workspaces_of_a_rule_come_in_one_page_whatever_is_asked_for(
    sdk: anthropic.Anthropic, admin: Administrator
) -> None:
    rule = admin.rule()
    sdk.beta.organization.federation.rules.workspaces.add(rule["id"], workspace_id=admin.emulator.login().workspace_id)
    for limit, page in ((1, None), (1, "nonsense"), (100, None)):
        listed = sdk.beta.organization.federation.rules.workspaces.list(rule["id"], limit=limit, page=page)
        assert (len(listed.data), listed.next_page) == (2, None)
    for kind, identifier in (
        ("federation_rules", rule["id"]),
        ("service_accounts", rule["target"]["service_account_id"]),
    ):
        answer = admin.ask("GET", f"{kind}/{identifier}/workspaces", params={"limit": 101})
        assert reason_of(answer) == "limit: must be a number from 1 to 100"


def test_a_workspace_of_a_rule_is_as_old_as_its_enablement() -> None:
    moment = datetime(2030, 1, 2, tzinfo=timezone.utc)
    with Emulator(clock=moment.timestamp) as emulator, httpx.Client(base_url=emulator.base_url) as client:
        admin, rule = Administrator(emulator, client), emulator.rule("github")
        path, default = f"federation_rules/{rule.id}", emulator.login().workspace_id

        def enabled() -> list[tuple[str, str]]:
            listed = admin.get(f"{path}/workspaces")["data"]
            return [(each["created_at"][11:16], each["created_by_actor_id"] or "nobody") for each in listed]

        emulator.advance(60)
        actor = admin.post(path, {"name": "renamed"})["updated_by_actor_id"]
        assert enabled() == [("00:00", "nobody")]
        for minute, workspace_id in (("00:02", default), ("00:03", admin.workspace_id)):
            emulator.advance(60)
            admin.post(path, {"workspace_id": workspace_id})
            assert enabled() == [(minute, actor)]


def test_what_is_registered_is_exchanged_until_it_is_archived(
    emulator: Emulator, client: httpx.Client, admin: Administrator
) -> None:
    account = admin.account()
    admin.post(
        f"service_accounts/{account['id']}/workspaces",
        {"workspace_id": admin.workspace_id, "workspace_role": "workspace_developer"},
    )
    issuer = admin.issuer(issuer_url=emulator.issuer("github").issuer_url, check_jti=False)
    target = {"type": "service_account", "service_account_id": account["id"]}
    rule = admin.rule(issuer_id=issuer["id"], target=target, token_lifetime_seconds=120)
    assertion = emulator.issue()
    granted = exchange(client, emulator, assertion, federation_rule_id=rule["id"])
    assert (granted.status_code, granted.json()["expires_in"]) == (200, 120)
    listed = client.get(
        "/v1/models",
        headers={
            "authorization": f"Bearer {granted.json()['access_token']}",
            "anthropic-beta": "oauth-2025-04-20",
            **VERSION,
        },
    )
    assert listed.headers["anthropic-workspace-id"] == admin.workspace_id

    assert rule["name"] in admin.refused(f"federation_issuers/{issuer['id']}/archive", {})
    assert rule["name"] in admin.refused(f"service_accounts/{account['id']}/archive", {})
    admin.post(f"federation_rules/{rule['id']}/archive")
    assert exchange(client, emulator, assertion, federation_rule_id=rule["id"]).status_code == 401
    assert emulator.history[-1].reason == "rule_not_found"
    admin.post(f"federation_issuers/{issuer['id']}/archive")
    admin.post(f"service_accounts/{account['id']}/archive")


def test_a_service_account_that_leaves_a_workspace_gets_no_token_for_it(
    emulator: Emulator, client: httpx.Client, admin: Administrator
) -> None:
    account = admin.account()
    rule = admin.rule(target={"type": "service_account", "service_account_id": account["id"]})
    assert exchange(client, emulator, federation_rule_id=rule["id"]).status_code == 401
    assert emulator.history[-1].reason == "service_account_not_member"
    members = f"service_accounts/{account['id']}/workspaces"
    admin.post(members, {"workspace_id": admin.workspace_id, "workspace_role": "workspace_developer"})
    assert exchange(client, emulator, federation_rule_id=rule["id"]).status_code == 200
    admin.ask("DELETE", f"{members}/{admin.workspace_id}")
    assert exchange(client, emulator, federation_rule_id=rule["id"]).status_code == 401


def test_what_python_changes_the_api_shows_and_the_other_way_round(client: httpx.Client) -> None:
    with Emulator() as emulator, httpx.Client(base_url=emulator.base_url) as own:
        admin, rule = Administrator(emulator, own), emulator.rule("gitlab")
        emulator.advance(10)
        emulator.update_rule("gitlab", token_lifetime_seconds=77)
        emulator.update_issuer("gitlab", check_jti=False)
        shown = admin.get(f"federation_rules/{rule.id}")
        assert shown["token_lifetime_seconds"] == 77
        assert shown["updated_at"] > shown["created_at"]
        assert admin.get(f"federation_issuers/{rule.issuer_id}")["check_jti"] is False

        admin.post(f"federation_rules/{rule.id}", {"name": "ours", "token_lifetime_seconds": 88})
        assert emulator.rule("ours").token_lifetime_seconds == 88
        emulator.update_rule("ours", archived=True)
        assert admin.get(f"federation_rules/{rule.id}")["archived_at"] is not None
        assert "archived" in admin.refused(f"federation_rules/{rule.id}", {"name": "again"})


def test_a_restarted_emulator_moves_its_own_issuers_and_no_others() -> None:
    emulator = Emulator()
    with emulator, httpx.Client(base_url=emulator.base_url) as client:
        admin = Administrator(emulator, client)
        own = admin.issuer(issuer_url=emulator.issuer("github").issuer_url)
        other = admin.issuer()
        admin.post(f"federation_rules/{emulator.rule('github').id}", {"name": "renamed"})
    with emulator, httpx.Client(base_url=emulator.base_url) as client:
        issuers = Administrator(emulator, client).get("federation_issuers", limit=100)["data"]
        urls = {issuer["id"]: issuer["issuer_url"] for issuer in issuers}
        assert urls[own["id"]] == emulator.issuer("renamed").issuer_url == f"{emulator.base_url}/github"
        assert urls[other["id"]] == "https://idp.acme.example"


def test_a_federated_token_with_org_admin_acts_as_its_service_account(client: httpx.Client) -> None:
    with Emulator() as emulator, httpx.Client(base_url=emulator.base_url) as own:
        emulator.update_rule("github", oauth_scope="org:admin")
        admin = Administrator(emulator, own)
        admin.token = exchange(own, emulator).json()["access_token"]
        account = admin.account()
        target = emulator.rule("github").service_account_id
        assert account["created_by_actor_id"] == target
        assert admin.get(f"service_accounts/{target}")["organization_role"] == "admin"
        admin.post(f"service_accounts/{target}", {"organization_role": "developer"})
        assert exchange(own, emulator).status_code == 401
        assert emulator.history[-1].reason == "rule_not_found"


def test_only_a_person_makes_a_service_account_an_admin() -> None:
    with Emulator() as emulator, httpx.Client(base_url=emulator.base_url) as own:
        admin = Administrator(emulator, own)
        boss = admin.account(organization_role="admin")
        emulator.update_rule("github", oauth_scope="org:admin")
        admin.token = exchange(own, emulator).json()["access_token"]
        wish = {"name": fresh_name(), "organization_role": "admin"}
        assert admin.refused("service_accounts", wish, 403).startswith("organization_role: ")
        path = f"service_accounts/{boss['id']}"
        assert admin.refused(path, {"organization_role": "admin"}, 403).startswith("organization_role: ")
        assert admin.post(path, {"description": "still"})["organization_role"] == "admin"


def test_an_emulator_for_other_machines_lets_its_own_issuers_be_changed() -> None:
    with Emulator("0.0.0.0", allow_remote=True) as emulator:
        address = emulator.base_url.replace("0.0.0.0", "127.0.0.1")
        with httpx.Client(base_url=address, trust_env=False) as client:
            admin, rule = Administrator(emulator, client), emulator.rule("github")
            admin.post(f"federation_issuers/{rule.issuer_id}", {"name": "renamed", "check_jti": False})
            again = admin.issuer(issuer_url=emulator.issuer("github").issuer_url)
            made = admin.rule(issuer_id=again["id"])
            assert exchange(client, emulator, federation_rule_id=made["id"]).status_code == 200
            assert admin.refused(
                "federation_issuers", {"name": "x", "issuer_url": f"{emulator.base_url}/nobody"}
            ).startswith("issuer_url: must use https")


def test_times_are_those_of_the_emulators_clock() -> None:
    moment = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    with Emulator(clock=moment.timestamp) as emulator, httpx.Client(base_url=emulator.base_url) as client:
        assert Administrator(emulator, client).account()["created_at"] == "2030-01-02T03:04:05.000000Z"


def test_the_official_sdk_lists_the_workspaces_that_it_asks_for(sdk: anthropic.Anthropic, admin: Administrator) -> None:
    workspaces = sdk.beta.organization.workspaces
    default = admin.emulator.login().workspace_id

    def names(**query: object) -> list[str]:
        return [each.name for each in workspaces.list(**query)]  # type: ignore[arg-type]  # made up by the test

    assert names() == ["Engineering"]
    assert names(include_default=True, limit=1) == ["default", "Engineering"]
    assert names(include_default=True, ids=[default, "wrkspc_01nothing"]) == ["default"]
    assert names(ids=[default]) == []
    assert workspaces.retrieve(admin.workspace_id).name == "Engineering"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("limit=1001", "limit: must"),
        ("limit=1&limit=2", "limit: must"),
        ("include_default=1", "include_default: must"),
        ("include_archived=yes", "include_archived: must"),
        ("after_id=wrkspc_01x", "after_id: no such workspace"),
        ("after_id=a&before_id=b", "before_id: not allowed"),
        ("&".join(f"ids[]={number}" for number in range(101)), "ids: must"),
    ],
)
def test_a_list_of_workspaces_that_cannot_be_is_refused(admin: Administrator, query: str, reason: str) -> None:
    assert reason_of(admin.ask("GET", f"workspaces?{query}")).startswith(reason)
    assert reason_of(admin.ask("GET", "workspaces/wrkspc_01x"), 404)


def test_only_an_oauth_token_with_org_admin_gets_in(running: Emulator, client: httpx.Client) -> None:
    federated = exchange(client, running).json()["access_token"]
    person = running.login().access_token
    for headers, status in (
        ({"authorization": f"Bearer {person}"}, 403),
        ({"authorization": f"Bearer {federated}"}, 403),
        ({"authorization": f"Bearer {running.api_key}"}, 401),
        ({"x-api-key": running.api_key}, 401),
        ({"x-api-key": "sk-ant-admin01-nobody"}, 401),
        ({"authorization": "Bearer sk-ant-oat01-nobody"}, 401),
        ({"authorization": f"Basic {person}"}, 401),
        ({}, 401),
    ):
        for path in ("service_accounts", "federation_issuers", "federation_rules/fdrl_01x/workspaces", "workspaces"):
            answer = client.get(f"/v1/organizations/{path}", headers={**headers, **VERSION})
            reason_of(answer, status)


def test_a_token_that_expired_is_told_apart_from_one_of_another_scope(emulator: Emulator, client: httpx.Client) -> None:
    headers = {"authorization": f"Bearer {emulator.login(scope='org:admin', lifetime=60).access_token}", **VERSION}
    assert client.get("/v1/organizations/service_accounts", headers=headers).status_code == 200
    emulator.advance(61)
    reason_of(client.get("/v1/organizations/service_accounts", headers=headers), 401)


def test_a_token_of_org_admin_alone_does_not_reach_the_models(admin: Administrator) -> None:
    headers = {"authorization": f"Bearer {admin.token}", "anthropic-beta": "oauth-2025-04-20", **VERSION}
    assert "workspace:developer" in reason_of(admin.client.get("/v1/models", headers=headers), 403)
    for scope, status in (("user:inference", 200), ("user:developer org:admin", 200), ("user:profile", 403)):
        headers["authorization"] = f"Bearer {admin.emulator.login(scope=scope).access_token}"
        assert admin.client.get("/v1/models", headers=headers).status_code == status


def test_the_version_header_is_required(admin: Administrator) -> None:
    assert "anthropic-version" in reason_of(admin.ask("GET", "service_accounts", headers={"anthropic-version": "x"}))
