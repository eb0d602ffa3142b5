"""The commands around credentials, profiles, identity tokens and models."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import time
from pathlib import Path

import pytest

from ant_wif._config.config_dir import ConfigDir
from ant_wif._secrets import SecretStr
from ant_wif.emulator import Emulator, Fault
from support.samples import ORGANIZATION, RULE, WORKSPACE, login_profile

from .conftest import Ant

TOKEN = "sk-ant-oat01-EXAMPLE-of-a-token"
KEY = "sk-ant-api03-EXAMPLE-of-a-key"
FEDERATION = {"ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}


def _store_login(directory: ConfigDir, name: str = "default", expires_in: int = 3600) -> None:
    directory.write(name, login_profile())
    directory.write_credentials(
        directory.credentials_path(name),
        {"access_token": SecretStr(TOKEN), "expires_at": int(time.time()) + expires_in, "workspace_id": WORKSPACE},
    )


def _store_seconds(directory: ConfigDir, emulator: Emulator, seconds: int, **fields: object) -> Path:
    """Leave a login of the emulator's, valid for so many seconds; return its credentials file."""
    login = emulator.login(client_id="client")
    directory.write("default", login_profile(base_url=emulator.base_url))
    path = directory.credentials_path("default")
    stored = {
        "access_token": SecretStr(login.access_token),
        "refresh_token": SecretStr(login.refresh_token),
        "expires_at": int(time.time()) + seconds,
        **fields,
    }
    directory.write_credentials(path, stored)
    return path


