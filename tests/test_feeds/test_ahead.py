"""What is dated later than the exchange's clock is taken, and silences nothing that follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liqstream.feeds.ahead import AHEAD_MS, EarlyCloses, is_ahead
from liqstream.feeds.dedupe import Deduplicator
from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.feed import FeedStatus
from liqstream.feeds.last_state import LastStates
from liqstream.feeds.minute_bars import MinuteBars
from liqstream.feeds.pacing import FEED_TIMING
from liqstream.feeds.parsing import Parsed
from liqstream.market import MINUTE_MS, Candle, FundingRate, MarketEvent, MarkPrice, OpenInterest

START_MS = 1_795_000_200_000
STEP_MS = 5 * MINUTE_MS
NOW_MS = START_MS + 4 * MINUTE_MS
"""Of the exchange: the bar that opened at START_MS has another minute."""
BAR = Candle("x", "BTCUSDT", STEP_MS, START_MS, 1.0, 2.0, 0.5, 1.5, 10.0, closed=False)
NEXT = replace(BAR, open_time_ms=START_MS + STEP_MS)


def closed(bar: Candle) -> Candle:
    return replace(bar, closed=True)


class Clocked:
    """What a feed does with the records of its sockets, at a clock that is set."""

    def __init__(self, now_ms: int | None = NOW_MS) -> None:
        self.now_ms = now_ms
        self._closes = EarlyCloses(lambda: self.now_ms)
        self._seen = Deduplicator(STEP_MS, clock_ms=lambda: self.now_ms)

    def take(self, *events: MarketEvent, sent_ms: int | None = None) -> list[MarketEvent]:
        parsed = Parsed("data", self._closes.settle(events), sent_ms=sent_ms)
        return self._seen.new_records(parsed, ("BTCUSDT",))


def test_nothing_is_ahead_of_a_clock_that_nobody_knows() -> None:
    """Nor what is so little that a clock in whole seconds does not tell."""
    assert not is_ahead(2**50, None)
    assert not is_ahead(NOW_MS + AHEAD_MS, NOW_MS)
    assert is_ahead(NOW_MS + AHEAD_MS + 1, NOW_MS)


@pytest.mark.parametrize("ahead_ms", [30_000, 59_000, 3_600_000])
def test_a_time_ahead_makes_no_later_record_an_old_one(ahead_ms: int) -> None:
    """Of marks, open interest, funding; among those of the past the later one stands."""
    makers = (
        lambda at: MarkPrice("x", "BTCUSDT", at, 10.0),
        lambda at: OpenInterest("x", "BTCUSDT", at, 1.0, 1.0),
        lambda at: FundingRate("x", "BTCUSDT", at, 0.1),
    )
    for make in makers:
        feed = Clocked()
        for at_ms in (NOW_MS + ahead_ms, NOW_MS - 100, NOW_MS):
            assert feed.take(make(at_ms)) == [make(at_ms)]
        assert feed.take(make(NOW_MS - 100)) == []


def test_a_bar_ahead_or_sent_ahead_leaves_the_one_that_forms() -> None:
    """It goes on a second later, and is closed in its time."""
    for wrong, sent_ms in ((NEXT, NOW_MS), (BAR, NOW_MS + 59_000)):
        feed = Clocked()
        assert feed.take(wrong, sent_ms=sent_ms) == [wrong]
        assert feed.take(BAR, sent_ms=NOW_MS) == [BAR]
        feed.now_ms = START_MS + STEP_MS + 100
        assert feed.take(closed(BAR), NEXT, sent_ms=feed.now_ms) == [closed(BAR), NEXT]


def test_a_bar_that_is_closed_before_its_end_forms_on() -> None:
    """What comes of it later is no repetition, and its last state is the one that counts."""
    feed = Clocked()
    assert feed.take(closed(BAR)) == [BAR]
    last = replace(BAR, high=3.0)
    assert feed.take(last) == [last]
    feed.now_ms = START_MS + STEP_MS + 100
    assert feed.take(closed(last)) == [closed(last)]
    assert feed.take(NEXT) == [NEXT]


def test_a_bar_that_a_clock_behind_does_not_know_as_over_is_closed_by_the_next() -> None:
    """Once that has begun by the clock too: not with what is ahead itself."""
    feed = Clocked()
    assert feed.take(closed(BAR)) == [BAR]
    assert feed.take(NEXT) == [NEXT]
    feed.now_ms = START_MS + STEP_MS
    assert feed.take(NEXT) == [closed(BAR), NEXT]
    assert feed.take(NEXT) == [NEXT]


def test_a_bar_that_was_ahead_before_the_clock_was_known() -> None:
    """A day at most, which the guard allows then: bars are delivered as soon as it is known."""
    feed = Clocked(None)
    far = replace(BAR, open_time_ms=START_MS + 200 * STEP_MS)
    assert feed.take(closed(far), far) == [closed(far)]
    feed.now_ms = START_MS + STEP_MS + 100
    assert feed.take(closed(BAR), NEXT) == [closed(BAR), NEXT]


@pytest.mark.parametrize("known", [True, False])
def test_a_state_ahead_closes_no_bar_of_a_stream_that_never_says_so(known: bool) -> None:
    """One of 2096 kept every bar back until the connection broke."""
    states, clock_ms = LastStates(), NOW_MS if known else None
    far = replace(BAR, open_time_ms=START_MS + 100_000 * STEP_MS)
    assert states.take(BAR, 0, clock_ms) == [BAR]
    assert states.take(far, 0, clock_ms) == [far]
    if known:
        assert states.take(NEXT, 0, clock_ms) == [NEXT]
    assert states.take(BAR, 0, NOW_MS) == [BAR]
    assert states.take(NEXT, 0, START_MS + STEP_MS) == [closed(BAR), NEXT]


def test_a_minute_ahead_leaves_the_bars_of_a_minute() -> None:
    """One of 2096 was the last that came until a restart."""
    clock = [None, NOW_MS]
    reporter = ErrorReporter("binance", FeedStatus(), lambda: 0)
    minutes = MinuteBars(Binance(), STEP_MS, reporter, FEED_TIMING, lambda: clock[0])
    now = Candle("x", "BTCUSDT", MINUTE_MS, NOW_MS - MINUTE_MS, 1.0, 1.0, 1.0, 1.0)
    far = replace(now, open_time_ms=now.open_time_ms + 1000 * MINUTE_MS)
    assert minutes.take(Parsed("data", [far]), ("BTCUSDT",))[0] == [far]
    clock.pop(0)
    assert minutes.take(Parsed("data", [now]), ("BTCUSDT",))[0] == [now]
    assert minutes.take(Parsed("data", [now]), ("BTCUSDT",))[0] == []
