"""Clients that are sent the same bytes: the same symbols in the same variant at the same interval.

An update's frames for all symbols of a group are joined once and written once per client. The joined buffer
lives only while it is written, so the number of groups needs no cap: a group costs what its clients cost.
"""

from __future__ import annotations

import asyncio
import os
from array import array
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

    `synced` maps each client to the descriptor it is written by, -1 where only its transport can (TLS); it
    changes by `sync` and `unsync` alone.
    `symbols` are sorted; `ticks` says whether they are sent ticks too. `written_at` is when `synced` were
    last written to, monotonic seconds.
    """

    __slots__ = ("_descriptors", "lagging", "symbols", "synced", "ticks", "variant", "written_at")

    def __init__(self, variant: Variant, symbols: tuple[str, ...], *, ticks: bool = False) -> None:
        self.variant = variant
        self.symbols = symbols
        self.ticks = ticks
        self.synced: dict[C, int] = {}
        self._descriptors: array[int] | None = None  # the plain ones of `synced`; None: to be made anew
        self.lagging: dict[C, None] = {}
        self.written_at = 0.0

    @property
    def key(self) -> GroupKey:
        """What its clients have in common."""
        return self.variant, self.symbols, self.ticks

    def __len__(self) -> int:
        return len(self.synced) + len(self.lagging)

    def sync(self, client: C, fd: int) -> None:
        """From now on the client is written to with the others."""
        self.lagging.pop(client, None)
        self.synced[client] = fd
        self._descriptors = None

    def unsync(self, client: C) -> bool:
        """No longer; False if it was not."""
        self._descriptors = None
        return self.synced.pop(client, None) is not None

    def _plain_descriptors(self) -> array[int]:
        # Side by side in memory, in the order in which the kernel gave them: a loop over the dict touches a
        # client and an integer of each, all over memory, and the write before has emptied the core's cache.
        if self._descriptors is None:
            self._descriptors = array("i", sorted(fd for fd in self.synced.values() if fd >= 0))
        return self._descriptors

    def write(self, frames: Iterable[bytes]) -> int:
        """Write the frames to every synced client, as one buffer; returns its size in bytes.

        The bytes are written straight to the descriptor: a synced client has nothing in its transport's
        buffer, so the order is kept, and 5,000 transports with their sockets need not pass through the core's
        cache for it. What the kernel does not take, and every error, is the transport's.
        """
        buffer = b"".join(frames)
        size = len(buffer)
        write = os.write
        descriptors = self._plain_descriptors()
        incomplete: dict[int, int] = {} if len(descriptors) == len(self.synced) else {-1: 0}
        for fd in descriptors:
            try:
                written = write(fd, buffer)
            except OSError:
                written = 0
            if written != size:
                incomplete[fd] = written
        if incomplete:
            for client, fd in self.synced.items():
                if fd in incomplete:
                    _leave_to_transport(client.transport, memoryview(buffer)[incomplete[fd] :])
        return size


def _leave_to_transport(transport: asyncio.WriteTransport, rest: memoryview) -> None:
    try:
        transport.write(rest)
    except RuntimeError:  # uvloop raises for a transport that is closed already
        transport.abort()