class TestPrintCredentials:
    def test_prints_only_the_token_and_a_newline(self, ant: Ant) -> None:
        outcome = ant("auth", "print-credentials", "--access-token", ANTHROPIC_AUTH_TOKEN=TOKEN)
        assert (outcome.status, outcome.out, outcome.err) == (0, f"{TOKEN}\n", "")

    def test_prints_the_shape_of_a_credentials_file(self, ant: Ant, directory: ConfigDir) -> None:
        _store_login(directory)
        found = ant("auth", "print-credentials").json()
        assert found["version"] == "1.0"
        assert found["type"] == "oauth_token"
        assert found["access_token"] == TOKEN
        assert found["workspace_id"] == WORKSPACE

    def test_prints_assignments_that_a_shell_reads(self, ant: Ant, emulator: Emulator) -> None:
        outcome = ant("auth", "print-credentials", "--env", **emulator.env("github"))
        pairs = dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in outcome.out.splitlines())
        assert pairs["ANTHROPIC_AUTH_TOKEN"].startswith("sk-ant-oat01-")
        assert pairs["ANTHROPIC_BASE_URL"] == emulator.base_url

    def test_names_a_key_as_a_key(self, ant: Ant) -> None:
        printed = ant("auth", "print-credentials", "--env", ANTHROPIC_API_KEY=KEY).out
        assert printed == f"export ANTHROPIC_API_KEY={KEY}\n"
        assert ant("auth", "print-credentials", ANTHROPIC_API_KEY=KEY).json() == {"type": "api_key", "api_key": KEY}
        assert ant("auth", "print-credentials", "--env", "--access-token", ANTHROPIC_API_KEY=KEY).status == 2
        for words, printed in (
            (["--format", "yaml"], f"type: api_key\napi_key: {KEY}\n"),
            (["--transform", "api_key", "-r"], f"{KEY}\n"),
        ):
            assert ant("auth", "print-credentials", *words, ANTHROPIC_API_KEY=KEY).out == printed
        assert ant("auth", "print-credentials", "--transform", "[", ANTHROPIC_API_KEY=KEY).status == 2

    def test_prints_all_that_the_file_of_a_login_holds_and_a_copy_works_elsewhere(
        self, ant: Ant, emulator: Emulator, directory: ConfigDir, tmp_path: Path
    ) -> None:
        path = _store_seconds(directory, emulator, 3600, account_email="dev@acme.example", others={"kept": True})
        printed = ant("auth", "print-credentials").json()
        assert printed == json.loads(path.read_text())
        assert printed["refresh_token"]
        path.write_text(json.dumps({**printed, "expires_at": 1}))
        assert ant("auth", "verify").status == 0
        masked = ant("auth", "print-credentials", GITHUB_ACTIONS="true")
        assert f"::add-mask::{masked.json()['refresh_token']}\n" in masked.err

    def test_masks_each_secret_of_the_file_by_its_name_and_by_its_shape(
        self, ant: Ant, emulator: Emulator, directory: ConfigDir
    ) -> None:
        others = {
            "id_token": "hex-0123456789",
            "clientSecret": "hex-1123456789",
            "Backup-Refresh-Tokens": ["hex-2123456789", {"old": "hex-3123456789"}],
            "note": f"see {KEY}-0123456789",
            "nested": [{"password": "hex-4123456789"}],
        }
        path = _store_seconds(directory, emulator, 3600, token_type="Bearer", empty_token="", **others)
        outcome = ant("auth", "print-credentials", GITHUB_ACTIONS="true")
        assert outcome.json() == json.loads(path.read_text())
        masked = re.findall("^::add-mask::(.*)$", outcome.err, re.MULTILINE)
        kept = outcome.json()
        assert set(masked) == {
            *re.findall("hex-[0-9]+", json.dumps(others)),
            others["note"],
            kept["access_token"],
            kept["refresh_token"],
        }

    @pytest.mark.parametrize("fault", [502, 503, 500, 429])
    def test_a_refresh_that_fails_prints_a_token_that_is_valid_for_seconds_with_a_warning(
        self, ant: Ant, emulator: Emulator, directory: ConfigDir, fault: int
    ) -> None:
        """A rotating refresh token is sent once: whether it was used up is not known."""
        path = _store_seconds(directory, emulator, 20)
        for words in (("--access-token",), (), ("--env",)):
            emulator.fail("token", Fault.status(fault, retry_after=0))  # a second attempt would succeed
            outcome = ant("auth", "print-credentials", *words)
            assert outcome.status == 0, outcome.err
            assert json.loads(path.read_text())["access_token"] in outcome.out
            assert outcome.err.startswith("warning: the login of profile 'default' could not be refreshed")

    def test_a_refresh_that_is_forbidden_names_no_field_to_correct(
        self, ant: Ant, emulator: Emulator, directory: ConfigDir
    ) -> None:
        _store_seconds(directory, emulator, -1)
        emulator.fail("token", Fault.status(403))
        outcome = ant("auth", "print-credentials")
        assert outcome.status == 4
        assert "hint: see what the message says" in outcome.err

    def test_a_refresh_that_fails_prints_no_expired_token(
        self, ant: Ant, emulator: Emulator, directory: ConfigDir
    ) -> None:
        _store_seconds(directory, emulator, -1)
        emulator.fail("token", Fault.status(502), times=9)
        outcome = ant("auth", "print-credentials")
        assert (outcome.status, outcome.out) == (1, "")

    def test_passes_a_key_over_with_a_note_when_a_bearer_token_is_asked_for(self, ant: Ant, emulator: Emulator) -> None:
        job = emulator.env("github")
        outcome = ant("auth", "print-credentials", "--access-token", ANTHROPIC_API_KEY=KEY, **job)
        assert outcome.out.startswith("sk-ant-oat01-")
        assert "note: ANTHROPIC_API_KEY is skipped" in outcome.err

    def test_prints_a_named_profile_also_when_a_key_is_set(self, ant: Ant, directory: ConfigDir) -> None:
        _store_login(directory, "work")
        by_flag = ant("auth", "print-credentials", "--access-token", "--profile", "work", ANTHROPIC_API_KEY=KEY)
        by_name = ant("auth", "print-credentials", "--access-token", ANTHROPIC_PROFILE="work", ANTHROPIC_API_KEY=KEY)
        assert by_flag.out == by_name.out == f"{TOKEN}\n"

    def test_masks_the_token_in_a_github_log_before_it_is_printed(self, ant: Ant, emulator: Emulator) -> None:
        outcome = ant("auth", "print-credentials", "--access-token", **emulator.env("github"))
        assert outcome.err == f"::add-mask::{outcome.out}"


