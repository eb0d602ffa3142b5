"""The Admin API as a program uses it: three kinds of resources, names for ids, and refusals that lead on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anthropic
import pytest

import ant_wif
from ant_wif.admin.client import Admin, ResourceCollection
from ant_wif.emulator import Emulator
from ant_wif.emulator._state.state import Workspace
from ant_wif.errors import ApiError, ConfigurationError
from support.admin_api import fresh_name
from support.loopback import TokenEndpoint

HINT = "ant auth login --profile admin --scope org:admin"


def opened(emulator: Emulator, home: Path, *, scope: str = "org:admin") -> Admin:
    token = emulator.login(scope=scope).access_token
    return Admin(ant_wif.resolve(auth_token=token, base_url=emulator.base_url, environ={"HOME": str(home)}))


@pytest.fixture
def admin(emulator: Emulator, tmp_path: Path) -> Iterator[Admin]:
    with opened(emulator, tmp_path) as started:
        yield started


def an_account(admin: Admin) -> str:
    return str(admin.service_accounts.create({"name": fresh_name("account")})["id"])


def an_issuer(admin: Admin) -> str:
    return str(admin.issuers.create({"name": fresh_name("issuer"), "issuer_url": "https://idp.acme.example"})["id"])


def a_rule(admin: Admin, **more: object) -> str:
    body = {
        "name": fresh_name("rule"),
        "issuer_id": an_issuer(admin),
        "match": {"subject_prefix": "job:1"},
        "oauth_scope": "workspace:developer",
        "target": {"type": "service_account", "service_account_id": an_account(admin)},
        "workspace_id": admin.workspace_id("default"),
        **more,
    }
    return str(admin.rules.create(body)["id"])


def test_a_list_goes_on_to_its_last_page(admin: Admin) -> None:
    made = [an_account(admin) for _ in range(101)]
    found = [each["id"] for each in admin.service_accounts.list()]
    assert len(found) == len(set(found))
    assert set(made) <= set(found)
    assert len(list(admin.service_accounts.list(limit=3))) == 3


def test_every_kind_is_created_read_changed_and_archived(admin: Admin) -> None:
    registry: ResourceCollection
    for registry, identifier, change in (
        (admin.issuers, an_issuer(admin), {"max_jwt_lifetime_seconds": 60}),
        (admin.rules, a_rule(admin), {"token_lifetime_seconds": 600}),
        (admin.service_accounts, an_account(admin), {"description": "builds"}),
    ):
        document = registry.get(identifier)
        assert registry.is_id(identifier)
        changed = registry.update(identifier, change)
        assert {**document, **change, "updated_at": changed["updated_at"]} == dict(changed)
        assert registry.archive(identifier)["archived_at"] is not None
        assert identifier not in [each["id"] for each in registry.list()]
        assert identifier in [each["id"] for each in registry.list(include_archived=True)]


def test_what_has_a_name_is_found_by_it_also_when_it_is_archived(admin: Admin) -> None:
    identifier = an_account(admin)
    name = str(admin.service_accounts.get(identifier)["name"])
    admin.service_accounts.archive(identifier)
    assert admin.service_accounts.find(name)["id"] == identifier
    assert admin.service_accounts.find(identifier)["name"] == name
    assert admin.service_accounts.id_of(name) == admin.service_accounts.id_of(identifier) == identifier


def test_a_name_that_nothing_has_is_an_error_that_says_where_to_look(admin: Admin) -> None:
    with pytest.raises(ApiError, match="no federation rule named 'nothing'") as caught:
        admin.rules.find("nothing")
    assert caught.value.hint == "`ant wif rules list --include-archived` shows them all"


def test_an_id_that_nothing_has_is_the_server_s_404(admin: Admin) -> None:
    with pytest.raises(ApiError) as caught:
        admin.issuers.get("fdis_01nothing")
    assert caught.value.status == 404


def test_an_id_cannot_lead_to_another_endpoint(admin: Admin) -> None:
    with pytest.raises(ApiError) as caught:
        admin.rules.get("fdrl_01/../../../../v1/models")
    assert caught.value.status == 404
    assert "models" not in caught.value.body["message"].replace("fdrl_01/../../../../v1/models", "")


def test_an_account_joins_and_leaves_a_workspace(admin: Admin) -> None:
    account, workspace = an_account(admin), admin.workspace_id("Engineering")
    admin.service_accounts.add_workspace(account, {"workspace_id": workspace, "workspace_role": "workspace_user"})
    roles = {each["workspace_id"]: each["implicit"] for each in admin.service_accounts.workspaces(account)}
    assert roles == {admin.workspace_id("default"): True, workspace: False}
    admin.service_accounts.remove_workspace(account, workspace)
    assert len(admin.service_accounts.workspaces(account)) == 1


def test_a_rule_is_enabled_and_disabled_in_a_workspace(admin: Admin) -> None:
    rule, workspace = a_rule(admin), admin.workspace_id("Engineering")
    admin.rules.add_workspace(rule, {"workspace_id": workspace})
    assert [each["workspace_id"] for each in admin.rules.workspaces(rule)][1:] == [workspace]
    admin.rules.remove_workspace(rule, workspace)
    assert len(admin.rules.workspaces(rule)) == 1


def test_a_workspace_is_known_by_its_id_its_name_and_the_word_default(emulator: Emulator, admin: Admin) -> None:
    engineering = emulator.rule().workspace_ids[0]
    assert admin.workspace_id(engineering) == admin.workspace_id("Engineering") == engineering
    assert admin.workspace_id("default") == admin.default_workspace_id() != engineering
    with pytest.raises(ApiError, match="no workspace named 'engineering'"):
        admin.workspace_id("engineering")


def test_a_name_that_two_workspaces_have_is_not_guessed_at(emulator: Emulator, admin: Admin) -> None:
    twins = [Workspace(f"wrkspc_01twin{number}", "Twin") for number in range(2)]
    emulator._state.workspaces |= {each.id: each for each in twins}
    try:
        with pytest.raises(ApiError, match="2 workspaces are named 'Twin'") as caught:
            admin.workspace_id("Twin")
    finally:
        for each in twins:
            del emulator._state.workspaces[each.id]
    assert all(each.id in str(caught.value) for each in twins)


def test_the_workspaces_are_those_that_the_official_sdk_sees(emulator: Emulator, admin: Admin) -> None:
    token = emulator.login(scope="org:admin").access_token
    with anthropic.Anthropic(auth_token=token, base_url=emulator.base_url, max_retries=0) as sdk:
        theirs = sdk.beta.organization.workspaces
        found = {each.id: each.name for each in theirs.list(include_default=True, limit=1)}
        others = [each.id for each in theirs.list()]
        named = {each: theirs.retrieve(each).name for each in found}
        last = theirs.list(include_default=True, limit=1, before_id=others[0])
    assert found == named == {each["id"]: each["name"] for each in admin.workspaces()}
    assert others == [each["id"] for each in admin.workspaces(include_default=False)]
    assert [each.id for each in last.data] == [admin.default_workspace_id()]


def test_the_server_says_which_organization_it_is(emulator: Emulator, admin: Admin) -> None:
    assert admin.organization_id() == emulator.organization_id


@pytest.mark.parametrize("prefix", ["sk-ant-api03-", "sk-ant-admin01-"])
@pytest.mark.parametrize("argument", ["api_key", "auth_token"])
def test_an_api_key_is_refused_before_it_is_sent(prefix: str, argument: str, tmp_path: Path) -> None:
    key = f"{prefix}{'a' * 40}"
    with TokenEndpoint() as endpoint:
        credentials = ant_wif.resolve(
            base_url=endpoint.base_url,
            environ={"HOME": str(tmp_path)},
            api_key=key if argument == "api_key" else None,
            auth_token=key if argument == "auth_token" else None,
        )
        with pytest.raises(ConfigurationError, match="does not accept keys") as caught:
            Admin(credentials)
        assert endpoint.requests == []
    assert HINT in (caught.value.hint or "")
    assert key not in str(caught.value)


def test_a_login_without_the_scope_is_told_how_to_log_in(emulator: Emulator, tmp_path: Path) -> None:
    with opened(emulator, tmp_path, scope="user:profile user:developer") as admin:
        for attempt in (
            lambda: list(admin.issuers.list()),
            lambda: admin.rules.get("fdrl_01x"),
            lambda: admin.service_accounts.create({"name": "x"}),
            lambda: admin.service_accounts.workspaces("svac_01x"),
            lambda: list(admin.workspaces()),
            admin.organization_id,
        ):
            with pytest.raises(ApiError) as caught:
                attempt()
            assert caught.value.status == 403
            assert HINT in (caught.value.hint or "")


def test_what_only_the_console_may_do_is_said_to_be_its_business(admin: Admin) -> None:
    account = str(admin.service_accounts.create({"name": fresh_name("boss"), "organization_role": "admin"})["id"])
    with pytest.raises(ApiError) as caught:
        a_rule(admin, oauth_scope="org:admin", target={"type": "service_account", "service_account_id": account})
    assert caught.value.status == 403
    assert caught.value.hint == "do this in the Console, which alone may"


def test_what_cannot_be_understood_of_an_answer_is_an_error_of_its_own(tmp_path: Path) -> None:
    with TokenEndpoint(body={"data": [{"name": "Twin"}]}) as endpoint:
        credentials = ant_wif.resolve(
            auth_token="some-bearer-token", base_url=endpoint.base_url, environ={"HOME": str(tmp_path)}
        )
        with Admin(credentials) as admin, pytest.raises(ApiError, match="is not valid: `id` is missing"):
            admin.workspace_id("Twin")
