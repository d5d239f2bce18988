"""The store's face: what is written comes back, once, and in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from liqstream.market import (
    FundingRate,
    Liquidation,
    LiquidationTotal,
    MarketEvent,
    MarkPrice,
)
from liqstream.store import AppendResult, MarketStore
from liqstream.store.batch import Batch
from tests.support.store_records import MINUTE_MS, T0, candle, open_interest


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    opened = await MarketStore.open(tmp_path / "market.duckdb")
    yield opened
    await opened.close()


async def test_appended_bars_come_back_in_order(store: MarketStore) -> None:
    """Bars are returned ascending whatever the order they came in, unknown volume as NaN."""
    result = await store.append([candle(2), candle(0, volume_base=7.0), candle(1)])
    bars = await store.bars("binance", "BTCUSDT", 5 * MINUTE_MS)
    assert result == AppendResult(new=3)
    assert bars.open_time_ms.tolist() == [T0 + i * 5 * MINUTE_MS for i in range(3)]
    np.testing.assert_array_equal(bars.volume_base, [7.0, np.nan, np.nan])
    assert np.isnan(bars.open_interest_base).all()


async def test_appending_twice_changes_nothing(store: MarketStore) -> None:
    """A record known already is counted as a duplicate and stored once."""
    events: list[MarketEvent] = [
        candle(0),
        open_interest(T0, 5.0),
        FundingRate("binance", "BTCUSDT", T0, 1e-4),
    ]
    await store.append(events)
    assert await store.append(events) == AppendResult(duplicate=3)
    assert len(await store.bars("binance", "BTCUSDT", 5 * MINUTE_MS)) == 1
    assert (await store.funding("binance", "BTCUSDT")).rate.tolist() == [1e-4]


async def test_a_corrected_bar_replaces_the_older_one(store: MarketStore) -> None:
    """Other values for a known bar replace it; a volume that is not told keeps the one known."""
    await store.append([candle(0, close=100.0, volume_base=3.0)])
    assert await store.append([candle(0, close=101.0)]) == AppendResult(replaced=1)
    bars = await store.bars("binance", "BTCUSDT", 5 * MINUTE_MS)
    assert (bars.close.tolist(), bars.volume_base.tolist()) == ([101.0], [3.0])


async def test_forming_bars_and_mark_prices_are_not_stored(store: MarketStore) -> None:
    """What lives in memory only is ignored."""
    mark = MarkPrice("binance", "BTCUSDT", T0, 100.0)
    assert await store.append([candle(0, closed=False), mark]) == AppendResult()


async def test_enqueued_records_are_there_after_a_flush(store: MarketStore) -> None:
    """enqueue() returns at once; flush() returns when all is committed."""
    store.enqueue([candle(0)])
    store.enqueue([candle(1)])
    await store.flush()
    assert await store.newest_bar_ms("binance", "BTCUSDT", 5 * MINUTE_MS) == T0 + 5 * MINUTE_MS
    assert store.counters.rows_written == 2


async def test_open_interest_is_as_of_the_bars_close(store: MarketStore) -> None:
    """A bar carries the last open interest at or before its close, also one from before the window."""
    step = 5 * MINUTE_MS
    await store.append([candle(i) for i in range(4)])
    await store.append([open_interest(T0 + step, 10.0), open_interest(T0 + 3 * step + 1, 20.0)])
    bars = await store.bars("binance", "BTCUSDT", step)
    assert bars.open_interest_base.tolist() == [10.0, 10.0, 10.0, 20.0]
    assert bars.reported_open_interest.tolist() == [20.0, 20.0, 20.0, 40.0]
    late = await store.bars("binance", "BTCUSDT", step, start_ms=T0 + 2 * step, end_ms=T0 + 3 * step)
    assert late.open_interest_base.tolist() == [10.0]


async def test_coarse_bars_are_made_of_fine_ones(store: MarketStore) -> None:
    """A 15m bar is made of three 5m bars; one whose last part is still missing is not given."""
    fine = [candle(i, close=100.0 + i, volume_base=1.0) for i in range(5)]
    await store.append(fine)
    bars = await store.bars("binance", "BTCUSDT", 15 * MINUTE_MS)
    assert bars.open_time_ms.tolist() == [T0]
    assert (bars.open[0], bars.high[0], bars.low[0], bars.close[0]) == (100.0, 103.0, 99.0, 102.0)
    assert bars.volume_base.tolist() == [3.0]
    assert await store.newest_bar_ms("binance", "BTCUSDT", 15 * MINUTE_MS) == T0


async def test_stored_coarse_bars_win_over_made_ones(store: MarketStore) -> None:
    """Stored bars are given as they are, and fine ones fill in where there are none."""
    quarter = 15 * MINUTE_MS
    await store.append([candle(0, close=50.0, interval_ms=quarter)])
    await store.append([candle(i, close=100.0) for i in range(6)])
    bars = await store.bars("binance", "BTCUSDT", quarter)
    assert bars.close.tolist() == [50.0, 100.0]


async def test_liquidations_come_back_ascending(store: MarketStore) -> None:
    """Single events by time, of some venues when asked."""
    await store.append(
        [
            Liquidation("okx", "BTCUSDT", T0 + 5, "short", 101.0, 2.0),
            Liquidation("binance", "BTCUSDT", T0, "long", 99.0, 1.0),
        ]
    )
    both = await store.liquidations("BTCUSDT", start_ms=T0, end_ms=T0 + 10)
    assert both.time_ms.tolist() == [T0, T0 + 5]
    assert both.is_long.tolist() == [True, False]
    one = await store.liquidations("BTCUSDT", start_ms=T0, end_ms=T0 + 10, exchanges=["okx"])
    assert one.exchange.tolist() == ["okx"]
    some = await store.liquidations("BTCUSDT", start_ms=T0, end_ms=T0 + 10, exchanges=["okx", "binance"])
    assert some.exchange.tolist() == ["binance", "okx"]


async def test_of_too_many_liquidations_the_newest_are_given_and_all_are_counted(store: MarketStore) -> None:
    """A limit cuts off the far end of the past, never the present."""
    await store.append([Liquidation("okx", "BTCUSDT", T0 + i, "long", 100.0, 1.0) for i in range(7)])
    newest = await store.liquidations("BTCUSDT", start_ms=T0, end_ms=T0 + 10, limit=3)
    assert newest.time_ms.tolist() == [T0 + 4, T0 + 5, T0 + 6]
    assert await store.count_liquidations("BTCUSDT", start_ms=T0, end_ms=T0 + 10) == 7
    assert await store.count_liquidations("BTCUSDT", start_ms=T0, end_ms=T0 + 10, exchanges=["bybit"]) == 0


async def test_totals_and_events_are_not_counted_twice(store: MarketStore) -> None:
    """Where a venue's total covers an event, only the total counts; other events are added up."""
    half_hour = 30 * MINUTE_MS
    await store.append(
        [
            LiquidationTotal("binance", "BTCUSDT", half_hour, T0, 500.0, 0.0),
            Liquidation("binance", "BTCUSDT", T0 + 1, "long", 100.0, 1.0),
            Liquidation("binance", "BTCUSDT", T0 + half_hour, "short", 100.0, 1.0),
            Liquidation("okx", "BTCUSDT", T0 + 1, "long", 100.0, 2.0),
        ]
    )
    totals = await store.liquidation_totals("BTCUSDT", half_hour)
    assert totals.open_time_ms.tolist() == [T0, T0 + half_hour]
    assert totals.long_usd.tolist() == [700.0, 0.0]
    assert totals.short_usd.tolist() == [0.0, 100.0]
    assert totals.from_totals.tolist() == [True, False]
    hourly = await store.liquidation_totals("BTCUSDT", 60 * MINUTE_MS, exchanges=["binance"])
    assert (hourly.long_usd.tolist(), hourly.short_usd.tolist()) == ([500.0], [100.0])
    some = await store.liquidation_totals("BTCUSDT", half_hour, exchanges=["binance", "okx"])
    assert some.long_usd.tolist() == [700.0, 0.0]
    assert len(await store.liquidation_totals("BTCUSDT", half_hour, exchanges=["bybit"])) == 0


