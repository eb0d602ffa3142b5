"""`ant auth explain --profile admin`: every check can be made by who may read what is registered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ant_wif._config.config_dir import ConfigDir
from ant_wif.emulator import Emulator
from support.jobs import platform_of, profile_of
from support.login import keep_a_login

from .conftest import Ant, Outcome
from .test_explain import marks, with_token

ADMIN = ("auth", "explain", "--profile", "admin")


@pytest.fixture
def emulator(seeded: Emulator) -> Iterator[Emulator]:
    yield seeded
    seeded._state.notes.set_jwks(seeded.issuer().id, {"type": "discovery"})


@pytest.fixture(autouse=True)
def _admin(emulator: Emulator, directory: ConfigDir) -> None:
    keep_a_login(directory, emulator, "admin", scope="user:profile org:admin")


def all_marks(outcome: Outcome) -> str:
    return "".join(marks(outcome.out)[number] for number in range(1, 18))


def failed(outcome: Outcome) -> list[int]:
    assert outcome.status == 4, outcome.err
    # A token that came in a variable may have been exchanged elsewhere.
    assert {number for number, mark in marks(outcome.out).items() if mark == "?"} <= {15}
    return [number for number, mark in marks(outcome.out).items() if mark == "✗"]


def issued_with(emulator: Emulator, jwks: Mapping[str, Any]) -> None:
    emulator._state.notes.set_jwks(emulator.issuer().id, jwks)


def test_every_check_is_made_and_nothing_is_spent(ant: Ant, emulator: Emulator) -> None:
    outcome = ant(*ADMIN, **emulator.env("github"))
    assert (outcome.status, outcome.err) == (0, "")
    assert all_marks(outcome) == "✓" * 17
    assert "Rule, issuer and service account are as registered now, read with profile:admin.\n" in outcome.out
    assert "--rule" not in outcome.out
    assert emulator.history == []


def test_json_says_where_the_registrations_came_from(ant: Ant, emulator: Emulator) -> None:
    assert ant(*ADMIN, "--format", "json", **emulator.env("github")).json()["registered_from"] == "profile:admin"
    without = ant("auth", "explain", "--format", "json", ANTHROPIC_PROFILE="", **emulator.env("github"))
    assert without.json()["registered_from"] is None


def test_the_profile_may_be_named_by_its_variable(ant: Ant, emulator: Emulator) -> None:
    outcome = ant("auth", "explain", ANTHROPIC_PROFILE="admin", **emulator.env("github"))
    assert all_marks(outcome) == "✓" * 17


def test_a_workspace_that_the_account_is_not_in_is_found(ant: Ant, emulator: Emulator) -> None:
    state, account_id = emulator._state, emulator.rule().service_account_id
    state.service_accounts[account_id] = replace(state.service_accounts[account_id], workspace_ids=frozenset())
    outcome = ant(*ADMIN, **emulator.env("github"))
    assert failed(outcome) == [17]
    assert "Denied: service_account_not_member. " in outcome.out


@pytest.mark.parametrize("kind", ["rules", "service_accounts"])
def test_what_is_archived_is_found(ant: Ant, emulator: Emulator, kind: str) -> None:
    rule = emulator.rule()
    there = getattr(emulator._state, kind)
    identifier = rule.id if kind == "rules" else rule.service_account_id
    there[identifier] = replace(there[identifier], archived=True)
    outcome = ant(*ADMIN, **emulator.env("github"))
    # The platform may take an archived account out of its workspaces, too.
    assert failed(outcome)[0] == 2
    assert "is archived" in outcome.out


def test_a_condition_a_claim_and_a_lifetime_are_judged_as_registered(ant: Ant, emulator: Emulator) -> None:
    emulator.update_rule("github", claims={"repository_owner": "other"}, subject_prefix="repo:acme/*")
    emulator.update_issuer("github", max_jwt_lifetime_seconds=60)
    assert failed(ant(*ADMIN, **emulator.env("github"))) == [10, 13]


def test_a_token_of_another_key_is_found(ant: Ant, emulator: Emulator) -> None:
    assert failed(ant(*ADMIN, **with_token(emulator, emulator.issue(key="other")))) == [8]
    assert failed(ant(*ADMIN, **with_token(emulator, emulator.issue(iss="https://other.example")))) == [6]


@pytest.mark.parametrize(("seconds", "direction"), [(900, "behind"), (-900, "ahead of")])
def test_times_are_judged_by_the_clock_of_the_api(ant: Ant, emulator: Emulator, seconds: int, direction: str) -> None:
    environ = with_token(emulator, emulator.issue(lifetime=600))
    emulator.skew(seconds)
    try:
        outcome = ant(*ADMIN, "--format", "json", **environ)
        assert abs(int(str(outcome.json()["clock_drift_seconds"])) - seconds) <= 2
        assert outcome.json()["reason"] == ("expired" if seconds > 0 else "not_yet_valid")
        assert f"seconds {direction} that of the Claude API" in outcome.out
        # Without the login, only the clock of this machine is known.
        assert ant("auth", "explain", **environ).status == 0
    finally:
        emulator.reset_clock()


def test_an_authority_that_is_not_text_is_not_used(ant: Ant, emulator: Emulator) -> None:
    issued_with(emulator, {"type": "discovery", "ca_cert_pem": "\ud800"})
    outcome = ant(*ADMIN, **emulator.env("github"))
    assert (outcome.status, outcome.err) == (0, "")
    assert "the issuer's keys could not be had from here" in outcome.out


def test_a_rule_that_the_organization_has_not_got_is_said_to_be_missing(ant: Ant, emulator: Emulator) -> None:
    outcome = ant(*ADMIN, **{**emulator.env("github"), "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_01nothing"})
    assert (outcome.status, marks(outcome.out)[2]) == (4, "✗")
    assert f"The organization {emulator.organization_id} has no such rule." in outcome.out
    assert "Denied: rule_not_found. " in outcome.out


def test_another_organization_is_found(ant: Ant, emulator: Emulator) -> None:
    other = "0f3c1a52-7b7e-4a51-9c0e-6c1f2d3e4b5a"
    outcome = ant(*ADMIN, **{**emulator.env("github"), "ANTHROPIC_ORGANIZATION_ID": other})
    assert failed(outcome) == [2]
    assert f"names the organization {other}; profile:admin is of {emulator.organization_id}." in outcome.out


@pytest.mark.parametrize("form", ["inline", "explicit_url", "discovery"])
def test_keys_are_had_in_every_way_that_they_are_registered(ant: Ant, emulator: Emulator, form: str) -> None:
    ways: dict[str, dict[str, object]] = {
        "inline": {"keys": emulator._platforms.named("github").key.jwks()["keys"]},
        "explicit_url": {"url": f"{emulator.base_url}/github/.well-known/jwks"},
        "discovery": {"discovery_base": f"{emulator.base_url}/github"},
    }
    issued_with(emulator, {"type": form, **ways[form]})
    assert all_marks(ant(*ADMIN, **emulator.env("github"))) == "✓" * 17


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/keys", "http://127.0.0.1:1/keys", "{}/github/nothing", "{}/_emulator/"]
)
def test_keys_that_cannot_be_fetched_from_here_say_nothing_of_the_platform(
    ant: Ant, emulator: Emulator, url: str
) -> None:
    issued_with(emulator, {"type": "explicit_url", "url": url.format(emulator.base_url)})
    outcome = ant(*ADMIN, **emulator.env("github"))
    assert (outcome.status, all_marks(outcome)) == (0, "✓" * 6 + "??" + "✓" * 9)
    assert "the issuer's keys could not be had from here, which says nothing of the platform" in outcome.out


@pytest.mark.usefixtures("short_pauses")
def test_tokens_and_keys_are_fetched_by_the_proxy_of_the_environment(ant: Ant, emulator: Emulator) -> None:
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:1"}
    issued_with(emulator, {"type": "explicit_url", "url": "https://keys.example.com/keys"})
    assert "the proxy http://127.0.0.1:1 (HTTPS_PROXY)" in ant(*ADMIN, **emulator.env("github"), **proxy).out
    job = {**emulator.env("github"), "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example.com/?api-version=2.0"}
    for words in (("auth", "explain"), ("identity", "token"), ("models", "list")):
        assert "the proxy http://127.0.0.1:1 (HTTPS_PROXY)" in ant(*words, **job, **proxy).err


def test_files_say_otherwise_than_what_is_registered(ant: Ant, emulator: Emulator, tmp_path: Path) -> None:
    issuer = tmp_path / "issuer.json"
    document = {"id": emulator.issuer().id, "name": "github", "issuer_url": "https://other.example"}
    issuer.write_text(json.dumps(document))
    outcome = ant(*ADMIN, "--issuer", str(issuer), **emulator.env("github"))
    # The keys of the registered issuer are not those of the one in the file.
    assert all_marks(outcome) == "✓" * 5 + "✗??" + "✓" * 9


def test_a_login_without_the_scope_is_not_an_administrator_s(
    ant: Ant, emulator: Emulator, directory: ConfigDir
) -> None:
    keep_a_login(directory, emulator, "mine")
    outcome = ant("auth", "explain", "--profile", "mine", **emulator.env("github"))
    assert (outcome.status, all_marks(outcome)) == (0, "✓?✓✓✓???✓?????✓??")
    assert "the login of an administrator (org:admin):\n  ant auth explain --profile NAME\n" in outcome.out


def test_a_federation_s_profile_is_explained_itself(ant: Ant, emulator: Emulator, directory: ConfigDir) -> None:
    job = emulator.env("github")
    directory.write("ci", profile_of(job, identity_token={"source": "github_actions"}))
    outcome = ant("auth", "explain", "--profile", "ci", **platform_of(job))
    assert (outcome.status, all_marks(outcome)) == (0, "✓?✓✓✓???✓?????✓??")


def test_an_administrator_s_login_that_has_ended_is_an_error_of_its_own(
    ant: Ant, emulator: Emulator, directory: ConfigDir
) -> None:
    stored = directory.read_credentials(directory.credentials_path("admin"))
    assert stored is not None
    assert stored.access_token is not None
    emulator.revoke(stored.access_token.get_secret_value())
    assert stored.refresh_token is not None
    emulator.revoke(stored.refresh_token.get_secret_value())
    outcome = ant(*ADMIN, **emulator.env("github"))
    assert outcome.status in {3, 4}
    assert outcome.out == ""
    assert "error: " in outcome.err
