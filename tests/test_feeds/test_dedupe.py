"""Known, late and foreign records are dropped, new ones pass once and in order."""

from __future__ import annotations

from dataclasses import replace

from liqstream.feeds.dedupe import Deduplicator
from liqstream.feeds.parsing import Parsed, Trade
from liqstream.market import Candle, Liquidation, MarketEvent, MarkPrice, OpenInterest

MINUTE = 60_000
START = 1_790_000_040_000


def bar(number: int, *, closed: bool = True, close: float = 10.0, symbol: str = "BTCUSDT") -> Candle:
    return Candle("x", symbol, MINUTE, START + number * MINUTE, 10.0, 12.0, 9.0, close, closed=closed)


def liquidation(time_ms: int = START) -> Liquidation:
    return Liquidation("x", "BTCUSDT", time_ms, "long", 100.0, 1.0)


def new(seen: Deduplicator, *events: MarketEvent, sent_ms: int | None = None) -> list[MarketEvent]:
    return seen.new_records(Parsed("data", events, sent_ms=sent_ms), ("BTCUSDT",))


def test_a_closed_bar_passes_once() -> None:
    """Two sockets during a handover deliver it twice; the second is counted and dropped."""
    seen = Deduplicator(MINUTE)
    assert new(seen, bar(0)) == [bar(0)]
    assert new(seen, bar(0)) == []
    assert seen.duplicates == 1


def test_a_forming_bar_does_not_go_back() -> None:
    """A state sent earlier that arrives later is old; one of a closed bar is older still."""
    seen = Deduplicator(MINUTE)
    assert new(seen, bar(0, closed=False, close=11), sent_ms=START + 2)
    assert not new(seen, bar(0, closed=False, close=10), sent_ms=START + 1)
    assert new(seen, bar(0))
    assert not new(seen, bar(0, closed=False), sent_ms=START + 9)


def test_a_bar_out_of_order_is_a_gap_until_it_is_filled() -> None:
    """What was missed is fetched from after the last bar before which nothing is missing."""
    seen = Deduplicator(MINUTE)
    seen.known_until("BTCUSDT", START)
    new(seen, bar(1))
    gaps = [seen.has_gap]
    new(seen, bar(4))
    assert [*gaps, seen.has_gap] == [False, True]
    assert seen.contiguous_ms("BTCUSDT") == START + MINUTE
    seen.filled("BTCUSDT", START + 3 * MINUTE)
    assert seen.contiguous_ms("BTCUSDT") == START + 4 * MINUTE


def test_liquidations_of_the_past_may_be_known_by_their_second_alone() -> None:
    """Where an exchange's history has whole seconds: one that came live has not come anew from the past."""
    past = replace(liquidation(START // 1000 * 1000), price_usd=99.0)
    seen = Deduplicator(MINUTE, past_in_s=True)
    new(seen, liquidation(START // 1000 * 1000 + 345))
    assert not seen.is_new_liquidation(past)
    assert seen.duplicates == 1
    for other in (replace(past, quantity_base=2.0), replace(past, time_ms=past.time_ms + 1000)):
        assert seen.is_new_liquidation(other)
        assert not seen.is_new_liquidation(other)
    exact = Deduplicator(MINUTE)
    new(exact, liquidation(START // 1000 * 1000 + 345))
    assert exact.is_new_liquidation(past)


def test_equal_liquidations_in_one_message_are_two() -> None:
    """A cascade can hold two of the same size at the same price and time; a repeated message repeats both."""
    seen = Deduplicator(MINUTE)
    assert len(new(seen, liquidation(), liquidation())) == 2
    assert new(seen, liquidation(), liquidation()) == []
    assert seen.duplicates == 2


def test_prices_and_open_interest_do_not_go_back() -> None:
    """Of two that came out of order the later one stands."""
    seen = Deduplicator(MINUTE)
    assert new(seen, MarkPrice("x", "BTCUSDT", START + 5, 10.0))
    assert not new(seen, MarkPrice("x", "BTCUSDT", START + 4, 11.0))
    assert new(seen, OpenInterest("x", "BTCUSDT", START + 4, 1.0, 1.0))


def test_other_symbols_are_dropped() -> None:
    """OKX sends the liquidations of every contract."""
    assert new(Deduplicator(MINUTE), bar(0, symbol="PEPEUSDT")) == []


def test_trades_build_bars_only_where_no_bars_come() -> None:
    """An exchange that sends both would otherwise deliver every bar twice, and slightly differently."""
    seen = Deduplicator(MINUTE)
    trade = Trade("x", "BTCUSDT", START + 1, 10.0, 2.0, taker_is_buyer=True)
    (built,) = seen.new_records(Parsed("data", trades=(trade,)), ("BTCUSDT",))
    assert isinstance(built, Candle)
    assert (built.volume_base, built.taker_buy_base, built.closed) == (2.0, 2.0, False)
    new(seen, bar(0, closed=False), sent_ms=START + 1)
    assert seen.new_records(Parsed("data", trades=(trade,)), ("BTCUSDT",)) == []


def test_what_the_guard_refused_is_neither_known_nor_the_newest() -> None:
    """A bar of 2096 must not make every later one a repeated one, nor a mark of then every later one old."""
    seen, far_ms = Deduplicator(MINUTE), 35_000_000
    seen.known_until("BTCUSDT", START - MINUTE)
    assert new(seen, bar(0), bar(1, closed=False))
    for impossible in (
        bar(far_ms),
        bar(far_ms, closed=False),
        MarkPrice("x", "BTCUSDT", bar(far_ms).open_time_ms, 1.0),
    ):
        assert new(seen, impossible)
        seen.forget(impossible)
    later: list[MarketEvent] = [bar(1), bar(2, closed=False), MarkPrice("x", "BTCUSDT", START, 1.0)]
    assert new(seen, *later) == later
    assert seen.contiguous_ms("BTCUSDT") == START + MINUTE
    seen.forget(bar(1))
    assert seen.contiguous_ms("BTCUSDT") == START
    assert new(seen, bar(1)) == [bar(1)]


def test_what_lies_ahead_is_not_known() -> None:
    """A clock that was years ahead had everything up to then marked as fetched."""
    seen = Deduplicator(MINUTE)
    seen.known_until("BTCUSDT", START)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        seen.filled(symbol, START + 100 * MINUTE)
        seen.forget_later(symbol, START + 100 * MINUTE)
        assert seen.contiguous_ms(symbol) == START + 100 * MINUTE
        seen.forget_later(symbol, START + 5 * MINUTE)
    assert (seen.contiguous_ms("BTCUSDT"), seen.contiguous_ms("ETHUSDT")) == (START, None)
