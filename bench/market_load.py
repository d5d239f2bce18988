"""The load of the bench of many markets: made-up markets, their past, and what a venue says in a second."""

from __future__ import annotations

import math
from collections.abc import Sequence

import orjson

from liqstream.market import MINUTE_MS, Candle, MarketEvent, OpenInterest

STEP_MS = 5 * MINUTE_MS
HISTORY_BARS = 288


def symbols_of(count: int) -> list[str]:
    """Made-up markets."""
    return [f"C{number:03}USDT" for number in range(count)]


def price_of(number: int, at_ms: int) -> float:
    """A price of a market that moves by a tenth of a percent within minutes."""
    level = 10.0 ** (number % 5 - 1) * (1 + number / 1000)
    return level * (1 + 0.001 * math.sin(at_ms / 60_000 + number))


def past(exchange: str, number: int, symbol: str, end_ms: int) -> list[MarketEvent]:
    """A day of bars and open interest."""
    found: list[MarketEvent] = []
    for open_ms in range(end_ms - HISTORY_BARS * STEP_MS, end_ms, STEP_MS):
        price = price_of(number, open_ms)
        held = 1e8 / price * (1 + 0.05 * math.sin(open_ms / 3e6))
        found += [
            OpenInterest(exchange, symbol, open_ms + STEP_MS - 1, held, held),
            Candle(
                exchange, symbol, STEP_MS, open_ms, price, 1.002 * price, 0.998 * price, price, closed=True
            ),
        ]
    return found


def messages(symbols: Sequence[str], now_ms: int) -> list[str]:
    """What a venue says in a second: a forming bar and a mark price of each market."""
    found = []
    open_ms = now_ms - now_ms % STEP_MS
    for number, symbol in enumerate(symbols):
        price = f"{price_of(number, now_ms):.8f}"
        bar = {
            "t": open_ms,
            "T": open_ms + STEP_MS - 1,
            "s": symbol,
            "i": "5m",
            "x": False,
            "o": price,
            "c": price,
            "h": price,
            "l": price,
            "v": "1",
            "q": price,
            "V": "1",
            "Q": price,
        }
        kline = {"e": "kline", "E": now_ms, "s": symbol, "k": bar}
        mark = {"e": "markPriceUpdate", "E": now_ms, "s": symbol, "p": price, "r": "0.0001", "T": now_ms + 1}
        low = symbol.lower()
        found.append(orjson.dumps({"stream": f"{low}@kline_5m", "data": kline}).decode())
        found.append(orjson.dumps({"stream": f"{low}@markPrice@1s", "data": mark}).decode())
    return found
