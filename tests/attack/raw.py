"""A WebSocket client made of bytes: it can say what no library would."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from tests.attack.harness import Victim

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    declared: int | None = None,
) -> bytes:
    """One client frame; `declared` is a length that need not be the payload's."""
    size = len(payload) if declared is None else declared
    head = bytes([(fin << 7) | reserved | opcode])
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 1 << 16:
        head += bytes([mask_bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", size)
    # A mask of zeros leaves the payload as it is.
    return head + (b"\0\0\0\0" if masked else b"") + payload


@dataclass
class RawSocket:
    """A connection after its upgrade."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def receive(self) -> tuple[int, bytes]:
        """The next frame's opcode and payload."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(size)

    async def close_code(self, *, within_s: float = 10) -> int:
        """Read on to the end: the code of the close frame, 1006 if the connection just ended."""
        async with asyncio.timeout(within_s):
            try:
                while True:
                    opcode, payload = await self.receive()
                    if opcode == CLOSE:
                        return int(struct.unpack("!H", payload[:2])[0])
            except (asyncio.IncompleteReadError, ConnectionError):
                return 1006

    async def drop(self) -> None:
        """Close without a word."""
        self.writer.close()


def request(victim: Victim, headers: Mapping[str, str] | None = None) -> bytes:
    """The upgrade request, with more headers."""
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items()).encode()
    return (
        b"GET /ws/heatmap HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n%b\r\n"
        % (f"{victim.host}:{victim.port}".encode(), KEY, more)
    )


async def handshake(
    victim: Victim,
    headers: Mapping[str, str] | None = None,
    *,
    source: str | None = None,
    receive_buffer: int | None = None,
) -> tuple[int, dict[str, str], RawSocket]:
    """Ask for an upgrade: the status, the answer's headers (lower case), and the connection."""
    sock = socket.socket()
    sock.setblocking(False)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source is not None:
        sock.bind((source, 0))
    await asyncio.get_running_loop().sock_connect(sock, (victim.host, victim.port))
    reader, writer = await asyncio.open_connection(sock=sock)
    writer.write(request(victim, headers))
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    answered = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    return int(head[0].split()[1]), answered, RawSocket(reader, writer)


async def connected(victim: Victim, headers: Mapping[str, str] | None = None) -> RawSocket:
    """An upgraded connection."""
    status, _, sock = await handshake(victim, headers)
    assert status == 101, status
    return sock
