"""`ant auth status`: the screen, its JSON, its warnings."""

from __future__ import annotations

import datetime
import json
import os
import time
from pathlib import Path

import pytest

from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import span
from ant_wif._secrets import SecretStr
from ant_wif.emulator import Emulator
from support.samples import ORGANIZATION, RULE, federation_profile, login_profile

from .conftest import Ant

TOKEN = "sk-ant-oat01-EXAMPLE-of-a-token"
KEY = "sk-ant-api03-EXAMPLE-of-a-key"


def _login(directory: ConfigDir, *, expires_in: int, **fields: object) -> int:
    expires_at = int(time.time()) + expires_in
    directory.write("default", login_profile())
    directory.write_credentials(
        directory.credentials_path("default"),
        {"access_token": SecretStr(TOKEN), "expires_at": expires_at, "scope": "user:inference", **fields},
    )
    return expires_at


def test_a_login_is_laid_out_line_for_line_as_documented(ant: Ant, directory: ConfigDir) -> None:
    expires_at = _login(
        directory,
        expires_in=7 * 3600 + 42 * 60 + 30,
        organization_uuid=ORGANIZATION,
        organization_name="Acme",
        account_email="dev@acme.example",
        workspace_id="wrkspc_01ABC",
        workspace_name="Engineering",
    )
    directory.activate("default")
    when = datetime.datetime.fromtimestamp(expires_at, datetime.timezone.utc).isoformat()
    outcome = ant("auth", "status")
    assert outcome.status == 0
    assert (
        outcome.out
        == f"""\
Active profile:  default (from active_config file)
Config dir:      ~/.config/anthropic
Profile config:  ~/.config/anthropic/configs/default.json
Credentials:     ~/.config/anthropic/credentials/default.json

Credentials
  Logged in to Acme as dev@acme.example
  (active) * Profile (user_oauth) [via active_config]       sk-ant-oat01-EXA...
               expires:        {when} (in 7h42m)
               scope:          user:inference

Base URL
  (active) * default                                        https://api.anthropic.com

Organization
  (active) * Organization                                   {ORGANIZATION} (Acme)

Workspace
  (active) * Workspace                                      wrkspc_01ABC (Engineering)
"""
    )


def test_a_github_job_shows_federation_ready_and_every_input(ant: Ant, emulator: Emulator) -> None:
    job = emulator.env("github")
    out = ant("auth", "status", **job).out
    assert "  (active) * Federation (jwt-bearer)                        ready: exchanges at first use" in out
    assert "  identity token     GitHub Actions OIDC (detected)         audience https://api.anthropic.com\n" in out
    rule = job["ANTHROPIC_FEDERATION_RULE_ID"]
    assert f"  federation rule    ANTHROPIC_FEDERATION_RULE_ID           {rule}\n" in out
    assert emulator.history == [], "status must not touch the network"


def test_the_json_has_every_documented_field_and_nothing_else_on_stdout(ant: Ant, emulator: Emulator) -> None:
    found = ant("auth", "status", "--format", "json", **emulator.env("github")).json()
    documented = {
        "schema", "profile", "config_dir", "credential", "candidates", "base_url", "organization", "workspace",
        "warnings",
    }  # fmt: skip
    assert documented <= set(found)
    assert found["schema"] == "ant.auth.status/1"
    assert found["credential"] == {
        "tier": 4,
        "source": "federation",
        "origin": "environment",
        "usable": True,
        "masked": None,
        "expires_at": None,
        "identity_source": "github_actions",
    }
    candidates = found["candidates"]
    assert isinstance(candidates, list)
    assert {"tier", "source", "origin", "active", "usable", "missing", "error"} <= set(candidates[0])
    assert [each["tier"] for each in candidates] == [1, 1, 2, 2, 3, 4, 5]
    assert [each["tier"] for each in candidates if each["active"]] == [4]


def test_the_credential_is_null_when_nothing_resolves(ant: Ant) -> None:
    outcome = ant("auth", "status", "--format", "json")
    assert outcome.status == 0
    assert outcome.json()["credential"] is None


