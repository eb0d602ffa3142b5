"""An emulator that starts with what a seed file says."""

from __future__ import annotations

import math
import re
import time
from datetime import date
from pathlib import Path

import httpx
import pytest
import yaml

from ant_wif.emulator import Emulator
from ant_wif.emulator._issuers import SigningKey
from ant_wif.errors import ConfigurationError
from support.admin_api import Administrator
from support.federation_grant import exchange
from support.samples import MODEL, needs_cel

COMPLETE = """
organization:
  id: 11111111-2222-3333-4444-555555555555
  name: Initech
workspaces:
  - {name: Engineering, id: wrkspc_eng}
  - {name: Research}
service_accounts:
  - {name: ci, id: svac_ci, workspaces: [Engineering, Research]}
  - {name: deploy, organization_role: admin, description: rolls out, workspaces: [Research]}
issuers:
  - {name: runners, platform: github, check_jti: false, max_jwt_lifetime_seconds: 600}
  - {name: elsewhere, issuer_url: "https://idp.acme.example"}
rules:
  - name: github
    id: fdrl_github
    issuer: runners
    service_account: deploy
    match:
      subject_prefix: repo:acme/*
      condition: claims.ref == "refs/heads/main"
    workspaces: [Research]
    oauth_scope: org:admin
    token_lifetime_seconds: 90
  - name: anywhere
    issuer: elsewhere
    service_account: ci
    match: {claims: {team: a}}
    applies_to_all_workspaces: true
api_keys:
  - {key: sk-ant-api03-of-research, workspace: Research}
"""


def rule(**fields: object) -> dict[str, object]:
    complete = {
        "name": "extra",
        "issuer": "github",
        "service_account": "ci",
        "match": {"subject_prefix": "repo:acme/*"},
        "workspaces": ["Engineering"],
        **fields,
    }
    return {name: value for name, value in complete.items() if value is not None}


@needs_cel
def test_a_seed_file_adds_to_what_every_emulator_has(tmp_path: Path) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(COMPLETE)
    with Emulator(config=path) as emulator, httpx.Client(base_url=emulator.base_url) as client:
        assert emulator.organization_id == "11111111-2222-3333-4444-555555555555"
        assert emulator.login().organization_name == "Initech"
        assert emulator.env("github")["ANTHROPIC_FEDERATION_RULE_ID"] == "fdrl_github"
        assert emulator.rule("gitlab").workspace_ids == ("wrkspc_eng",)
        assert emulator.rule("gitlab").service_account_id == "svac_ci"
        assertion = emulator.issue()
        for _ in range(2):
            granted = exchange(client, emulator, assertion)
            assert granted.json()["expires_in"] == 90
        admin = Administrator(emulator, client)
        admin.token = granted.json()["access_token"]
        accounts = {account["name"]: account for account in admin.get("service_accounts")["data"]}
        assert (accounts["deploy"]["organization_role"], accounts["deploy"]["description"]) == ("admin", "rolls out")
        headers = {"x-api-key": "sk-ant-api03-of-research", "anthropic-version": "2026-10-21"}
        models = client.get("/v1/models", headers=headers)
        assert models.headers["anthropic-workspace-id"] == emulator.rule().workspace_ids[0] != "wrkspc_eng"
        assert emulator.rule("anywhere").applies_to_all_workspaces
        with emulator.spawn() as other:
            assert other.rule("github").id == "fdrl_github"


def test_a_mapping_will_do_and_inline_keys_verify() -> None:
    key = SigningKey()
    issuers = [{"name": "own", "issuer_url": "urn:own", "jwks": {"type": "inline", **key.jwks()}}]
    config = {"issuers": issuers, "rules": [rule(issuer="own", match={"subject_prefix": "job"})]}
    with Emulator(config=config) as emulator, httpx.Client(base_url=emulator.base_url) as client:
        now = int(emulator.now)
        claims = {"iss": "urn:own", "sub": "job", "aud": "https://api.anthropic.com", "iat": now, "exp": now + 60}
        token = key.sign({"alg": "RS256", "kid": key.kid("RS256")}, claims)
        assert exchange(client, emulator, token, federation_rule_id=emulator.rule("extra").id).status_code == 200
        assert exchange(client, emulator).status_code == 200


def test_a_seed_file_lists_the_models_that_are_served() -> None:
    with Emulator(config={"models": ["claude-of-acme", MODEL]}) as emulator:
        headers = {"x-api-key": emulator.api_key, "anthropic-version": "2023-06-01"}
        with httpx.Client(base_url=emulator.base_url, headers=headers) as client:
            assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["claude-of-acme", MODEL]
            assert client.get("/v1/models/claude-another").status_code == 404


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text("# nothing yet\n")
    assert set(Emulator(config=path).rules) == set(Emulator().rules)


