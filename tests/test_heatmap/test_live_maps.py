"""liqstream/heatmap/live_maps.py: the newest map of a symbol, from a real store and from memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.heatmap.market_states import LOAD_AGAIN_S
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.symbol_state import LevelMix
from liqstream.market import Candle, MarketEvent, MarketKey, MarkPrice
from liqstream.model.kernel import load_kernel
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore
from tests.support.markets import MINUTE_MS, walk

KEY = MarketKey("binance", "BTCUSDT")
INTERVAL_MS = 5 * MINUTE_MS
BARS = walk(600)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """An empty store."""
    opened = await MarketStore.open(tmp_path / "market.duckdb")
    yield opened
    await opened.close()


MakeMaps = Callable[[], LiveMaps]


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def make_maps(store: MarketStore, clock: Clock) -> MakeMaps:
    """Maps over the store, epoch 7, stale after 15 s."""

    def make() -> LiveMaps:
        return LiveMaps(
            store,
            MapModel(load_kernel("tiered"), interval_ms=INTERVAL_MS, history_days=14),
            stale_after_s=15,
            epoch=7,
            clock_s=clock,
        )

    return make


async def latest(maps: LiveMaps) -> HeatmapSnapshot:
    snapshot = await maps.get_latest_heatmap_snapshot(KEY.symbol)
    assert snapshot is not None
    return snapshot


async def test_an_empty_store_has_no_snapshot(make_maps: MakeMaps) -> None:
    """No price, no map: nothing is made up."""
    maps = make_maps()
    assert await maps.get_latest_heatmap_snapshot(KEY.symbol) is None
    await maps.reload(KEY)
    assert await maps.get_latest_heatmap_snapshot(KEY.symbol) is None


async def test_stored_bars_become_levels_on_both_sides(store: MarketStore, make_maps: MakeMaps) -> None:
    """Longs below the price, shorts above it, none on the wrong side; and stale, for no record comes."""
    await store.append(BARS)
    maps = make_maps()
    await maps.reload(KEY)
    snapshot = await latest(maps)
    prices = snapshot.grid.prices()
    assert snapshot.long.sum() > 0 < snapshot.short.sum()
    assert not snapshot.long[prices >= snapshot.current_price].any()
    assert not snapshot.short[prices <= snapshot.current_price].any()
    assert (snapshot.epoch, snapshot.seq, snapshot.stale) == (7, 1, True)


async def test_bars_from_memory_and_bars_from_the_store_make_the_same_map(
    store: MarketStore, make_maps: MakeMaps
) -> None:
    """Whether a map was warmed up or lived through, it is the same map."""
    await store.append(BARS)
    warmed = make_maps()
    await warmed.reload(KEY)
    lived = make_maps()
    await lived.reload(KEY, end_ms=_open_ms(BARS[801]))
    for event in BARS[800:]:
        lived.apply([event])
    one, other = await latest(warmed), await latest(lived)
    assert one.grid == other.grid
    assert np.array_equal(one.long, other.long)
    assert np.array_equal(one.short, other.short)
    assert one.timestamp == other.timestamp


async def test_a_closed_bar_s_levels_are_in_the_first_map_asked_for_after_it(
    store: MarketStore, make_maps: MakeMaps
) -> None:
    """Not in the one after: whoever asks waits for the step, and one that was under way takes in no less."""
    await store.append(BARS)
    lived, closed = make_maps(), [index for index, event in enumerate(BARS) if isinstance(event, Candle)][-4:]
    await lived.reload(KEY, end_ms=_open_ms(BARS[closed[0]]))
    created = [(await latest(lived)).positions_created]
    for index in closed:
        under_way = asyncio.create_task(latest(lived))
        await asyncio.sleep(0)
        lived.apply(BARS[index - 1 : index + 1])
        first = await latest(lived)
        await under_way
        whole = make_maps()
        await whole.reload(KEY, end_ms=_open_ms(BARS[index]) + INTERVAL_MS)
        expected = await latest(whole)
        _, mine, theirs = np.intersect1d(first.grid.prices(), expected.grid.prices(), return_indices=True)
        assert len(mine) > 0.9 * expected.grid.cells
        assert np.array_equal(first.long[mine], expected.long[theirs])
        assert np.array_equal(first.short[mine], expected.short[theirs])
        created.append(first.positions_created)
    assert len(set(created)) > 1, "bars that add nothing would prove nothing"


async def test_a_level_the_forming_bar_crosses_vanishes_at_once(
    store: MarketStore, make_maps: MakeMaps
) -> None:
    """What stands there now was opened after the low, by the bar's own last leg."""
    await store.append(BARS)
    maps = make_maps()
    await maps.reload(KEY)
    before = await latest(maps)
    last = BARS[-1]
    assert isinstance(last, Candle)
    low = last.close * 0.985
    forming = replace(
        last, open_time_ms=last.open_time_ms + INTERVAL_MS, open=last.close, low=low, closed=False
    )
    forming = replace(forming, high=last.close, close=low * 1.001)
    maps.apply([forming])
    crossed = await latest(maps)
    prices = before.grid.prices()
    swept = (prices > low + before.grid.step) & (prices < before.current_price)
    opened_since = 0.1 * before.long[swept].sum()
    assert 0 < crossed.long[swept].sum() < opened_since
    assert crossed.positions_consumed > 0