def _codes(ant: Ant, *words: str, **environ: str) -> list[str]:
    warnings = ant("auth", "status", "--format", "json", *words, **environ).json()["warnings"]
    assert isinstance(warnings, list)
    assert all(warning["message"] and warning["fix"] for warning in warnings)
    return [warning["code"] for warning in warnings]


def test_a_key_that_shadows_federation_is_named_with_the_command_that_mends_it(ant: Ant, emulator: Emulator) -> None:
    out = ant("auth", "status", ANTHROPIC_API_KEY=KEY, **emulator.env("github")).out
    assert "  (active) * ANTHROPIC_API_KEY                              sk-ant-api03-EXA...\n" in out
    assert "           * Federation (jwt-bearer)" in out
    assert "warning: ANTHROPIC_API_KEY is used and overrides federation from the environment\n" in out
    assert "         unset ANTHROPIC_API_KEY\n" in out


def test_a_refused_key_is_named_in_the_hint(ant: Ant, emulator: Emulator) -> None:
    outcome = ant("models", "list", ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=emulator.base_url)
    assert outcome.status == 4
    assert "\nhint: correct ANTHROPIC_API_KEY, or leave it out: `ant auth status` shows" in outcome.err


@pytest.mark.parametrize(
    ("given", "kind", "hint"),
    [
        ("ANTHROPIC_API_KEY=sk-ant-ort01-EXAMPLE", "a refresh token", "give an API key\n"),
        ("ANTHROPIC_AUTH_TOKEN=sk-ant-ort01-EXAMPLE", "a refresh token", "give an access token\n"),
        ("ANTHROPIC_API_KEY=sk-ant-admin01-EXAMPLE", "a key of the Admin API", "give an API key\n"),
        ("ANTHROPIC_AUTH_TOKEN=eyJhbGciOiJub25lIn0.e30.c2ln", "a JWT", "give it as ANTHROPIC_IDENTITY_TOKEN"),
        ("--api-key=sk-ant-ort01-EXAMPLE", "a refresh token", "give an API key\n"),
    ],
)
def test_a_refused_credential_of_another_kind_is_told_as_that(
    ant: Ant, emulator: Emulator, given: str, kind: str, hint: str
) -> None:
    name, _, value = given.partition("=")
    flags, variables = ([name, value], {}) if name.startswith("--") else ([], {name: value})
    outcome = ant("models", "list", *flags, ANTHROPIC_BASE_URL=emulator.base_url, **variables)
    assert outcome.status == 4
    assert f"\n  credential: {name}, which holds {kind}\nhint: {hint}" in outcome.err
    assert value not in outcome.err


def test_each_missing_input_of_federation_is_a_warning(ant: Ant) -> None:
    assert _codes(ant, ANTHROPIC_FEDERATION_RULE_ID=RULE) == ["federation_incomplete"] * 2


def test_a_detected_platform_alone_does_not_warn_about_federation(ant: Ant, emulator: Emulator) -> None:
    platform_only = {name: value for name, value in emulator.env("github").items() if "ANTHROPIC" not in name}
    assert _codes(ant, **platform_only) == []


def test_an_empty_credential_variable_is_a_warning(ant: Ant) -> None:
    assert _codes(ant, ANTHROPIC_API_KEY="", ANTHROPIC_AUTH_TOKEN=TOKEN) == ["empty_variable"]


def test_an_expired_login_says_so_and_names_the_command(ant: Ant, directory: ConfigDir) -> None:
    _login(directory, expires_in=-300)
    outcome = ant("auth", "status", "--format", "json")
    found = outcome.json()
    credential = found["credential"]
    assert isinstance(credential, dict)
    assert credential["usable"] is False
    assert credential["masked"] == "sk-ant-oat01-EXA..."
    assert "ant auth login --profile default" in outcome.out
    assert _codes(ant) == ["login_expired"]


def test_a_token_of_another_workspace_than_the_profile_s_is_marked_as_drift(ant: Ant, directory: ConfigDir) -> None:
    _login(directory, expires_in=3600, workspace_id="wrkspc_01TOKEN", workspace_name="Old")
    directory.write("default", {**login_profile(), "workspace_id": "wrkspc_01PROFILE"})
    out = ant("auth", "status").out
    assert "  (active) * Workspace                                      wrkspc_01TOKEN (Old)  drift" in out
    assert "           * Profile workspace_id                           wrkspc_01PROFILE\n" in out
    assert _codes(ant) == ["workspace_drift"]


