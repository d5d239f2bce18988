"""liqstream/store/summary.py: spans, rows and gaps by market."""

from __future__ import annotations

from liqstream.market import Liquidation, LiquidationTotal, MarketEvent
from liqstream.store.guarded_rows import newest_times
from liqstream.store.queries import LATEST_MS
from liqstream.store.summary import summary
from tests.support.store_connection import store_of
from tests.support.store_records import STEP_MS, T0, candle, open_interest


def test_markets_by_interval_then_those_without_bars() -> None:
    """Each gap as (first missing, next present); counts are of the whole market."""
    records: list[MarketEvent] = [
        *(candle(index) for index in (0, 1, 4, 6)),
        candle(0, interval_ms=3 * STEP_MS),
        open_interest(T0, 1.0),
        Liquidation("okx", "ETHUSDT", T0 + 5, "long", 99.0, 1.0),
        LiquidationTotal("okx", "ETHUSDT", STEP_MS, T0, 1.0, 1.0),
    ]
    with store_of(records) as cursor:
        fine, coarse, without = summary(cursor, [(key, LATEST_MS) for key in newest_times(cursor)])
    assert (fine.interval_ms, fine.first_ms, fine.last_ms, fine.rows) == (STEP_MS, T0, T0 + 6 * STEP_MS, 4)
    assert fine.gaps == ((T0 + 2 * STEP_MS, T0 + 4 * STEP_MS), (T0 + 5 * STEP_MS, T0 + 6 * STEP_MS))
    assert fine.missing_bars == 3
    assert (coarse.interval_ms, coarse.rows, coarse.gaps) == (3 * STEP_MS, 1, ())
    assert fine.open_interest_rows == coarse.open_interest_rows == 1
    assert (without.exchange, without.interval_ms, without.rows) == ("okx", None, 0)
    assert (without.first_ms, without.last_ms) == (T0, T0 + 5)
    assert (without.liquidation_rows, without.liquidation_total_rows) == (1, 1)


def test_an_empty_store_has_no_market() -> None:
    """Nothing to list."""
    with store_of([]) as cursor:
        assert summary(cursor, []) == []
