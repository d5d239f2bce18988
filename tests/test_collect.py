"""The collector runs every feed, gives each fact to memory and to disk, and outlives a venue that is down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from liqstream.collect import Collector
from liqstream.feeds.feed import Feed, FeedError, FeedStatus
from liqstream.heatmap.kernel import load_kernel
from liqstream.heatmap.latest import LiveMaps
from liqstream.market import Candle, MarketEvent, MarketKey, Source
from liqstream.store.market_store import MarketStore
from tests.markets import MINUTE_MS, START_MS, walk

FIVE = 5 * MINUTE_MS


class Scripted:
    """A feed that says what it is told to, and fails when it is told to."""

    source: Source = "live"
    history_end_ms: int | None = None

    def __init__(
        self,
        exchange: str,
        history: Sequence[MarketEvent] = (),
        batches: Sequence[Sequence[MarketEvent]] = (),
        failure: str = "",
    ) -> None:
        self.exchange = exchange
        self.symbols = ("BTCUSDT",)
        self.status = FeedStatus()
        self.asked: dict[MarketKey, int | None] = {}
        self.closed = False
        self._history, self._batches, self._failure = history, batches, failure

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        self.asked = newest_ms
        yield self._history

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        for batch in self._batches:
            yield batch
            await asyncio.sleep(0)
        if self._failure:
            raise FeedError(self._failure)
        self.status.ended = True

    async def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def collecting(
    tmp_path: Path, feeds: Sequence[Feed], *, await_history: bool = False
) -> AsyncIterator[tuple[Collector, MarketStore, LiveMaps]]:
    store = await MarketStore.open(tmp_path / "market.duckdb", commit_interval_s=0.01)
    maps = LiveMaps(
        store,
        load_kernel("tiered"),
        interval_ms=FIVE,
        history_days=7,
        stale_after_s=10.0,
        epoch=1,
        clock_s=time.monotonic,
    )
    collector = Collector(feeds, store, maps, interval_ms=FIVE, await_history=await_history)
    try:
        yield collector, store, maps
    finally:
        await collector.close()
        maps.close()
        await store.close()


async def test_history_is_there_before_start_returns_if_it_is_awaited(tmp_path: Path) -> None:
    """A demo or a replay opens its port with a full map; the store's newest bar is told to the feed."""
    feed = Scripted("binance", walk(300))
    async with collecting(tmp_path, [feed], await_history=True) as (collector, store, maps):
        await store.append(walk(10))
        await collector.start()
        assert feed.asked == {MarketKey("binance", "BTCUSDT"): START_MS + 9 * FIVE}
        assert len(await store.bars("binance", "BTCUSDT", FIVE)) == 300
        snapshot = await maps.get_latest_heatmap_snapshot("BTCUSDT")
        assert snapshot is not None
        assert snapshot.levels
        await collector.close()
        assert feed.closed


async def test_a_venue_that_gives_up_leaves_the_others_running(tmp_path: Path) -> None:
    """It is named; the other's records arrive."""
    bad = Scripted("bybit", failure="bybit does not serve this address")
    good = Scripted("binance", batches=[[event] for event in walk(20)])
    async with collecting(tmp_path, [bad, good]) as (collector, store, _):
        await collector.start()
        await collector.run()
        await store.flush()
        assert len(await store.bars("binance", "BTCUSDT", FIVE)) == 20
        assert collector.statuses()["bybit"].last_error == "bybit does not serve this address"
        assert not collector.statuses()["bybit"].connected


async def test_when_every_venue_gives_up_that_is_said(tmp_path: Path) -> None:
    """Nothing is left to wait for."""
    feeds = [Scripted("bybit", failure="no"), Scripted("okx", failure="never")]
    async with collecting(tmp_path, feeds) as (collector, _, _maps):
        await collector.start()
        with pytest.raises(FeedError, match="bybit: no; okx: never"):
            await collector.run()


async def test_bars_that_come_late_mend_the_map(tmp_path: Path) -> None:
    """A hole fetched after live went on: the store has every bar, and the map is what it would have been."""
    events = walk(60)
    candles = [event for event in events if isinstance(event, Candle)]
    early, hole, late = events[:80], events[80:100], events[100:]
    broken = Scripted("binance", early, [late, hole, [candles[-1]]])
    whole = Scripted("binance", events, [[candles[-1]]])
    levels = []
    for folder, feed in (("broken", broken), ("whole", whole)):
        (tmp_path / folder).mkdir()
        async with collecting(tmp_path / folder, [feed]) as (collector, store, maps):
            await collector.start()
            await collector.run()
            await store.flush()
            assert len(await store.bars("binance", "BTCUSDT", FIVE)) == 60
            snapshot = await maps.get_latest_heatmap_snapshot("BTCUSDT")
            assert snapshot is not None
            levels.append(snapshot.levels)
    assert levels[0] == levels[1]


async def test_an_error_nobody_foresaw_is_not_swallowed(tmp_path: Path) -> None:
    """A bug in a feed ends the collector, and with it the process: never a silent page."""

    class Broken(Scripted):
        async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
            for batch in self._batches:
                yield batch
            raise ZeroDivisionError

    async with collecting(tmp_path, [Broken("binance")]) as (collector, _, _maps):
        await collector.start()
        with pytest.raises(BaseExceptionGroup):
            await collector.run()


async def test_a_source_that_was_waited_for_is_not_stale_before_its_first_word(tmp_path: Path) -> None:
    """A replay or a simulation has just delivered its past; a live venue has to speak first."""
    for await_history in (True, False):
        folder = tmp_path / str(await_history)
        folder.mkdir()
        feeds = [Scripted("binance", walk(50))]
        async with collecting(folder, feeds, await_history=await_history) as (collector, _, maps):
            await collector.start()
            assert maps.is_stale("BTCUSDT") is not await_history
