"""No command, given any single bad variable, option or file, ends with an unexpected error or a traceback."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ant_cli._click.suggesting import commands_below
from ant_cli.main import cli
from ant_wif._config.config_dir import ConfigDir
from ant_wif.emulator import Emulator
from support.samples import MODEL, login_profile

from .conftest import Ant, Outcome

VALUES = (
    "", " ", "\n", "x", "a b", "\u00e9\udce9", "x" * 5000, "../x", "http://evil.example", "127.0.0.1:1", "::1", "[",
    "%s", "{}", "~", "/", "/dev/null", "/dev/zero", "http://[::1", "http://127.0.0.1:99999", "-1", "\u202e",
    "eyJ.eyJ.x",
)  # fmt: skip
VARIABLES = (
    "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_CONFIG_DIR", "ANTHROPIC_BASE_URL",
    "ANTHROPIC_CONSOLE_URL", "ANTHROPIC_OAUTH_CLIENT_ID", "ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID",
    "ANTHROPIC_SERVICE_ACCOUNT_ID", "ANTHROPIC_WORKSPACE_ID", "ANTHROPIC_SCOPE", "ANTHROPIC_IDENTITY_TOKEN_FILE",
    "ANTHROPIC_IDENTITY_TOKEN", "ANT_IDENTITY_SOURCE", "ANT_IDENTITY_AUDIENCE", "ANT_CACHE", "ANT_CACHE_DIR", "HOME",
    "XDG_CONFIG_HOME", "GITHUB_ACTIONS", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "TMPDIR", "COLUMNS", "TERM",
)  # fmt: skip
OPTIONS = (
    "--profile", "--api-key", "--auth-token", "--base-url", "--organization-id", "--workspace-id",
    "--service-account-id", "--federation-rule", "--identity-token", "--identity-token-file", "--identity-source",
    "--format", "--transform",
)  # fmt: skip
FILES = (
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe{\x00", b"\xef\xbb\xbf{}", b"{}", b'{"authentication": 5}',
    b'{"authentication": {"type": "x"}}', b'{"version": 5}', b"[" * 3000,
    b'{"version": "2.0", "authentication": {"type": "user_oauth"}}',
    b'{"authentication": {"type": "oidc_federation", "identity_token": []}}',
    b'{"authentication": {"type": "oidc_federation", "identity_token": {"source": "file"}}}',
    b'{"authentication": {"type": "user_oauth", "client_id": "a b"}}',
    b'{"authentication": {"type": "user_oauth"}, "base_url": "\xed\xa0\x80"}',
)  # fmt: skip
ARGUMENTS = {
    "api": ("/v1/models",), "models retrieve": ("x",), "profile get": ("workspace_id",), "profile activate": ("x",),
    "profile set": ("workspace_id", "default"), "profile unset": ("workspace_id",), "profile create": ("x",),
    "profile delete": ("x", "--yes"), "exec": ("--", "true"), "auth login": ("--no-browser",), "help": ("auth",),
    "completion": ("bash",), "auth export": ("--github",),
    **{f"wif {kind} get": ("x",) for kind in ("issuers", "rules", "service-accounts")},
    **{f"wif {kind} archive": ("x", "--yes") for kind in ("issuers", "rules", "service-accounts")},
    "messages create": ("--model", MODEL, "--max-tokens", "5", "--message", "hi"),
    "messages count-tokens": ("--model", MODEL, "--message", "hi"),
}  # fmt: skip


def _commands() -> Iterator[tuple[str, ...]]:
    for context in commands_below(click.Context(cli, info_name="ant")):
        path = tuple(context.command_path.split()[1:])
        if not isinstance(context.command, click.Group) and path[0] not in {"emulator", "demo"}:
            yield path


@pytest.fixture
def check(ant: Ant, running: Emulator, home: Path) -> Ant:
    """Run a command against the emulator, and see that what it says is meant for a person."""
    home.mkdir()
    surroundings = {"ANTHROPIC_BASE_URL": running.base_url, "PATH": os.environ["PATH"]}

    def run(*words: str, **environ: str) -> Outcome:
        outcome = ant(*words, **{**surroundings, **environ})
        shown = f"{words!r:.200} {environ!r:.200}\n{outcome.err}"
        assert outcome.status in range(5), shown
        assert "unexpected " not in outcome.err, shown
        assert "Traceback" not in outcome.err, shown
        return outcome

    return run


def _with_arguments(path: tuple[str, ...], *options: str) -> tuple[str, ...]:
    return (*path, *options, *ARGUMENTS.get(" ".join(path), ()))


def test_a_bad_variable(check: Ant) -> None:
    commands = itertools.cycle(_commands())
    for variable, value in itertools.product(VARIABLES, VALUES[::3]):
        check(*_with_arguments(next(commands)), **{variable: value})


def test_a_bad_option(check: Ant) -> None:
    commands = itertools.cycle(_commands())
    for option, value in itertools.product(OPTIONS, VALUES[1::3]):
        check(*_with_arguments(next(commands), option, value))


@pytest.mark.parametrize("folder", ["configs", "credentials"])
def test_a_bad_file(check: Ant, directory: ConfigDir, folder: str) -> None:
    commands = itertools.cycle(_commands())
    directory.write("default", login_profile())
    (directory.path / "credentials").mkdir(mode=0o700)
    path = directory.path / folder / "default.json"
    for content, _ in itertools.product(FILES, range(3)):
        directory.write("default", login_profile())
        path.write_bytes(content)
        path.chmod(0o600)
        check(*_with_arguments(next(commands)))


def test_an_identity_token_that_is_not_utf_8(check: Ant) -> None:
    for command in (("auth", "explain"), ("auth", "verify"), ("identity", "claims"), ("identity", "token")):
        check(*command, ANTHROPIC_IDENTITY_TOKEN="\u00e9\udce9")
