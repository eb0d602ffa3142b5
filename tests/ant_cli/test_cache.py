"""`ant cache`, and what `ant auth status` and `ant auth logout` have to do with it."""

from __future__ import annotations

import json
from pathlib import Path

from ant_wif._config.config_dir import ConfigDir
from ant_wif._secrets import SecretStr
from ant_wif.emulator import Emulator
from support.jobs import federation_of
from support.samples import login_profile

from .conftest import Ant


def used(ant: Ant, emulator: Emulator, **more: str) -> tuple[dict[str, str], str]:
    """Have a token exchanged and shared; return the job's variables and the token."""
    job = {**emulator.env("github"), **more}
    outcome = ant("auth", "print-credentials", "--access-token", **job)
    assert outcome.status == 0, outcome.err
    return job, outcome.out.strip()


def test_list_says_what_is_kept_for_what_and_until_when_but_no_token(ant: Ant, emulator: Emulator) -> None:
    job, token = used(ant, emulator)
    shown = ant("cache", "list", **job)
    assert job["ANTHROPIC_FEDERATION_RULE_ID"] in shown.out
    assert "github_actions" in shown.out
    assert "expires at 20" in shown.out
    assert token not in shown.out
    assert token[:20] not in shown.out


def test_list_as_json_is_one_document_a_line(ant: Ant, emulator: Emulator) -> None:
    job, _ = used(ant, emulator)
    (line,) = ant("cache", "list", "--format", "jsonl", **job).out.splitlines()
    entry = json.loads(line)
    assert entry["base_url"] == emulator.base_url
    assert entry["organization_id"] == emulator.organization_id
    assert entry["profile"] is None
    assert entry["expires_at"] > 1_700_000_000


def test_list_shows_the_token_of_a_federation_profile_too(ant: Ant, emulator: Emulator) -> None:
    job = emulator.env("github")
    ant("profile", "create", "ci", "--federation", **job)
    ant("auth", "print-credentials", "--profile", "ci", **job)
    shown = ant("cache", "list", "--format", "jsonl", **job).out
    assert [json.loads(line)["profile"] for line in shown.splitlines()] == ["ci"]


def test_nothing_kept_is_said_so(ant: Ant) -> None:
    outcome = ant("cache", "list")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "no cached tokens\n")


def test_clear_forgets_everything_but_logins(ant: Ant, emulator: Emulator, directory: ConfigDir, home: Path) -> None:
    job, token = used(ant, emulator)
    directory.write("person", login_profile())
    directory.write_credentials(directory.credentials_path("person"), {"access_token": SecretStr("a-login")})
    assert ant("cache", "clear", **job).status == 0
    assert ant("cache", "list", **job).out == ""
    assert directory.credentials_path("person").exists()
    kept = [path for path in (home / ".cache").rglob("*") if path.suffix != ".lock" and path.is_file()]
    assert {path.parent.name for path in kept} == {"spent"}
    assert used(ant, emulator)[1] != token
    assert emulator.exchanges == 2


def test_after_clear_a_used_identity_token_is_still_known_as_used_and_a_denied_one_is_tried_again(
    ant: Ant, emulator: Emulator, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    job = federation_of(emulator.env())
    job |= {"ANTHROPIC_IDENTITY_TOKEN_FILE": str(file), "ANT_IDENTITY_SOURCE": "file"}
    token = ("auth", "print-credentials", "--access-token")
    accepted = emulator.rule().subject_prefix
    file.write_text(emulator.issue())
    for prefix, status in (("repo:acme/other:*", 4), (str(accepted), 0)):
        emulator.update_rule("github", subject_prefix=prefix)
        assert ant(*token, **job).status == status
        assert ant("cache", "clear", **job).status == 0
    outcome = ant(*token, **job)
    assert outcome.status == 3
    assert "was exchanged already" in outcome.err
    assert len(emulator.history) == 2


def test_clear_of_a_profile_leaves_the_others(ant: Ant, emulator: Emulator, directory: ConfigDir) -> None:
    job, token = used(ant, emulator)
    other = {**job, "ANTHROPIC_SERVICE_ACCOUNT_ID": ""}
    ant("profile", "create", "ci", "--federation", **other)
    ant("auth", "print-credentials", "--profile", "ci", **other)
    assert ant("cache", "clear", "--profile", "ci", **other).status == 0
    assert not directory.credentials_path("ci").exists()
    assert used(ant, emulator)[1] == token


def test_clear_of_a_login_is_refused_with_the_command_that_ends_it(ant: Ant, directory: ConfigDir) -> None:
    directory.write("person", login_profile())
    outcome = ant("cache", "clear", "--profile", "person")
    assert outcome.status == 1
    assert "ant auth logout --profile person" in outcome.err


def test_logout_of_a_federation_profile_clears_what_is_shared_for_the_same_federation(
    ant: Ant, emulator: Emulator
) -> None:
    job, _ = used(ant, emulator)
    ant("profile", "create", "ci", "--federation", **job)
    outcome = ant("auth", "logout", "--profile", "ci", **job)
    assert outcome.status == 0
    assert "removed" in outcome.err
    assert ant("cache", "list", **job).out == ""


def test_status_shows_the_shared_token_and_its_expiry(ant: Ant, emulator: Emulator) -> None:
    job = emulator.env("github")
    assert "expires:" not in ant("auth", "status", **job).out
    _, token = used(ant, emulator)
    shown = ant("auth", "status", **job).out
    assert f"{token[:16]}..." in shown
    assert "expires:" in shown
    described = ant("auth", "status", "--format", "json", **job).json()
    credential = described["credential"]
    assert isinstance(credential, dict)
    assert credential["masked"] == f"{token[:16]}..."
    assert isinstance(credential["expires_at"], int)


def test_a_cache_turned_off_shares_nothing(ant: Ant, emulator: Emulator, home: Path) -> None:
    _, first = used(ant, emulator, ANT_CACHE="memory")
    assert used(ant, emulator, ANT_CACHE="memory")[1] != first
    assert not (home / ".cache").exists()
