"""What a login does to profiles, and what it refuses before a browser opens."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from ant_cli.commands.auth.login import seconds
from ant_wif._config.config_dir import ConfigDir
from ant_wif._profiles.login import CLIENT_ID
from ant_wif._secrets import SecretStr
from ant_wif.emulator import Emulator, Fault
from support.login import asked, config, keep_a_login, stored, tree
from support.samples import federation_profile
from support.terminal import end_input, in_a_pipe, printed_url, rest

from .conftest import Ant

Environ = dict[str, str]


LogIn = Callable[..., tuple[str, str]]


@pytest.fixture
def log_in(words: list[str], environ: Environ, emulator: Emulator) -> LogIn:
    """Log in as a person who approves; return what was printed, and the address that was opened."""

    def run(*more: str, status: int = 0, **variables: str) -> tuple[str, str]:
        with in_a_pipe(*words, *more, environ={**environ, **variables}) as ant:
            url = printed_url(ant)
            emulator.approve(url)
            found, text = rest(ant)
        assert found == status, text
        return text, url

    return run


def test_a_drift_from_the_profile_is_named_with_the_command_that_follows_it(
    log_in: LogIn, emulator: Emulator, directory: ConfigDir, engineering: str, ant: Ant
) -> None:
    keep_a_login(directory, emulator, note="kept")
    before = directory.config_path("default").read_bytes()
    text, url = log_in("--workspace-id", engineering)
    assert asked(url)["workspace_id"] == engineering
    assert directory.config_path("default").read_bytes() == before
    assert stored(directory)["workspace_id"] == engineering
    assert f"note: the login is for workspace_id {engineering}, but the profile names " in text
    document = ant("auth", "status", "--format", "json").json()
    configured = config(directory)["workspace_id"]
    token_s = {"id": engineering, "name": "Engineering", "via": "token"}
    assert document["workspace"] == {**token_s, "drift": True, "configured_id": configured, "note": None}
    command = next(line for line in text.splitlines() if line.startswith("note: ")).partition("to follow it: ant ")[2]
    assert ant(*command.split()).status == 0
    document = ant("auth", "status", "--format", "json").json()
    assert document["workspace"] == {**token_s, "drift": False, "configured_id": engineering, "note": None}


def test_a_profile_s_workspace_organization_client_and_scope_are_asked_for(
    log_in: LogIn, emulator: Emulator, directory: ConfigDir
) -> None:
    emulator.register_client("another-client")
    authentication = {"type": "user_oauth", "client_id": "another-client", "scope": "user:profile"}
    keep_a_login(directory, emulator, authentication=authentication)
    _, url = log_in()
    sent = asked(url)
    assert sent["workspace_id"] == config(directory)["workspace_id"]
    assert sent["orgUUID"] == emulator.organization_id
    assert sent["client_id"] == "another-client"
    assert sent["scope"] == "user:profile"


def test_scopes_of_an_administrator_are_requested_explicitly_and_kept_in_a_profile_of_their_own(
    log_in: LogIn, emulator: Emulator, directory: ConfigDir
) -> None:
    keep_a_login(directory, emulator)
    own = tree(directory)
    _, url = log_in("--profile", "admin", "--scope", "org:admin")
    assert asked(url)["scope"] == "org:admin"
    authentication = config(directory, "admin")["authentication"]
    assert isinstance(authentication, dict)
    assert authentication["scope"] == "org:admin"
    assert stored(directory, "admin")["scope"] == "org:admin"
    # A profile that is named becomes the active one, and the other stays what it was.
    assert directory.pointed() == "admin"
    assert {name: tree(directory)[name] for name in own if "default" in name} == {
        name: content for name, content in own.items() if "default" in name
    }


@pytest.mark.parametrize("existing", [True, False], ids=["existing", "new"])
@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_named_profile_becomes_the_active_one_and_the_last_line_says_so(
    log_in: LogIn, emulator: Emulator, directory: ConfigDir, by: str, *, existing: bool
) -> None:
    if existing:
        keep_a_login(directory, emulator, "other")
    keep_a_login(directory, emulator)
    more, variables = (["--profile", "other"], {}) if by == "option" else ([], {"ANTHROPIC_PROFILE": "other"})
    # White space is often copied along; any free port; and durations as other tools write them.
    more += ["--workspace-id", f" {config(directory)['workspace_id']} ", "--timeout", "4m30s", "--callback-port", "0"]
    text, url = log_in(*more, **variables)
    assert asked(url)["workspace_id"] == config(directory)["workspace_id"]
    assert stored(directory, "other")["access_token"]
    assert directory.pointed() == "other"
    assert text.splitlines()[-1] == "active profile: other (was default); ant profile activate default"


@pytest.mark.parametrize("pointed", ["gone", "no name"])
def test_a_login_offers_no_way_back_to_a_profile_that_does_not_exist(
    log_in: LogIn, pointed: str, emulator: Emulator, directory: ConfigDir
) -> None:
    keep_a_login(directory, emulator)
    directory.pointer_path.write_text(f"{pointed}\n")
    text, _ = log_in("--profile", "default")
    assert text.splitlines()[-1] == f"active profile: default (was {pointed}, which does not exist)"


def test_a_login_is_kept_where_the_name_of_the_active_profile_cannot_be_read(
    log_in: LogIn, emulator: Emulator, directory: ConfigDir
) -> None:
    keep_a_login(directory, emulator)
    directory.pointer_path.write_bytes("default".encode("utf-16"))
    text, _ = log_in("--profile", "other")
    assert directory.pointed() == "other"
    assert stored(directory, "other")["refresh_token"]
    assert text.splitlines()[-1] == "active profile: other (was default); ant profile activate default"


def test_a_login_that_changes_no_active_profile_says_nothing_of_it(
    log_in: LogIn, emulator: Emulator, directory: ConfigDir
) -> None:
    keep_a_login(directory, emulator)
    text, _ = log_in("--profile", "default")
    assert directory.pointed() == "default"
    assert "active profile" not in text


@pytest.mark.parametrize("written", [{}, {"client_id": ""}, {"client_id": None}])
def test_a_profile_without_a_client_id_is_adopted_by_the_login(
    log_in: LogIn, written: dict[str, object], emulator: Emulator, directory: ConfigDir, ant: Ant
) -> None:
    """Official tools refresh a login with the client id of its profile."""
    authentication = {"type": "user_oauth", "own": 1, **written}
    document = {"authentication": authentication, "base_url": emulator.base_url, "kept": [2]}
    directory.write("default", document)
    expired = {"access_token": SecretStr("an-old-token"), "expires_at": 1, "refresh_token": SecretStr("an-old-one")}
    directory.write_credentials(directory.credentials_path("default"), expired)
    refused = ant("models", "list")
    assert "log in again: ant auth login --profile default" in refused.err
    text, _ = log_in()
    assert config(directory)["authentication"] == {"type": "user_oauth", "own": 1, "client_id": CLIENT_ID}
    assert config(directory)["kept"] == [2]
    assert f"note: the profile had no client_id and now has {CLIENT_ID}" in text
    assert ant("models", "list").status == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("90", 90), ("90s", 90), ("5m", 300), ("5m0s", 300), ("1h30m", 5400), ("1h0m5s", 3605), (" 2m ", 120)),
        *(("1.5m", 90), ("500ms", 0.5), ("1.5h", 5400), ("0.1h0.1m", 366), ("1m500ms", 60.5), ("5s5m", 305)),
    ],
)
def test_a_duration_is_written_as_other_tools_write_it(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "0m0s", "0.000001ms", "s", "1.5", "-1s", ".5h", "5 m", "1d", "1h30", "\u0665m"]
)
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        seconds(text)


def test_login_logout_and_login_again_leave_one_profile_that_status_describes(
    log_in: LogIn, directory: ConfigDir, ant: Ant
) -> None:
    log_in()
    settings = directory.config_path("default").read_bytes()
    shown = ant("auth", "status").out
    assert f"Logged in to Acme as {stored(directory)['account_email']}" in shown
    assert ant("auth", "logout").status == 0
    refused = ant("models", "list")
    assert refused.status == 3
    assert "ant auth login" in refused.err
    log_in()
    assert directory.config_path("default").read_bytes() == settings
    assert ant("models", "list").status == 0
    log_in("--profile", "other")
    assert ant("profile", "activate", "default").status == 0
    assert ant("profile", "delete", "other", "--yes").status == 0
    assert {name for name in tree(directory) if "other" in name} == set()
    assert ant("models", "list").status == 0
    assert ant("auth", "logout", "--all").status == 0  # without a question, as in the official CLI
    assert tree(directory) == {}


def test_an_answer_without_a_workspace_makes_a_profile_without_one_and_says_so(
    log_in: LogIn, emulator: Emulator, directory: ConfigDir
) -> None:
    emulator.omit_login_fields = {"workspace", "account"}
    text, _ = log_in()
    assert "Logged in\n" in text.replace("\r", "")
    assert "workspace:     not named by the server" in text
    assert "note: the server did not say which workspace" in text
    assert "workspace_id" not in config(directory)


@pytest.mark.parametrize("other", ["workspace", "organization"])
def test_a_login_for_something_else_than_asked_for_is_not_kept(
    log_in: LogIn, other: str, emulator: Emulator, directory: ConfigDir
) -> None:
    keep_a_login(directory, emulator)
    before = tree(directory)
    asked_for = {"workspace": "wrkspc_01Unknown", "organization": "00000000-0000-4000-8000-000000000000"}[other]
    text, _ = log_in(f"--{other}-id", asked_for, status=1)
    assert f"error: the login is for the {other} " in text
    assert f"{asked_for} was asked for; nothing was stored" in text
    assert "hint: " in text
    assert tree(directory) == before


REFUSED_BEFOREHAND = {
    "a profile name that is none": (["--profile", "../escape"], "profile name", 1),
    "a federation profile": (["--profile", "ci"], "'ci' is a federation profile", 1),
    "a port that is none": (["--callback-port", "70000"], "--callback-port", 2),
    "a duration that is none": (["--timeout", "soon"], "'soon' is not a valid duration", 2),
    "no time at all": (["--timeout", "0s"], "'0s' is not a valid duration", 2),
    "a profile name without end": (["--profile", "x" * 201], "200 at most", 1),
    "another client than the profile's": (["--client-id", "another"], "--client-id asks for another", 1),
    "another host than the profile's": (
        ["--base-url", "http://127.0.0.1:9"],
        "--base-url asks for http://127.0.0.1:9",
        1,
    ),
    "an administrator's scope for a profile that has it not": (
        ["--scope", "org:admin"],
        "--scope asks for org:admin",
        1,
    ),
    "an empty client": (["--client-id", ""], "is empty", 2),
    "a Console over plain http": (["--console-url", "http://console.example"], "http://console.example", 1),
    "a Console that only looks local": (["--console-url", "http://localhost.evil.example"], "localhost.evil", 1),
    "a host over plain http": (["--base-url", "http://127.0.0.1.evil.example"], "127.0.0.1.evil.example", 1),
}


@pytest.mark.parametrize("what", REFUSED_BEFOREHAND)
def test_what_can_be_refused_is_refused_before_a_browser_opens(
    what: str, words: list[str], environ: Environ, emulator: Emulator, directory: ConfigDir, ant: Ant
) -> None:
    directory.write("ci", federation_profile())
    keep_a_login(directory, emulator)
    more, sentence, status = REFUSED_BEFOREHAND[what]
    outcome = ant(*words, *more, **environ)
    assert outcome.status == status
    assert sentence in outcome.err
    assert "/oauth/authorize" not in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("no folder", "cannot be written"), ("link", "not a regular file"), ("folder", "not a regular file")],
)
def test_credentials_that_could_not_be_written_are_found_out_before_a_browser_opens(
    kind: str, sentence: str, words: list[str], environ: Environ, directory: ConfigDir, ant: Ant, tmp_path: Path
) -> None:
    path = directory.credentials_path("default")
    path.parent.mkdir(mode=0o700, parents=True)
    if kind == "no folder":
        (tmp_path / "file").touch()
        environ["ANTHROPIC_CONFIG_DIR"] = str(tmp_path / "file" / "anthropic")
    else:
        path.symlink_to(tmp_path / "elsewhere") if kind == "link" else path.mkdir()
    outcome = ant(*words, **environ)
    assert outcome.status == 1
    assert sentence in outcome.err
    assert "hint: " in outcome.err
    assert "/oauth/authorize" not in outcome.err


def test_a_profile_that_could_not_be_made_active_is_a_note_for_the_login_is_kept(
    log_in: LogIn, directory: ConfigDir
) -> None:
    directory.pointer_path.mkdir(parents=True)
    text, _ = log_in()
    assert "note: the profile could not be made the active one" in text
    assert stored(directory)["access_token"]


def test_a_profile_that_appears_while_the_person_is_in_the_browser_is_not_rewritten(
    words: list[str], environ: Environ, emulator: Emulator, directory: ConfigDir
) -> None:
    with in_a_pipe(*words, environ=environ) as ant:
        url = printed_url(ant)
        directory.write("default", federation_profile())
        before = tree(directory)
        emulator.approve(url)
        status, text = rest(ant)
    assert status == 1
    assert "'default' is a federation profile" in text
    assert tree(directory) == before


def test_a_profile_that_goes_while_the_person_is_in_the_browser_is_made_anew(
    words: list[str], environ: Environ, emulator: Emulator, directory: ConfigDir
) -> None:
    keep_a_login(directory, emulator)
    with in_a_pipe(*words, environ=environ) as ant:
        url = printed_url(ant)
        directory.delete("default")
        emulator.approve(url)
        assert rest(ant)[0] == 0
    assert config(directory)["workspace_id"] == stored(directory)["workspace_id"]


def test_the_port_of_a_login_that_was_denied_serves_the_next_one(
    log_in: LogIn, words: list[str], environ: Environ, emulator: Emulator, free_port: int
) -> None:
    port = ("--no-browser", "--callback-port", str(free_port))
    with in_a_pipe(*words, *port, environ=environ) as ant:
        emulator.deny(printed_url(ant))
        assert rest(ant)[0] == 1
    log_in(*port)


def test_an_organization_in_capitals_is_the_same_organization(log_in: LogIn, emulator: Emulator) -> None:
    log_in("--organization-id", emulator.organization_id.upper())


def test_the_word_default_names_the_default_workspace_of_a_login(
    log_in: LogIn, emulator: Emulator, directory: ConfigDir
) -> None:
    keep_a_login(directory, emulator, workspace_id="default")
    text, _ = log_in()
    assert "but the profile names" not in text


def test_a_moment_s_overload_does_not_cost_the_code(log_in: LogIn, emulator: Emulator) -> None:
    emulator.fail("token", Fault.status(529, retry_after=0), times=2)
    log_in()


@pytest.mark.parametrize(
    ("name", "value", "used"),
    [
        ("ANTHROPIC_API_KEY", "a-key", "ANTHROPIC_API_KEY"),
        ("ANTHROPIC_AUTH_TOKEN", "a-token", "ANTHROPIC_AUTH_TOKEN"),
        ("ANTHROPIC_PROFILE", "gone", "profile:gone"),
    ],
)
def test_what_would_be_used_in_place_of_the_login_is_named(log_in: LogIn, name: str, value: str, used: str) -> None:
    text, _ = log_in("--profile", "mine", **{name: value})
    assert f"note: commands use {used} and not this login; to use it: ant --profile mine …, or unset {name}\n" in text


def test_logging_out_of_a_profile_that_is_not_there_is_an_error(ant: Ant, environ: Environ) -> None:
    outcome = ant("auth", "logout", "--profile", "misspelt", **environ)
    assert outcome.status == 1
    assert "the profile 'misspelt' does not exist" in outcome.err


def test_a_port_in_use_is_named(words: list[str], environ: Environ, ant: Ant) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = ant(*words, "--no-browser", "--callback-port", str(port), **environ)
    assert outcome.status == 1
    assert f"error: port {port} on 127.0.0.1 cannot be used: Address already in use" in outcome.err
    assert "hint: choose another with --callback-port" in outcome.err


def test_a_closed_standard_input_is_not_a_way_to_paste_a_code(words: list[str], environ: Environ) -> None:
    with in_a_pipe(*words, "--no-browser", environ=environ) as ant:
        printed_url(ant)
        end_input(ant)
        status, text = rest(ant)
    assert status == 1
    assert "error: no code was pasted, and standard input has ended" in text
    assert "hint: " in text


def test_a_closed_standard_input_leaves_the_browser_as_a_way(
    words: list[str], environ: Environ, emulator: Emulator
) -> None:
    with in_a_pipe(*words, environ=environ) as ant:
        url = printed_url(ant)
        end_input(ant)
        ant.expect_exact("Standard input has ended")
        emulator.approve(url)
        assert rest(ant)[0] == 0


def test_a_code_that_was_used_is_refused_and_the_login_that_there_is_stays(
    words: list[str], environ: Environ, emulator: Emulator, directory: ConfigDir
) -> None:
    with in_a_pipe(*words, "--no-browser", environ=environ) as first:
        code = emulator.approve(printed_url(first)).code or ""
        first.sendline(code)
        assert rest(first)[0] == 0
    before = tree(directory)
    with in_a_pipe(*words, "--no-browser", environ=environ) as second:
        printed_url(second)
        second.sendline(code.partition("#")[0])
        second.expect_exact("Paste the code that the page above shows:")
        end_input(second)
        status, text = rest(second)
    assert status == 1
    assert "error: the code was refused (HTTP 400" in text
    assert "hint: log in again; a code works once" in text
    assert code.partition("#")[0] not in text
    assert tree(directory) == before


@pytest.mark.parametrize(
    ("fault", "sentence"), [(Fault.status(500), "returned HTTP 500"), (Fault.not_json(), "HTML")], ids=["down", "html"]
)
def test_an_endpoint_that_answers_nonsense_leaves_the_login_that_there_is(
    log_in: LogIn, fault: Fault, sentence: str, emulator: Emulator, directory: ConfigDir
) -> None:
    keep_a_login(directory, emulator)
    before = tree(directory)
    emulator.fail("token", fault)
    text, _ = log_in(status=1)
    assert "error: the login could not be completed" in text
    assert sentence in text
    assert tree(directory) == before


@pytest.mark.parametrize("named_by", ["--base-url", "ANTHROPIC_BASE_URL"])
def test_a_console_and_a_host_that_are_down_are_named_when_the_code_is_pasted(
    named_by: str, environ: Environ, closed_port: int
) -> None:
    nowhere = f"http://127.0.0.1:{closed_port}"
    host = [named_by, nowhere] if named_by.startswith("--") else []
    environ = {**environ, **({} if host else {named_by: nowhere})}
    with in_a_pipe("auth", "login", "--no-browser", *host, "--console-url", nowhere, environ=environ) as ant:
        printed_url(ant)
        ant.sendline("code-of-a-page")
        status, text = rest(ant)
    assert status == 1
    assert f"{nowhere}/v1/oauth/token could not be used: " in text
    assert f"hint: check the network, the proxy variables and {named_by}" in text
