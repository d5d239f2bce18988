"""The amplitude's shipped starting point, fitted on recorded hours by `liqstream fit --amplitude`."""

from __future__ import annotations

import numpy as np

from liqstream.evaluation.intervals import covered_intervals
from liqstream.evaluation.scoring_data import ScoreError, ScoringData
from liqstream.market import DAY_MS, HOUR_MS
from liqstream.model.amplitude_prior import AmplitudePrior
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import Kernel

LEAST_MS = 60 * DAY_MS
"""Of fewer days the ratio is that of a few large moves."""


def fit_amplitude(data: ScoringData, kernel: Kernel) -> AmplitudePrior:
    """Realised over predicted USD of the whole span, per side.

    Raises ScoreError with what is missing: bars of an hour, 60 days of them with realised liquidations.
    """
    if data.bars.interval_ms != HOUR_MS:
        raise ScoreError("the amplitude's starting point is fitted on bars of an hour")
    totals = data.realised
    intervals = covered_intervals(data.bars, totals.open_time_ms, totals.interval_ms)
    if len(intervals) * totals.interval_ms < LEAST_MS:
        raise ScoreError("too little to fit the amplitude's starting point on: 60 days are needed")
    predicted = Estimator(kernel, interval_ms=HOUR_MS).advance(data.bars)
    factors = [
        float(np.sum(realised[intervals.rows]) / np.sum(intervals.sum(raw)))
        for realised, raw in (
            (totals.long_usd, predicted.raw_long_usd),
            (totals.short_usd, predicted.raw_short_usd),
        )
    ]
    times_ms = intervals.open_time_ms
    return AmplitudePrior(int(times_ms[0]), int(times_ms[-1]) + totals.interval_ms, *factors)
