"""liqstream/heatmap/live_market.py: the present of a market, record by record."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liqstream.heatmap.live_market import TRADED_LATELY_S, LiveMarket, LiveMarkets, bars_of
from liqstream.market import (
    Bars,
    Candle,
    Liquidation,
    LiquidationTotal,
    MarketEvent,
    MarketKey,
    MarkPrice,
    OpenInterest,
)

MINUTE = 60_000
KEY = MarketKey("binance", "BTCUSDT")


def candle(open_time_ms: int, close: float = 100.0, *, closed: bool = True) -> Candle:
    return Candle(*(KEY.exchange, KEY.symbol), MINUTE, open_time_ms, 99.0, 109.0, 98.0, close, closed=closed)


@pytest.fixture
def market() -> LiveMarket:
    """A market of one-minute bars without any record."""
    return LiveMarket(KEY, MINUTE)


def test_a_closed_bar_carries_the_open_interest_known_at_its_end(market: LiveMarket) -> None:
    """What is reported later belongs to the next bar."""
    for event in (
        OpenInterest(KEY.exchange, KEY.symbol, 1, 5.0, 500.0, "usd"),
        candle(0),
        OpenInterest(KEY.exchange, KEY.symbol, MINUTE + 1, 6.0, 600.0, "usd"),
        candle(MINUTE),
    ):
        market.apply(event, 0.0)
    bars, _, _ = bars_of(market.take_closed(), MINUTE)
    assert bars.open_interest_base.tolist() == [5.0, 6.0]
    assert bars.reported_open_interest.tolist() == [500.0, 600.0]


def test_liquidations_are_counted_to_their_bar(market: LiveMarket) -> None:
    """By side, in USD; a bar without one is a true zero while they are listened to."""
    market.cover(MINUTE, 4 * MINUTE)
    for event in (
        candle(0),
        Liquidation(KEY.exchange, KEY.symbol, MINUTE + 5, "long", 100.0, 2.0),
        Liquidation(KEY.exchange, KEY.symbol, 2 * MINUTE + 5, "short", 100.0, 3.0),
        candle(MINUTE),
        LiquidationTotal(KEY.exchange, KEY.symbol, MINUTE, 2 * MINUTE, 10.0, 20.0),
        candle(2 * MINUTE),
        candle(3 * MINUTE),
    ):
        market.apply(event, 0.0)
    _, long_usd, short_usd = bars_of(market.take_closed(), MINUTE)
    assert math.isnan(long_usd[0])
    assert long_usd[1:].tolist() == [200.0, 10.0, 0.0]
    assert short_usd[1:].tolist() == [0.0, 320.0, 0.0]


def test_a_late_liquidation_counts_to_its_bar_while_no_state_has_it(market: LiveMarket) -> None:
    """Then the bar is what it was; what is kept for bars to come does not grow by it."""
    market.cover(MINUTE, 3 * MINUTE)
    late = Liquidation(KEY.exchange, KEY.symbol, 2 * MINUTE + 5, "long", 100.0, 2.0)
    for event in (candle(MINUTE), candle(2 * MINUTE), late):
        market.apply(event, 0.0)
    assert [bar.liquidated_long_usd for bar in market.take_closed()] == [0.0, 200.0]
    for event in (late, candle(3 * MINUTE, closed=False)):
        market.apply(event, 0.0)
    assert market._liquidated_usd == {}
    assert market.take_closed() == []


def test_the_forming_bar_gives_way_to_its_closed_self(market: LiveMarket) -> None:
    """And what repeats or comes late is not taken twice."""
    market.apply(candle(0, 100.5, closed=False), 0.0)
    assert market.price_usd == 100.5
    forming = market.forming_bars()
    assert forming is not None
    assert forming.close.tolist() == [100.5]
    for again in (candle(0), candle(0), candle(0, closed=False)):
        market.apply(again, 0.0)
    assert market.forming_bars() is None
    assert len(market.take_closed()) == 1
    assert market.take_closed() == []


def test_the_data_s_own_time_only_grows(market: LiveMarket) -> None:
    """A message from the past changes the price but not the time."""
    market.apply(MarkPrice(KEY.exchange, KEY.symbol, 5000, 1.0), 0.0)
    market.apply(MarkPrice(KEY.exchange, KEY.symbol, 4000, 2.0), 0.0)
    assert (market.data_time_ms, market.price_usd) == (5000, 2.0)


def test_a_mark_price_stands_in_only_where_nothing_was_traded_lately(market: LiveMarket) -> None:
    """Bars and marks alternate several times a second: the price people see must not flicker between them."""
    market.apply(MarkPrice(KEY.exchange, KEY.symbol, 1000, 99.0), 0.0)
    assert market.price_usd == 99.0, "before the first bar there is nothing else"
    market.apply(candle(0, 100.5, closed=False), 1.0)
    market.apply(MarkPrice(KEY.exchange, KEY.symbol, 2000, 100.1), 1.0 + TRADED_LATELY_S)
    assert (market.price_usd, market.data_time_ms) == (100.5, 2000)
    market.apply(MarkPrice(KEY.exchange, KEY.symbol, 13_000, 100.2), 1.1 + TRADED_LATELY_S)
    assert market.price_usd == 100.2, "bars are late: the mark price is newer"
    market.apply(candle(0, 100.6, closed=False), 12.0)
    assert market.price_usd == 100.6


def test_it_goes_on_where_history_ends(market: LiveMarket) -> None:
    """Stored bars are not taken again; their last price stands until a newer one comes."""
    market.apply(candle(0), 0.0)
    market.apply(candle(MINUTE, 103.0), 0.0)
    market.price_usd = market.close_usd = math.nan
    market.start_from(Bars.from_candles([candle(0, 102.0)], MINUTE, open_interest_base=7.0))
    assert (market.price_usd, market.close_usd) == (102.0, 102.0)
    assert market.open_interest_base == 7.0
    assert [bar.candle.close for bar in market.take_closed()] == [103.0]


def test_what_is_later_than_records_can_be_is_forgotten_whole(market: LiveMarket) -> None:
    """Bars, forming bar, price and time; who looks for a change finds one. What is in time stays."""
    market.apply(candle(0), 0.0)
    assert not market.forget_later(10 * MINUTE)
    assert market.price_usd == 100.0
    market.apply(candle(60 * MINUTE, 108.0), 0.0)
    market.apply(candle(61 * MINUTE, 108.0, closed=False), 0.0)
    records = market.records
    assert market.forget_later(10 * MINUTE)
    assert market.records > records
    assert (market.data_time_ms, market.forming) == (0, None)
    assert math.isnan(market.price_usd)
    assert math.isnan(market.close_usd)
    assert [bar.candle.open_time_ms for bar in market.take_closed()] == [0]
    market.apply(candle(MINUTE, 101.0), 0.0)
    assert (market.price_usd, market.data_time_ms) == (101.0, 2 * MINUTE)


def test_age_is_the_time_since_the_last_record() -> None:
    """A source without records is stale, whatever its clock says."""
    now_s = 100.0
    markets = LiveMarkets(MINUTE, lambda: now_s)
    assert markets.market(KEY).age_s(now_s) == math.inf
    markets.apply([MarkPrice(KEY.exchange, KEY.symbol, 1, 1.0)])
    now_s = 103.0
    assert markets.market(KEY).age_s(now_s) == 3.0
    assert [market.key for market in markets.of_symbol(KEY.symbol)] == [KEY]
    assert np.isfinite(markets.market(KEY).price_usd)


def test_a_repeated_bar_is_no_fault_a_late_or_changed_one_is(market: LiveMarket) -> None:
    """Overlap after a reconnect is ordinary; a bar that was missing, or has other prices, is flagged."""
    for event in (candle(0), candle(MINUTE), candle(3 * MINUTE), candle(MINUTE)):
        market.apply(event, 0.0)
    assert market.disordered_ms == -1
    market.apply(candle(2 * MINUTE), 0.0)
    assert market.disordered_ms == 4 * MINUTE
    market.disordered_ms = -1
    market.apply(candle(MINUTE, 100.5), 0.0)
    assert market.disordered_ms == 4 * MINUTE
    assert [bar.candle.open_time_ms for bar in market.take_closed()] == [0, MINUTE, 3 * MINUTE]


def test_a_bar_is_a_true_zero_only_where_liquidations_were_listened_to(market: LiveMarket) -> None:
    """Else nothing is known of it, whatever part of its liquidations came; totals are as given."""
    market.cover(MINUTE, 2 * MINUTE)
    market.cover(MINUTE, 3 * MINUTE)
    some: list[MarketEvent] = [
        Liquidation(KEY.exchange, KEY.symbol, 2 * MINUTE + 5, "long", 100.0, 2.0),
        Liquidation(KEY.exchange, KEY.symbol, 3 * MINUTE + 5, "long", 100.0, 2.0),
        LiquidationTotal(KEY.exchange, KEY.symbol, MINUTE, 4 * MINUTE, 10.0, 0.0),
    ]
    for record in some:
        market.apply(record, 0.0)
    for minute in range(1, 6):
        market.apply(Candle(KEY.exchange, KEY.symbol, MINUTE, minute * MINUTE, 1.0, 1.0, 1.0, 1.0), 0.0)
    usd = [bar.liquidated_long_usd for bar in market.take_closed()]
    assert [str(each) for each in usd] == ["0.0", "200.0", "nan", "10.0", "nan"]


def test_a_minute_beside_longer_bars_is_kept_until_it_closes() -> None:
    """It changes no map: neither the price nor what counts as new."""
    market = LiveMarket(KEY, 5 * MINUTE)
    assert market.forming_minute_bars() is None
    market.apply(candle(MINUTE, closed=False), 1.0)
    forming = market.forming_minute_bars()
    assert forming is not None
    assert (forming.interval_ms, forming.open_time_ms.tolist()) == (MINUTE, [MINUTE])
    assert (market.records, market.last_event_s) == (0, 1.0)
    assert math.isnan(market.price_usd)
    market.apply(candle(MINUTE), 2.0)
    assert market.forming_minute_bars() is None


def test_markets_are_found_by_symbol_until_they_are_forgotten() -> None:
    """In the order they came; one that returns is the last, and its present a new one."""
    markets = LiveMarkets(MINUTE, lambda: 1.0)
    keys = [MarketKey(exchange, KEY.symbol) for exchange in ("okx", "binance", "gate")]
    found = [markets.market(key) for key in keys]
    markets.market(MarketKey("okx", "ETHUSDT"))
    markets.of_symbol(KEY.symbol).clear()  # the caller's own
    assert markets.of_symbol(KEY.symbol) == found
    markets.forget(keys[0])
    markets.forget(keys[0])
    assert markets.of_symbol(KEY.symbol) == found[1:]
    assert markets.market(keys[0]) is not found[0]
    assert [market.key for market in markets.of_symbol(KEY.symbol)] == [*keys[1:], keys[0]]
    markets.forget(MarketKey("okx", "ETHUSDT"))
    assert markets.of_symbol("ETHUSDT") == []
