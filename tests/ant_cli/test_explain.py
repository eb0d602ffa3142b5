"""`ant auth explain`: what a person reads, what a program reads, and what a script learns from the exit status."""

from __future__ import annotations

import io
import json
from pathlib import Path

import httpx
import pytest

from ant_cli.commands.auth.explain import print_explanation
from ant_wif._secrets import SecretStr
from ant_wif.diagnostics.explain import Registered, explain_assertion
from ant_wif.emulator import Emulator
from ant_wif.rules import DEFAULT_AUDIENCE
from support.jobs import federation_of

from .conftest import Ant


@pytest.fixture
def emulator(seeded: Emulator) -> Emulator:
    return seeded


@pytest.fixture
def files(emulator: Emulator, tmp_path: Path) -> list[str]:
    """The seeded rule and issuer in the Admin API's JSON, and the issuer's key set, as options."""
    rule, issuer = emulator.rule(), emulator.issuer()
    documents: dict[str, object] = {
        "rule": {
            "id": rule.id,
            "name": rule.name,
            "issuer_id": rule.issuer_id,
            "match": {"subject_prefix": rule.subject_prefix, "claims": {"repository_owner": "acme"}},
            "target": {"type": "service_account", "service_account_id": rule.service_account_id},
            "workspace_ids": list(rule.workspace_ids),
        },
        "issuer": {"id": issuer.id, "name": issuer.name, "issuer_url": issuer.issuer_url},
        "jwks": httpx.get(f"{emulator.base_url}/github/.well-known/jwks").json(),
    }
    words = []
    for name, document in documents.items():
        (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
        words += [f"--{name}", str(tmp_path / name)]
    return words


def marks(out: str) -> dict[int, str]:
    """Return the mark of each check by its number."""
    lines = [line.split(maxsplit=2) for line in out.splitlines() if line[:1] in {"✓", "✗", "?"}]
    return {int(words[1]): words[0] for words in lines}


def with_token(emulator: Emulator, assertion: str) -> dict[str, str]:
    return {**federation_of(emulator.env("github")), "ANTHROPIC_IDENTITY_TOKEN": assertion}


def test_without_files_what_the_token_shows_is_checked(ant: Ant, emulator: Emulator) -> None:
    outcome = ant("auth", "explain", **emulator.env("github"))
    assert outcome.status == 0
    assert "".join(marks(outcome.out)[number] for number in range(1, 18)) == "✓?✓✓✓???✓?????✓??"
    assert "not verified" in outcome.out
    assert f'"{emulator.rule().subject_prefix}"' in outcome.out
    assert "\nNo check failed, and 11 checks could not be made.\n" in outcome.out
    assert "--rule, --issuer and --jwks" in outcome.out
    assert outcome.err == ""


def test_with_files_everything_is_checked(ant: Ant, emulator: Emulator, files: list[str]) -> None:
    outcome = ant("auth", "explain", *files, **emulator.env("github"))
    assert outcome.status == 0
    # Whether the service account is archived, and in which workspaces it is, neither file says.
    assert [number for number, mark in marks(outcome.out).items() if mark != "✓"] == [2, 17]
    assert "Perhaps service_account_not_member. Not checked: the service account is not known here." in outcome.out
    assert "expected: " not in outcome.out


def test_what_fails_shows_what_was_found_and_expected_and_ends_with_the_reason(
    ant: Ant, emulator: Emulator, files: list[str]
) -> None:
    subject = "repo:acme/app:environment:production"
    outcome = ant("auth", "explain", *files, **with_token(emulator, emulator.issue(sub=subject)))
    assert outcome.status == 4
    assert [number for number, mark in marks(outcome.out).items() if mark == "✗"] == [12]
    assert f'"{subject}"' in outcome.out
    assert f'expected: "{emulator.rule().subject_prefix}"' in outcome.out
    assert "the job names an environment" in outcome.out
    assert outcome.out.splitlines()[-1].startswith("Denied: match_subject_prefix. ")


def test_the_only_reason_is_not_repeated_as_a_likely_cause(ant: Ant, emulator: Emulator, files: list[str]) -> None:
    outcome = ant("auth", "explain", *files, **with_token(emulator, emulator.issue(exp=1)))
    assert "Likely causes" not in outcome.out
    assert outcome.out.count("The token expired ") == 1
    assert outcome.out.splitlines()[-1].startswith("Denied: expired. Fetch the token ")


def test_json_has_the_same_for_programs(ant: Ant, emulator: Emulator, files: list[str]) -> None:
    assertion = emulator.issue(exp=1)
    outcome = ant("auth", "explain", "--format", "json", *files, **with_token(emulator, assertion))
    assert outcome.status == 4
    document = outcome.json()
    assert (document["schema"], document["reason"]) == ("ant.auth.explain/1", "expired")
    assert document["identity_source"] == "env"
    claims, checks = document["unverified_claims"], document["checks"]
    assert isinstance(claims, dict)
    assert isinstance(checks, list)
    assert (claims["exp"], claims["repository"]) == (1, "acme/app")
    assert [check["state"] for check in checks if check["number"] == 9] == ["failed"]
    assert set(checks[0]) == {"number", "title", "state", "reason", "found", "wanted", "sentence"}


def test_neither_token_nor_signature_is_printed(ant: Ant, emulator: Emulator, files: list[str]) -> None:
    assertion = emulator.issue()
    for words in (["--format", "json"], []):
        outcome = ant("auth", "explain", *words, *files, **with_token(emulator, assertion))
        for part in assertion.split("."):
            assert part not in outcome.out + outcome.err


def test_a_token_that_was_exchanged_on_this_machine_is_known_again(ant: Ant, emulator: Emulator) -> None:
    environ = with_token(emulator, emulator.issue())
    assert ant("auth", "explain", **environ).status == 0
    assert ant("auth", "verify", **environ).status == 0
    outcome = ant("auth", "explain", **environ)
    assert outcome.status == 4
    assert marks(outcome.out)[15] == "✗"
    assert "Denied: jti_reused. " in outcome.out


def test_without_an_identity_token_the_exit_status_is_3(ant: Ant, tmp_path: Path) -> None:
    outcome = ant("auth", "explain")
    assert (outcome.status, outcome.out) == (3, "")
    assert "no identity token" in outcome.err
    outcome = ant("auth", "explain", ANTHROPIC_IDENTITY_TOKEN_FILE=str(tmp_path / "none"))
    assert (outcome.status, outcome.out) == (3, "")


@pytest.mark.parametrize("option", ["--rule", "--issuer", "--jwks"])
def test_a_file_that_cannot_be_used_is_wrong_usage_and_named_with_its_option(
    ant: Ant, emulator: Emulator, tmp_path: Path, option: str
) -> None:
    other, large, none = tmp_path / "other", tmp_path / "large", tmp_path / "none"
    other.write_text("{}", encoding="ascii")
    large.write_text('{"name": "' + "x" * 1_200_000 + '"}', encoding="ascii")
    says = {
        other: "",
        none: "",
        tmp_path: "",
        large: f"file {large} is larger than 1048576 bytes\nhint: give {option} the JSON",
    }
    for path, said in says.items():
        outcome = ant("auth", "explain", option, str(path), **with_token(emulator, emulator.issue()))
        assert (outcome.status, outcome.out) == (2, "")
        assert outcome.err.startswith("error: ")
        assert said in outcome.err


def test_a_federation_that_no_exchange_could_be_made_for_is_an_error_of_its_own(ant: Ant, emulator: Emulator) -> None:
    environ = {**with_token(emulator, emulator.issue()), "ANTHROPIC_FEDERATION_RULE_ID": "svac_01"}
    outcome = ant("auth", "explain", **environ)
    assert (outcome.status, outcome.out) == (3, "")
    assert "federation rule" in outcome.err


def test_marks_that_the_terminal_does_not_have_are_replaced() -> None:
    found = explain_assertion(
        SecretStr("no.jwt"), None, Registered(), identity_source="env", expected_audience=DEFAULT_AUDIENCE, now=0
    )
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_explanation(found, screen)
    screen.seek(0)
    assert "x  3  the identity token is a JWT" in screen.read()


def test_a_denied_verification_is_explained_after_the_error(ant: Ant, emulator: Emulator) -> None:
    emulator.update_rule("github", subject_prefix="repo:acme/app:ref:refs/heads/release")
    environ = with_token(emulator, emulator.issue(sub="repo:acme/app:pull_request"))
    for _ in range(2):
        outcome = ant("auth", "verify", **environ)
        assert (outcome.status, outcome.out) == (4, "")
        assert outcome.err.startswith("error: the identity token ")
        error, _, explanation = outcome.err.partition("The identity token is from env.")
        assert "hint: " in error
        assert marks(explanation)[9] == "✓"
        assert "the job runs for a pull request" in explanation


def test_an_explanation_follows_only_a_denied_exchange(ant: Ant, emulator: Emulator) -> None:
    environ = {**emulator.env("github"), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "wrong"}
    outcome = ant("auth", "verify", **environ)
    assert outcome.status == 3
    assert "What it says of itself" not in outcome.err
    outcome = ant("auth", "verify", ANTHROPIC_API_KEY="wrong", ANTHROPIC_BASE_URL=emulator.base_url)
    assert outcome.status == 4
    assert "What it says of itself" not in outcome.err
