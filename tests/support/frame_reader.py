"""An independent reader of the wire, for tests: frames to messages to states, checked step by step."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liqstream.heatmap.snapshot import HeatmapSnapshot

Message = dict[str, Any]
BoolArray = NDArray[np.bool_]


class FrameReader:
    """Turns server bytes into messages; one inflater for the whole connection, as most clients keep it."""

    def __init__(self, window_bits: int = 15) -> None:
        self._inflate = zlib.decompressobj(-window_bits)

    def frames(self, stream: bytes) -> Iterator[tuple[int, bytes]]:
        """(opcode, payload) of each frame; the bytes must end with a whole one."""
        at = 0
        while at < len(stream):
            first, size = stream[at], stream[at + 1]
            at += 2
            if size == 126:
                (size,) = struct.unpack_from("!H", stream, at)
                at += 2
            elif size == 127:
                (size,) = struct.unpack_from("!Q", stream, at)
                at += 8
            payload = stream[at : at + size]
            assert len(payload) == size, "half a frame"
            at += size
            if first & 0x40:
                payload = self._inflate.decompress(payload + b"\x00\x00\xff\xff")
            yield first & 0x0F, payload

    def messages(self, stream: bytes) -> list[Message]:
        """Every text message of the stream."""
        return [json.loads(payload) for opcode, payload in self.frames(stream) if opcode == 1]


def levels_of(snapshot: HeatmapSnapshot) -> list[dict[str, float]]:
    """The levels a v1 client must see."""
    return [
        {"price": each.price, "long_density": each.long_density, "short_density": each.short_density}
        for each in snapshot.levels
    ]


class StateReader:
    """What one client makes of its messages: its state per symbol, and its books.

    It asserts the contract on the way: (epoch, seq) only grows unless marked as a repeat, deltas build on
    what is held, checksums agree.
    """

    def __init__(self) -> None:
        self.state: dict[str, Message] = {}
        self.last: dict[str, tuple[int, int]] = {}
        self.skipped: dict[str, int] = {}
        self.gaps: dict[str, int] = {}
        self.told: dict[str, int] = {}
        self.received: list[tuple[str, int, int]] = []
        self.ticks: dict[str, int] = {}
        self.others: list[Message] = []

    def take(self, message: Message) -> None:
        """Read one message."""
        if message["type"] in ("snapshot", "delta"):
            self._take_state(message)
        elif message["type"] == "tick":
            self._take_tick(message)
        else:
            for symbol, count in message.get("dropped_by_symbol", {}).items():
                self.told[symbol] = self.told.get(symbol, 0) + count
            self.others.append(message)

    def leave(self, symbol: str) -> None:
        """Unsubscribed: the next snapshot is the first of a subscription."""
        self.last.pop(symbol, None)
        self.state.pop(symbol, None)

    def _take_state(self, message: Message) -> None:
        symbol, new = message["symbol"], (message["epoch"], message["seq"])
        last = self.last.get(symbol)
        if message.get("repeat"):
            assert last is None or new == last
        else:
            assert last is None or new > last, f"{symbol} went from {last} to {new}"
            self.received.append((symbol, *new))
            if last is not None and last[0] == new[0]:
                self.gaps[symbol] = self.gaps.get(symbol, 0) + new[1] - last[1] - 1
                self.skipped[symbol] = self.skipped.get(symbol, 0) + message["skipped"]
        self.last[symbol] = new
        self._apply(message, last)

    def _take_tick(self, message: Message) -> None:
        symbol = message["symbol"]
        assert self.last.get(symbol) == (message["epoch"], message["seq"]), "a tick about what is not held"
        assert message["n"] > self.ticks.get(symbol, 0)
        self.ticks[symbol] = message["n"]

    def _apply(self, message: Message, last: tuple[int, int] | None) -> None:
        data = message["data"]
        if message["type"] == "delta":
            assert last == (message["epoch"], message["prev_seq"]), "a delta against what is not held"
            held = self.state[message["symbol"]]
            for side in ("long", "short"):
                for row, usd in zip(data[side]["i"], data[side]["v"], strict=True):
                    held[side][row] = usd
            held["current_price"] = data["current_price"]
            data = held
        self.state[message["symbol"]] = data
        if "checksum" in message:
            assert checksum(data) == message["checksum"]


def checksum(data: Message) -> int:
    """CRC-32 as docs/websocket_api.md tells clients to compute it."""
    numbers = np.array([data["p0"], data["step"], *data["long"], *data["short"]], dtype="<f8")
    return zlib.crc32(numbers.tobytes())


def hidden_by(tick: Message, data: Message) -> tuple[BoolArray, BoolArray]:
    """Which longs and which shorts of a state a tick hides, as docs/websocket_api.md has it."""
    cells = np.arange(len(data["long"]))
    longs = tick["low"] <= data["p0"] + (cells - 0.5) * data["step"]
    shorts = tick["high"] >= data["p0"] + (cells + 0.5) * data["step"]
    return longs, shorts


def assert_says(data: Message, snapshot: HeatmapSnapshot) -> None:
    """The data, of any shape, is exactly this snapshot's."""
    assert data["current_price"] == snapshot.current_price
    if "levels" in data:
        assert data["levels"] == levels_of(snapshot)
    else:
        assert (data["p0"], data["step"]) == (snapshot.grid.p0, snapshot.grid.step)
        assert data["long"] == snapshot.long.tolist()
        assert data["short"] == snapshot.short.tolist()
