"""Bars out of trades: what was traded in an interval, and nothing else."""

from __future__ import annotations

from liqstream.feeds.bar_builder import EMIT_EVERY_MS, BarBuilder
from liqstream.feeds.parsing import Trade

MINUTE = 60_000
START = 1_790_000_040_000


def trade(after_ms: int, price: float, *, buyer: bool = True) -> Trade:
    return Trade("x", "BTCUSDT", START + after_ms, price, 2.0, taker_is_buyer=buyer)


def test_the_next_bars_first_trade_closes_a_bar() -> None:
    """Prices, both volumes and the taker's part are those of its trades."""
    builder = BarBuilder(MINUTE)
    for after_ms, price, buyer in ((0, 10.0, True), (1, 12.0, False), (2, 9.0, True), (3, 11.0, False)):
        builder.add(trade(after_ms, price, buyer=buyer))
    closed, forming = builder.add(trade(MINUTE, 20.0))
    assert (closed.closed, closed.open_time_ms) == (True, START)
    assert (closed.open, closed.high, closed.low, closed.close) == (10.0, 12.0, 9.0, 11.0)
    assert (closed.volume_base, closed.volume_quote_usd, closed.taker_buy_base) == (8.0, 84.0, 4.0)
    assert (forming.closed, forming.open, forming.volume_base) == (False, 20.0, 2.0)


def test_a_forming_bar_is_passed_on_at_most_four_times_a_second() -> None:
    """A busy market would flood its readers."""
    builder = BarBuilder(MINUTE)
    emitted = [len(builder.add(trade(at_ms, 10.0))) for at_ms in (0, 1, EMIT_EVERY_MS - 1, EMIT_EVERY_MS)]
    assert emitted == [1, 0, 0, 1]


def test_a_trade_of_a_closed_bar_counts_nowhere() -> None:
    """Its bar was delivered as final."""
    builder = BarBuilder(MINUTE)
    builder.add(trade(MINUTE, 10.0))
    assert builder.add(trade(0, 99.0)) == []
    (closed, _) = builder.add(trade(2 * MINUTE, 10.0))
    assert (closed.high, closed.volume_base) == (10.0, 2.0)
