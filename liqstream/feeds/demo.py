"""The simulated market as a feed, in the process and without a wire: a first look that needs no network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence

from liqstream.feeds.feed import FeedStatus
from liqstream.market import (
    Candle,
    FundingRate,
    Liquidation,
    MarketEvent,
    MarketKey,
    MarkPrice,
    OpenInterest,
    Source,
)
from liqstream.simulator.market import FUNDING_MS, Bar, SimulatedMarket

DEMO_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")

_TICK_S = 1.0
_BARS_PER_BATCH = 500


class DemoFeed:
    """A Feed of `symbols` on an exchange called "simulated": a week of history, then a tick a second.

    Raises ValueError, when the history is asked for, for a symbol the simulated exchange does not list.
    """

    def __init__(
        self,
        symbols: Sequence[str] = DEMO_SYMBOLS,
        *,
        interval_ms: int,
        seed: int = 7,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._symbols = tuple(symbols)
        self._interval_ms = interval_ms
        self._seed = seed
        self._now_ms = now_ms
        self._market: SimulatedMarket | None = None
        self._said_ms = 0
        self._status = FeedStatus()

    @property
    def exchange(self) -> str:
        return "simulated"

    @property
    def source(self) -> Source:
        return "simulated"

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._symbols

    @property
    def status(self) -> FeedStatus:
        return self._status

    @property
    def history_end_ms(self) -> int | None:
        return None

    async def market(self) -> SimulatedMarket:
        """The market behind the feed, whose every position can be asked for; worked out on first use."""
        if self._market is None:
            self._market = await asyncio.to_thread(
                SimulatedMarket, self._symbols, now_ms=self._now_ms(), seed=self._seed
            )
        return self._market

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Everything since the newest bar in the store, at most the market's whole history."""
        market = await self.market()
        now_ms = self._now_ms()
        market.advance(now_ms)
        self._said_ms = now_ms
        for symbol in self._symbols:
            newest = newest_ms.get(MarketKey(self.exchange, symbol))
            start_ms = market.first_ms if newest is None else newest + self._interval_ms
            step_ms = _BARS_PER_BATCH * self._interval_ms
            for batch_ms in range(start_ms, now_ms, step_ms):
                yield self._history(market, symbol, batch_ms, min(batch_ms + step_ms, now_ms + 1), now_ms)
                await asyncio.sleep(0)

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Every second what has happened since the last: bars, open interest, liquidations, prices."""
        market = await self.market()
        loop = asyncio.get_running_loop()
        self._said_ms = self._said_ms or self._now_ms()
        self._status.connected = True
        while True:
            now_ms = max(self._now_ms(), self._said_ms)
            market.advance(now_ms)
            yield [event for symbol in self._symbols for event in self._tick(market, symbol, now_ms)]
            self._said_ms = now_ms
            self._status.last_message_s = loop.time()
            await asyncio.sleep(_TICK_S - now_ms / 1000 % _TICK_S)

    def _history(
        self, market: SimulatedMarket, symbol: str, start_ms: int, end_ms: int, now_ms: int
    ) -> list[MarketEvent]:
        events: list[MarketEvent] = []
        for bar in market.bars(symbol, self._interval_ms, start_ms=start_ms, end_ms=end_ms, now_ms=now_ms):
            if bar.closed:
                close_ms = bar.open_time_ms + self._interval_ms
                events.append(self._open_interest(market, symbol, close_ms - 1))
                events.append(self._candle(symbol, bar))
        events += self._liquidated(market, symbol, start_ms, end_ms)
        events += self._funding(market, symbol, start_ms, end_ms)
        return events

    def _tick(self, market: SimulatedMarket, symbol: str, now_ms: int) -> list[MarketEvent]:
        """Liquidations and open interest before the bar they belong to closes, then the bar."""
        interval_ms = self._interval_ms
        events: list[MarketEvent] = [*self._liquidated(market, symbol, self._said_ms, now_ms)]
        first_ms = self._said_ms // interval_ms * interval_ms
        for bar in market.bars(symbol, interval_ms, start_ms=first_ms, end_ms=now_ms + 1, now_ms=now_ms):
            at_ms = min(bar.open_time_ms + interval_ms - 1, now_ms)
            events += [self._open_interest(market, symbol, at_ms), self._candle(symbol, bar)]
        events.append(MarkPrice(self.exchange, symbol, now_ms, market.price(symbol, now_ms)))
        events += self._funding(market, symbol, self._said_ms, now_ms)
        return events

    def _candle(self, symbol: str, bar: Bar) -> Candle:
        return Candle(
            self.exchange,
            symbol,
            self._interval_ms,
            bar.open_time_ms,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            volume_base=bar.volume_base,
            volume_quote_usd=bar.volume_quote_usd,
            taker_buy_base=bar.taker_buy_base,
            closed=bar.closed,
        )

    def _open_interest(self, market: SimulatedMarket, symbol: str, at_ms: int) -> OpenInterest:
        held = market.open_interest(symbol, at_ms)
        return OpenInterest(self.exchange, symbol, at_ms, held, held)

    def _liquidated(
        self, market: SimulatedMarket, symbol: str, start_ms: int, end_ms: int
    ) -> list[Liquidation]:
        return [
            Liquidation(self.exchange, symbol, fill.time_ms, fill.side, fill.price, fill.quantity)
            for fill in market.liquidations(symbol, start_ms=start_ms, end_ms=end_ms)
        ]

    def _funding(self, market: SimulatedMarket, symbol: str, start_ms: int, end_ms: int) -> list[FundingRate]:
        first_ms = -(-start_ms // FUNDING_MS) * FUNDING_MS
        return [
            FundingRate(self.exchange, symbol, at_ms, market.funding_rate(symbol, at_ms))
            for at_ms in range(first_ms, end_ms, FUNDING_MS)
        ]
