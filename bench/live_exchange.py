"""An exchange as busy as asked: a simulated market's past behind Binance's REST, and a stream of its own.

A round's price is one that no other round says, so whoever holds a price knows which messages it came with.
"""

from __future__ import annotations

import asyncio
import time

import orjson
from aiohttp import web

from liqstream.market import MINUTE_MS
from liqstream.simulator import binance_wire
from liqstream.simulator.dialect import Message, text
from liqstream.simulator.exchange_server import SimulatedExchange
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import Bar

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT", "DOGEUSDT", "ADAUSDT", "LINKUSDT")
INTERVAL_MS = 5 * MINUTE_MS
TRADES_A_ROUND = 5
ROUND_MESSAGES = len(SYMBOLS) * (2 + TRADES_A_ROUND)
PRICE_STEP = 2e-7
"""By this share of itself the price rises from round to round, if not told otherwise."""


class BusyExchange:
    """A simulated exchange's past behind Binance's REST, and a stream of its own that is as busy as asked."""

    def __init__(
        self, simulated: SimulatedExchange, messages_per_s: float, *, price_step: float = PRICE_STEP
    ) -> None:
        self._simulated = simulated
        self._price_step = price_step
        self.set_rate(messages_per_s)
        now_ms = simulated.clock.now_ms()
        simulated.market.advance(now_ms)
        self._base = {symbol: simulated.market.price(symbol, now_ms) for symbol in SYMBOLS}
        self._open_ms = now_ms - now_ms % INTERVAL_MS
        self._opened = dict(self._base)
        self.sent = 0
        self.said_s: list[float] = []
        """When each round was said, on the monotonic clock."""

    def set_rate(self, messages_per_s: float) -> None:
        """From the next round on."""
        self._round_s = ROUND_MESSAGES / messages_per_s

    def price(self, symbol: str, number: int) -> float:
        """The price that the round says first."""
        return self._base[symbol] * (1 + self._price_step * number)

    def round_of(self, symbol: str, price: float) -> int:
        """The round that said the price."""
        return round((price / self._base[symbol] - 1) / self._price_step)

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        """Speak to whoever connects until it leaves; a round that is late is said at once."""
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        due_s = time.monotonic()
        while not ws.closed:
            due_s += self._round_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            number, now_ms = len(self.said_s), self._simulated.clock.now_ms()
            texts = self._round(number, now_ms)
            self.said_s.append(time.monotonic())
            try:
                for text in texts:
                    await ws.send_str(text)
            except ConnectionError:
                break
            self.sent += len(texts)
        return ws

    def _round(self, number: int, now_ms: int) -> list[str]:
        said = self._closed_bars(number, now_ms)
        each_s = round(1 / self._round_s)
        for place, symbol in enumerate(SYMBOLS):
            price = self.price(symbol, number)
            # The forced order goes ahead of the price: who has the price has the order too.
            if number % each_s == place:
                fill = Fill(place, now_ms, "short", price, price, price, 1.0, 50.0)
                said.append(_text(symbol, "forceOrder", binance_wire.force_order(symbol, fill, now_ms)))
            said.append(_text(symbol, "kline_5m", self._kline(symbol, price, now_ms, closed=False)))
            digits = text(price)
            mark = {"e": "markPriceUpdate", "E": now_ms, "s": symbol, "p": digits, "i": digits, "st": 1}
            said.append(_text(symbol, "markPrice@1s", mark))
            trade = {
                "e": "aggTrade",
                "E": now_ms,
                "T": now_ms,
                "s": symbol,
                "p": digits,
                "q": "1",
                "m": False,
            }
            said += [
                _text(symbol, "aggTrade", trade | {"a": number * TRADES_A_ROUND + part, "st": 1})
                for part in range(TRADES_A_ROUND)
            ]
        return said

    def _closed_bars(self, number: int, now_ms: int) -> list[str]:
        if now_ms < self._open_ms + INTERVAL_MS:
            return []
        prices = {symbol: self.price(symbol, number - 1) for symbol in SYMBOLS}
        said = [
            _text(symbol, "kline_5m", self._kline(symbol, price, now_ms, closed=True))
            for symbol, price in prices.items()
        ]
        self._open_ms, self._opened = now_ms - now_ms % INTERVAL_MS, prices
        return said

    def _kline(self, symbol: str, price: float, now_ms: int, *, closed: bool) -> Message:
        opened = self._opened[symbol]
        bar = Bar(self._open_ms, opened, price, opened, price, 100.0, 100 * price, 50.0, 50 * price, closed)
        return binance_wire.kline(symbol, INTERVAL_MS, bar, now_ms)


def _text(symbol: str, stream: str, message: Message) -> str:
    return orjson.dumps({"stream": f"{symbol.lower()}@{stream}", "data": message}).decode()
