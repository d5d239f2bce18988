"""liqstream/store/guarded_rows.py: the guard's rules in SQL leave out what the guard itself refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liqstream.market import Candle, FundingRate, Liquidation, LiquidationTotal, MarketEvent, MarketKey
from liqstream.market.record_bounds import unsound
from liqstream.store.guarded_rows import USABLE, limits, newest_times, refused_rows, usable_of_markets
from liqstream.store.tables import TABLES
from tests.support.store_connection import store_of
from tests.support.store_records import STEP_MS, T0, candle, open_interest

MARKET = MarketKey("binance", "BTCUSDT")
NAMES = (MARKET.exchange, MARKET.symbol)
LATER_MS = T0 + 100 * STEP_MS
DAY_MS = 86_400_000

IMPOSSIBLE: list[MarketEvent] = [
    replace(candle(0), high=1e12),
    replace(candle(0), low=1e-13),
    replace(candle(0), high=90.0),
    replace(candle(0), volume_base=1e300),
    replace(candle(0), volume_base=-1.0),
    replace(candle(0), open_time_ms=T0 + 1),
    open_interest(T0, 1e30),
    open_interest(T0, -1.0),
    Liquidation(*NAMES, T0, "long", 1e200, 1e200),
    Liquidation(*NAMES, T0, "long", 0.0, 1.0),
    Liquidation(*NAMES, T0, "long", 100.0, -1.0),
    LiquidationTotal(*NAMES, STEP_MS, T0, 1e13, 0.0),
    LiquidationTotal(*NAMES, STEP_MS, T0, 0.0, float("inf")),
    FundingRate(*NAMES, T0, 1.5),
]
SOUND: list[MarketEvent] = [
    candle(0),
    candle(0, volume_base=5.0),
    open_interest(T0, 5.0),
    Liquidation(*NAMES, T0, "short", 1e6, 1e6),
    LiquidationTotal(*NAMES, STEP_MS, T0, 0.0, 1e12),
    FundingRate(*NAMES, T0, -0.03),
]


@pytest.mark.parametrize("record", [*IMPOSSIBLE, *SOUND], ids=str)
def test_a_row_is_left_out_if_the_guard_would_refuse_its_record(record: MarketEvent) -> None:
    """Whatever the table."""
    with store_of([record]) as cursor:
        counts, recent = refused_rows(cursor, MARKET, LATER_MS)
        table = next(table for table in TABLES if table.record is type(record))
        query = f"SELECT count(*) FROM ({usable_of_markets(table.name)})"
        (used,) = cursor.execute(query, limits([(MARKET, LATER_MS)])).fetchone() or (None,)
    assert bool(unsound(record)) is (record in IMPOSSIBLE)
    assert (bool(counts), recent, used) == ((True, True, 0) if record in IMPOSSIBLE else (False, False, 1))
    assert set(USABLE) == {table.name for table in TABLES}


def test_each_market_has_its_own_latest_time() -> None:
    """A row beyond it is left out; the newest time is told whatever it is."""
    eth = MarketKey("binance", "ETHUSDT")
    bars = [candle(0), candle(7), replace(candle(7), symbol="ETHUSDT")]
    with store_of(bars) as cursor:
        assert newest_times(cursor) == {MARKET: T0 + 7 * STEP_MS, eth: T0 + 7 * STEP_MS}
        query = f"SELECT symbol, open_time_ms FROM ({usable_of_markets('candles')}) ORDER BY ALL"
        found = cursor.execute(query, limits([(MARKET, T0), (eth, LATER_MS)])).fetchall()
        assert found == [("BTCUSDT", T0), ("ETHUSDT", T0 + 7 * STEP_MS)]
        assert refused_rows(cursor, MARKET, T0) == ({"candles": 1}, True)


def test_rows_of_long_ago_flag_nothing() -> None:
    """They are counted."""
    old = Candle(*NAMES, STEP_MS, T0 - 2 * DAY_MS, 1.0, 1e12, 1.0, 1.0)
    with store_of([old, candle(0)]) as cursor:
        assert refused_rows(cursor, MARKET, LATER_MS) == ({"candles": 1}, False)
