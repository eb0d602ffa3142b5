"""The seed file: what an emulator is to start with beside what every emulator has. Reading it, and nothing else."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from ant_wif._secrets import clean, show_path
from ant_wif.emulator._admin.validation import check_structure
from ant_wif.errors import ConfigurationError
from ant_wif.rules import RegistrationError

Config = str | os.PathLike[str] | Mapping[str, object]
"""A seed file, or what stands in one."""

Entry = dict[str, object]

_LARGEST_FILE = 1024 * 1024
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_IDS = {"workspaces": "wrkspc", "service_accounts": "svac", "rules": "fdrl"}
_UNIQUE = {"workspaces": "name", "service_accounts": "name", "issuers": "name", "rules": "name", "api_keys": "key"}


class SeedFile:
    """What a seed file says, with its structure checked. What it means is checked where it is registered."""

    def __init__(self, document: Mapping[str, object], where: str) -> None:
        self._document = document
        self._where = where

    def check(self) -> None:
        """Raises RegistrationError for what cannot be meant, whatever is registered."""
        from ant_wif.emulator._seed.schema import Seed

        check_structure(self._document, Seed)
        _check_ids(self)

    def organization(self) -> Entry:
        return cast("Entry", self._document.get("organization", {}))

    def entries(self, section: str) -> list[Entry]:
        return cast("list[Entry]", self._document.get(section, []))

    def id_of(self, section: str, name: str) -> str | None:
        """Return the id that something of this name is to have, where the file says so."""
        found = (entry.get("id") for entry in self.entries(section) if entry["name"] == name)
        return cast("str | None", next(found, None))

    def error(self, place: str, flaw: RegistrationError) -> ConfigurationError:
        """Return the error for what cannot be registered, at a place such as `rules[0]`."""
        where = f"{place}.{flaw.field}" if place else flaw.field
        return ConfigurationError(f"{self._where}: {where}: {flaw.sentence}", hint=f"correct {where} in {self._where}")


def read_seed(config: Config | None) -> SeedFile:
    """Raises ConfigurationError, which names the file, the place in it, and what belongs there."""
    if config is None:
        return SeedFile({}, "")
    if isinstance(config, Mapping):
        where = "the emulator's configuration"
        seed = SeedFile(_plain(dict(config), where), where)
    else:
        where = f"the seed file {show_path(os.fspath(config))}"
        seed = SeedFile(_plain(_load(Path(config)), where), where)
    try:
        seed.check()
    except RegistrationError as flaw:
        raise seed.error("", flaw) from None
    return seed


def _load(path: Path) -> object:
    """Read YAML. A key that is there twice is an error: one of them would be lost without a word.

    So is an alias: a short file of aliases can stand for one that no memory holds.
    """
    import yaml  # late: few emulators have a seed file

    class SeedLoader(yaml.SafeLoader):
        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            if self.check_event(yaml.AliasEvent):
                problem, mark = "aliases are not taken, write it out", self.current_event.start_mark
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002
            keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            for key, times in keys.items():
                if times > 1:
                    problem = f"{clean(key, limit=64)} is there twice"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
            return super().construct_mapping(node, deep=deep)

    shown = show_path(path)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"
        raise ConfigurationError(f"the seed file {shown} {problem}", hint="give the path of a YAML file") from None
    if len(data) > _LARGEST_FILE:
        raise ConfigurationError(f"the seed file {shown} has more than {_LARGEST_FILE} bytes", hint="shorten it")
    try:
        document = yaml.load(data, SeedLoader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        said = getattr(error, "problem", None) or "it cannot be read as YAML"
        raise ConfigurationError(f"the seed file {shown}{line}: {clean(said)}", hint="correct the YAML") from None
    return {} if document is None else document


def _plain(document: object, where: str) -> dict[str, object]:
    """Return a document as JSON has it, which the Admin API answers with."""
    try:
        plain = json.loads(json.dumps(document, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise ConfigurationError(
            f"{where} holds a value that JSON has not, such as a date",
            hint="put quotes around dates and numbers that are meant as text",
        ) from None
    if not isinstance(plain, dict):
        raise ConfigurationError(
            f"{where} is not made of named sections", hint="begin with a section such as `workspaces:` or `rules:`"
        )
    return plain


def _check_ids(seed: SeedFile) -> None:
    organization = seed.organization()
    if not re.fullmatch(_UUID, str(organization.get("id", "00000000-0000-0000-0000-000000000000"))):
        raise RegistrationError("organization.id", "must be a UUID in lower case")
    _check_shown("organization.name", organization.get("name"))
    for section, unique in _UNIQUE.items():
        seen: set[object] = set()
        for position, entry in enumerate(seed.entries(section)):
            place, name, identifier = f"{section}[{position}]", entry[unique], entry.get("id")
            _check_shown(f"{place}.{unique}", name)
            if identifier is not None and not re.fullmatch(rf"{_IDS[section]}_[A-Za-z0-9]{{1,64}}", str(identifier)):
                raise RegistrationError(f"{place}.id", f"must be {_IDS[section]}_ and 1 to 64 letters and digits")
            for field, value in ((unique, name), ("id", identifier)):
                if value is not None and (field, value) in seen:
                    raise RegistrationError(f"{place}.{field}", "is that of another one already")
                seen.add((field, value))


def _check_shown(place: str, name: object) -> None:
    """Raises RegistrationError for what no page can show."""
    if isinstance(name, str) and not (name.strip() and name.isprintable()):
        raise RegistrationError(place, "must not be empty or blank, and must be printable")
