"""liqstream/store/liquidation_totals.py: given totals and single events, none counted twice."""

from __future__ import annotations

import pytest

from liqstream.market import Liquidation, LiquidationTotal, MarketEvent, MarketKey
from liqstream.store.liquidation_totals import given_intervals, liquidation_totals
from liqstream.store.queries import EARLIEST_MS, LATEST_MS
from liqstream.store.results import LiquidationTotals
from tests.support.store_connection import store_of
from tests.support.store_records import MINUTE_MS, T0

HALF_HOUR_MS = 30 * MINUTE_MS


def totals_of(*records: MarketEvent, interval_ms: int = HALF_HOUR_MS) -> LiquidationTotals:
    with store_of(records) as cursor:
        markets = [(MarketKey(name, "BTCUSDT"), LATEST_MS) for name in ("binance", "okx")]
        return liquidation_totals(cursor, markets, interval_ms, start_ms=EARLIEST_MS, end_ms=LATEST_MS)


def event(time_ms: int, exchange: str = "binance") -> Liquidation:
    return Liquidation(exchange, "BTCUSDT", time_ms, "long", 100.0, 1.0)


def total(
    interval_ms: int, open_time_ms: int, long_usd: float, exchange: str = "binance"
) -> LiquidationTotal:
    return LiquidationTotal(exchange, "BTCUSDT", interval_ms, open_time_ms, long_usd, 7.0)


def test_an_event_counts_only_where_no_total_of_its_exchange_covers_it() -> None:
    """Another exchange's events are added to the total."""
    found = totals_of(
        total(HALF_HOUR_MS, T0, 500.0), event(T0 + 1), event(T0 + HALF_HOUR_MS), event(T0 + 1, "okx")
    )
    assert found.open_time_ms.tolist() == [T0, T0 + HALF_HOUR_MS]
    assert found.long_usd.tolist() == [600.0, 100.0]
    assert found.short_usd.tolist() == [7.0, 0.0]
    assert found.from_totals.tolist() == [True, False]


def test_of_several_intervals_the_one_that_covers_most_is_taken() -> None:
    """The finest of equals; longer ones than asked for are of no use."""
    quarter_ms = HALF_HOUR_MS // 2
    partly = totals_of(total(quarter_ms, T0, 1.0), total(HALF_HOUR_MS, T0, 500.0))
    assert partly.long_usd.tolist() == [500.0]
    whole = totals_of(
        total(quarter_ms, T0, 1.0), total(quarter_ms, T0 + quarter_ms, 2.0), total(HALF_HOUR_MS, T0, 500.0)
    )
    assert whole.long_usd.tolist() == [3.0]
    assert len(totals_of(total(HALF_HOUR_MS, T0, 500.0), interval_ms=quarter_ms)) == 0


def test_totals_of_a_part_are_not_known_of_the_whole() -> None:
    """An hour of which one half was given is shown with what there is, and is no given hour."""
    parts = total(HALF_HOUR_MS, T0, 500.0), event(T0 + HALF_HOUR_MS + 1)
    found = totals_of(*parts, interval_ms=2 * HALF_HOUR_MS)
    assert (found.long_usd.tolist(), found.from_totals.tolist()) == ([600.0], [False])
    whole = totals_of(*parts, total(HALF_HOUR_MS, T0 + HALF_HOUR_MS, 50.0), interval_ms=2 * HALF_HOUR_MS)
    assert (whole.long_usd.tolist(), whole.from_totals.tolist()) == ([550.0], [True])


@pytest.mark.parametrize(
    ("given", "interval_ms"),
    [
        ((HALF_HOUR_MS,), HALF_HOUR_MS),
        ((HALF_HOUR_MS, 2 * HALF_HOUR_MS), 2 * HALF_HOUR_MS),
        ((HALF_HOUR_MS, 5 * MINUTE_MS), 5 * MINUTE_MS),
    ],
)
def test_longer_totals_lengthen_the_interval_they_would_be_left_out_of(
    given: tuple[int, ...], interval_ms: int
) -> None:
    """To the shortest that holds them all, from its beginning on; not where finer ones have their time."""
    with store_of([total(each, T0, 500.0) for each in given]) as cursor:
        markets = [(MarketKey("binance", "BTCUSDT"), LATEST_MS)]
        span = {"start_ms": T0 + 2 * MINUTE_MS, "end_ms": T0 + HALF_HOUR_MS}
        found = liquidation_totals(cursor, markets, 5 * MINUTE_MS, or_coarser=True, **span)
        assert found.interval_ms == interval_ms
        assert (found.open_time_ms.tolist(), found.long_usd.tolist()) == ([T0], [500.0])


def test_which_intervals_were_given() -> None:
    """Of one market and span, each once."""
    records = [
        total(HALF_HOUR_MS, T0, 1.0),
        total(2 * HALF_HOUR_MS, T0, 1.0),
        total(MINUTE_MS, T0, 1.0, "okx"),
    ]
    with store_of([*records, event(T0)]) as cursor:
        asked = {"start_ms": T0, "latest_ms": LATEST_MS}
        market = MarketKey("binance", "BTCUSDT")
        found = given_intervals(cursor, market, end_ms=T0 + 1, **asked)
        assert found == [HALF_HOUR_MS, 2 * HALF_HOUR_MS]
        assert given_intervals(cursor, market, end_ms=T0, **asked) == []


def test_impossible_figures_are_left_out() -> None:
    """One forceOrder of 1e200 at 1e200, or a total of it, would make every figure infinite."""
    wild = Liquidation("binance", "BTCUSDT", T0 + 2, "long", 1e200, 1e200)
    found = totals_of(event(T0 + 1), wild, total(HALF_HOUR_MS, T0 + HALF_HOUR_MS, 1e200))
    assert found.open_time_ms.tolist() == [T0]
    assert found.long_usd.tolist() == [100.0]
