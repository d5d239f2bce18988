"""The price grid: equal, round price steps, and the model's densities laid over its cells.

The functions are stateless, and the only ones of their kind, so that v1, columns, deltas, REST, history,
checksum and hash agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from liqstream.heatmap.quantise import QuantisedArray, quantise
from liqstream.market import FloatArray
from liqstream.model.density import LevelDensity

TARGET_CELLS = 300
_GROWTH = 1.25
"""A grid is kept while the range asked for is within this factor of the one it was made for: a move costs
every client a full snapshot."""


@dataclass(frozen=True, slots=True)
class Grid:
    """`cells` equal price steps: cell i holds the prices within half a step of `p0 + i * step`, in USD."""

    p0: float
    step: float
    cells: int

    @property
    def top(self) -> float:
        """Price of the last cell, USD."""
        return self.price(self.cells - 1)

    def price(self, cell: int) -> float:
        """Price of a cell in USD, rounded to the step's own decimals."""
        return round(self.p0 + cell * self.step, _decimals(self.step))

    def prices(self) -> FloatArray:
        """Price of every cell in USD, ascending; shape (cells,)."""
        prices: FloatArray = np.round(self.p0 + np.arange(self.cells) * self.step, _decimals(self.step))
        return prices

    def edges(self) -> FloatArray:
        """Lower edge of every cell and the upper edge of the last: cells + 1 prices in USD, all positive."""
        edges = self.p0 + (np.arange(self.cells + 1) - 0.5) * self.step
        positive: FloatArray = np.maximum(edges, self.step * 1e-3)
        return positive


def _decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))


def human_step(span: float, cells: int = TARGET_CELLS) -> float:
    """The 1-2-5 step that divides a price span into the number of cells nearest, in ratio, to `cells`."""
    ideal = math.log10(span / cells)
    decade = math.floor(ideal)
    exponents = [(m, d) for d in (decade, decade + 1) for m in (1, 2, 5)]
    mantissa, exponent = min(exponents, key=lambda e: abs(math.log10(e[0]) + e[1] - ideal))
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent


def grid_over(low: float, high: float, *, step: float | None = None) -> Grid:
    """The grid of round prices that covers `low` to `high` (USD, 0 < low < high), by default ~300 cells."""
    step = human_step(high - low) if step is None else step
    first = max(1, math.floor(low / step))
    last = math.ceil(high / step)
    return Grid(round(first * step, _decimals(step)), step, last - first + 1)


def follow_grid(previous: Grid | None, price: float, half_range: float) -> Grid:
    """The grid for `price` (1 +- `half_range`), kept while the previous one still serves.

    It moves when the price nears an edge (a fifth of the range) or the range asked for has grown or shrunk by
    a quarter.
    """
    low, high = price * (1 - half_range), price * (1 + half_range)
    if previous is not None:
        span, asked = previous.top - previous.p0, high - low
        margin = 0.3 * asked
        fits = previous.p0 + margin <= price <= previous.top - margin
        if fits and 1 / _GROWTH <= span / asked <= _GROWTH:
            return previous
    return grid_over(low, high)


def cells_usd(usd: FloatArray, low_log_price: float, bin_width: float, grid: Grid) -> FloatArray:
    """USD per grid cell of log-price bins, each bin split in proportion over the cells it straddles.

    `usd` has bins on its last axis, which becomes cells; mass outside of the grid is left out.
    """
    # Without the empty bins at both ends, of which a book has many: sums are the same to the bit.
    filled = np.flatnonzero(usd.any(axis=tuple(range(usd.ndim - 1))))
    if not len(filled):
        return np.zeros((*usd.shape[:-1], grid.cells))
    first = int(filled[0])
    usd = usd[..., first : int(filled[-1]) + 1]
    bins = usd.shape[-1]
    total = np.zeros((*usd.shape[:-1], bins + 1))
    np.cumsum(usd, axis=-1, out=total[..., 1:])
    at = np.clip((np.log(grid.edges()) - low_log_price) / bin_width - first, 0, bins)
    left = np.minimum(at.astype(np.int64), bins - 1)
    below = total[..., left] + (at - left) * usd[..., left]
    cells: FloatArray = np.maximum(np.diff(below, axis=-1), 0.0)
    return cells


def density_cells_usd(density: LevelDensity, grid: Grid) -> tuple[FloatArray, FloatArray]:
    """Long and short USD of shape (leverage groups, cells), far levels among them."""
    low, width = density.low_log_price, density.bin_width
    long_usd = cells_usd(density.long_usd, low, width, grid)
    short_usd = cells_usd(density.short_usd, low, width, grid)
    for far in density.far:
        far_long, far_short = density_cells_usd(far, grid)
        long_usd, short_usd = long_usd + far_long, short_usd + far_short
    return long_usd, short_usd


def keep_to_their_side(long_usd: FloatArray, short_usd: FloatArray, grid: Grid, price: float) -> None:
    """Move, in place, what the grid's rounding puts on the wrong side of the price to the next cell.

    Cells are on the last axis. A long is liquidated below the price and a short above it; only the cell that
    holds the price itself can be in doubt.
    """
    first_above = int(np.searchsorted(grid.prices(), price, side="left"))
    if 0 < first_above < grid.cells:
        long_usd[..., first_above - 1] += long_usd[..., first_above:].sum(axis=-1)
    long_usd[..., first_above:] = 0
    first_not_below = int(np.searchsorted(grid.prices(), price, side="right"))
    if 0 < first_not_below < grid.cells:
        short_usd[..., first_not_below] += short_usd[..., :first_not_below].sum(axis=-1)
    short_usd[..., :first_not_below] = 0


def group_cells_usd(density: LevelDensity, grid: Grid, price: float) -> tuple[FloatArray, FloatArray]:
    """Long and short USD of shape (leverage groups, cells), each on its side of the price (USD)."""
    long_usd, short_usd = density_cells_usd(density, grid)
    keep_to_their_side(long_usd, short_usd, grid, price)
    return long_usd, short_usd


def quantised_levels(long_usd: FloatArray, short_usd: FloatArray) -> tuple[QuantisedArray, QuantisedArray]:
    """The quantised longs and shorts of cells in USD: shape (groups, cells) summed over groups, (cells,)."""
    return quantise(long_usd.sum(axis=0)), quantise(short_usd.sum(axis=0))
