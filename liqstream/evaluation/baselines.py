"""What the map must beat: naive predictions of the same intervals' liquidations (docs/model.md).

None of them knows leverage, kernels or calibration. `uniform` (B3) and `uniform_range` (B5) are the strong
ones; `one_sided` is how public heatmaps are commonly made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from liqstream.evaluation.intervals import Intervals
from liqstream.market import DAY_MS, Bars, FloatArray
from liqstream.model.spread import BIN_WIDTH

BASELINES: tuple[str, ...] = ("uniform", "uniform_range", "excursion", "extreme", "one_sided")

_UNIFORM_MASS = 1e6
_UNIFORM_OFFSETS = (0.002, 0.10)
_SAME_BAR_SHARE = 0.01
_ANCESTOR_LEVERAGES = (5, 10, 25, 50, 100)
_ANCESTOR_MAINTENANCE_MARGIN = 0.004


@dataclass(frozen=True, slots=True, eq=False)
class SidePair:
    """One prediction per scored interval and side, in whatever unit; shape (intervals,) each."""

    long: FloatArray
    short: FloatArray


def baselines(bars: Bars, intervals: Intervals) -> dict[str, SidePair]:
    """Every baseline over the scored intervals, by the names of BASELINES; each uses the interval's own
    bars and those before, as the model does."""
    uniform_bars = uniform(bars)[0]
    uniform_sums = SidePair(intervals.sum(uniform_bars.long), intervals.sum(uniform_bars.short))
    one_sided_bars = one_sided(bars)[0]
    return {
        "uniform": uniform_sums,
        "uniform_range": _uniform_range(uniform_sums, intervals),
        "excursion": excursion(intervals),
        "extreme": extreme(bars, intervals),
        "one_sided": SidePair(intervals.sum(one_sided_bars.long), intervals.sum(one_sided_bars.short)),
    }


def excursion(intervals: Intervals) -> SidePair:
    """B1: how far the interval ran below (long) and above (short) its open, as a share of it."""
    open_ = intervals.open
    return SidePair((open_ - intervals.low) / open_, (intervals.high - open_) / open_)


def extreme(bars: Bars, intervals: Intervals) -> SidePair:
    """B2: how far the interval broke the extreme of the 24 hours before it, over its open."""
    first = intervals.first_bar
    since = np.searchsorted(bars.open_time_ms, bars.open_time_ms[first] - DAY_MS)
    spans = [slice(a, b) for a, b in zip(since.tolist(), first.tolist(), strict=True)]
    lows = np.array([bars.low[span].min(initial=np.inf) for span in spans])
    highs = np.array([bars.high[span].max(initial=-np.inf) for span in spans])
    broke_low = np.where(np.isfinite(lows), lows - intervals.low, 0.0)
    broke_high = np.where(np.isfinite(highs), intervals.high - highs, 0.0)
    return SidePair(np.maximum(broke_low, 0.0) / intervals.open, np.maximum(broke_high, 0.0) / intervals.open)


def uniform(bars: Bars) -> tuple[SidePair, StandingLevels]:
    """B3: per bar what its extremes sweep of levels every earlier bar laid evenly .2 to 10 % away, and what
    is left standing after the last.

    Each bar, after its own consumption, adds 1e6 to either side: a quarter at its low, a quarter at its
    high, half at its close. No decay, no open interest, no leverage.
    """
    nearest, farthest = (round(offset / BIN_WIDTH) for offset in _UNIFORM_OFFSETS)
    mass = _UNIFORM_MASS / (farthest - nearest)
    standing = StandingLevels(bars, farthest)
    out = np.zeros((2, len(bars)))
    entries = zip(standing.low, standing.high, standing.close, strict=True)
    for row, (low, high, close) in enumerate(entries):
        out[:, row] = standing.sweep(low, high)
        for entry, share in ((int(low), 0.25), (int(high), 0.25), (int(close), 0.5)):
            standing.long[entry - farthest : entry - nearest] += share * mass
            standing.short[entry + nearest + 1 : entry + farthest + 1] += share * mass
    return SidePair(out[0], out[1]), standing


def one_sided(bars: Bars) -> tuple[SidePair, StandingLevels]:
    """The public ancestor: per bar what its extremes sweep, and what is left standing after the last."""
    out = np.zeros((2, len(bars)))
    standing = StandingLevels(bars, 0)
    for row, (left, swept) in enumerate(one_sided_steps(bars)):
        standing = left
        out[:, row] = swept
    return SidePair(out[0], out[1]), standing


def one_sided_steps(bars: Bars) -> Iterator[tuple[StandingLevels, tuple[float, float]]]:
    """Gains of USD open interest, on the side of the candle's colour alone: per bar what stands after it (the
    same object each time) and what it swept of longs and shorts.

    Entries at the close, equal parts at 5, 10, 25, 50 and 100x, maintenance margin divided by leverage.
    Bars without open interest add nothing.
    """
    leverages = np.array(_ANCESTOR_LEVERAGES, dtype=np.float64)
    distance = (1 - _ANCESTOR_MAINTENANCE_MARGIN) / leverages
    below = np.rint(-np.log(1 - distance) / BIN_WIDTH).astype(np.int64)
    above = np.rint(np.log(1 + distance) / BIN_WIDTH).astype(np.int64)
    open_interest_usd = bars.open_interest_base * bars.close
    gained = np.nan_to_num(np.maximum(np.diff(open_interest_usd, prepend=np.nan), 0.0)) / len(leverages)
    standing = StandingLevels(bars, int(max(below.max(), above.max())))
    rising = (bars.close >= bars.open).tolist()
    for row, (low, high, close) in enumerate(zip(standing.low, standing.high, standing.close, strict=True)):
        swept = standing.sweep(low, high)
        if rising[row]:
            standing.long[int(close) - below] += gained[row]
        else:
            standing.short[int(close) + above] += gained[row]
        yield standing, swept


def _uniform_range(uniform_sums: SidePair, intervals: Intervals) -> SidePair:
    """B5: (B3 over the interval + 1 % of the mass of its bars) times the interval's range over its open."""
    relative_range = (intervals.high - intervals.low) / intervals.open
    own = _SAME_BAR_SHARE * _UNIFORM_MASS * intervals.bar_counts
    return SidePair((uniform_sums.long + own) * relative_range, (uniform_sums.short + own) * relative_range)