class TestLogout:
    def test_removes_the_credentials_and_keeps_the_profile(self, ant: Ant, directory: ConfigDir) -> None:
        _store_login(directory)
        assert ant("auth", "logout").status == 0
        assert not directory.credentials_path("default").exists()
        assert directory.config_path("default").exists()
        assert "nothing to remove" in ant("auth", "logout").err

    def test_all_removes_what_is_known_and_never_the_directory(self, ant: Ant, directory: ConfigDir) -> None:
        _store_login(directory)
        _store_login(directory, "work")
        directory.activate("work")
        (directory.path / "somebody-elses").write_text("kept")
        assert ant("auth", "logout", "--all").status == 0
        assert [entry.name for entry in directory.path.iterdir()] == ["somebody-elses"]


class TestIdentity:
    def test_detect_says_when_there_is_nothing(self, ant: Ant) -> None:
        outcome = ant("identity", "detect")
        assert outcome.status == 0
        assert "no identity source" in outcome.err

    def test_claims_shows_header_and_claims_without_the_signature(self, ant: Ant, emulator: Emulator) -> None:
        token = emulator.issue()
        outcome = ant("identity", "claims", ANTHROPIC_IDENTITY_TOKEN=token)
        claims = outcome.json()["claims"]
        assert isinstance(claims, dict)
        assert claims["sub"] == "repo:acme/app:ref:refs/heads/main"
        assert token.rsplit(".", 1)[1] not in outcome.out

    def test_token_asks_for_the_audience_that_was_named(self, ant: Ant, emulator: Emulator) -> None:
        job = emulator.env("github")
        token = ant("identity", "token", "--audience", "https://other.example", **job).out.strip()
        claims = ant("identity", "claims", ANTHROPIC_IDENTITY_TOKEN=token).json()["claims"]
        assert isinstance(claims, dict)
        assert claims["aud"] == "https://other.example"

    def test_token_goes_to_a_private_file_and_nowhere_else(self, ant: Ant, emulator: Emulator, tmp_path: Path) -> None:
        outcome = ant("identity", "token", "--output", str(tmp_path / "token"), **emulator.env("github"))
        assert outcome.out == ""
        written = (tmp_path / "token").read_text()
        assert written.count(".") == 2
        # Not in a masking command either: stderr may be a file.
        assert outcome.err == f"wrote {tmp_path / 'token'}\n"
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600

    @pytest.mark.parametrize("kind", ["pipe", "link", "dash"])
    def test_token_takes_the_place_of_no_device_pipe_or_link(self, ant: Ant, tmp_path: Path, kind: str) -> None:
        place = tmp_path / kind
        if kind == "pipe":
            os.mkfifo(place)
        elif kind == "link":
            place.symlink_to("/dev/null")
        outcome = ant("identity", "token", "--output", "-" if kind == "dash" else str(place))
        assert outcome.status == 2
        assert "is not a regular file; without the option the token is printed" in " ".join(outcome.err.split())
        assert not place.is_file()
        assert not Path("-").exists()

    def test_an_unknown_source_names_the_known_ones(self, ant: Ant) -> None:
        outcome = ant("identity", "token", "--identity-source", "carrier-pigeon")
        assert outcome.status == 3
        assert "error: --identity-source is not a valid identity source\n" in outcome.err
        assert "  expected: file, env, github_actions, gitlab, " in outcome.err

    def test_a_job_without_permission_is_told_exactly_that(self, ant: Ant) -> None:
        outcome = ant("identity", "token", GITHUB_ACTIONS="true")
        assert outcome.status == 3
        assert "id-token: write" in outcome.err
        assert "fork" in outcome.err


