"""Clients that want the same bytes: the same symbols in the same variant at the same interval.

A tick's frames for all symbols of a group are joined once and written once per client. The joined buffer
lives only while it is written, so the number of groups needs no cap: a group costs what its clients cost.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from liqstream.ws.encoding import Variant


class Client(Protocol):
    """All that a group needs of those in it."""

    @property
    def transport(self) -> asyncio.WriteTransport:
        """Takes what the descriptor did not."""


C = TypeVar("C", bound=Client)


class Group(Generic[C]):
    """`in_step` hold exactly what the bucket said last and can take more; `behind` are served one by one.

    `in_step` maps each client to the descriptor it is written by, -1 where only its transport can (TLS).
    """

    __slots__ = ("behind", "in_step", "symbols", "variant", "written_at")

    def __init__(self, variant: Variant, symbols: tuple[str, ...]) -> None:
        self.variant = variant
        self.symbols = symbols
        self.in_step: dict[C, int] = {}
        self.behind: dict[C, None] = {}
        self.written_at = 0.0

    def __len__(self) -> int:
        return len(self.in_step) + len(self.behind)

    def write(self, frames: Iterable[bytes]) -> int:
        """Write the frames to every client in step, as one buffer; returns its size in bytes.

        The bytes go straight to the descriptor: a client in step has nothing in its transport's buffer, so
        the order is kept, and 5,000 transports with their sockets need not pass through the core's cache for
        it. What the kernel does not take, and every error, is the transport's.
        """
        buffer = b"".join(frames)
        size = len(buffer)
        write = os.write
        for client, fd in self.in_step.items():
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
    except RuntimeError:  # uvloop's word for a transport that is closed already
        transport.abort()
