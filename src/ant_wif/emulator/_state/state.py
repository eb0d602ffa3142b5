"""What the emulated platform knows: one organization, its registrations, and what it handed out."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from uuid import uuid4

from ant_wif.emulator._http import ids
from ant_wif.emulator._issuers import IdentityProvider
from ant_wif.emulator._state import savepoint
from ant_wif.emulator._state.history import History, RequestLog
from ant_wif.emulator._state.models import ModelList
from ant_wif.emulator._state.replies import Replies
from ant_wif.rules import Issuer, KeySet, Registration, Rule, ServiceAccount

# No date can be written after the year 9999: from its beginning there is time left to go by.
_LATEST = 253_370_764_800
_BEYOND = "the clock can be moved between the years 1970 and 9999 only"


class MovedClock:
    """Unix time of another clock, moved. `skew` is what the service's own clock is ahead of that, in seconds.

    Thread-safe.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._moved = 0.0
        self._skew = 0.0

    def now(self) -> float:
        """Return the time of the platforms, which issue identity tokens."""
        return self.clock() + self._moved

    def service_now(self) -> float:
        """Return the time that the service judges by."""
        return self.now() + self._skew

    def advance(self, seconds: float) -> None:
        """Raises ValueError where that leads beyond the years 1970 to 9999, as the others do."""
        with self._lock:
            self._set(self._moved + _float(seconds), self._skew)

    def move_to(self, moment: float) -> None:
        with self._lock:
            self._set(_float(moment) - self.clock(), self._skew)

    def skew(self, seconds: float) -> None:
        with self._lock:
            self._set(self._moved, _float(seconds))

    def reset(self) -> None:
        with self._lock:
            self._moved = self._skew = 0.0

    def savepoint(self) -> Callable[[], None]:
        """Return what brings back the clock of now, and how far it is moved."""
        return savepoint(self, "clock", "_moved", "_skew", lock=self._lock)

    def _set(self, moved: float, skew: float) -> None:
        for moment in (self.clock() + moved, self.clock() + moved + skew):
            if not (math.isfinite(moment) and 0 <= moment <= _LATEST):
                raise ValueError(_BEYOND)
        self._moved, self._skew = moved, skew


def _float(seconds: float) -> float:
    # Callers may give an integer, which has no bounds.
    try:
        return float(seconds)
    except OverflowError:
        raise ValueError(_BEYOND) from None
    except (TypeError, ValueError):
        raise ValueError(f"{seconds!r} is not a number of seconds") from None


K = TypeVar("K")
V = TypeVar("V")

_SMALLEST_SWEEP = 1024


class ExpiringMap(Generic[K, V]):
    """Not thread-safe. Times are unix times, and passed in."""

    def __init__(self) -> None:
        self._entries: dict[K, tuple[float, V]] = {}
        self._sweep_at = _SMALLEST_SWEEP

    def put(self, key: K, value: V, *, until: float, now: float) -> None:
        if len(self._entries) >= self._sweep_at:
            self._entries = {k: entry for k, entry in self._entries.items() if entry[0] > now}
            # Twice what is alive, so that sweeping costs each entry a constant share.
            self._sweep_at = max(_SMALLEST_SWEEP, 2 * len(self._entries))
        self._entries[key] = (until, value)

    def get(self, key: K, *, now: float) -> V | None:
        until, value = self._entries.get(key, (now, None))
        return value if until > now else None

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)

    def savepoint(self) -> Callable[[], None]:
        """Return what puts back the entries of now that have been dropped; what was put since stays."""
        kept = dict(self._entries)

        def bring_back() -> None:
            self._entries = {**self._entries, **kept}

        return bring_back


@dataclass(frozen=True, kw_only=True)
class Note:
    """Times are unix times. An actor is a user or a service account, `None` where the emulator itself did it.

    `jwks` is where an issuer's keys come from, in the form of the Admin API.
    """

    created_at: float
    created_by: str | None = None
    updated_at: float
    updated_by: str | None = None
    archived_at: float | None = None
    archived_by: str | None = None
    description: str | None = None
    jwks: Mapping[str, object] = field(default_factory=lambda: {"type": "discovery"})


@dataclass(frozen=True)
class Membership:
    """That a service account is in a workspace, beyond the default one, in which each of them is."""

    role: str = "workspace_developer"
    actor_id: str | None = None


