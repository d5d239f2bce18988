"""liqstream/ingest/liquidation_spans.py: spans of connected liquidation channels, up to the last message."""

from __future__ import annotations

from collections.abc import Mapping

from liqstream.feeds.feed import FeedBase
from liqstream.ingest.liquidation_spans import LiquidationSpans
from liqstream.market import DAY_MS, MINUTE_MS, LiquidationSpan

NOON_MS = 1_779_710_400_000


class Listening(FeedBase):
    """A feed whose liquidation channel says what it is set to."""

    def __init__(self) -> None:
        super().__init__("okx", ("BTCUSDT",), "live")
        self.until: dict[str, int] = {}

    def liquidations_until_ms(self) -> Mapping[str, int]:
        """As set."""
        return self.until


def at(feed: Listening, spans: LiquidationSpans, *times_ms: int) -> list[LiquidationSpan]:
    """What the spans give out while messages come at times after noon."""
    given: list[LiquidationSpan] = []
    for time_ms in times_ms:
        feed.until = {"BTCUSDT": NOON_MS + time_ms}
        given += spans.note(feed)
    return given


def span(start_ms: int, end_ms: int) -> LiquidationSpan:
    return LiquidationSpan("okx", "BTCUSDT", NOON_MS + start_ms, NOON_MS + end_ms)


def test_a_span_is_given_out_once_a_minute_and_at_its_end() -> None:
    """Always from its beginning, so that each replaces the one before."""
    feed, spans = Listening(), LiquidationSpans()
    assert at(feed, spans, 10, 20_000, 59_999) == []
    assert at(feed, spans, 60_000, 60_500, 120_001) == [span(10, 60_000), span(10, 120_001)]
    at(feed, spans, 130_000)
    assert spans.end("okx") == [span(10, 130_000)]
    assert spans.end("okx") == []


def test_a_break_ends_a_span_with_its_last_message() -> None:
    """Whether the channel is seen without connection or only its reconnect is."""
    feed, spans = Listening(), LiquidationSpans()
    at(feed, spans, 0, 30_000)
    feed.until = {}
    assert spans.note(feed) == [span(0, 30_000)]
    at(feed, spans, 3_600_000, 3_601_000)
    feed.status.reconnects += 1
    assert at(feed, spans, 7_200_000) == [span(3_600_000, 3_601_000)]


def test_no_span_is_longer_than_a_day() -> None:
    """The next begins where it ends."""
    feed, spans = Listening(), LiquidationSpans()
    given = at(feed, spans, *range(0, 2 * DAY_MS, MINUTE_MS))
    assert max(each.end_ms - each.start_ms for each in given) <= DAY_MS
    joined = {each.start_ms: each.end_ms for each in given}
    assert list(joined)[1:] == list(joined.values())[:-1]


def test_a_feed_is_looked_at_once_a_second_and_after_a_break() -> None:
    """A look at hundreds of markets for each message would take most of a core; a break is seen at once."""
    feed, spans = Listening(), LiquidationSpans()
    for second in (5.0, 5.4, 6.0, 6.9):
        feed.status.last_message_s = second
        at(feed, spans, round(second * 1000))
    feed.status.reconnects += 1
    assert at(feed, spans, 6950) == [span(5000, 6000)]
    feed.status.last_message_s = 6.95
    assert at(feed, spans, 6960) == []
    assert spans.end("okx") == [], "it began with the break, and nothing was looked at since"
