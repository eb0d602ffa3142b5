"""Logging a person in: the code traded for tokens, and kept where every official tool finds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ant_wif.clock import steady
from ant_wif.errors import ExchangeError, LoginError, ProfileError
from ant_wif.files import check_writable
from ant_wif.locking import try_lock
from ant_wif.pkce import Answer, Attempt
from ant_wif.profiles import Active, ConfigDir
from ant_wif.retry import Backoff
from ant_wif.secrets import SecretStr, clean
from ant_wif.settings import DEFAULT_BASE_URL, DEFAULT_CONSOLE_URL, Settings
from ant_wif.store import ProfileShelf
from ant_wif.token_response import Granted, error_fields, token_endpoint, what_it_is
from ant_wif.tokens import AccessToken
from ant_wif.transport import Flow, Reply, Request, Unreachable, call, pause, send
from ant_wif.urls import check_url

__all__ = ["CLIENT_ID", "DEFAULT_SCOPE", "LoggedIn", "Plan", "plan"]

CLIENT_ID = "41077d10-94b8-4194-be48-d251e9eb21b4"
DEFAULT_SCOPE = "user:profile user:inference user:developer"
_LOCK_SECONDS = 30.0
_LOCK_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class LoggedIn:
    """Who is logged in, for what, and where that is kept. `notes` are for the person to read."""

    email: str | None
    organization_id: str | None
    organization_name: str | None
    workspace_id: str | None
    workspace_name: str | None
    config_path: Path
    credentials_path: Path
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A login that may begin: everything that can be checked beforehand was."""

    directory: ConfigDir
    active: Active
    document: Mapping[str, object] | None
    """The profile's file as it stands, `None` for a profile that this login creates."""
    settings: Settings
    client_id: str
    scope: str
    clock: Callable[[], float] = steady

    @property
    def credentials_path(self) -> Path:
        return self.directory.secrets_path(self.active.name)

    def attempt(self) -> Attempt:
        """Begin: a verifier and a state of its own for every try."""
        return Attempt(
            self.settings.console_url.rstrip("/"),
            self.client_id,
            self.scope,
            self.settings.workspace_id,
            self.settings.organization_id,
        )

    def finish(self, attempt: Attempt, answer: Answer) -> Flow[LoggedIn]:
        """Trade the code for tokens, and keep them.

        Raises:
            LoginError: the code was refused, or the login is for another organization or workspace than asked for.
            ExchangeError: the endpoint failed, or could not be reached.
            ProfileError: the login cannot be kept.
        """
        granted, about = yield from _trade(self.settings.base_url.rstrip("/"), attempt, answer)
        self._refuse_another(about)
        yield from self._keep(granted, about)
        return LoggedIn(
            about.get("email"),
            about.get("organization_uuid"),
            about.get("organization_name"),
            about.get("workspace_id"),
            about.get("workspace_name"),
            self.directory.config_path(self.active.name),
            self.credentials_path,
            tuple(self._notes(about)),
        )

    def _refuse_another(self, about: Mapping[str, str]) -> None:
        """What was asked for outright must be what came; nothing is kept otherwise."""
        for name, got in (
            ("organization_id", about.get("organization_uuid")),
            ("workspace_id", about.get("workspace_id")),
        ):
            asked = getattr(self.settings, name)
            if self.settings.origin(name).via == "flag" and got is not None and asked not in {got, "default"}:
                raise LoginError(
                    f"the login is for the {name.removesuffix('_id')} {clean(got, limit=64)}, and "
                    f"{clean(asked, limit=64)} was asked for; nothing was stored",
                    hint="run the command again, and choose that one on the consent page",
                )

    def _keep(self, granted: Granted, about: Mapping[str, str]) -> Flow[None]:
        shelf = ProfileShelf(self.directory, self.credentials_path, None)
        release = yield from _locked(shelf.lock_path)
        try:
            yield from call(lambda: self._write(shelf, granted, about))
        finally:
            release()

    def _write(self, shelf: ProfileShelf, granted: Granted, about: Mapping[str, str]) -> None:
        token = AccessToken(granted.access_token, int(self.clock()) + granted.expires_in, granted.expires_in)
        fields = {name: about.get(name) for name in _ABOUT}
        shelf.keep(token, refresh_token=granted.refresh_token, scope=granted.scope or self.scope, **fields)
        if self.document is None:
            self.directory.write(self.active.name, self._new_profile(about))
        pointed = self.directory.pointed()
        if self.active.via == "flag" or pointed is None:
            self.directory.activate(self.active.name)

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

    def _notes(self, about: Mapping[str, str]) -> list[str]:
        """Say where an existing profile, which is never rewritten, names something else than the token."""
        notes = []
        if not about.get("workspace_id"):
            notes.append(
                "the server did not say which workspace the login is for; to name one: "
                f"ant profile set workspace_id ID --profile {self.active.name}"
            )
        for key, got in (("organization_id", "organization_uuid"), ("workspace_id", "workspace_id")):
            named, bound = (self.document or {}).get(key), about.get(got)
            if named and bound and named != bound:
                notes.append(
                    f"the login is for {key} {bound}, but the profile names {named}; to follow it: "
                    f"ant profile set {key} {bound} --profile {self.active.name}"
                )
        return notes


