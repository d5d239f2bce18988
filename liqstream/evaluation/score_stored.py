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
    hardly any time lacks), or half an hour where single events are known for longer. The bars are the finest
    stored ones that divide it, but minutes that are kept beside longer ones. Two weeks before the span are
    read for warm-up. `progress` is called from the worker thread too. Raises ScoreError with what is missing,
    StoreError where it cannot be read.
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
    with_bars = await _markets_with_bars(store, market, span)
    start_ms = None if span.from_ms is None else span.from_ms - CALIBRATING_MS
    if interval_ms is None:
        events_ms = _events_interval(with_bars)
        intervals_ms = await _intervals_given(store, market, with_bars, start_ms, span.to_ms)
    else:
        _bars_for(with_bars, interval_ms)  # raises where none divide it
        events_ms, intervals_ms = interval_ms, [interval_ms]
    found = {
        each_ms: await store.liquidation_totals(
            market.symbol, each_ms, start_ms=start_ms, end_ms=span.to_ms, exchanges=(market.exchange,)
        )
        for each_ms in {*intervals_ms, events_ms}
    }
    realised = _known_longest(
        market,
        [
            *(_as_given(found[each_ms]) for each_ms in intervals_ms),
            await _added_up(store, market, found[events_ms]),
        ],
        with_bars,
    )
    bars_ms = _bars_for(with_bars, realised.interval_ms)
    bars = await store.bars(market.exchange, market.symbol, bars_ms, start_ms=start_ms, end_ms=span.to_ms)
    return ScoringData(market, bars, realised)


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


def _candidates_ms(with_bars: list[MarketSummary]) -> list[int]:
    """Intervals that the finest bars divide, ascending."""
    bars_ms = min(found.interval_ms or 0 for found in with_bars)
    fitting = [ms for ms in INTERVALS_MS.values() if ms % bars_ms == 0 and ms <= _LONGEST_MS]
    return fitting or [bars_ms]


async def _intervals_given(
    store: MarketStore,
    market: MarketKey,
    with_bars: list[MarketSummary],
    start_ms: int | None,
    end_ms: int | None,
) -> list[int]:
    """The intervals to which totals that open in [start_ms, end_ms) add up, ascending."""
    given_ms = await store.given_totals(market, start_ms=start_ms, end_ms=end_ms)
    return [ms for ms in _candidates_ms(with_bars) if any(ms % given == 0 for given in given_ms)]


def _events_interval(with_bars: list[MarketSummary]) -> int:
    """Over what single events are added up by default."""
    candidates_ms = _candidates_ms(with_bars)
    return max((ms for ms in candidates_ms if ms <= EVENTS_INTERVAL_MS), default=candidates_ms[0])


def _known_longest(
    market: MarketKey, found: list[Realised | None], with_bars: list[MarketSummary]
) -> Realised:
    """The first that is known for hardly less of its bars' time than any: the finest totals, then what is
    added up of single events, which may leave some out.

    Raises ScoreError where nothing is known.
    """
    known = [(each, _known_ms(each, with_bars)) for each in found if each is not None]
    if not known:
        raise ScoreError(
            f"no liquidations of {market.symbol} on {market.exchange} in the store for that span; import "
            "some with `liqstream import liquidations`, or let the server collect them"
        )
    most_ms = max(ms for _, ms in known)
    chosen = next(each for each, ms in known if ms >= MIN_COVERED * most_ms)
    if not len(chosen.open_time_ms):
        raise ScoreError(
            f"no interval of {interval_name(chosen.interval_ms)} in which the liquidations of "
            f"{market.symbol} on {market.exchange} were collected for 95 % of the time"
        )
    return chosen


def _known_ms(realised: Realised, with_bars: list[MarketSummary]) -> int:
    """For how long it is known, in ms, within the time of the bars it would be scored on."""
    bars_ms = _bars_for(with_bars, realised.interval_ms)
    bars = next(each for each in with_bars if each.interval_ms == bars_ms)
    times_ms = realised.open_time_ms
    return int(((times_ms >= bars.first_ms) & (times_ms <= bars.last_ms)).sum()) * realised.interval_ms


def _as_given(totals: LiquidationTotals) -> Realised | None:
    """The intervals whose totals a source gave; None without any."""
    given = totals.from_totals
    if not given.any():
        return None
    sides = totals.long_usd[given], totals.short_usd[given]
    return Realised(totals.interval_ms, totals.open_time_ms[given], *sides)


async def _added_up(store: MarketStore, market: MarketKey, totals: LiquidationTotals) -> Realised | None:
    """The intervals in which single events were listened to, zeros among them; None without any event.

    Those of which totals were given are left out: some exchanges report every liquidation in one of the two
    alone, and a score compares like with like.
    """
    interval_ms = totals.interval_ms
    if totals.from_totals.all():
        return None
    first, last = int(totals.open_time_ms[0]), int(totals.open_time_ms[-1])
    times = np.arange(first, last + 1, interval_ms, dtype=np.int64)
    rows = (totals.open_time_ms - first) // interval_ms
    sides = np.zeros((2, len(times)))
    sides[0, rows], sides[1, rows] = totals.long_usd, totals.short_usd
    spans = await store.liquidation_spans(
        market.exchange, market.symbol, start_ms=first, end_ms=last + interval_ms
    )
    known = is_covered(spans, times, interval_ms)
    known[rows[totals.from_totals]] = False
    return Realised(interval_ms, times[known], sides[0][known], sides[1][known], given_as_totals=False)
