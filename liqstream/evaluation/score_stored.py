"""The score of what is in the store: which bars and realised figures a score can rest on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from liqstream.evaluation.ablation import ablation
from liqstream.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from liqstream.evaluation.forecast_by_horizon import score_forecasts
from liqstream.evaluation.liquidation_levels import at_their_levels
from liqstream.evaluation.price_score import WINDOWS_MS, Events, no_prices
from liqstream.evaluation.score import BY_PRICE_MS, Score, prices_of, score
from liqstream.evaluation.scored_intervals import WARM_UP_MS
from liqstream.evaluation.scoring_data import (
    EVERYTHING,
    NOTHING_REALISED,
    Realised,
    ScoreError,
    ScoringData,
    Span,
)
from liqstream.market import MINUTE_MS, Bars, MarketKey
from liqstream.market.coverage import MIN_COVERED, is_covered
from liqstream.model.calibration import CALIBRATING_MS
from liqstream.model.forecast_ridge import YEAR_MS
from liqstream.model.kernel import Kernel
from liqstream.model.margin import bundled_brackets
from liqstream.store.market_store import MarketStore
from liqstream.store.results import LiquidationTotals, MarketSummary
from liqstream.symbols import INTERVALS_MS, interval_name

EVENTS_INTERVAL_MS = 1_800_000
"""Single events are added up over half an hour by default: shorter intervals are mostly empty."""

_LONGEST_MS = INTERVALS_MS["4h"]


async def score_stored(
    store: MarketStore,
    market: MarketKey,
    kernel: Kernel,
    *,
    span: Span = EVERYTHING,
    interval_ms: int | None = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    progress: Callable[[str], None] = lambda _: None,
) -> Score:
    """Score a market's map on its stored liquidations, in a worker thread.

    `interval_ms` is the scored interval; by default that of the stored totals (of several the finest that
    hardly any time lacks), or half an hour where there are only single events. The bars are the finest stored
    ones that divide it, but minutes that are kept beside longer ones. Two weeks before
    the span are read for warm-up. `progress` is called from the worker thread too. Raises ScoreError with
    what is missing, StoreError where it cannot be read.
    """
    progress("reading the store")
    data = await scoring_data(store, market, span=span, interval_ms=interval_ms)
    if len(data.bars):
        data = replace(data, events=await _events(store, market, data.bars, span.to_ms))
    return await asyncio.to_thread(score, data, kernel, span=span, bootstrap=bootstrap, progress=progress)


async def score_forecasts_stored(
    store: MarketStore,
    market: MarketKey,
    kernel: Kernel,
    *,
    span: Span = EVERYTHING,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Grade a market's forecasts, recomputed walk-forward, on its stored liquidations, in a worker thread.

    Up to a year before the span is read to learn from. Returns the grades by horizon. Raises ScoreError with
    what is missing, StoreError where it cannot be read.
    """
    progress("reading the store")
    from_ms = None if span.from_ms is None else span.from_ms - YEAR_MS + CALIBRATING_MS
    data = await scoring_data(store, market, span=Span(from_ms, span.to_ms))
    return await asyncio.to_thread(
        score_forecasts, data, kernel, span=span, bootstrap=bootstrap, progress=progress
    )


