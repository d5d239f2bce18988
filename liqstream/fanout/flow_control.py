"""Learn when a transport is full and when it has drained, by the callbacks asyncio gives its protocol.

aiohttp keeps these callbacks to itself, so we stand between the transport and aiohttp's protocol and pass
everything on. With a high-water mark of 0 "paused" means exactly "not all of it is in the kernel yet":
nothing needs to be polled, and a client without pending bytes costs no task.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from liqstream.fanout.connection import Connection


class TransportWatcher(Protocol):
    """Is called when the state of a connection's transport changes."""

    def transport_paused(self, connection: Connection) -> None:
        """The transport holds bytes the kernel has not taken; may be called inside its `write`."""

    def transport_resumed(self, connection: Connection) -> None:
        """It has none left."""

    def transport_lost(self, connection: Connection) -> None:
        """It is closed; nothing more can be written."""


class DrainWatch(asyncio.Protocol):
    """A protocol that calls `watcher` on pause, resume and loss, and passes every call to `inner`.

    `inner` comes first but for the loss: aiohttp then ends the handler, which must find the client forgotten.
    """

    __slots__ = ("_connection", "_inner", "_watcher")

    def __init__(self, inner: asyncio.Protocol, watcher: TransportWatcher, connection: Connection) -> None:
        self._inner = inner
        self._watcher = watcher
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass it on."""
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the loss, then pass it on."""
        self._watcher.transport_lost(self._connection)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on, then report the pause."""
        self._inner.pause_writing()
        self._watcher.transport_paused(self._connection)

    def resume_writing(self) -> None:
        """Pass it on, then report that the transport has drained."""
        self._inner.resume_writing()
        self._watcher.transport_resumed(self._connection)


def watch_drain(connection: Connection, watcher: TransportWatcher) -> None:
    """Call `watcher` whenever the transport begins to hold bytes back, has none left, or is lost.

    Raises TypeError where the transport's protocol is not asyncio's kind that learns of pauses.
    """
    transport = connection.transport
    inner = transport.get_protocol()
    if not isinstance(inner, asyncio.Protocol):
        raise TypeError(f"cannot watch a transport whose protocol is {type(inner).__name__}")
    transport.set_protocol(DrainWatch(inner, watcher, connection))
    transport.set_write_buffer_limits(high=0)