def plan(
    directory: ConfigDir,
    active: Active,
    settings: Settings,
    *,
    clock: Callable[[], float] = steady,
) -> Plan:
    """Check all that can be checked before a browser opens.

    `settings` must have been loaded with the profile where it exists.

    Raises:
        ProfileError: the profile is none that can be logged in to, or its folder cannot be written.
        InsecureUrlError: a host must not be sent a code or token.
    """
    check_url(settings.base_url, what="the base URL")
    check_url(settings.console_url, what="the Console's URL")
    document: Mapping[str, object] | None = None
    client_id, scope = settings.oauth_client_id or CLIENT_ID, settings.scope or DEFAULT_SCOPE
    if directory.config_path(active.name).exists():
        profile = directory.read(active.name)
        if profile.type != "user_oauth":
            raise ProfileError(
                f"the profile {active.name!r} is a federation profile, which nobody logs in to",
                hint="choose another name: ant auth login --profile NAME",
            )
        document, own = profile.document, getattr(profile.known.authentication, "client_id", None)
        if own is None:
            raise ProfileError(
                f"the profile {active.name!r} has no client_id: something else keeps its credentials fresh",
                hint="choose another name: ant auth login --profile NAME",
            )
        if settings.origin("oauth_client_id").via != "flag":
            client_id = own
    check_writable(directory.secrets_path(active.name).parent, folder_mode=0o700)
    if document is None:
        check_writable(directory.config_path(active.name).parent, folder_mode=0o755)
    return Plan(directory, active, document, settings, client_id, scope, clock)


_ABOUT = ("organization_uuid", "organization_name", "account_email", "workspace_id", "workspace_name")


def _trade(base_url: str, attempt: Attempt, answer: Answer) -> Flow[tuple[Granted, dict[str, str]]]:
    request = Request(
        "POST",
        token_endpoint(base_url),
        form={
            "grant_type": "authorization_code",
            "code": answer.code,
            "code_verifier": attempt.verifier,
            "client_id": attempt.client_id,
            "redirect_uri": answer.redirect_uri,
            "state": attempt.state,
        },
    )
    backoff = Backoff()
    while True:
        reply = yield from send(request)
        # A code works once: only a request that was surely not received is sent again.
        delay = backoff.delay(reply) if isinstance(reply, Unreachable) and not reply.maybe_received else None
        if delay is None:
            return _read(reply, request.url, [answer.code, attempt.verifier, attempt.state])
        yield from pause(delay)


def _read(reply: Reply | Unreachable, url: str, sent: list[SecretStr]) -> tuple[Granted, dict[str, str]]:
    if isinstance(reply, Unreachable):
        raise ExchangeError(
            f"the login could not be completed: {url} could not be used: {reply.reason}",
            hint="check the network, the proxy variables and --base-url, then log in again",
        )
    granted = Granted.parse(reply.body) if reply.status == 200 else ""
    if isinstance(granted, Granted):
        return granted, _about(reply.body)
    status = f"HTTP {reply.status}{f', request id {reply.request_id}' if reply.request_id else ''}"
    body = error_fields(reply.body, sent)
    said = granted or " ".join(body.values()) or f"its body is {what_it_is(reply.body)}"
    if reply.status in {400, 401, 403}:
        raise LoginError(
            f"the code was refused ({status}: {said})",
            hint="log in again; a code works once, and for a minute only",
        )
    raise ExchangeError(
        f"the login could not be completed: {url} answered {status}, but {said}",
        hint="check --base-url, and log in again",
        status=reply.status,
        request_id=reply.request_id,
        body=body,
    )


def _about(body: bytes) -> dict[str, str]:
    """Return who and what the token is bound to, as far as the answer says so."""
    fields = json.loads(body)
    wanted = {
        "organization_uuid": ("organization", "uuid"),
        "organization_name": ("organization", "name"),
        "account_email": ("account", "email_address"),
        "workspace_id": ("workspace", "id"),
        "workspace_name": ("workspace", "name"),
    }
    found: dict[str, str] = {}
    for name, (group, key) in wanted.items():
        value = fields[group].get(key) if isinstance(fields.get(group), dict) else None
        if isinstance(value, str) and value:
            found[name] = clean(value)
    if "account_email" in found:
        found["email"] = found["account_email"]
    return found


def _locked(path: Path) -> Flow[Callable[[], None]]:
    """Take the lock of the credentials; where there can be none, go on without."""
    waited = 0.0
    while waited < _LOCK_SECONDS:
        try:
            release = yield from call(lambda: try_lock(path))
        except OSError:
            break
        if release is not None:
            return release
        yield from pause(_LOCK_POLL_SECONDS)
        waited += _LOCK_POLL_SECONDS
    return lambda: None
