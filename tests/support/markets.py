"""Small markets for tests: bars that move, with open interest."""

from __future__ import annotations

import math

import numpy as np

from liqstream.market import Candle, MarketEvent, OpenInterest

MINUTE_MS = 60_000
START_MS = 1_780_000_200_000


def walk(
    bars: int,
    *,
    exchange: str = "binance",
    symbol: str = "BTCUSDT",
    interval_ms: int = 5 * MINUTE_MS,
    start_ms: int = START_MS,
    seed: int = 1,
    price: float = 100_000.0,
    open_interest_base: float = 80_000.0,
) -> list[MarketEvent]:
    """Closed bars of a random walk of 2 % a day with steady open interest, each followed by its bar."""
    rng = np.random.default_rng(seed)
    step = 0.02 * math.sqrt(interval_ms / (24 * 60 * MINUTE_MS))
    closes = price * np.exp(np.cumsum(rng.normal(0, step, bars)))
    opens = np.concatenate(([price], closes[:-1]))
    highs = np.maximum(opens, closes) * np.exp(rng.exponential(step / 2, bars))
    lows = np.minimum(opens, closes) * np.exp(-rng.exponential(step / 2, bars))
    events: list[MarketEvent] = []
    for row in range(bars):
        open_ms = start_ms + row * interval_ms
        held = open_interest_base * (1 + 0.001 * row)
        events.append(OpenInterest(exchange, symbol, open_ms + interval_ms - 1, held, held))
        open_, high, low, close = (float(column[row]) for column in (opens, highs, lows, closes))
        events.append(Candle(exchange, symbol, interval_ms, open_ms, open_, high, low, close))
    return events
