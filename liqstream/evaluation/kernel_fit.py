"""A kernel fitted on the user's own realised liquidations, kept only if it does not predict worse.

The map is linear in the kernel's shares: what each span of offsets alone would have predicted is a column,
and the shares are the weights of the columns. They are fitted on log loss (offset 10 000 USD), tied over
both sides, with a penalty on bends of the log density; amplitude, exponent, kappa, path weights and the
full wipe are never refitted (docs/model.md). The last quarter of the span is kept back to judge the fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import spearmanr

from liqstream.evaluation.bootstrap import LOG_OFFSET_USD
from liqstream.evaluation.intervals import Intervals, covered_intervals
from liqstream.evaluation.scored_intervals import WARM_UP_MS
from liqstream.evaluation.scoring_data import Realised, ScoreError
from liqstream.market import DAY_MS, Bars, FloatArray
from liqstream.model.calibration import past_amplitudes
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import OFFSET_EDGES, Kernel

MIN_FIT_DAYS = 60
FORWARD_SHARE = 0.25
SMOOTHING = 20.0
"""Weight of a bend of the log density against one interval's squared log error."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted kernel and how it and the one before rank the span kept back (mean of sides)."""

    kernel: Kernel
    forward_spearman: float
    forward_spearman_before: float

    @property
    def kept(self) -> bool:
        """Whether the fit may be used: the forward score did not fall."""
        return self.forward_spearman >= self.forward_spearman_before


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Predicted USD per (side, interval, span of offsets), with the amplitude the kernel in use had by then,
    and realised USD per (side, interval)."""

    predicted_usd: FloatArray
    realised_usd: FloatArray


def fit(
    bars: Bars,
    realised: Realised,
    kernel: Kernel,
    *,
    name: str,
    min_days: int = MIN_FIT_DAYS,
    progress: Callable[[str], None] = lambda _: None,
) -> Fit:
    """Fit the shares of `kernel` anew, judge them on the last quarter of the span, then fit on all of it.

    Raises ScoreError when there is too little to fit on.
    """
    try:
        intervals = covered_intervals(bars, realised.open_time_ms, realised.interval_ms)
    except ValueError as error:
        raise ScoreError(str(error)) from None
    first = (
        int(np.searchsorted(intervals.open_time_ms, bars.open_time_ms[0] + WARM_UP_MS)) if len(bars) else 0
    )
    days = len(np.unique(intervals.open_time_ms[first:] // DAY_MS))
    if days < min_days:
        raise ScoreError(
            f"too little to fit on: {days} days have bars and realised liquidations, {min_days} are needed"
        )
    columns = _columns(bars, realised, intervals, kernel, progress)
    cut = first + round((1 - FORWARD_SHARE) * (len(intervals) - first))
    current = np.array(kernel.shares)
    progress("fitting on the first three quarters")
    past = _fitted_shares(_rows(columns, slice(first, cut)), current)
    forward = _rows(columns, slice(cut, None))
    progress("fitting on all of it")
    shares = _fitted_shares(_rows(columns, slice(first, None)), current)
    scores = {name: _spearman(forward, weights) for name, weights in (("new", past), ("old", current))}
    start_ms, end_ms = int(intervals.open_time_ms[first]), int(intervals.open_time_ms[-1])
    provenance: dict[str, object] = {
        "from_ms": start_ms,
        "to_ms": end_ms + realised.interval_ms,
        "intervals": len(intervals) - first,
        "interval_ms": realised.interval_ms,
        "days": days,
        "forward_from_ms": int(intervals.open_time_ms[cut]),
        "forward_spearman": round(scores["new"], 4),
        "forward_spearman_before": round(scores["old"], 4),
        "kernel_before": kernel.name,
    }
    fitted = replace(
        kernel,
        name=name,
        shares=tuple(round(share, 6) for share in shares.tolist()),
        usd_scale=kernel.usd_scale * _scale(bars, realised, intervals, kernel, shares),
        provenance=provenance,
    )
    return Fit(fitted, scores["new"], scores["old"])


def _columns(
    bars: Bars, realised: Realised, intervals: Intervals, kernel: Kernel, progress: Callable[[str], None]
) -> _Columns:
    spans = len(OFFSET_EDGES) - 1
    predicted = np.zeros((2, len(intervals), spans))
    interest = np.zeros(len(intervals))
    for span in range(spans):
        progress(f"predicting by offset, {span + 1} of {spans}")
        alone = replace(kernel, shares=tuple(float(other == span) for other in range(spans)))
        found = Estimator(alone, interval_ms=bars.interval_ms).advance(bars)
        predicted[0, :, span] = intervals.sum(found.raw_long_usd)
        predicted[1, :, span] = intervals.sum(found.raw_short_usd)
        interest = intervals.sum(found.open_interest_usd) / intervals.bar_counts
    realised_usd = np.stack((realised.long_usd[intervals.rows], realised.short_usd[intervals.rows]))
    for side in (0, 1):
        raw = predicted[side] @ np.array(kernel.shares)
        amplitude = past_amplitudes(realised_usd[side], raw, interest, intervals.interval_ms)
        predicted[side] *= amplitude[:, None]
    return _Columns(predicted, realised_usd)


def _rows(columns: _Columns, rows: slice) -> _Columns:
    return _Columns(columns.predicted_usd[:, rows], columns.realised_usd[:, rows])


def _fitted_shares(columns: _Columns, start: FloatArray) -> FloatArray:
    """Shares that sum to 1, least squares on log loss; a free factor per side takes up the amplitude."""
    log_realised = np.log(columns.realised_usd + LOG_OFFSET_USD)
    widths = np.diff(np.array(OFFSET_EDGES))
    weight = np.sqrt(SMOOTHING)

    def _residuals(parameters: FloatArray) -> FloatArray:
        shares = _softmax(parameters[2:])
        predicted = (columns.predicted_usd @ shares) * np.exp(parameters[:2])[:, None]
        errors = np.log(predicted + LOG_OFFSET_USD) - log_realised
        bends = np.diff(np.log(shares / widths), 2)
        return np.concatenate((errors.ravel(), weight * bends))

    begin = np.concatenate((np.zeros(2), np.log(np.maximum(start, 1e-6))))
    found = least_squares(_residuals, begin, method="trf", max_nfev=60)
    return _softmax(found.x[2:])


def _softmax(values: FloatArray) -> FloatArray:
    grown = np.exp(values - values.max())
    shares: FloatArray = grown / grown.sum()
    return shares


def _spearman(columns: _Columns, shares: FloatArray) -> float:
    sides = [
        spearmanr(columns.predicted_usd[side] @ shares, columns.realised_usd[side])[0] for side in (0, 1)
    ]
    return float(np.mean(sides))


def _scale(bars: Bars, realised: Realised, intervals: Intervals, kernel: Kernel, shares: FloatArray) -> float:
    """Realised over predicted USD of both sides with the new shares, before any calibration."""
    fitted = replace(kernel, shares=tuple(shares.tolist()))
    found = Estimator(fitted, interval_ms=bars.interval_ms).advance(bars)
    predicted = intervals.sum(found.raw_long_usd + found.raw_short_usd).sum()
    rows = intervals.rows
    return float((realised.long_usd[rows] + realised.short_usd[rows]).sum() / max(predicted, 1.0))
