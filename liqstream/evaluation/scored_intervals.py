"""Which intervals are scored: those with bars, known liquidations and a day of warm-up before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqstream.evaluation.intervals import Intervals, covered_intervals
from liqstream.evaluation.scoring_data import Realised, ScoreError, ScoringData, Span
from liqstream.market import DAY_MS, Bars, FloatArray, MarketKey
from liqstream.model.estimator import Predictions

WARM_UP_MS = DAY_MS
"""Intervals before this much history are predicted, not scored."""

MIN_DAYS = 3
MIN_INTERVALS = 60


@dataclass(frozen=True, slots=True, eq=False)
class ScoredIntervals:
    """Intervals with bars, which are scored, and what was realised: USD of shape (sides, intervals)."""

    market: MarketKey
    intervals: Intervals
    scored: slice
    realised_usd: FloatArray

    def open_interest_usd(self, predicted: Predictions) -> FloatArray:
        """The mean over each interval's bars. Raises ScoreError if it is never known."""
        open_interest_usd = self.intervals.sum(predicted.open_interest_usd) / self.intervals.bar_counts
        if not open_interest_usd.any():
            raise ScoreError(
                f"no open interest for {self.market.symbol} on {self.market.exchange}: the map adds "
                "positions in proportion to it; import it with the bars or with `liqstream import metrics`"
            )
        return open_interest_usd


def scored_intervals(data: ScoringData, span: Span) -> ScoredIntervals:
    """The intervals of a span to score. Raises ScoreError with what is missing."""
    intervals = _intervals(data.bars, data.realised, span.to_ms)
    scored = _scored(data.bars, intervals, span.from_ms)
    realised_usd = np.stack((data.realised.long_usd, data.realised.short_usd))[:, intervals.rows]
    return ScoredIntervals(data.market, intervals, scored, realised_usd)


def _intervals(bars: Bars, realised: Realised, to_ms: int | None) -> Intervals:
    if not len(bars):
        raise ScoreError("no bars in the span; import some with `liqstream import bars`")
    if not len(realised.open_time_ms):
        raise ScoreError(
            "no liquidations in the span; import some with `liqstream import liquidations`, or let "
            "the server collect them"
        )
    keep = slice(None) if to_ms is None else slice(0, int(np.searchsorted(realised.open_time_ms, to_ms)))
    for usd in (realised.long_usd, realised.short_usd):
        if not (np.isfinite(usd).all() and (usd >= 0).all()):
            raise ScoreError("a liquidation total is negative or no number")
    try:
        return covered_intervals(bars, realised.open_time_ms[keep], realised.interval_ms)
    except ValueError as error:
        raise ScoreError(str(error)) from None


def _scored(bars: Bars, intervals: Intervals, from_ms: int | None) -> slice:
    warm_ms = int(bars.open_time_ms[0]) + WARM_UP_MS
    first = int(np.searchsorted(intervals.open_time_ms, max(warm_ms, from_ms or warm_ms)))
    days = len(np.unique(intervals.open_time_ms[first:] // DAY_MS))
    if days < MIN_DAYS or len(intervals) - first < MIN_INTERVALS:
        raise ScoreError(
            f"too short a span: {len(intervals) - first} intervals on {days} days have bars, "
            f"liquidations and a day of warm-up before them; {MIN_INTERVALS} on {MIN_DAYS} days are needed"
        )
    return slice(first, len(intervals))
