"""Records of a made-up BTCUSDT for the store's tests."""

from __future__ import annotations

from typing import Any

from liqstream.market import Candle, OpenInterest

MINUTE_MS = 60_000
STEP_MS = 5 * MINUTE_MS
T0 = 1_779_724_800_000


def candle(index: int, *, close: float = 100.0, interval_ms: int = STEP_MS, **extra: Any) -> Candle:
    """The bar number `index` of BTCUSDT on binance."""
    values: dict[str, Any] = {"open": close, "high": close + 1, "low": close - 1, "close": close} | extra
    return Candle("binance", "BTCUSDT", interval_ms, T0 + index * interval_ms, **values)


def open_interest(time_ms: int, base: float) -> OpenInterest:
    """An open interest reported in USD at a price of 2."""
    return OpenInterest("binance", "BTCUSDT", time_ms, base, base * 2, "usd")