class TestEmulator:
    def test_env_points_a_shell_at_a_running_emulator(self, ant: Ant, emulator: Emulator) -> None:
        outcome = ant("emulator", "env", "--platform", "github", "--url", emulator.base_url)
        assert all(line.startswith("export ") for line in outcome.out.splitlines())
        pairs = dict(shlex.split(line)[1].split("=", 1) for line in outcome.out.splitlines())
        assert pairs == emulator.env("github")

    def test_env_names_the_platforms_that_there_are(self, ant: Ant, emulator: Emulator) -> None:
        outcome = ant("emulator", "env", "--platform", "jenkins", "--url", emulator.base_url)
        assert outcome.status == 1
        first, known, hint = outcome.err.splitlines()
        assert (first, hint) == ("error: unknown platform 'jenkins'", "hint: correct --platform")
        assert known.startswith("  known are github, ")
        assert known.endswith(", spiffe")
        shown = " ".join(ant("emulator", "env", "--help").out.split())
        assert known.replace("  known are", "Platform to emulate:") in shown

    def test_env_says_when_no_emulator_answers(self, ant: Ant) -> None:
        outcome = ant("emulator", "env", "--url", "http://127.0.0.1:9")
        assert outcome.status == 1
        assert "start one with `ant emulator`" in outcome.err

    def test_a_port_that_is_in_use_is_named_with_its_option(self, ant: Ant, emulator: Emulator) -> None:
        port = emulator.base_url.rpartition(":")[2]
        outcome = ant("emulator", "--port", port)
        said = f"error: cannot listen on 127.0.0.1:{port}: Address already in use\nhint: use another --port or --host\n"
        assert (outcome.status, outcome.err) == (1, said)

    def test_another_address_than_loopback_is_refused(self, ant: Ant) -> None:
        outcome = ant("emulator", "--host", "0.0.0.0")
        assert outcome.status == 2
        assert "--i-know-this-is-not-secure" in outcome.err


@pytest.mark.parametrize(
    ("words", "variables", "in_profile", "where"),
    [
        (("--workspace-id", "wrkspc_ü"), {}, None, "--workspace-id"),
        ((), {"ANTHROPIC_WORKSPACE_ID": "wrkspc_ü"}, None, "ANTHROPIC_WORKSPACE_ID"),
        ((), {}, "wrkspc_ü", "workspace_id of the profile 'default' ({path})"),
    ],
    ids=["option", "variable", "profile"],
)
def test_a_workspace_that_no_header_can_hold_is_refused_by_where_it_stands(
    ant: Ant,
    directory: ConfigDir,
    words: tuple[str, ...],
    variables: dict[str, str],
    in_profile: str | None,
    where: str,
) -> None:
    _store_login(directory)
    profile = {**login_profile(), "workspace_id": in_profile}
    directory.write("default", {name: value for name, value in profile.items() if value is not None})
    outcome = ant("models", "list", *words, **variables)
    assert outcome.status == 3
    place = where.format(path=directory.config_path("default"))
    assert f"error: {place} is not a valid workspace ID\n  found: 'wrkspc_ü'\n" in outcome.err


@pytest.mark.parametrize(
    ("words", "expression", "shown"),
    [
        ("auth status", "credential.source", '"profile"'),
        ("profile list", "name", '"default"'),
        ("identity detect", "sources[0].name", '"file"'),
    ],
)
def test_a_transformation_makes_a_document_of_what_people_read(
    words: str, expression: str, shown: str, ant: Ant, directory: ConfigDir
) -> None:
    _store_login(directory)
    outcome = ant(*words.split(), "--transform", expression)
    assert (outcome.status, outcome.out) == (0, f"{shown}\n"), outcome.err
