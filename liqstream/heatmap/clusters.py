"""Clusters, the next big one, the imbalance and the sum to a price: what each is, for all that show one.

A cluster stands out from the mean over 2 % of price to either side; raw USD would drown it in a glow that
grows with time. web/js/data/clusters.js has the same in JavaScript; tests/cluster_cases.json holds both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from liqstream.heatmap.price_grid import Grid
from liqstream.market import FloatArray, Side

NEIGHBOURHOOD = 0.02
"""Share of a level's price, to either side of it, over which its surroundings are averaged."""

BIG_SHARE = 0.12
"""A cluster smaller than this beside the largest of its side is not a big one."""

_FLOOR_SHARE = 0.1
"""What stands out by less than this beside the most is no cluster."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Levels of one side that stand out: the price of their peak, their outer edges, and their USD."""

    side: Side
    price: float
    low: float
    high: float
    usd: float

    def distance(self, price_usd: float) -> float:
        """How far its peak is from a price, as a fraction of it; negative below."""
        return self.price / price_usd - 1


class SumToPrice(NamedTuple):
    """USD from the price to another one; `is_beyond`: the map ends before it, and the sum with the map."""

    usd: float
    is_beyond: bool


def excess(usd: ArrayLike, grid: Grid) -> FloatArray:
    """By how many USD each level exceeds the mean of those within 2 % of its price, floored at 0.

    Shape (cells,), by ascending price.
    """
    values = np.asarray(usd, dtype=np.float64)
    rows = np.arange(len(values))
    sums = np.concatenate(([0.0], np.cumsum(values)))
    reach = np.maximum(1, _nearest((grid.p0 + rows * grid.step) * (NEIGHBOURHOOD / grid.step)))
    start, stop = np.maximum(0, rows - reach), np.minimum(len(values), rows + reach + 1)
    over: FloatArray = np.maximum(0.0, values - (sums[stop] - sums[start]) / (stop - start))
    return over


def find_clusters(side: Side, long_usd: ArrayLike, short_usd: ArrayLike, grid: Grid) -> list[Cluster]:
    """The clusters of one side, largest first; empty where nothing stands out.

    Each is a run of levels that exceed their surroundings by at least half of what its peak does.
    """
    own = np.asarray(long_usd if side == "long" else short_usd, dtype=np.float64)
    over = excess(np.asarray(long_usd, dtype=np.float64) + np.asarray(short_usd, dtype=np.float64), grid)
    candidates = np.flatnonzero((over > 0) & (own > 0))
    if not len(candidates):
        return []
    order = candidates[np.argsort(-over[candidates], kind="stable")]
    floor = over[order[0]] * _FLOOR_SHARE
    # Lists: the walks below read one value at a time, which costs NumPy ten times as much.
    usd, above = own.tolist(), over.tolist()
    taken = [False] * len(usd)
    peaks = order[over[order] >= floor].tolist()
    # Each takes its levels away from those after it.
    found = [_cluster_at(peak, side, usd, above, taken, grid) for peak in peaks if not taken[peak]]
    return sorted(found, key=lambda cluster: -cluster.usd)


def _cluster_at(
    peak: int, side: Side, usd: list[float], over: list[float], taken: list[bool], grid: Grid
) -> Cluster:
    """The cluster around a peak; its levels and its shoulders are `taken` from now on."""
    low = high = peak
    half, last = over[peak] / 2, len(usd) - 1

    def belongs(row: int) -> bool:
        return usd[row] > 0 and not taken[row] and over[row] >= half

    while low > 0 and belongs(low - 1):
        low -= 1
    while high < last and belongs(high + 1):
        high += 1
    # The shoulders belong to this peak too: without them each would be a cluster of its own.
    start, stop = low, high
    while start > 0 and 0 < over[start - 1] <= over[start]:
        start -= 1
    while stop < last and 0 < over[stop + 1] <= over[stop]:
        stop += 1
    taken[start : stop + 1] = [True] * (stop + 1 - start)
    return Cluster(
        side,
        grid.p0 + peak * grid.step,
        grid.p0 + (low - 0.5) * grid.step,
        grid.p0 + (high + 0.5) * grid.step,
        sum(usd[low : high + 1]),
    )


def next_big(clusters: Sequence[Cluster], price_usd: float) -> Cluster | None:
    """The first big cluster on the way: shorts above the price, longs below it; None without any.

    `clusters` are of one side. A big one has at least 12 % of the USD of the largest on the way.
    """
    on_the_way = [
        each
        for each in clusters
        if (each.price > price_usd if each.side == "short" else each.price < price_usd)
    ]
    least_usd = BIG_SHARE * max((each.usd for each in on_the_way), default=0.0)
    big = (each for each in on_the_way if each.usd >= least_usd)
    return min(big, key=lambda each: abs(each.price - price_usd), default=None)


def imbalance(
    long_usd: ArrayLike, short_usd: ArrayLike, grid: Grid, price_usd: float, within: float
) -> float | None:
    """(shorts above - longs below) / (shorts above + longs below), of levels within a fraction of the price.

    The level the price lies in counts on both sides. None where nothing stands.
    """
    prices, here = grid.p0 + np.arange(grid.cells) * grid.step, _row_of(price_usd, grid)
    rows = np.arange(grid.cells)
    above = (rows >= here) & (prices <= price_usd * (1 + within))
    below = (rows <= here) & (prices >= price_usd * (1 - within))
    shorts = float(np.asarray(short_usd, dtype=np.float64)[above].sum())
    longs = float(np.asarray(long_usd, dtype=np.float64)[below].sum())
    return (shorts - longs) / (shorts + longs) if shorts + longs > 0 else None


def sum_to_price(
    long_usd: ArrayLike, short_usd: ArrayLike, grid: Grid, price_usd: float, to_usd: float
) -> SumToPrice:
    """USD of the longs from the price down, or of the shorts from the price up, to another price.

    The levels that the two prices lie in count whole.
    """
    here, there = _row_of(price_usd, grid), _row_of(to_usd, grid)
    values = np.asarray(short_usd if to_usd >= price_usd else long_usd, dtype=np.float64)
    first, last = min(here, there), max(here, there)
    return SumToPrice(float(values[max(0, first) : max(0, last + 1)].sum()), not 0 <= there < grid.cells)


def _row_of(price_usd: float, grid: Grid) -> int:
    """The row whose level a price lies in; beyond the map a row there would be."""
    return int(_nearest((price_usd - grid.p0) / grid.step))


def _nearest(values: ArrayLike) -> NDArray[np.int64]:
    """The nearest whole numbers, halves up as in JavaScript."""
    return np.floor(np.asarray(values) + 0.5).astype(np.int64)
