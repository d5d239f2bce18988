"""A market that every server of a fleet sees alike: the price is a function of the exchange's clock.

It stays right while a server's own clock steps (tests/faults/node.py changes `time.time_ns`).
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from aiohttp import TraceConfig

from liqstream.feeds.feed import Feed, FeedBase
from liqstream.market import Candle, Liquidation, MarketEvent, MarketKey, MarkPrice, Side
from liqstream.settings.table import Settings
from liqstream.store.market_store import MarketStore
from tests.support.markets import MINUTE_MS, walk

STEP_MS = 100
INTERVAL_MS = 5 * MINUTE_MS
HISTORY_BARS = 300
START_PRICE_USD = {"BTCUSDT": 100_000.0, "ETHUSDT": 4_000.0}
SILENCE_FILE = "LIQSTREAM_TEST_SILENCE"
"""Environment variable: while a file of this name exists, the market says nothing to this server."""


def exchange_ms() -> int:
    """The exchange's time, UTC ms."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME) // 1_000_000


def price_at(symbol: str, step: int) -> float:
    """A price that moves with every step, within a percent of where it began."""
    wave = math.sin(step / 97) * 0.006 + math.sin(step / 7.3) * 0.001
    return round(START_PRICE_USD[symbol] * (1 + wave), 2)


class ClockworkFeed(FeedBase):
    """Prices ten times a second, with the time of the step they belong to."""

    def __init__(self, symbols: Sequence[str], silence: Path | None = None) -> None:
        super().__init__("binance", symbols, "simulated")
        self._silence = silence

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Some hours of bars up to now, for a store that has none."""
        now_ms = exchange_ms()
        start_ms = now_ms - now_ms % INTERVAL_MS - HISTORY_BARS * INTERVAL_MS
        for symbol in self.symbols:
            if newest_ms.get(MarketKey(self.exchange, symbol)) is None:
                yield walk(HISTORY_BARS, symbol=symbol, start_ms=start_ms, price=START_PRICE_USD[symbol])

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Every step of every symbol, at its time."""
        self.status.connected = True
        while True:
            now_ms = exchange_ms()
            await asyncio.sleep((STEP_MS - now_ms % STEP_MS) / 1000)
            step = exchange_ms() // STEP_MS
            if self._silence is not None and await asyncio.to_thread(self._silence.exists):
                continue
            self.status.last_message_s = time.monotonic()
            yield [event for symbol in self.symbols for event in self._step(symbol, step)]

    def _step(self, symbol: str, step: int) -> list[MarketEvent]:
        time_ms = step * STEP_MS
        open_ms = time_ms - time_ms % INTERVAL_MS
        first = open_ms // STEP_MS
        opened, price = price_at(symbol, first), price_at(symbol, step)
        past = [price_at(symbol, each) for each in range(first, step + 1, 10)] + [price]
        forming = Candle(
            self.exchange, symbol, INTERVAL_MS, open_ms, opened, max(past), min(past), price, closed=False
        )
        events: list[MarketEvent] = [forming, MarkPrice(self.exchange, symbol, time_ms, price)]
        if step % 10 == 0:
            side: Side = "long" if step % 20 else "short"
            events.append(Liquidation(self.exchange, symbol, time_ms, side, price, 0.1))
        return events


async def clockwork_feeds(
    settings: Settings, _store: MarketStore, _trace: Sequence[TraceConfig]
) -> list[Feed]:
    """The feed of `settings.symbols`."""
    silence = os.environ.get(SILENCE_FILE)
    return [ClockworkFeed(settings.symbols, Path(silence) if silence else None)]
