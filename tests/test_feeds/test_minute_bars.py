"""Bars of a minute come beside the model's own, from a simulated exchange on a real socket."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web

from liqstream.feeds.ahead import unknown_clock
from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.feed import FeedStatus
from liqstream.feeds.minute_bars import MinuteBars
from liqstream.feeds.pacing import FEED_TIMING
from liqstream.feeds.parsing import Parsed
from liqstream.feeds.registry import VENUES
from liqstream.market import MINUTE_MS, Candle, MarketEvent
from tests.support.exchange_rig import collected, connector
from tests.support.faulty_exchange import faulty_exchange

BAR_MS = 5 * MINUTE_MS
PAST = 150
"""Minutes; the simulated exchange has had three hours."""


def minutes_of(events: list[MarketEvent], symbol: str = "BTCUSDT") -> list[int]:
    """Open times of the closed bars of a minute, ascending, each once."""
    bars = [each for each in events if isinstance(each, Candle) and each.interval_ms == MINUTE_MS]
    return sorted({bar.open_time_ms for bar in bars if bar.closed and bar.symbol == symbol})


@pytest.mark.parametrize("name", VENUES)
def test_every_exchange_has_a_topic_for_them(name: str) -> None:
    """A name of its own, by which nothing is judged; none where the model's own are of a minute."""
    venue = VENUES[name]()
    reporter = ErrorReporter(name, FeedStatus(), lambda: 0)
    own = {topic.name for topic in venue.topics(("BTCUSDT",), BAR_MS)}
    beside = MinuteBars(venue, BAR_MS, reporter, FEED_TIMING, unknown_clock).topics(("BTCUSDT",))
    assert len(beside) == 1
    assert beside[0].name not in own
    assert beside[0].kinds == ()
    assert MinuteBars(venue, MINUTE_MS, reporter, FEED_TIMING, unknown_clock).topics(("BTCUSDT",)) == []


@pytest.mark.parametrize("name", VENUES)
def test_they_are_asked_for_where_the_model_s_own_are(name: str) -> None:
    """An exchange of several sockets refuses a channel on the wrong one."""
    venue = VENUES[name]()
    reporter = ErrorReporter(name, FeedStatus(), lambda: 0)
    own = venue.topics(("BTCUSDT",), BAR_MS)
    (beside,) = MinuteBars(venue, BAR_MS, reporter, FEED_TIMING, unknown_clock).topics(("BTCUSDT",))
    bars = next(topic for topic in own if topic.kinds == ("bars",))
    sockets = venue.sockets([*own, beside], venue.ws_url)
    assert [bars in socket.topics for socket in sockets] == [beside in socket.topics for socket in sockets]


async def test_the_past_and_what_follows_without_a_hole() -> None:
    """Also over a break, and though REST refused them at first."""
    refused, dropped_ms = False, 0

    def answer(request: web.Request) -> web.Response | None:
        nonlocal refused
        if request.query.get("interval") != "1m" or refused:
            return None
        refused = True
        return web.json_response({"code": -1001, "msg": "busy"}, status=503)

    async with faulty_exchange(answer, speed=120.0) as (exchange, port):
        feed = connector(port, Binance(), interval_ms=BAR_MS)

        def is_whole(events: list[MarketEvent]) -> bool:
            nonlocal dropped_ms
            opens = minutes_of(events)
            if len(opens) < PAST or opens[-1] - opens[0] != (len(opens) - 1) * MINUTE_MS:
                return False
            if not dropped_ms:
                dropped_ms = opens[-1]
                exchange.drop_sockets()
            return feed.status.reconnects > 0 and opens[-1] >= dropped_ms + 3 * MINUTE_MS

        events = await collected(feed, is_whole)
        assert refused
        own = [each for each in events if isinstance(each, Candle) and each.interval_ms == BAR_MS]
        assert len({bar.open_time_ms for bar in own if bar.symbol == "BTCUSDT"}) > PAST // 5
        assert feed.status.flags == {}


def test_a_bar_is_delivered_once() -> None:
    """Others of the message go on; a bar that is no new one does not."""
    feed = MinuteBars(
        Binance(), BAR_MS, ErrorReporter("binance", FeedStatus(), lambda: 0), FEED_TIMING, unknown_clock
    )
    first = Candle("binance", "BTCUSDT", MINUTE_MS, 0, 1.0, 1.0, 1.0, 1.0)
    own = Candle("binance", "BTCUSDT", BAR_MS, 0, 1.0, 1.0, 1.0, 1.0, closed=False)
    new, rest = feed.take(Parsed("data", [first, own]), ("BTCUSDT",))
    assert (new, list(rest.events)) == ([first], [own])
    new, rest = feed.take(Parsed("data", [first]), ("BTCUSDT",))
    assert (new, list(rest.events)) == ([], [])
    forming = replace(first, open_time_ms=MINUTE_MS, closed=False)
    for sent_ms, taken in ((5, [forming]), (4, []), (6, [forming])):  # of two sockets during a handover
        assert feed.take(Parsed("data", [forming], sent_ms=sent_ms), ("BTCUSDT",))[0] == taken
