"""A client without a socket: its transport holds back, and its peer reads, when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from liqstream.fanout.connection_manager import ConnectionManager
from tests.support.frame_reader import FrameReader, StateReader


class HandTransport(asyncio.Transport):
    """A transport whose peer reads only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: asyncio.BaseProtocol = asyncio.Protocol()
        self.arrived = bytearray()
        self.buffer = bytearray()
        self.writes = 0
        self.stalled = False
        self.aborted = False

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0, "the manager asks to be told of the first byte held back"

    def get_write_buffer_size(self) -> int:
        return len(self.buffer)

    def is_closing(self) -> bool:
        return self.aborted

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.writes += 1
        if not self.stalled and not self.buffer:
            self.arrived += data
            return
        was_empty = not self.buffer
        self.buffer += data
        if was_empty:
            self._watch().pause_writing()

    def read_all(self) -> None:
        """The peer reads again."""
        self.stalled = False
        if self.buffer:
            self.arrived += self.buffer
            self.buffer.clear()
            self._watch().resume_writing()

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        self.aborted = True

    def _watch(self) -> asyncio.Protocol:
        assert isinstance(self.protocol, asyncio.Protocol)
        return self.protocol


def done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that must not wait for anything."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


class HandClient:
    """A subscriber with its reader."""

    def __init__(
        self, manager: ConnectionManager, window_bits: int, transport: HandTransport | None = None
    ) -> None:
        self.ws = web.WebSocketResponse(compress=False)
        self.ws._compress = window_bits
        self.transport = transport or HandTransport()
        self.frames = FrameReader(window_bits or 15)
        self.reader = StateReader()
        self.follows: set[str] = set()
        self.proto = 1
        self.ticks = False
        self.silent: dict[str, int] | None = {}
        """Ticks it had got when it last asked for none; None while it asks for them."""
        manager.attach(self.ws, self.transport)

    def read(self) -> None:
        """Take in what has arrived."""
        arrived = bytes(self.transport.arrived)
        self.transport.arrived.clear()
        for message in self.frames.messages(arrived):
            self.reader.take(message)
