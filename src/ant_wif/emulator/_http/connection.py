"""The TCP connection of a request, for what HTTP has no words for: to hang up, and to see the client gone."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import Scope
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
