"""A generator so light that one process holds thousands of clients: it frames nothing and parses nothing.

k6 gives every client an interpreter of its own, which on a small machine is what gives way first.
"""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import dataclass, field

HANDSHAKE = (
    b"GET /ws/heatmap HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SUBSCRIBE = b'{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":5}'
PING = b'{"action":"ping"}'
SNAPSHOT, PONG = b'{"type":"snapshot"', b'{"type":"pong"'
AT_ONCE = 50
"""Clients that connect at the same moment."""


def _text_frame(payload: bytes) -> bytes:
    return bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


@dataclass
class Seen:
    """What all clients saw together; times in seconds."""

    connected: int = 0
    lost: int = 0
    snapshots: int = 0
    received_bytes: int = 0
    first_snapshot_s: list[float] = field(default_factory=list)
    pong_s: list[float] = field(default_factory=list)


class LightClient(asyncio.Protocol):
    """One client: it subscribes as soon as it is in, and counts what comes."""

    def __init__(self, host: bytes, seen: Seen) -> None:
        self._handshake = HANDSHAKE % host
        self._seen = seen
        self._upgraded = False
        self._asked_s: dict[bytes, float] = {}
        self.transport: asyncio.Transport | None = None
        self.fresh = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._handshake)

    def data_received(self, data: bytes) -> None:
        """Look for the beginnings of messages; one that is cut in two is missed, and asked for again."""
        self._seen.received_bytes += len(data)
        if not self._upgraded:
            self._upgraded = data.startswith(b"HTTP/1.1 101")
            self._seen.connected += self._upgraded
            self.ask(SUBSCRIBE, SNAPSHOT)
            return
        self._seen.snapshots += data.count(SNAPSHOT)
        self._note(data, SNAPSHOT, self._seen.first_snapshot_s)
        self._note(data, PONG, self._seen.pong_s)

    def ask(self, message: bytes, answer: bytes) -> None:
        """Send a message and note when its answer comes."""
        if self.transport is not None:
            self._asked_s[answer] = time.monotonic()
            self.transport.write(_text_frame(message))

    def _note(self, data: bytes, answer: bytes, into: list[float]) -> None:
        if answer in self._asked_s and answer in data:
            into.append(time.monotonic() - self._asked_s.pop(answer))
            if answer is SNAPSHOT:
                self.fresh.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        """The server let go, or the test is over."""
        self._seen.lost += 1


async def load(host: str, port: int, *, clients: int, hold_s: float) -> Seen:
    """Connect all, hold them for `hold_s` with a ping each in the middle, and let them go."""
    seen, loop = Seen(), asyncio.get_running_loop()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    name = f"{host}:{port}".encode()
    inside: list[LightClient] = []
    for start in range(0, clients, AT_ONCE):
        made = (
            loop.create_connection(lambda: LightClient(name, seen), host, port)
            for _ in range(min(AT_ONCE, clients - start))
        )
        group = [client for _, client in await asyncio.gather(*made)]
        await asyncio.wait([client.fresh for client in group], timeout=10)
        inside += group
    for client in inside:
        client.ask(PING, PONG)
        await asyncio.sleep(hold_s / clients)
    lost_early = seen.lost
    for client in inside:
        if client.transport is not None:
            client.transport.abort()
    await asyncio.sleep(1)
    seen.lost = lost_early
    return seen


def p95_ms(seconds: list[float]) -> float:
    """The 95th percentile in milliseconds; infinite without any."""
    ordered = sorted(seconds)
    return 1000 * ordered[int(0.95 * (len(ordered) - 1))] if ordered else float("inf")


def summary(seen: Seen, clients: int) -> tuple[list[str], bool]:
    """Lines to print, and whether the thresholds of the k6 test hold here too."""
    failed = (clients - len(seen.first_snapshot_s) + seen.lost) / clients
    first_ms, pong_ms = p95_ms(seen.first_snapshot_s), p95_ms(seen.pong_s)
    passed = failed < 0.01 and first_ms < 500 and pong_ms < 500
    lines = [
        f"{clients} clients at once, light generator: {'passed' if passed else 'FAILED'}",
        f"  connected {seen.connected}, with a snapshot {len(seen.first_snapshot_s)}, lost {seen.lost}",
        f"  failures {100 * failed:.2f} % (under 1 %)",
        f"  subscribe to first snapshot, p95 {first_ms:.0f} ms (under 500)",
        f"  ping to pong, p95 {pong_ms:.0f} ms (under 500)",
        f"  snapshots {seen.snapshots}, {seen.received_bytes / 1e6:.0f} MB",
    ]
    return lines, passed
