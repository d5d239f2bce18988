"""The server's ports: as aiohttp's, with deadlines for handshakes and for the headers of each request.

The public one can be shared with other processes, and left to them without resetting anybody.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from liqstream.admission.header_deadline import HANDSHAKE_DEADLINE_S, HeaderDeadline
from liqstream.http.unread_request import unread_request
from liqstream.server.listen_check import naming

TLS_SHUTDOWN_S = 3.0
"""For a peer's part of ending TLS; after it the connection is aborted."""


class WatchedSite(web.TCPSite):
    """Serves a runner's application and reports to `deadline` what its connections do."""

    # Set before start; TCPSite takes no more arguments.
    deadline: HeaderDeadline
    # Makes the handler of a connection; set by `start`.
    _accept: Callable[[], web.RequestHandler]

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        self._accept = _accepting(self._runner, self.deadline)
        tls = self._ssl_context is not None
        self._server = await asyncio.get_running_loop().create_server(
            self._accept,
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            reuse_port=self._reuse_port,
            ssl_handshake_timeout=HANDSHAKE_DEADLINE_S if tls else None,
            ssl_shutdown_timeout=TLS_SHUTDOWN_S if tls else None,
        )
        self._bound_port = self._server.sockets[0].getsockname()[1]

    def leave(self) -> None:
        """Listen no more, and serve those whom the kernel has queued here: closing would reset them.

        For a port that other processes share: they get whoever connects from now on. What is connected here
        stays. Errors of those who have gone meanwhile are passed over.
        """
        server: Any = self._server  # asyncio's or uvloop's
        # Copies: the loop lets go of its own at once, and the kernel's queue lives as long as any of them.
        listening = [socket.socket(fileno=os.dup(each.fileno())) for each in server.sockets]
        server.close()
        queued: list[socket.socket] = []
        for each in listening:
            with each:
                queued += _accepted(each)
        # Not waited for: a TLS handshake takes as long as its peer likes. Kept, or they would be collected.
        self._late = asyncio.gather(*map(self._serve, queued), return_exceptions=True)

    async def _serve(self, connection: socket.socket) -> None:
        tls = self._ssl_context is not None
        await asyncio.get_running_loop().connect_accepted_socket(
            self._accept,
            connection,
            ssl=self._ssl_context,
            ssl_handshake_timeout=HANDSHAKE_DEADLINE_S if tls else None,
            ssl_shutdown_timeout=TLS_SHUTDOWN_S if tls else None,
        )


class WatchedSocket(web.UnixSite):
    """The same on a Unix socket."""

    # Set before start; UnixSite takes no more arguments.
    deadline: HeaderDeadline

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        self._server = await asyncio.get_running_loop().create_unix_server(
            _accepting(self._runner, self.deadline), self._path, backlog=self._backlog
        )


def _accepting(runner: web.BaseRunner, deadline: HeaderDeadline) -> Callable[[], web.RequestHandler]:
    """Makes the handlers of a site's connections, each watched by `deadline`."""
    server = runner.server
    assert server is not None

    class WatchedHandler(web.RequestHandler):
        """aiohttp's server makes the handlers; their class becomes this one, which has no state."""

        __slots__ = ()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            deadline.mark_made(self)
            super().connection_made(transport)

        def data_received(self, data: bytes) -> None:
            deadline.mark_bytes(self, data)
            super().data_received(data)

        def handle_error(
            self,
            request: BaseRequest,
            status: int = 500,
            exc: BaseException | None = None,
            message: str | None = None,
        ) -> web.StreamResponse:
            """Log as aiohttp does, and answer as the application would, which never sees it."""
            _ = super().handle_error(request, status, exc, message)
            return unread_request(status, exc)

    def accept() -> web.RequestHandler:
        handler = server()
        handler.__class__ = WatchedHandler
        deadline.mark_accepted(handler)
        return handler

    return accept


def _accepted(listening: socket.socket) -> list[socket.socket]:
    """All connections that wait; the socket is closed right after, so nothing is done in between."""
    listening.setblocking(False)
    found: list[socket.socket] = []
    while True:
        try:
            connection, _ = listening.accept()
        except ConnectionAbortedError:
            continue
        except OSError:  # none is left, or no descriptor
            return found
        connection.setblocking(False)
        found.append(connection)


async def start_site(site: WatchedSite | WatchedSocket, deadline: HeaderDeadline, name: str) -> None:
    """Start a site beside the server's own. Raises OSError that names it."""
    site.deadline = deadline
    with naming(name):
        await site.start()
