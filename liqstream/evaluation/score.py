"""How good the map is: its predictions against liquidations that really happened, beside naive baselines.

The test is conditional: given the bars' path, how much is liquidated on each side. It is no price forecast.
Everything a prediction knows is older than the interval it is scored on, but for the interval's own path;
the amplitude is learned walk-forward. Baselines get the same bars.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from liqstream.evaluation.baselines import BASELINES, SidePair, baselines
from liqstream.evaluation.bootstrap import (
    CONFIDENCE,
    DEFAULT_BOOTSTRAP,
    LOG_OFFSET_USD,
    Bootstrap,
    SideStatistics,
    block_of,
    calibration_draws,
    log_r2_draws,
    side_statistics,
)
from liqstream.evaluation.conditional import Conditional, conditional
from liqstream.evaluation.intervals import Intervals
from liqstream.evaluation.price_score import price_score
from liqstream.evaluation.score_content import (
    DRAWN,
    FLAT_KERNELS,
    IN_USD,
    LOG_R2_OF,
    MODEL,
    WITH_HISTORY,
    WITH_SAME_BAR,
    mean_content,
    side_content,
)
from liqstream.evaluation.score_warnings import iso_utc_s, warnings_of
from liqstream.evaluation.scored_intervals import scored_intervals
from liqstream.evaluation.scoring_data import EVERYTHING, ScoringData, Span
from liqstream.market import DAY_MS, Bars, FloatArray, TimeArray
from liqstream.model.calibration import CALIBRATING_MS, past_amplitudes
from liqstream.model.estimator import Estimator, Predictions
from liqstream.model.kernel import Kernel, broad
from liqstream.symbols import interval_name

BY_PRICE_MS = 120 * DAY_MS
"""Prices are compared over so many of the last days at most: the map is looked at before every window."""


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A score and what it rests on; `content` is what `liqstream score --json` prints."""

    content: dict[str, Any] = field(default_factory=dict)


def score(
    data: ScoringData,
    kernel: Kernel,
    *,
    span: Span = EVERYTHING,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    progress: Callable[[str], None] = lambda _: None,
) -> Score:
    """Score a kernel's map on the realised liquidations of a span.

    Bars and realised figures before the span warm the map and its amplitude up. `progress` is given a few
    words before each step. Raises ScoreError with what is missing.
    """
    bars, on = data.bars, scored_intervals(data, span)
    intervals, scored, realised_usd = on.intervals, on.scored, on.realised_usd
    progress("predicting")
    predicted = Estimator(kernel, interval_ms=bars.interval_ms).advance(bars)
    open_interest_usd = on.open_interest_usd(predicted)
    progress("correcting predictions by their past errors")
    best = conditional(bars, kernel, intervals, realised_usd, predicted)
    naive = baselines(bars, intervals) | _flat_kernels(bars, intervals)
    block_ms = block_of(intervals.open_time_ms[scored])
    sides = {}
    for at, side in enumerate(("long", "short")):
        progress(f"resampling days of the {side}s")
        known = realised_usd[at], open_interest_usd
        columns = _predictions(side, predicted, naive, intervals, known) | _corrected(best, at)
        in_usd = columns | {MODEL: best.usd[at]}
        sides[side] = (
            _statistics(side, columns, in_usd, _Scored(naive, intervals, scored, known, block_ms), bootstrap),
            {name: daily_calibration(in_usd[name], known[0], intervals, scored) for name in IN_USD},
        )
    times = intervals.open_time_ms[scored]
    return Score(
        {
            **_head(data, kernel, times),
            "sides": {side: side_content(*found) for side, found in sides.items()},
            "mean": mean_content([found[0] for found in sides.values()]),
            "by_price": prices_of(
                data, kernel, from_ms=int(times[0]), bootstrap=bootstrap, progress=progress
            ),
            "bootstrap": {
                "draws": bootstrap.draws,
                "block": interval_name(block_ms),
                "seed": bootstrap.seed,
                "confidence": CONFIDENCE,
            },
            "warnings": warnings_of(data, kernel, times),
        }
    )


