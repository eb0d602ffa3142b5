"""Who is blamed: each bad value by each way of setting it, and the flag, variable or file that the error names."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from ant_wif._config.config_dir import ConfigDir
from ant_wif._secrets import SecretStr
from ant_wif.emulator import Emulator
from support.samples import ORGANIZATION, RULE, federation_profile, login_profile

from .conftest import Ant

OPTIONS = {"federation_rule_id": "--federation-rule", "oauth_client_id": "--client-id"}
VARIABLES = {"oauth_client_id": "ANTHROPIC_OAUTH_CLIENT_ID"}
BAD = {
    "base_url": ("127.0.0.1:1", "api.anthropic.com", "http://evil.example", "https://", "https://a b"),
    "console_url": ("platform.claude.com", "http://evil.example"),
    "federation_rule_id": ("fdrl_", "svac_01", "fdrl_a b", "x"),
    "organization_id": ("acme", "org_01", "wrkspc_01"),
    "service_account_id": ("ci", "fdrl_01"),
    "workspace_id": ("Default", "engineering", "wrkspc_\u200ex"),
    "identity_source": ("carrier-pigeon",),
    "identity_audience": ("a\tb",),
    "profile": ("../x", ".hidden", "a b"),
    "oauth_client_id": ("a b", '"a"'),
    "scope": ('a"b', "user:inference,org:admin", "${SCOPE}"),
}
"""Of each setting, values that it cannot have."""
OF_A_LOGIN = {"console_url", "oauth_client_id", "scope"}
LOGIN = ("auth", "login", "--no-browser")
TOKEN = "sk-ant-oat01-EXAMPLE-of-a-token"


def _option(name: str) -> str:
    return OPTIONS.get(name, f"--{name.replace('_', '-')}")


def _variable(name: str) -> str:
    prefix = "ANT_" if name.startswith("identity_") else "ANTHROPIC_"
    return VARIABLES.get(name, f"{prefix}{name.upper()}")


def _job(**changes: str) -> dict[str, str]:
    return {"ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION, **changes}


def _blamed(err: str) -> str:
    """Return the flag, variable or file with which an error begins, and that its hint names too."""
    first, *facts = err.splitlines()
    assert first.startswith("error: "), err
    place = first.removeprefix("error: ").partition(" is not a valid ")[0].partition(" must use https")[0]
    assert any(line.startswith("  found: ") for line in facts), err
    assert place in next(line for line in facts if line.startswith("hint: ")), err
    return place


@pytest.mark.parametrize("name", sorted(set(BAD) - {"identity_audience"}))
def test_a_bad_flag_is_blamed_and_not_the_profile_or_variable_beside_it(
    ant: Ant, directory: ConfigDir, name: str
) -> None:
    directory.write("default", federation_profile())
    for value in BAD[name]:
        words = LOGIN if name in OF_A_LOGIN else ("auth", "verify")
        profile = ("--profile", "new") if name in OF_A_LOGIN else ()
        jwt = ("--identity-token", "a.b.c") if name == "service_account_id" else ()
        outcome = ant(*words, *profile, *jwt, _option(name), value, **_job())
        assert outcome.status in {1, 3}, outcome.err
        assert _blamed(outcome.err) == _option(name)


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_variable_is_blamed(ant: Ant, name: str) -> None:
    for value in BAD[name]:
        words = (*LOGIN, "--profile", "new") if name in OF_A_LOGIN else ("auth", "verify", "--identity-token", "a.b.c")
        words = ("auth", "verify") if name == "identity_source" else words
        outcome = ant(*words, **_job(**{_variable(name): value}))
        assert outcome.status in {1, 3}, outcome.err
        assert _blamed(outcome.err) == _variable(name)


@pytest.mark.parametrize("name", sorted(set(BAD) - {"identity_source", "identity_audience", "profile"}))
def test_a_bad_value_in_a_profile_is_blamed_with_the_path_of_the_file(
    ant: Ant, directory: ConfigDir, name: str
) -> None:
    key = {"oauth_client_id": "client_id"}.get(name, name)
    is_top = name in {"base_url", "organization_id", "workspace_id"}
    for value in BAD[name]:
        document: dict[str, Any] = json.loads(
            json.dumps(login_profile() if name in OF_A_LOGIN else federation_profile())
        )
        (document if is_top else document["authentication"])[key] = value
        path = directory.write("default", document)
        outcome = ant(*(LOGIN if name in OF_A_LOGIN else ("auth", "verify")))
        assert outcome.status in {1, 3}, outcome.err
        assert _blamed(outcome.err) == f"{key if is_top else f'authentication.{key}'} of the profile 'default' ({path})"


def test_a_bad_name_in_active_config_is_blamed_with_the_path_of_the_file(ant: Ant, directory: ConfigDir) -> None:
    directory.path.mkdir(parents=True)
    directory.pointer_path.write_text("../x\n")
    assert _blamed(ant("models", "list").err) == f"the file {directory.pointer_path}"


@pytest.mark.parametrize("credential", ["key", "login", "federation"])
def test_a_bad_base_url_is_blamed_the_same_for_every_credential(
    ant: Ant, directory: ConfigDir, credential: str
) -> None:
    key = {"ANTHROPIC_API_KEY": "a-key"} if credential == "key" else {}
    if credential == "login":
        directory.write("default", login_profile())
        stored = {"access_token": SecretStr(TOKEN), "refresh_token": SecretStr("a-refresh-token"), "expires_at": 1}
        directory.write_credentials(directory.credentials_path("default"), stored)
    words = ("models", "list", "--identity-token", "a.b.c") if credential == "federation" else ("models", "list")
    job = _job() if credential == "federation" else {}
    for value in BAD["base_url"]:
        assert _blamed(ant(*words, "--base-url", value, **key, **job).err) == "--base-url"
        assert _blamed(ant(*words, ANTHROPIC_BASE_URL=value, **key, **job).err) == "ANTHROPIC_BASE_URL"


@pytest.fixture
def closed() -> str:
    """A URL at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.usefixtures("short_pauses")
