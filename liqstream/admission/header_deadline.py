"""Closes connections that do not finish a request's headers in time, and counts TLS handshakes that fail.

aiohttp has no such limit of its own, and its keep-alive timeout must be long enough for honest clients that
wait between two requests. A connection that never sent a request, or has begun another, has no such excuse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from aiohttp import web

HEADER_DEADLINE_S = 10.0
SWEEP_EVERY_S = 1.0
HANDSHAKE_DEADLINE_S = 10.0
"""For TLS; asyncio ends those that take longer, this only counts them."""

_HEADERS_END = b"\r\n\r\n"


class HeaderDeadline:
    """Watches the connections of a process.

    `closed` counts those that were closed, `failed_handshakes` those that were never made. `deadline_s` is in
    s, `clock` monotonic, in s.
    """

    def __init__(
        self, *, deadline_s: float = HEADER_DEADLINE_S, clock: Callable[[], float] = monotonic
    ) -> None:
        self._deadline_s = deadline_s  # from a request's first byte to the end of its headers
        self._clock = clock  # monotonic, in s
        # Those whose request is being answered.
        self._answering: set[web.RequestHandler] = set()
        # The last bytes of each: those of a whole request's headers end with an empty line, and no connection
        # is kept after a request with a body (http_guard.py), so anything else is the beginning of the next.
        self._tails: dict[web.RequestHandler, bytes] = {}
        # When the request began that is not whole yet: the first one with the connection itself.
        self._incomplete_since_s: dict[web.RequestHandler, float] = {}
        # Connections that have been answered at least once and wait for the next request.
        self._idle: set[web.RequestHandler] = set()
        # Accepted, but not yet made, by id: what fails in a handshake is forgotten by asyncio without a word.
        self._accepted_s: dict[int, float] = {}
        self.closed = 0
        self.failed_handshakes = 0

    def mark_accepted(self, connection: web.RequestHandler) -> None:
        """A peer was accepted; with TLS its handshake begins."""
        if id(connection) in self._accepted_s:  # the one that had this id is gone
            self.failed_handshakes += 1
        self._accepted_s[id(connection)] = self._clock()

    def mark_made(self, connection: web.RequestHandler) -> None:
        """Its handshake, if there was one, is over."""
        self._accepted_s.pop(id(connection), None)

    def mark_bytes(self, connection: web.RequestHandler, data: bytes) -> None:
        """Bytes came: of a socket, or of a request whose first ones they may be."""
        tail = (self._tails.get(connection, b"") + data[-len(_HEADERS_END) :])[-len(_HEADERS_END) :]
        self._tails[connection] = tail
        if connection in self._idle:
            self._idle.discard(connection)
            self._incomplete_since_s[connection] = self._clock()

    def mark_complete(self, connection: web.RequestHandler) -> None:
        """This connection has sent the headers of a whole request: it is not watched while it is answered."""
        self._answering.add(connection)
        self._idle.discard(connection)
        self._incomplete_since_s.pop(connection, None)

    def mark_answered(self, connection: web.RequestHandler) -> None:
        """Its request is answered: it may wait, until it begins another."""
        self._answering.discard(connection)
        if self._tails.get(connection, _HEADERS_END) == _HEADERS_END:
            self._idle.add(connection)
        else:
            self._incomplete_since_s[connection] = self._clock()

    def sweep(self, *servers: web.Server) -> None:
        """Close every connection without whole headers for longer than the deadline."""
        now_s = self._clock()
        connections = {each for server in servers for each in server.connections}
        for watched in (self._answering, self._idle):
            watched.intersection_update(connections)
        for gone in self._tails.keys() - connections:
            del self._tails[gone]
        quiet = self._answering | self._idle
        self._incomplete_since_s = {
            connection: self._incomplete_since_s.get(connection, now_s) for connection in connections - quiet
        }
        for connection, since_s in self._incomplete_since_s.items():
            if now_s - since_s >= self._deadline_s and connection.transport is not None:
                connection.force_close()
                self.closed += 1
        late = [each for each, at_s in self._accepted_s.items() if now_s - at_s > HANDSHAKE_DEADLINE_S + 1]
        for each in late:
            del self._accepted_s[each]
        self.failed_handshakes += len(late)

    async def run(self, *servers: web.Server) -> None:
        """Sweep every second until cancelled."""
        while True:
            self.sweep(*servers)
            await asyncio.sleep(SWEEP_EVERY_S)
