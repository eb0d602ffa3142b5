"""What a server, a profile, a token or a variable says is shown, and nothing obeys it, whatever command shows it."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from urllib.parse import quote

import jwt
import pytest
import yaml

from ant_cli.main import main
from ant_wif._config.config_dir import ConfigDir
from ant_wif.emulator import Emulator
from support.loopback import Scripted, TokenEndpoint, stream
from support.samples import ORGANIZATION, RULE, federation_profile, login_profile

from .conftest import Ant, Outcome

KEY = "sk-ant-api03-EXAMPLE"
HOSTILE = {
    "azure": "x ##vso[task.setvariable variable=PATH]/tmp",
    "old github": "##[set-output name=a]b",
    "github": "a\n::set-env name=PATH::/tmp",
    "github after a carriage return": "a\r::stop-commands::x",
    "teamcity": "##teamcity[buildStop comment='x']",
    "clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "clipboard in one byte": "\x9d52;c;cm0gLXJm\x9c",
    "cursor": "\x1b[2A\x1b[2Kb\x9b1Ab\x08\x7f",
    "direction": "\u202eb\u2066c\u061c\u200e\u200fd\u2069",
    "hidden": "a\u200bb\u200dc\u2060d\ufeffe\u00adf\U000e0041\U000e0100g\u3164h\u034fi\U0001d173j",
    "lines": "a\u2028::warning::b\x85::error::c\x0b\x0c::debug::d",
}
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
together = pytest.mark.parametrize(
    "text", [" ".join(HOSTILE.values()), HOSTILE["github"][2:], HOSTILE["old github"]], ids=["all", "line", "start"]
)
by_turns = pytest.mark.parametrize("turns", [5, pytest.param(1, marks=pytest.mark.long)], ids=["turns", "all"])
"""Every variable and every command with each text, and each of their pairs in one form; `-m long` has all in each."""
DANGEROUS = re.compile(
    r"(?im)^\s*::[a-z]|##(vso|teamcity)?\[|[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u2069\u3164\ufeff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def assert_harmless(outcome: Outcome) -> Outcome:
    """Nothing in it deceives, but for the one command that annotates a run of GitHub Actions with an error."""
    for text in (outcome.out, outcome.err):
        shown = text.replace("\n::error title=ant::", "\n")
        found = DANGEROUS.search(shown)
        assert found is None, (found, shown)
    return outcome


@hostile
def test_a_response_and_a_part_of_it_are_printed_in_every_form_and_are_harmless(ant: Ant, text: str) -> None:
    said = {text: [text, f"a {text}", {"a": f"{'long ' * 40}{text}"}], "number": 7, "nothing": None, "part": text}
    with TokenEndpoint(body=said) as endpoint:
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": endpoint.base_url}
        for form in ("json", "jsonl", "yaml", "raw"):
            outcome = assert_harmless(ant("api", "/v1/x", "--format", form, **environ))
            assert (yaml.safe_load if form == "yaml" else json.loads)(outcome.out) == said
        for words in (("-r",), ("--format", "raw"), ("--format", "yaml"), ("--format", "json")):
            assert_harmless(ant("api", "/v1/x", "--transform", "part", *words, **environ))


@hostile
def test_a_text_that_comes_in_pieces_is_harmless_and_whole(ant: Ant, text: str) -> None:
    pieces = [json.dumps(_delta(piece)) for piece in f"one\n{text}"]
    with Scripted(lambda _: stream(*pieces, '{"type": "message_stop"}')) as endpoint:
        outcome = ant(
            "messages", "create", "--stream", "-r", "--model", "m", "--max-tokens", "9",
            "--message", "{role: user, content: hi}", ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=endpoint.base_url,
        )  # fmt: skip
    assert assert_harmless(outcome).out.startswith("one\n")
    assert len(outcome.out) > len(text)


def _delta(text: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def test_a_text_that_goes_to_a_file_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"one\n{HOSTILE['github']}\n  ::testing::InitGoogleTest();\x1b[0m"
    with TokenEndpoint(body={"a": text}) as endpoint, (tmp_path / "out").open("w", encoding="utf-8") as file:
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": endpoint.base_url, "HOME": str(tmp_path)}
        monkeypatch.setattr("sys.stdout", file)
        assert main(("api", "/v1/x", "--transform", "a", "-r"), environ) == 0
    assert (tmp_path / "out").read_text(encoding="utf-8") == f"{text}\n"


@together
@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize("words", [(), ("--debug",), ("--format-error", "json"), ("--format-error", "yaml")])
def test_an_error_of_a_server_is_harmless(ant: Ant, text: str, status: int, words: tuple[str, ...]) -> None:
    said = {"type": "error", "error": {"type": text, "message": text}, "error_description": text, text: text}
    with TokenEndpoint(
        status=status, body=said, headers={"request-id": "req_ ##vso[a]b", "x-other": "##[c]\x9b2J"}
    ) as endpoint:
        environ = {"ANTHROPIC_BASE_URL": endpoint.base_url}
        for command in (("models", "list"), ("api", f"/v1/x?{quote(text)}"), ("models", "retrieve", text or "x")):
            assert_harmless(ant(*command, *words, ANTHROPIC_API_KEY=KEY, **environ))
        job = {"ANTHROPIC_IDENTITY_TOKEN": _token(text), "ANTHROPIC_FEDERATION_RULE_ID": RULE}
        job |= {"ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}
        assert_harmless(ant("auth", "verify", *words, **job, **environ))


def _token(text: str) -> str:
    claims = {
        "iss": f"https://a/{text}",
        "sub": text,
        "aud": [text],
        "exp": 4102444800,
        "iat": 1,
        "jti": text,
        text: text,
    }
    return jwt.encode(claims, "k" * 32, headers={"kid": text, text: text})


@together
@pytest.mark.parametrize("form", [(), ("--format", "json"), ("--format", "yaml")])
def test_what_a_token_says_is_harmless(ant: Ant, emulator: Emulator, text: str, form: tuple[str, ...]) -> None:
    job = {**emulator.env("github"), "ANTHROPIC_IDENTITY_TOKEN": _token(text)}
    for command in (("identity", "claims"), ("auth", "explain"), ("auth", "status"), ("identity", "detect")):
        assert_harmless(ant(*command, *form, **job))


VARIABLES = (
    "ANTHROPIC_PROFILE", "ANTHROPIC_BASE_URL", "ANTHROPIC_WORKSPACE_ID", "ANTHROPIC_ORGANIZATION_ID",
    "ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_CONFIG_DIR", "ANTHROPIC_IDENTITY_TOKEN_FILE", "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_IDENTITY_TOKEN",
)  # fmt: skip
READING = ("auth status", "auth verify", "profile list", "cache list", "profile get")
WORDS = ("", "--debug", "--format json", "--format yaml", "--format-error json")


@together
@by_turns
def test_what_a_variable_says_is_harmless(ant: Ant, text: str, turns: int) -> None:
    for row, column, form in itertools.product(range(len(VARIABLES)), range(len(READING)), range(len(WORDS))):
        if (row + column + form) % turns == 0:
            environ = {"ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}
            environ[VARIABLES[row]] = text.replace("\x00", "")
            assert_harmless(ant(*READING[column].split(), *WORDS[form].split(), **environ))


@together
def test_what_is_typed_is_harmless(ant: Ant, text: str, short_pauses: None) -> None:
    for command in (
        (text,), ("auth", text), ("--profile", text, "auth", "status"), ("profile", "get", text),
        ("profile", "set", text, text), ("profile", "activate", text), ("profile", "delete", text, "--yes"),
        ("api", text), ("api", "/v1/x", "-H", text), ("api", "/v1/x", "-f", text), ("exec", "--", text),
        ("auth", "login", "--timeout", text), ("wif", "rules", "get", text), ("models", "list", "--transform", text),
        ("auth", "explain", "--rule", text), ("profile", "create", text), ("completion", text), (f"--{text}",),
    ):  # fmt: skip
        assert_harmless(ant(*command, ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL="http://127.0.0.1:1"))


@together
@pytest.mark.parametrize("form", [(), ("--format", "json"), ("--format", "yaml"), ("--debug",)])
def test_what_a_profile_says_is_harmless(ant: Ant, directory: ConfigDir, text: str, form: tuple[str, ...]) -> None:
    login = login_profile(workspace_name=text, organization_id=text, workspace_id=text, base_url=f"https://a/{text}")
    federation = federation_profile(scope=text, base_url="https://api.example")
    for name, profile in (("default", login), ("ci", federation), ("third", login_profile(scope=text, other=text))):
        directory.write(name, login_profile())
        directory.config_path(name).write_text(json.dumps(profile), encoding="utf-8")
        if name != "ci":
            secrets = directory.secrets_path(name)
            secrets.parent.mkdir(mode=0o700, exist_ok=True)
            secrets.write_text(json.dumps({
                "access_token": "a-token", "expires_at": 4102444800, "scope": text, "organization_name": text,
                "workspace_name": text, "account_email": text, "organization_uuid": text, "workspace_id": text,
            }), encoding="utf-8")  # fmt: skip
            secrets.chmod(0o600)
        for command in (
            ("profile", "get"), ("profile", "get", "scope"), ("profile", "get", "base_url"), ("profile", "list"),
            ("profile", "get", "workspace_id"), ("auth", "status"), ("auth", "logout"),
        ):  # fmt: skip
            assert_harmless(ant("--profile", name, *command, *form))


@together
def test_a_path_is_harmless(ant: Ant, emulator: Emulator, tmp_path: Path, text: str) -> None:
    folder = tmp_path / text[-90:].replace("/", "_")
    folder.mkdir(mode=0o700)
    job = {**emulator.env("github"), "ANTHROPIC_CONFIG_DIR": str(folder), "ANT_WIF_CACHE_DIR": str(folder / "cache")}
    job["XDG_CACHE_HOME"] = str(folder / "cache")
    token = folder / "token"
    for command in (
        ("profile", "create", "ci", "--federation"), ("profile", "activate", "ci"), ("auth", "verify"),
        ("cache", "list"), ("identity", "token", "--output", str(token)), ("auth", "status"), ("cache", "clear"),
        ("auth", "logout", "--all"), ("profile", "list"), ("profile", "get"), ("api", "/x", "--input", f"{token}/no"),
    ):  # fmt: skip
        assert_harmless(ant(*command, **job))
