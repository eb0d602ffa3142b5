"""Files that a person names are read by one function: its error names the file, its use, and the limit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from ant_cli.commands.wif.create import read_key_file
from ant_wif._environment import Environment
from ant_wif._files import read_object
from ant_wif._http import run
from ant_wif.diagnostics.registered import Registered
from ant_wif.emulator import Emulator
from ant_wif.errors import AntWifError
from ant_wif.identity import Context, GoogleCloud


def google(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    run(GoogleCloud().fetch(Context(Environment())))


READERS: dict[str, tuple[Callable[[Path, pytest.MonkeyPatch], object], int]] = {
    "rule file": (lambda path, _: Registered.load(rule=path), 1 << 20),
    "issuer file": (lambda path, _: Registered.load(issuer=path), 1 << 20),
    "key set file": (lambda path, _: Registered.load(jwks=path), 1 << 20),
    "key set": (lambda path, _: read_key_file(path), 1 << 20),
    "seed file": (lambda path, _: Emulator(config=path), 1 << 20),
    "profile": (lambda path, _: read_object(path, what="profile", secret=False), 1 << 20),
    "credentials file": (lambda path, _: read_object(path, what="credentials file", secret=True), 1 << 20),
    "Google Cloud credentials file": (google, 1 << 16),
}


@pytest.mark.parametrize("use", READERS)
def test_a_file_that_is_too_large_is_said_to_be_that_and_not_to_be_something_else(
    use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, limit = READERS[use]
    path = tmp_path / "file.json"
    path.write_bytes(b"{}".ljust(limit + 1))
    path.chmod(0o600)
    with pytest.raises((AntWifError, click.UsageError)) as caught:
        read(path, monkeypatch)
    assert f"the {use} {path} is larger than {limit} bytes" in str(caught.value)
    assert "JSON" not in str(caught.value)


@pytest.mark.parametrize("use", READERS)
def test_a_file_that_is_not_an_object_is_said_to_be_what_it_is_without_quoting_it(
    use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.json"
    path.write_text('["hunter2"]')
    path.chmod(0o600)
    with pytest.raises((AntWifError, click.UsageError)) as caught:
        READERS[use][0](path, monkeypatch)
    said = "is not made of named sections" if use == "seed file" else "holds a JSON list, expected an object"
    assert f"the {use} {path} {said}" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("use", [use for use in READERS if use != "seed file"])
def test_a_byte_order_mark_is_passed_over_and_wider_text_is_refused_by_name(
    use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.json"
    path.touch(0o600)
    for encoding, said in (
        ("utf-8-sig", "holds a JSON list"),
        ("utf-16", "is UTF-16 text; save it as UTF-8"),
        ("utf-32", "is UTF-32 text"),
    ):
        path.write_text("[]", encoding=encoding)
        with pytest.raises((AntWifError, click.UsageError), match=said):
            READERS[use][0](path, monkeypatch)
