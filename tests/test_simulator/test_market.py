"""The simulated market keeps its books: prices, positions, open interest and liquidations belong together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from liqstream.market import DAY_MS, HOUR_MS, MINUTE_MS
from liqstream.simulator.market import Bar, SimulatedMarket
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated
NOW_MS = START_MS + 31_000
SYMBOLS = ("BTCUSDT", "SOLUSDT")


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket(SYMBOLS, now_ms=NOW_MS, seed=3, history_days=1)


def whole_past(market: SimulatedMarket, symbol: str, interval_ms: int = MINUTE_MS) -> list[Bar]:
    return market.bars(symbol, interval_ms, start_ms=market.first_ms, end_ms=NOW_MS, now_ms=NOW_MS)


def test_another_population_is_another_exchange_of_the_same_market(market: SimulatedMarket) -> None:
    """Its prices stay close to the first one's; who holds what, and how much, is its own."""
    other = SimulatedMarket(SYMBOLS, now_ms=NOW_MS, seed=3, history_days=1, population=1, share=0.4)
    for symbol in SYMBOLS:
        closes = np.array(
            [[bar.close for bar in whole_past(exchange, symbol)] for exchange in (market, other)]
        )
        apart = np.abs(np.log(closes[0] / closes[1]))
        assert 0 < apart.max() < 0.03
        assert np.median(apart) < 0.004
        assert other.open_interest(symbol, NOW_MS) == pytest.approx(
            0.4 * market.open_interest(symbol, NOW_MS), rel=0.5
        )
    prices = [{level.price for level in exchange.standing("SOLUSDT", NOW_MS)} for exchange in (market, other)]
    assert len(prices[0] & prices[1]) < 0.05 * len(prices[0])


def test_same_seed_same_market(market: SimulatedMarket) -> None:
    """Everything follows from seed and clock; another seed is another market."""
    again = SimulatedMarket(SYMBOLS, now_ms=NOW_MS, seed=3, history_days=1)
    other = SimulatedMarket(SYMBOLS, now_ms=NOW_MS, seed=4, history_days=1)
    assert whole_past(again, "BTCUSDT") == whole_past(market, "BTCUSDT")
    assert again.standing("SOLUSDT", NOW_MS) == market.standing("SOLUSDT", NOW_MS)
    assert whole_past(other, "BTCUSDT") != whole_past(market, "BTCUSDT")


def test_living_on_is_being_there_later(market: SimulatedMarket) -> None:
    """A market that was advanced minute by minute is the one opened later the same day."""
    early_ms = max(NOW_MS - NOW_MS % DAY_MS, NOW_MS - 2 * HOUR_MS)
    early = SimulatedMarket(SYMBOLS, now_ms=early_ms, seed=3, history_days=1)
    for now_ms in range(early_ms, NOW_MS + 1, 17_000):
        early.advance(now_ms)
    early.advance(NOW_MS)
    assert whole_past(early, "BTCUSDT") == whole_past(market, "BTCUSDT")


def test_a_restart_another_day_tells_nearly_the_same_past() -> None:
    """A demo that is started again the next day goes on where its store left off, within a percent."""
    today = SimulatedMarket(("BTCUSDT",), now_ms=NOW_MS, seed=3, history_days=0)
    tomorrow = SimulatedMarket(("BTCUSDT",), now_ms=NOW_MS + DAY_MS, seed=3, history_days=2)
    for bar in whole_past(today, "BTCUSDT", HOUR_MS)[:-1]:
        (again,) = tomorrow.bars(
            "BTCUSDT",
            HOUR_MS,
            start_ms=bar.open_time_ms,
            end_ms=bar.open_time_ms + 1,
            now_ms=NOW_MS + DAY_MS,
        )
        assert again.close == pytest.approx(bar.close, rel=0.01)


