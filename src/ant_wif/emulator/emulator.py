"""The emulator as a test holds it: the platform, with a server to start and stop, jobs and faults."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from types import EllipsisType
from typing import Any, TypeVar, cast, get_type_hints

from ant_wif._strict import problem_in_words
from ant_wif.emulator._app import build_app
from ant_wif.emulator._console.browser import Landing, decide
from ant_wif.emulator._console.consent import own_origins
from ant_wif.emulator._http.server import ServerThread
from ant_wif.emulator._issuers import Folder, KeyChoice, write_privately
from ant_wif.emulator._oauth import jwt_bearer, logins
from ant_wif.emulator._oauth.logins import Login
from ant_wif.emulator._seed import Config, read_seed, seeded_state
from ant_wif.emulator._state.history import ExchangeRecord
from ant_wif.emulator._state.models import ModelList
from ant_wif.emulator._state.scripting import ScriptedModel
from ant_wif.emulator._state.state import MovedClock, registered_name
from ant_wif.emulator.faults import Fault, FaultPlan
from ant_wif.emulator.platforms import Platforms
from ant_wif.emulator.platforms.oauth import OAuthClient
from ant_wif.rules import ADMIN_SCOPE, DEFAULT_AUDIENCE, Issuer, Rule
from ant_wif.rules.registration import is_loopback

FilePath = str | os.PathLike[str]
T = TypeVar("T", bound=Rule | Issuer)


class Emulator(ScriptedModel):
    """A Claude Platform on a local port, seeded with the organization Acme.

    `port` 0 means any free one. `clock` returns unix time; tokens expire by it. Identifiers are
    random and stay the same over a restart. Methods may be called from any thread.

    What is written to a `path` can be read by its owner only; the path is returned. Raises OSError.
    What names the emulator's address raises RuntimeError where it is not started.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
        *,
        allow_remote: bool = False,
        config: Config | None = None,
        require_oauth_beta: bool = False,
        print_line: Callable[[str], object] | None = None,
    ) -> None:
        """`config` is the path of a seed file in YAML, or what would stand in one.

        `require_oauth_beta` has OAuth tokens refused without the header `anthropic-beta: oauth-2025-04-20`, which
        no official SDK sends for `ANTHROPIC_AUTH_TOKEN`. `print_line` is called with a line of text for each request:
        method, path, status, milliseconds. It is called in the server's thread.

        Raises ValueError for a host beyond this machine, unless `allow_remote`: anyone may get a token.
        Raises ConfigurationError for a seed file that cannot be used.
        """
        if not allow_remote and not is_loopback(host):
            raise ValueError(f"host {host!r} is not a loopback address; the emulator is for this machine only")
        if port not in range(65536):
            raise ValueError(f"port {port!r} is not between 0 and 65535")
        self._host, self._port = host, port
        self._folder = Folder()
        self._time = MovedClock(clock)
        self._platforms = Platforms(self._time.now, self._folder)
        self._state = seeded_state(self._platforms.all, self._time.service_now, read_seed(config))
        self._state.require_oauth_beta = require_oauth_beta
        self._config = config
        self._print_line = print_line
        self._faults = FaultPlan()
        self._server: ServerThread | None = None
        self._others: list[Emulator] = []
        self._bring_back = self.savepoint()
        self._saved_address: str | None = None

    def start(self) -> Emulator:
        """Listen, once stopped where it did before. Raises OSError when the port is taken. Idempotent."""
        if self._server is None:
            server = ServerThread(self._host, self._port)
            self._port = server.port
            self._state.set_address(server.base_url)
            self._server = server
            try:
                app = build_app(
                    self._state,
                    self,
                    self,
                    faults=self._faults,
                    base_url=server.base_url,
                    print_line=self._print_line,
                )
                server.start(app)
            except RuntimeError:
                self._server = None
                raise
        return self

    def spawn(self) -> Emulator:
        """Start another: it shares nothing with this one but the clock, and stops with it at the latest."""
        other = Emulator(
            self._host,
            clock=self._time.now,
            allow_remote=True,
            config=self._config,
            require_oauth_beta=self._state.require_oauth_beta,
        ).start()
        self._others.append(other)
        return other

    def stop(self) -> None:
        """Stop listening, and remove the files of jobs. The history stays. Does nothing when stopped already."""
        while self._others:
            self._others.pop().stop()
        if self._server is not None:
            self._server.stop()
            self._server = None
        self._folder.remove()

    def savepoint(self) -> Callable[[], None]:
        """Return a function that undoes, once, what is changed from now on.

        That is faults, time, keys, what is registered, models, replies, requests and history, and permissions;
        those that were spawned since are stopped. Credentials that were issued since stay valid, and what was
        revoked is valid again.
        """
        parts = [each.savepoint() for each in (self._time, self._platforms, self._faults, self._state)]
        others = len(self._others)

        def bring_back() -> None:
            while len(self._others) > others:
                self._others.pop().stop()
            for part in parts:
                part()

        return bring_back

    def reset(self) -> None:
        """Bring back what the emulator was made with. Credentials that were issued stay valid, as with `savepoint`."""
        self._bring_back()
        if self._server is not None and self._server.base_url != self._saved_address:
            self._saved_address = self._server.base_url
            self._state.set_address(self._saved_address)
        self._bring_back = self.savepoint()

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where it listens. Raises RuntimeError before it is started and after it is stopped."""
        if self._server is None:
            raise RuntimeError("the emulator is not started: use it as a context manager, or call start()")
        return self._server.base_url

    @property
    def clock(self) -> Callable[[], float]:
        """The clock that `advance()` and `move_to()` start from. A test may put another one in its place."""
        return self._time.clock

    @clock.setter
    def clock(self, clock: Callable[[], float]) -> None:
        self._time.clock = clock

    @property
    def organization_id(self) -> str:
        return self._state.organization_id

    @property
    def api_key(self) -> str:
        """A static key, bound to the default workspace."""
        return next(iter(self._state.api_keys))

    @property
    def history(self) -> list[ExchangeRecord]:
        """The last thousand attempts at the token endpoint, oldest first: a copy."""
        return self._state.history.snapshot()

    @property
    def exchanges(self) -> int:
        """How many identity tokens were exchanged since the start or `clear_history`."""
        return self._state.history.granted[jwt_bearer.GRANT_TYPE]

    @property
    def refreshes(self) -> list[ExchangeRecord]:
        """What was attempted with the refresh grant, granted or not, oldest first: a copy."""
        return [record for record in self.history if record.grant_type == logins.REFRESH_GRANT]

    def clear_history(self) -> None:
        """Forget what was attempted. Tokens stay valid, and spent assertions stay spent."""
        with self._state.lock:
            self._state.history.clear()

    @property
    def rules(self) -> dict[str, Rule]:
        """The rules by name: a copy."""
        with self._state.lock:
            return {rule.name: rule for rule in self._state.rules.values()}

    def rule(self, name: str = "github") -> Rule:
        """Return a rule by its name, or by that of the platform it is for: `google_cloud`.

        Raises ValueError where there is no such rule.
        """
        rules = self.rules
        found = rules.get(str(name)) or rules.get(registered_name(str(name)))
        if found is None:
            raise ValueError(f"no rule {name!r}; there are {', '.join(rules)}")
        return found

    def issuer(self, name: str = "github") -> Issuer:
        """Return the issuer of the rule `name`. Raises ValueError where there is no such rule."""
        return self._state.issuers[self.rule(name).issuer_id]

    def update_rule(self, name: str, **changes: object) -> Rule:
        """Change fields of a rule, and return it. Raises TypeError for a field or a type that `Rule` has not.

        What the Admin API would refuse is possible here. A rule that is given the scope `org:admin` has its
        service account made an admin, as it must be one.
        """
        state = self._state
        with state.lock:
            rule = _changed(self.rule(name), changes)
            state.rules[rule.id] = rule
            state.notes.touch(rule.id, state.user.actor_id)
            if ADMIN_SCOPE in rule.oauth_scope.split() and "oauth_scope" in changes:
                account = state.service_accounts[rule.service_account_id]
                state.service_accounts[account.id] = replace(account, organization_role="admin")
                state.notes.touch(account.id, state.user.actor_id)
        return rule

    def update_issuer(self, name: str, **changes: object) -> Issuer:
        """Change fields of the issuer of the rule `name`. Raises TypeError as `update_rule` does."""
        state = self._state
        with state.lock:
            issuer = _changed(self.issuer(name), changes)
            state.issuers[issuer.id] = issuer
            state.notes.touch(issuer.id, state.user.actor_id)
        return issuer

    def serve_models(self, ids: Iterable[str]) -> None:
        """Serve these models only, newest first. Without it, every id that begins with `claude-` is served.

        Raises ValueError for an id that is empty or there twice.
        """
        self._state.models = ModelList.of(ids)

    def login(
        self,
        *,
        scope: str = logins.DEFAULT_SCOPE,
        workspace_id: str | None = None,
        lifetime: int = logins.LIFETIME_SECONDS,
        client_id: str = logins.CLIENT_ID,
    ) -> Login:
        """Log a person in, as if the Console's consent page had been approved.

        `workspace_id` is by default that of the default workspace; `lifetime` is that of each access
        token, in seconds. Raises ValueError for a workspace that does not exist or a lifetime below 1.
        """
        return logins.log_in(
            self._state, scope=scope, workspace_id=workspace_id, lifetime=lifetime, client_id=client_id
        )

    def register_client(self, client_id: str) -> None:
        """Have the consent page know another client."""
        with self._state.lock:
            self._state.client_ids.add(client_id)

    @property
    def omit_login_fields(self) -> AbstractSet[str]:
        """Fields that the answer to a login lacks, such as `workspace`; a refresh has them nevertheless."""
        return self._state.omit_login_fields

    @omit_login_fields.setter
    def omit_login_fields(self, fields: Iterable[str]) -> None:
        """Raises ValueError for a field that the answer does not have."""
        wanted = frozenset(fields)
        if not wanted <= logins.ANSWER_FIELDS:
            raise ValueError(
                f"no fields {sorted(wanted - logins.ANSWER_FIELDS)}; there are {sorted(logins.ANSWER_FIELDS)}"
            )
        self._state.omit_login_fields = wanted

    def is_live_refresh_token(self, token: str) -> bool:
        """Return whether a refresh with this token would be granted: handed out, not used, not revoked."""
        with self._state.lock:
            session = self._state.sessions.get(token)
            return session is not None and session.refresh_token == token and not session.ended

    def revoke(self, token: str) -> None:
        """Make a token invalid before its time. A refresh token, used or not, ends its login.

        The access tokens of a login that ended stay valid until they expire or are revoked themselves.
        """
        with self._state.lock:
            self._state.access_tokens.drop(token)
            session = self._state.sessions.get(token)
            if session is not None:
                session.ended = True

    @property
    def _running(self) -> Platforms:
        # The address is part of tokens, files and programs: without one they would be of no use.
        _ = self.base_url
        return self._platforms

    def env(self, platform: str = "github") -> dict[str, str]:
        """Return what makes a process look like a job on `platform`, with the emulator for a backend.

        Files and programs that a variable names are written into a folder that goes when the emulator
        stops. Raises ValueError for a platform that is not emulated.
        """
        base_url, (provider, environment) = self.base_url, self._platforms.job(platform)
        rule = self.rule(provider.name)
        return {
            "ANTHROPIC_BASE_URL": base_url,
            "ANTHROPIC_FEDERATION_RULE_ID": rule.id,
            "ANTHROPIC_ORGANIZATION_ID": self.organization_id,
            "ANTHROPIC_SERVICE_ACCOUNT_ID": rule.service_account_id,
            "ANTHROPIC_WORKSPACE_ID": rule.workspace_ids[0] if rule.workspace_ids else "default",
            **environment(),
        }

    def identity_token(self, platform: str) -> dict[str, object]:
        """Return the field `identity_token` of a profile for a job on `platform`.

        Secrets that it names by a variable are in `env(platform)`. Raises ValueError as `env` does.
        """
        return self._running.named(platform).identity_token()

    def issue(
        self,
        platform: str = "github",
        *,
        lifetime: int | None = None,
        headers: dict[str, object] | None = None,
        kid: str | EllipsisType | None = ...,
        alg: str = "RS256",
        key: KeyChoice = "own",
        **claims: object,
    ) -> str:
        """Return a JWT of the platform's seeded job, which the seeded rule accepts, once.

        `lifetime` is in seconds, by default the platform's own. `claims` (`sub`, `aud`, `exp`, …) and
        `headers` override; `None` leaves one out. For wrong tokens: `key="other"` signs with a key
        that is not published, `kid=None` names none, `alg` may be `none` or `HS256`.
        """
        return self._platforms.named(platform).mint(
            lifetime=lifetime, claims=claims, headers=headers, kid=kid, alg=alg, key=key
        )

    def sign_as(self, platform: str, claims: Mapping[str, object], alg: str = "RS256") -> str:
        """Return a JWT of these claims with the platform's key, for a test that emulates more of the platform.

        What the claims lack of `iss`, `iat` and `exp` is added; one of `None` is left out. `alg` is
        RS256, at `aws` also ES384, at `spiffe` also ES256. Raises ValueError for another.
        """
        return self._running.named(platform).sign(claims, alg=alg)

    def rotate_keys(self, platform: str = "github", *, keep_old: bool = False) -> None:
        """Have the platform sign with new keys, and publish them; the old ones no more, unless `keep_old`.

        A token that the old keys signed is of a key that is not found then. Raises ValueError for a platform
        that is not emulated.
        """
        self._platforms.named(platform).key.rotate(keep_old=keep_old)

    def google_service_account(self, path: FilePath) -> str:
        """Write a key file, as GOOGLE_APPLICATION_CREDENTIALS names one, of the seeded service account."""
        return write_privately(path, self._running.google_cloud.key_file())

    def kubernetes_token(self, path: FilePath, *, audience: str = DEFAULT_AUDIENCE, lifetime: int = 3600) -> str:
        """Write a projected token, or replace it as the kubelet does. `lifetime` is in seconds."""
        return write_privately(path, self._running.kubernetes.token(audience, lifetime))

    def kubernetes_pod(self, root: FilePath) -> str:
        """Write all that is mounted into the pod below `root`, in `var/run/secrets`.

        These are the projected token and what the pod shows to the cluster's API. Returns `root`.
        """
        self._running.kubernetes.write_mounts(Path(root))
        return str(root)

    @property
    def allow_token_requests(self) -> bool:
        """Whether the pod may ask the cluster's TokenRequest API for tokens of its own."""
        return self._platforms.kubernetes.allow_token_requests

    @allow_token_requests.setter
    def allow_token_requests(self, allowed: bool) -> None:
        self._platforms.kubernetes.allow_token_requests = allowed

    def github_subjects(self, *, immutable: bool = False, include_claim_keys: Iterable[str] = ()) -> None:
        """Choose what `sub` of the platform `github` is made of, as the settings of a repository do.

        `immutable` names owner and repository with their numbers, as the platform `github-immutable` always does.
        `include_claim_keys` are its parts in their order: `repo`, `context`, and claims. GitHub's REST API tells
        both, at `/github/api` of the emulator. Without arguments, they are as they were at the start.
        """
        github = self._platforms.github
        github.uses_immutable_subjects, github.include_claim_keys = immutable, tuple(include_claim_keys)

    def spiffe_svid(self, path: FilePath, *, audience: str = DEFAULT_AUDIENCE) -> str:
        """Write a JWT-SVID, or replace it as spiffe-helper does."""
        return write_privately(path, self._running.spiffe.svid(audience))

    def executables(self, folder: FilePath) -> list[str]:
        """Write the programs `circleci` and `buildkite-agent` into a folder for the PATH."""
        return [program.write_program(folder) for program in (self._running.circleci, self._running.buildkite)]

    def oauth_client(self, *, client_id: str | None = None, public_key: str | None = None) -> OAuthClient:
        """Register a client of the OAuth server, with a secret or with its public key in PEM.

        The seeded rule accepts the seeded client, which `identity_token("oauth")` names; register it
        anew by its `client_id` to give it a key. Raises ValueError for an invalid public key.
        """
        return self._platforms.oauth.clients.register(client_id, public_key)

    def fail(self, endpoint: str, fault: Fault, *, times: int = 1) -> None:
        """Have the next `times` requests to an endpoint meet a fault: `fail("token", Fault.status(429))`.

        `endpoint` is `token`, `models`, `messages`, `count_tokens`, `batches`, `chat`, `files`, `admin`, `oidc`,
        `google`, `azure`, `kubernetes`, `oauth`, `authorize`, `discovery` or `jwks`.
        Faults of one endpoint come in the order in which they were asked for. Raises ValueError for an
        endpoint that is not one, a fault that it cannot have, or `times` below 1.
        """
        self._faults.add(endpoint, fault, times)

    def approve(self, url: str, *, workspace_id: str | None = None) -> Landing:
        """Do what a person does who opens an authorize URL and approves; return what the browser shows then.

        Where the answer goes to a listener, this waits for its page. `workspace_id` picks a workspace, by
        default the one that is preselected. Raises ValueError for a URL that is not of this emulator, a
        workspace that cannot be picked and a page that does not ask, ConnectionError if there is no response.
        """
        return decide(own_origins(self.base_url), url, "approve", workspace_id)

    def deny(self, url: str) -> Landing:
        """Do the same as `approve`, but deny. Raises what `approve` raises."""
        return decide(own_origins(self.base_url), url, "deny", None)

    def clear_faults(self) -> None:
        """Have no further request fail. Those under way meet the fault they have begun with."""
        self._faults.clear()

    @property
    def now(self) -> float:
        """Unix time of the platforms, and, unless there is a skew, of the service."""
        return self._time.now()

    def advance(self, seconds: float) -> None:
        """Move the time ahead, or back by a negative number; from there it goes on as before.

        Raises ValueError where that leads beyond the years 1970 to 9999, as `move_to` and `skew` do.
        """
        self._time.advance(seconds)

    def move_to(self, moment: float) -> None:
        """Have it be `moment` (unix time) now; from there the time goes on as before."""
        self._time.move_to(moment)

    def skew(self, seconds: float) -> None:
        """Have the service's clock be ahead of all others by so many seconds, or behind; 0 sets it right.

        The service judges by it, and sends it as `Date`; the platforms issue their tokens by the right time.
        """
        self._time.skew(seconds)

    def reset_clock(self) -> None:
        """Undo `advance`, `move_to` and `skew`."""
        self._time.reset()


def _changed(registered: T, changes: Mapping[str, object]) -> T:
    """Return it with other values. Raises TypeError, which names the field that is not one or has another type."""
    from pydantic import TypeAdapter, ValidationError

    found = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
    changed = replace(registered, **cast("dict[str, Any]", found))
    types = get_type_hints(type(registered))
    for name, value in found.items():
        try:
            TypeAdapter(types[name]).validate_python(value, strict=True)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, (name, *problem["loc"])))
            raise TypeError(f"{where} {problem_in_words(problem['type'], problem['msg'])}") from None
    return changed
