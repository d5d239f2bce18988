"""Sends the simulated exchange's subscribers what happens, round by round; each message is encoded once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from liqstream.simulator.clock import MarketClock
from liqstream.simulator.dialect import Dialect, MarketSpan, Message
from liqstream.simulator.fault_effects import spoilt_texts
from liqstream.simulator.fault_table import MESSAGE_KINDS, FaultTable
from liqstream.simulator.faults import Faults
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import SimulatedMarket

_KEPT = 20_000
"""Added forced orders that are remembered."""


@dataclass(eq=False, slots=True)
class Subscriber:
    """One socket of an exchange: `carried` are the channels it can carry, each written as a subscription,
    `subscribed` what it subscribed to (streams or topics, in order)."""

    ws: web.WebSocketResponse
    transport: asyncio.Transport | None
    dialect: Dialect
    publisher: Publisher
    carried: Sequence[str]
    subscribed: dict[str, None] = field(default_factory=dict)
    client: str = ""
    """The address it comes from."""
    sent_s: float = 0.0
    """When anything was sent to it last, on the publisher's clock."""

    @property
    def market(self) -> SimulatedMarket:
        """The market it hears of."""
        return self.publisher.market

    def carries(self, channel: str, symbol: str) -> bool:
        """Whether the socket carries this channel, of this symbol ("" for any)."""
        on_it = [self.dialect.channel_of(name) for name in self.subscribed or self.carried]
        return any(found == channel and symbol in ("", about) for found, about in on_it)