def test_a_host_that_cannot_be_reached_is_blamed_on_what_names_it(ant: Ant, directory: ConfigDir, closed: str) -> None:
    listing = ("api", "/v1/models", "-X", "POST", "-f", "a=1")
    for words, variables, place in (
        (("--base-url", closed), {}, "--base-url"),
        ((), {"ANTHROPIC_BASE_URL": closed}, "ANTHROPIC_BASE_URL"),
    ):
        outcome = ant(*listing, *words, ANTHROPIC_AUTH_TOKEN="a-token", **variables)
        assert f"the proxy variables and {place}, then run again" in outcome.err
    path = directory.write("default", login_profile(base_url=closed))
    directory.write_credentials(directory.credentials_path("default"), {"access_token": SecretStr(TOKEN)})
    assert f"the proxy variables and base_url of the profile 'default' ({path}), then run again" in ant(*listing).err


def test_a_denial_says_what_names_each_id(ant: Ant, directory: ConfigDir, seeded: Emulator) -> None:
    job = seeded.env("github")
    seeded.update_rule("github", archived=True)
    document = federation_profile(base_url=seeded.base_url, organization_id=job.pop("ANTHROPIC_ORGANIZATION_ID"))
    rule = job.pop("ANTHROPIC_FEDERATION_RULE_ID")
    document["authentication"] = {"type": "oidc_federation", "federation_rule_id": rule}
    path, workspace = directory.write("default", document), job.pop("ANTHROPIC_WORKSPACE_ID")
    outcome = ant("models", "list", "--workspace-id", workspace, **job)
    assert outcome.status == 4
    profile = f"of the profile 'default' ({path})"
    for fact in (
        f"federation rule: {rule} (from authentication.federation_rule_id {profile})",
        f"organization: {document['organization_id']} (from organization_id {profile})",
        f"service account: {job['ANTHROPIC_SERVICE_ACCOUNT_ID']} (from ANTHROPIC_SERVICE_ACCOUNT_ID)",
        f"workspace: {workspace} (from --workspace-id)",
    ):
        assert f"  {fact}\n" in outcome.err


WHITE = {"before": " {}", "after": "{} ", "carriage return": "{}\r", "line break": "\n{}\n", "both": "\t {}\r\n"}


@pytest.mark.parametrize("white", WHITE.values(), ids=list(WHITE))
def test_white_space_around_every_value_is_left_aside(
    ant: Ant, directory: ConfigDir, running: Emulator, white: str
) -> None:
    job = {**running.env("github"), "ANT_IDENTITY_SOURCE": "github_actions", "ANT_CACHE": "off"}
    job["ANT_IDENTITY_AUDIENCE"] = "https://api.anthropic.com"
    ours = {name: white.format(value) for name, value in job.items() if name.startswith("ANT")}
    assert {"ANTHROPIC_BASE_URL", "ANTHROPIC_WORKSPACE_ID", "ANTHROPIC_SERVICE_ACCOUNT_ID"} <= set(ours)
    expected = ant("auth", "verify", **{**job, **ours})
    assert expected.status == 0, expected.err
    # The same values as flags, and in a file that a person wrote.
    theirs = {name: value for name, value in job.items() if name not in ours}
    fields = {name.removeprefix("ANTHROPIC_").lower(): value for name, value in ours.items() if "ANTHROPIC_" in name}
    flags = [word for name, value in fields.items() for word in (_option(name), value)]
    outcome = ant("auth", "verify", *flags, ANT_CACHE="off", **theirs)
    assert outcome.status == 0, outcome.err
    directory.write("default", _as_profile(fields))
    outcome = ant("auth", "verify", ANT_CACHE="off", **theirs)
    assert outcome.status == 0, outcome.err


