"""The emulator as a test holds it: the platform, with a server to start and stop, jobs and faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from ant_wif.emulator._app import build_app
from ant_wif.emulator._console.browser import Landing, decide
from ant_wif.emulator._console.consent import own_origins
from ant_wif.emulator._http.server import ServerThread, is_loopback
from ant_wif.emulator._issuers.files import Folder
from ant_wif.emulator._seed.seed import seeded_state
from ant_wif.emulator._seed.seed_file import Config, read_seed
from ant_wif.emulator._state.clock import MovedClock
from ant_wif.emulator.faults import Fault, FaultPlan
from ant_wif.emulator.jobs import Jobs
from ant_wif.emulator.platforms import Platforms


class Emulator(Jobs):
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
        config: Config | None = None,
    ) -> None:
        """`config` is the path of a seed file in YAML, or what would stand in one.

        Raises ValueError for a host beyond this machine, unless `allow_remote`: anyone may get a token.
        Raises ConfigurationError for a seed file that cannot be used.
        """
        if not allow_remote and not is_loopback(host):
            raise ValueError(f"host {host!r} is not a loopback address; the emulator is for this machine only")
        if not 0 <= port <= 65535:
            raise ValueError(f"port {port} is not between 0 and 65535")
        self.clock = clock
        self._host, self._port = host, port
        self._folder = Folder()
        # Not `clock` itself, so that a test may put another one in its place.
        self._time = MovedClock(lambda: self.clock())  # noqa: PLW0108
        platforms = Platforms(self._now, self._folder)
        super().__init__(seeded_state(platforms.all(), self._time.service_now, read_seed(config)), platforms)
        self._config = config
        self._faults = FaultPlan()
        self._server: ServerThread | None = None
        self._others: list[Emulator] = []

    def start(self) -> Emulator:
        """Listen. Raises OSError when the port is taken. Does nothing when started already."""
        if self._server is None:
            server = ServerThread(self._host, self._port)
            self._state.set_address(server.base_url)
            self._server = server
            try:
                providers = self._platforms.all()
                app = build_app(self._state, providers, self, faults=self._faults, base_url=server.base_url)
                server.start(app)
            except RuntimeError:
                self._server = None
                raise
        return self

    def fresh(self) -> Emulator:
        """Start another: it shares nothing with this one but the clock, and stops with it at the latest."""
        other = Emulator(self._host, clock=self._now, allow_remote=True, config=self._config).start()
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

    def fail(self, endpoint: str, fault: Fault, *, times: int = 1) -> None:
        """Have the next `times` requests to an endpoint meet a fault: `fail("token", Fault.status(429))`.

        `endpoint` is `token`, `models`, `messages`, `count_tokens`, `admin`, `oidc`, `google`, `azure`, `kubernetes`,
        `oauth`, `authorize`, `discovery` or `jwks`.
        Faults of one endpoint come in the order in which they were asked for. Raises ValueError for an
        endpoint that is not one, a fault that it cannot have, or `times` below 1.
        """
        self._faults.add(endpoint, fault, times)

    def approve(self, url: str, *, workspace_id: str | None = None) -> Landing:
        """Do what a person does who opens an authorize URL and approves; return what the browser shows then.

        Where the answer goes to a listener, this waits for its page. `workspace_id` picks a workspace, by
        default the one that is preselected. Raises ValueError for a URL that is not of this emulator, a
        workspace that cannot be picked and a page that does not ask, ConnectionError where nobody answers.
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
        return self._now()

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

    def _now(self) -> float:
        return self._time.now()
