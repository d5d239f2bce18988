"""A client that subscribes and then never reads a byte."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from liqstream.client.urls import Addresses
from liqstream.selftest.recording import subscribe

_RECEIVE_BUFFER_BYTES = 4096


@asynccontextmanager
async def stalled_client(
    addresses: Addresses, symbols: tuple[str, ...], *, headers: Mapping[str, str]
) -> AsyncIterator[None]:
    """Subscribed to whole states of `symbols` every second, never read; aborted at the end."""
    url = addresses.stream
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, (url.host, url.port))
        context = ssl.create_default_context() if url.scheme == "wss" else None
        # A reader that nobody reads stops its transport once `limit` bytes wait in it.
        _, writer = await asyncio.open_connection(
            sock=raw.dup(), ssl=context, server_hostname=url.host if context else None, limit=1024
        )
        try:
            writer.write(_handshake(addresses, headers))
            writer.write(_text_frame(json.dumps(subscribe(symbols, delta=False)).encode()))
            await writer.drain()
            yield
        finally:
            writer.transport.abort()


def _handshake(addresses: Addresses, headers: Mapping[str, str]) -> bytes:
    url = addresses.stream
    lines = [
        f"GET {url.raw_path} HTTP/1.1",
        f"Host: {url.host}:{url.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _text_frame(payload: bytes) -> bytes:
    """A masked text frame; the mask is zero, so the payload is itself."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload
