"""The options on real sockets, and what a real kernel has not delivered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import cast

import pytest

from liqstream.fanout.socket_options import (
    NOTSENT_LOWAT_BYTES,
    SEND_BUFFER_BYTES,
    USER_TIMEOUT_MS,
    plain_socket_fd,
    tune_socket,
    undelivered_bytes,
)
from tests.support.hand_client import HandTransport


@pytest.fixture
async def pair() -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """A transport over loopback TCP and its peer, which reads nothing by itself."""
    accepted: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    class Accept(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(cast("asyncio.Transport", transport))

    server = await asyncio.get_running_loop().create_server(Accept, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as peer:
        transport = await accepted
        yield transport, peer
        transport.abort()
    server.close()


async def test_a_tcp_connection_is_tuned(pair: tuple[asyncio.Transport, socket.socket]) -> None:
    """Every option that this platform has."""
    transport, _ = pair
    tune_socket(transport)
    sock = transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER_BYTES
    for name, value in (("TCP_NOTSENT_LOWAT", NOTSENT_LOWAT_BYTES), ("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)):
        if hasattr(socket, name):
            assert sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value


def test_other_transports_are_left_alone() -> None:
    """One without a socket, as in tests and over pipes."""
    transport = HandTransport()
    tune_socket(transport)
    assert plain_socket_fd(transport) == -1
    transport.buffer += b"abc"
    assert undelivered_bytes(transport) == 3


async def test_the_descriptor_is_the_sockets(pair: tuple[asyncio.Transport, socket.socket]) -> None:
    """What is written to it arrives at the peer."""
    transport, _ = pair
    assert plain_socket_fd(transport) == transport.get_extra_info("socket").fileno()


async def test_bytes_count_until_the_peer_has_them(
    pair: tuple[asyncio.Transport, socket.socket],
) -> None:
    """In the transport's buffer and in the kernel's queue; none once all is acknowledged."""
    transport, peer = pair
    tune_socket(transport)
    assert undelivered_bytes(transport) == 0
    transport.write(b"x" * 8_000_000)
    waiting = undelivered_bytes(transport)
    assert transport.get_write_buffer_size() < waiting <= 8_000_000
    loop = asyncio.get_running_loop()
    peer.setblocking(False)
    left = 8_000_000
    async with asyncio.timeout(10):
        while left:
            left -= len(await loop.sock_recv(peer, 1_000_000))
    assert undelivered_bytes(transport) < waiting
