"""Markets under one name whose prices are worlds apart are not added up."""

from __future__ import annotations

import pytest

from liqstream.heatmap.live_market import LiveMarket
from liqstream.heatmap.same_coin import FRESH_S, judge
from liqstream.market import MarketKey


def market(exchange: str, price_usd: float, seen_s: float | None = 0.0) -> LiveMarket:
    return LiveMarket(MarketKey(exchange, "PEPEUSDT"), 60_000, price_usd=price_usd, last_event_s=seen_s)


def found(markets: list[LiveMarket]) -> list[LiveMarket]:
    """Those of another coin among the ones that are judged now."""
    return [each for each in judge(markets, 0.0) if each.other_coin]


@pytest.mark.parametrize(
    ("prices", "strangers"),
    [
        ([1.0], []),
        ([1.0, 1.2], []),
        ([1.0, 1.21], [1]),
        ([1.0, 1000.0], [1]),
        ([1000.0, 1.0, 1.01], [0]),
        ([1.0, 1000.0, 1.01, 0.99], [1]),
    ],
)
def test_the_one_that_agrees_with_few_is_another_coin(prices: list[float], strangers: list[int]) -> None:
    """Of two, the one that came later."""
    markets = [market(str(number), price) for number, price in enumerate(prices)]
    assert found(markets) == [markets[number] for number in strangers]
    assert found(markets) == []


def test_what_an_earlier_run_found_holds_until_it_is_judged_anew() -> None:
    """Alone it stays left out; beside others whose price is like its own it is their coin again."""
    known = market("b", 1000.0)
    known.other_coin = True
    assert judge([known], 0.0) == []
    assert known.other_coin
    assert judge([known, market("a", 999.0)], 0.0)[0] is known
    assert known.other_coin is False


def test_a_market_is_judged_once_and_by_what_is_fresh() -> None:
    """A crash on one exchange makes no other coin of it, nor does a price of an hour ago."""
    old, new = market("a", 1.0, -FRESH_S - 1), market("b", 1000.0)
    assert found([old, new, market("c", 1.0, None)]) == []
    old.last_event_s, old.price_usd = 0.0, 990.0
    assert found([old, new]) == []
    new.price_usd = 1.0
    later = market("c", 1.0)
    assert found([old, new, later]) == []
    assert (old.other_coin, new.other_coin, later.other_coin) == (False, False, False)