class Publisher:
    """Every `round_s` of wall time, all that happened since the last round goes to every subscriber."""

    def __init__(
        self,
        market: SimulatedMarket,
        clock: MarketClock,
        faults: Faults,
        table: FaultTable,
        *,
        round_s: float,
    ) -> None:
        self.subscribers: set[Subscriber] = set()
        self.messages = 0
        self.market = market
        self.table = table
        self._clock = clock  # the market's time
        self._faults = faults  # what is wrong with its messages now
        self._round_s = round_s  # of wall time between two rounds
        self.published_ms = clock.now_ms()
        self._fills_from_ms = self.published_ms  # forced orders since then are still to be reported
        # Open interest of each symbol while the fault holds it.
        self._frozen: dict[str, float] = {}
        # Forced orders the market did not have, by symbol, until the next round has reported them.
        self._added: dict[str, list[Fill]] = {}
        # The same, for as long as anybody asks for their past.
        self._kept: deque[tuple[str, Fill]] = deque(maxlen=_KEPT)
        self.readings: dict[str, str] = {}
        """How what no document settles is meant, by exchange; see each dialect."""

    async def run(self) -> None:
        """Publish until cancelled. A subscriber that does not read is cut off rather than waited for."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + self._round_s, loop.time())
            await asyncio.sleep(due_s - loop.time())
            await self._publish_round()

    @property
    def skew_ms(self) -> int:
        """How far the exchange's clock is off."""
        return self._faults.skew_ms

    def now_ms(self) -> int:
        """The market's time, with the market brought up to it."""
        now_ms = self._clock.now_ms()
        self.market.advance(now_ms)
        return now_ms

    async def _publish_round(self) -> None:
        await self._close_silent()
        now_ms = self.now_ms()
        since_ms, self.published_ms = self.published_ms, now_ms
        span = MarketSpan(
            self.market,
            since_ms,
            now_ms,
            self.skew_ms,
            self._fills(now_ms),
            self.open_interest,
            self.readings,
        )
        if self._faults.silent:
            return
        encoded: dict[tuple[str, str], list[str]] = {}
        for subscriber in tuple(self.subscribers):
            texts = []
            for name in subscriber.subscribed:
                key = (subscriber.dialect.name, name)
                if key not in encoded:
                    encoded[key] = self._encoded(subscriber.dialect, name, span)
                texts += encoded[key]
            await self._send(subscriber, self._faults.apply_to(texts))

    def now_s(self) -> float:
        """Seconds on the clock of the market's process, not of the market."""
        return self._clock.monotonic_s()

    async def _close_silent(self) -> None:
        for subscriber in tuple(self.subscribers):
            if self.now_s() - subscriber.sent_s > subscriber.dialect.silence_s:
                self.subscribers.discard(subscriber)
                await subscriber.ws.close(code=1000, message=b"Inactive")

    def _fills(self, now_ms: int) -> dict[str, list[Fill]]:
        if self._faults.hold_liquidations:
            return {}
        start_ms, self._fills_from_ms = self._fills_from_ms, now_ms
        added, self._added = self._added, {}
        return {
            symbol: [
                *self.market.liquidations(symbol, start_ms=start_ms, end_ms=now_ms),
                *added.get(symbol, ()),
            ]
            for symbol in self.market.symbols
        }

    def add_fill(self, symbol: str, fill: Fill) -> None:
        """Report a forced order beside the market's own in the next round, for who cannot wait for one."""
        self._added.setdefault(symbol, []).append(fill)
        self._kept.append((symbol, fill))

    def fills(self, symbol: str, start_ms: int, end_ms: int) -> list[Fill]:
        """The forced orders of [start_ms, end_ms), also those that were added, ascending."""
        added = [fill for name, fill in self._kept if name == symbol and start_ms <= fill.time_ms < end_ms]
        known = self.market.liquidations(symbol, start_ms=start_ms, end_ms=end_ms)
        return sorted([*known, *added], key=lambda fill: fill.time_ms)

    def _encoded(self, dialect: Dialect, name: str, span: MarketSpan) -> list[str]:
        if self._faults.hole_in_trades and name.startswith("trades:"):
            return []
        return self._texts(dialect, name, dialect.messages(span, name))

    def _texts(self, dialect: Dialect, name: str, messages: list[Message]) -> list[str]:
        channel, symbol = dialect.channel_of(name)
        fault = self.table.hit(dialect.name, channel, symbol, MESSAGE_KINDS) if messages else None
        if fault is not None:
            return spoilt_texts(fault, messages, dialect.channels[channel])
        return [orjson.dumps(message).decode() for message in messages]

    async def send_now(self, subscriber: Subscriber, name: str, messages: list[Message]) -> None:
        """Send one subscriber what a subscription begins with."""
        if not self._faults.silent:
            await self._send(subscriber, self._texts(subscriber.dialect, name, messages))

    def open_interest(self, symbol: str, at_ms: int) -> float:
        """The open interest the exchange reports, in base coin; with the fault it may stand still."""
        if self._faults.freeze_open_interest:
            return self._frozen.setdefault(symbol, self.market.open_interest(symbol, at_ms))
        self._frozen.pop(symbol, None)
        return self.market.open_interest(symbol, at_ms)

    async def _send(self, subscriber: Subscriber, texts: list[str]) -> None:
        if texts:
            subscriber.sent_s = self.now_s()
        try:
            async with asyncio.timeout(5.0):
                for text in texts:
                    await subscriber.ws.send_str(text)
                    self.messages += 1
        except (ConnectionError, TimeoutError):
            self._cut(subscriber)

    def drop(self) -> None:
        """Cut every connection without a close frame."""
        for subscriber in tuple(self.subscribers):
            self._cut(subscriber)

    def drop_channel(self, exchange: str, channel: str, symbol: str) -> None:
        """Cut every connection of an exchange that carries this channel (of this symbol, "" for any)."""
        for subscriber in tuple(self.subscribers):
            if subscriber.dialect.name == exchange and subscriber.carries(channel, symbol):
                self._cut(subscriber)

    def _cut(self, subscriber: Subscriber) -> None:
        self.subscribers.discard(subscriber)
        if subscriber.transport is not None:
            subscriber.transport.abort()

    async def close(self) -> None:
        """End every connection with a close frame."""
        for subscriber in tuple(self.subscribers):
            self.subscribers.discard(subscriber)
            await subscriber.ws.close(code=1001, message=b"going away")
