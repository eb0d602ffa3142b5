"""What the Admin API refuses, and that it says which field is wrong."""

from __future__ import annotations

import json

import httpx
import pytest

from ant_wif.emulator import Emulator
from support.admin_api import Administrator, fresh_name, reason_of
from support.samples import needs_cel

GITHUB = "https://token.actions.githubusercontent.com"


RULES: list[tuple[dict[str, object], str]] = [
    ({"match": {}}, "match: takes any token"),
    ({"match": {"subject_prefix": ""}}, "match.subject_prefix: must not be empty"),
    pytest.param({"match": {"condition": "claims.sub =="}}, "match.condition: it does not compile", marks=needs_cel),
    ({"match": {"claims": {"sub": 1}}}, "match.claims.sub: must be a string"),
    ({"match": {"claims": ["sub"]}}, "match.claims: must be an object"),
    ({"match": {"subject": "x"}}, "match.subject: Extra inputs are not permitted"),
    ({"match": "repo:acme/*"}, "match: must be an object"),
    ({"match": None}, "match: this field is required"),
    ({"name": None}, "name: this field is required"),
    ({"name": "A"}, "name: must be 1 to 255 lower-case"),
    ({"name": "github"}, "409 name: there is a federation rule github already"),
    ({"token_lifetime_seconds": -(10**300)}, "token_lifetime_seconds: must be 60 to 86400"),
    ({"token_lifetime_seconds": True}, "token_lifetime_seconds: must be a whole number"),
    ({"token_lifetime_seconds": 600.0}, "token_lifetime_seconds: must be a whole number"),
    ({"token_lifetime_seconds": "600"}, "token_lifetime_seconds: must be a whole number"),
    ({"oauth_scope": None}, "oauth_scope: this field is required"),
    ({"oauth_scope": ""}, "oauth_scope: must be one or more of"),
    ({"oauth_scope": "org:admin"}, "oauth_scope: org:admin takes a target"),
    ({"workspace_id": None}, "workspace_id: is required"),
    ({"workspace_id": "wrkspc_01nowhere"}, "workspace_id: there is no such workspace"),
    ({"workspace_id": "default"}, "workspace_id: there is no such workspace"),
    ({"applies_to_all_workspaces": "yes"}, "applies_to_all_workspaces: must be true or false"),
    ({"issuer_id": "fdis_01nobody"}, "issuer_id: there is no such issuer"),
    (
        {"target": {"type": "service_account", "service_account_id": "svac_01x"}},
        "target.service_account_id: there is no",
    ),
    ({"target": {"type": "user", "service_account_id": "svac_01x"}}, "target.type: must be service_account"),
    ({"target": {"type": "service_account"}}, "target.service_account_id: this field is required"),
    ({"attributes": {"team": "claims.team"}}, "attributes: are not supported"),
    ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ({"workspace_ids": ["x"]}, "workspace_ids: Extra inputs are not permitted"),
    ({"description": 7}, "description: must be a string or null"),
]


@pytest.mark.parametrize(("fields", "reason"), RULES, ids=lambda value: str(value)[:60])
def test_a_rule_is_refused(admin: Administrator, fields: dict[str, object], reason: str) -> None:
    status = 409 if reason.startswith("409 ") else 400
    body = admin.rule_body(**fields)
    said = admin.refused("federation_rules", body, status)
    assert said.startswith(reason.removeprefix("409 ")), said
    assert body.get("name", "") in {"github", ""} or body["name"] not in admin.emulator.rules


