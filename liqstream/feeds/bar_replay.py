"""Recorded bars played again as if they happened now, `speed` market seconds per second.

A bar's own path is not known, only its four prices; it is played along the path bars mostly follow (open,
low, high, close when it rose, else open, high, low, close), so a level vanishes while the bar forms
and not only at its close. Rounds are multiples of `round_s` on the market's time line, never of when the
process woke up: two replays of the same file deliver the same records in the same order.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from liqstream.feeds.feed import FeedBase
from liqstream.market import (
    Bars,
    Candle,
    LiquidationTotal,
    MarketEvent,
    MarketKey,
    MarkPrice,
    OpenInterest,
)
from liqstream.market.record_bounds import time_of

ROUND_S = 0.25
"""A forming bar moves four times a second at most; more is not seen on a page."""

_BACKFILL_BATCH = 5000
"""Records per batch: small enough that other tasks run between two."""


class ReplayFeed(FeedBase):
    """A Feed that plays `events` (of one market, any order) or the bars of a `Bars`.

    What happened in the first `warmup_ms` is delivered by `backfill()` at once; `events()` plays the rest
    and ends, with `status.ended` set, when nothing is left. Raises ValueError if there is no closed bar.
    """

    def __init__(
        self,
        events: Sequence[MarketEvent] | Bars,
        *,
        exchange: str,
        symbol: str,
        speed: float = 1.0,
        warmup_ms: int = 0,
        round_s: float = ROUND_S,
        plays_store: bool = False,
    ) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise ValueError(f"speed must be a number above 0, not {speed}")
        given = bar_events(events, exchange=exchange, symbol=symbol) if isinstance(events, Bars) else events
        self._events = sorted(_of_market(given, exchange, symbol), key=due_ms)
        opens = [event.open_time_ms for event in self._events if isinstance(event, Candle)]
        if not opens:
            raise ValueError(f"nothing to replay: no closed bar of {exchange} {symbol}")
        first = next(event for event in self._events if isinstance(event, Candle))
        starts = (min(opens) + warmup_ms) // first.interval_ms * first.interval_ms
        self._play_from_ms = max(starts, min(opens))
        super().__init__(exchange, (symbol,), "replay", self._play_from_ms)
        self._symbol = symbol
        self._plays_store = plays_store  # its warm-up is there already
        # Between two rounds: wall time, and the market time that passes in it.
        self._round_s = round_s
        self._round_ms = speed * round_s * 1000

    @property
    def plays_store(self) -> bool:
        """Whether the events are the store's own."""
        return self._plays_store

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """The warm-up, whatever the store holds: what it has already it does not take twice. Nothing, where
        it is the store that is played."""
        known = [event for event in self._events if due_ms(event) <= self._play_from_ms]
        if self._plays_store:
            known = []
        for start in range(0, len(known), _BACKFILL_BATCH):
            yield known[start : start + _BACKFILL_BATCH]
            await asyncio.sleep(0)

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """The rest, round by round, in real time; a round that comes late is followed at once by the next."""
        loop = asyncio.get_running_loop()
        self._status.connected = True
        started_s = loop.time()
        for number, batch in enumerate(self._rounds(), start=1):
            await asyncio.sleep(max(0.0, started_s + number * self._round_s - loop.time()))
            self._status.last_message_s = loop.time()
            yield batch
        self._status.connected = False
        self._status.ended = True

    def _rounds(self) -> Iterator[list[MarketEvent]]:
        """What becomes known with each round; an empty gap between bars still takes its time."""
        waiting = [event for event in self._events if due_ms(event) > self._play_from_ms]
        bars = [event for event in waiting if isinstance(event, Candle)]
        done = next_bar = number = 0
        while done < len(waiting):
            number += 1
            now_ms = self._play_from_ms + round(number * self._round_ms)
            batch: list[MarketEvent] = []
            while done < len(waiting) and due_ms(waiting[done]) <= now_ms:
                batch.append(waiting[done])
                done += 1
            while next_bar < len(bars) and due_ms(bars[next_bar]) <= now_ms:
                next_bar += 1
            if next_bar < len(bars) and bars[next_bar].open_time_ms < now_ms:
                forming = forming_candle(bars[next_bar], now_ms)
                batch += [forming, MarkPrice(self._exchange, self._symbol, now_ms, forming.close)]
            yield batch


def due_ms(event: MarketEvent) -> int:
    """When an event became known: bars and totals at their interval's end, the rest when it was."""
    if isinstance(event, Candle | LiquidationTotal):
        return event.open_time_ms + event.interval_ms
    return time_of(event)


def forming_candle(bar: Candle, now_ms: int) -> Candle:
    """What had been seen of a bar at `now_ms`, if it walked its path at an even pace; volumes pro rata."""
    share = min(1.0, max(0.0, (now_ms - bar.open_time_ms) / bar.interval_ms))
    rose = bar.close >= bar.open
    path = [bar.open, bar.low, bar.high, bar.close] if rose else [bar.open, bar.high, bar.low, bar.close]
    seen = [min(max(price, bar.low), bar.high) for price in _walked(path, share)] if share < 1 else path

    def pro_rata(volume: float | None) -> float | None:
        """The volume traded so far; None where none was recorded."""
        return None if volume is None else volume * share

    return replace(
        bar,
        high=max(seen),
        low=min(seen),
        close=seen[-1],
        volume_base=pro_rata(bar.volume_base),
        volume_quote_usd=pro_rata(bar.volume_quote_usd),
        taker_buy_base=pro_rata(bar.taker_buy_base),
        closed=False,
    )


def _walked(path: list[float], share: float) -> Iterator[float]:
    """The corners passed and the end point, after `share` of the path's whole length."""
    left = share * sum(abs(b - a) for a, b in pairwise(path))
    yield path[0]
    for here, there in pairwise(path):
        length = abs(there - here)
        if length >= left:
            yield here + math.copysign(left, there - here)
            return
        left -= length
        yield there


def bar_events(bars: Bars, *, exchange: str, symbol: str) -> list[MarketEvent]:
    """Bars as the events they were made of: each one's open interest just before its close, then the bar."""
    events: list[MarketEvent] = []
    for row in range(len(bars)):
        opened_ms = int(bars.open_time_ms[row])
        base, reported = float(bars.open_interest_base[row]), float(bars.reported_open_interest[row])
        if math.isfinite(base):
            unit: Literal["base", "usd"] = (
                "base" if reported == base or not math.isfinite(reported) else "usd"
            )
            value = reported if math.isfinite(reported) else base
            at_ms = opened_ms + bars.interval_ms - 1
            events.append(OpenInterest(exchange, symbol, at_ms, base, value, unit))
        events.append(
            Candle(
                exchange,
                symbol,
                bars.interval_ms,
                opened_ms,
                float(bars.open[row]),
                float(bars.high[row]),
                float(bars.low[row]),
                float(bars.close[row]),
                volume_base=_known(float(bars.volume_base[row])),
                taker_buy_base=_known(float(bars.taker_buy_base[row])),
            )
        )
    return events


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _of_market(events: Iterable[MarketEvent], exchange: str, symbol: str) -> Iterator[MarketEvent]:
    """What is worth playing: this market's closed bars and records; forming bars and marks are made anew."""
    for event in events:
        played = event.closed if isinstance(event, Candle) else not isinstance(event, MarkPrice)
        if played and (event.exchange, event.symbol) == (exchange, symbol):
            yield event
