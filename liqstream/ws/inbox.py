"""The newest snapshot of every symbol, wherever it comes from, and the ticks made of what is new.

The one place that decides what clients may see: per symbol (epoch, seq) only grows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.updates import Tick
from liqstream.ws.redis_pubsub import NOTHING, order


class Inbox:
    """Takes snapshots in any order, yields them in theirs.

    `newest` keeps the newest of every symbol, followed or not. A symbol that becomes followed is `awaited`
    until one of its snapshots was yielded; that may be the one yielded last time.
    """

    def __init__(self) -> None:
        self.newest: dict[str, HeatmapSnapshot] = {}
        self.highest_epoch = 0
        self.awaited: set[str] = set()
        self._active: frozenset[str] = frozenset()
        self._mail: dict[str, HeatmapSnapshot] = {}
        self._posted = asyncio.Event()

    def follow(self, symbols: frozenset[str]) -> None:
        """Yield these symbols from now on."""
        self.awaited = (self.awaited | (symbols - self._active)) & symbols
        self._active = symbols

    def offer(self, snapshot: HeatmapSnapshot) -> bool:
        """Take a snapshot; False for one that is not newer than the symbol's newest."""
        symbol, newest = snapshot.symbol, self.newest.get(snapshot.symbol)
        had = order(newest) if newest else NOTHING
        if order(snapshot) < had or (order(snapshot) == had and symbol not in self.awaited):
            return False
        self.newest[symbol] = snapshot
        self.highest_epoch = max(self.highest_epoch, snapshot.epoch)
        if symbol in self._active:
            self.awaited.discard(symbol)
            self._mail[symbol] = snapshot
            self._posted.set()
        return True

    def has_mail(self) -> bool:
        """True while something waits to be yielded."""
        return bool(self._mail)

    async def ticks(self) -> AsyncIterator[Tick]:
        """What is new of the followed symbols. A late reader gets the newest of each, once."""
        while True:
            await self._posted.wait()
            self._posted.clear()
            mail, self._mail = self._mail, {}
            yield tuple(mail.values())
