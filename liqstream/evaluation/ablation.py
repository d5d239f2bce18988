"""What each part of the best conditional prediction does: the same intervals predicted with parts left out.

Walk-forward like the score, on the same rows: mixing, the second stage of calibration, both layouts, past
errors, and the means that belong to them, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from liqstream.evaluation.bootstrap import LOG_OFFSET_USD, Bootstrap, log_r2_draws, rank_correlations
from liqstream.evaluation.conditional import corrected, mean_usd, raw_predictions
from liqstream.evaluation.intervals import Intervals
from liqstream.evaluation.score import daily_calibration
from liqstream.evaluation.scored_intervals import scored_intervals
from liqstream.evaluation.scoring_data import EVERYTHING, ScoringData, Span
from liqstream.market import FloatArray
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import Kernel
from liqstream.model.mixing import CANDIDATES, FLAT_SHARES, mixed_predictions

_ONE_STAGE = CANDIDATES[: len(FLAT_SHARES)]
_CANDIDATES = {
    "one kernel, calibrated by sums": CANDIDATES[:1],
    "one kernel, second stage always": CANDIDATES[len(FLAT_SHARES) : len(FLAT_SHARES) + 1],
    "two kernels mixed, calibrated by sums": _ONE_STAGE,
    "two kernels mixed, either stage": CANDIDATES,
}
BOTH_LAYOUTS, PAST_ERRORS, MEANS = "the same in both layouts", "and past errors: what ranks", "and its means"

PARTS = (*_CANDIDATES, BOTH_LAYOUTS, PAST_ERRORS, MEANS)
"""Rows, each with more than the one before; the last two are the best prediction of `liqstream score`."""

_THE_DATA = Bootstrap(draws=0)


def ablation(
    data: ScoringData,
    kernel: Kernel,
    *,
    span: Span = EVERYTHING,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """Figures of each of PARTS: rank correlation and log R2 (means of the sides), and by side realised over
    predicted USD and the share of scored days within a factor of two.

    Raises ScoreError with what is missing.
    """
    on = scored_intervals(data, span)
    progress("predicting")
    predicted = Estimator(kernel, interval_ms=data.bars.interval_ms).advance(data.bars)
    open_interest_usd = on.open_interest_usd(predicted)
    raw = raw_predictions(data.bars, kernel, on.intervals, predicted)

    def mixed(kernels: FloatArray, candidates: tuple[int, ...] = CANDIDATES) -> FloatArray:
        return mixed_predictions(
            on.realised_usd, kernels, open_interest_usd, on.intervals.interval_ms, candidates
        ).usd

    found = {}
    for name, candidates in _CANDIDATES.items():
        progress(name)
        found[name] = mixed(raw.own, candidates)
    progress(PAST_ERRORS)
    found[BOTH_LAYOUTS] = mixed(raw.in_both_layouts)
    log_usd = corrected(found[BOTH_LAYOUTS], raw.broad, on.realised_usd, on.intervals)
    found[PAST_ERRORS] = np.maximum(np.exp(log_usd) - LOG_OFFSET_USD, 0.0)
    found[MEANS] = mean_usd(log_usd, on.realised_usd, open_interest_usd, on.intervals.interval_ms)
    return {name: _figures(usd, on.realised_usd, on.intervals, on.scored) for name, usd in found.items()}


def _figures(
    usd: FloatArray, realised_usd: FloatArray, intervals: Intervals, scored: slice
) -> dict[str, Any]:
    times = intervals.open_time_ms[scored]
    ranks, log_r2, ratio, within = [], [], {}, {}
    for side, predicted, realised in zip(("long", "short"), usd, realised_usd, strict=True):
        ranks.append(rank_correlations({"": predicted[scored]}, realised[scored], times, _THE_DATA)[""][0])
        log_r2.append(log_r2_draws(predicted[scored], realised[scored], times, _THE_DATA)[0])
        below = predicted[scored].sum()
        ratio[side] = _rounded(realised[scored].sum() / below if below > 0 else math.nan)
        within[side] = daily_calibration(predicted, realised, intervals, scored, after_ms=0)[
            "days_within_two"
        ]
    return {
        "spearman": _rounded(np.mean(ranks)),
        "log_r2": _rounded(np.mean(log_r2)),
        "calibration": ratio,
        "days_within_two": within,
    }


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
