"""The organization that every emulator starts with: one narrow rule for each platform, and what a seed file adds."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

from ant_wif._files import read_limited, wide_text
from ant_wif._secrets import sanitize, sanitize_path
from ant_wif._strict import read_value
from ant_wif.emulator._admin.resource import check_structure
from ant_wif.emulator._admin.rules import check_registered_rule, with_fields
from ant_wif.emulator._http import ids
from ant_wif.emulator._issuers import IdentityProvider
from ant_wif.emulator._oauth.jwks import key_source
from ant_wif.emulator._oauth.logins import CLIENT_ID
from ant_wif.emulator._state.models import ModelList
from ant_wif.emulator._state.state import Access, State, Workspace, registered_name
from ant_wif.errors import ConfigurationError
from ant_wif.rules import Issuer, RegistrationError, Rule, ServiceAccount, check_issuer, check_name
from ant_wif.rules.models import OrganizationRole
from ant_wif.rules.registration import check_enablement

Config = str | os.PathLike[str] | Mapping[str, object]
"""A seed file, or its content."""

Entry = dict[str, object]

T = TypeVar("T", Workspace, ServiceAccount, Issuer, Rule, IdentityProvider)

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
        self.models()

    def organization(self) -> Entry:
        return cast("Entry", self._document.get("organization", {}))

    def entries(self, section: str) -> list[Entry]:
        return cast("list[Entry]", self._document.get(section, []))

    def models(self) -> ModelList:
        """Return the models that the file lists, or the current ones where it lists none.

        Raises RegistrationError for an id that is empty or there twice.
        """
        if "models" not in self._document:
            return ModelList.seeded()
        try:
            return ModelList.of(cast("list[str]", self._document["models"]))
        except ValueError as error:
            raise RegistrationError("models", str(error)) from None

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
        where = f"the seed file {sanitize_path(os.fspath(config))}"
        seed = SeedFile(_plain(_load(Path(config)), where), where)
    try:
        seed.check()
    except RegistrationError as flaw:
        raise seed.error("", flaw) from None
    return seed


def _load(path: Path) -> object:
    shown = sanitize_path(path)
    data = read_limited(path, what="seed file", hint="give the path of a YAML file")
    try:
        document = read_value(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        wide = wide_text(data)
        said = f"is {wide} text" if wide else f"is not text in UTF-8 (byte {error.start})"
        raise ConfigurationError(f"the seed file {shown} {said}", hint="save it as UTF-8") from None
    except ValueError as error:
        raise ConfigurationError(f"the seed file {shown}: {sanitize(error)}", hint="correct the YAML") from None
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


# What the file calls differently from the Admin API.
_FIELDS = {"workspace_id": "workspaces", "issuer_id": "issuer", "target.service_account_id": "service_account"}
_KEY = "sk-ant-api03-"


def register(state: State, seed: SeedFile) -> None:
    """Register everything. Something of a name that is there already takes its place, and its id.

    Raises ConfigurationError for what cannot be registered.
    """
    sections: Mapping[str, Callable[[State, Entry], None]] = {
        "workspaces": _workspace,
        "service_accounts": _account,
        "issuers": _issuer,
        "rules": _rule,
        "api_keys": _api_key,
    }
    for section, add in sections.items():
        for position, entry in enumerate(seed.entries(section)):
            try:
                add(state, entry)
            except RegistrationError as flaw:
                known = RegistrationError(_FIELDS.get(flaw.field, flaw.field), flaw.sentence)
                raise seed.error(f"{section}[{position}]", known) from None


def _workspace(state: State, entry: Entry) -> None:
    name = str(entry["name"])
    if _named(state.workspaces.values(), name) is None:
        workspace = Workspace(_id(None, entry, "wrkspc"), name)
        state.workspaces[workspace.id] = workspace


def _account(state: State, entry: Entry) -> None:
    name = str(entry["name"])
    check_name(name)
    found = _named(state.service_accounts.values(), name)
    account = ServiceAccount(
        id=_id(found, entry, "svac"),
        name=name,
        organization_role=cast("OrganizationRole", entry.get("organization_role", "developer")),
        workspace_ids=frozenset(_workspaces(state, entry)),
    )
    state.service_accounts[account.id] = account
    _describe(state, account.id, entry)


def _issuer(state: State, entry: Entry) -> None:
    url, platform = entry.get("issuer_url"), entry.get("platform")
    if (url is None) == (platform is None):
        raise RegistrationError("issuer_url", "or platform is required, and not both")
    provider = None if platform is None else _required(state.providers, str(platform), "platform")
    name, jwks = str(entry["name"]), cast("Entry", entry.get("jwks", {"type": "discovery"}))
    found = _named(state.issuers.values(), name)
    issuer = Issuer(id=_id(found, entry, "fdis"), name=name, issuer_url=str(url or ""))
    given = {field: entry[field] for field in ("max_jwt_lifetime_seconds", "check_jti") if field in entry}
    if provider is None:
        issuer = replace(issuer, **cast("dict[str, Any]", given))
        check_issuer(issuer, jwks, allow_loopback=True)
        state.key_sets[issuer.id] = key_source(state, issuer.issuer_url, jwks)
        state.platforms.pop(issuer.id, None)
    else:
        if "jwks" in entry:
            raise RegistrationError("jwks", "must be left out: a platform of the emulator has its own keys")
        longest = {"max_jwt_lifetime_seconds": provider.max_lifetime_seconds}
        issuer = replace(issuer, **cast("dict[str, Any]", {**longest, **given}))
        # A platform has no URL yet: its placeholder here is compared with nothing.
        check_issuer(replace(issuer, issuer_url=provider.name), {"type": "inline"})
        state.key_sets[issuer.id] = provider.key.key_set
        state.platforms[issuer.id] = provider.name
    state.issuers[issuer.id] = issuer
    state.notes.begin(issuer.id, None, jwks=jwks)


def _rule(state: State, entry: Entry) -> None:
    name = str(entry["name"])
    issuer = _required(state.issuers.values(), str(entry["issuer"]), "issuer")
    account = _required(state.service_accounts.values(), str(entry["service_account"]), "service_account")
    found = _named(state.rules.values(), name)
    blank = Rule(id=_id(found, entry, "fdrl"), name=name, issuer_id=issuer.id, service_account_id=account.id)
    rule = replace(with_fields(blank, entry), workspace_ids=tuple(_workspaces(state, entry)))
    check_registered_rule(state, rule)
    check_enablement(rule)
    state.rules[rule.id] = rule
    _describe(state, rule.id, entry)


def _api_key(state: State, entry: Entry) -> None:
    key, name = str(entry["key"]), str(entry.get("workspace", state.default_workspace.name))
    if not key.startswith(_KEY) or not key.isascii() or not key.isprintable() or " " in key:
        raise RegistrationError("key", f"must begin with {_KEY}, and have no blanks")
    state.api_keys[key] = Access(_required(state.workspaces.values(), name, "workspace").id)


def _workspaces(state: State, entry: Entry) -> list[str]:
    names = cast("list[str]", entry.get("workspaces", []))
    found = (_required(state.workspaces.values(), name, f"workspaces[{n}]").id for n, name in enumerate(names))
    return list(dict.fromkeys(found))


def _named(among: Iterable[T], name: str) -> T | None:
    return next((each for each in among if each.name == name), None)


def _required(among: Collection[T], name: str, field: str) -> T:
    """Return what has the name that stands in a field. Raises RegistrationError where there is none."""
    found = _named(among, name)
    if found is None:
        raise RegistrationError(field, f"must be one of {', '.join(each.name for each in among)}")
    return found


def _id(found: ServiceAccount | Issuer | Rule | None, entry: Entry, tag: str) -> str:
    return found.id if found else str(entry.get("id") or ids.tagged_id(tag))


def _describe(state: State, identifier: str, entry: Entry) -> None:
    state.notes.begin(identifier, None, description=cast("str | None", entry.get("description")))


def seeded_state(providers: tuple[IdentityProvider, ...], clock: Callable[[], float], seed: SeedFile) -> State:
    """Return the seeded organization. Its own issuers have no URL until the server has an address.

    Raises ConfigurationError for something in a seed file that cannot be registered.
    """
    organization = seed.organization()
    state = State(
        clock,
        organization_id=str(organization.get("id") or uuid4()),
        organization_name=str(organization.get("name") or "Acme"),
        default_workspace=_seeded_workspace(seed, "default"),
        providers=providers,
        models=seed.models(),
    )
    state.client_ids.add(CLIENT_ID)
    engineering = _seeded_workspace(seed, "Engineering")
    for workspace in (state.default_workspace, engineering):
        state.workspaces[workspace.id] = workspace
    account = ServiceAccount(
        id=seed.id_of("service_accounts", "ci") or ids.tagged_id("svac"),
        name="ci",
        organization_role="developer",
        workspace_ids=frozenset({engineering.id}),
    )
    state.service_accounts[account.id] = account
    state.api_keys[ids.api_key()] = Access(state.default_workspace.id)
    for provider in state.providers:
        name = registered_name(provider.name)
        issuer = Issuer(
            id=ids.tagged_id("fdis"),
            name=name,
            issuer_url="",
            max_jwt_lifetime_seconds=provider.max_lifetime_seconds,
        )
        rule = Rule(
            id=seed.id_of("rules", name) or ids.tagged_id("fdrl"),
            name=name,
            issuer_id=issuer.id,
            service_account_id=account.id,
            subject_prefix=provider.accepted_subject or provider.subject,
            audience=provider.audience,
            claims=provider.accepted_claims,
            workspace_ids=(engineering.id,),
        )
        state.issuers[issuer.id] = issuer
        state.platforms[issuer.id] = provider.name
        state.key_sets[issuer.id] = provider.key.key_set
        state.rules[rule.id] = rule
    register(state, seed)
    return state


def _seeded_workspace(seed: SeedFile, name: str) -> Workspace:
    return Workspace(seed.id_of("workspaces", name) or ids.tagged_id("wrkspc"), name)
