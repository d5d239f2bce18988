"""A stretch of the stream as it came over the wire, every message with the time of its arrival."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from liqstream.client import Snapshot
from liqstream.client.messages import DeltaMessage, NotUnderstoodError, SnapshotMessage, decode
from liqstream.client.symbol_stream import SymbolStream


@dataclass(slots=True)
class Recording:
    """What one connection received after it subscribed at `subscribed_s` (monotonic)."""

    symbols: tuple[str, ...]
    subscribed_s: float = 0.0
    frames: list[tuple[float, str]] = field(default_factory=list)

    def states(self, symbol: str) -> list[SnapshotMessage | DeltaMessage]:
        """Snapshots and deltas of a symbol, in order."""
        return [message for _, message in self._parsed() if message.symbol == symbol]

    def first_after_s(self, symbol: str) -> float | None:
        """Seconds from subscribing to the symbol's first snapshot, None if none came."""
        times = (at for at, message in self._parsed() if message.symbol == symbol)
        return next((at - self.subscribed_s for at in times), None)

    def rebuilt(self, symbol: str) -> dict[tuple[int, int], Snapshot]:
        """Every state by (epoch, seq), with deltas applied and checksums proved."""
        stream = SymbolStream(symbol)
        taken = (stream.take(message) for message in self.states(symbol))
        return {(state.epoch, state.seq): state for state in taken if state is not None}

    def dropped(self) -> int:
        """Snapshots that SLOW_CONSUMER warnings count as dropped."""
        received = (json.loads(text) for _, text in self.frames)
        return sum(message.get("dropped_messages", 0) for message in received if message["type"] == "warning")

    def _parsed(self) -> Iterator[tuple[float, SnapshotMessage | DeltaMessage]]:
        for at, text in self.frames:
            try:
                message = decode(text)
            except NotUnderstoodError:
                continue
            if isinstance(message, SnapshotMessage | DeltaMessage):
                yield at, message


async def record(
    session: aiohttp.ClientSession,
    url: URL,
    symbols: tuple[str, ...],
    *,
    delta: bool,
    interval_s: int,
    seconds: float,
) -> Recording:
    """Subscribe and record for some seconds, or until the server hangs up."""
    recording = Recording(symbols)
    async with session.ws_connect(url) as socket:
        await socket.send_json(subscribe(symbols, delta=delta, interval_s=interval_s))
        recording.subscribed_s = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                async for frame in socket:
                    recording.frames.append((time.monotonic(), frame.data))
        except TimeoutError:
            pass
    return recording


def subscribe(symbols: tuple[str, ...], *, delta: bool = True, interval_s: int = 1) -> dict[str, Any]:
    """The request for protocol 2."""
    return {
        "action": "subscribe",
        "symbols": list(symbols),
        "update_interval": interval_s,
        "proto": 2,
        "delta": delta,
        "id": 1,
    }
