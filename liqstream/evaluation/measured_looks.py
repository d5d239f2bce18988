"""What is measured at a moment, in cells of distance from the mark, and what each map and rule puts there.

Both are shares of one side's USD within reach, nearest cell first: an estimate is compared with measured
positions by where it puts its USD, not by how much it is.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.evaluation.baselines import one_sided_steps
from liqstream.evaluation.forecast_maps import UniformLevels
from liqstream.evaluation.price_windows import cumulated, smeared
from liqstream.market import DAY_MS, Bars, FloatArray
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import Kernel, broad
from liqstream.model.spread import BIN_WIDTH

CELLS = 100
CELL_WIDTH = 0.001
"""Cells of .1 % of log price, to 10 % from the mark."""
MOST_OF_SIDE = 0.05
"""Of a side's USD within reach one position counts so much at most, before the shares are made."""
EVEN_SHARE = 0.05
"""Share of every row that is spread evenly: a row is never certain."""
MIN_COVERAGE = 0.15
MIN_ACCOUNTS = 15
"""A side is judged where so much of open interest is known, and so many accounts have a level in reach."""
PERMUTATION_SEED = 20_261_126

LONG, SHORT = 0, 1
MAP = "map"
ROWS = (MAP, "smeared", "flat", "broad", "B3", "one_sided", "beyond_24h", "permuted")
"""The drawn map; it under a moving mean of 26 bp; kernels flat to 10 % and broad in the same machinery; B3's
levels; the candle-colour model; all beyond the day's extreme; the map's cells shuffled."""

_Standing = tuple[float, FloatArray]
"""Log price of the first bin edge, and USD cumulated over edges of both sides."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredLook:
    """A symbol's measured positions that have a level, at a time (UTC ms); arrays of shape (n,).

    `coverage` is the share of open interest that tracked accounts hold, of longs and of shorts; `level` and
    `usd`, at the level, in USD.
    """

    time_ms: int
    mark: float
    coverage: tuple[float, float]
    is_long: NDArray[np.bool_]
    level: FloatArray
    usd: FloatArray


def measured_shares(
    look: MeasuredLook, side: int, *, mark: float | None = None, between: tuple[float, float] = (0, math.inf)
) -> tuple[FloatArray | None, int]:
    """Share of a side's USD per cell, and of how many positions; None without any in reach.

    Distances are from another mark where one is given; `between` limits the USD of the positions that count.
    """
    sign = -1.0 if side == LONG else 1.0
    distance = sign * (np.log(look.level) - math.log(mark or look.mark))
    chosen = (look.is_long == (side == LONG)) & (distance > 0) & (distance < CELLS * CELL_WIDTH)
    chosen &= (look.usd >= between[0]) & (look.usd < between[1])
    usd = look.usd[chosen]
    if not usd.sum() > 0:
        return None, 0
    cell = np.minimum((distance[chosen] / CELL_WIDTH).astype(np.int64), CELLS - 1)
    cells = np.bincount(cell, np.minimum(usd, MOST_OF_SIDE * usd.sum()), CELLS)
    return cells / cells.sum(), len(usd)


def is_judged(look: MeasuredLook, side: int) -> bool:
    """Whether enough is known of a side to judge an estimate by it."""
    return look.coverage[side] >= MIN_COVERAGE and measured_shares(look, side)[1] >= MIN_ACCOUNTS


def mixed(weights: FloatArray) -> FloatArray:
    """Weights per cell (last axis) as shares, EVEN_SHARE of them even; all even where nothing is put."""
    sums = weights.sum(axis=-1, keepdims=True)
    even = np.full_like(weights, 1 / CELLS)
    shares: FloatArray = np.where(sums > 0, weights / np.where(sums > 0, sums, 1.0), even)
    return (1 - EVEN_SHARE) * shares + EVEN_SHARE * even


def estimates_at(bars: Bars, kernel: Kernel, times_ms: Collection[int]) -> dict[int, FloatArray]:
    """What every row of ROWS states at the times a bar has just closed, by time: shape (rows, 2, cells).

    A time at which no bar closed, or the first did, has no entry.
    """
    ends = bars.open_time_ms + bars.interval_ms
    kernels = {MAP: kernel, "flat": broad().flat_to(0.10), "broad": broad()}
    estimators = {name: Estimator(each, interval_ms=bars.interval_ms) for name, each in kernels.items()}
    uniform, wanted, found, done = UniformLevels(), set(times_ms), {}, 0
    for row, (colour, _) in enumerate(one_sided_steps(bars)):
        uniform.step(float(bars.high[row]), float(bars.low[row]), float(bars.close[row]))
        time_ms = int(ends[row])
        if row == 0 or time_ms not in wanted:
            continue
        for estimator in estimators.values():
            estimator.advance(bars[done : row + 1])
        done = row + 1
        standing = {name: cumulated(each.standing(by_group=False)) for name, each in estimators.items()}
        standing["smeared"] = standing[MAP][0], smeared(standing[MAP][1])
        standing["B3"] = cumulated(uniform.standing())
        sides = np.stack((colour.long, colour.short))
        edges = np.concatenate((np.zeros((2, 1)), np.cumsum(sides, axis=1)), axis=1)
        standing["one_sided"] = colour.first_bin * BIN_WIDTH, edges
        found[time_ms] = _rows(standing, bars, row, time_ms)
    return found


def _rows(standing: dict[str, _Standing], bars: Bars, row: int, time_ms: int) -> FloatArray:
    log_price = float(np.log(bars.close[row]))
    weights = np.zeros((len(ROWS), 2, CELLS))
    for name, each in standing.items():
        weights[ROWS.index(name)] = [_by_distance(each, side, log_price) for side in (LONG, SHORT)]
    day = bars[int(np.searchsorted(bars.open_time_ms, bars.open_time_ms[row] - DAY_MS)) : row + 1]
    middles = CELL_WIDTH * (np.arange(CELLS) + 0.5)
    beyond = (log_price - np.log(day.low.min()), np.log(day.high.max()) - log_price)
    weights[ROWS.index("beyond_24h")] = [middles > extreme for extreme in beyond]
    shares = mixed(weights)
    rng = np.random.default_rng((PERMUTATION_SEED, time_ms))
    shares[ROWS.index("permuted")] = rng.permuted(shares[0], axis=1)
    return shares


def _by_distance(standing: _Standing, side: int, log_price: float) -> FloatArray:
    """USD of one side per cell of distance."""
    low, sums = standing
    outward = CELL_WIDTH * np.arange(CELLS + 1)
    edges = (log_price + (outward if side == SHORT else -outward) - low) / BIN_WIDTH
    within = np.interp(edges, np.arange(sums.shape[1]), sums[side])
    usd: FloatArray = np.maximum(np.diff(within) if side == SHORT else -np.diff(within), 0.0)
    return usd
