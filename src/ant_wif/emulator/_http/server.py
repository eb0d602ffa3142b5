"""An ASGI application on a socket of its own, served by a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection:
    """Lives in the event loop of the server."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._lost = asyncio.Event()

    def lost(self) -> None:
        """Told by the server: there is no connection any more."""
        self._lost.set()

    async def hang_up(self) -> None:
        """Send what was written, close, and return when it is closed.

        An application that returns earlier with its answer unfinished gets an error logged by uvicorn.
        """
        self._transport.close()
        await self._lost.wait()

    async def ends_within(self, seconds: float) -> bool:
        """Wait, for as long as there is a connection; return whether there is none any more."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._lost.wait(), seconds)
        return self._lost.is_set()


class Connected(H11Protocol):
    """uvicorn's protocol, which puts its connection into the `state` of every scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        self._link = Connection(transport)
        self.app_state = {**self.app_state, "connection": self._link}
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._link.lost()


def connection(scope: Scope) -> Connection:
    """Return what `Connected` put into the scope."""
    found: Connection = scope["state"]["connection"]
    return found


_GRACE_SECONDS = 0.1
_IDLE_CONNECTION_SECONDS = 60
_THREAD_SECONDS = 10


class ServerThread:
    """Listens from construction on, so that `base_url` is known, and serves from `start` on.

    Raises OSError when the address cannot be listened on.
    """

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family)
        # asyncio turns Nagle's algorithm off only for a socket that says it is TCP, and a response
        # is written in two parts: without this the second waits 40 ms for an acknowledgement.
        self._listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=bound.detach())
        shown_host = f"[{host}]" if ":" in host else host
        self.port: int = self._listener.getsockname()[1]
        self.base_url = f"http://{shown_host}:{self.port}"

    def start(self, app: ASGIApp) -> None:
        """Serve `app`. Returns when requests are answered; raises RuntimeError when that fails."""
        self._server = _Server(app)
        self._thread = threading.Thread(target=self._run, name=f"emulator {self.base_url}", daemon=True)
        self._thread.start()
        self._server.ready.wait(_THREAD_SECONDS)
        if not self._server.started:
            self._listener.close()
            raise RuntimeError(f"the emulator did not come up on {self.base_url}")

    def stop(self) -> None:
        """Stop serving and wait for the thread to end. Requests that are under way are given 0.1 s."""
        self._server.request_stop()
        self._thread.join(_THREAD_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._server.ready.set()

    async def _serve(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        # Where a test freezes the time (freezegun replaces the clock in modules, not in defaults), delays still end.
        asyncio.get_running_loop().time = monotonic  # type: ignore[method-assign]
        await self._server.serve([self._listener])


class _Server(uvicorn.Server):
    """uvicorn, but woken when it is to stop, where its own loop looks ten times a second."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                _ending_quietly(app),
                loop="asyncio",
                http=Connected,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="warning",
                access_log=False,
                date_header=False,  # uvicorn's would be the real time, not that of the emulator's clock
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_IDLE_CONNECTION_SECONDS,
            )
        )
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def request_stop(self) -> None:
        """Ask the server to stop, from any thread."""
        if self._loop is not None and self._stopping is not None:
            # A loop that is closed has stopped already.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        if self._stopping is not None:
            await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._settle()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await self._settle()

    async def _settle(self) -> None:
        """Let requests end and closed connections go, for at most the time of grace."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _GRACE_SECONDS
        while (self.server_state.connections or self.server_state.tasks) and loop.time() < until:
            await asyncio.sleep(0.001)
        # A transport closes its socket one turn of the loop after its protocol heard of it.
        await asyncio.sleep(0)


def _ending_quietly(app: ASGIApp) -> ASGIApp:
    """Return an application whose requests may be cancelled when the server stops: uvicorn would log each."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return serve
