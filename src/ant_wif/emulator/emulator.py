"""The emulator as a test holds it: start, stop, issue a token, change a rule, look at what happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from types import EllipsisType, TracebackType
from typing import Any, cast

from ant_wif.emulator.app import build_app
from ant_wif.emulator.github import GitHub
from ant_wif.emulator.history import ExchangeRecord
from ant_wif.emulator.identities import IdentityProvider
from ant_wif.emulator.seed import seeded_state
from ant_wif.emulator.server import ServerThread, is_loopback
from ant_wif.emulator.signing import KeyChoice
from ant_wif.rules import Issuer, Rule


class Emulator:
    """A Claude Platform on a local port, seeded with the organization Acme.

    `port` 0 means any free one. `clock` returns unix time; tokens expire by it. Identifiers are
    random and stay the same over a restart. Methods may be called from any thread.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
        *,
        allow_remote: bool = False,
    ) -> None:
        """Raises ValueError for a host beyond this machine, unless `allow_remote`: anyone may get a token."""
        if not allow_remote and not is_loopback(host):
            raise ValueError(f"host {host!r} is not a loopback address; the emulator is for this machine only")
        if not 0 <= port <= 65535:
            raise ValueError(f"port {port} is not between 0 and 65535")
        self.clock = clock
        self._host, self._port = host, port
        self._providers: dict[str, IdentityProvider] = {provider.name: provider for provider in (GitHub(self._now),)}
        self._state = seeded_state(self._providers.values(), self._now)
        self._server: ServerThread | None = None

    def start(self) -> Emulator:
        """Listen. Raises OSError when the port is taken. Does nothing when started already."""
        if self._server is None:
            server = ServerThread(self._host, self._port)
            for provider in self._providers.values():
                provider.base_url = server.base_url
                self.update_issuer(provider.name, issuer_url=provider.issuer_url)
            self._server = server
            try:
                server.start(build_app(self._state, self._providers.values(), self.env))
            except RuntimeError:
                self._server = None
                raise
        return self

    def stop(self) -> None:
        """Stop listening. The history stays. Does nothing when stopped already."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where it listens. Raises RuntimeError before it is started and after it is stopped."""
        if self._server is None:
            raise RuntimeError("the emulator is not started: use it as a context manager, or call start()")
        return self._server.base_url

    @property
    def organization_id(self) -> str:
        return self._state.organization_id

    @property
    def api_key(self) -> str:
        """A static key, bound to the default workspace."""
        return next(iter(self._state.api_keys))

    def env(self, platform: str = "github") -> dict[str, str]:
        """Return what makes a process look like a job on `platform`, with the emulator for a backend.

        Raises ValueError for a platform that is not emulated.
        """
        provider, rule = self._provider(platform), self.rule(platform)
        return {
            "ANTHROPIC_BASE_URL": self.base_url,
            "ANTHROPIC_FEDERATION_RULE_ID": rule.id,
            "ANTHROPIC_ORGANIZATION_ID": self.organization_id,
            "ANTHROPIC_SERVICE_ACCOUNT_ID": rule.service_account_id,
            "ANTHROPIC_WORKSPACE_ID": rule.workspace_ids[0] if rule.workspace_ids else "default",
            **provider.environment(),
        }

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
        return self._provider(platform).mint(
            now=self._now(), lifetime=lifetime, claims=claims, headers=headers, kid=kid, alg=alg, key=key
        )

    @property
    def history(self) -> list[ExchangeRecord]:
        """What was attempted at the token endpoint, oldest first: a copy."""
        return self._state.history.snapshot()

    @property
    def exchanges(self) -> int:
        """How many exchanges were granted since the start or `clear_history`."""
        return self._state.history.granted

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
        """Raises ValueError where there is no such rule."""
        rules = self.rules
        if name not in rules:
            raise ValueError(f"no rule {name!r}; there are {', '.join(rules)}")
        return rules[name]

    def issuer(self, name: str = "github") -> Issuer:
        """Return the issuer of the rule `name`. Raises ValueError where there is no such rule."""
        return self._state.issuers[self.rule(name).issuer_id]

    def update_rule(self, name: str, **changes: object) -> Rule:
        """Change fields of a rule, and return it. Raises TypeError for a field that `Rule` has not."""
        with self._state.lock:
            rule = replace(self.rule(name), **cast("dict[str, Any]", changes))
            self._state.rules[rule.id] = rule
        return rule

    def update_issuer(self, name: str, **changes: object) -> Issuer:
        """Change fields of the issuer of the rule `name`. Raises TypeError as `update_rule` does."""
        with self._state.lock:
            issuer = replace(self.issuer(name), **cast("dict[str, Any]", changes))
            self._state.issuers[issuer.id] = issuer
        return issuer

    def revoke(self, token: str) -> None:
        """Make an access token invalid before its time."""
        with self._state.lock:
            self._state.access_tokens.drop(token)

    def _provider(self, platform: str) -> IdentityProvider:
        if platform not in self._providers:
            raise ValueError(f"unknown platform {platform!r}; known are {', '.join(self._providers)}")
        return self._providers[platform]

    def _now(self) -> float:
        # Not `clock` itself, so that a test may put another one in its place.
        return self.clock()
