"""A replay says what was recorded, in order, along each bar's path, and says when it is over."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.feeds.bar_replay import ReplayFeed, bar_events, due_ms, forming_candle
from liqstream.market import (
    Bars,
    Candle,
    Liquidation,
    LiquidationTotal,
    MarketEvent,
    MarkPrice,
    OpenInterest,
)
from tests.support.markets import MINUTE_MS, START_MS, walk

FIVE = 5 * MINUTE_MS


async def played(feed: ReplayFeed) -> tuple[list[MarketEvent], list[MarketEvent]]:
    history = [event async for batch in feed.backfill({}) for event in batch]
    async with asyncio.timeout(20):
        live = [event async for batch in feed.events() for event in batch]
    return history, live


async def test_warm_up_at_once_and_the_rest_in_turn() -> None:
    """Nothing is lost or said twice between history and play, and every bar forms before it closes."""
    events = [*walk(30), LiquidationTotal("binance", "BTCUSDT", 2 * FIVE, START_MS + 20 * FIVE, 5.0, 6.0)]
    feed = ReplayFeed(
        events, exchange="binance", symbol="BTCUSDT", speed=7500, warmup_ms=20 * FIVE, round_s=0.01
    )
    history, live = await played(feed)
    assert all(due_ms(event) <= START_MS + 20 * FIVE for event in history)
    said = [
        event
        for event in [*history, *live]
        if not isinstance(event, MarkPrice) and not (isinstance(event, Candle) and not event.closed)
    ]
    assert said == sorted(events, key=due_ms)
    forming = {event.open_time_ms for event in live if isinstance(event, Candle) and not event.closed}
    assert forming >= {START_MS + number * FIVE for number in range(21, 30)}
    assert feed.status.ended
    assert not feed.status.connected


async def test_two_replays_say_the_same() -> None:
    """What is said depends on the recording and the speed alone, not on when the process woke up."""

    def feed() -> ReplayFeed:
        return ReplayFeed(walk(12), exchange="binance", symbol="BTCUSDT", speed=7000, round_s=0.01)

    assert await played(feed()) == await played(feed())


async def test_bars_as_columns_are_the_events_they_were_made_of() -> None:
    """From the store come columns; open interest keeps its raw figure and is known before its bar's close."""
    candles = [event for event in walk(3) if isinstance(event, Candle)]
    bars = Bars.from_candles(candles, FIVE, open_interest_base=5.0, reported_open_interest=500.0)
    events = bar_events(bars, exchange="binance", symbol="BTCUSDT")
    assert [event for event in events if isinstance(event, Candle)] == candles
    held = [event for event in events if isinstance(event, OpenInterest)]
    assert [event.time_ms for event in held] == [bar.open_time_ms + FIVE - 1 for bar in candles]
    assert {(event.reported, event.reported_unit) for event in held} == {(500.0, "usd")}


def test_nothing_to_replay_is_an_error() -> None:
    """An empty file, or one of another market, is an error with a sentence."""
    with pytest.raises(ValueError, match="no closed bar of binance ETHUSDT"):
        ReplayFeed(walk(3), exchange="binance", symbol="ETHUSDT")
    with pytest.raises(ValueError, match="speed"):
        ReplayFeed(walk(3), exchange="binance", symbol="BTCUSDT", speed=math.nan)


async def test_a_liquidation_comes_with_its_moment() -> None:
    """A single event is played when it happened, not with its bar."""
    event = Liquidation("binance", "BTCUSDT", START_MS + FIVE + 1000, "long", 10.0, 1.0)
    feed = ReplayFeed(
        [*walk(3), event], exchange="binance", symbol="BTCUSDT", speed=6000, warmup_ms=FIVE, round_s=0.01
    )
    _, live = await played(feed)
    before = live[: live.index(event)]
    assert not [bar for bar in before if isinstance(bar, Candle) and bar.closed]


@given(
    prices=st.lists(st.floats(1, 100), min_size=4, max_size=4), share=st.floats(0, 1), more=st.floats(0, 1)
)
def test_a_forming_bar_only_ever_widens(prices: list[float], share: float, more: float) -> None:
    """It starts at its open, never leaves its range, and ends as the bar that was recorded."""
    low, *middle, high = sorted(prices)
    bar = Candle("x", "BTCUSDT", FIVE, START_MS, middle[0], high, low, middle[1], volume_base=8.0)
    early, late = sorted((share, more))
    first, second = (forming_candle(bar, START_MS + round(at * FIVE)) for at in (early, late))
    assert low <= second.low <= first.low <= first.high <= second.high <= high
    assert not first.closed
    end = forming_candle(bar, START_MS + FIVE)
    assert (end.open, end.high, end.low) == (bar.open, bar.high, bar.low)
    assert end.close == pytest.approx(bar.close)
    assert end.volume_base == 8.0