ISSUERS: list[tuple[dict[str, object], str]] = [
    ({"name": "Bad"}, "name: must be 1 to 255"),
    ({"name": "github"}, "409 name: there is a federation issuer github already"),
    ({"issuer_url": "http://idp.acme.example"}, "issuer_url: must use https"),
    ({"issuer_url": ""}, "issuer_url: must not be empty"),
    ({"issuer_url": None}, "issuer_url: must be a string"),
    ({"jwks": {"type": "discovery", "discovery_base": "https://10.0.0.1"}}, "jwks.discovery_base: must name its host"),
    ({"jwks": {"type": "explicit_url", "url": "http://keys.acme.example"}}, "jwks.url: must use https"),
    ({"jwks": {"type": "explicit_url"}}, "jwks.url: this field is required"),
    ({"jwks": {"type": "inline"}}, "jwks.keys: this field is required"),
    ({"jwks": {"type": "inline", "keys": []}}, "jwks.keys: must hold a key"),
    ({"jwks": {"type": "inline", "keys": ["x"]}}, "jwks.keys[0]: must be an object"),
    ({"jwks": {"type": "inline", "keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}]}}, "jwks.keys: must be public"),
    ({"jwks": {"type": "inline", "keys": [{"kty": "RSA", "kid": "1", "n": "AQAB"}]}}, "jwks.keys: must hold a key"),
    ({"jwks": {"type": "inline", "keys": [{"kty": [[[[[[[[[[]]]]]]]]]]}]}}, "jwks.keys[0].kty: is nested too deeply"),
    ({"jwks": {"type": "carrier-pigeon"}}, "jwks.type: must be discovery or explicit_url or inline"),
    ({"jwks": {"type": "discovery", "url": "https://x.example"}}, "jwks.url: Extra inputs are not permitted"),
    ({"jwks": {"type": "discovery", "ca_cert_pem": "nonsense"}}, "jwks.ca_cert_pem: must be certificates in PEM"),
    ({"jwks": {"type": "discovery", "ca_cert_pem": "n\u00f6nsense"}}, "jwks.ca_cert_pem: must be certificates in PEM"),
    ({"jwks": []}, "jwks: must be an object"),
    ({"max_jwt_lifetime_seconds": 176401}, "max_jwt_lifetime_seconds: must be 1 to 176400"),
    ({"check_jti": 1}, "check_jti: must be true or false"),
    ({"jwks_polling_disabled": False}, "jwks_polling_disabled: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("fields", "reason"), ISSUERS, ids=lambda value: str(value)[:60])
def test_an_issuer_is_refused(admin: Administrator, fields: dict[str, object], reason: str) -> None:
    body = {"name": fresh_name("issuer"), "issuer_url": "https://idp.acme.example", **fields}
    said = admin.refused("federation_issuers", body, 409 if reason.startswith("409 ") else 400)
    assert said.startswith(reason.removeprefix("409 ")), said


def test_an_issuer_whose_keys_are_not_fetched_from_its_url_may_have_any(admin: Administrator) -> None:
    jwks = {"type": "explicit_url", "url": "https://keys.acme.example/jwks"}
    assert admin.issuer(issuer_url="spiffe://acme", jwks=jwks)["issuer_url"] == "spiffe://acme"
    based = {"type": "discovery", "discovery_base": "https://idp.acme.example"}
    assert admin.issuer(issuer_url="http://10.0.0.1", jwks=based)["jwks"] == based


def test_a_rule_of_a_shared_issuer_must_say_whose_tokens_it_means(admin: Administrator) -> None:
    issuer = admin.issuer(issuer_url=GITHUB)
    open_rule = admin.rule_body(issuer_id=issuer["id"], match={"claims": {"environment": "production"}})
    assert "whose tokens of GitHub Actions" in admin.refused("federation_rules", open_rule)
    rule = admin.rule(issuer_id=issuer["id"])
    assert "whose tokens" in admin.refused(f"federation_rules/{rule['id']}", {"match": {"subject_prefix": "repo:*"}})
    # The emulator's own GitHub is GitHub to whoever registers it.
    assert "whose tokens" in admin.refused("federation_rules", admin.rule_body(match={"subject_prefix": "repo:ac*"}))


def test_an_issuer_does_not_become_a_shared_one_under_a_rule_that_takes_them_all(admin: Administrator) -> None:
    issuer = admin.issuer()
    rule = admin.rule(issuer_id=issuer["id"], match={"subject_prefix": "job:*"})
    said = admin.refused(f"federation_issuers/{issuer['id']}", {"issuer_url": GITHUB})
    assert said.startswith(f"issuer_url: the rule {rule['name']} does not say whose tokens")
    admin.post(f"federation_rules/{rule['id']}/archive")
    assert admin.post(f"federation_issuers/{issuer['id']}", {"issuer_url": GITHUB})["issuer_url"] == GITHUB


def test_only_the_console_grants_org_admin(admin: Administrator) -> None:
    account = admin.account(organization_role="admin")
    target = {"type": "service_account", "service_account_id": account["id"]}
    body = admin.rule_body(target=target, oauth_scope="org:admin")
    assert "Console" in admin.refused("federation_rules", body, 403)
    rule = admin.rule(target=target)
    assert "Console" in admin.refused(f"federation_rules/{rule['id']}", {"oauth_scope": "org:admin"}, 403)


def test_a_rule_of_the_console_and_its_issuer_are_left_alone(running: Emulator) -> None:
    with Emulator() as emulator, httpx.Client(base_url=emulator.base_url) as client:
        admin, rule = Administrator(emulator, client), emulator.update_rule("github", oauth_scope="org:admin")
        path = f"federation_rules/{rule.id}"
        workspace = {"workspace_id": admin.workspace_id}
        for refused, body in (
            (path, {"name": "x"}),
            (f"{path}/archive", {}),
            (f"{path}/workspaces", workspace),
            (f"federation_issuers/{rule.issuer_id}", {"check_jti": False}),
        ):
            assert "Console" in admin.refused(refused, body, 403)
        assert admin.ask("DELETE", f"{path}/workspaces/{admin.workspace_id}").status_code == 403


def test_what_is_archived_is_neither_changed_nor_used(admin: Administrator) -> None:
    account, issuer, rule = admin.account(), admin.issuer(), admin.rule()
    for path in (
        f"service_accounts/{account['id']}",
        f"federation_issuers/{issuer['id']}",
        f"federation_rules/{rule['id']}",
    ):
        admin.post(f"{path}/archive")
        assert "is archived" in admin.refused(path, {})
    member = {"workspace_id": admin.workspace_id, "workspace_role": "workspace_user"}
    assert "is archived" in admin.refused(f"service_accounts/{account['id']}/workspaces", member)
    enabled = {"workspace_id": admin.workspace_id}
    assert "is archived" in admin.refused(f"federation_rules/{rule['id']}/workspaces", enabled)
    target = {"type": "service_account", "service_account_id": account["id"]}
    said = admin.refused("federation_rules", admin.rule_body(target=target))
    assert said.startswith("target.service_account_id: there is only an archived")
    said = admin.refused("federation_rules", admin.rule_body(issuer_id=issuer["id"]))
    assert said.startswith("issuer_id: there is only an archived")
    # The name of what is archived stays taken.
    admin.refused("service_accounts", {"name": account["name"]}, 409)


def test_updates_that_cannot_be_are_refused(admin: Administrator) -> None:
    rule, everywhere = admin.rule(), admin.rule(workspace_id=None, applies_to_all_workspaces=True)
    issuer, account = admin.issuer(), admin.account()
    for path, body, reason in (
        (f"federation_rules/{rule['id']}", {"issuer_id": issuer["id"]}, "issuer_id: Extra inputs are not permitted"),
        (f"federation_rules/{everywhere['id']}", {"applies_to_all_workspaces": False}, "applies_to_all_workspaces: no"),
        (f"federation_issuers/{issuer['id']}", {"jwks_polling_disabled": True}, "jwks_polling_disabled: must be false"),
        (f"federation_issuers/{issuer['id']}", {"jwks_polling_disabled": 0}, "jwks_polling_disabled: must be true"),
        (f"service_accounts/{account['id']}", {"name": "x"}, "name: Extra inputs are not permitted"),
        (f"service_accounts/{account['id']}", {"organization_role": "owner"}, "organization_role: must be admin or"),
        (
            f"service_accounts/{account['id']}/workspaces",
            {"workspace_id": admin.workspace_id, "workspace_role": "workspace_billing"},
            "workspace_role: must be workspace_admin or",
        ),
        (
            f"service_accounts/{account['id']}/workspaces",
            {"workspace_id": "wrkspc_01x", "workspace_role": "workspace_user"},
            "workspace_id: there is no such workspace",
        ),
        (f"federation_rules/{rule['id']}/workspaces", {"workspace_id": "wrkspc_01x"}, "workspace_id: there is no"),
        (f"federation_rules/{rule['id']}/archive", {"why": "x"}, "why: Extra inputs are not permitted"),
    ):
        assert admin.refused(path, body).startswith(reason)
    admin.refused(f"federation_rules/{rule['id']}", {"name": everywhere["name"]}, 409)
    assert admin.get(f"federation_rules/{rule['id']}") == rule


@pytest.mark.parametrize(
    "path",
    [
        "service_accounts/svac_01nobody",
        "service_accounts/svac_01nobody/workspaces",
        "federation_issuers/nothing",
        "federation_rules/fdrl_01%2F..",
        "federation_rules/fdrl_01nothing/workspaces",
    ],
)
def test_an_unknown_id_is_not_found(admin: Administrator, path: str) -> None:
    assert admin.ask("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=5&limit=6", "limit"),
        ("limit=", "limit"),
        ("include_archived=1", "include_archived"),
        ("include_archived=", "include_archived"),
        ("page=", "page"),
        ("page=nonsense", "page"),
        ("page=c3ZhY18wMW5vYm9keQ", "page"),
        ("page=%FF%FE", "page"),
        ("page=x&page=y", "page"),
    ],
)
def test_a_list_that_cannot_be_is_refused(admin: Administrator, query: str, parameter: str) -> None:
    for kind in ("service_accounts", "federation_issuers", "federation_rules"):
        assert reason_of(admin.ask("GET", f"{kind}?{query}")).startswith(f"{parameter}: must")


def test_a_list_is_filtered_by_one_issuer(admin: Administrator) -> None:
    answer = admin.ask("GET", "federation_rules?issuer_id=fdis_01a&issuer_id=fdis_01b")
    assert reason_of(answer).startswith("issuer_id: must not be there more than once")


def test_a_cursor_is_good_for_its_own_list_only_and_survives_archiving(admin: Administrator) -> None:
    accounts = [admin.account() for _ in range(3)]
    page = admin.get("service_accounts", limit=1)
    reason_of(admin.ask("GET", f"federation_rules?page={page['next_page']}"))
    admin.post(f"service_accounts/{accounts[2]['id']}/archive")
    found: list[str] = []
    while page["next_page"]:
        page = admin.get("service_accounts", limit=1, page=page["next_page"], beta="true")
        found += [each["id"] for each in page["data"]]
    assert found[:2] == [accounts[1]["id"], accounts[0]["id"]]


@pytest.mark.parametrize(
    ("content", "content_type", "reason"),
    [
        (b'{"name": "a"', "application/json", "not a well-formed JSON object"),
        (b"[]", "application/json", "not a well-formed JSON object"),
        (b'{"name": "a", "name": "b"}', "application/json", "not a well-formed JSON object"),
        (b'{"name": NaN}', "application/json", "not a well-formed JSON object"),
        (b'{"name": 1e999}', "application/json", "not a well-formed JSON object"),
        (b'{"name": ' + b"9" * 5000 + b"}", "application/json", "not a well-formed JSON object"),
        (b'{"name": ' + b"[" * 30_000, "application/json", "not a well-formed JSON object"),
        (b'{"name": "\xff"}', "application/json", "not a well-formed JSON object"),
        (b'{"name": "a"}', "text/plain", "Content-Type"),
        (b"", "application/json", "not a well-formed JSON object"),
        (b"name=a", "application/x-www-form-urlencoded", "Content-Type"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_body_that_is_not_a_json_object_is_refused(
    admin: Administrator, content: bytes, content_type: str, reason: str
) -> None:
    answer = admin.ask("POST", "service_accounts", content=content, headers={"content-type": content_type})
    assert reason in reason_of(answer)


def test_a_body_that_is_too_long_is_refused(admin: Administrator) -> None:
    answer = admin.ask("POST", "service_accounts", json={"name": fresh_name(), "description": "x" * 100_000})
    assert answer.status_code == 413


def test_any_text_comes_back_as_it_is(admin: Administrator) -> None:
    description = "\ud800 \x00 \u2028 </script>"
    body = json.dumps({"name": fresh_name(), "description": description}).encode("ascii")
    answer = admin.ask("POST", "service_accounts", content=body, headers={"content-type": "application/json"})
    assert json.loads(answer.content)["description"] == description
    assert admin.get(f"service_accounts/{json.loads(answer.content)['id']}")["description"] == description


def test_another_method_is_refused(admin: Administrator) -> None:
    for method, path in (
        ("PUT", "service_accounts"),
        ("DELETE", "federation_rules/x"),
        ("GET", "federation_rules/x/archive"),
    ):
        answer = admin.ask(method, path)
        assert reason_of(answer, 405)
        assert answer.headers["allow"]
