"""Who is blamed and what is said: each kind of mistake with two neighbours; `ELSEWHERE` names what other files hold."""

from __future__ import annotations

import codecs
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import ant_wif
from ant_cli.main import main
from ant_wif.emulator import Emulator
from support.loopback import TokenEndpoint
from support.samples import ORGANIZATION, RULE, federation_profile, login_profile

FILE = "ANTHROPIC_IDENTITY_TOKEN_FILE"
GONE: dict[str, object] = {"configs/default.json": federation_profile()}
KEY = {"ANTHROPIC_API_KEY": "a-key", "ANTHROPIC_BASE_URL": "https://api.example.invalid"}
UNSENT = {**KEY, "SSL_CERT_FILE": "/gone"}
JOB = {"ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}
LOGIN = {"configs/default.json": login_profile()}
TOKEN = "sk-ant-oat01-EXAMPLE"
STORED = {"access_token": TOKEN, "expires_at": 4_000_000_000, "refresh_token": "a-refresh-token", "extra": 1}
LOGGED_IN = {**LOGIN, "credentials/default.json": STORED}
FOREIGN = {
    "configs/default.json": federation_profile(),
    "credentials/default.json": {"access_token": TOKEN, "expires_at": 4_000_000_000},
}
MODELS = "models list --limit 1"
ELSEWHERE = {
    "ant_cli/test_exec_tools.py": [
        "test_each_official_tool_makes_three_calls_on_one_exchange",
    ],
    "ant_cli/test_profile.py": [
        "test_a_changed_federation_profile_loses_its_cached_token",
        "test_a_file_that_others_could_write_is_never_left_behind",
    ],
    "ant_cli/test_login_profiles.py": [
        "test_a_profile_without_a_client_id_is_adopted_by_the_login",
        "test_a_named_profile_becomes_the_active_one_and_the_last_line_says_so",
        "test_what_would_be_used_in_place_of_the_login_is_named",
    ],
    "ant_cli/test_blame.py": [
        "test_a_bad_flag_is_blamed_and_not_the_profile_or_variable_beside_it",
        "test_a_bad_variable_is_blamed",
        "test_a_bad_value_in_a_profile_is_blamed_with_the_path_of_the_file",
        "test_white_space_around_every_value_is_left_aside",
    ],
    "ant_cli/test_status.py": [
        "test_drift_names_what_names_the_other_and_offers_to_follow_either",
    ],
    "security/test_network.py": [
        "test_only_the_platforms_own_tokens_come_with_its_beta_flag",
        "test_a_variable_that_cannot_be_used_is_named_before_anything_is_sent",
        "test_no_proxy_is_read_as_curl_and_go_read_it",
        "test_a_certificate_that_is_not_trusted_is_told_with_its_issuer_and_gets_no_request",
        "test_a_request_id_is_found_under_either_name",
    ],
    "ant_wif/test_foreign_failures.py": [
        "test_what_github_says_of_a_refusal_is_shown",
        "test_a_file_that_aws_credentials_need_and_that_is_absent_is_named",
        "test_an_external_account_of_google_that_cannot_be_used_is_told_with_its_file",
        "test_each_known_code_of_entra_id_has_its_remedy",
        "test_what_the_metadata_service_of_azure_says_has_its_remedy",
        "test_a_program_of_a_ci_system_that_fails_once_is_run_again",
    ],
    "ant_wif/test_identity_bad_input.py": [
        "test_a_workload_api_that_is_not_a_unix_socket_is_refused_by_name",
    ],
    "ant_wif/test_identity_detection.py": [
        "test_a_platform_that_is_configured_in_part_is_named_and_the_machine_is_not_used_in_its_place",
    ],
    "ant_wif/test_explaining.py": [
        "test_no_audience_is_ticked_while_the_rule_is_unknown",
        "test_what_can_be_seen_is_the_first_cause_in_the_error_and_in_the_explanation",
        "test_rule_and_issuer_written_by_hand_need_no_ids",
    ],
    "ant_cli/test_odd_machines.py": [
        "test_without_a_home_directory_everything_works_that_needs_none_and_the_rest_says_set_home",
        "test_a_terminal_of_any_encoding_is_written_to_without_an_error",
    ],
    "ant_cli/test_help.py": [
        "test_a_misspelled_command_gets_a_suggestion",
        "test_what_only_the_official_cli_has_is_recognized",
        "test_a_misspelled_option_gets_a_suggestion",
    ],
    "ant_cli/test_exec.py": [
        "test_many_signals_while_it_starts_leave_nothing_behind",
    ],
    "ant_cli/test_main.py": [
        "test_ctrl_c_is_quiet_from_the_first_import_to_the_exit",
    ],
    "ant_cli/test_terminal.py": [
        "test_no_id_is_broken_at_any_width",
    ],
    "ant_cli/test_values.py": [
        "test_the_limit_of_a_body_is_one_of_bytes",
    ],
}
"""The tests of other files, each with three cases or more of its kind."""


@dataclass(frozen=True)
class Case:
    """A command line, what it finds, and what it must say. `unsaid` is the wrong culprit."""

    words: str
    status: int
    said: str
    files: dict[str, object] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    unsaid: str = "a bug in ant-wif"
    last: tuple[str, ...] = ()


def trusting(name: str, value: str) -> Case:
    return Case(MODELS, 3, f"error: {name} cannot be used: ", environ={**KEY, name: value}, unsaid="could not be")


CASES: dict[str, list[Case]] = {
    "a token of another tool is not called bound": [
        Case("auth status", 0, "another tool issued the cached token", FOREIGN),
        Case("auth status --workspace-id wrkspc_01", 0, "unknown: another tool issued", FOREIGN),
        Case("profile set workspace_id wrkspc_01Other", 0, "removed the cached access token", FOREIGN),
        Case("profile set base_url https://gw.example", 0, "removed the cached access token", FOREIGN),
    ],
    "a login is printed whole": [
        Case("auth print-credentials", 0, '"extra": 1', LOGGED_IN),
        Case("auth print-credentials --env", 0, f"export ANTHROPIC_AUTH_TOKEN={TOKEN}", LOGGED_IN),
        Case("auth print-credentials --api-key a-key", 0, '"type": "api_key"', LOGGED_IN),
    ],
    "what a login is not bound to is named with its fix": [
        Case("auth status --workspace-id wrkspc_x", 0, "leave out --workspace-id", {
            **LOGIN, "credentials/default.json": {**STORED, "workspace_id": "wrkspc_y"}}),
        Case("auth status", 0, "unset ANTHROPIC_WORKSPACE_ID", {
            **LOGIN, "credentials/default.json": {**STORED, "workspace_id": "wrkspc_y"}},
            {"ANTHROPIC_WORKSPACE_ID": "wrkspc_x"}),
        Case("auth status", 0, "ant auth login --profile default", {
            "configs/default.json": login_profile(workspace_id="wrkspc_x"),
            "credentials/default.json": {**STORED, "workspace_id": "wrkspc_y"}}),
    ],
    "a value of a profile is trimmed, and an empty one refused": [
        Case("profile set workspace_id", 0, "is now wrkspc_x", LOGIN, last=(" wrkspc_x\r",)),
        Case("profile set workspace_id", 1, "ant profile unset workspace_id", LOGIN, last=(" \t",)),
        Case("profile set console_url https:/x", 1, "expected: a URL such as https://host.example", LOGIN),
        Case("profile set client_id", 1, "is not a valid OAuth client ID", LOGIN, last=('"c1"',)),
        Case("profile set workspace_id", 1, "'\\u200bwrkspc_x'", LOGIN, last=("\u200bwrkspc_x",), unsaid="\\\\u"),
    ],
    "what is not set is an empty line": [
        Case("profile get workspace_id", 0, "\n", LOGIN),
        Case("profile get scope", 0, "\n", LOGIN),
        Case("profile get xyz", 1, "hint: the keys are authentication, workspace_id,", LOGIN),
        Case("profile set workspace-id wrkspc_x", 1, "hint: did you mean workspace_id?", LOGIN),
        Case("profile get authentication", 0, '"type": "user_oauth"', LOGIN),
    ],
    "a profile that is passed over is said": [
        Case(f"{MODELS} --profile other", 3, "note: ANTHROPIC_API_KEY is used instead", environ=UNSENT),
        Case(MODELS, 3, "(ANTHROPIC_PROFILE)", environ={**UNSENT, "ANTHROPIC_PROFILE": "other"}),
        Case(f"{MODELS} --workspace-id wrkspc_x", 3, "has no effect on ANTHROPIC_API_KEY", environ=UNSENT),
    ],
    "a status without a credential has the command to run": [
        Case("auth status", 0, "else: ant auth login"),
        Case("auth status", 0, "not logged in: ant auth login --profile default", LOGIN),
        Case("auth status --profile gone", 0, "no such profile: ant auth login --profile gone"),
        Case("auth status", 0, "expired: ant auth login", {
            **LOGIN, "credentials/default.json": {"access_token": TOKEN, "expires_at": 1}}),
        Case(MODELS, 3, "expired at 1970-01-01T00:00:01+00:00 (", {
            **LOGIN, "credentials/default.json": {"access_token": TOKEN, "expires_at": 1}}),
    ],
    "a duration is what it is elsewhere": [
        Case("auth login --no-browser --timeout 5m0s", 1, "no code was pasted"),
        Case("auth login --no-browser --workspace-id", 1, "workspace_id=wrkspc_x", last=("  wrkspc_x ",)),
        Case("auth login --no-browser --timeout 0s", 2, "error: invalid value for --timeout: '0s'"),
        Case("auth login --no-browser --callback-port x", 2, "'--callback-port': 'x' is not a whole number"),
    ],
    "transport is blamed on the variable": [
        trusting("ALL_PROXY", "socks4://proxy:1"),
        trusting("HTTPS_PROXY", "http://proxy:99999"),
        trusting("SSL_CERT_FILE", "/gone"),
        trusting("SSL_CERT_FILE", "/"),
        trusting("SSL_CERT_DIR", "/gone"),
    ],
    "a host that cannot be one is refused before anything is sent": [
        Case(f"{MODELS} --base-url https://x..example", 3, "--base-url is not a valid URL", environ=KEY),
        Case(MODELS, 3, "ANTHROPIC_BASE_URL is not a valid URL", environ={
            **KEY, "ANTHROPIC_BASE_URL": f"https://{'x' * 64}.example"}),
        Case(MODELS, 3, "ANTHROPIC_BASE_URL is not a valid URL", environ={
            **KEY, "ANTHROPIC_BASE_URL": "https://x.example:\uff18\uff10"}),
        Case(MODELS, 3, "base_url of the profile 'default'", {"configs/default.json": login_profile(
            base_url="https://x.example:0"), "credentials/default.json": STORED}),
        Case("auth login --no-browser", 1, "error: SSL_CERT_FILE cannot be used", environ={"SSL_CERT_FILE": "/gone"},
            unsaid="Open this page"),
        Case("auth login --no-browser", 1, "a SOCKS proxy needs", environ={"ALL_PROXY": "socks5://x:1"},
            unsaid="Open this page"),
    ],
    "a platform that is half configured is named": [
        Case("auth verify", 3, "add a projected", environ={**JOB, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}),
        Case("auth verify", 3, "for STS alone", environ={**JOB, "AWS_WEB_IDENTITY_TOKEN_FILE": "/x"}),
        Case("auth verify", 3, "AZURE_CLIENT_ID is not", environ={
            **JOB, "AZURE_FEDERATED_TOKEN_FILE": "/x", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": ""}),
        Case("auth verify", 3, "id-token: write", environ={**JOB, "GITHUB_ACTIONS": "true"}),
        Case("auth verify", 3, "id_tokens:", environ={**JOB, "GITLAB_CI": "true", "ANTHROPIC_ID_TOKEN": ""}),
        Case("identity token", 3, "/gone cannot be read (No such file", environ={
            "GOOGLE_APPLICATION_CREDENTIALS": "/gone"}, unsaid="holds no credentials"),
        Case("identity detect", 0, "VERCEL and VERCEL_OIDC_TOKEN are not set", unsaid=" or "),
    ],
    "an encoding is named": [
        Case("auth print-credentials --access-token", 0, TOKEN, {
            name: codecs.BOM_UTF8 + json.dumps(document).encode() for name, document in LOGGED_IN.items()}
            | {"active_config": codecs.BOM_UTF8 + b"default\r\n"}),
        Case(MODELS, 3, "json is UTF-16 text", {"configs/default.json": "{}".encode("utf-16")}, unsaid="column"),
        Case("auth print-credentials --access-token", 0, TOKEN, LOGGED_IN, {"ANTHROPIC_PROFILE": "default\r\n"}),
        Case("auth print-credentials --access-token --profile", 0, TOKEN, LOGGED_IN, last=(" default ",)),
        Case(MODELS, 3, "json is not text in UTF-8", {"configs/default.json": '{"a": "\xe9"}'.encode("latin-1")},
            unsaid="binary"),
        Case(MODELS, 3, "json is empty", {"configs/default.json": b"\r\n"}, unsaid="line 1"),
        Case(MODELS, 3, "json holds a JSON null, expected an object", {"configs/default.json": b"null"}),
        Case(MODELS, 3, "active_config is UTF-16 text", {"active_config": "default".encode("utf-16-le")}),
    ],
    "a field is wrong in plain words": [
        Case(MODELS, 3, "access_token is not a string", {**LOGIN, "credentials/default.json": {"access_token": 5}}),
        Case(MODELS, 3, "authentication is not an object", {"configs/default.json": {"authentication": "x"}}),
        Case(MODELS, 3, "identity_token.path is missing", {"configs/default.json": {
            "authentication": {"type": "oidc_federation", "identity_token": {"source": "file"}}}}),
        Case(MODELS, 3, "authentication.type is missing\n", {"configs/default.json": {"authentication": {}}}),
        Case(MODELS, 3, "version is not a string\nhint: expected {", {"configs/default.json": {
            "version": 1.0, "authentication": {"type": "user_oauth"}}}, unsaid="upgrade"),
        Case(MODELS, 3, "identity_token.command cannot be used: it should have at least 1 item\n", {
            "configs/default.json": {"authentication": {"type": "oidc_federation", "identity_token": {
                "source": "command", "command": []}}}}),
        *(Case(MODELS, 3, said, {"configs/default.json": {
            "authentication": {"type": "oidc_federation", "federation_rule_id": RULE, "identity_token": source},
            "organization_id": ORGANIZATION}}, unsaid="variable ,") for source, said in (
                ({"source": "env", "variable": ""}, "the variable ANTHROPIC_IDENTITY_TOKEN, which"),
                ({"source": "gitlab", "variable": ""}, "the variable ANTHROPIC_ID_TOKEN is not set"),
                ({"source": "kubernetes", "path": ""}, "/var/run/secrets/anthropic.com/token does not exist"),
                ({"source": "file", "path": ""}, "identity_token.path is missing"),
                ({"source": "file", "path": "a\0"}, "a\\x00 has a name that no file can have"),
                ({"source": "oauth", "token_url": "https://a.example/t", "client_id": "c",
                  "client_secret_variable": ""}, "give one of"),
                ({"source": "url", "url": "https://a.example/t", "headers": {"A": {"variable": ""}}},
                 "headers.A: expected a text, or an object"),
            )),
        Case(MODELS, 3, "identity_token cannot be used: give one of", {"configs/default.json": {
            "authentication": {"type": "oidc_federation", "identity_token": {
                "source": "oauth", "token_url": "https://a.example/t", "client_id": "c"}}}}),
    ],
    "an ID is trimmed, and shown as it is": [
        Case("auth verify --identity-token x", 3, "expected a signed JWT", environ={
            **JOB, "ANTHROPIC_FEDERATION_RULE_ID": f" {RULE}\r\n"}),
        Case("auth verify --identity-token x", 3, "found: 'fdrl_a\\nb'", environ={
            **JOB, "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_a\nb"}, unsaid="\\\\n"),
        Case("auth verify --identity-token x", 3, "not ASCII: the character U+0430\n", environ={
            **JOB, "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_\u0430"}),
        Case(f"{MODELS} --base-url https://\u0430pi.anthropic.com", 3, "not ASCII: the character U+0430", environ=KEY),
        Case(f"{MODELS} --profile d\u0435v", 3, "not ASCII: the character U+0435\n"),
        Case("auth verify --identity-token x", 3, "found: '${{ vars.X }}'", environ={
            **JOB, "ANTHROPIC_WORKSPACE_ID": "${{ vars.X }}"}),
    ],
    "what click refuses is said as all else": [
        Case("auth status extra", 2, "error: unknown argument: extra"),
        Case("api", 2, "is empty; give it a value", environ=KEY, last=("",)),
        Case("identity token --output", 2, "invalid value for '--output': is empty", last=("",)),
        Case("identity token --audience", 2, "invalid value for '--audience': is empty", last=("",)),
        Case("emulator env --platform", 2, "invalid value for '--platform': is empty", last=("",)),
        Case("emulator --host", 2, "invalid value for '--host': is empty", last=("",)),
        Case("models list --limit", 2, "requires an argument\nhint: ant models list --help"),
        Case("completion", 2, "error: missing argument 'SHELL'. Choose from: bash, zsh, fish\n"),
        Case("--hlep", 2, "error: unknown option '--hlep'\nhint: did you mean --help?"),
    ],
    "a file and a program are blamed on what names them": [
        Case("auth verify", 3, "check the path in authentication.identity_token of the profile", GONE, unsaid=FILE),
        Case("auth verify --identity-token-file /x", 3, "hint: check the path in --identity-token-file\n", GONE),
        Case("auth verify", 3, f"hint: check the path in {FILE}\n", GONE, {**JOB, FILE: "/y"}),
        Case("auth verify --identity-source none", 3, "--identity-source has the value none", GONE, unsaid="lacks"),
        Case("auth verify", 3, "/gone does not exist or cannot be run", {"configs/default.json": {
            **federation_profile(), "authentication": {"type": "oidc_federation", "federation_rule_id": RULE,
            "identity_token": {"source": "command", "command": ["/gone"]}}}}, unsaid="PATH"),
    ],
    "a place that is none": [
        Case("profile list", 0, "default", {**LOGIN, "configs/sub.json/x": b""}, unsaid="sub"),
        Case("profile list", 0, "default", {**LOGIN, "configs/.x.json.swp": b"", "configs/x.json~": b""}, unsaid="x"),
        Case("auth logout --all", 0, "2 files removed", {
            **LOGGED_IN, "configs/sub.json/x": b"", "credentials/a.json/x": b""}),
        Case("auth login --no-browser", 1, "/dev/null is not a directory", environ={"HOME": "/dev/null"}),
        Case("profile list", 1, "ANTHROPIC_CONFIG_DIR is not a directory: /dev/null", environ={
            "ANTHROPIC_CONFIG_DIR": "/dev/null"}, unsaid="chmod"),
        Case(MODELS, 3, "ANTHROPIC_CONFIG_DIR is not a directory", environ={"ANTHROPIC_CONFIG_DIR": "/dev/null"}),
        Case("profile list", 1, "ANTHROPIC_CONFIG_DIR begins with a ~", environ={"ANTHROPIC_CONFIG_DIR": "~/x"}),
        Case("auth status", 0, "ANTHROPIC_CONFIG_DIR begins with a ~", environ={"ANTHROPIC_CONFIG_DIR": "~"}),
    ],
}  # fmt: skip


def place(files: dict[str, object], home: Path) -> None:
    for name, content in files.items():
        path = home / ".config/anthropic" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        path.chmod(0o600)


@pytest.mark.parametrize(
    "case",
    [pytest.param(each, id=f"{kind}-{number}") for kind, rows in CASES.items() for number, each in enumerate(rows)],
)
def test_the_right_one_is_blamed(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(case.files, tmp_path)
    status = main([*case.words.split(), *case.last], {"HOME": str(tmp_path), **case.environ})
    said = "".join(capsys.readouterr())
    assert (status, case.said in said) == (case.status, True), said
    assert case.unsaid not in said


@pytest.mark.parametrize("left", [20, 60])
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (502, b"Bad gateway", "its body is 11 bytes that are not JSON"),
        (500, b'{"detail": "none"}', "its body is a JSON object that names no error"),
        (429, b'["slow"]', "its body is a JSON list that names no error"),
        (401, {"error": "invalid_grant"}, "invalid_grant"),
    ],
)
def test_a_login_that_still_lasts_is_printed_with_a_warning_and_refreshed_by_one_request(
    status: int,
    body: dict[str, object] | bytes,
    said: str,
    left: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place({**LOGIN, "credentials/default.json": {**STORED, "expires_at": int(time.time()) + left}}, tmp_path)
    words = ["auth", "print-credentials", "--access-token"]
    with TokenEndpoint(status=status, body=body) as endpoint:
        assert main(words, {"HOME": str(tmp_path), "ANTHROPIC_BASE_URL": endpoint.base_url}) == 0
    out, err = capsys.readouterr()
    assert (out, len(endpoint.requests)) == (f"{TOKEN}\n", 1)
    assert err.startswith("warning: the ")
    assert "of profile 'default' " in err
    assert said in err
    assert err.count("warning") == err.count("\n") == 1


DENIED = {"type": "error", "error": {"type": "permission_error", "message": "Not with this scope"}}
SCOPES = "the scope or the workspace of the login does not cover this: "


@pytest.mark.parametrize(
    ("scope", "path", "status", "body", "said"),
    [
        ("org:admin", "", 403, DENIED, "the scope org:admin covers the Admin API: use the profile of another login"),
        ("user:profile", "", 403, DENIED, SCOPES),
        ("", "", 403, DENIED, SCOPES),
        ("", "", 403, b"<html>", "check that ANTHROPIC_BASE_URL names the Claude API, and that no proxy answers"),
        ("", "", 307, b"", "check that ANTHROPIC_BASE_URL names the Claude API, and that no proxy answers"),
        ("", "/v1", 404, b"", "remove /v1 from ANTHROPIC_BASE_URL"),
        ("", "", 404, b"", "check the path and the id, and that ANTHROPIC_BASE_URL names the Claude API"),
    ],
)
def test_a_refusal_of_the_api_names_the_login_or_the_url(
    scope: str,
    path: str,
    status: int,
    body: dict[str, object] | bytes,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place({**LOGIN, "credentials/default.json": {**STORED, "scope": scope}}, tmp_path)
    with TokenEndpoint(status=status, body=body) as endpoint:
        main(MODELS.split(), {"HOME": str(tmp_path), "ANTHROPIC_BASE_URL": endpoint.base_url + path})
    err = capsys.readouterr().err
    assert f"hint: {said}" in err
    assert "federation rule" not in err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives a folder away")
@pytest.mark.parametrize(
    ("folder", "commands"),
    [
        (".cache/ant-wif", ("cache list", "cache clear")),
        (".config/anthropic", ("profile list", "auth logout", "auth login --no-browser", MODELS)),
        (".config/anthropic/configs", ("profile list", "auth logout --all", "profile activate default")),
        (".config/anthropic/credentials", ("auth logout", "auth logout --all", "auth login --no-browser")),
    ],
)
def test_a_folder_of_another_user_is_named_with_its_owner(
    folder: str, commands: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / folder
    for made in (tmp_path / ".config/anthropic/configs", tmp_path / ".config/anthropic/credentials", path):
        made.mkdir(parents=True, exist_ok=True)
    (tmp_path / ".config/anthropic/configs/default.json").write_text(json.dumps(login_profile()))
    os.chown(path, 65534, 65534)
    for words in commands:
        assert main(words.split(), {"HOME": str(tmp_path)}) == (3 if words == MODELS else 1)
        said = "".join(capsys.readouterr())
        assert f"{path} belongs to another user (uid 65534" in said
        assert f"hint: chown 0 {path}" in said
    assert (tmp_path / ".config/anthropic/configs/default.json").exists()


@pytest.fixture(scope="module")
def emulator(running: Emulator) -> Emulator:
    return running


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda token: codecs.BOM_UTF8 + token + b"\r\n", '"repo:acme/app:'),
        (lambda token: token.decode().encode("utf-16"), "is UTF-16 text"),
        (lambda token: b'"' + token + b'"', "a text in double quotes"),
        (lambda token: b"Bearer " + token, "what follows `Bearer`"),
        (lambda token: token + b"\n" + token, "a JWT has three"),
        (lambda token: json.dumps({"value": token.decode()}).encode(), "a JSON document"),
    ],
)
def test_a_token_file_is_read_or_what_it_holds_is_named(
    content: object, said: str, emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(content)
    path = tmp_path / "token"
    path.write_bytes(content(emulator.issue().encode()))
    main(
        ["identity", "claims", "--transform", "claims.sub"],
        {"HOME": str(tmp_path), "ANTHROPIC_IDENTITY_TOKEN_FILE": str(path)},
    )
    assert said in "".join(capsys.readouterr())


@pytest.mark.parametrize("shape", ["gateway-token-123", "a-jwt.of.another", "sk-ant-api03-x"])
def test_only_a_token_of_the_platform_s_own_sends_the_beta_header(shape: str) -> None:
    found = ant_wif.resolve(environ={"ANTHROPIC_AUTH_TOKEN": shape, "HOME": "/nonexistent"}).headers()
    assert "anthropic-beta" not in found


@pytest.mark.parametrize("name", ["api_keyy", "workspace", "environ_"])
def test_an_argument_that_does_not_exist_is_a_type_error(name: str) -> None:
    functions = (ant_wif.report, ant_wif.resolve, ant_wif.federate, ant_wif.anthropic_credentials, Emulator)
    named = (getattr(ant_wif.identity, each) for each in ant_wif.identity.__all__)
    sources = [each for each in named if hasattr(each, "__dataclass_fields__")]
    for function in (*functions, *sources):
        with pytest.raises(TypeError):
            function(**{name: "x"})


@pytest.mark.parametrize("limit", [1, 3, 1000, 99_999, 10**20])
@pytest.mark.parametrize("words", ["models list", "api /v1/models --paginate"])
def test_a_limit_beyond_what_exists_lists_what_exists(
    limit: int, words: str, emulator: Emulator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    emulator.serve_models(f"claude-{number}" for number in range(3))
    environ = {"HOME": str(tmp_path), "ANTHROPIC_API_KEY": emulator.api_key, "ANTHROPIC_BASE_URL": emulator.base_url}
    assert main([*words.split(), "--limit", str(limit), "--format", "jsonl"], environ) == 0
    assert capsys.readouterr().out.count("\n") == min(limit, 3)


def test_each_kind_has_two_neighbours() -> None:
    assert [kind for kind, cases in CASES.items() if len(cases) < 3] == []
    for file, names in ELSEWHERE.items():
        source = (Path(__file__).parent / file).read_text(encoding="utf-8")
        assert [name for name in names if f"\ndef {name}(" not in source] == []
