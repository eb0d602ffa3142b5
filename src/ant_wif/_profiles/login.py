"""Logging a person in: the code traded for tokens, and kept where every official tool finds them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ant_wif._config import DEFAULT_BASE_URL, DEFAULT_CONSOLE_URL, Active, ConfigDir, Settings, names_another
from ant_wif._environment import Environment, steady
from ant_wif._files import Release, check_writable, is_there, try_lock
from ant_wif._http import Deadline, Flow, call, client_for
from ant_wif._secrets import sanitize, sanitize_path
from ant_wif._tokens import (
    ACCOUNT_FIELDS,
    AccessToken,
    AuthorizationRequest,
    AuthorizationResponse,
    Granted,
    ProfileStore,
    poll,
    redeem,
)
from ant_wif.errors import LoginError, ProfileError

log = logging.getLogger("ant_wif.login")

CLIENT_ID = "41077d10-94b8-4194-be48-d251e9eb21b4"
DEFAULT_SCOPE = "user:profile user:inference user:developer"
_LOCK_SECONDS = 30.0


@dataclass(frozen=True)
class LoggedIn:
    """Who is logged in, for what, and where that is kept. `notes` are for the person to read.

    `replaced` is the profile that was the active one, where the login made another active.
    """

    account_email: str | None
    organization_id: str | None
    organization_name: str | None
    workspace_id: str | None
    workspace_name: str | None
    config_path: Path
    credentials_path: Path
    notes: tuple[str, ...]
    replaced: str | None = None


@dataclass(frozen=True)
class LoginPlan:
    """A login that may begin: everything that can be checked beforehand was."""

    directory: ConfigDir
    active: Active
    settings: Settings
    client_id: str
    scope: str
    clock: Callable[[], float] = steady

    @property
    def credentials_path(self) -> Path:
        return self.directory.secrets_path(self.active.name)

    def attempt(self) -> AuthorizationRequest:
        """Begin: a verifier and a state of its own for every try."""
        return AuthorizationRequest(
            self.settings.console_url,
            self.client_id,
            self.scope,
            self.settings.workspace_id,
            self.settings.organization_id,
        )

    def finish(self, attempt: AuthorizationRequest, answer: AuthorizationResponse) -> Flow[LoggedIn]:
        """Trade the code for tokens, and keep them.

        Raises:
            LoginError: the code was refused, or the login is for another organization or workspace than asked for.
            ExchangeError: the endpoint failed, or could not be reached.
            ProfileError: the login cannot be kept.
        """
        base_url_from = self.settings.origin("base_url").place
        granted, about = yield from redeem(self.settings.base_url, attempt, answer, base_url_from=base_url_from)
        self._refuse_another(about)
        before = self._active_by_file()
        notes = yield from self._keep(granted, about)
        return LoggedIn(
            about.get("account_email"),
            about.get("organization_uuid"),
            about.get("organization_name"),
            about.get("workspace_id"),
            about.get("workspace_name"),
            self.directory.config_path(self.active.name),
            self.credentials_path,
            tuple(notes),
            before if before not in {None, self._active_by_file()} else None,
        )

    def _active_by_file(self) -> str | None:
        """The profile that is used where none is named."""
        return self.directory.pointed() or ("default" if "default" in self.directory.names() else None)

    def _refuse_another(self, about: Mapping[str, str]) -> None:
        """The login must be for what was requested explicitly. Otherwise nothing is stored."""
        for name, got in (
            ("organization_id", about.get("organization_uuid")),
            ("workspace_id", about.get("workspace_id")),
        ):
            asked, by_flag = getattr(self.settings, name), self.settings.origin(name).via == "flag"
            if by_flag and asked and got and names_another(name, asked, got, about.get("workspace_name")):
                raise LoginError(
                    f"the login is for the {name.removesuffix('_id')} {sanitize(got, limit=64)}, and "
                    f"{sanitize(asked, limit=64)} was asked for; nothing was stored",
                    hint="run the command again, and choose that one on the consent page",
                )

    def _keep(self, granted: Granted, about: Mapping[str, str]) -> Flow[list[str]]:
        store = ProfileStore(self.directory, self.credentials_path, None)
        release = yield from _locked(store.lock_path)
        try:
            return (yield from call(lambda: self._write(store, granted, about)))
        finally:
            release()

    def _write(self, store: ProfileStore, granted: Granted, about: Mapping[str, str]) -> list[str]:
        """Store the login, and the profile unless there is one; return what the person should know."""
        # Looked at again: a person takes minutes in a browser, and what is there by now counts.
        document = _login_profile(self.directory, self.active.name)
        token = AccessToken(granted.access_token, int(self.clock()) + granted.expires_in, granted.expires_in)
        fields = {name: about.get(name) for name in ACCOUNT_FIELDS}
        store.keep(
            token,
            None,
            refresh_token=granted.refresh_token,
            scope=granted.scope or self.scope,
            issued_by=self.settings.base_url,
            **fields,
        )
        if document is None:
            self.directory.write(self.active.name, self._new_profile(about))
        notes = self._notes(document or {}, about)
        if document is not None and not _own_client_id(document):
            authentication = {**_authentication(document), "client_id": self.client_id}
            self.directory.write(self.active.name, {**document, "authentication": authentication})
            notes.append(f"the profile had no client_id and now has {self.client_id}, by which the login is refreshed")
        if document is None or self.active.explicit:
            try:
                self.directory.activate(self.active.name)
            except ProfileError as error:
                notes.append(f"the profile could not be made the active one: {error.summary}")
        return notes

    def _new_profile(self, about: Mapping[str, str]) -> dict[str, object]:
        def given(name: str, default: str) -> str | None:
            value = getattr(self.settings, name)
            return value if self.settings.origin(name).via != "default" and value != default else None

        authentication = {
            "type": "user_oauth",
            "client_id": self.client_id,
            "scope": self.scope if self.scope != DEFAULT_SCOPE else None,
            "console_url": given("console_url", DEFAULT_CONSOLE_URL),
        }
        document = {
            "authentication": {name: value for name, value in authentication.items() if value},
            "organization_id": about.get("organization_uuid"),
            "workspace_id": about.get("workspace_id"),
            "base_url": given("base_url", DEFAULT_BASE_URL),
        }
        return {name: value for name, value in document.items() if value}

    def _notes(self, document: Mapping[str, object], about: Mapping[str, str]) -> list[str]:
        """Say where an existing profile, which is never rewritten, names something else than the token."""
        notes = []
        if not about.get("workspace_id"):
            notes.append(
                "the server did not say which workspace the login is for; to name one: "
                f"ant profile set workspace_id ID --profile {self.active.name}"
            )
        for key, got in (("organization_id", "organization_uuid"), ("workspace_id", "workspace_id")):
            named, bound = document.get(key), about.get(got)
            if isinstance(named, str) and bound and names_another(key, named, bound, about.get("workspace_name")):
                notes.append(
                    f"the login is for {key} {bound}, but the profile names {named}; to follow it: "
                    f"ant profile set {key} {bound} --profile {self.active.name}"
                )
        return notes


def plan_login(
    directory: ConfigDir,
    active: Active,
    arguments: Mapping[str, object],
    environ: Environment,
    *,
    clock: Callable[[], float] = steady,
) -> LoginPlan:
    """Check all that can be checked before a browser opens. `arguments` are those of `Settings.load`.

    Raises:
        ConfigurationError: a setting is not one that it can be, or a variable for proxies or certificates is not.
        ProfileError: this login cannot be used for the profile, or the profile cannot be written.
        InsecureUrlError: a host must not be sent a code or token.
    """
    document = _login_profile(directory, active.name)
    profile = None if document is None else directory.read(active.name)
    settings = Settings.load(arguments, environ, profile)
    settings.check("base_url", "console_url", "oauth_client_id", "scope", "organization_id", "workspace_id")
    if profile is not None:
        settings.check_client_id(profile)
    client_id, scope = settings.oauth_client_id or CLIENT_ID, settings.scope or DEFAULT_SCOPE
    if document is not None:
        own = _own_client_id(document) or client_id
        if settings.origin("oauth_client_id").via != "flag":
            client_id = own
        usual = Settings.load({}, environ, profile)
        _refuse_what_a_profile_could_not_use(
            active.name,
            {
                "--client-id": (client_id, own),
                "--base-url": (settings.base_url, usual.base_url),
                "--scope": (_of_administrators(scope), _of_administrators(usual.scope or DEFAULT_SCOPE)),
            },
        )
    client_for(settings.base_url, environ, Deadline()).close()
    _check_places(directory, active.name, writes_profile=document is None or not _own_client_id(document))
    return LoginPlan(directory, active, settings, client_id, scope, clock)


def _login_profile(directory: ConfigDir, name: str) -> Mapping[str, object] | None:
    """Return a profile's document, `None` where there is no such profile. Raises ProfileError: it is not a login."""
    if not is_there(directory.config_path(name)):
        return None
    profile = directory.read(name)
    another = "choose another name: ant auth login --profile NAME"
    if profile.type != "user_oauth":
        raise ProfileError(f"the profile {name!r} is a federation profile, and cannot be logged in to", hint=another)
    return profile.document