@pytest.mark.parametrize(
    ("config", "place", "said"),
    [
        ({"rule": []}, "rule", "not permitted"),
        ({"rules": {}}, "rules", "must be a list"),
        ({"rules": [rule(colour="red")]}, "rules[0].colour", "not permitted"),
        ({"rules": [rule(match=None)]}, "rules[0].match", "required"),
        ({"rules": [rule(match={"subject_prefix": "repo:*"})]}, "rules[0].match", "whose tokens of GitHub Actions"),
        ({"rules": [rule(), rule()]}, "rules[1].name", "another one already"),
        ({"rules": [rule(name="")]}, "rules[0].name", "empty"),
        ({"workspaces": [{"name": " "}]}, "workspaces[0].name", "blank"),
        ({"workspaces": [{"name": "\ud800"}]}, "workspaces[0].name", "printable"),
        ({"organization": {"name": "Acme\n"}}, "organization.name", "printable"),
        ({"rules": [rule(id="rule-1")]}, "rules[0].id", "fdrl_"),
        ({"rules": [rule(issuer="nobody")]}, "rules[0].issuer", "one of github, "),
        ({"rules": [rule(service_account="nobody")]}, "rules[0].service_account", "one of ci"),
        ({"rules": [rule(workspaces=["Sales"])]}, "rules[0].workspaces[0]", "one of default, Engineering"),
        ({"rules": [rule(workspaces=None)]}, "rules[0].workspaces", "required"),
        ({"rules": [rule(token_lifetime_seconds=True)]}, "rules[0].token_lifetime_seconds", "whole number"),
        ({"issuers": [{"name": "a"}]}, "issuers[0].issuer_url", "or platform is required"),
        ({"issuers": [{"name": "a", "platform": "github", "issuer_url": "x"}]}, "issuers[0].issuer_url", "not both"),
        ({"issuers": [{"name": "a", "platform": "jenkins"}]}, "issuers[0].platform", "one of github"),
        ({"issuers": [{"name": "a", "issuer_url": "http://10.0.0.1"}]}, "issuers[0].issuer_url", "https"),
        ({"issuers": [{"name": "a", "platform": "github", "jwks": {"type": "discovery"}}]}, "[0].jwks", "left out"),
        ({"issuers": [{"name": "a", "issuer_url": "x", "jwks": {"type": "inline", "keys": [{}]}}]}, "jwks.keys", "kid"),
        ({"service_accounts": [{"name": "a", "organization_role": "boss"}]}, "organization_role", "admin or developer"),
        ({"workspaces": [{"id": "wrkspc_1"}]}, "workspaces[0].name", "required"),
        ({"workspaces": [{"name": "a", "id": "wrkspc_1"}, {"name": "b", "id": "wrkspc_1"}]}, "[1].id", "another"),
        ({"organization": {"id": "acme"}}, "organization.id", "UUID"),
        ({"api_keys": [{"key": "hunter2"}]}, "api_keys[0].key", "sk-ant-api03-"),
        ({"api_keys": [{"key": "sk-ant-api03-x", "workspace": "Sales"}]}, "api_keys[0].workspace", "one of"),
        ({"models": []}, "models", "empty"),
        ({"models": [MODEL, ""]}, "models", "id of its own"),
        ({"models": [MODEL, MODEL]}, "models", "id of its own"),
        ({"models": MODEL}, "models", "list"),
        ({"models": [7]}, "models[0]", "string"),
        ({"organization": {"name": date(2026, 1, 1)}}, "configuration", "a date"),
        ({"organization": {"name": math.nan}}, "configuration", "JSON has not"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_an_error_says_where_it_is_and_what_belongs_there(config: dict[str, object], place: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Emulator(config=config)
    message = str(caught.value)
    assert message.startswith("the emulator's configuration")
    assert place in message
    assert said in message
    assert caught.value.hint
    assert "hunter2" not in message + caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "line 1"),
        ("rules: []\nrules: []\n", "line 2, column 1: the field 'rules' stands twice"),
        ("- rules\n", "not made of named sections"),
        ("rules: !!python/object/apply:os.system [id]\n", "line 1"),
        ("organization: &a {name: *a}\n", "line 1, column 25: an alias"),
        ("workspaces:\n- &a {name: a}\n- {<<: *a}\n", "line 3, column 8: an alias"),
        ("\x00", "a character that YAML does not allow"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_file_that_is_not_a_seed_file_is_an_error_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"seed\.yaml") as caught:
        Emulator(config=path)
    assert said in str(caught.value)
    assert caught.value.hint


def test_a_long_file_takes_little_longer_than_to_split_it_into_words(tmp_path: Path) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text("organization: {" + ", ".join(f"field{number}: 1" for number in range(10_000)) + "}")
    began = time.process_time()
    assert len(list(yaml.scan(path.read_text()))) > 10_000
    scanned = time.process_time()
    with pytest.raises(ConfigurationError, match=r"organization\.field0: Extra inputs are not permitted"):
        Emulator(config=path)
    assert time.process_time() - scanned < 5 * (scanned - began)


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ConfigurationError, match=r"cannot be read") as caught:
            Emulator(config=path)
        assert str(path) in str(caught.value)
    for text, encoding, said in (("rules: []", "utf-16", "is UTF-16 text"), ("# \xe9", "latin-1", "UTF-8 (byte 2)")):
        path = tmp_path / "other.yaml"
        path.write_bytes(text.encode(encoding))
        with pytest.raises(ConfigurationError, match=re.escape(said)):
            Emulator(config=path)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigurationError, match="larger than 1048576 bytes"):
        Emulator(config=large)


def test_the_seed_file_that_the_documentation_shows_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text()
    (shown,) = re.findall(r"^```yaml\n(organization:.*?)^```$", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "seed.yaml"
    path.write_text(shown)
    assert Emulator(config=path).rule("github").id == "fdrl_main"