async def test_seq_grows_only_when_something_changed(
    store: MarketStore, make_maps: MakeMaps, clock: Clock
) -> None:
    """Time alone makes no snapshot; a price does, and so does becoming stale."""
    await store.append(BARS)
    maps = make_maps()
    await maps.reload(KEY)
    maps.apply([MarkPrice(*_market(), _open_ms(BARS[-1]) + INTERVAL_MS + 1000, 100_000.0)])
    first = await latest(maps)
    clock.now_s += 1
    assert await latest(maps) is first
    maps.apply([MarkPrice(*_market(), first.timestamp_ms + 1000, 100_010.0)])
    second = await latest(maps)
    clock.now_s += 16
    stale = await latest(maps)
    assert [first.seq, second.seq, stale.seq] == [1, 2, 3]
    assert [first.stale, second.stale, stale.stale] == [False, False, True]
    assert stale.timestamp == second.timestamp


async def test_a_gap_before_a_live_bar_is_filled_from_the_store(
    store: MarketStore, make_maps: MakeMaps
) -> None:
    """Bars that reached only the store (a backfill after a reconnect) are in the map before the next one."""
    await store.append(BARS[:800])
    maps = make_maps()
    await maps.reload(KEY)
    await store.append(BARS)
    maps.apply(BARS[-2:])
    filled = await latest(maps)
    whole = make_maps()
    await whole.reload(KEY)
    assert np.array_equal(filled.long, (await latest(whole)).long)


async def test_exchanges_are_added_up(store: MarketStore, make_maps: MakeMaps) -> None:
    """One map of two exchanges; its levels and their mix can be had by exchange, and add up."""
    await store.append([*BARS, *walk(600, exchange="bybit", seed=1, open_interest_base=20_000.0)])
    maps = make_maps()
    await maps.reload(KEY)
    await maps.reload(MarketKey("bybit", KEY.symbol))
    whole, both = await snapshot_of_exchanges(maps)
    one, binance = await snapshot_of_exchanges(maps, "binance")
    other, bybit = await snapshot_of_exchanges(maps, "bybit")
    assert np.allclose(both.long_usd, binance.long_usd + bybit.long_usd)
    assert both.long_usd.sum(axis=1).all()
    assert np.allclose(one.long, binance.long_usd.sum(axis=0), rtol=0.011, atol=500)
    assert whole.long.sum() > one.long.sum() > 3 * other.long.sum() > 0
    assert one.grid == other.grid == whole.grid
    assert (one.epoch, one.seq) == (whole.epoch, whole.seq)
    assert np.array_equal((await snapshot_of_exchanges(maps, "binance", "bybit"))[0].short, whole.short)