class Notes:
    """By the id of what they are about. What has no note is as old as the emulator. Hold the state's lock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._notes: dict[str, Note] = {}
        self.memberships: dict[tuple[str, str], Membership] = {}
        """By service account and workspace."""
        self.enablements: dict[tuple[str, str], Note] = {}
        """By rule and workspace."""

    def __getitem__(self, identifier: str) -> Note:
        return self._notes.get(identifier) or Note(created_at=self._began, updated_at=self._began)

    def begin(
        self,
        identifier: str,
        actor: str | None,
        *,
        description: str | None = None,
        jwks: Mapping[str, object] | None = None,
    ) -> None:
        note = self.fresh(actor)
        self._notes[identifier] = replace(note, description=description, jwks=jwks or note.jwks)

    def fresh(self, actor: str | None) -> Note:
        """Return the note of what `actor` makes now."""
        now = self._clock()
        return Note(created_at=now, created_by=actor, updated_at=now, updated_by=actor)

    def touch(self, identifier: str, actor: str | None) -> None:
        self._notes[identifier] = replace(self[identifier], updated_at=self._clock(), updated_by=actor)

    def archive(self, identifier: str, actor: str | None) -> None:
        self.touch(identifier, actor)
        note = self._notes[identifier]
        self._notes[identifier] = replace(note, archived_at=note.updated_at, archived_by=actor)

    def change(self, identifier: str, actor: str | None, body: Mapping[str, object]) -> None:
        """Record a change that a request made. A description of `None` is cleared, which leaves it empty."""
        if "description" in body:
            description = body["description"]
            text = description if isinstance(description, str) else ""
            self._notes[identifier] = replace(self[identifier], description=text)
        elif all(value is None for value in body.values()):
            return
        self.touch(identifier, actor)

    def savepoint(self) -> Callable[[], None]:
        """Return what brings back the notes of now."""
        return savepoint(self, "_notes", "memberships", "enablements")

    def set_jwks(self, identifier: str, jwks: Mapping[str, object]) -> None:
        self._notes[identifier] = replace(self[identifier], jwks=jwks)


@dataclass(frozen=True)
class Workspace:
    id: str
    name: str


def registered_name(platform: str) -> str:
    """Return what the seeded issuer and rule of a platform are called: no underscore is allowed in a name."""
    return platform.replace("_", "-")


@dataclass(frozen=True)
class Access:
    """What a credential is bound to. An API key has no scope: it may do everything in its workspace.

    The access token of a person's login may be used in another workspace, request by request. A token acts as
    a user or a service account, `actor_id`.
    """

    workspace_id: str
    scope: str | None = None
    may_choose_workspace: bool = False
    actor_id: str | None = None

    @property
    def source(self) -> str:
        """What the credential came from: `api_key`, `login` or `federation`."""
        return "api_key" if self.scope is None else "login" if self.may_choose_workspace else "federation"

    def has_scope(self, scopes: AbstractSet[str]) -> bool:
        """Return whether the credential has one of the `scopes`, or needs none."""
        return self.scope is None or not scopes.isdisjoint(self.scope.split())


@dataclass(frozen=True)
class User:
    """The person who logs in. `id` is a UUID, as the token endpoint has it; the Admin API knows the tagged id."""

    id: str
    email: str
    actor_id: str = field(default_factory=lambda: ids.tagged_id("user"))


@dataclass
class LoginSession:
    """One login. `refresh_token` is the only one of its tokens that can still be used, unless it `ended`.

    `lifetime` is that of its access tokens, in seconds.
    """

    client_id: str
    scope: str
    workspace: Workspace
    lifetime: int
    refresh_token: str = field(repr=False)
    ended: bool = False
    access_tokens: list[str] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Consent:
    """What a client asks a person to approve. `workspace` is `None` where the person is to pick one.

    `shows_code` is true where the answer is a code to paste, `other_organization` where the client asked
    for an organization that the person is not in.
    """

    client_id: str
    redirect_uri: str
    client_state: str = field(repr=False)
    code_challenge: str
    scope: str
    workspace: Workspace | None
    shows_code: bool
    other_organization: bool


@dataclass
class AuthorizationCode:
    """What was approved. `session` is the login that the code began when it was redeemed."""

    consent: Consent
    workspace: Workspace
    expires_at: float
    session: LoginSession | None = None


# What is registered or stored, by its id or name, and what is one value.
_SAVED = (
    *("workspaces", "service_accounts", "issuers", "key_sets", "platforms", "rules", "api_keys", "client_ids"),
    *("batches", "files", "threads", "organization_name", "default_workspace", "user", "models", "omit_login_fields"),
    "require_oauth_beta",
)


@dataclass(frozen=True)
class StoredBatch:
    """Times are unix times. `results` are in the order of `requests`, and empty until the batch has ended."""

    id: str
    workspace_id: str
    created_at: float
    expires_at: float
    requests: tuple[Mapping[str, Any], ...] = field(repr=False)
    results: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    cancel_initiated_at: float | None = None
    ended_at: float | None = None

    def count(self, kind: str) -> int:
        return sum(line["result"]["type"] == kind for line in self.results)


@dataclass(frozen=True)
class StoredFile:
    id: str
    workspace_id: str
    created_at: float
    filename: str
    mime_type: str
    content: bytes = field(repr=False)
    expires_at: float | None = None


@dataclass
class State:
    """Everything is in memory. Hold `lock` to change anything, and across a decision and its consequence."""

    clock: Callable[[], float] = time.time
    lock: threading.RLock = field(default_factory=threading.RLock)
    organization_id: str = field(default_factory=lambda: str(uuid4()))
    organization_name: str = "Acme"
    default_workspace: Workspace = field(default_factory=lambda: Workspace(ids.tagged_id("wrkspc"), "default"))
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    user: User = field(default_factory=lambda: User(str(uuid4()), "ada@acme.example"))
    service_accounts: dict[str, ServiceAccount] = field(default_factory=dict)
    issuers: dict[str, Issuer] = field(default_factory=dict)
    key_sets: dict[str, Callable[[], KeySet]] = field(default_factory=dict)
    providers: tuple[IdentityProvider, ...] = ()
    # Which issuers are a platform of the emulator, by its name: their URL is known when the server has an address.
    platforms: dict[str, str] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    notes: Notes = field(init=False)
    api_keys: dict[str, Access] = field(default_factory=dict)
    access_tokens: ExpiringMap[str, Access] = field(default_factory=ExpiringMap)
    # By every refresh token ever handed out, so that a used one is told from an unknown one.
    sessions: dict[str, LoginSession] = field(default_factory=dict)
    # The clients that the consent page knows, and what its open pages ask, by their tickets.
    client_ids: set[str] = field(default_factory=set)
    tickets: ExpiringMap[str, Consent] = field(default_factory=ExpiringMap)
    # Every code ever handed out, so that a used or expired one is told from an unknown one.
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    omit_login_fields: AbstractSet[str] = frozenset()
    spent: ExpiringMap[tuple[str, str], bool] = field(default_factory=ExpiringMap)
    history: History = field(default_factory=History)
    models: ModelList = field(default_factory=ModelList.seeded)
    require_oauth_beta: bool = False
    requests: RequestLog = field(default_factory=RequestLog)
    replies: Replies = field(default_factory=Replies)
    # Both by id, oldest first, of all workspaces.
    batches: dict[str, StoredBatch] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)
    # By the id of an answer: the workspace, and what was said so far, `None` where it was continued.
    threads: dict[str, tuple[str, tuple[Mapping[str, object], ...] | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.notes = Notes(self.clock)

    def savepoint(self) -> Callable[[], None]:
        """Return what undoes later changes. Credentials that were issued since stay, and revoked ones return."""
        with self.lock:
            ended = [(login, login.ended) for login in self.sessions.values()]
            kinds = (self.access_tokens, self.notes, self.history, self.requests, self.replies)
            parts = [savepoint(self, *_SAVED), *(kind.savepoint() for kind in kinds)]

        def bring_back() -> None:
            with self.lock:
                for login, was_ended in ended:
                    login.ended = was_ended
                for part in parts:
                    part()

        return bring_back

    def set_address(self, base_url: str) -> None:
        """Have the platforms, and the issuers that they are, live below this URL."""
        for provider in self.providers:
            provider.base_url = base_url
            for issuer_id, name in self.platforms.items():
                if name == provider.name:
                    self.issuers[issuer_id] = replace(self.issuers[issuer_id], issuer_url=provider.issuer_url)

    def provider_at(self, issuer_url: str) -> IdentityProvider | None:
        """Return the emulator's own platform that has this issuer URL."""
        wanted = issuer_url.rstrip("/")
        return next((each for each in self.providers if each.base_url and each.issuer_url.rstrip("/") == wanted), None)

    def note_platform(self, issuer_id: str, jwks: Mapping[str, object]) -> None:
        """Note whether an issuer is one of the emulator's own, whose URL is to follow when it moves."""
        self.platforms.pop(issuer_id, None)
        provider = self.provider_at(self.issuers[issuer_id].issuer_url)
        if provider is not None and jwks["type"] == "discovery" and jwks.get("discovery_base") is None:
            self.platforms[issuer_id] = provider.name

    def known_as(self, issuer: Issuer) -> str:
        """Return the URL that an issuer has in the world, where it is one of the emulator's own."""
        provider = self.provider_at(issuer.issuer_url)
        if not issuer.issuer_url:
            provider = next((each for each in self.providers if each.name == self.platforms.get(issuer.id)), None)
        return provider.real_issuer or issuer.issuer_url if provider else issuer.issuer_url

    def registration(self, rule_id: str) -> Registration | None:
        """Return a rule with what it names, or `None` where there is no such rule."""
        rule = self.rules.get(rule_id)
        if rule is None:
            return None
        return Registration(
            organization_id=self.organization_id,
            rule=rule,
            issuer=self.issuers[rule.issuer_id],
            service_account=self.service_accounts[rule.service_account_id],
            default_workspace_id=self.default_workspace.id,
        )
