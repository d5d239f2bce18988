"""The best conditional prediction of each interval: two kernels mixed, then corrected by past errors.

Conditional means: given the interval's own bars. Walk-forward: fitted on intervals that ended before, once a
UTC day, on a year at most. The corrections know no price and are never drawn (docs/model.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from liqstream.evaluation.bootstrap import LOG_OFFSET_USD
from liqstream.evaluation.intervals import Intervals
from liqstream.market import DAY_MS, HOUR_MS, Bars, FloatArray
from liqstream.model.calibration import CALIBRATING_MS, priors_before
from liqstream.model.estimator import Estimator, Predictions
from liqstream.model.forecast_ridge import YEAR_MS
from liqstream.model.kernel import Kernel
from liqstream.model.mixing import FLAT_TO, SUMS_HALF_LIFE_H, Mixed, mixed_predictions

RESIDUAL_HALF_LIVES = (6.0, 24.0, 168.0)
"""Half-lives of the means of past errors, in intervals; of the other side's the first two."""

RIDGE = 100.0
"""Added to the diagonal of the standardised columns: with few days there is hardly a correction."""

MIN_KNOWN_MS = CALIBRATING_MS
"""Intervals of so long are needed before anything is corrected: fitted on a week, it ranks worse."""

_SMALLEST_MOVE = 2e-4
_SMALLEST_RANGE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Conditional:
    """Predictions per interval, all of shape (sides, intervals), longs first.

    `mixed` is the mixture of two kernels with the interval's own entries, `log_usd` its correction:
    ln(USD + 10 000) as it is most likely, which ranks best. `usd` are the means that belong to it, whose sums
    come right. `map_history_log_usd` is what stood on the map with past realised USD, and none of the
    interval's own entries.
    """

    mixed: Mixed
    log_usd: FloatArray
    usd: FloatArray
    map_history_log_usd: FloatArray


def conditional(
    bars: Bars, kernel: Kernel, intervals: Intervals, realised_usd: FloatArray, predicted: Predictions
) -> Conditional:
    """The best conditional predictions of a kernel, whose own over the bars are `predicted`.

    Its masses count half as tiers and half spread broadly: neither layout predicts best on every market.
    `realised_usd` is of shape (sides, intervals), NaN where unknown.
    """
    raw = raw_predictions(bars, kernel, intervals, predicted)
    open_interest_usd = intervals.sum(predicted.open_interest_usd) / intervals.bar_counts
    mixed = mixed_predictions(realised_usd, raw.in_both_layouts, open_interest_usd, intervals.interval_ms)
    log_usd = corrected(mixed.usd, raw.broad, realised_usd, intervals)
    standing = np.stack([intervals.sum(predicted.map_long_usd), intervals.sum(predicted.map_short_usd)])
    return Conditional(
        mixed,
        log_usd,
        mean_usd(log_usd, realised_usd, open_interest_usd, intervals.interval_ms),
        with_own_history(standing, realised_usd, intervals),
    )


@dataclass(frozen=True, slots=True, eq=False)
class RawPredictions:
    """Uncalibrated USD of a kernel and of it flat to 10 % from entry, shape (kernels, sides, intervals).

    `own` is the layout the kernel has, `in_both_layouts` the mean of tiers and evenly spread shares; `broad`
    is the kernel itself evenly spread, shape (sides, intervals).
    """

    own: FloatArray
    in_both_layouts: FloatArray
    broad: FloatArray


def raw_predictions(
    bars: Bars, kernel: Kernel, intervals: Intervals, predicted: Predictions
) -> RawPredictions:
    """What is mixed; the kernel's own predictions over the bars are `predicted`."""
    other = replace(kernel, shape="broad" if kernel.shape == "tiered" else "tiered")
    found = [predicted] + [
        Estimator(each, interval_ms=bars.interval_ms).advance(bars)
        for each in (other, kernel.flat_to(FLAT_TO), other.flat_to(FLAT_TO))
    ]
    fitted, fitted_other, flat, flat_other = (_raw(each, intervals) for each in found)
    return RawPredictions(
        np.stack((fitted, flat)),
        np.stack(((fitted + fitted_other) / 2, (flat + flat_other) / 2)),
        fitted_other if kernel.shape == "tiered" else fitted,
    )


def corrected(
    predicted_usd: FloatArray, broad_usd: FloatArray, realised_usd: FloatArray, intervals: Intervals
) -> FloatArray:
    """ln(predicted + 10 000) plus what its past errors, the broad kernel and the bars say it will be off by.

    Columns: own and other side's last error and means of errors; ln of the prediction and what the broad
    kernel predicts beyond it; the interval's own excursions and range; two harmonics of the hour.
    """
    log_predicted = np.log(predicted_usd + LOG_OFFSET_USD)
    errors = np.log(realised_usd + LOG_OFFSET_USD) - log_predicted
    beyond = np.log(broad_usd + LOG_OFFSET_USD) - log_predicted
    past = [_past(errors[side]) for side in (0, 1)]
    moves = np.log(np.stack((intervals.open / intervals.low, intervals.high / intervals.open)).clip(1.0))
    moves = np.log(moves + _SMALLEST_MOVE)
    shared = _columns_of_both_sides(intervals)
    columns = np.stack(
        [
            np.stack(
                (
                    *(np.ones(len(intervals)), log_predicted[side], beyond[side]),
                    *(*past[side], *past[1 - side][:3], moves[side], moves[1 - side], *shared),
                ),
                axis=1,
            )
            for side in (0, 1)
        ]
    )
    return log_predicted + _walk_forward(columns, errors, intervals, spared=0)


