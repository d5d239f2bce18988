"""Where within its bars the price has been: the entries a bar spreads its new positions over.

A bar has only four prices. The path between them is taken as two candidates: with weight .75 the usual
reading (open, low, high, close for a rising bar, open, high, low, close for a falling one), with weight .25
the one that visits the farther extreme first. Mass is equal per length of path (docs/model.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.market import HOUR_MS, Bars, FloatArray

IntArray = NDArray[np.int64]

USUAL_PATH_WEIGHT = 0.75
"""Weight of the usual reading; the rest goes to the farther extreme first."""


def points_per_bar(interval_ms: int) -> int:
    """Points a bar's path is sampled at: 12 for an hour, 6 for five minutes, between and beyond alike."""
    return max(3, int(12 * (interval_ms / HOUR_MS) ** 0.279 + 0.5))


@dataclass(slots=True, eq=False)
class BarPath:
    """One bar's path over bins of log price; its `occupancy` sums to 1.

    Entry i of the occupancies is bin `low + i`, up to bin `high`. `after_low` counts only what was visited
    once the low was reached, `after_high` once the high was: entries made earlier were swept by that
    extreme. `below_low` and `below_close` are the shares of the low's and the close's bin below them,
    `above_high` that of the high's bin above it: what a bar spares of the bins its extremes end in.
    `swept_long` and `swept_short` are the shares of the bar's own kernel that the rest of its path sweeps
    again.
    """

    low: int
    high: int
    close: int
    below_low: float
    above_high: float
    below_close: float
    occupancy: FloatArray
    after_low: FloatArray
    after_high: FloatArray
    swept_long: float
    swept_short: float


def walk(bars: Bars, bin_width: float, masses: FloatArray) -> list[BarPath]:
    """The path of each bar over log-price bins of `bin_width`.

    `masses[d]` is the kernel's mass d bins from the entry.
    """
    logs: FloatArray = np.log(np.stack((bars.open, bars.high, bars.low, bars.close)))
    in_bins = logs / bin_width
    bins = np.floor(in_bins)
    _, above_high, below_low, below_close = in_bins - bins
    above_high = 1.0 - above_high
    _, high, low, close = bins.astype(np.int64)
    at, weight, low_seen, high_seen = _points(logs, points_per_bar(bars.interval_ms))
    low_, high_, close_ = low[:, None, None], high[:, None, None], close[:, None, None]
    visited = np.clip(np.floor(at / bin_width).astype(np.int64), low_, high_)

    first = np.concatenate(([0], np.cumsum(high - low + 1)))
    cell = visited + (first[:-1] - low)[:, None, None]
    cells = int(first[-1])
    counted = np.stack((np.broadcast_to(weight, at.shape), weight * low_seen, weight * high_seen))
    cell = np.stack((cell, cell + cells, cell + 2 * cells))
    occupied: FloatArray = np.bincount(cell.ravel(), counted.ravel(), 3 * cells).astype(
        np.float64, copy=False
    )
    occupancy, after_low, after_high = occupied.reshape(3, cells)
    # The farthest point the rest of the path reaches: an extreme to come, or else the close or the entry
    # itself. Levels up to there are swept, of that point's own bin the part the path covers.
    down = visited - np.where(low_seen, np.minimum(visited, close_), low_)
    up = np.where(high_seen, np.maximum(visited, close_), high_) - visited
    spared_long = np.where(low_seen, below_close[:, None, None], below_low[:, None, None])
    spared_short = np.where(high_seen, (1.0 - below_close)[:, None, None], above_high[:, None, None])
    swept = _swept(masses, np.stack((down, up)), np.stack((spared_long, spared_short))) * weight
    swept_long, swept_short = swept.sum(axis=(2, 3))
    ends = first.tolist()
    return [
        BarPath(lo, hi, cl, bl, ah, bc, occupancy[a:b], after_low[a:b], after_high[a:b], sl, ss)
        for lo, hi, cl, bl, ah, bc, a, b, sl, ss in zip(
            low.tolist(),
            high.tolist(),
            close.tolist(),
            below_low.tolist(),
            above_high.tolist(),
            below_close.tolist(),
            ends,
            ends[1:],
            swept_long.tolist(),
            swept_short.tolist(),
            strict=False,
        )
    ]


def _swept(masses: FloatArray, distance: IntArray, spared: FloatArray) -> FloatArray:
    """Share of the kernel within `distance` bins of the entry, less the spared part of the last bin.

    What lies in the entry's own bin is swept whole: the path is there.
    """
    last = len(masses) - 1
    within = np.cumsum(masses)[np.minimum(distance, last)]
    at_end = np.where((distance > 0) & (distance <= last), masses[np.minimum(distance, last)], 0.0)
    swept: FloatArray = within - spared * at_end
    return swept


def _points(
    logs: FloatArray, points: int
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """Log prices along both paths, shape (bars, 2, points), their weights (broadcastable to that), and
    whether the low and the high have been reached by then."""
    open_, high, low, close = logs
    low_first = np.stack((close >= open_, open_ - low > high - open_), axis=1)
    near = np.where(low_first, low[:, None], high[:, None])
    far = np.where(low_first, high[:, None], low[:, None])
    start, end = open_[:, None], close[:, None]
    leg1 = np.abs(near - start)
    leg2 = leg1 + np.abs(far - near)
    length = leg2 + np.abs(end - far)
    walked = length[:, :, None] * ((np.arange(points) + 0.5) / points)
    on1, on2 = walked < leg1[:, :, None], walked < leg2[:, :, None]
    up = np.where(low_first, 1.0, -1.0)[:, :, None]
    at = np.where(
        on1,
        start[:, :, None] - up * walked,
        np.where(
            on2,
            near[:, :, None] + up * (walked - leg1[:, :, None]),
            far[:, :, None] - up * (walked - leg2[:, :, None]),
        ),
    )
    weight = np.array([[USUAL_PATH_WEIGHT], [1 - USUAL_PATH_WEIGHT]]) / points
    first_is_low = low_first[:, :, None]
    low_seen = np.where(first_is_low, ~on1, ~on2)
    high_seen = np.where(first_is_low, ~on2, ~on1)
    return at, weight, low_seen, high_seen