@pytest.mark.parametrize("key", ["workspace_id", "organization_id"])
def test_drift_names_what_names_the_other_and_offers_to_follow_either(ant: Ant, directory: ConfigDir, key: str) -> None:
    other = {"workspace_id": "wrkspc_01OTHER", "organization_id": ORGANIZATION.replace("0", "1")}[key]
    bound = {"workspace_id": "wrkspc_01TOKEN", "organization_id": ORGANIZATION}[key]
    option, variable = f"--{key.replace('_', '-')}", f"ANTHROPIC_{key.upper()}"
    login, fields = "ant auth login --profile default", {"workspace_id": "wrkspc_01TOKEN"}
    for words, variables, changes, place, fixes in (
        ((option, other), {}, {}, option, (f"{login} {option} {other}", f"leave out {option}")),
        ((), {variable: other}, {}, variable, (login, f"unset {variable}")),
        ((), {}, {key: other}, "the profile", (login, f"ant profile set {key} {bound} --profile default")),
    ):
        _login(directory, expires_in=3600, organization_uuid=ORGANIZATION, **fields)
        directory.write("default", login_profile(**changes))
        found = ant("auth", "status", *words, "--format", "json", **variables).json()
        (warning,) = (each for each in found["warnings"] if each["code"] == key.replace("_id", "_drift"))  # type: ignore[attr-defined]  # a list
        assert warning["message"] == f"the token of profile 'default' is for {bound}, but {place} names {other}"
        assert [line.partition("  # ")[0] for line in warning["fix"].splitlines()] == list(fixes)
        out = ant("auth", "status", *words, **variables).out
        assert f"  drift: {place} names another\n" in out


