"""A client that reads only when told to, and maps too big for the kernels between it and the server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.snapshot import HeatmapSnapshot
from tests.support.frame_reader import FrameReader
from tests.support.snapshots import first_snapshot
from tests.support.ws_server import PATIENCE_S, WsServer, until

SUBSCRIBE = b'{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":1}'

BIG = Grid(90_000.0, 5.0, 6000)
"""A map of 400 KB: more than the kernels of both sides take of a peer that does not read."""


def big_snapshot(seq: int) -> HeatmapSnapshot:
    """A snapshot that blocks a client that does not read."""
    return first_snapshot(seq=seq, grid=BIG)


class StalledClient:
    """A WebSocket client on a bare socket: it reads when told to, and only then."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader()

    def say(self, payload: bytes) -> None:
        """Send one short text message, masked with zeros."""
        size = len(payload)
        assert size < 65536
        head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2, "big")
        self._writer.write(head + b"\0\0\0\0" + payload)

    async def message(self) -> dict[str, Any]:
        """The next text message."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                head = await self._reader.readexactly(2)
                size = head[1]
                more = {126: 2, 127: 8}.get(size, 0)
                length = await self._reader.readexactly(more)
                body = await self._reader.readexactly(int.from_bytes(length, "big") if more else size)
                for message in self._frames.messages(head + length + body):
                    return message

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""

    def vanish(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()


@asynccontextmanager
async def stalled_client(server: WsServer, subscribe: bytes) -> AsyncIterator[StalledClient]:
    """A subscribed client with a small receive buffer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (server.host, server.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    writer.write(
        b"GET /ws/heatmap HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    client = StalledClient(reader, writer)
    client.say(subscribe)
    await until(lambda: bool(server.manager.active_connections))
    try:
        yield client
    finally:
        writer.transport.abort()


async def block(server: WsServer) -> int:
    """Let a snapshot wait for the one client, which stalled, behind one that its kernels cannot take whole.

    Returns the seq of what waits. It is of another epoch: that goes out at once, whatever the interval.
    """
    await server.manager.broadcast(big_snapshot(1))
    await server.manager.broadcast(replace(big_snapshot(2), epoch=2))
    await until(lambda: server.manager.get_stats().pending_snapshots == 1)
    return 2