async def score_prices_stored(
    store: MarketStore,
    market: MarketKey,
    kernel: Kernel,
    *,
    span: Span = EVERYTHING,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Score a market's map by the prices of its stored single liquidations, in a worker thread.

    The bars are the finest stored ones that divide the windows. Raises ScoreError with what is missing,
    StoreError where it cannot be read.
    """
    progress("reading the store")
    bars_ms = _bars_for(await _markets_with_bars(store, market, span), max(WINDOWS_MS))
    start_ms = None if span.from_ms is None else span.from_ms - CALIBRATING_MS
    bars = await store.bars(market.exchange, market.symbol, bars_ms, start_ms=start_ms, end_ms=span.to_ms)
    if not len(bars):
        return no_prices("no bars in the span")
    data = ScoringData(market, bars, NOTHING_REALISED, await _events(store, market, bars, span.to_ms))
    from_ms = int(bars.open_time_ms[0]) + WARM_UP_MS
    return await asyncio.to_thread(
        prices_of,
        data,
        kernel,
        from_ms=max(from_ms, span.from_ms or 0),
        bootstrap=bootstrap,
        progress=progress,
    )


async def score_ablation_stored(
    store: MarketStore,
    market: MarketKey,
    kernel: Kernel,
    asked: tuple[Span, int | None],
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """What each part of the best prediction does to a market's score, in a worker thread.

    `asked` are span and interval, as `score_stored` takes them. Raises ScoreError with what is missing,
    StoreError where it cannot be read.
    """
    progress("reading the store")
    span, interval_ms = asked
    data = await scoring_data(store, market, span=span, interval_ms=interval_ms)
    return await asyncio.to_thread(ablation, data, kernel, span=span, progress=progress)


async def _events(store: MarketStore, market: MarketKey, bars: Bars, to_ms: int | None) -> Events | None:
    """The single liquidations prices are compared with; None without any."""
    end_ms = int(bars.open_time_ms[-1]) + bars.interval_ms
    found = await store.liquidations(
        market.symbol,
        start_ms=max(int(bars.open_time_ms[0]), end_ms - BY_PRICE_MS),
        end_ms=end_ms if to_ms is None else min(end_ms, to_ms),
        exchanges=(market.exchange,),
    )
    if not len(found):
        return None
    events = Events(found.time_ms, found.is_long, found.price_usd, found.price_usd * found.quantity_base)
    brackets = await asyncio.to_thread(bundled_brackets)
    return at_their_levels(events, market.exchange, market.symbol, brackets, bars)


async def scoring_data(
    store: MarketStore, market: MarketKey, *, span: Span = EVERYTHING, interval_ms: int | None = None
) -> ScoringData:
    """A market's bars and realised liquidations to score or fit on, two weeks before the span included.

    Raises ScoreError with what is missing.
    """
    exchange, symbol = market.exchange, market.symbol
    with_bars = await _markets_with_bars(store, market, span)
    start_ms = None if span.from_ms is None else span.from_ms - CALIBRATING_MS
    if interval_ms is not None:
        bars_ms = _bars_for(with_bars, interval_ms)
        totals = await store.liquidation_totals(
            symbol, interval_ms, start_ms=start_ms, end_ms=span.to_ms, exchanges=(exchange,)
        )
    else:
        totals = await _finest_totals(store, market, with_bars, start_ms, span.to_ms)
        bars_ms = _bars_for(with_bars, totals.interval_ms)
    if not len(totals):
        raise ScoreError(
            f"no liquidations of {symbol} on {exchange} in the store for that span; import some "
            "with `liqstream import liquidations`, or let the server collect them"
        )
    bars = await store.bars(exchange, symbol, bars_ms, start_ms=start_ms, end_ms=span.to_ms)
    return ScoringData(market, bars, await _realised(store, market, totals))


async def _markets_with_bars(store: MarketStore, market: MarketKey, span: Span) -> list[MarketSummary]:
    exchange, symbol = market.exchange, market.symbol
    held = [m for m in await store.summary() if (m.exchange, m.symbol) == (exchange, symbol)]
    with_bars = [found for found in held if found.interval_ms and _reaches(found, span)]
    if not with_bars:
        raise ScoreError(
            f"no bars of {symbol} on {exchange} in the store for that span; import some with "
            "`liqstream import bars`"
        )
    return [found for found in with_bars if not _is_beside(found, with_bars)]


def _is_beside(bars: MarketSummary, others: list[MarketSummary]) -> bool:
    """Whether these are the minutes collected beside longer bars, which hold their time and more: the model
    runs on those."""
    return bars.interval_ms == MINUTE_MS and any(
        (longer.interval_ms or 0) > MINUTE_MS
        and longer.first_ms <= bars.first_ms
        and longer.last_ms + 2 * (longer.interval_ms or 0) > bars.last_ms
        for longer in others
    )


def _reaches(market: MarketSummary, span: Span) -> bool:
    begins_before_end = span.to_ms is None or market.first_ms < span.to_ms
    return begins_before_end and (span.from_ms is None or market.last_ms >= span.from_ms)


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
    store: MarketStore,
    market: MarketKey,
    with_bars: list[MarketSummary],
    start_ms: int | None,
    end_ms: int | None,
) -> LiquidationTotals:
    """Totals at the finest interval at which they were given for hardly less of its bars' time than at any;
    single events over half an hour."""
    bars_ms = min(found.interval_ms or 0 for found in with_bars)
    candidates = [ms for ms in INTERVALS_MS.values() if ms % bars_ms == 0 and ms <= _LONGEST_MS]
    given_ms = await store.given_totals(market, start_ms=start_ms, end_ms=end_ms)
    wanted = [ms for ms in candidates or [bars_ms] if any(ms % given == 0 for given in given_ms)]
    if not wanted:
        wanted = [max((ms for ms in candidates if ms <= EVENTS_INTERVAL_MS), default=bars_ms)]
    found = [
        await store.liquidation_totals(
            market.symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, exchanges=(market.exchange,)
        )
        for interval_ms in wanted
    ]
    known_ms = [_given_with_bars(totals, with_bars) for totals in found]
    return next(each for each, ms in zip(found, known_ms, strict=True) if ms >= MIN_COVERED * max(known_ms))


def _given_with_bars(totals: LiquidationTotals, with_bars: list[MarketSummary]) -> int:
    """For how long totals were given, in ms, within the time of the bars they would be scored on."""
    bars_ms = _bars_for(with_bars, totals.interval_ms)
    bars = next(each for each in with_bars if each.interval_ms == bars_ms)
    inside = (totals.open_time_ms >= bars.first_ms) & (totals.open_time_ms <= bars.last_ms)
    return int((totals.from_totals & inside).sum()) * totals.interval_ms


async def _realised(store: MarketStore, market: MarketKey, totals: LiquidationTotals) -> Realised:
    """Totals as given; of single events the intervals in which they were listened to, zeros among them.

    Raises ScoreError where no interval is known.
    """
    interval_ms = totals.interval_ms
    if totals.from_totals.any():
        given = totals.from_totals
        return Realised(
            interval_ms, totals.open_time_ms[given], totals.long_usd[given], totals.short_usd[given]
        )
    first, last = int(totals.open_time_ms[0]), int(totals.open_time_ms[-1])
    times = np.arange(first, last + 1, interval_ms, dtype=np.int64)
    rows = (totals.open_time_ms - first) // interval_ms
    sides = np.zeros((2, len(times)))
    sides[0, rows], sides[1, rows] = totals.long_usd, totals.short_usd
    spans = await store.liquidation_spans(
        market.exchange, market.symbol, start_ms=first, end_ms=last + interval_ms
    )
    known = is_covered(spans, times, interval_ms)
    if not known.any():
        raise ScoreError(
            f"no interval of {interval_name(interval_ms)} in which the liquidations of {market.symbol} on "
            f"{market.exchange} were collected for 95 % of the time"
        )
    return Realised(interval_ms, times[known], sides[0][known], sides[1][known], given_as_totals=False)
