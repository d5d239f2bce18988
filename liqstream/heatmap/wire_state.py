"""From the model's floats to what is said: a human price grid, and ladder rungs on it.

One stateless function makes it, so that v1, columns, deltas, REST, history, checksum and hash agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from liqstream.heatmap.density import LevelDensity
from liqstream.heatmap.ladder import RungArray, to_rungs
from liqstream.market import FloatArray

TARGET_ROWS = 300
_GROWTH = 1.25
"""A grid is kept while the wanted range is within this factor of the one it was made for: a move costs
every client a full snapshot."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular price grid: level i stands for the prices within half a step of `p0 + i * step`, in USD."""

    p0: float
    step: float
    rows: int

    @property
    def top(self) -> float:
        """Price of the last level."""
        return self.price(self.rows - 1)

    def price(self, row: int) -> float:
        """Price of a level, rounded to the step's own decimals."""
        return round(self.p0 + row * self.step, _decimals(self.step))

    def prices(self) -> FloatArray:
        """Price of every level."""
        prices: FloatArray = np.round(self.p0 + np.arange(self.rows) * self.step, _decimals(self.step))
        return prices

    def edges(self) -> FloatArray:
        """Lower edge of every level and the upper edge of the last: rows + 1 prices, all positive."""
        edges = self.p0 + (np.arange(self.rows + 1) - 0.5) * self.step
        positive: FloatArray = np.maximum(edges, self.step * 1e-3)
        return positive


def _decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))


def human_step(span: float, rows: int = TARGET_ROWS) -> float:
    """The 1-2-5 step that divides a price span into the number of rows nearest, in ratio, to `rows`."""
    wanted = math.log10(span / rows)
    decade = math.floor(wanted)
    exponents = [(m, d) for d in (decade, decade + 1) for m in (1, 2, 5)]
    mantissa, exponent = min(exponents, key=lambda e: abs(math.log10(e[0]) + e[1] - wanted))
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent


def grid_over(low: float, high: float, *, step: float | None = None) -> Grid:
    """The grid of round prices that covers `low` to `high` (USD, 0 < low < high)."""
    step = human_step(high - low) if step is None else step
    first = max(1, math.floor(low / step))
    last = math.ceil(high / step)
    return Grid(round(first * step, _decimals(step)), step, last - first + 1)


def follow_grid(previous: Grid | None, price: float, half_range: float) -> Grid:
    """The grid for `price` (1 +- `half_range`), kept while the previous one still serves.

    It moves when the price nears an edge (a fifth of the range) or the wanted range has grown or shrunk by
    a quarter.
    """
    low, high = price * (1 - half_range), price * (1 + half_range)
    if previous is not None:
        span, wanted = previous.top - previous.p0, high - low
        margin = 0.3 * wanted
        fits = previous.p0 + margin <= price <= previous.top - margin
        if fits and 1 / _GROWTH <= span / wanted <= _GROWTH:
            return previous
    return grid_over(low, high)


def cells_usd(usd: FloatArray, low_log_price: float, bin_width: float, grid: Grid) -> FloatArray:
    """USD per grid level of log-price bins, each bin split in proportion over the levels it straddles.

    `usd` has bins on its last axis; mass outside of the grid is left out.
    """
    bins = usd.shape[-1]
    total = np.zeros((*usd.shape[:-1], bins + 1))
    np.cumsum(usd, axis=-1, out=total[..., 1:])
    at = np.clip((np.log(grid.edges()) - low_log_price) / bin_width, 0, bins)
    left = np.minimum(at.astype(np.int64), bins - 1)
    below = total[..., left] + (at - left) * usd[..., left]
    cells: FloatArray = np.maximum(np.diff(below, axis=-1), 0.0)
    return cells


def keep_to_their_side(long_usd: FloatArray, short_usd: FloatArray, grid: Grid, price: float) -> None:
    """Move, in place, what the grid's rounding puts on the wrong side of the price to the next level.

    A long is liquidated below the price and a short above it; only the level that holds the price itself
    can be in doubt.
    """
    first_above = int(np.searchsorted(grid.prices(), price, side="left"))
    if 0 < first_above < grid.rows:
        long_usd[..., first_above - 1] += long_usd[..., first_above:].sum(axis=-1)
    long_usd[..., first_above:] = 0
    first_not_below = int(np.searchsorted(grid.prices(), price, side="right"))
    if 0 < first_not_below < grid.rows:
        short_usd[..., first_not_below] += short_usd[..., :first_not_below].sum(axis=-1)
    short_usd[..., :first_not_below] = 0


def group_cells_usd(density: LevelDensity, grid: Grid, price: float) -> tuple[FloatArray, FloatArray]:
    """Long and short USD per (leverage group, grid level), each on its side of the price."""
    long_usd = cells_usd(density.long_usd, density.low_log_price, density.bin_width, grid)
    short_usd = cells_usd(density.short_usd, density.low_log_price, density.bin_width, grid)
    keep_to_their_side(long_usd, short_usd, grid, price)
    return long_usd, short_usd


def wire_state(long_usd: FloatArray, short_usd: FloatArray) -> tuple[RungArray, RungArray]:
    """What is said of cells in USD, shape (groups, rows) summed over groups: ladder rungs, shape (rows,)."""
    return to_rungs(long_usd.sum(axis=0)), to_rungs(short_usd.sum(axis=0))
