"""A thousand clients in one process, each of which notes when it got which snapshot."""

from __future__ import annotations

import asyncio
import re
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
    _buffer: bytearray = field(default_factory=bytearray)
    _upgraded: bool = False
    _transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            transport.write((_HANDSHAKE % self.address).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            _, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._upgraded, self._buffer = True, rest
            self._write(0x81, self.wish().encode())
        while (size := _frame_bytes(self._buffer)) and len(self._buffer) >= size:
            frame = bytes(self._buffer[:size])
            del self._buffer[:size]
            if frame[0] == 0x89:
                self._write(0x8A, frame[2:])
            self.take_message(frame)

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
    address: str, count: int, symbols: Sequence[str], make: Callable[[str, str], AnyClient]
) -> list[AnyClient]:
    """So many clients, spread evenly over the symbols, each with a snapshot."""
    host, _, port = address.partition(":")
    crowd = [make(symbols[number % len(symbols)], address) for number in range(count)]
    loop = asyncio.get_running_loop()
    for start in range(0, count, 50):
        group = crowd[start : start + 50]
        made = [loop.create_connection(partial(_itself, client), host, int(port)) for client in group]
        await asyncio.gather(*made)
    async with asyncio.timeout(30):
        while not all(client.receipts for client in crowd):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
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
