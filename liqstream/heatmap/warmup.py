"""The stored history a map is warmed up on: bars, and what was liquidated in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqstream.market import Bars, FloatArray, MarketKey
from liqstream.store.market_store import MarketStore
from liqstream.symbols import INTERVALS_MS

_TOTALS_MS = tuple(INTERVALS_MS[name] for name in ("15m", "30m", "1h"))
"""Intervals at which realised totals are commonly given."""


@dataclass(frozen=True, slots=True, eq=False)
class Warmup:
    """Bars with the long and short USD liquidated in each; NaN where nothing is known of it."""

    bars: Bars
    realised_long_usd: FloatArray
    realised_short_usd: FloatArray

    def __getitem__(self, rows: slice) -> Warmup:
        """The bars of a slice, as views."""
        return Warmup(self.bars[rows], self.realised_long_usd[rows], self.realised_short_usd[rows])

    @property
    def knows_liquidations(self) -> bool:
        """Whether any bar's realised liquidations are known."""
        return bool(np.isfinite(self.realised_long_usd).any())


async def read_warmup(
    store: MarketStore, market: MarketKey, *, interval_ms: int, span_ms: int, end_ms: int | None = None
) -> Warmup:
    """The last `span_ms` of a market's bars, of those that open before `end_ms`."""
    newest_ms = await store.newest_bar_ms(market.exchange, market.symbol, interval_ms)
    ends_ms = [time_ms for time_ms in (newest_ms, end_ms) if time_ms is not None]
    start_ms = min(ends_ms) - span_ms if ends_ms else None
    return await read_bars(store, market, interval_ms=interval_ms, start_ms=start_ms, end_ms=end_ms)


async def read_bars(
    store: MarketStore,
    market: MarketKey,
    *,
    interval_ms: int,
    start_ms: int | None,
    end_ms: int | None,
    knows_liquidations: bool = False,
) -> Warmup:
    """A market's bars that open in [start_ms, end_ms), with what was liquidated in each.

    From its first liquidation on a source is known to tell them: a bar without one is a true zero. Say
    `knows_liquidations` where that was before `start_ms`. Where there are only totals of longer intervals,
    each is spread evenly over its bars.
    """
    exchange, symbol = market.exchange, market.symbol
    bars = await store.bars(exchange, symbol, interval_ms, start_ms=start_ms, end_ms=end_ms)
    long_usd, short_usd = np.full((2, len(bars)), np.nan)
    if knows_liquidations:
        long_usd[:] = short_usd[:] = 0.0
    for total_ms in (interval_ms, *(ms for ms in _TOTALS_MS if ms > interval_ms and not ms % interval_ms)):
        totals = await store.liquidation_totals(
            symbol, total_ms, start_ms=start_ms, end_ms=end_ms, exchanges=(exchange,)
        )
        if not len(totals.open_time_ms):
            continue
        if total_ms == interval_ms:
            known = bars.open_time_ms >= totals.open_time_ms[0]
            long_usd[known] = short_usd[known] = 0.0
        row = np.searchsorted(totals.open_time_ms, bars.open_time_ms - bars.open_time_ms % total_ms)
        row = np.minimum(row, len(totals.open_time_ms) - 1)
        inside = totals.open_time_ms[row] == bars.open_time_ms - bars.open_time_ms % total_ms
        share = interval_ms / total_ms
        long_usd[inside] = totals.long_usd[row[inside]] * share
        short_usd[inside] = totals.short_usd[row[inside]] * share
        break
    return Warmup(bars, long_usd, short_usd)
