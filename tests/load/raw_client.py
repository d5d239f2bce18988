"""A WebSocket client that costs next to nothing: it looks at each snapshot's head and counts."""

from __future__ import annotations

import asyncio
import re
import struct
import time
from collections import defaultdict
from dataclasses import dataclass, field

_HANDSHAKE = (
    "GET /ws/heatmap HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_HEAD = re.compile(rb'"(epoch|seq|skipped)":(\d+)')
_TEXT, _CLOSE, _PING = 1, 8, 9


@dataclass
class Crowd:
    """What all clients together saw."""

    clients: list[RawClient] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    pong_s: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    frames: int = 0
    bytes: int = 0
    _arrivals: dict[tuple[str, int, int], list[float]] = field(
        default_factory=lambda: defaultdict(lambda: [float("inf"), 0.0])
    )
    _tasks: set[asyncio.Task[object]] = field(default_factory=set)

    def add(self, client: RawClient, port: int) -> None:
        """Let a client connect."""
        self.clients.append(client)
        client.port = port
        loop = asyncio.get_running_loop()
        task: asyncio.Task[object] = loop.create_task(_connect(client, port))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def arrived(self, key: tuple[str, int, int], *, joining: bool) -> None:
        """A snapshot came to a client; one that joins gets an old one at its own time."""
        if not joining:
            span, now_s = self._arrivals[key], time.monotonic()
            span[0], span[1] = min(span[0], now_s), max(span[1], now_s)

    def spreads_s(self) -> list[float]:
        """From the first to the last client, for each snapshot."""
        return [last - first for first, last in self._arrivals.values()]

    def failed(self) -> int:
        """Clients that got nothing, were refused or cut off."""
        return sum(client.failed or client.held is None for client in self.clients)

    @staticmethod
    def percentile(values: list[float], percent: int) -> float:
        """The percentile, 0 of nothing."""
        ordered = sorted(values)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0

    def close(self) -> None:
        """Everybody leaves."""
        for client in self.clients:
            client.leave()


async def _connect(client: RawClient, port: int) -> None:
    try:
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    except OSError:
        client.failed = True


class RawClient(asyncio.Protocol):
    """One client of one symbol."""

    def __init__(self, crowd: Crowd, symbol: str, *, interval_s: int, proto: int) -> None:
        self.failed = False
        self.held: tuple[int, int] | None = None
        self.port = 0
        self._crowd = crowd
        self._symbol = symbol
        self._buffer = b""
        self._upgraded = self._leaving = False
        self._asked_s = self._pinged_s = 0.0
        more = ',"proto":2' if proto == 2 else ""
        self._subscription = (
            f'{{"action":"subscribe","symbols":["{symbol}"],"update_interval":{interval_s}{more}}}'
        )
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._transport.write(_HANDSHAKE.format(port=self.port).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Before leaving, that is a failure."""
        self.failed = self.failed or not self._leaving

    def leave(self) -> None:
        """Go without a word."""
        self._leaving = True
        if self._transport is not None:
            self._transport.abort()

    def ping(self) -> None:
        """Ask for a pong and time it."""
        if self._upgraded and not self._pinged_s and not self.failed:
            self._pinged_s = time.monotonic()
            self._say('{"action":"ping"}')

    def _say(self, text: str) -> None:
        assert self._transport is not None
        data = text.encode()
        # Masked with zeros: valid, and nothing to compute.
        self._transport.write(struct.pack("!BB4x", 0x81, 0x80 | len(data)) + data)

    def data_received(self, data: bytes) -> None:
        """Read whole frames."""
        self._buffer += data
        if not self._upgraded and not self._upgrade():
            return
        while (frame := self._frame()) is not None:
            self._take(*frame)

    def _upgrade(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 101"):
            self.failed = True
            return False
        self._upgraded, self._buffer = True, rest
        self._asked_s = time.monotonic()
        self._say(self._subscription)
        return True

    def _frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, at = buffer[1], 2
        if size == 126:
            size, at = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < at + size:
            return None
        self._buffer = buffer[at + size :]
        return buffer[0] & 0x0F, buffer[at : at + size]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _CLOSE:
            self.failed = not self._leaving
        elif opcode == _PING and self._transport is not None:
            self._transport.write(struct.pack("!BB4x", 0x8A, 0x80 | len(payload)) + payload)
        elif opcode == _TEXT:
            kind = payload[:20]
            if b'"snapshot"' in kind or b'"delta"' in kind:
                self._take_snapshot(payload)
            elif b'"pong"' in kind and self._pinged_s:
                self._crowd.pong_s.append(time.monotonic() - self._pinged_s)
                self._pinged_s = 0.0
            elif b'"error"' in kind:
                self.failed = True

    def _take_snapshot(self, payload: bytes) -> None:
        head = {name: int(number) for name, number in _HEAD.findall(payload)}
        new, held, crowd = (head[b"epoch"], head[b"seq"]), self.held, self._crowd
        crowd.frames += 1
        crowd.bytes += len(payload)
        crowd.arrived((self._symbol, *new), joining=held is None)
        if held is None:
            crowd.first_s.append(time.monotonic() - self._asked_s)
        elif new <= held:
            crowd.violations.append(f"{self._symbol} {new} came after {held}")
        elif new[0] == held[0] and new[1] - held[1] - 1 != head[b"skipped"]:
            crowd.violations.append(f"{self._symbol} {held} to {new} with {head[b'skipped']} skipped")
        self.held = new