def with_own_history(standing_usd: FloatArray, realised_usd: FloatArray, intervals: Intervals) -> FloatArray:
    """ln(USD + 10 000) from what stood and was swept, and past realised USD of both sides."""
    log_standing = np.log(standing_usd + LOG_OFFSET_USD)
    y = np.log(realised_usd + LOG_OFFSET_USD)
    past = [_past(y[side]) for side in (0, 1)]
    columns = np.stack(
        [
            np.stack((np.ones(len(intervals)), log_standing[side], *past[side], *past[1 - side][:3]), axis=1)
            for side in (0, 1)
        ]
    )
    # Until something is fitted the map stands alone.
    found = _walk_forward(columns, y, intervals, spared=1)
    return np.where(np.isnan(found), log_standing, found)


def mean_usd(
    log_usd: FloatArray, realised_usd: FloatArray, open_interest_usd: FloatArray, interval_ms: int
) -> FloatArray:
    """USD whose sums come right: a mean is higher than what is most likely, by a factor the past tells."""
    typical = np.maximum(np.exp(log_usd) - LOG_OFFSET_USD, 0.0)
    keep = 0.5 ** (interval_ms / HOUR_MS / SUMS_HALF_LIFE_H)
    known = np.isfinite(realised_usd)
    sums = [_before(np.where(known, usd, 0.0), keep) for usd in (realised_usd, typical)]
    prior = priors_before(open_interest_usd)
    below = prior + sums[1]
    factor = np.divide(prior + sums[0], below, out=np.ones_like(below), where=below > 0)
    mean: FloatArray = typical * factor
    return mean


def _raw(predicted: Predictions, intervals: Intervals) -> FloatArray:
    return np.stack([intervals.sum(predicted.raw_long_usd), intervals.sum(predicted.raw_short_usd)])


def _columns_of_both_sides(intervals: Intervals) -> tuple[FloatArray, ...]:
    hour = 2 * np.pi * (intervals.open_time_ms % DAY_MS) / DAY_MS
    log_range = np.log(np.maximum(np.log(intervals.high / intervals.low), _SMALLEST_RANGE))
    return log_range, np.sin(hour), np.cos(hour), np.sin(2 * hour), np.cos(2 * hour)


def _past(values: FloatArray) -> tuple[FloatArray, ...]:
    """The last value before each row and means of those before it; unknown ones count as nothing."""
    known = np.isfinite(values).astype(np.float64)
    filled = np.where(known > 0, values, 0.0)
    means = []
    for half_life in RESIDUAL_HALF_LIVES:
        keep = 0.5 ** (1 / half_life)
        weight = _before(known, keep)
        means.append(np.divide(_before(filled, keep), weight, out=np.zeros_like(weight), where=weight > 0))
    return np.concatenate(([0.0], filled[:-1])), *means


def _before(values: FloatArray, keep: float) -> FloatArray:
    """Decayed sums over the rows before each, along the last axis."""
    rows = values.reshape(-1, values.shape[-1])
    sums = np.zeros_like(rows)
    # SciPy's lfilter does the same, but importing it adds half a second to the start of every command.
    for row, found in zip(rows, sums, strict=True):
        found[1:] = list(accumulate(row[:-1].tolist(), lambda total, value: keep * total + value))
    return sums.reshape(values.shape)


def _walk_forward(
    columns: FloatArray, target: FloatArray, intervals: Intervals, *, spared: int
) -> FloatArray:
    """Ridge regression of `target` (sides, rows) on `columns` (sides, rows, columns), fitted each UTC day
    on the rows before it, both sides pooled.

    The first `spared` columns are not shrunk. Rows before anything is fitted are 0, or NaN where columns
    are spared.
    """
    times = intervals.open_time_ms
    known = np.asarray(np.isfinite(target).all(axis=0))
    found = np.full(target.shape, np.nan if spared else 0.0)
    penalty = RIDGE * (np.arange(columns.shape[2]) >= spared)
    starts = np.unique(times // DAY_MS, return_index=True)[1]
    ends = np.append(starts[1:], len(times))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        first = int(np.searchsorted(times, times[start] - YEAR_MS))
        rows = first + np.flatnonzero(known[first:start])
        if len(rows) * intervals.interval_ms < MIN_KNOWN_MS:
            continue
        past = columns[:, rows].reshape(-1, columns.shape[2])
        mean, spread = past.mean(axis=0), past.std(axis=0)
        constant = spread < 1e-12
        mean, spread = np.where(constant, 0.0, mean), np.where(constant, 1.0, spread)
        standard = (past - mean) / spread
        gram = standard.T @ standard + np.diag(penalty)
        weights = np.linalg.solve(gram, standard.T @ target[:, rows].ravel())
        found[:, start:end] = ((columns[:, start:end] - mean) / spread) @ weights
    return found