def test_bars_hang_together(market: SimulatedMarket) -> None:
    """Each opens where the last closed, holds its prices, and five minutes are five bars of one."""
    minutes = whole_past(market, "BTCUSDT")
    for before, after in pairwise(minutes):
        assert after.open == before.close
        assert after.low <= min(after.open, after.close) <= max(after.open, after.close) <= after.high
        assert 0 <= after.taker_buy_base <= after.volume_base
    fives = whole_past(market, "BTCUSDT", 5 * MINUTE_MS)
    assert fives[3].high == max(bar.high for bar in minutes[15:20])
    assert fives[3].volume_base == pytest.approx(sum(bar.volume_base for bar in minutes[15:20]), abs=0.01)
    assert [bar.closed for bar in fives[-2:]] == [True, False]


def test_nothing_stands_on_the_wrong_side(market: SimulatedMarket) -> None:
    """A long above the price, or a short below it, would have been liquidated."""
    price = market.price("BTCUSDT", NOW_MS)
    levels = market.standing("BTCUSDT", NOW_MS)
    assert len(levels) > 500
    assert all(level.price < price * 1.0001 for level in levels if level.side == "long")
    assert all(level.price > price * 0.9999 for level in levels if level.side == "short")


def test_liquidations_happen_where_positions_stood(market: SimulatedMarket) -> None:
    """Each was touched by its minute's price, fills near its trigger, and all leverages take part."""
    fills = [
        fill
        for fill in market.liquidations("BTCUSDT", start_ms=0, end_ms=NOW_MS)
        if fill.time_ms < NOW_MS - MINUTE_MS
    ]
    assert len(fills) > 30
    minutes = {bar.open_time_ms: bar for bar in whole_past(market, "BTCUSDT")}
    for fill in fills:
        bar = minutes[fill.time_ms - fill.time_ms % MINUTE_MS]
        touched = bar.low <= fill.trigger + 0.1 if fill.side == "long" else bar.high >= fill.trigger - 0.1
        assert touched
        assert fill.price == pytest.approx(fill.trigger, rel=0.001)
        assert (fill.bankruptcy < fill.trigger) is (fill.side == "long")
    assert {fill.side for fill in fills} == {"long", "short"}
    assert len({fill.leverage for fill in fills}) > 4


def test_open_interest_is_what_stands() -> None:
    """At any moment of the minute being shown; a liquidated level is there until its order and not after."""
    start_ms = NOW_MS - NOW_MS % MINUTE_MS
    market = SimulatedMarket(("SOLUSDT",), now_ms=start_ms, seed=3, history_days=0)

    def standing(at_ms: int) -> set[tuple[float, str]]:
        return {(level.price, level.side) for level in market.standing("SOLUSDT", at_ms)}

    gone = 0
    for minute_ms in range(start_ms, start_ms + 4 * HOUR_MS, MINUTE_MS):
        market.advance(minute_ms)
        base = {"long": 0.0, "short": 0.0}
        for level in market.standing("SOLUSDT", minute_ms + 20_000):
            base[level.side] += level.notional_usd / level.price
        held = market.open_interest("SOLUSDT", minute_ms + 20_000)
        assert held == pytest.approx(max(base.values()))
        end_ms = minute_ms + MINUTE_MS
        for fill in market.liquidations("SOLUSDT", start_ms=minute_ms + 1, end_ms=end_ms):
            assert (fill.trigger, fill.side) in standing(fill.time_ms - 1)
            assert (fill.trigger, fill.side) not in standing(fill.time_ms)
            gone += 1
    assert gone > 10


def test_it_looks_like_a_crypto_market(market: SimulatedMarket) -> None:
    """Volatility persists, tails are fat, and a day moves a few percent."""
    closes = np.log([bar.close for bar in whole_past(market, "BTCUSDT")])
    moves = np.diff(closes)
    size = np.abs(moves)
    assert 0.01 < moves.std() * np.sqrt(1440) < 0.08
    assert np.mean(moves**4) / np.var(moves) ** 2 > 5
    assert np.corrcoef(size[:-1], size[1:])[0, 1] > 0.05


def test_an_unlisted_symbol_is_refused() -> None:
    """With the list of those there are."""
    with pytest.raises(ValueError, match=r"does not list PEPEUSDT; it lists BTCUSDT"):
        SimulatedMarket(("PEPEUSDT",), now_ms=NOW_MS)
