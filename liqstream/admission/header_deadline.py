"""Closes connections that do not finish their first request's headers in time.

aiohttp has no such limit of its own, and its keep-alive timeout must be long enough for honest clients that
wait between two requests. A connection that never asked anything has no such excuse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from aiohttp import web

HEADER_DEADLINE_S = 10.0
SWEEP_EVERY_S = 1.0


class HeaderDeadline:
    """Watches the connections of one server; `heard` takes one out of the watch."""

    def __init__(
        self, *, deadline_s: float = HEADER_DEADLINE_S, clock: Callable[[], float] = monotonic
    ) -> None:
        self._deadline_s = deadline_s
        self._clock = clock
        self._heard: set[web.RequestHandler] = set()
        self._silent_since_s: dict[web.RequestHandler, float] = {}
        self.closed = 0

    def heard(self, connection: web.RequestHandler) -> None:
        """This connection has sent a whole request."""
        self._heard.add(connection)

    def sweep(self, server: web.Server) -> None:
        """Close what has been silent, or in the middle of its headers, for longer than the deadline."""
        now_s = self._clock()
        connections = server.connections
        self._heard.intersection_update(connections)
        silent = [connection for connection in connections if connection not in self._heard]
        self._silent_since_s = {
            connection: self._silent_since_s.get(connection, now_s) for connection in silent
        }
        for connection, since_s in self._silent_since_s.items():
            if now_s - since_s >= self._deadline_s and connection.transport is not None:
                connection.force_close()
                self.closed += 1

    async def run(self, server: web.Server) -> None:
        """Sweep every second until cancelled."""
        while True:
            self.sweep(server)
            await asyncio.sleep(SWEEP_EVERY_S)
