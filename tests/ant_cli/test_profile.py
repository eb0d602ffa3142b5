"""`ant profile`: what is stored, what is refused, and what becomes of a cached token."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from ant_wif._config.config_dir import ConfigDir
from ant_wif._secrets import SecretStr
from support.samples import ORGANIZATION, RULE, WORKSPACE, federation_profile, login_profile

from .conftest import Ant

ANOTHER = "11111111-7b7e-4a51-9c0e-6c1f2d3e4b5a"
VALUES = {
    "workspace_id": (WORKSPACE, "default"),
    "organization_id": (ORGANIZATION, ANOTHER),
    "base_url": ("https://api.example", "http://127.0.0.1:8080/v"),
    "console_url": ("https://console.example",),
    "client_id": ("a-client",),
    "scope": ("user:inference org:admin",),
}
BAD = {
    "workspace_id": ("Default", "a b", "wrkspc_", "wrkspc_\u200ex", "wrkspc_x\x00"),
    "organization_id": ("acme", f"org_{ORGANIZATION}", ORGANIZATION[:-1]),
    "base_url": ("api.example", "http://localhost.evil.example", "https://user@api.example"),
    "console_url": ("console.example", "ftp://console.example"),
    "client_id": ("a b", "\u00e4"),
    "scope": ('a"b', "a\nb"),
}
WHITE = (" {}", "{}  ", "{}\r", "\t{}\r\n")
TOKEN = "sk-ant-oat01-EXAMPLE-of-a-token"
FEDERATION = {"ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}


@pytest.fixture
def profile(directory: ConfigDir) -> Path:
    return directory.write("default", login_profile())


@pytest.mark.parametrize("key", list(VALUES))
def test_a_value_is_stored_without_the_white_space_around_it(ant: Ant, profile: Path, key: str) -> None:
    for value in VALUES[key]:
        for white in WHITE:
            outcome = ant("profile", "set", key, white.format(value))
            assert outcome.status == 0, outcome.err
            assert json.dumps(value) in profile.read_text()
            assert ant("profile", "get", key).out == f"{value}\n"


@pytest.mark.parametrize("key", list(VALUES))
def test_an_empty_value_is_refused_and_unset_named_which_removes_it(ant: Ant, profile: Path, key: str) -> None:
    ant("profile", "set", key, VALUES[key][0])
    before = profile.read_bytes()
    for value in ("", " ", "\r\n"):
        outcome = ant("profile", "set", key, value)
        assert outcome.status == 1
        assert f"error: {key} cannot be empty\n" in outcome.err
        assert f"ant profile unset {key} --profile default" in outcome.err
        assert profile.read_bytes() == before
    assert ant("profile", "unset", key).status == 0
    unset = ant("profile", "get", key)
    assert (unset.status, unset.out) == (0, "\n")
    assert key not in profile.read_text()
    again = ant("profile", "unset", key)
    assert again.status == 0
    assert f"{key} is not set" in again.err


@pytest.mark.parametrize("key", list(BAD))
def test_a_value_of_another_form_is_refused_and_nothing_changes(ant: Ant, profile: Path, key: str) -> None:
    before = profile.read_bytes()
    for value in BAD[key]:
        outcome = ant("profile", "set", key, value)
        assert outcome.status == 1, value
        assert outcome.err.startswith(f"error: {key} ")
        assert profile.read_bytes() == before


def test_get_prints_the_authentication_block_and_escapes_control_characters(ant: Ant, profile: Path) -> None:
    profile.write_text(json.dumps(login_profile(workspace_id="wrkspc_\x1b[31m\u202e\nx")))
    assert ant("profile", "get", "authentication").json() == login_profile()["authentication"]
    out = ant("profile", "get", "workspace_id").out
    assert out == "wrkspc_\\x1b[31m\\u202e\\nx\n"


@pytest.mark.parametrize("written", [f'"{WORKSPACE}"', "null"])
def test_a_format_that_is_named_holds_for_a_single_key_too(ant: Ant, profile: Path, written: str) -> None:
    profile.write_text(json.dumps(login_profile(workspace_id=json.loads(written))))
    assert ant("profile", "get", "workspace_id", "--format", "json").out == f"{written}\n"
    assert ant("profile", "get", "workspace_id", "--format", "raw").out == f"{json.loads(written) or ''}\n"


def test_what_a_hand_written_file_has_around_a_value_is_left_aside(ant: Ant, profile: Path) -> None:
    profile.write_text(json.dumps(login_profile(workspace_id=f" {WORKSPACE}\r\n", organization_id="  ")))
    assert ant("profile", "get", "workspace_id").out == f"{WORKSPACE}\n"
    assert ant("profile", "get", "organization_id").out == "\n"


def test_unknown_keys_list_the_known_ones(ant: Ant, profile: Path) -> None:
    assert profile.exists()
    for words in (("get", "nope"), ("set", "nope", "x"), ("unset", "nope"), ("set", "authentication", "{}")):
        outcome = ant("profile", *words)
        assert outcome.status == 1
        assert "workspace_id, base_url, organization_id, scope, client_id, console_url" in outcome.err


def test_a_misspelled_profile_gets_a_suggestion(ant: Ant, directory: ConfigDir) -> None:
    directory.write("staging", login_profile())
    hint = "hint: did you mean 'staging'? `ant profile list` lists the profiles\n"
    assert ant("--profile", "stagin", "models", "list").err.endswith(hint)
    assert "hint: `ant auth login --profile other` or" in ant("--profile", "other", "models", "list").err


@pytest.mark.parametrize("words", [("set", "workspace_id", "default"), ("unset", "workspace_id")], ids=["set", "unset"])
def test_a_missing_profile_names_the_login(ant: Ant, words: tuple[str, ...]) -> None:
    outcome = ant("profile", *words, "--profile", "gone")
    assert outcome.status == 1
    assert "ant auth login --profile gone" in outcome.err


@pytest.mark.parametrize(
    "words",
    [
        ("set", "workspace_id", "wrkspc_01Other"),
        ("set", "organization_id", ANOTHER),
        ("set", "base_url", "https://gateway.example"),
        ("unset", "workspace_id"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_a_changed_federation_profile_loses_its_cached_token(
    ant: Ant, directory: ConfigDir, words: tuple[str, ...]
) -> None:
    """Another tool, which knows nothing of our note beside the token, would go on using it."""
    directory.write("default", federation_profile(workspace_id=WORKSPACE))
    path = directory.credentials_path("default")
    directory.write_credentials(path, {"access_token": SecretStr(TOKEN), "expires_at": 4102444800})
    same = ant("profile", "set", "workspace_id", WORKSPACE)
    assert same.status == 0
    assert path.exists(), "nothing changed"
    outcome = ant("profile", *words)
    assert outcome.status == 0
    assert not path.exists()
    assert f"removed the cached access token, which was issued for the previous value: {path}" in outcome.err


def test_a_changed_federation_profile_leaves_a_login_and_foreign_files_alone(
    ant: Ant, directory: ConfigDir, tmp_path: Path
) -> None:
    directory.write("default", federation_profile())
    path = directory.credentials_path("default")
    directory.write_credentials(path, {"access_token": SecretStr(TOKEN), "refresh_token": SecretStr("a-refresh-token")})
    assert ant("profile", "set", "workspace_id", WORKSPACE).status == 0
    assert path.exists()
    notes = tmp_path / "notes.json"
    notes.write_text('{"mine": 1}')
    notes.chmod(0o600)
    document = federation_profile()
    document["authentication"] = {**dict(document["authentication"]), "credentials_path": str(notes)}  # type: ignore[call-overload]  # a dict, as written above
    directory.write("default", document)
    outcome = ant("profile", "set", "workspace_id", WORKSPACE)
    assert outcome.status == 0
    assert notes.read_text() == '{"mine": 1}'
    assert "could not be removed" in outcome.err


@pytest.mark.skipif(os.name != "posix", reason="other systems say in other ways what cannot be read")
@pytest.mark.parametrize("words", ["set workspace_id default", "unset workspace_id", "get", "activate default"])
def test_a_profile_that_cannot_even_be_looked_at_is_not_said_to_be_missing(ant: Ant, words: str) -> None:
    outcome = ant("profile", *words.split(), ANTHROPIC_CONFIG_DIR=f"/{'a' * 300}")
    assert outcome.status == 1
    assert "default.json could not be read" in outcome.err
    assert "does not exist" not in outcome.err


@pytest.mark.parametrize("logged_in", [True, False])
def test_a_changed_workspace_of_a_login_says_what_the_issued_credentials_keep(
    ant: Ant, directory: ConfigDir, profile: Path, logged_in: bool
) -> None:
    assert profile.exists()
    if logged_in:
        directory.write_credentials(directory.credentials_path("default"), {"access_token": SecretStr(TOKEN)})
    outcome = ant("profile", "set", "workspace_id", WORKSPACE)
    says = "the present login keeps its workspace; to change it too: ant auth login --profile default"
    assert (outcome.status, says in outcome.err) == (0, logged_in)


def test_an_organization_in_another_case_keeps_the_workspace(ant: Ant, directory: ConfigDir) -> None:
    directory.write("default", login_profile(organization_id=ORGANIZATION, workspace_id=WORKSPACE))
    outcome = ant("profile", "set", "organization_id", ORGANIZATION.upper())
    assert outcome.err == f"organization_id of the profile 'default' is now {ORGANIZATION.upper()}\n"
    assert ant("profile", "get", "workspace_id").out == f"{WORKSPACE}\n"


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o077])
def test_a_file_that_others_could_write_is_never_left_behind(
    umask: int, ant: Ant, directory: ConfigDir, profile: Path
) -> None:
    before = os.umask(umask)
    try:
        assert ant("profile", "set", "workspace_id", WORKSPACE).status == 0
    finally:
        os.umask(before)
    assert profile.stat().st_mode & 0o777 == 0o644
    assert directory.read("default").known.workspace_id == WORKSPACE


@pytest.mark.parametrize("pointed", [b"../x\n", "default".encode("utf-16")])
def test_a_broken_active_config_is_mended_by_activate_and_hinders_no_other_profile(
    ant: Ant, directory: ConfigDir, profile: Path, pointed: bytes
) -> None:
    directory.write("other", login_profile())
    directory.pointer_path.write_bytes(pointed)
    assert "`ant profile activate NAME`" in ant("profile", "get").err
    listed = ant("profile", "list")
    assert (listed.status, listed.out) == (0, f"  {profile.stem}\n  other\n")
    assert listed.err.startswith(f"warning: the file {directory.pointer_path} is ")
    assert "`ant profile activate NAME`" in listed.err
    directory.write("doomed", login_profile())
    assert ant("profile", "delete", "doomed", "--yes").status == 0
    assert ant("profile", "activate", "other").status == 0
    assert ant("profile", "list").out == f"  {profile.stem}\n* other\n"


@pytest.mark.parametrize("words", ["activate default", "delete default --yes", "list"])
def test_what_names_no_active_profile_does_not_need_a_valid_one(ant: Ant, profile: Path, words: str) -> None:
    assert ant("profile", *words.split(), ANTHROPIC_PROFILE="../x").status == 0


def test_a_directory_is_not_listed_as_a_profile(ant: Ant, profile: Path) -> None:
    (profile.parent / "sub.json").mkdir()
    assert ant("profile", "list").out == "* default\n"


@pytest.mark.parametrize("words", ["models list", "profile get workspace_id", "auth login --no-browser"])
def test_a_link_to_a_file_that_is_gone_is_named_and_its_hint_mends_it(ant: Ant, profile: Path, words: str) -> None:
    (profile.parent / "staging.json").symlink_to(profile.parent / "gone.json")
    outcome = ant("--profile", "staging", *words.split())
    assert "staging.json is a link to a file that is not there" in outcome.err
    assert outcome.err.rstrip().endswith("or remove the link: ant profile delete staging")
    assert ant("profile", "delete", "staging", "--yes").status == 0
    assert "does not exist" in ant("--profile", "staging", "profile", "get").err


def test_list_marks_the_active_one(ant: Ant, directory: ConfigDir) -> None:
    directory.write("default", login_profile())
    directory.write("work", login_profile())
    directory.activate("work")
    assert ant("profile", "list").out == "  default\n* work\n"
    listed = [json.loads(line) for line in ant("profile", "list", "--format", "jsonl").out.splitlines()]
    assert listed == [{"name": "default", "active": False}, {"name": "work", "active": True}]


def test_set_says_what_it_set_and_keeps_the_rest(ant: Ant, directory: ConfigDir) -> None:
    directory.write("default", federation_profile(future={"kept": True}))
    outcome = ant("profile", "set", "workspace_id", WORKSPACE)
    assert (outcome.status, outcome.err) == (0, f"workspace_id of the profile 'default' is now {WORKSPACE}\n")
    assert ant("profile", "get").json() == federation_profile(future={"kept": True}, workspace_id=WORKSPACE)


def test_get_masks_what_looks_like_a_secret(ant: Ant, directory: ConfigDir) -> None:
    secret = f"sk-ant-oat01-{'s3cr3t' * 6}"
    source = {"source": "command", "command": ["curl", "-H", f"Authorization: Bearer {secret}", "--url", "x"]}
    inner = {"type": "oidc_federation", "identity_token": {**source, "client_secret": "hunter22"}}
    document = federation_profile(workspace_id=secret, authentication=inner)
    directory.config_path("default").parent.mkdir(parents=True)
    directory.config_path("default").write_text(json.dumps(document))
    for key in ([], ["authentication"], ["workspace_id"]):
        for form in ("auto", "json", "yaml"):
            outcome = ant("profile", "get", *key, "--format", form)
            assert outcome.status == 0, outcome.err
            assert "s3cr3ts3cr3t" not in outcome.out
            assert "hunter22" not in outcome.out
    shown = ant("profile", "get", "authentication").json()["identity_token"]["command"]
    assert (shown[:2], shown[3:]) == (["curl", "-H"], ["--url", "x"])


def test_another_organization_clears_the_workspace_and_says_so(ant: Ant, directory: ConfigDir) -> None:
    directory.write("default", federation_profile(workspace_id=WORKSPACE))
    outcome = ant("profile", "set", "organization_id", ANOTHER)
    assert "workspace_id was removed" in outcome.err
    assert "workspace_id" not in directory.read("default").document


@pytest.mark.parametrize("key", ["scope", "client_id", "console_url"])
def test_login_keys_are_refused_on_a_federation_profile(ant: Ant, directory: ConfigDir, key: str) -> None:
    directory.write("default", federation_profile())
    outcome = ant("profile", "set", key, "https://x.example")
    assert outcome.status == 1
    assert "belongs to login profiles" in outcome.err


def test_activate_needs_a_profile_that_exists(ant: Ant, directory: ConfigDir) -> None:
    assert ant("profile", "activate", "absent").status == 1
    assert not directory.pointer_path.exists()
    directory.write("work", login_profile())
    assert ant("profile", "activate", "work").status == 0
    assert directory.pointer_path.read_text() == "work\n"


def test_activate_says_when_a_variable_still_wins(ant: Ant, directory: ConfigDir) -> None:
    directory.write("work", login_profile())
    assert "ANTHROPIC_PROFILE=other" in ant("profile", "activate", "work", ANTHROPIC_PROFILE="other").err


def test_create_writes_a_federation_profile_from_the_environment(ant: Ant, directory: ConfigDir) -> None:
    outcome = ant(
        "profile", "create", "ci", "--federation", "--workspace-id", WORKSPACE,
        ANTHROPIC_IDENTITY_TOKEN_FILE="/run/token", ANTHROPIC_SERVICE_ACCOUNT_ID="svac_01X", **FEDERATION,
    )  # fmt: skip
    assert outcome.status == 0
    assert directory.read("ci").document == {
        "version": "1.0",
        "authentication": {
            "type": "oidc_federation",
            "federation_rule_id": RULE,
            "service_account_id": "svac_01X",
            "identity_token": {"source": "file", "path": "/run/token"},
        },
        "organization_id": ORGANIZATION,
        "workspace_id": WORKSPACE,
    }
    assert stat.S_IMODE(directory.config_path("ci").stat().st_mode) == 0o644


def test_create_names_what_is_missing_and_overwrites_nothing(ant: Ant, directory: ConfigDir) -> None:
    outcome = ant("profile", "create", "ci", "--federation")
    assert outcome.status == 1
    assert "--federation-rule or ANTHROPIC_FEDERATION_RULE_ID" in outcome.err
    directory.write("ci", federation_profile())
    assert ant("profile", "create", "ci", "--federation", **FEDERATION).status == 1
    assert directory.read("ci").document == federation_profile()


def test_create_refuses_an_id_that_could_only_be_denied(ant: Ant, directory: ConfigDir) -> None:
    outcome = ant("profile", "create", "ci", "--federation", "--organization-id", "acme", **FEDERATION)
    assert outcome.status == 1
    assert "error: --organization-id is not a valid organization ID\n  found: 'acme'\n" in outcome.err
    assert directory.names() == []


def test_delete_asks_and_without_a_terminal_wants_yes(ant: Ant, directory: ConfigDir) -> None:
    directory.write("work", login_profile())
    directory.write_credentials(directory.credentials_path("work"), {"access_token": SecretStr(TOKEN)})
    directory.activate("work")
    assert ant("profile", "delete", "work").status == 2
    assert directory.names() == ["work"]
    assert ant("profile", "delete", "work", "--yes").status == 0
    assert directory.names() == []
    assert not directory.credentials_path("work").exists()
    assert not directory.pointer_path.exists()


def test_delete_of_an_absent_profile_is_an_error(ant: Ant) -> None:
    assert ant("profile", "delete", "absent", "--yes").status == 1


@pytest.mark.parametrize("name", ["../x", ".hidden", "a/b", "a b", ""])
def test_a_name_that_no_profile_can_have_is_refused(ant: Ant, name: str) -> None:
    outcome = ant("profile", "activate", name)
    assert outcome.status == 1
    assert "is not a valid profile name" in outcome.err
