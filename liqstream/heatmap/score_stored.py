"""The score of what is in the store: which bars and realised figures a score can rest on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from liqstream.heatmap.calibration import CALIBRATING_MS
from liqstream.heatmap.kernel import Kernel
from liqstream.heatmap.price_score import Events
from liqstream.heatmap.score import BY_PRICE_MS, Realised, Score, ScoreError, score
from liqstream.market import Bars
from liqstream.store.columns import LiquidationTotals, MarketSummary
from liqstream.store.market_store import MarketStore
from liqstream.symbols import INTERVALS_MS, interval_name

EVENTS_INTERVAL_MS = 1_800_000
"""Single events are added up over half an hour by default: shorter intervals are mostly empty."""

_LONGEST_MS = INTERVALS_MS["4h"]


async def score_stored(
    store: MarketStore,
    exchange: str,
    symbol: str,
    kernel: Kernel,
    *,
    from_ms: int | None = None,
    to_ms: int | None = None,
    interval_ms: int | None = None,
    draws: int = 1000,
    progress: Callable[[str], None] = lambda _: None,
) -> Score:
    """Score a market's map on its stored liquidations, in a worker thread.

    `interval_ms` is the scored interval; by default that of the stored totals, or half an hour where there
    are only single events. The bars are the finest stored ones that divide it. Two weeks before `from_ms`
    are read for warm-up. Raises ScoreError with what is missing.
    """
    progress("reading the store")
    bars, realised = await scoring_data(
        store, exchange, symbol, from_ms=from_ms, to_ms=to_ms, interval_ms=interval_ms
    )
    events = None
    if len(bars):
        events = await _events(store, exchange, symbol, bars, to_ms)
    return await asyncio.to_thread(
        score,
        bars,
        realised,
        kernel,
        symbol=symbol,
        exchange=exchange,
        from_ms=from_ms,
        to_ms=to_ms,
        events=events,
        draws=draws,
        progress=progress,
    )


async def _events(
    store: MarketStore, exchange: str, symbol: str, bars: Bars, to_ms: int | None
) -> Events | None:
    """The single liquidations prices are compared with; None without any."""
    end_ms = int(bars.open_time_ms[-1]) + bars.interval_ms
    found = await store.liquidations(
        symbol,
        start_ms=max(int(bars.open_time_ms[0]), end_ms - BY_PRICE_MS),
        end_ms=end_ms if to_ms is None else min(end_ms, to_ms),
        exchanges=(exchange,),
    )
    if not len(found):
        return None
    return Events(found.time_ms, found.is_long, found.price_usd, found.price_usd * found.quantity_base)


async def scoring_data(
    store: MarketStore,
    exchange: str,
    symbol: str,
    *,
    from_ms: int | None = None,
    to_ms: int | None = None,
    interval_ms: int | None = None,
) -> tuple[Bars, Realised]:
    """A market's bars and realised liquidations to score or fit on. Raises ScoreError."""
    held = [m for m in await store.summary() if (m.exchange, m.symbol) == (exchange, symbol)]
    with_bars = [market for market in held if market.interval_ms and _reaches(market, from_ms, to_ms)]
    if not with_bars:
        raise ScoreError(
            f"no bars of {symbol} on {exchange} in the store for that span; import some with "
            "`liqstream import bars`"
        )
    start_ms = None if from_ms is None else from_ms - CALIBRATING_MS
    if interval_ms is not None:
        bars_ms = _bars_for(with_bars, interval_ms)
        totals = await store.liquidation_totals(
            symbol, interval_ms, start_ms=start_ms, end_ms=to_ms, exchanges=(exchange,)
        )
    else:
        bars_ms = min(market.interval_ms or 0 for market in with_bars)
        totals = await _finest_totals(store, exchange, symbol, bars_ms, start_ms, to_ms)
        bars_ms = _bars_for(with_bars, totals.interval_ms)
    if not len(totals):
        raise ScoreError(
            f"no realised liquidations of {symbol} on {exchange} in the store for that span; import some "
            "with `liqstream import liquidations`, or let the server collect them"
        )
    bars = await store.bars(exchange, symbol, bars_ms, start_ms=start_ms, end_ms=to_ms)
    return bars, _realised(totals)


def _reaches(market: MarketSummary, from_ms: int | None, to_ms: int | None) -> bool:
    return (from_ms is None or market.last_ms >= from_ms) and (to_ms is None or market.first_ms < to_ms)


def _bars_for(markets: list[MarketSummary], interval_ms: int) -> int:
    """The finest stored bars that divide an interval."""
    fitting = [m.interval_ms for m in markets if m.interval_ms and interval_ms % m.interval_ms == 0]
    if not fitting:
        stored = ", ".join(interval_name(m.interval_ms) for m in markets if m.interval_ms)
        raise ScoreError(
            f"intervals of {interval_name(interval_ms)} cannot be scored on bars of {stored}: "
            "they must be as long as the bars or a multiple"
        )
    return min(fitting)


async def _finest_totals(
    store: MarketStore, exchange: str, symbol: str, bars_ms: int, start_ms: int | None, end_ms: int | None
) -> LiquidationTotals:
    """Totals at the finest interval at which they were given; single events over half an hour."""
    candidates = [ms for ms in INTERVALS_MS.values() if ms % bars_ms == 0 and ms <= _LONGEST_MS]
    fallback: LiquidationTotals | None = None
    for interval_ms in candidates or [bars_ms]:
        totals = await store.liquidation_totals(
            symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, exchanges=(exchange,)
        )
        if totals.from_totals.any():
            return totals
        if fallback is None or interval_ms <= EVENTS_INTERVAL_MS:
            fallback = totals
    if fallback is None:
        raise ScoreError(f"no interval to score {symbol} on {exchange} over")
    return fallback


def _realised(totals: LiquidationTotals) -> Realised:
    """Totals as given; between single events an interval without one is a true zero."""
    if totals.from_totals.any():
        return Realised(totals.interval_ms, totals.open_time_ms, totals.long_usd, totals.short_usd)
    first, last = int(totals.open_time_ms[0]), int(totals.open_time_ms[-1])
    times = np.arange(first, last + 1, totals.interval_ms, dtype=np.int64)
    rows = (totals.open_time_ms - first) // totals.interval_ms
    sides = np.zeros((2, len(times)))
    sides[0, rows], sides[1, rows] = totals.long_usd, totals.short_usd
    return Realised(totals.interval_ms, times, sides[0], sides[1], given_as_totals=False)