async def test_one_exchange_s_map_rests_on_its_own_data_alone(
    store: MarketStore, make_maps: MakeMaps, clock: Clock
) -> None:
    """Price, time, staleness, source, quality and counted changes are those of the exchanges asked for."""
    with_a_gap = walk(600, exchange="bybit")
    del with_a_gap[1100:1102]
    await store.append([*BARS, *with_a_gap])
    maps = make_maps()
    bybit = MarketKey("bybit", KEY.symbol)
    await maps.reload(KEY)
    await maps.reload(bybit)
    maps.set_source("binance", "live")
    maps.set_source("bybit", "replay")
    end_ms = _open_ms(BARS[-1]) + INTERVAL_MS
    close = _candle(BARS[-1]).close
    maps.apply([MarkPrice(*_market(), end_ms + 1000, close)])
    maps.apply([MarkPrice(*_market("bybit"), end_ms + 2000, 0.99 * close)])
    await latest(maps)
    clock.now_s += 16
    maps.apply([MarkPrice(*_market(), end_ms + 3000, 1.001 * close)])
    one, _ = await snapshot_of_exchanges(maps, "binance")
    other, _ = await snapshot_of_exchanges(maps, "bybit")
    assert (one.current_price, other.current_price) == (1.001 * close, 0.99 * close)
    assert (one.timestamp_ms, other.timestamp_ms) == (end_ms + 3000, end_ms + 2000)
    assert (one.stale, other.stale) == (False, True)
    assert (one.source, other.source) == ("live", "replay")
    assert ("gap" in one.quality, "gap" in other.quality) == (False, True)
    assert not other.long[other.grid.prices() >= 0.99 * close].any()
    forming = replace(_candle(BARS[-1]), open_time_ms=end_ms, open=close, high=close, closed=False)
    maps.apply([replace(forming, low=0.985 * close, close=0.986 * close)])
    one, _ = await snapshot_of_exchanges(maps, "binance")
    other, _ = await snapshot_of_exchanges(maps, "bybit")
    assert one.positions_consumed > 0
    assert other.positions_consumed == 0


async def test_an_exchange_without_a_price_has_no_map(store: MarketStore, make_maps: MakeMaps) -> None:
    """Nothing is made up for an exchange before its first record."""
    await store.append(BARS)
    maps = make_maps()
    await maps.reload(KEY)
    await maps.reload(MarketKey("bybit", KEY.symbol))
    assert maps.exchanges(KEY.symbol) == ("binance", "bybit")
    assert await maps.snapshot_of_exchanges(KEY.symbol, ["bybit"]) is None
    assert np.array_equal(
        (await snapshot_of_exchanges(maps, "binance", "bybit"))[0].long, (await latest(maps)).long
    )


@pytest.mark.parametrize("turns", range(1, 12))
async def test_a_caller_that_gives_up_hides_no_change(
    store: MarketStore, make_maps: MakeMaps, turns: int
) -> None:
    """Cancelled at whatever point of making it, a snapshot is made for the next caller."""
    await store.append(BARS)
    maps = make_maps()
    await maps.reload(KEY)
    maps.apply([MarkPrice(*_market(), _open_ms(BARS[-1]) + INTERVAL_MS + 1000, 100_000.0)])
    gives_up = asyncio.create_task(maps.get_latest_heatmap_snapshot(KEY.symbol))
    for _ in range(turns):
        await asyncio.sleep(0)
    gives_up.cancel()
    await asyncio.gather(gives_up, return_exceptions=True)
    assert (await latest(maps)).current_price == 100_000.0


async def test_the_least_real_source_names_the_map(store: MarketStore, make_maps: MakeMaps) -> None:
    """A map that is partly simulated is simulated."""
    await store.append(BARS)
    maps = make_maps()
    await maps.reload(KEY)
    await maps.reload(MarketKey("bybit", KEY.symbol))
    maps.set_source("binance", "live")
    maps.set_source("bybit", "simulated")
    assert (await latest(maps)).source == "simulated"


