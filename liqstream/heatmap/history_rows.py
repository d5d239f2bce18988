"""Which price rows a history has: all prices at the live map's step, or a part of them, finer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from liqstream.heatmap.price_grid import Grid, grid_over
from liqstream.model.spread import BIN_WIDTH

MAX_GRID_CELLS = 600


@dataclass(frozen=True, slots=True)
class Rows:
    """`step` is the price step in USD, by default the live map's, or of a part the finest; where it would
    make too many cells, a longer one is taken. `prices` are the lowest and highest, None for all of them: of
    a part alone the step may be finer than the live map's, down to the model's own bins."""

    step: float | None = None
    prices: tuple[float, float] | None = None


ALL_ROWS = Rows()


def grid_of_rows(shown: tuple[float, float], live: Grid, rows: Rows) -> Grid:
    """The grid of a history whose bars had the prices `shown` (lowest, highest), beside a live grid."""
    if rows.prices is not None:
        return _part(*rows.prices, rows.step)
    return _all_prices(shown, live, rows.step)


def _all_prices(shown: tuple[float, float], live: Grid, step: float | None) -> Grid:
    """The live grid's prices and the window's on round prices: whole multiples of `step` or the live step."""
    low, high = min(live.p0, shown[0]), max(live.top, shown[1])
    finest = step or live.step
    # From the first cell at or below `low` to the first at or above `high`: one more than there are steps,
    # and one more again where neither end is a cell's price.
    least = math.floor(math.log10(max(1.0, (high - low) / (finest * MAX_GRID_CELLS))))
    factors = (mantissa * 10**decade for decade in range(least, least + 2) for mantissa in (1, 2, 5))
    factor = next(f for f in factors if (high - low) / (finest * f) <= MAX_GRID_CELLS - 2)
    return grid_over(low, high, step=finest * factor)


def _part(low: float, high: float, step: float | None) -> Grid:
    """From `low` to `high` at `step` or the next round one that is no finer than the model's bins."""
    least = max(step or 0.0, low * BIN_WIDTH, (high - low) / (MAX_GRID_CELLS - 2))
    if least != step:
        decade = 10.0 ** math.floor(math.log10(least))
        least = next(m * decade for m in (1, 2, 5, 10) if m * decade >= least * (1 - 1e-9))
    return grid_over(low, high, step=least)
