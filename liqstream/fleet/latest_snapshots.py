"""The newest snapshot of every symbol, wherever it comes from, and the batches made of what is new.

The one place that decides what clients may see: per symbol (epoch, seq) only grows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from liqstream.heatmap.snapshot import NO_POSITION, HeatmapSnapshot
from liqstream.heatmap.updates import SnapshotBatch


class LatestSnapshots:
    """Takes snapshots in any order, yields those of the active symbols in theirs.

    `newest` keeps the newest of every symbol, active or not. A symbol that becomes active is `unsent` until
    one of its snapshots was taken for the next batch; that may be the one yielded last time.

    `keep_epoch` is awaited before the first snapshot of an epoch is yielded. None below `lowest_epoch` is
    taken: clients of before a restart were sent that one.
    """

    def __init__(self, keep_epoch: Callable[[int], Awaitable[None]], *, lowest_epoch: int = 0) -> None:
        self.keep_epoch = keep_epoch
        self.newest: dict[str, HeatmapSnapshot] = {}
        self.highest_epoch = lowest_epoch
        self.unsent: set[str] = set()
        self._lowest_epoch = lowest_epoch
        self._active: frozenset[str] = frozenset()
        # The next batch: at most one snapshot per symbol, so that a slow reader finds no queue.
        self._waiting: dict[str, HeatmapSnapshot] = {}
        self._has_waiting = asyncio.Event()

    def set_active(self, symbols: frozenset[str]) -> None:
        """Yield these symbols from now on, and no others."""
        self.unsent = (self.unsent | (symbols - self._active)) & symbols
        self._active = symbols

    def offer(self, snapshot: HeatmapSnapshot) -> bool:
        """Take a snapshot; False for one that is not newer than the symbol's newest.

        The newest is taken a second time while its symbol is `unsent`.
        """
        symbol, newest = snapshot.symbol, self.newest.get(snapshot.symbol)
        known = newest.position if newest else NO_POSITION
        if snapshot.epoch < self._lowest_epoch:
            return False
        if snapshot.position < known or (snapshot.position == known and symbol not in self.unsent):
            return False
        self.newest[symbol] = snapshot
        self.highest_epoch = max(self.highest_epoch, snapshot.epoch)
        if symbol in self._active:
            self.unsent.discard(symbol)
            self._waiting[symbol] = snapshot
            self._has_waiting.set()
        return True

    def forget(self, symbol: str) -> None:
        """Drop the newest of a symbol that is not followed any more, also where it waits to be sent."""
        self.newest.pop(symbol, None)
        self._waiting.pop(symbol, None)
        self.unsent.discard(symbol)

    async def batches(self) -> AsyncGenerator[SnapshotBatch]:
        """Yield what is new of the active symbols, without end; a slow reader gets the newest of each."""
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            waiting, self._waiting = self._waiting, {}
            if not waiting:
                continue  # what waited was forgotten
            await self.keep_epoch(max(snapshot.epoch for snapshot in waiting.values()))
            yield tuple(waiting.values())