async def snapshot_of_exchanges(maps: LiveMaps, *exchanges: str) -> tuple[HeatmapSnapshot, LevelMix]:
    found = await maps.snapshot_of_exchanges(KEY.symbol, exchanges or None)
    assert found is not None
    return found


def _candle(event: MarketEvent) -> Candle:
    assert isinstance(event, Candle)
    return event


def _market(exchange: str = KEY.exchange) -> tuple[str, str]:
    return exchange, KEY.symbol


def _open_ms(event: MarketEvent) -> int:
    assert isinstance(event, Candle)
    return event.open_time_ms


async def test_an_exchange_that_is_silent_beside_another_is_flagged(
    store: MarketStore, make_maps: MakeMaps, clock: Clock
) -> None:
    """With its age; not if all are silent (then the map is stale), and not if it has no such contract."""
    maps = make_maps()
    other = MarketKey("bybit", KEY.symbol)
    await store.append([*BARS, *walk(600, exchange="bybit")])
    for key in (KEY, other):
        await maps.reload(key)
        maps.mark_fresh(key)
    first = await latest(maps)
    assert (first.quality.count("exchange_silent"), maps.silent_exchanges(KEY.symbol)) == (0, {})
    clock.now_s += 16
    maps.apply([MarkPrice("bybit", KEY.symbol, 1, first.current_price)])
    silent = await latest(maps)
    assert "exchange_silent" in silent.quality
    assert (silent.stale, maps.silent_exchanges(KEY.symbol)) == (False, {"binance": 16.0})
    since_ms = maps.market(KEY).data_time_ms
    assert (first.silent, silent.silent) == ((), (("binance", since_ms),))
    maps.set_flags(KEY, frozenset({"not_trading"}))
    assert "exchange_silent" not in (await latest(maps)).quality
    maps.set_flags(KEY, frozenset())
    clock.now_s += 16
    both = await latest(maps)
    assert (both.stale, "exchange_silent" in both.quality) == (True, False)


async def test_another_coin_of_the_same_name_is_left_out(store: MarketStore, make_maps: MakeMaps) -> None:
    """Map, price and exchanges are those of the others; the flag says that there is one."""
    maps = make_maps()
    await store.append([*BARS, *walk(600, exchange="bybit")])
    for exchange in ("binance", "bybit"):
        await maps.reload(MarketKey(exchange, KEY.symbol))
    maps.mark_fresh(KEY)
    alone = await latest(maps)
    both = int(alone.long.sum() + alone.short.sum())
    maps.apply([MarkPrice("bybit", KEY.symbol, 1, alone.current_price * 1000)])
    left = await latest(maps)
    assert maps.exchanges(KEY.symbol) == ("binance",)
    assert ("other_coin" in alone.quality, "other_coin" in left.quality) == (False, True)
    assert left.current_price == alone.current_price
    assert int(left.long.sum() + left.short.sum()) < 0.7 * both


async def test_a_store_that_fails_stops_no_map(store: MarketStore, make_maps: MakeMaps, clock: Clock) -> None:
    """A gap is left until the store can be read; a map that is not there yet stays unknown."""
    maps = make_maps()
    bars = [event for event in BARS if isinstance(event, Candle)]
    await store.append(BARS[:1000])
    await maps.reload(KEY)
    before = await latest(maps)

    async def failing_flush() -> None:
        raise StoreError("the disk is full")

    flush, store.flush = store.flush, failing_flush  # type: ignore[method-assign]
    maps.apply(bars[540:550])
    after = await latest(maps)
    assert after.seq == before.seq + 1
    assert after.current_price == bars[549].close
    store.flush = flush  # type: ignore[method-assign]
    loads = maps.loads
    maps.apply(bars[550:551])
    await latest(maps)
    assert maps.loads == loads
    clock.now_s += LOAD_AGAIN_S
    maps.apply(bars[551:552])
    await latest(maps)
    assert maps.loads == loads + 1
