"""Bars out of trades, for sources that send trades but no bars (a recording, an exchange without klines)."""

from __future__ import annotations

from dataclasses import dataclass, field

from liqstream.feeds.parsing import Trade
from liqstream.market import Candle

EMIT_EVERY_MS = 250
"""Market time between two pictures of a forming bar; a busy market trades hundreds of times a second."""


@dataclass(slots=True)
class BarBuilder:
    """The forming bar of one market. A trade that comes after its bar was closed is not counted into any."""

    interval_ms: int
    _bar: Candle | None = None
    _emitted_ms: int = field(default=0)
    _volume: float = 0.0
    _quote: float = 0.0
    _taker_buy: float = 0.0
    _extremes: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def add(self, trade: Trade) -> list[Candle]:
        """Bars to pass on now: the one `trade` closes, and the forming one, at most four times a second."""
        open_ms = trade.time_ms - trade.time_ms % self.interval_ms
        emitted: list[Candle] = []
        if self._bar is None or open_ms > self._bar.open_time_ms:
            if self._bar is not None:
                emitted.append(self._bar_so_far(closed=True))
            self._start(trade, open_ms)
        elif open_ms < self._bar.open_time_ms:
            return []
        self._add_to_bar(trade)
        if trade.time_ms >= self._emitted_ms + EMIT_EVERY_MS:
            self._emitted_ms = trade.time_ms
            emitted.append(self._bar_so_far(closed=False))
        return emitted

    def _start(self, trade: Trade, open_ms: int) -> None:
        price = trade.price_usd
        self._bar = Candle(
            trade.exchange, trade.symbol, self.interval_ms, open_ms, price, price, price, price, closed=False
        )
        self._extremes = (price, price, price, price)
        self._volume = self._quote = self._taker_buy = 0.0

    def _add_to_bar(self, trade: Trade) -> None:
        opened, high, low, _ = self._extremes
        price = trade.price_usd
        self._extremes = (opened, max(high, price), min(low, price), price)
        self._volume += trade.quantity_base
        self._quote += trade.quantity_base * price
        if trade.taker_is_buyer:
            self._taker_buy += trade.quantity_base

    def _bar_so_far(self, *, closed: bool) -> Candle:
        bar = self._bar
        if bar is None:
            raise ValueError("no trade has come yet")
        return Candle(
            bar.exchange,
            bar.symbol,
            bar.interval_ms,
            bar.open_time_ms,
            *self._extremes,
            volume_base=self._volume,
            volume_quote_usd=self._quote,
            taker_buy_base=self._taker_buy,
            closed=closed,
        )
