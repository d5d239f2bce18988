"""The intervals a score is made over: realised totals that the bars cover without a gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.market import Bars, FloatArray, TimeArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Intervals of equal length, ascending, with the bars that make up each.

    `first_bar` is the index of an interval's first bar, `bar_counts` how many it has; prices are those of
    the whole interval. `rows` are the rows of the realised totals they belong to.
    """

    interval_ms: int
    open_time_ms: TimeArray
    rows: IntArray
    first_bar: IntArray
    bar_counts: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray

    def __len__(self) -> int:
        return len(self.open_time_ms)

    def sum(self, per_bar: FloatArray) -> FloatArray:
        """Sums of a per-bar column over each interval."""
        total = np.concatenate(([0.0], np.cumsum(per_bar)))
        sums: FloatArray = total[self.first_bar + self.bar_counts] - total[self.first_bar]
        return sums


def covered_intervals(bars: Bars, total_times_ms: TimeArray, interval_ms: int) -> Intervals:
    """The realised intervals all of whose bars are there.

    Raises ValueError when the bars are coarser than the totals or do not divide them.
    """
    if interval_ms % bars.interval_ms:
        raise ValueError(
            f"totals per {interval_ms // 60_000} minutes cannot be scored on bars of "
            f"{bars.interval_ms // 60_000} minutes; the bars must be as long or divide them"
        )
    count = interval_ms // bars.interval_ms
    first = np.searchsorted(bars.open_time_ms, total_times_ms)
    last = np.minimum(first + count - 1, len(bars) - 1)
    inside = np.minimum(first, len(bars) - 1)
    whole = (bars.open_time_ms[inside] == total_times_ms) & (
        bars.open_time_ms[last] == total_times_ms + interval_ms - bars.interval_ms
    )
    rows = np.flatnonzero(whole).astype(np.int64)
    members = first[rows][:, None] + np.arange(count)
    return Intervals(
        interval_ms,
        total_times_ms[rows],
        rows,
        first[rows],
        np.full(len(rows), count, dtype=np.int64),
        bars.open[members[:, 0]],
        bars.high[members].max(axis=1),
        bars.low[members].min(axis=1),
        bars.close[members[:, -1]],
    )
