"""liqstream/store/queries.py: bars and liquidations out of the tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from liqstream.market import FundingRate, Liquidation, MarketEvent, MarketKey
from liqstream.store import queries
from liqstream.store.guarded_rows import newest_times, refused_rows
from liqstream.store.queries import EARLIEST_MS, LATEST_MS
from liqstream.store.summary import summary
from tests.support.store_connection import store_of
from tests.support.store_records import STEP_MS, T0, candle, open_interest

BINANCE = ("binance", "BTCUSDT")
MARKET = MarketKey(*BINANCE)
EVER: dict[str, int] = {"start_ms": EARLIEST_MS, "end_ms": LATEST_MS, "latest_ms": LATEST_MS}


def test_bars_of_a_span_carry_the_open_interest_of_their_close() -> None:
    """The last known at or before it, also one from before the span; NaN before the first."""
    interest = [open_interest(T0 + STEP_MS + 1, 10.0), open_interest(T0 + 3 * STEP_MS, 20.0)]
    with store_of([*(candle(index) for index in range(4)), *interest]) as cursor:
        bars, _ = queries.bars(cursor, MARKET, STEP_MS, **EVER)
        np.testing.assert_array_equal(bars.open_interest_base, [np.nan, 10.0, 20.0, 20.0])
        late, _ = queries.bars(cursor, MARKET, STEP_MS, **EVER | {"start_ms": T0 + 3 * STEP_MS})
        assert late.open_interest_base.tolist() == [20.0]
        assert late.reported_open_interest.tolist() == [40.0]


def test_a_longer_bar_is_made_once_its_last_part_is_there() -> None:
    """A bar missing in its middle does not hold it back; stored ones of the interval are preferred."""
    fine = [candle(index, close=100.0 + index) for index in (0, 2, 3, 4)]
    stored = candle(1, close=50.0, interval_ms=3 * STEP_MS)
    with store_of(fine) as cursor:
        made, _ = queries.bars(cursor, MARKET, 3 * STEP_MS, **EVER)
        assert (made.open_time_ms.tolist(), made.close.tolist()) == ([T0], [102.0])
        assert queries.newest_bar_ms(cursor, MARKET, 3 * STEP_MS, LATEST_MS) == T0
        assert queries.newest_bar_ms(cursor, MARKET, STEP_MS // 5, LATEST_MS) is None
    with store_of([*fine, stored]) as cursor:
        joined, _ = queries.bars(cursor, MARKET, 3 * STEP_MS, **EVER)
        assert joined.close.tolist() == [102.0, 50.0]


def test_liquidations_are_ascending_and_limited_from_the_newest() -> None:
    """Of all exchanges or some; the count has no limit."""
    names = ("okx", "bybit", "okx")
    records: list[MarketEvent] = [
        Liquidation(name, "BTCUSDT", T0 + index, "short", 100.0, 1.0) for index, name in enumerate(names)
    ]
    span = {"start_ms": T0, "end_ms": T0 + 3}
    okx, bybit = ((MarketKey(name, "BTCUSDT"), LATEST_MS) for name in ("okx", "bybit"))
    with store_of(records) as cursor:
        found = queries.liquidations(cursor, [okx, bybit], **span, limit=2)
        assert found.time_ms.tolist() == [T0 + 1, T0 + 2]
        assert found.exchange.tolist() == ["bybit", "okx"]
        assert not found.is_long.any()
        assert queries.count_liquidations(cursor, [okx, bybit], **span) == 3
        assert queries.count_liquidations(cursor, [okx], **span) == 2
        assert queries.exchanges_with_liquidations(cursor, "BTCUSDT") == ["bybit", "okx"]


def test_exchanges_and_funding_of_a_symbol() -> None:
    """By name, and by time."""
    rates = [FundingRate(*BINANCE, T0 + index, 1e-4 * index) for index in (2, 1, 0)]
    with store_of([candle(0), *rates]) as cursor:
        assert queries.exchanges(cursor, "BTCUSDT") == ("binance",)
        found = queries.funding(cursor, MARKET, **EVER | {"start_ms": T0 + 1})
        assert (found.time_ms.tolist(), found.rate.tolist()) == ([T0 + 1, T0 + 2], [1e-4, 2e-4])


def test_what_the_guard_refuses_is_left_out_of_every_read() -> None:
    """It is not the newest either, in whatever interval; a wick that the next bar confirms is read."""
    year_2096_ms = 3_976_214_400_000
    records: list[MarketEvent] = [
        candle(0),
        candle(1, low=0.02),
        candle(2),
        replace(candle(3), high=1e12),
        candle(4, close=9e6),
        candle(5),
        replace(candle(0), open_time_ms=year_2096_ms),
        *(open_interest(T0 + STEP_MS * (1 + n), base) for n, base in enumerate((10.0, 0.0, 1e4, 11.0))),
        open_interest(year_2096_ms, 7.0),
        Liquidation(*BINANCE, T0, "long", 1e200, 1e200),
        Liquidation(*BINANCE, T0, "long", 100.0, 1.0),
        FundingRate(*BINANCE, T0, 7.0),
    ]
    latest = {"start_ms": EARLIEST_MS, "end_ms": LATEST_MS, "latest_ms": T0 + 100 * STEP_MS}
    limit = latest["latest_ms"]
    with store_of(records) as cursor:
        bars, unconfirmed = queries.bars(cursor, MARKET, STEP_MS, **latest)
        assert ((bars.open_time_ms - T0) // STEP_MS).tolist() == [0, 1, 2, 5]
        assert (bars.low[1], unconfirmed) == (0.02, 1)
        assert bars.open_interest_base.tolist() == [10.0, 10.0, 10.0, 11.0]
        longer, _ = queries.bars(cursor, MARKET, 3 * STEP_MS, **latest)
        assert longer.high.tolist() == [101.0, 101.0]
        assert queries.newest_bar_ms(cursor, MARKET, STEP_MS, limit) == T0 + 5 * STEP_MS
        span = {"start_ms": EARLIEST_MS, "end_ms": LATEST_MS}
        assert queries.count_liquidations(cursor, [(MARKET, limit)], **span) == 1
        assert len(queries.liquidations(cursor, [(MARKET, limit)], **span, limit=None)) == 1
        assert not len(queries.funding(cursor, MARKET, **latest).rate)
        (of_bars,) = summary(cursor, [(MARKET, limit)])
        assert (of_bars.last_ms, of_bars.rows) == (T0 + 5 * STEP_MS, 5)
        assert refused_rows(cursor, MARKET, limit) == (
            {"candles": 2, "open_interest": 2, "liquidations": 1, "funding": 1},
            True,
        )
        assert newest_times(cursor) == {MARKET: year_2096_ms}


def test_open_interest_that_no_price_judged_is_left_out_at_its_bars() -> None:
    """It was stored before any bar; with one it is more than a record can be about."""
    interest = [open_interest(T0 + STEP_MS, 3e16), open_interest(T0 + 10 * STEP_MS, 3e4)]
    with store_of([*(candle(index, close=100_000.0) for index in (0, 9)), *interest]) as cursor:
        bars, _ = queries.bars(cursor, MARKET, STEP_MS, **EVER)
        np.testing.assert_array_equal(bars.open_interest_base, [np.nan, 3e4])
        np.testing.assert_array_equal(bars.reported_open_interest, [np.nan, 6e4])