def _own_client_id(document: Mapping[str, object]) -> str:
    found = _authentication(document).get("client_id")
    return found.strip() if isinstance(found, str) else ""


def _authentication(document: Mapping[str, object]) -> Mapping[str, object]:
    found = document.get("authentication")
    return found if isinstance(found, dict) else {}


def _of_administrators(scope: str) -> str:
    return " ".join(sorted(name for name in scope.split() if name.startswith("org:")))


def _refuse_what_a_profile_could_not_use(name: str, given: Mapping[str, tuple[str, str]]) -> None:
    """Refuse a login that would be refreshed, or used, with other values than it was made with."""
    for option, (asked, usual) in given.items():
        if asked != usual:
            raise ProfileError(
                f"the profile {name!r} exists, and {option} asks for {sanitize(asked, limit=100) or 'nothing of org:'} "
                f"where it has {sanitize(usual, limit=100) or 'nothing of org:'}; a login never rewrites a profile",
                hint=f"use another name: ant auth login --profile NAME {option} …",
            )


def _check_places(directory: ConfigDir, name: str, *, writes_profile: bool) -> None:
    path = directory.secrets_path(name)
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        hint = f"remove {sanitize_path(path)}, or set ANTHROPIC_CONFIG_DIR to another folder"
        if path != directory.credentials_path(name):
            hint = f"correct authentication.credentials_path of the profile {name!r}"
        raise ProfileError(f"the login cannot be stored in {sanitize_path(path)}: it is not a regular file", hint=hint)
    directory.check()
    directory.check_holder(path)
    check_writable(path.parent, folder_mode=0o700, owners=directory.owners)
    if writes_profile:
        check_writable(directory.config_path(name).parent, folder_mode=0o755, owners=directory.owners)


def _locked(path: Path) -> Flow[Release]:
    """Take the lock of the credentials; where there can be none, go on without.

    A process that holds it for longer refreshes the replaced login, and will notice that.
    """

    def attempt() -> Release | None:
        try:
            return try_lock(path)
        except OSError:
            return lambda: None

    release = yield from call(attempt)
    if release is None:
        log.warning("another process refreshes the login that there is; waiting for it")
        release = yield from poll(attempt, _LOCK_SECONDS)
    return release or (lambda: None)
