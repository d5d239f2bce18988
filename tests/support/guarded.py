"""Records of one market around a fixed moment, and a guard whose clocks are set by hand."""

from __future__ import annotations

from liqstream.market import Candle, Liquidation, MarketKey, MarkPrice, OpenInterest
from liqstream.market.record_guard import RecordGuard

NOW_MS = 1_780_000_200_000
FIVE_MS = 300_000
KEY = MarketKey("binance", "BTCUSDT")


class Clocks:
    """Our clock and the monotonic one; both move with `pass_s`."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.monotonic_s = 5000.0

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ms += round(seconds * 1000)
        self.monotonic_s += seconds

    def guard(self) -> RecordGuard:
        """A guard that reads these clocks."""
        return RecordGuard(now_ms=lambda: self.now_ms, clock_s=lambda: self.monotonic_s)


def mark(price: float, time_ms: int = NOW_MS) -> MarkPrice:
    """A mark price of the market."""
    return MarkPrice(KEY.exchange, KEY.symbol, time_ms, price)


def held(base: float, time_ms: int = NOW_MS) -> OpenInterest:
    """An open interest of the market."""
    return OpenInterest(KEY.exchange, KEY.symbol, time_ms, base, base)


def liquidated(price: float, quantity: float, time_ms: int = NOW_MS) -> Liquidation:
    """A liquidated long of the market."""
    return Liquidation(KEY.exchange, KEY.symbol, time_ms, "long", price, quantity)


def bar(
    number: int, close: float = 100.0, *, open_: float | None = None, low: float = 0.0, high: float = 0.0
) -> Candle:
    """The closed five-minute bar that opens `number` bars after NOW_MS; flat where nothing else is said."""
    opened = close if open_ is None else open_
    return Candle(
        KEY.exchange,
        KEY.symbol,
        FIVE_MS,
        NOW_MS + number * FIVE_MS,
        opened,
        high or max(opened, close),
        low or min(opened, close),
        close,
    )
