"""Runs the feeds into the maps and the store: each venue its own task, each fact on two ways at once.

What happens now goes to the maps in memory at once and to the store behind it; what happened before (the
backfill, a mended gap) goes to the store first, and the maps of that market are then rebuilt from it, because
a bar that comes late cannot be applied to a state that has already passed it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing

import structlog

from liqstream.feeds.feed import Feed, FeedError, FeedStatus
from liqstream.heatmap.latest import LiveMaps
from liqstream.market import Candle, MarketEvent, MarketKey
from liqstream.store.market_store import MarketStore

log = structlog.get_logger(__name__)

_MANY_BARS = 20
"""A batch with more closed bars is history: applied one by one it would hold up the event loop."""


class Collector:
    """Supervises `feeds`. A feed that cannot go on is named in the log and in its status, the others run on.

    `interval_ms` is that of the bars the feeds deliver. With `await_history` `start()` returns only after
    every backfill; else a feed's backfill runs in its own task, and what the store holds is shown meanwhile.
    `listeners` are called with what happens now, never with history.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        store: MarketStore,
        maps: LiveMaps,
        *,
        interval_ms: int,
        await_history: bool = False,
        listeners: Sequence[Callable[[Sequence[MarketEvent]], None]] = (),
    ) -> None:
        self._feeds = tuple(feeds)
        self._store = store
        self._maps = maps
        self._interval_ms = interval_ms
        self._await_history = await_history
        self._listeners = tuple(listeners)
        self._newest_ms: dict[MarketKey, int] = {}
        self._history_end_ms = {feed.exchange: feed.history_end_ms for feed in self._feeds}
        self._to_rebuild: set[MarketKey] = set()
        self._failed: dict[str, FeedError] = {}

    async def start(self) -> None:
        """Show what the store holds; then, with `await_history`, fetch what it lacks.

        Raises FeedError if a feed that was waited for cannot deliver.
        """
        for feed in self._feeds:
            self._maps.set_source(feed.exchange, feed.source)
            await self._rebuild(_markets(feed))
            if self._await_history:
                await self._backfill(feed)
                for key in _markets(feed):
                    self._maps.note_life(key)

    async def run(self) -> None:
        """Collect until cancelled or until every feed has ended. Raises FeedError if all of them failed."""
        async with asyncio.TaskGroup() as tasks:
            for feed in self._feeds:
                tasks.create_task(self._supervise(feed), name=f"feed-{feed.exchange}")
        if self._feeds and len(self._failed) == len(self._feeds):
            raise FeedError("; ".join(f"{name}: {error}" for name, error in self._failed.items()))

    async def close(self) -> None:
        """Let go of what the feeds hold; after `run` has ended or been cancelled."""
        for feed in self._feeds:
            await feed.close()

    def statuses(self) -> dict[str, FeedStatus]:
        """How each venue's feed is doing, by our name of the venue."""
        return {feed.exchange: feed.status for feed in self._feeds}

    async def _supervise(self, feed: Feed) -> None:
        try:
            if not self._await_history:
                await self._backfill(feed)
            await self._collect(feed)
        except FeedError as error:
            feed.status.connected = False
            feed.status.last_error = str(error)
            self._failed[feed.exchange] = error
            log.error("feed gave up", exchange=feed.exchange, reason=str(error))
        else:
            log.info("feed ended", exchange=feed.exchange)

    async def _backfill(self, feed: Feed) -> None:
        newest = {
            key: await self._store.newest_bar_ms(key.exchange, key.symbol, self._interval_ms)
            for key in _markets(feed)
        }
        count = 0
        async with aclosing(feed.backfill(newest)) as batches:
            async for batch in batches:
                await self._append(batch)
                count += len(batch)
        await self._rebuild(self._to_rebuild & set(_markets(feed)))
        self._maps.set_source(feed.exchange, feed.source)
        if count:
            log.info("history is in", exchange=feed.exchange, records=count)

    async def _collect(self, feed: Feed) -> None:
        async with aclosing(feed.events()) as batches:
            async for batch in batches:
                self._maps.set_source(feed.exchange, feed.source)
                if self._is_history(batch):
                    await self._append(batch)
                    continue
                await self._rebuild(self._to_rebuild & set(_markets(feed)))
                self._maps.apply(batch)
                for listener in self._listeners:
                    listener(batch)
                self._store.enqueue(batch)
                self._note(batch)

    async def _append(self, batch: Sequence[MarketEvent]) -> None:
        await self._store.append(batch)
        self._note(batch)
        self._to_rebuild.update(MarketKey(event.exchange, event.symbol) for event in batch)

    async def _rebuild(self, markets: Sequence[MarketKey] | set[MarketKey]) -> None:
        if markets:
            await self._store.flush()
        for key in sorted(markets, key=lambda key: (key.exchange, key.symbol)):
            self._to_rebuild.discard(key)
            await self._maps.reload(key, end_ms=self._history_end_ms[key.exchange])

    def _is_history(self, batch: Sequence[MarketEvent]) -> bool:
        closed = [event for event in batch if isinstance(event, Candle) and event.closed]
        return len(closed) > _MANY_BARS or any(
            candle.open_time_ms < self._newest_ms.get(MarketKey(candle.exchange, candle.symbol), 0)
            for candle in closed
        )

    def _note(self, batch: Sequence[MarketEvent]) -> None:
        for event in batch:
            if isinstance(event, Candle) and event.closed:
                key = MarketKey(event.exchange, event.symbol)
                self._newest_ms[key] = max(self._newest_ms.get(key, 0), event.open_time_ms)


def _markets(feed: Feed) -> list[MarketKey]:
    return [MarketKey(feed.exchange, symbol) for symbol in feed.symbols]
