"""What a connection leaves behind: its memory is free at its end, without a collection that stops all."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import tracemalloc
import weakref
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from liqstream.ws.endpoint import WsConfig
from tests.support.ws_server import PATIENCE_S, WsServer, ws_server

ROUND = 20
MORE_HEADERS = "User-Agent: a browser\r\nAccept-Language: en\r\nCache-Control: no-cache\r\n"
Leave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def _nothing_is_collected() -> Iterator[None]:
    """Only what is not referred to any more goes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Memory:
    """Of every request and every answer, without keeping them."""

    def __init__(self) -> None:
        self.kept: list[weakref.ref[object]] = []

    def middleware(self) -> Middleware:
        """Takes note of what passes."""

        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            answer = await handler(request)
            self.kept += (weakref.ref(request), weakref.ref(answer))
            return answer

        return note

    async def is_free(self) -> None:
        """Wait until all have been answered and nothing of them is left."""
        while len(self.kept) < 2 * ROUND or any(each() is not None for each in self.kept):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """A client's frame, masked with zeros."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


async def aborts(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Gone without a word."""
    writer.transport.abort()


async def hangs_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The socket is closed, the stream is not."""
    writer.close()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As RFC 6455 has it."""
    writer.write(frame(0x8, b"\x03\xe8"))
    await reader.read()
    writer.close()


async def breaks_the_rules(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A reserved opcode: the server closes."""
    writer.write(frame(0x5))
    await reader.read()
    writer.close()


async def is_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """It follows nothing for too long."""
    await reader.read()
    writer.close()


async def connect(server: WsServer, leave: Leave) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    key = b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /ws/heatmap HTTP/1.1\r\nHost: {server.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    assert b"101 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(frame(0x1, b'{"action":"ping"}'))
    await reader.readexactly(2)
    await leave(reader, writer)


async def ask(server: WsServer, leave: Leave) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(f"GET /ws/stats HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await leave(reader, writer)


@pytest.mark.parametrize("leave", [aborts, hangs_up, closes, breaks_the_rules, is_closed])
async def test_a_socket_leaves_nothing_for_the_collector(leave: Leave) -> None:
    """However it ends."""
    config = WsConfig(idle_s=0.2 if leave is is_closed else 60.0)
    memory = Memory()
    async with ws_server(config, middlewares=[memory.middleware()]) as server, asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(connect(server, leave) for _ in range(ROUND)))
        await memory.is_free()


@pytest.mark.parametrize("leave", [aborts, hangs_up])
async def test_a_request_leaves_nothing_for_the_collector(leave: Leave) -> None:
    """A connection that is kept alive, and then left."""
    memory = Memory()
    async with ws_server(middlewares=[memory.middleware()]) as server, asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(ask(server, leave) for _ in range(ROUND)))
        await memory.is_free()


async def follow(server: WsServer) -> socket.socket:
    """A client that is sent snapshots, and costs this process little itself."""
    loop, client = asyncio.get_running_loop(), socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, (server.host, server.port))
    request = (
        f"GET /ws/heatmap HTTP/1.1\r\nHost: {server.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n{MORE_HEADERS}\r\n"
    )
    await loop.sock_sendall(client, request.encode())
    while b"\r\n\r\n" not in await loop.sock_recv(client, 4096):
        pass
    await loop.sock_sendall(client, frame(0x1, b'{"action":"subscribe","symbols":["BTCUSDT"]}'))
    return client


async def test_an_idle_subscribed_socket_takes_less_than_16_kilobytes() -> None:
    """All that Python has of it: aiohttp's part, the transport's and ours; not pytest's log."""
    clients: list[socket.socket] = []
    logging.disable()
    try:
        async with ws_server() as server, asyncio.timeout(PATIENCE_S):
            clients += [await follow(server) for _ in range(ROUND)]
            tracemalloc.start()
            before, _ = tracemalloc.get_traced_memory()
            clients += [await follow(server) for _ in range(5 * ROUND)]
            while server.manager.get_stats().subscribed_connections < len(clients):  # noqa: ASYNC110  the server has no event for it
                await asyncio.sleep(0)
            after, _ = tracemalloc.get_traced_memory()
            assert (after - before) / (5 * ROUND) < 16_384
    finally:
        tracemalloc.stop()
        logging.disable(logging.NOTSET)
        for client in clients:
            client.close()
