"""A profile may name any file of the user's as its credentials file: what is none is left alone, and that is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ant_wif._config.config_dir import ConfigDir
from ant_wif._secrets import SecretStr
from ant_wif.emulator import Emulator
from support.jobs import platform_of, profile_of
from support.samples import login_profile

from .conftest import Ant

CONTENTS = {
    "an object": '{"precious": 1}',
    "a text": "hello",
    "nothing": "",
    "a list": "[1]",
    "no token": '{"access_token": null}',
    "another token": '{"access_token": 5}',
}
COMMANDS = (
    ("auth", "logout"),
    ("auth", "logout", "--all"),
    ("cache", "clear", "--profile", "default"),
    ("cache", "clear"),
    ("profile", "delete", "default", "--yes"),
    ("profile", "set", "workspace_id", "default"),
    ("auth", "print-credentials"),
    ("auth", "verify"),
    ("auth", "status"),
    ("auth", "login", "--no-browser"),
)
TOKEN = "sk-ant-oat01-EXAMPLE-of-a-token"


def _profile(emulator: Emulator, kind: str, path: Path) -> dict[str, object]:
    if kind == "federation":
        return profile_of(emulator.env("github"), credentials_path=str(path))
    authentication = {"type": "user_oauth", "client_id": "client", "credentials_path": str(path)}
    return login_profile(base_url=emulator.base_url, authentication=authentication)


@pytest.mark.parametrize("kind", ["login", "federation"])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=list(CONTENTS))
def test_a_file_that_holds_no_credentials_is_left_alone_by_every_command(
    ant: Ant, directory: ConfigDir, running: Emulator, tmp_path: Path, content: str, kind: str
) -> None:
    path = tmp_path / "notes.json"
    path.write_text(content)
    path.chmod(0o600)
    platform = platform_of(running.env("github"))
    for command in COMMANDS:
        directory.write("default", _profile(running, kind, path))
        directory.activate("default")
        outcome = ant(*command, **(platform if kind == "federation" else {}))
        assert path.read_text() == content, command
        assert f"mend or remove {path}" not in outcome.err, command
        if command in {("auth", "logout"), ("auth", "verify"), ("auth", "login", "--no-browser")}:
            assert outcome.status != 0
            assert str(path) in outcome.err or kind == "federation"
            if command != ("auth", "login", "--no-browser"):
                assert "correct authentication.credentials_path in the profile" in outcome.err
        if "--all" in command:
            assert f"left {path} alone" in outcome.err


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("named", ["configs/default.json", "notes.txt", "credentials.json"])
def test_a_mode_is_to_be_changed_only_of_a_credentials_file(
    ant: Ant, directory: ConfigDir, running: Emulator, tmp_path: Path, named: str
) -> None:
    is_credentials = named == "credentials.json"
    path = (directory.path if "/" in named else tmp_path) / named
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"access_token": "{TOKEN}"}}' if is_credentials else "hello")
    directory.write("default", _profile(running, "login", path))
    path.chmod(0o644)
    for command in (("auth", "logout"), ("auth", "print-credentials"), ("auth", "login", "--no-browser")):
        outcome = ant(*command)
        assert outcome.status != 0
        assert f"{path} can be read or written by group or others (mode 0644)" in outcome.err
        hint = f"chmod 600 {path}" if is_credentials else "correct authentication.credentials_path in the profile"
        assert outcome.err.splitlines()[-1] == f"hint: {hint}"
        assert TOKEN not in outcome.err


@pytest.mark.parametrize("named", [os.devnull, "the folder of credentials"])
def test_no_hint_says_to_move_away_what_only_the_profile_is_wrong_about(
    ant: Ant, directory: ConfigDir, running: Emulator, named: str
) -> None:
    folder = directory.path / "credentials"
    path = Path(named) if named == os.devnull else folder
    directory.write("default", _profile(running, "login", path))
    folder.mkdir(mode=0o700)
    for command in (("auth", "logout"), ("auth", "print-credentials"), ("models", "list"), ("auth", "login")):
        outcome = ant(*command, "--no-browser") if "login" in command else ant(*command)
        assert outcome.status != 0
        assert f"{path} is not a regular file" in outcome.err or "login" in command
        assert f"move {path}" not in outcome.err
        assert "authentication.credentials_path" in outcome.err


def test_a_credentials_file_elsewhere_is_removed_by_logout_and_left_by_logout_all(
    ant: Ant, directory: ConfigDir, running: Emulator, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere.json"
    for words, stays in ((("auth", "logout"), False), (("auth", "logout", "--all"), True)):
        directory.write("default", _profile(running, "login", path))
        directory.write_credentials(path, {"access_token": SecretStr(TOKEN)})
        assert ant(*words).status == 0
        assert path.exists() is stays


@pytest.mark.parametrize("place", ["credentials/person.json", "configs/../credentials/person.json", "../backup.json"])
def test_a_login_is_neither_replaced_nor_removed_by_a_federation_profile_that_names_its_file(
    ant: Ant, directory: ConfigDir, running: Emulator, place: str
) -> None:
    directory.write("person", login_profile(base_url=running.base_url))
    path = directory.path / place
    directory.write_credentials(path, {"access_token": SecretStr(TOKEN), "refresh_token": SecretStr("opaque")})
    content = path.read_text()
    platform = platform_of(running.env("github"))
    for command in COMMANDS:
        if "--all" in command or "login" in command:
            continue
        directory.write("default", _profile(running, "federation", path))
        directory.activate("default")
        outcome = ant(*command, **platform)
        assert path.exists(), command
        assert path.read_text() == content, command
        if command in {("auth", "logout"), ("cache", "clear", "--profile", "default")}:
            assert outcome.status != 0
            assert "is left alone" in outcome.err
        if command == ("auth", "print-credentials"):
            assert outcome.status == 0
            assert TOKEN not in outcome.out


def test_the_login_of_another_profile_is_not_removed_with_the_profile_that_shares_it(
    ant: Ant, directory: ConfigDir, running: Emulator
) -> None:
    path = directory.credentials_path("person")
    directory.write("person", login_profile(base_url=running.base_url))
    for command in (("auth", "logout"), ("profile", "delete", "default", "--yes")):
        directory.write("default", _profile(running, "login", path))
        directory.write_credentials(path, {"access_token": SecretStr(TOKEN)})
        said = ant(*command).err
        assert "profile" in command or "holds the credentials of the profile 'person' and is left alone" in said
        assert path.exists()
    assert ant("auth", "logout", "--profile", "person").status == 0
    assert not path.exists()
