"""liqstream/store/day_figures.py: the last day of many markets, one query per table."""

from __future__ import annotations

from liqstream.market import (
    DAY_MS,
    HOUR_MS,
    FundingRate,
    Liquidation,
    LiquidationTotal,
    MarketEvent,
    MarketKey,
)
from liqstream.store.day_figures import DayFigures, day_figures
from liqstream.store.queries import LATEST_MS
from tests.support.store_connection import store_of
from tests.support.store_records import STEP_MS, T0, candle, open_interest

BTC, ETH = MarketKey("binance", "BTCUSDT"), MarketKey("okx", "ETHUSDT")
NOW_MS = T0 + DAY_MS + 10 * STEP_MS


def of(records: list[MarketEvent]) -> dict[MarketKey, DayFigures]:
    with store_of(records) as cursor:
        return day_figures(cursor, [(BTC, LATEST_MS), (ETH, LATEST_MS)], NOW_MS)


def test_prices_and_open_interest_are_the_last_known_of_then() -> None:
    """The close of the bar that had closed a day before; readings no older than two hours."""
    day_ago, hour_ago = NOW_MS - DAY_MS, NOW_MS - HOUR_MS
    bars = [candle(index) for index in (7, 9, 10, 11)]
    readings = [
        open_interest(day_ago - 3 * HOUR_MS, 1.0),
        open_interest(day_ago - STEP_MS, 2.0),
        open_interest(day_ago + 1, 3.0),
        open_interest(hour_ago - STEP_MS, 4.0),
        open_interest(hour_ago + 1, 5.0),
    ]
    found = of([*bars, *readings])
    assert found[BTC].price_day_ago_usd == candle(9).close
    assert found[BTC].open_interest_day_ago_base == 2.0
    assert found[BTC].open_interest_hour_ago_base == 4.0
    assert found[ETH] == DayFigures()
    assert of([candle(1)])[BTC].price_day_ago_usd == candle(1).close
    assert of([candle(-10)])[BTC].price_day_ago_usd is None


def test_liquidations_are_of_the_day_and_counted_once() -> None:
    """Single ones, and totals where there are: the finest that cover most; older, later ones do not count."""
    day_ago = NOW_MS - DAY_MS

    def single(time_ms: int, side: str = "long", exchange: str = "okx") -> Liquidation:
        symbol = "ETHUSDT" if exchange == "okx" else "BTCUSDT"
        return Liquidation(exchange, symbol, time_ms, side, 100.0, 1.0)  # type: ignore[arg-type]

    def total(time_ms: int, interval_ms: int, usd: float) -> LiquidationTotal:
        return LiquidationTotal("okx", "ETHUSDT", interval_ms, time_ms, usd, 2 * usd)

    start = -(-day_ago // STEP_MS) * STEP_MS
    found = of(
        [
            single(day_ago - 1),
            single(NOW_MS),
            single(start + 3),
            single(start + STEP_MS, "short"),
            single(start + 3, "short", "binance"),
            total(start, STEP_MS, 1000.0),
            total(start + 5 * STEP_MS, STEP_MS, 500.0),
            total(start, 1, 7.0),
        ]
    )
    assert (found[ETH].long_usd, found[ETH].short_usd) == (1500.0, 3100.0)
    assert (found[BTC].long_usd, found[BTC].short_usd) == (0.0, 100.0)


def test_funding_is_the_last_that_was_paid() -> None:
    """With its time."""
    found = of(
        [FundingRate("binance", "BTCUSDT", NOW_MS - hours * HOUR_MS, hours / 1000) for hours in (9, 1, 30)]
    )
    assert (found[BTC].funding_rate, found[BTC].funding_ms) == (0.001, NOW_MS - HOUR_MS)
    assert found[ETH].funding_ms is None
