"""A TCP proxy that misbehaves on demand: latency, bandwidth, slices, resets, silence."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from dataclasses import dataclass, field

CHUNK_BYTES = 65536
_LINGER_ZERO = struct.pack("ii", 1, 0)


@dataclass
class TcpProxy:
    """Listens on a free loopback port in front of `target_port`; its attributes may change at any time."""

    target_port: int
    random: random.Random = field(default_factory=random.Random)
    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0
    slice_bytes: int = 0
    port: int = 0
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Listen."""
        self.behave()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in set(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def behave(self) -> None:
        """Pass everything on, at once."""
        self.latency_s = self.jitter_s = self.bytes_per_s = 0.0
        self.slice_bytes = 0
        self._open.set()

    def go_dark(self) -> None:
        """Take every byte and pass none on, without a word."""
        self._open.clear()

    def reset(self) -> None:
        """Answer every open connection with an RST."""
        for writer in list(self._writers):
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:  # else it was closed just now
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
            self._writers.add(back)
            try:
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            finally:
                self._writers.discard(back)
                back.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read at once, write when due: latency delays every byte but does not narrow the road."""
        road: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = asyncio.create_task(self._deliver(road, writer))
        try:
            due_s = 0.0
            while data := await reader.read(CHUNK_BYTES):
                due_s = max(due_s, asyncio.get_running_loop().time() + self._delay_s())
                road.put_nowait((due_s, data))
            # One side is done: so is the other, as with any proxy that knows no half-open connections.
            raise ConnectionResetError
        finally:
            delivering.cancel()

    async def _deliver(self, road: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due_s, data = await road.get()
            await self._open.wait()
            await asyncio.sleep(due_s - asyncio.get_running_loop().time())
            size = self.slice_bytes or len(data)
            for at in range(0, len(data), size):
                piece = data[at : at + size]
                writer.write(piece)
                await writer.drain()
                if self.slice_bytes or self.bytes_per_s:
                    await asyncio.sleep(len(piece) / self.bytes_per_s if self.bytes_per_s else 0)

    def _delay_s(self) -> float:
        return max(0.0, self.latency_s + self.random.uniform(-self.jitter_s, self.jitter_s))
