"""What is known of the server's side, and how it is read from files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ant_wif._secrets import show_path
from ant_wif.admin.documents import can_verify, key_set_of, read_issuer, read_rule
from ant_wif.errors import ConfigurationError
from ant_wif.rules import Issuer, KeySet, KeySetUnavailableError, Rule, ServiceAccount, read_key_set

__all__ = ["Registered", "load"]

T = TypeVar("T")

_LARGEST_FILE = 1024 * 1024


@dataclass(frozen=True)
class Registered:
    """What somebody brought along of the server's side; `None` for what nobody did.

    `inline_keys` says that the keys are those that stand in the issuer, as registered. `organization_id` is that
    of the organization that was asked, `origin` says with what; `absent` is the id of a rule that it has not got.
    `seconds_ahead` is how far the clock of who was asked is ahead of this machine's. `notes` say what could not be
    read, and why.
    """

    rule: Rule | None = None
    issuer: Issuer | None = None
    key_set: Callable[[], KeySet] | None = None
    inline_keys: bool = False
    service_account: ServiceAccount | None = None
    default_workspace_id: str | None = None
    organization_id: str | None = None
    origin: str | None = None
    absent: str | None = None
    seconds_ahead: float | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, *, rule: Path | None = None, issuer: Path | None = None, jwks: Path | None = None) -> Registered:
        """Read the files that are given.

        Raises:
            ConfigurationError: a file cannot be read, or is not what it should be.
        """
        issued = _read(issuer, "issuer", lambda document: (read_issuer(document), key_set_of(document)))
        keys = _read(jwks, "key set", _published)
        registered, inline = issued or (None, None)
        return cls(_read(rule, "rule", read_rule), registered, keys or inline, keys is None and inline is not None)

    def over(self, other: Registered) -> Registered:
        """Return `other` with what is known here in the place of what is known there.

        An issuer in the place of another brings its keys, or none: those of the other are not its own.
        """
        found = replace(other, rule=self.rule, absent=None) if self.rule is not None else other
        if self.issuer is not None:
            found = replace(found, issuer=self.issuer, key_set=None, inline_keys=False)
        if self.key_set is not None:
            found = replace(found, key_set=self.key_set, inline_keys=self.inline_keys)
        return found


def load(path: Path, what: str) -> dict[str, object]:
    """Read a JSON object from a file.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_LARGEST_FILE))
    except OSError as error:
        problem = f"cannot be read ({error.strerror or type(error).__name__})"
    except (ValueError, RecursionError):
        problem = "is not JSON"
    else:
        if isinstance(document, dict):
            return document
        problem = "holds JSON, but no object"
    raise ConfigurationError(f"the {what} file {show_path(path)} {problem}", hint=_hint(what))


def _published(document: Mapping[str, object]) -> Callable[[], KeySet]:
    if not can_verify():
        raise ValueError("to verify signatures takes PyJWT: pip install 'ant-wif[emulator]'")
    try:
        keys = read_key_set(document)
    except KeySetUnavailableError as error:
        raise ValueError(str(error)) from None
    return lambda: keys


def _read(path: Path | None, what: str, reader: Callable[[Mapping[str, object]], T]) -> T | None:
    if path is None:
        return None
    try:
        return reader(load(path, what))
    except ValueError as error:
        raise ConfigurationError(
            f"the {what} file {show_path(path)} is not the JSON of one: {error}", hint=_hint(what)
        ) from None


def _hint(what: str) -> str:
    if what == "key set":
        return "give the JSON that the issuer publishes, at `jwks_uri` of its discovery document"
    return f"give the JSON of one {what} as the Admin API returns it"
