"""A thousand clients in one process, each of which notes when it got which snapshot."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TypeVar

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_HANDSHAKE = (
    f"GET /ws/heatmap HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\n\r\n"
)
CONNECTING_AT_ONCE = 50
PATIENCE_S = 60.0
"""What a client on a busy machine may wait for its first snapshot."""
SAID = re.compile(rb'"(seq|current_price)":([0-9.e+-]+)')


@dataclass(slots=True)
class Receipt:
    """A snapshot as one client got it."""

    at_s: float
    seq: int
    price: float


@dataclass(eq=False)
class Client(asyncio.Protocol):
    """Follows one symbol at a snapshot a second and notes what each snapshot says."""

    symbol: str
    address: str
    receipts: list[Receipt] = field(default_factory=list)
    lost: bool = False
    refused: str = ""
    """The status line of a handshake that was not accepted."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has a snapshot, or is lost."""
    _buffer: bytearray = field(default_factory=bytearray)
    upgraded: bool = False
    _transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            transport.write((_HANDSHAKE % self.address).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.settled.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head[:16]:
                self.refused = bytes(head).partition(b"\r\n")[0].decode()
                self.leave()
                return
            self.upgraded, self._buffer = True, rest
            self._write(0x81, self.wish().encode())
        while (size := _frame_bytes(self._buffer)) and len(self._buffer) >= size:
            frame = bytes(self._buffer[:size])
            del self._buffer[:size]
            if frame[0] == 0x89:
                self._write(0x8A, frame[2:])
            self.take_message(frame)
            if self.receipts:
                self.settled.set()

    def wish(self) -> str:
        """What it asks for; shorter than 126 bytes."""
        return f'{{"action":"subscribe","symbols":["{self.symbol}"],"update_interval":1}}'

    def take_message(self, frame: bytes) -> None:
        """Note a snapshot."""
        said = dict(SAID.findall(frame))
        if b"seq" in said and b"current_price" in said:
            now_s = time.monotonic()
            self.receipts.append(Receipt(now_s, int(said[b"seq"]), float(said[b"current_price"])))

    def _write(self, first_byte: int, payload: bytes) -> None:
        if self._transport is not None:
            # Masked with zeros: valid, and nothing to compute.
            self._transport.write(bytes([first_byte, 0x80 | len(payload)]) + bytes(4) + payload)

    def leave(self) -> None:
        """Go without a word."""
        if self._transport is not None:
            self._transport.abort()


AnyClient = TypeVar("AnyClient", bound=Client)


def _frame_bytes(buffer: bytearray) -> int:
    """The size of the frame that begins here; 0 while its head is incomplete."""
    if len(buffer) < 10:
        return len(buffer) >= 2 and buffer[1] < 126 and 2 + buffer[1]
    size = buffer[1]
    if size < 126:
        return 2 + size
    head = 4 if size == 126 else 10
    return head + int.from_bytes(buffer[2:head], "big")


async def connected(
    address: str,
    count: int,
    symbols: Sequence[str],
    make: Callable[[str, str], AnyClient],
    *,
    open_socket: Callable[[], socket.socket] = socket.socket,
    at_once: int = CONNECTING_AT_ONCE,
) -> list[AnyClient]:
    """So many clients, spread evenly over the symbols, each with a snapshot.

    The next one comes when one of `at_once` has its snapshot, so a slow server sets the pace. Ends
    the bench, saying how far they came, if one waits longer than `PATIENCE_S` or is refused.
    """
    host, _, port = address.partition(":")
    crowd = [make(symbols[number % len(symbols)], address) for number in range(count)]
    coming = iter(crowd)
    loop = asyncio.get_running_loop()

    async def come() -> None:
        for client in coming:
            async with asyncio.timeout(PATIENCE_S):
                sock = open_socket()
                sock.setblocking(False)
                await loop.sock_connect(sock, (host, int(port)))
                await loop.create_connection(partial(_itself, client), sock=sock)
                await client.settled.wait()
            if client.lost:
                raise ConnectionError(f"lost: {client.refused}")

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(come())
    except ExceptionGroup as error:
        settled = sum(bool(client.receipts) for client in crowd)
        upgraded = sum(client.upgraded for client in crowd)
        far = f"{upgraded} of {count} clients were upgraded, {settled} have a snapshot"
        raise SystemExit(f"{far}: {error.exceptions[0]!r}") from error
    return crowd


def _itself(client: Client) -> Client:
    return client


def missed_ticks(crowd: list[Client], began_s: float, ended_s: float) -> tuple[int, int]:
    """Pauses of more than 1.5 s, and snapshots that were made and did not come, of all clients."""
    late = passed_over = 0
    for client in crowd:
        inside = [receipt for receipt in client.receipts if began_s < receipt.at_s <= ended_s]
        late += sum(after.at_s - before.at_s > 1.5 for before, after in pairwise(inside))
        passed_over += sum(after.seq - before.seq - 1 for before, after in pairwise(inside))
    return late, passed_over