@pytest.mark.parametrize(
    ("environ", "lacking"),
    [
        ({}, "ANTHROPIC_FEDERATION_RULE_ID and ANTHROPIC_ORGANIZATION_ID"),
        ({"ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}, "what is missing above"),
    ],
)
def test_without_a_credential_the_status_says_what_to_set(ant: Ant, environ: dict[str, str], lacking: str) -> None:
    assert f"\n  none: in CI set {lacking}; else: ant auth login\n" in ant("auth", "status", **environ).out


@pytest.mark.parametrize(
    ("prepare", "value"),
    [("profile", "not logged in"), ("expired", "expired"), ("nothing", "no such profile")],
)
def test_without_a_usable_login_the_active_row_says_what_is_wrong_and_which_command_to_run(
    ant: Ant, directory: ConfigDir, prepare: str, value: str
) -> None:
    if prepare == "profile":
        directory.write("work", login_profile(organization_id=ORGANIZATION))
    elif prepare == "expired":
        _login(directory, expires_in=-60, workspace_id="wrkspc_01TOKEN")
        for path in (directory.config_path("default"), directory.credentials_path("default")):
            path.rename(path.with_name("work.json"))
    out = ant("auth", "status", ANTHROPIC_PROFILE="work").out
    (active,) = (line for line in out.split("Base URL")[0].splitlines() if "(active)" in line)
    assert active.endswith(f" {value}: ant auth login --profile work")
    for section in ("Organization", "Workspace"):
        body = out.split(f"\n{section}\n")[1].split("\n\n")[0].splitlines()
        assert body[-1] == "  none: the active credential cannot be used"
        assert not [line for line in body if "(active)" in line]
    found = ant("auth", "status", "--format", "json", ANTHROPIC_PROFILE="work").json()
    assert [found["organization"]["id"], found["workspace"]["id"]] == [None, None]  # type: ignore[index]  # objects


def test_a_token_that_another_tool_cached_is_not_shown_as_that_of_the_configured_workspace(
    ant: Ant, directory: ConfigDir
) -> None:
    directory.write("default", federation_profile(workspace_id="wrkspc_01PROFILE"))
    stored = {"access_token": SecretStr(TOKEN), "expires_at": int(time.time()) + 3000}
    directory.write_credentials(directory.credentials_path("default"), stored)
    out = ant("auth", "status").out
    for section in ("Organization", "Workspace"):
        body = out.split(f"\n{section}\n")[1].split("\n\n")[0]
        assert "(active)" not in body
        assert "  unknown: another tool issued the cached token; `ant auth verify` shows it" in body
    assert _codes(ant) == ["unrecorded_token"]
    assert ant("profile", "set", "workspace_id", "wrkspc_01OTHER").status == 0
    assert "  (active) * Profile workspace_id                           wrkspc_01OTHER\n" in ant("auth", "status").out
    assert _codes(ant) == []


def test_what_a_static_secret_is_for_is_said_not_to_be_known(ant: Ant) -> None:
    out = ant("auth", "status", "--workspace-id", "wrkspc_01X", ANTHROPIC_API_KEY=KEY).out
    assert "  unknown: fixed by the server; `ant auth verify` shows it\n" in out
    assert "           * --workspace-id                                 wrkspc_01X\n" in out


def test_a_token_cached_for_other_settings_is_a_warning(ant: Ant, emulator: Emulator, directory: ConfigDir) -> None:
    job = emulator.env("github")
    ant("profile", "create", "ci", "--federation", **job)
    assert ant("auth", "print-credentials", "--profile", "ci", **job).status == 0
    assert "stale_token" not in _codes(ant, "--profile", "ci", **job)
    document = dict(directory.read("ci").document)
    directory.write("ci", {**document, "workspace_id": "default"})
    assert "stale_token" in _codes(ant, "--profile", "ci", **job)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_file_mode_that_would_be_refused_is_a_warning_with_its_chmod(ant: Ant, directory: ConfigDir) -> None:
    _login(directory, expires_in=3600)
    path = directory.credentials_path("default")
    path.chmod(0o644)
    assert _codes(ant) == ["file_mode"]
    assert f"chmod 600 ~/{path.relative_to(directory.path.parent.parent)}" in ant("auth", "status").out


def test_no_row_names_the_active_config_of_a_directory_that_is_a_file(ant: Ant, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert "(active) * Profile [via ANTHROPIC_CONFIG_DIR]" in ant("auth", "status", ANTHROPIC_CONFIG_DIR=str(path)).out
    assert '"via": "default"' in ant("auth", "status", "--format", "json", ANTHROPIC_CONFIG_DIR=str(path)).out


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_cache_folder_that_is_not_used_is_a_warning_with_its_chmod(
    ant: Ant, emulator: Emulator, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    job = {**emulator.env("github"), "ANT_CACHE_DIR": str(folder)}
    assert _codes(ant, **job) == ["file_mode"]
    assert f"chmod go-w {folder}" in ant("auth", "status", **job).out


def test_another_config_home_of_the_go_cli_is_a_warning(ant: Ant, tmp_path: Path) -> None:
    (tmp_path / "xdg" / "anthropic").mkdir(parents=True)
    assert _codes(ant, XDG_CONFIG_HOME=str(tmp_path / "xdg")) == ["xdg_config_home"]


def test_a_github_job_without_id_token_write_is_a_warning_that_says_exactly_that(ant: Ant) -> None:
    outcome = ant("auth", "status", GITHUB_ACTIONS="true")
    assert "id-token: write" in outcome.out
    assert _codes(ant, GITHUB_ACTIONS="true") == ["identity_unavailable"]


def test_an_identity_token_that_cannot_be_exchanged_is_shown_as_unusable(
    ant: Ant, emulator: Emulator, tmp_path: Path
) -> None:
    path = tmp_path / "token.jwt"
    job = {"ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}
    expired = emulator.issue(exp=1_700_000_000)
    folder = str(tmp_path)
    assert "is a directory\n" in ant("auth", "status", ANTHROPIC_IDENTITY_TOKEN_FILE=folder, **job).out
    for text, said in (
        (None, "token.jwt does not exist\n"),
        ('{"value": 1}', "found a JSON document; the token is probably one of its fields\n"),
        (expired, "expired at 2023-11-14T22:13:20+00:00 ("),
    ):
        if text is not None:
            path.write_text(text, encoding="ascii")
        out = ant("auth", "status", ANTHROPIC_IDENTITY_TOKEN_FILE=str(path), **job).out
        (row,) = [line for line in out.splitlines(keepends=True) if "  (active) * Federation (jwt-bearer)  " in line]
        assert "  unusable: " in row
        assert "  identity token     ANTHROPIC_IDENTITY_TOKEN_FILE          /" in out
        assert said in row
    found = ant("auth", "status", "--format", "json", ANTHROPIC_IDENTITY_TOKEN=expired, **job).json()
    assert not found["credential"]["usable"]
    assert "ready: " in ant("auth", "status", ANTHROPIC_IDENTITY_TOKEN=emulator.issue(), **job).out


def test_both_places_of_a_base_url_have_a_row_and_one_is_active(ant: Ant, directory: ConfigDir) -> None:
    directory.write("default", {**federation_profile(), "base_url": "https://profile.example"})
    out = ant("auth", "status", ANTHROPIC_BASE_URL="https://env.example").out
    assert "  (active) * Profile base_url                               https://profile.example\n" in out
    assert "           * ANTHROPIC_BASE_URL                             https://env.example\n" in out


@pytest.mark.parametrize(
    ("named", "name", "codes"),
    [
        ("default", "Default", []),
        ("default", None, []),
        ("default", "Engineering", ["workspace_drift"]),
        ("wrkspc_01a", None, ["workspace_drift"]),
    ],
)
def test_drift_is_what_is_known_to_be_another_workspace(
    ant: Ant, directory: ConfigDir, named: str, name: str | None, codes: list[str]
) -> None:
    _login(directory, expires_in=3600, workspace_id="wrkspc_01A", **({"workspace_name": name} if name else {}))
    directory.write("default", login_profile(workspace_id=named))
    assert _codes(ant) == codes


def test_values_are_shown_trimmed_and_a_base_url_without_its_password(ant: Ant, directory: ConfigDir) -> None:
    _login(directory, expires_in=3600, workspace_id="wrkspc_01A")
    directory.write("default", login_profile(base_url=" https://user:pass-word@host.example "))
    variables = {"ANTHROPIC_BASE_URL": " https://env.example/?key=pass-word ", "ANTHROPIC_WORKSPACE_ID": " wrkspc_01A "}
    out = ant("auth", "status", **variables).out
    assert "  (active) * Profile base_url                               https://host.example\n" in out
    assert "           * ANTHROPIC_BASE_URL                             https://env.example/\n" in out
    assert "           * ANTHROPIC_WORKSPACE_ID                         wrkspc_01A\n" in out
    document = ant("auth", "status", "--format", "json", **variables)
    assert document.json()["base_url"] == {"value": "https://host.example", "via": "profile"}
    assert "pass-word" not in out + document.out


@pytest.mark.parametrize(
    "environ",
    [
        {"ANTHROPIC_PROFILE": "../../etc/passwd"},
        {"ANTHROPIC_PROFILE": "absent"},
        {"ANTHROPIC_BASE_URL": "http://evil.example", "ANTHROPIC_API_KEY": KEY},
        {"ANTHROPIC_CONFIG_DIR": "/dev/null"},
        {"ANT_IDENTITY_SOURCE": "no-such-source"},
        {"ANT_CACHE": "nonsense"},
    ],
)
def test_status_exits_0_whatever_it_finds(ant: Ant, environ: dict[str, str]) -> None:
    assert ant("auth", "status", **environ).status == 0
    assert ant("auth", "status", "--format", "json", **environ).status == 0


def test_no_colour_where_stdout_is_not_a_terminal(ant: Ant) -> None:
    assert "\x1b" not in ant("auth", "status").out


def test_a_short_secret_shows_only_its_length(ant: Ant) -> None:
    out = ant("auth", "status", ANTHROPIC_API_KEY="short").out
    assert "short" not in out
    assert "(5 characters)" in out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12, "12s"), (185.4, "3m05s"), (27720, "7h42m"), (90000, "1d01h"), (0, "0s"), (0.5, "0.5s"), (1.25, "1.25s")],
)
def test_a_length_of_time_is_written_for_people(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_the_json_of_status_never_holds_a_whole_secret(ant: Ant, directory: ConfigDir) -> None:
    _login(directory, expires_in=60)
    everything = json.dumps(ant("auth", "status", "--format", "json", ANTHROPIC_API_KEY=KEY).json())
    assert TOKEN not in everything
    assert KEY not in everything
