"""Coverage: in which share of an interval a market's liquidations were listened to.

An interval without a liquidation is a true zero only where they were; else nothing is known of it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from liqstream.market.bars import FloatArray, TimeArray
from liqstream.market.records import HOUR_MS

MIN_COVERED = 0.95
"""An interval covered less is unknown."""

LONGEST_SILENCE_MS = 6 * HOUR_MS
"""In data without spans, liquidations of an exchange at most so far apart cover what is between."""


def merged_spans(spans: Iterable[tuple[int, int]]) -> tuple[TimeArray, TimeArray]:
    """Starts and ends of spans [start, end), ascending, overlapping ones joined."""
    joined: list[list[int]] = []
    for start_ms, end_ms in sorted(spans):
        if joined and start_ms <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end_ms)
        else:
            joined.append([start_ms, end_ms])
    both = np.array(joined, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def covered_share(spans: Iterable[tuple[int, int]], open_time_ms: TimeArray, interval_ms: int) -> FloatArray:
    """The share of each interval that spans cover, 0 to 1."""
    starts, ends = merged_spans(spans)
    if not len(starts):
        return np.zeros(len(open_time_ms))
    before = np.concatenate(([0], np.cumsum(ends - starts)))

    def until(times: TimeArray) -> TimeArray:
        """Milliseconds covered before each time."""
        last = np.searchsorted(starts, times, side="right") - 1
        inside = np.minimum(times, ends[np.maximum(last, 0)]) - starts[np.maximum(last, 0)]
        return np.where(last >= 0, before[np.maximum(last, 0)] + inside, 0)

    share: FloatArray = (until(open_time_ms + interval_ms) - until(open_time_ms)) / interval_ms
    return share


def is_covered(
    spans: Iterable[tuple[int, int]], open_time_ms: TimeArray, interval_ms: int
) -> NDArray[np.bool_]:
    """True for each interval that is covered well enough to be known."""
    known: NDArray[np.bool_] = covered_share(spans, open_time_ms, interval_ms) >= MIN_COVERED
    return known


def spans_between(times_ms: Iterable[int]) -> list[tuple[int, int]]:
    """Spans from the first to the last of times that are at most `LONGEST_SILENCE_MS` apart."""
    found: list[tuple[int, int]] = []
    for time_ms in sorted(times_ms):
        if found and time_ms - found[-1][1] <= LONGEST_SILENCE_MS:
            found[-1] = (found[-1][0], time_ms)
        else:
            found.append((time_ms, time_ms))
    return [span for span in found if span[1] > span[0]]
