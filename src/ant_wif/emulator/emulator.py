"""The emulator as a test holds it: the platform, with a server to start and stop, jobs and faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import EllipsisType, TracebackType

from ant_wif.emulator.app import build_app
from ant_wif.emulator.backend import Backend
from ant_wif.emulator.fault_plan import FaultPlan
from ant_wif.emulator.faults import Fault
from ant_wif.emulator.github import GitHub
from ant_wif.emulator.identities import IdentityProvider
from ant_wif.emulator.seed import seeded_state
from ant_wif.emulator.server import ServerThread, is_loopback
from ant_wif.emulator.signing import KeyChoice


class Emulator(Backend):
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
        super().__init__(seeded_state(self._providers.values(), self._now))
        self._faults = FaultPlan()
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
                server.start(build_app(self._state, self._providers.values(), self.env, self._faults))
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

    def fail(self, endpoint: str, fault: Fault, *, times: int = 1) -> None:
        """Have the next `times` requests to an endpoint meet a fault: `fail("token", Fault.status(429))`.

        `endpoint` is `token`, `models` or `oidc`. Faults of one endpoint come in the order in which they
        were asked for. Raises ValueError for an endpoint that is not one, a fault that it cannot have,
        or `times` below 1.
        """
        self._faults.add(endpoint, fault, times)

    def clear_faults(self) -> None:
        """Have no further request fail. Those under way meet the fault they have begun with."""
        self._faults.clear()

    def _provider(self, platform: str) -> IdentityProvider:
        if platform not in self._providers:
            raise ValueError(f"unknown platform {platform!r}; known are {', '.join(self._providers)}")
        return self._providers[platform]

    def _now(self) -> float:
        # Not `clock` itself, so that a test may put another one in its place.
        return self.clock()
