"""`ant wif issuers|rules|service-accounts`: what is registered, as a person or a script handles it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ant_wif._config.config_dir import ConfigDir
from ant_wif.emulator import Emulator
from support.login import keep_a_login
from support.registrations import registrations
from support.samples import needs_cel

from .conftest import Ant, Outcome

Wif = Callable[..., Outcome]
KINDS = ["issuers", "rules", "service-accounts"]


@pytest.fixture
def emulator(seeded: Emulator) -> Emulator:
    return seeded


@pytest.fixture
def wif(ant: Ant, emulator: Emulator, directory: ConfigDir) -> Wif:
    """Run `ant wif` with the login of an administrator."""
    keep_a_login(directory, emulator, "admin", scope="org:admin")

    def run(*words: str, **environ: str) -> Outcome:
        return ant("wif", *words, "--profile", "admin", **environ)

    return run


def lines(outcome: Outcome) -> list[dict[str, object]]:
    assert (outcome.status, outcome.err) == (0, "")
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_what_is_registered_is_listed_one_document_a_line(wif: Wif, emulator: Emulator) -> None:
    issuers, rules, accounts = registrations(emulator)
    assert [each["id"] for each in lines(wif("issuers", "list"))] == list(reversed(issuers))
    assert [each["id"] for each in lines(wif("rules", "list"))] == list(reversed(rules))
    assert [each["id"] for each in lines(wif("service-accounts", "list"))] == list(reversed(accounts))
    assert len(lines(wif("rules", "list", "--limit", "2"))) == 2
    names = [each.name for each in reversed(issuers.values())]
    assert wif("issuers", "list", "--transform", "name", "-r").out.split() == names


def test_rules_are_listed_by_issuer_and_archived_ones_when_asked_for(wif: Wif, emulator: Emulator) -> None:
    rule = emulator.rule("github")
    assert [each["id"] for each in lines(wif("rules", "list", "--issuer", "github"))] == [rule.id]
    assert [each["id"] for each in lines(wif("rules", "list", "--issuer", rule.issuer_id))] == [rule.id]
    emulator.update_rule("github", archived=True)
    assert lines(wif("rules", "list", "--issuer", "github")) == []
    assert len(lines(wif("rules", "list", "--issuer", "github", "--include-archived"))) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_one_is_had_by_its_id_or_its_name(wif: Wif, kind: str) -> None:
    first = lines(wif(kind, "list"))[0]
    by_id, by_name = (wif(kind, "get", str(first[field])) for field in ("id", "name"))
    assert by_id.json() == by_name.json() == first
    assert f"name: {first['name']}\n" in wif(kind, "get", str(first["id"]), "--format", "yaml").out


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_fails_with_status_1(wif: Wif, kind: str) -> None:
    outcome = wif(kind, "get", "nothing")
    assert (outcome.status, outcome.out) == (1, "")
    assert "named 'nothing'" in outcome.err
    assert f"`ant wif {kind} list" in outcome.err
    prefix = {"issuers": "fdis", "rules": "fdrl", "service-accounts": "svac"}[kind]
    assert wif(kind, "get", f"{prefix}_01nothing").status == 1


def test_an_issuer_is_created_from_options(wif: Wif, tmp_path: Path) -> None:
    created = wif("issuers", "create", "--name", "acme", "--url", "https://idp.acme.example").json()
    assert (created["issuer_url"], created["jwks"]) == ("https://idp.acme.example", {"type": "discovery"})
    url = "https://idp.acme.example/keys"
    words = ["--url", "any text", "--jwks-url", url, "--max-jwt-lifetime", "10m", "--no-check-jti"]
    created = wif("issuers", "create", "--name", "explicit", *words).json()
    assert (created["max_jwt_lifetime_seconds"], created["check_jti"]) == (600, False)
    assert created["jwks"] == {"type": "explicit_url", "url": url}


def test_keys_are_registered_from_a_file_but_no_private_ones(wif: Wif, emulator: Emulator, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    keys = emulator._platforms.kubernetes.key.jwks()
    file.write_text(json.dumps(keys))
    words = ["issuers", "create", "--name", "inline", "--url", "https://kubernetes.default.svc", "--jwks", str(file)]
    assert wif(*words).json()["jwks"] == {"type": "inline", **keys}
    before = registrations(emulator)
    for content in ('{"keys": [{"kty": "RSA", "d": "AQAB"}]}', '{"keys": [{"kty": "oct", "k": "AQAB"}]}', "{}", "no"):
        file.write_text(content)
        outcome = wif(*words[:3], "other", *words[4:])
        assert (outcome.status, outcome.out) == (2, "")
        assert "AQAB" not in outcome.err
    assert registrations(emulator) == before


def test_a_service_account_is_created_and_joins_workspaces(wif: Wif, emulator: Emulator) -> None:
    words = ["--name", "robot", "--description", "builds", "--role", "developer", "--workspace", "Engineering"]
    created = wif("service-accounts", "create", *words).json()
    assert (created["description"], created["organization_role"]) == ("builds", "developer")
    account = emulator._state.service_accounts[str(created["id"])]
    assert account.workspace_ids == set(emulator.rule().workspace_ids)


def test_a_rule_is_created_from_options_and_names(wif: Wif, emulator: Emulator) -> None:
    outcome = wif(
        "rules", "create", "--name", "deploys", "--issuer", "github", "--service-account", "ci",
        "--subject", "repo:acme/app:*", "--audience", "https://acme.example", "--claim", "ref=refs/heads/a=b",
        "--claim", "repository_owner=acme", "--workspace", "Engineering", "--workspace", "default",
        "--lifetime", "10m", "--scope", "workspace:inference",
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    rule = emulator.rule("deploys")
    assert rule.id == outcome.json()["id"]
    assert (rule.subject_prefix, rule.audience) == ("repo:acme/app:*", "https://acme.example")
    assert rule.claims == {"ref": "refs/heads/a=b", "repository_owner": "acme"}
    assert (rule.token_lifetime_seconds, rule.oauth_scope) == (600, "workspace:inference")
    assert set(rule.workspace_ids) == set(emulator._state.workspaces)
    assert (rule.issuer_id, rule.service_account_id) == (emulator.issuer().id, emulator.rule().service_account_id)
    assert set(outcome.json()["workspace_ids"]) == set(rule.workspace_ids)


def test_a_file_says_what_options_do_not(wif: Wif, emulator: Emulator, tmp_path: Path) -> None:
    seeded = emulator.rule()
    file = tmp_path / "rule.yaml"
    file.write_text(
        f"name: from-file\nissuer_id: {seeded.issuer_id}\noauth_scope: workspace:inference\n"
        f"match: {{subject_prefix: 'repo:acme/app:*', claims: {{ref: refs/heads/main}}}}\n"
        f"target: {{type: service_account, service_account_id: {seeded.service_account_id}}}\n"
        "applies_to_all_workspaces: true\n"
    )
    assert wif("rules", "create", "--input", str(file)).status == 0
    assert emulator.rule("from-file").applies_to_all_workspaces
    words = ["--name", "from-both", "--subject", "repo:acme/app:pull_request", "--lifetime", "60"]
    assert wif("rules", "create", "--input", str(file), *words).status == 0
    rule = emulator.rule("from-both")
    assert (rule.subject_prefix, rule.claims) == ("repo:acme/app:pull_request", {"ref": "refs/heads/main"})
    assert (rule.oauth_scope, rule.token_lifetime_seconds) == ("workspace:inference", 60)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["issuers", "create"], "--name; --url"),
        (["service-accounts", "create"], "--name"),
        (["rules", "create", "--name", "x"], "--issuer; --service-account; --subject, --claim or --condition"),
        (["rules", "create", "--claim", "x"], "NAME=VALUE"),
        (["rules", "create", "--claim", "x=1", "--claim", "x=2"], "each name once"),
        (["rules", "create", "--workspace", "a", "--all-workspaces"], "--all-workspaces"),
        (["rules", "create", "--lifetime", "soon"], "not a valid duration"),
        (["rules", "create", "--lifetime", "1m500ms"], "not a whole number of seconds"),
        (["rules", "create", "--name", ""], "is empty"),
        (["rules", "create", "--input", "/nonexistent/rule.json"], "cannot be read"),
        (["issuers", "create", "--jwks-url", "https://a.example", "--jwks", __file__], "not both"),
        (["issuers", "get"], "ID"),
        (["issuers", "update", "github"], "nothing to change"),
        (["rules", "update", "github"], "nothing to change"),
        (["rules", "update", "github", "--remove", "issuer"], "is not a field that can be removed"),
        (["rules", "update", "github", "--remove", "claims."], "the name of a claim is missing"),
        (["issuers", "update", "github", "--jwks-url", "https://a.example", "--jwks", __file__], "not both"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_sent(wif: Wif, emulator: Emulator, words: list[str], said: str) -> None:
    before = registrations(emulator)
    outcome = wif(*words)
    assert (outcome.status, outcome.out) == (2, "")
    assert said in outcome.err
    assert registrations(emulator) == before


def test_an_update_changes_what_is_given_and_a_second_one_sends_nothing(wif: Wif, emulator: Emulator) -> None:
    updates = {
        "issuers": ["--max-jwt-lifetime", "2h", "--no-check-jti"],
        "rules": ["--lifetime", "10m", "--claim", "ref=refs/heads/main",
                  "--service-account", "ci", "--workspace", "Engineering"],
        "service-accounts": ["--description", "builds"],
    }  # fmt: skip
    names = {"issuers": "github", "rules": "github", "service-accounts": "ci"}
    for kind, words in updates.items():
        changed = wif(kind, "update", names[kind], *words)
        assert (changed.status, changed.err) == (0, ""), changed.err
        after = registrations(emulator)
        again = wif(kind, "update", names[kind], *words)
        assert (again.status, again.err) == (0, "nothing to change: the values are the same already\n")
        assert again.json() == changed.json()
        assert registrations(emulator) == after
    rule, issuer = emulator.rule(), emulator.issuer()
    assert (issuer.max_jwt_lifetime_seconds, issuer.check_jti) == (7200, False)
    assert (rule.token_lifetime_seconds, rule.claims) == (600, {"ref": "refs/heads/main"})
    assert rule.subject_prefix == "repo:acme/app:ref:refs/heads/main"
    removed = wif("rules", "update", "github", "--remove", "claims.ref")
    assert removed.json()["match"] == {"subject_prefix": rule.subject_prefix, "audience": rule.audience}


@needs_cel
def test_an_update_adds_and_removes_a_condition(wif: Wif, emulator: Emulator) -> None:
    assert wif("rules", "update", "github", "--condition", "has(claims.sub)").status == 0
    assert emulator.rule().condition == "has(claims.sub)"
    assert wif("rules", "update", "github", "--remove", "condition").status == 0
    assert emulator.rule().condition is None


def test_an_update_that_the_server_refuses_changes_nothing(wif: Wif, emulator: Emulator) -> None:
    before = registrations(emulator)
    refused = wif("rules", "update", "github", "--remove", "subject")
    assert (refused.status, refused.out) == (1, "")
    assert "match" in refused.err
    assert wif("issuers", "update", "nothing", "--name", "x").status == 1
    assert registrations(emulator) == before


def test_what_the_server_refuses_is_shown_in_its_words(wif: Wif) -> None:
    outcome = wif("issuers", "create", "--name", "No Name", "--url", "https://idp.acme.example")
    assert outcome.status == 1
    assert "name: must be 1 to 255 lower-case letters" in outcome.err
    outcome = wif("issuers", "create", "--name", "github", "--url", "https://idp.acme.example")
    assert outcome.status == 1
    assert "HTTP 409" in outcome.err


def test_to_archive_asks_and_without_a_terminal_wants_yes(wif: Wif, emulator: Emulator) -> None:
    before = registrations(emulator)
    outcome = wif("rules", "archive", "github")
    assert (outcome.status, outcome.out) == (2, "")
    assert "confirmation required; pass --yes when not interactive" in outcome.err
    assert registrations(emulator) == before
    archived = wif("rules", "archive", "github", "--yes").json()
    assert archived["archived_at"] is not None
    # A second time changes nothing, so there is nothing to ask.
    assert wif("rules", "archive", str(archived["id"])).json() == archived


def test_an_issuer_that_is_needed_is_not_archived(wif: Wif) -> None:
    outcome = wif("issuers", "archive", "github", "--yes")
    assert (outcome.status, outcome.out) == (1, "")
    assert "archive github first" in outcome.err


def test_a_profile_that_is_named_is_used_also_where_a_key_is_set(ant: Ant, wif: Wif, emulator: Emulator) -> None:
    assert wif("rules", "list", ANTHROPIC_API_KEY=emulator.api_key).status == 0
    named = {"ANTHROPIC_PROFILE": "admin", "ANTHROPIC_API_KEY": emulator.api_key}
    assert ant("wif", "rules", "list", **named).status == 0


def test_a_login_without_the_scope_is_denied_and_told_how_to_log_in(
    ant: Ant, emulator: Emulator, directory: ConfigDir
) -> None:
    hint = "hint: log in as an administrator with `ant auth login --profile admin --scope org:admin`"
    outcome = ant("wif", "setup", "github", "--repo", "acme/app", "--dry-run")
    assert (outcome.status, outcome.out) == (3, "")
    assert hint in outcome.err
    keep_a_login(directory, emulator)
    for words in (["issuers", "get", emulator.issuer().id], ["service-accounts", "archive", "ci", "--yes"]):
        outcome = ant("wif", *words)
        assert (outcome.status, outcome.out) == (4, "")
        assert hint in outcome.err


def test_what_was_made_before_a_workspace_was_refused_is_named(wif: Wif) -> None:
    nowhere = "wrkspc_01nowhere"
    account = wif("service-accounts", "create", "--name", "half", "--workspace", nowhere)
    found = wif("service-accounts", "get", "half").json()["id"]
    assert account.status == 1
    assert f"hint: the service account {found} was made and stays, but not for the workspace {nowhere}" in account.err
    words = ["--issuer", "github", "--service-account", "half", "--subject", "repo:acme/half:*"]
    rule = wif("rules", "create", "--name", "half", *words, "--workspace", "default", "--workspace", nowhere)
    found = wif("rules", "get", "half").json()["id"]
    assert f"the federation rule {found} was made and stays, but not for the workspace {nowhere}" in rule.err
