"""Clients that are sent the same bytes: the same symbols in the same variant at the same interval.

An update's frames for all symbols of a group are joined once and written once per client. The joined buffer
lives only while it is written, so the number of groups needs no cap: a group costs what its clients cost.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from liqstream.wire.encoding import Variant


class Client(Protocol):
    """All that a group needs of those in it."""

    @property
    def transport(self) -> asyncio.WriteTransport:
        """Takes what the descriptor did not."""


C = TypeVar("C", bound=Client)

GroupKey = tuple[Variant, tuple[str, ...], bool]
"""Variant, sorted symbols, and whether ticks are sent."""


class Group(Generic[C]):
    """`synced` clients hold exactly what the bucket last sent and can take more; `lagging` are served alone.

    `synced` maps each client to the descriptor it is written by, -1 where only its transport can (TLS).
    `symbols` are sorted; `ticks` says whether they are sent ticks too. `written_at` is when `synced` were
    last written to, monotonic seconds.
    """

    __slots__ = ("lagging", "symbols", "synced", "ticks", "variant", "written_at")

    def __init__(self, variant: Variant, symbols: tuple[str, ...], *, ticks: bool = False) -> None:
        self.variant = variant
        self.symbols = symbols
        self.ticks = ticks
        self.synced: dict[C, int] = {}
        self.lagging: dict[C, None] = {}
        self.written_at = 0.0

    @property
    def key(self) -> GroupKey:
        """What its clients have in common."""
        return self.variant, self.symbols, self.ticks

    def __len__(self) -> int:
        return len(self.synced) + len(self.lagging)

    def write(self, frames: Iterable[bytes]) -> int:
        """Write the frames to every synced client, as one buffer; returns its size in bytes.

        The bytes are written straight to the descriptor: a synced client has nothing in its transport's
        buffer, so the order is kept, and 5,000 transports with their sockets need not pass through the core's
        cache for it. What the kernel does not take, and every error, is the transport's.
        """
        buffer = b"".join(frames)
        size = len(buffer)
        write = os.write
        for client, fd in self.synced.items():
            try:
                written = write(fd, buffer) if fd >= 0 else 0
            except OSError:
                written = 0
            if written != size:
                _leave_to_transport(client.transport, memoryview(buffer)[written:])
        return size


def _leave_to_transport(transport: asyncio.WriteTransport, rest: memoryview) -> None:
    try:
        transport.write(rest)
    except RuntimeError:  # uvloop raises for a transport that is closed already
        transport.abort()
