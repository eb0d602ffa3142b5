"""`ant auth verify`: the whole way, and the server's words."""

from __future__ import annotations

import re

import pytest

from ant_wif.emulator import Emulator, Fault

from .conftest import Ant


def test_a_credential_that_works_is_shown_with_what_the_server_says_of_it(ant: Ant, emulator: Emulator) -> None:
    outcome = ant("auth", "verify", **emulator.env("github"))
    assert outcome.status == 0
    assert outcome.out.startswith("The credential works: federation (github_actions) from environment\n")
    assert f"  organization:  {emulator.organization_id}\n" in outcome.out
    assert f"  workspace:     {emulator.rule().workspace_ids[0]}\n" in outcome.out
    assert "  access token:  expires at 20" in outcome.out
    assert " ms to the token, " in outcome.out
    assert "sk-ant-" not in outcome.out + outcome.err
    assert emulator.exchanges == 1
    assert "cache" not in outcome.out

    again = ant("auth", "verify", **emulator.env("github"))
    assert re.search(r"  access token:  expires at .*\), read from the cache: no exchange was tried\n", again.out)
    assert ant("auth", "verify", "--format", "json", **emulator.env("github")).json()["cached"] is True
    assert emulator.exchanges == 1


def test_a_program_reads_it_as_json(ant: Ant, emulator: Emulator) -> None:
    document = ant("auth", "verify", "--format", "json", **emulator.env("github")).json()
    assert {name: document[name] for name in ("schema", "source", "origin", "identity_source", "organization_id")} == {
        "schema": "ant.auth.verify/1",
        "source": "federation",
        "origin": "environment",
        "identity_source": "github_actions",
        "organization_id": emulator.organization_id,
    }
    assert isinstance(document["token_seconds"], float)
    assert isinstance(document["request_seconds"], float)
    assert isinstance(document["expires_at"], int)


def test_an_api_key_never_expires_and_has_its_workspace_named_by_the_server(ant: Ant, emulator: Emulator) -> None:
    outcome = ant("auth", "verify", ANTHROPIC_API_KEY=emulator.api_key, ANTHROPIC_BASE_URL=emulator.base_url)
    assert outcome.status == 0
    assert "The credential works: api_key from ANTHROPIC_API_KEY" in outcome.out
    assert "access token:  does not expire" in outcome.out


@pytest.mark.parametrize("what", ["nothing", "denied", "wrong key", "down"])
def test_what_does_not_work_has_its_exit_status(what: str, ant: Ant, emulator: Emulator) -> None:
    job = emulator.env("github")
    if what == "denied":
        emulator.update_rule("github", subject_prefix="repo:somebody/else")
    elif what == "down":
        emulator.fail("models", Fault.status(503, retry_after=90))
    environ = {
        "nothing": {},
        "wrong key": {"ANTHROPIC_API_KEY": "sk-ant-api03-wrong", "ANTHROPIC_BASE_URL": emulator.base_url},
    }.get(what, job)
    outcome = ant("auth", "verify", **environ)
    assert outcome.status == {"nothing": 3, "denied": 4, "wrong key": 4, "down": 1}[what]
    assert outcome.err.startswith("error: ")
    assert "\nhint: " in outcome.err
    assert outcome.out == ""
