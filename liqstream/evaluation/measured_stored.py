"""The score against measured positions, of what is in the store: looks at positions, and the map's bars."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from liqstream.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from liqstream.evaluation.measured_looks import MeasuredLook, estimates_at
from liqstream.evaluation.measured_score import LOOK_EVERY_MS, nothing_judged, score_measured
from liqstream.evaluation.score_warnings import iso_utc_s
from liqstream.evaluation.scored_intervals import WARM_UP_MS
from liqstream.evaluation.scoring_data import EVERYTHING, ScoreError, Span
from liqstream.market import Bars
from liqstream.model.kernel import Kernel
from liqstream.store.market_store import MarketStore
from liqstream.store.positions import PositionColumns, StoredCoverage
from liqstream.symbols import interval_name

EXCHANGE = "hyperliquid"
"""Whose positions are public, and whose market's map is judged by them."""
COVERED_WITHIN_MS = 900_000
"""A look needs a coverage at most so old: without one nothing was read at that time."""


async def score_measured_stored(
    store: MarketStore,
    symbol: str,
    kernel: Kernel,
    *,
    span: Span = EVERYTHING,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Judge the map of Hyperliquid's market by the measured positions of a span, in a worker thread.

    The bars are the finest stored ones that divide half an hour. Raises ScoreError with what is missing,
    StoreError where it cannot be read.
    """
    progress("reading the store")
    bars = await _bars(store, symbol, span)
    first_ms = int(bars.open_time_ms[0]) + WARM_UP_MS
    last_ms = int(bars.open_time_ms[-1]) + bars.interval_ms
    coverage = await store.measured_coverage(
        symbol, start_ms=max(first_ms, span.from_ms or 0) - COVERED_WITHIN_MS, end_ms=last_ms + 1
    )
    if not coverage:
        raise ScoreError(
            f"no measured positions of {symbol} in the store for that span, or no day of bars before them: "
            "serve --positions collects both"
        )
    states = await store.position_states(symbol, end_ms=last_ms, every_ms=LOOK_EVERY_MS)
    content = await asyncio.to_thread(
        _scored, (bars, kernel), states, coverage, max(first_ms, span.from_ms or 0), bootstrap, progress
    )
    return _head(symbol, kernel) | content


def nothing_measured(symbol: str, kernel: Kernel, reason: str) -> dict[str, Any]:
    """The score of a map that cannot be judged: every key, and why."""
    return _head(symbol, kernel) | dict.fromkeys(("bars", "from", "to")) | nothing_judged(reason)


def _head(symbol: str, kernel: Kernel) -> dict[str, Any]:
    return {"symbol": symbol, "exchange": EXCHANGE, "against": "measured", "kernel": kernel.name}


async def _bars(store: MarketStore, symbol: str, span: Span) -> Bars:
    held = [m for m in await store.summary() if (m.exchange, m.symbol) == (EXCHANGE, symbol)]
    fitting = [m.interval_ms for m in held if m.interval_ms and LOOK_EVERY_MS % m.interval_ms == 0]
    bars = None
    if fitting:
        bars = await store.bars(EXCHANGE, symbol, min(fitting), end_ms=span.to_ms)
    if bars is None or not len(bars):
        raise ScoreError(
            f"no bars of {symbol} on {EXCHANGE} that divide half an hour: the map that is judged by measured "
            "positions is that of this market"
        )
    return bars


def _scored(
    map_of: tuple[Bars, Kernel],
    states: PositionColumns,
    coverage: Sequence[StoredCoverage],
    from_ms: int,
    bootstrap: Bootstrap,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    bars, kernel = map_of
    progress("looking at measured positions")
    looks = stored_looks(bars, states, coverage, from_ms=from_ms)
    progress("computing the map at each look")
    estimates = estimates_at(bars, kernel, {look.time_ms for look in looks})
    span = {
        "bars": interval_name(bars.interval_ms),
        "from": iso_utc_s(looks[0].time_ms) if looks else None,
        "to": iso_utc_s(looks[-1].time_ms) if looks else None,
    }
    return span | score_measured(looks, estimates, bootstrap)


def stored_looks(
    bars: Bars, states: PositionColumns, coverage: Sequence[StoredCoverage], *, from_ms: int
) -> list[MeasuredLook]:
    """What stood at every half hour (UTC) from a time on at which a bar closed and coverage was known.

    The mark is the bar's close, by which the map stands too.
    """
    ends = bars.open_time_ms + bars.interval_ms
    chosen = np.flatnonzero((ends % LOOK_EVERY_MS == 0) & (ends >= from_ms))
    covered_ms = np.array([each.time_ms for each in coverage], dtype=np.int64)
    accounts = int(states.account.max(initial=0)) + 1
    size, level = np.zeros(accounts), np.full(accounts, np.nan)
    looks, done = [], 0
    for row in chosen.tolist():
        time_ms = int(ends[row])
        now = int(np.searchsorted(states.time_ms, time_ms))
        # In order of time: of several rows of an account the last one stays.
        size[states.account[done:now]] = states.size_base[done:now]
        level[states.account[done:now]] = states.level[done:now]
        done = now
        known = int(np.searchsorted(covered_ms, time_ms, side="right")) - 1
        if known < 0 or covered_ms[known] <= time_ms - COVERED_WITHIN_MS:
            continue
        open_ones = np.flatnonzero((size != 0) & np.isfinite(level))
        looks.append(
            MeasuredLook(
                time_ms,
                float(bars.close[row]),
                (coverage[known].long_share, coverage[known].short_share),
                size[open_ones] > 0,
                level[open_ones],
                np.abs(size[open_ones]) * level[open_ones],
            )
        )
    return looks
