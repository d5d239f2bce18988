"""The stored history a map is warmed up on: bars, and what was liquidated in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqstream.market import Bars, FloatArray, MarketKey
from liqstream.store.market_store import MarketStore


@dataclass(frozen=True, slots=True, eq=False)
class Warmup:
    """Bars with the long and short USD liquidated in each; NaN where nothing is known of it."""

    bars: Bars
    realised_long_usd: FloatArray
    realised_short_usd: FloatArray

    @property
    def knows_liquidations(self) -> bool:
        """Whether any bar's realised liquidations are known."""
        return bool(np.isfinite(self.realised_long_usd).any())


async def read_warmup(
    store: MarketStore, market: MarketKey, *, interval_ms: int, span_ms: int, end_ms: int | None = None
) -> Warmup:
    """The last `span_ms` of a market's bars, of those that open before `end_ms`."""
    exchange, symbol = market.exchange, market.symbol
    newest_ms = await store.newest_bar_ms(exchange, symbol, interval_ms)
    ends_ms = [time_ms for time_ms in (newest_ms, end_ms) if time_ms is not None]
    start_ms = min(ends_ms) - span_ms if ends_ms else None
    bars = await store.bars(exchange, symbol, interval_ms, start_ms=start_ms, end_ms=end_ms)
    totals = await store.liquidation_totals(
        symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, exchange=exchange
    )
    long_usd = np.full(len(bars), np.nan)
    short_usd = np.full(len(bars), np.nan)
    if len(totals.open_time_ms):
        # From its first liquidation on a source is known to tell them: a bar without one is a true zero.
        known = bars.open_time_ms >= totals.open_time_ms[0]
        long_usd[known] = short_usd[known] = 0.0
        _, in_bars, in_totals = np.intersect1d(
            bars.open_time_ms, totals.open_time_ms, assume_unique=True, return_indices=True
        )
        long_usd[in_bars] = totals.long_usd[in_totals]
        short_usd[in_bars] = totals.short_usd[in_totals]
    return Warmup(bars, long_usd, short_usd)
