"""The collector runs every feed, gives each fact to memory and to disk, and outlives a venue that is down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
from structlog.testing import capture_logs

from liqstream.feeds.feed import Feed, FeedError, FeedStatus, History
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.ingest.followed_markets import markets_of
from liqstream.ingest.pipeline import IngestPipeline
from liqstream.market import (
    Candle,
    ComingFunding,
    Liquidation,
    MarketEvent,
    MarketKey,
    MarkPrice,
    OpenInterest,
    Source,
)
from liqstream.model.kernel import load_kernel
from liqstream.store.batch import Batch
from liqstream.store.errors import DiskFullError, StoreError
from liqstream.store.market_store import MarketStore
from liqstream.store.results import AppendResult
from liqstream.supervision.clock import Clock
from tests.support.markets import MINUTE_MS, START_MS, walk

FIVE = 5 * MINUTE_MS


class Scripted:
    """A feed that says what it is told to, and fails when it is told to."""

    source: Source = "live"
    history_end_ms: int | None = None
    plays_store: bool = False

    def __init__(
        self,
        exchange: str,
        history: Sequence[MarketEvent] = (),
        batches: Sequence[Sequence[MarketEvent]] = (),
        failure: str = "",
    ) -> None:
        self.exchange = exchange
        self.symbols: tuple[str, ...] = ("BTCUSDT",)
        self.status = FeedStatus()
        self.asked: dict[MarketKey, int | None] = {}
        self.prices: tuple[float, float] | None = None
        self.asked_prices: list[str] = []
        self.messages = 0
        self.now_ms: int | None = None
        self.refused: list[MarketEvent] = []
        self.watched_by: Callable[[], Collection[str]] = frozenset
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

    def coming_funding(self, symbol: str) -> ComingFunding | None:
        return ComingFunding(1, 2, 1e-4) if symbol == "BTCUSDT" else None

    def clock_ms(self) -> int | None:
        return self.now_ms

    def liquidations_until_ms(self) -> Mapping[str, int]:
        return {}

    def note_refused(self, record: MarketEvent) -> None:
        self.refused.append(record)

    def note_brackets(self, text: str) -> None:
        raise AssertionError(text)  # nobody reads any here

    async def recent_prices(self, symbol: str) -> tuple[float, float] | None:
        self.asked_prices.append(symbol)
        return self.prices

    async def brackets(self) -> None:
        return None

    def listed(self) -> None:
        return None

    async def sizes(self) -> None:
        return None

    def follow(self, symbols: Sequence[str], newest_ms: Mapping[str, int | None]) -> None:
        self.symbols = tuple(symbols)

    async def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def collecting(
    tmp_path: Path, feeds: Sequence[Feed], *, await_history: bool = False
) -> AsyncIterator[tuple[IngestPipeline, MarketStore, LiveMaps]]:
    store = await MarketStore.open(tmp_path / "market.duckdb", commit_interval_s=0.01)
    maps = LiveMaps(
        store,
        MapModel(load_kernel("tiered"), interval_ms=FIVE, history_days=7),
        stale_after_s=10.0,
        epoch=1,
        clock_s=time.monotonic,
    )
    collector = IngestPipeline(
        feeds, store, maps, interval_ms=FIVE, await_history=await_history, clock=Clock(speed=100.0)
    )
    try:
        yield collector, store, maps
    finally:
        await collector.close()
        maps.close()
        await store.close()


async def test_a_past_that_takes_long_does_not_keep_a_feed_from_listening(tmp_path: Path) -> None:
    """After half a minute it goes on beside what happens now, which is in the map."""
    events = walk(301)
    asked = 0

    class Endless(Scripted):
        async def backfill(
            self, newest_ms: dict[MarketKey, int | None]
        ) -> AsyncGenerator[Sequence[MarketEvent]]:
            nonlocal asked
            while True:
                asked += 1
                yield History(events[:20])
                await asyncio.sleep(0.02)

    feed = Endless("binance", [], [events[-2:]])
    async with collecting(tmp_path, [feed]) as (collector, store, _):
        await collector.start()
        async with asyncio.timeout(10):
            await collector.run()
        await store.flush()
        newest_ms = await store.newest_bar_ms("binance", "BTCUSDT", FIVE)
        assert newest_ms == START_MS + 300 * FIVE
    assert asked > 1


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


async def test_a_store_that_takes_nothing_ends_nothing(tmp_path: Path) -> None:
    """Live records go on; history is given to the store again until it takes it."""
    bars = [event for event in walk(60) if isinstance(event, Candle)]
    feed = Scripted("binance", batches=[History(bars[:40]), *([bar] for bar in bars[40:])])
    async with collecting(tmp_path, [feed]) as (collector, store, _):
        await collector.start()
        append, refusals = store.append, 3

        async def refuse(records: Sequence[MarketEvent]) -> None:
            nonlocal refusals
            refusals -= 1
            if refusals >= 0:
                raise StoreError("the disk is full")
            await append(records)

        store.append = refuse  # type: ignore[assignment,method-assign]
        await collector.run()
        await store.flush()
        assert len(await store.bars("binance", "BTCUSDT", FIVE)) == 60
        assert collector.records_lost == 0


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


async def test_an_error_nobody_foresaw_ends_nothing(tmp_path: Path) -> None:
    """A bug in a feed is told in full, and the feed begun anew; the other one does not notice."""

    class Broken(Scripted):
        begun = 0

        async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
            self.begun += 1
            if self.begun < 3:
                raise ZeroDivisionError
            async for batch in super().events():
                yield batch

    broken = Broken("bybit", batches=[[event] for event in walk(5, exchange="bybit")])
    good = Scripted("binance", batches=[[event] for event in walk(20)])
    async with collecting(tmp_path, [broken, good]) as (collector, store, _):
        await collector.start()
        with capture_logs() as logs:
            await collector.run()
        await store.flush()
        assert len(await store.bars("binance", "BTCUSDT", FIVE)) == 20
        assert len(await store.bars("bybit", "BTCUSDT", FIVE)) == 5
    # Twice the same: one line.
    assert [log["task"] for log in logs if log["event"] == "task failed"] == ["feed-bybit"]


async def test_the_flags_of_a_feed_are_those_of_its_maps(tmp_path: Path) -> None:
    """Also when no record comes with them; so is the funding that it announces."""
    feed = Scripted("binance", walk(300))
    async with collecting(tmp_path, [feed], await_history=True) as (collector, _, maps):
        await collector.start()
        feed.status.flags = {"BTCUSDT": frozenset({"bars_late"})}
        before = await maps.get_latest_heatmap_snapshot("BTCUSDT")
        await collector.run()
        snapshot = await maps.get_latest_heatmap_snapshot("BTCUSDT")
        assert before is not None and snapshot is not None  # noqa: PT018
        assert "bars_late" in snapshot.quality
        assert snapshot.seq == before.seq + 1
        assert maps.market(MarketKey("binance", "BTCUSDT")).coming_funding == ComingFunding(1, 2, 1e-4)


async def test_a_source_that_was_waited_for_is_not_stale_before_its_first_word(tmp_path: Path) -> None:
    """A replay or a simulation has just delivered its past; a live venue has to speak first."""
    for await_history in (True, False):
        folder = tmp_path / str(await_history)
        folder.mkdir()
        feeds = [Scripted("binance", walk(50))]
        async with collecting(folder, feeds, await_history=await_history) as (collector, _, maps):
            await collector.start()
            assert maps.is_stale("BTCUSDT") is not await_history


YEAR_2096_MS = 3_976_214_400_000


async def level_usd(maps: LiveMaps) -> float:
    snapshot = await maps.get_latest_heatmap_snapshot("BTCUSDT")
    assert snapshot is not None
    return float(snapshot.long.sum() + snapshot.short.sum())


async def test_impossible_records_leave_map_and_store_as_they_were(tmp_path: Path) -> None:
    """A mark of 2096, open interest of 0, a liquidation of 1e400 USD, a high of 1e12: counted and flagged."""
    events = walk(60)
    last = events[-1]
    assert isinstance(last, Candle)
    next_ms = last.open_time_ms + FIVE
    bad: list[MarketEvent] = [
        MarkPrice("binance", "BTCUSDT", YEAR_2096_MS, 1.0),
        OpenInterest("binance", "BTCUSDT", next_ms, 0.0, 0.0),
        Liquidation("binance", "BTCUSDT", next_ms, "long", 1e200, 1e200),
        replace(last, open_time_ms=next_ms, high=1e12),
        replace(last, open_time_ms=YEAR_2096_MS),
    ]
    feeds = [Scripted("binance", events, [[record] for record in bad])]
    async with collecting(tmp_path, feeds, await_history=True) as (collector, store, maps):
        await collector.start()
        before = await level_usd(maps)
        await collector.run()
        await store.flush()
        assert len(await store.bars("binance", "BTCUSDT", FIVE)) == 60
        assert len(await store.liquidations("BTCUSDT", start_ms=0, end_ms=2**62)) == 0
        assert await level_usd(maps) == before
        assert maps.data_time_ms("BTCUSDT") == next_ms
        snapshot = maps.last_snapshot("BTCUSDT")
        assert snapshot is not None
        assert "refused_data" in snapshot.quality
        assert sum(store.guard.refused.values()) == len(bad)
        assert feeds[0].refused == bad
        assert collector.statuses()["binance"].last_refusal == "BTCUSDT: bar, time"


async def test_what_is_ahead_of_a_clock_that_becomes_known_goes(tmp_path: Path) -> None:
    """Stored rows of twelve hours later were taken while only our clock was known; not one of them stays."""
    events = walk(60)
    last = events[-1]
    assert isinstance(last, Candle)
    next_ms = last.open_time_ms + FIVE
    ahead = replace(last, open_time_ms=next_ms + 144 * FIVE, close=last.close * 1.01, high=last.high * 1.01)
    feed = Scripted("binance", events, [[MarkPrice("binance", "BTCUSDT", next_ms, last.close)]])
    async with collecting(tmp_path, [feed]) as (collector, store, maps):
        await store.append([*events, ahead])
        await collector.start()
        assert maps.data_time_ms("BTCUSDT") == ahead.open_time_ms + FIVE
        before = await maps.get_latest_heatmap_snapshot("BTCUSDT")
        assert before is not None
        assert before.timestamp_ms == ahead.open_time_ms + FIVE
        feed.now_ms, feed.status.clock_skew_ms = next_ms, 0.0
        await collector.run()
        assert maps.data_time_ms("BTCUSDT") == next_ms
        after = await maps.get_latest_heatmap_snapshot("BTCUSDT")
        assert after is not None
        assert after.timestamp_ms < next_ms + FIVE
        assert after.current_price == last.close
        assert len(await store.bars("binance", "BTCUSDT", FIVE)) == 60


async def test_a_split_is_taken_once_rest_confirms_it(tmp_path: Path) -> None:
    """The exchange is asked about that market alone; without an answer nothing changes."""
    events = walk(60)
    last = events[-1]
    assert isinstance(last, Candle)
    low = last.close / 1000
    marks = [MarkPrice("binance", "BTCUSDT", last.open_time_ms + FIVE, usd) for usd in (last.close, low)]
    for answer, price in (((low * 0.9, low * 1.1), low), (None, last.close)):
        folder = tmp_path / str(answer is None)
        folder.mkdir()
        feed = Scripted("binance", events, [[mark] for mark in marks])
        feed.prices = answer
        async with collecting(folder, [feed], await_history=True) as (collector, _, maps):
            await collector.start()
            await collector.run()
            await asyncio.sleep(0)
            assert feed.asked_prices == ["BTCUSDT"]
            assert maps.markets("BTCUSDT")[0].price_usd == price


async def test_a_store_that_holds_impossible_rows_starts(tmp_path: Path) -> None:
    """They stay where they are, the map is the one without them, and it is flagged."""
    events = walk(300)
    last = events[-1]
    assert isinstance(last, Candle)
    bad: list[MarketEvent] = [
        Liquidation("binance", "BTCUSDT", last.open_time_ms, "long", 1e200, 1e200),
        replace(last, open_time_ms=YEAR_2096_MS - YEAR_2096_MS % FIVE),
        replace(last, open_time_ms=last.open_time_ms + FIVE, high=1e12),
        OpenInterest("binance", "BTCUSDT", last.open_time_ms + FIVE, 0.0, 0.0),
    ]
    found = []
    for folder, stored in (("sound", events), ("bad", [*events, *bad])):
        (tmp_path / folder).mkdir()
        async with collecting(tmp_path / folder, [Scripted("binance")]) as (collector, store, maps):
            await store.append(stored)
            await collector.start()
            found.append((await level_usd(maps), maps.data_time_ms("BTCUSDT")))
            snapshot = maps.last_snapshot("BTCUSDT")
            assert snapshot is not None
            assert ("refused_data" in snapshot.quality) is (folder == "bad")
            assert sum(store.guard.refused.values()) == (len(bad) if folder == "bad" else 0)
    assert found[0] == found[1]
    connection = duckdb.connect(str(tmp_path / "bad" / "market.duckdb"))
    assert connection.execute("SELECT count(*) FROM candles").fetchall() == [(302,)]
    connection.close()


async def test_spans_of_the_liquidation_channel_are_stored(tmp_path: Path) -> None:
    """Up to the last message, at the end of the collection too; a silent channel has none."""

    class Listening(Scripted):
        def liquidations_until_ms(self) -> Mapping[str, int]:
            self.messages += 1
            return {"BTCUSDT": START_MS + 1000 * self.messages}

    for feed, spans in (
        (Scripted("binance", batches=[[event] for event in walk(3)]), []),
        (Listening("binance", batches=[[event] for event in walk(3)]), [(START_MS + 1000, START_MS + 6000)]),
    ):
        folder = tmp_path / type(feed).__name__
        folder.mkdir()
        async with collecting(folder, [feed]) as (collector, store, _):
            await collector.run()
            await collector.close()
            await store.flush()
            found = await store.liquidation_spans("binance", "BTCUSDT", start_ms=0, end_ms=2**62)
            assert found == spans


class Disk:
    """Fills up once the past is in the store, if it `fills`."""

    def __init__(self, collector: IngestPipeline, store: MarketStore, *, fills: bool) -> None:
        self.is_full = False
        self._fills = fills
        self._write, self._backfill = store._database.write, collector._backfill
        store._database.write = self.write  # type: ignore[method-assign]
        collector._backfill = self.backfill  # type: ignore[method-assign]

    def write(self, batches: list[Batch]) -> list[AppendResult]:
        if self.is_full:
            raise DiskFullError("the disk is full")
        return self._write(batches)

    async def backfill(self, feed: Feed) -> None:
        await self._backfill(feed)
        self.is_full = self._fills


async def test_a_gap_that_is_mended_on_a_full_disk_is_in_the_map(tmp_path: Path) -> None:
    """From memory: the map is what it would have been; once there is room, every record is stored."""
    events = walk(60)
    candles = [event for event in events if isinstance(event, Candle)]
    early, gap, late = events[:80], events[80:100], events[100:]
    levels = []
    for folder, feed in (
        ("full", Scripted("binance", early, [late, History(gap), [candles[-1]]])),
        ("whole", Scripted("binance", events, [[candles[-1]]])),
    ):
        (tmp_path / folder).mkdir()
        async with collecting(tmp_path / folder, [feed]) as (collector, store, maps):
            disk = Disk(collector, store, fills=folder == "full")
            await collector.start()
            running = asyncio.create_task(collector.run())
            async with asyncio.timeout(20):
                while not feed.status.ended:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                snapshot = await maps.get_latest_heatmap_snapshot("BTCUSDT")
                assert snapshot is not None
                levels.append(snapshot.levels)
                assert store.condition == ("full" if folder == "full" else "ok")
                disk.is_full = False
                await running
                await store.flush()
            assert len(await store.bars("binance", "BTCUSDT", FIVE)) == 60
            assert (store.condition, store.counters.rows_lost, collector.records_lost) == ("ok", 0, 0)
    assert levels[0] == levels[1]


async def test_while_the_store_gives_no_past_a_message_asks_for_no_maps(tmp_path: Path) -> None:
    """Those of hundreds of markets stay where they are until it is asked again."""
    feed = Scripted("binance", [], [[MarkPrice("binance", "BTCUSDT", START_MS, 7.0)]] * 3)
    async with collecting(tmp_path, [feed]) as (collector, _, _):
        feed.follow([f"C{number:03}USDT" for number in range(300)], {})
        collector._to_rebuild.update(markets_of(feed))
        collector._rebuild_from_s = float("inf")
        await collector._collect(feed)
        assert collector._to_rebuild == set(markets_of(feed))
        collector._rebuild_from_s = float("-inf")
        await collector._collect(feed)
        assert collector._to_rebuild == set()


async def test_a_message_costs_the_same_however_many_markets_are_followed(tmp_path: Path) -> None:
    """Also while the past of hundreds on another exchange waits to be made maps of."""

    class Counted(Scripted):
        """It notes how often all its symbols are gone through."""

        gone_through = 0

        @property
        def symbols(self) -> tuple[str, ...]:
            self.gone_through += 1
            return self._followed

        @symbols.setter
        def symbols(self, symbols: tuple[str, ...]) -> None:
            self._followed = symbols

    busy = Counted("binance", [], [[MarkPrice("binance", "BTCUSDT", START_MS, 7.0)]] * 100)
    other = Scripted("okx", [])
    other.follow([f"C{number:03}USDT" for number in range(300)], {})
    async with collecting(tmp_path, [busy, other]) as (collector, _, _):
        collector._to_rebuild.update(markets_of(other))
        busy.gone_through, busy.status.last_message_s = 0, 5.0
        async with asyncio.timeout(20):
            await collector._collect(busy)
        assert busy.gone_through == 1
        assert collector._to_rebuild == set(markets_of(other))