async def test_the_summary_names_spans_and_gaps(store: MarketStore) -> None:
    """Per market and interval: span, rows, each gap; markets without bars are listed too."""
    await store.append([candle(0), candle(1), candle(4), open_interest(T0, 1.0)])
    await store.append([Liquidation("okx", "ETHUSDT", T0, "long", 99.0, 1.0)])
    step = 5 * MINUTE_MS
    bars, events = await store.summary()
    assert (bars.first_ms, bars.last_ms, bars.rows) == (T0, T0 + 4 * step, 3)
    assert (bars.gaps, bars.missing_bars) == (((T0 + 2 * step, T0 + 4 * step),), 2)
    assert (bars.open_interest_rows, bars.liquidation_rows) == (1, 0)
    assert (events.exchange, events.interval_ms, events.liquidation_rows) == ("okx", None, 1)


async def test_an_empty_store_answers_with_nothing(store: MarketStore) -> None:
    """No market, no bars, no error."""
    assert len(await store.bars("binance", "BTCUSDT", MINUTE_MS)) == 0
    assert await store.newest_bar_ms("binance", "BTCUSDT", MINUTE_MS) is None
    assert await store.exchanges("BTCUSDT") == ()
    assert len(await store.liquidation_totals("BTCUSDT", MINUTE_MS)) == 0
    assert await store.summary() == []


async def test_a_commit_that_cannot_begin_is_tried_again(
    store: MarketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that does not start is no reason to stop committing, or to lose what waits."""
    commit, failures = store._commit, [RuntimeError("can't start new thread")]

    def begin(batch: Batch) -> asyncio.Future[list[AppendResult]]:
        if failures:
            raise failures.pop()
        return commit(batch)

    monkeypatch.setattr(store, "_commit", begin)
    store.enqueue([candle(number) for number in range(3)])
    async with asyncio.timeout(10):
        while store.counters.rows_written < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (store.counters.failed_commits, store.counters.rows_lost) == (1, 0)
