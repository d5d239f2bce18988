"""Open interest is judged by the price of the bars that come after it."""

from __future__ import annotations

from liqstream.feeds.past_amounts import PastAmounts
from liqstream.market import Candle, OpenInterest

AT_MS = 1_795_000_020_000
EARLY, LATE = (AT_MS - 7_200_000, AT_MS - 3_600_000), (AT_MS - 3_600_000, AT_MS)


def held(base: float, symbol: str = "BTCUSDT") -> OpenInterest:
    return OpenInterest("okx", symbol, AT_MS, base, base, "base")


def bar(close: float, high: float | None = None) -> Candle:
    highest = close if high is None else high
    return Candle("okx", "BTCUSDT", 60_000, AT_MS, close, highest, close, close, closed=True)


def test_more_than_any_market_has_is_impossible_once_there_is_a_price() -> None:
    """Of the span it came in alone, and of its own symbol; what has been judged is not judged again."""
    amounts = PastAmounts()
    amounts.note([held(3e4), held(3e16), held(2.0, "ETHUSDT")], EARLY)
    amounts.note([held(3e4)], LATE)
    amounts.note([bar(100_000.0)], LATE)
    assert amounts.take_impossible("ETHUSDT") == []
    assert amounts.take_impossible("BTCUSDT") == [EARLY]
    assert amounts.take_impossible("BTCUSDT") == []
    amounts.note([held(1.1e7)], EARLY)
    assert amounts.take_impossible("BTCUSDT") == [EARLY]


def test_a_price_that_cannot_be_judges_nothing() -> None:
    """Nor does none: coins of a millionth of a dollar are held by the million million."""
    amounts = PastAmounts()
    amounts.note([held(3e13), bar(3e12), bar(100_000.0, high=1.0)], EARLY)
    assert amounts.take_impossible("BTCUSDT") == []
    amounts.note([held(3e13), bar(1e-5)], EARLY)
    assert amounts.take_impossible("BTCUSDT") == []