def _as_profile(fields: Mapping[str, str]) -> dict[str, object]:
    own = {name: value for name, value in fields.items() if name in {"federation_rule_id", "service_account_id"}}
    others = {name: value for name, value in fields.items() if name not in own}
    return {"authentication": {"type": "oidc_federation", **own}, **others}


def test_a_forbidden_request_names_the_scope_and_the_profile(ant: Ant, directory: ConfigDir, running: Emulator) -> None:
    for scope, path, hint in (
        ("org:admin", "/v1/models", "the scope org:admin covers the Admin API"),
        ("user:inference", "/v1/organizations/federation_rules", "ant auth login --profile admin --scope org:admin"),
        ("user:profile", "/v1/models", "`ant auth login --profile work` chooses another workspace"),
    ):
        login = running.login(scope=scope)
        directory.write("work", login_profile(base_url=running.base_url))
        stored = {"access_token": SecretStr(login.access_token), "scope": scope}
        directory.write_credentials(directory.credentials_path("work"), stored)
        outcome = ant("--profile", "work", "api", path)
        assert outcome.status == 4, outcome.err
        assert "  credential: profile:work\n" in outcome.err
        assert f"  scope: {scope}\n" in outcome.err
        assert hint in outcome.err


def test_a_forbidden_request_names_what_asked_for_the_workspace(
    ant: Ant, directory: ConfigDir, running: Emulator
) -> None:
    login = running.login()
    directory.write_credentials(directory.credentials_path("default"), {"access_token": SecretStr(login.access_token)})
    path = directory.write("default", login_profile(base_url=running.base_url))
    other = {"ANTHROPIC_WORKSPACE_ID": "wrkspc_01Other"}
    assert "  workspace: wrkspc_01Other, from ANTHROPIC_WORKSPACE_ID\n" in ant("models", "list", **other).err
    err = ant("models", "list", "--workspace-id", "wrkspc_01Other").err
    assert "  workspace: wrkspc_01Other, from --workspace-id\n" in err
    own = ("api", "/v1/models", "-H", "anthropic-workspace-id: wrkspc_01Mine")
    assert "wrkspc_01Other" not in ant(*own, **other).err
    directory.write("default", login_profile(base_url=running.base_url, workspace_id="wrkspc_01Other"))
    err = ant("models", "list").err
    assert f"  workspace: wrkspc_01Other, from workspace_id of the profile 'default' ({path})\n" in err
    directory.write("default", login_profile(base_url=running.base_url))
    assert "  workspace: " not in ant("api", "/v1/organizations/federation_rules").err


STATIC = {"ANTHROPIC_API_KEY": "a-key", "ANTHROPIC_AUTH_TOKEN": "a-token"}


@pytest.mark.parametrize("variable", STATIC)
def test_a_static_secret_that_wins_over_a_named_profile_is_said_in_one_line(
    ant: Ant, running: Emulator, variable: str
) -> None:
    static = {variable: running.api_key, "ANTHROPIC_BASE_URL": running.base_url}
    for words, named, by in (
        (("--profile", "other"), {}, "--profile"),
        ((), {"ANTHROPIC_PROFILE": "other"}, "ANTHROPIC_PROFILE"),
    ):
        for command in (("models", "list"), ("auth", "verify"), ("api", "/v1/models")):
            notes = [line for line in ant(*command, *words, **named, **static).err.splitlines() if "note: " in line]
            assert notes == [
                f"note: {variable} is used instead of the profile 'other' ({by}); to use the profile: unset {variable}"
            ]
    assert "note: " not in ant("models", "list", **static).err


def test_options_that_have_no_effect_on_the_credential_are_named(
    ant: Ant, directory: ConfigDir, running: Emulator
) -> None:
    words = ("models", "list", "--workspace-id", "wrkspc_x", "--service-account-id", "svac_x")
    key = {"ANTHROPIC_API_KEY": running.api_key, "ANTHROPIC_BASE_URL": running.base_url}
    err = ant(*words, **key).err
    assert "note: --service-account-id, --workspace-id have no effect on ANTHROPIC_API_KEY" in err
    directory.write("default", login_profile(base_url=running.base_url))
    login = {"access_token": SecretStr(running.login().access_token)}
    directory.write_credentials(directory.credentials_path("default"), login)
    err = ant(*words).err
    assert "note: --service-account-id has no effect on profile:default" in err
    job = running.env("github")
    assert "note: " not in ant("models", "list", "--workspace-id", job["ANTHROPIC_WORKSPACE_ID"], **job).err


def test_a_gateway_token_is_sent_without_the_beta_header(ant: Ant, running: Emulator) -> None:
    running.clear_requests()
    for token in ("gateway-token-123", "sk-ant-api03-x", "eyJhbGciOi.x.y"):
        ant("models", "list", ANTHROPIC_AUTH_TOKEN=token, ANTHROPIC_BASE_URL=running.base_url)
        ant("api", "/v1/models", ANTHROPIC_AUTH_TOKEN=token, ANTHROPIC_BASE_URL=running.base_url)
    assert all("anthropic-beta" not in request.headers for request in running.requests)
