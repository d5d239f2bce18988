"""Tells the simulated exchange's listeners what happens, tick by tick; each message is encoded once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

import orjson
from aiohttp import web

from liqstream.simulator import binance_wire, bybit_wire
from liqstream.simulator.binance_wire import Message
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import SimulatedMarket
from liqstream.simulator.misbehaviour import Misbehaviour

Words = Literal["binance", "bybit"]


@dataclass(eq=False, slots=True)
class Listener:
    """One socket: whose words it wants, and what of (streams or topics, in order)."""

    ws: web.WebSocketResponse
    transport: asyncio.Transport | None
    words: Words
    wanted: dict[str, None] = field(default_factory=dict)


class Publisher:
    """Every `tick_s` of wall time, all that happened since the last tick goes to every listener."""

    def __init__(
        self, market: SimulatedMarket, clock: MarketClock, wrong: Misbehaviour, *, tick_s: float
    ) -> None:
        self.listeners: set[Listener] = set()
        self.messages = 0
        self._market = market
        self._clock = clock
        self._wrong = wrong
        self._tick_s = tick_s
        self.told_ms = clock.now_ms()
        self._fills_from_ms = self.told_ms
        self._frozen: dict[str, float] = {}

    async def run(self) -> None:
        """Publish until cancelled. A listener that does not read is cut off rather than waited for."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + self._tick_s, loop.time())
            await asyncio.sleep(due_s - loop.time())
            await self._tick()

    async def _tick(self) -> None:
        now_ms = self._clock.now_ms()
        self._market.advance(now_ms)
        since_ms, self.told_ms = self.told_ms, now_ms
        fills = self._fills(now_ms)
        if self._wrong.silent:
            return
        said: dict[tuple[Words, str], list[str]] = {}
        for listener in tuple(self.listeners):
            texts = []
            for name in listener.wanted:
                key = (listener.words, name)
                if key not in said:
                    said[key] = self._encoded(listener.words, name, since_ms, now_ms, fills)
                texts += said[key]
            await self._send(listener, self._wrong.disturb(texts))

    def _fills(self, now_ms: int) -> dict[str, list[Fill]]:
        if self._wrong.hold_liquidations:
            return {}
        start_ms, self._fills_from_ms = self._fills_from_ms, now_ms
        return {
            symbol: self._market.liquidations(symbol, start_ms=start_ms, end_ms=now_ms)
            for symbol in self._market.symbols
        }

    def _encoded(
        self, words: Words, name: str, since_ms: int, now_ms: int, fills: dict[str, list[Fill]]
    ) -> list[str]:
        skew_ms = self._wrong.skew_ms
        if words == "binance":
            mine = fills.get(name.partition("@")[0].upper(), [])
            messages: list[Message] = [
                {"stream": name, "data": message}
                for message in binance_wire.stream_messages(
                    self._market, name, since_ms, now_ms, skew_ms=skew_ms, fills=mine
                )
            ]
        else:
            mine = fills.get(name.rpartition(".")[2], [])
            messages = bybit_wire.topic_messages(
                self._market, name, since_ms, now_ms, skew_ms=skew_ms, fills=mine
            )
            self._freeze(name, messages)
        return [orjson.dumps(message).decode() for message in messages]

    def open_interest(self, symbol: str, at_ms: int) -> float:
        """The open interest the exchange tells, which may stand still."""
        if self._wrong.freeze_open_interest:
            return self._frozen.setdefault(symbol, self._market.open_interest(symbol, at_ms))
        self._frozen.pop(symbol, None)
        return self._market.open_interest(symbol, at_ms)

    def _freeze(self, topic: str, messages: list[Message]) -> None:
        if topic.startswith("tickers."):
            for message in messages:
                told = self.open_interest(topic.removeprefix("tickers."), self.told_ms)
                message["data"]["openInterest"] = binance_wire.text(told)

    async def _send(self, listener: Listener, texts: list[str]) -> None:
        try:
            async with asyncio.timeout(5.0):
                for text in texts:
                    await listener.ws.send_str(text)
                    self.messages += 1
        except (ConnectionError, TimeoutError):
            self._cut(listener)

    def drop(self) -> None:
        """Cut every connection without a word."""
        for listener in tuple(self.listeners):
            self._cut(listener)

    def _cut(self, listener: Listener) -> None:
        self.listeners.discard(listener)
        if listener.transport is not None:
            listener.transport.abort()

    async def close(self) -> None:
        """End every connection with a close frame."""
        for listener in tuple(self.listeners):
            self.listeners.discard(listener)
            await listener.ws.close(code=1001, message=b"going away")
