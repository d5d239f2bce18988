"""liqstream/heatmap/warmup.py: stored bars with what was liquidated in each, from a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from liqstream.heatmap.warmup import Warmup, read_bars, read_warmup, with_waiting
from liqstream.market import Liquidation, LiquidationSpan, LiquidationTotal, MarketEvent, MarketKey
from liqstream.store.market_store import MarketStore
from tests.support.store_records import MINUTE_MS, STEP_MS, T0, candle, open_interest

KEY = MarketKey("binance", "BTCUSDT")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """A store with an hour of bars."""
    opened = await MarketStore.open(tmp_path / "market.duckdb")
    await opened.append([candle(index) for index in range(12)])
    yield opened
    await opened.close()


async def read(store: MarketStore) -> Warmup:
    return await read_bars(store, KEY, interval_ms=STEP_MS, start_ms=None, end_ms=None)


async def test_the_last_span_before_an_end_is_read(store: MarketStore) -> None:
    """Counted back from the newest bar, or from the end that is given; none of an empty market."""
    last = await read_warmup(store, KEY, interval_ms=STEP_MS, span_ms=3 * STEP_MS)
    assert last.bars.open_time_ms.tolist() == [T0 + index * STEP_MS for index in (8, 9, 10, 11)]
    early = await read_warmup(store, KEY, interval_ms=STEP_MS, span_ms=3 * STEP_MS, end_ms=T0 + 5 * STEP_MS)
    assert early.bars.open_time_ms.tolist() == [T0 + index * STEP_MS for index in (2, 3, 4)]
    nothing = await read_warmup(store, MarketKey("okx", "BTCUSDT"), interval_ms=STEP_MS, span_ms=STEP_MS)
    assert len(nothing.bars) == 0


def listened(first: int, last: int) -> LiquidationSpan:
    return LiquidationSpan("binance", "BTCUSDT", T0 + first * STEP_MS, T0 + last * STEP_MS)


async def test_without_liquidations_nothing_is_known(store: MarketStore) -> None:
    """Unless they were listened to: then none is a true zero, in the bars that are covered."""
    assert np.isnan((await read(store)).realised_long_usd).all()
    await store.append([listened(2, 4), listened(9, 12)])
    found = await read(store)
    zero = np.flatnonzero(found.realised_short_usd == 0.0).tolist()
    assert (zero, int(np.isnan(found.realised_short_usd).sum())) == ([2, 3, 9, 10, 11], 7)


async def test_an_hour_without_the_channel_is_unknown(store: MarketStore) -> None:
    """By side, in USD, in the bar they fell into; a bar covered to 95 % is known, one to 94 % is not."""
    await store.append(
        [
            Liquidation(*("binance", "BTCUSDT"), T0 + index * STEP_MS + 1, "long", 100.0, 2.0)
            for index in (0, 5, 11)
        ]
    )
    assert np.isnan((await read(store)).realised_long_usd).all()
    span = LiquidationSpan("binance", "BTCUSDT", T0 + 5 * STEP_MS, T0 + 7 * STEP_MS + STEP_MS * 95 // 100)
    late = LiquidationSpan("binance", "BTCUSDT", T0 + 11 * STEP_MS + STEP_MS * 6 // 100, T0 + 12 * STEP_MS)
    await store.append([span, late])
    found = await read(store)
    assert found.realised_long_usd[5:8].tolist() == [200.0, 0.0, 0.0]
    assert np.isnan(np.delete(found.realised_long_usd, [5, 6, 7])).all()
    assert found[5:7].realised_short_usd.tolist() == [0.0, 0.0]


async def test_totals_of_longer_intervals_are_spread_over_their_bars(store: MarketStore) -> None:
    """Evenly; bars of no total stay unknown."""
    await store.append([LiquidationTotal(*("binance", "BTCUSDT"), 30 * MINUTE_MS, T0, 600.0, 60.0)])
    found = await read(store)
    assert found.realised_long_usd[:6] == pytest.approx([100.0] * 6)
    assert found.realised_short_usd[:6] == pytest.approx([10.0] * 6)
    assert np.isnan(found.realised_long_usd[6:]).all()
    assert found.totals_ms.tolist() == 6 * [30 * MINUTE_MS] + 6 * [0]


async def test_totals_are_not_lost_once_liquidations_are_collected(store: MarketStore) -> None:
    """What was imported is known beside what was listened to since; a total is not spread where a part of it
    is known."""
    total = LiquidationTotal(*("binance", "BTCUSDT"), 30 * MINUTE_MS, T0, 600.0, 60.0)
    collected = Liquidation(*("binance", "BTCUSDT"), T0 + 7 * STEP_MS + 1, "long", 100.0, 2.0)
    await store.append([total, listened(7, 9), collected])
    found = await read(store)
    assert found.realised_long_usd[:6] == pytest.approx([100.0] * 6)
    assert found.realised_long_usd[7:9].tolist() == [200.0, 0.0]
    assert np.isnan(found.realised_long_usd[[6, 9, 10, 11]]).all()
    await store.append(
        [LiquidationTotal(*("binance", "BTCUSDT"), 30 * MINUTE_MS, T0 + 6 * STEP_MS, 900.0, 0)]
    )
    again = await read(store)
    assert np.array_equal(again.realised_long_usd, found.realised_long_usd, equal_nan=True)


async def test_a_total_that_ends_later_is_not_known_yet(store: MarketStore) -> None:
    """Within its half hour a replay, or a forecast of its bars, would know what is to come."""
    await store.append([LiquidationTotal(*("binance", "BTCUSDT"), 30 * MINUTE_MS, T0, 600.0, 60.0)])
    for bars, known in ((5, 0), (6, 6)):
        end_ms = T0 + bars * 5 * MINUTE_MS
        found = await read_bars(
            store, MarketKey("binance", "BTCUSDT"), interval_ms=5 * MINUTE_MS, start_ms=None, end_ms=end_ms
        )
        assert len(found.bars) == bars
        assert np.isfinite(found.realised_long_usd).sum() == known


async def test_what_waits_for_the_store_is_taken_in(store: MarketStore) -> None:
    """Closed bars between and after the stored ones, with the last open interest before each close."""
    await store.append([open_interest(T0 + 3 * STEP_MS, 7.0)])
    held = await read_warmup(store, KEY, interval_ms=STEP_MS, span_ms=20 * STEP_MS)
    waiting: list[MarketEvent] = [
        candle(13),
        candle(12),
        candle(11, close=5.0),
        candle(-1),
        open_interest(T0 + 13 * STEP_MS, 9.0),
    ]
    taken = with_waiting(held, waiting)
    assert taken.bars.open_time_ms.tolist() == [T0 + index * STEP_MS for index in range(14)]
    assert taken.bars.close[11] == held.bars.close[11], "what is stored stays"
    assert taken.bars.open_interest_base[[11, 12, 13]].tolist() == [7.0, 9.0, 9.0]
    assert len(taken.realised_long_usd) == len(taken.realised_short_usd) == 14
    until = with_waiting(held, waiting, end_ms=T0 + 13 * STEP_MS)
    assert len(until.bars) == 13
    assert with_waiting(held, [candle(0)]) is held
