"""Clients that want the same bytes: the same symbols in the same variant at the same interval.

A tick's frames for all symbols of a group are joined once and written once per client. The joined buffer
lives only while it is written, so the number of groups needs no cap: a group costs what its clients cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liqstream.ws.connection import Connection
    from liqstream.ws.encoding import Variant

Write = Callable[[bytes], None]


class Group:
    """`in_step` hold exactly what the bucket said last and can take more; `behind` are served one by one."""

    __slots__ = ("behind", "in_step", "symbols", "variant", "written_at")

    def __init__(self, variant: Variant, symbols: tuple[str, ...]) -> None:
        self.variant = variant
        self.symbols = symbols
        self.in_step: dict[Connection, Write] = {}
        self.behind: dict[Connection, None] = {}
        self.written_at = 0.0

    def __len__(self) -> int:
        return len(self.in_step) + len(self.behind)

    def write(self, frames: Iterable[bytes]) -> int:
        """Write the frames to every client in step, as one buffer; returns its size in bytes.

        A transport that cannot take all of it calls back by itself (drain_watch.py).
        """
        buffer = b"".join(frames)
        for connection, write in self.in_step.items():
            try:
                write(buffer)
            except RuntimeError:  # uvloop's word for a transport that is closed already
                connection.transport.abort()
        return len(buffer)