def _head(data: ScoringData, kernel: Kernel, times: TimeArray) -> dict[str, Any]:
    """What was scored: the market, the kernel, the span and its intervals."""
    return {
        "symbol": data.market.symbol,
        "exchange": data.market.exchange,
        "interval": interval_name(data.realised.interval_ms),
        "bars": interval_name(data.bars.interval_ms),
        "kernel": kernel.name,
        "from": iso_utc_s(times[0]),
        "to": iso_utc_s(times[-1] + data.realised.interval_ms),
        "n": len(times),
        "days": len(np.unique(times // DAY_MS)),
    }


def prices_of(
    data: ScoringData,
    kernel: Kernel,
    *,
    from_ms: int,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The score by price of the liquidations from `from_ms` on (and at most BY_PRICE_MS old)."""
    progress("comparing prices")
    bars = data.bars
    last_ms = int(bars.open_time_ms[-1]) + bars.interval_ms
    return price_score(
        bars, data.events, kernel, from_ms=max(from_ms, last_ms - BY_PRICE_MS), bootstrap=bootstrap
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """What predictions of a side are scored on; `known` are realised USD and open interest."""

    naive: dict[str, SidePair]
    intervals: Intervals
    scored: slice
    known: tuple[FloatArray, FloatArray]
    block_ms: int


def _statistics(
    side: str,
    columns: dict[str, FloatArray],
    in_usd: dict[str, FloatArray],
    on: _Scored,
    bootstrap: Bootstrap,
) -> dict[str, SideStatistics]:
    """Every column's figures. What is most likely ranks and has the log R2, its mean the calibration."""
    scored, intervals = on.scored, on.intervals
    times_ms, realised_usd = intervals.open_time_ms[scored], on.known[0][scored]
    found = side_statistics(
        {name: column[scored] for name, column in columns.items()},
        realised_usd,
        getattr(on.naive["excursion"], side)[scored],
        times_ms,
        bootstrap,
        on.block_ms,
    )
    for name in LOG_R2_OF:
        usd = _calibrated(columns[name], on.known, intervals)[scored]
        log_r2 = log_r2_draws(usd, realised_usd, times_ms, bootstrap, on.block_ms)
        found[name] = replace(found[name], log_r2=log_r2)
    sums = calibration_draws(in_usd[MODEL][scored], realised_usd, times_ms, bootstrap, on.block_ms)
    found[MODEL] = replace(found[MODEL], calibration=sums)
    return found


def _corrected(best: Conditional, side: int) -> dict[str, FloatArray]:
    """The best prediction and the map with its own history, as what is most likely: this ranks best."""
    likely = {MODEL: best.log_usd[side], WITH_HISTORY: best.map_history_log_usd[side]}
    return {name: np.exp(log_usd) - LOG_OFFSET_USD for name, log_usd in likely.items()}


def _calibrated(raw: FloatArray, known: tuple[FloatArray, FloatArray], intervals: Intervals) -> FloatArray:
    """USD with the amplitude learned walk-forward; `known` are realised USD and open interest."""
    return raw * past_amplitudes(known[0], raw, known[1], intervals.interval_ms)


def _flat_kernels(bars: Bars, intervals: Intervals) -> dict[str, SidePair]:
    found = {}
    for name, farthest in FLAT_KERNELS.items():
        raw = Estimator(broad().flat_to(farthest), interval_ms=bars.interval_ms).advance(bars)
        found[name] = SidePair(intervals.sum(raw.raw_long_usd), intervals.sum(raw.raw_short_usd))
    return found


def _predictions(
    side: str,
    predicted: Predictions,
    naive: dict[str, SidePair],
    intervals: Intervals,
    known: tuple[FloatArray, FloatArray],
) -> dict[str, FloatArray]:
    """One column per thing scored; the map's and the flat kernels' are calibrated."""
    columns = {
        name: _calibrated(intervals.sum(getattr(predicted, f"{part}_{side}_usd")), known, intervals)
        for name, part in ((WITH_SAME_BAR, "raw"), (DRAWN, "map"))
    }
    columns |= {name: getattr(naive[name], side) for name in BASELINES}
    flat = {name: _calibrated(getattr(naive[name], side), known, intervals) for name in FLAT_KERNELS}
    return columns | flat


def daily_calibration(
    predicted_usd: FloatArray,
    realised_usd: FloatArray,
    intervals: Intervals,
    scored: slice,
    after_ms: int = CALIBRATING_MS,
) -> dict[str, Any]:
    """One side's amplitude after two weeks of calibration, or `after_ms`: the share of whole days within a
    factor of two, and the span of the ratio of realised to predicted over 30 days in a row."""
    times = intervals.open_time_ms
    calibrated = times >= max(int(times[0]) + after_ms, int(times[scored][0]))
    of_row = np.unique(times[calibrated] // DAY_MS, return_inverse=True)[1]
    whole = np.bincount(of_row) * intervals.interval_ms > 0.9 * DAY_MS
    predicted = np.bincount(of_row, predicted_usd[calibrated])[whole]
    realised = np.bincount(of_row, realised_usd[calibrated])[whole]
    if not len(predicted):
        return {"days": 0, "days_within_two": None, "total_30d": None}
    ratio = np.divide(realised, predicted, out=np.full(len(predicted), np.inf), where=predicted > 0)
    months = [
        float(realised[i : i + 30].sum() / predicted[i : i + 30].sum()) for i in range(len(predicted) - 29)
    ]
    return {
        "days": len(predicted),
        "days_within_two": _rounded(float(((ratio >= 0.5) & (ratio <= 2)).mean())),
        "total_30d": [_rounded(min(months)), _rounded(max(months))] if months else None,
    }


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