class StandingLevels:
    """Levels of either side on log-price bins over the whole span of some bars, swept by their extremes.

    Bin b spans the log prices from `(first_bin + b) * BIN_WIDTH` on. Of the bin an extreme ends in, the part
    it covered is swept, as in the model: the comparison is one of ideas, not of bin edges.
    """

    def __init__(self, bars: Bars, reach: int) -> None:
        low, high, close = (np.log(prices) / BIN_WIDTH for prices in (bars.low, bars.high, bars.close))
        first = self.first_bin = math.floor(low.min()) - reach - 1
        bins = math.floor(high.max()) + reach + 2 - first
        self.low: list[float] = (low - first).tolist()
        self.high: list[float] = (high - first).tolist()
        self.close: list[float] = (close - first).tolist()
        self.long: FloatArray = np.zeros(bins)
        self.short: FloatArray = np.zeros(bins)

    def sweep(self, low: float, high: float) -> tuple[float, float]:
        """Clear longs from `low` up and shorts from `high` down (in bins); how much that was."""
        bottom, top = int(low), int(high)
        spared_long = self.long[bottom] * (low - bottom)
        spared_short = self.short[top] * (top + 1 - high)
        longs, shorts = self.long[bottom:], self.short[: top + 1]
        swept = float(longs.sum() - spared_long), float(shorts.sum() - spared_short)
        longs.fill(0.0)
        shorts.fill(0.0)
        self.long[bottom], self.short[top] = spared_long, spared_short
        return swept
