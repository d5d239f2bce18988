"""The time x price matrix of a window: the quantised levels at the end of every column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.quantise import QuantisedArray
from liqstream.market import FloatArray, Source


@dataclass(frozen=True, slots=True, eq=False)
class HistoryMatrix:
    """The levels at the end of every column, and a candle per column.

    `long` and `short` are quantised USD (heatmap/quantise.py) of shape (columns, cells of `grid`); `candles`
    are open, high, low and close in USD, shape (4, columns), NaN in a gap, whose levels are all 0. Column i
    opens at `t0_ms + i * interval_ms`, UTC ms. `partial` is True while the last column is still forming.
    With `groups`, names of leverage groups, the levels of each follow one another: shape (columns, groups *
    cells).
    """

    symbol: str
    interval_ms: int
    t0_ms: int
    columns: int
    grid: Grid
    long: QuantisedArray
    short: QuantisedArray
    candles: FloatArray
    exchanges: tuple[str, ...]
    epoch: int
    seq: int
    source: Source
    stale: bool
    quality: tuple[str, ...]
    kernel: str
    partial: bool
    groups: tuple[str, ...] = ()

    @property
    def gaps(self) -> NDArray[np.bool_]:
        """True for the columns without a bar; shape (columns,)."""
        gaps: NDArray[np.bool_] = np.isnan(self.candles[0])
        return gaps
