"""liqstream/heatmap/history_matrix.py: which columns are gaps."""

from __future__ import annotations

import numpy as np

from liqstream.heatmap.price_grid import grid_over
from tests.support.lqh1 import matrix


def test_columns_without_a_candle_are_gaps() -> None:
    """One flag per column, True where the candle is unknown."""
    candles = np.full((4, 3), 100.0)
    candles[:, 1] = np.nan
    levels = np.zeros((3, 2), dtype=np.uint16)
    assert matrix(levels, levels, candles, grid_over(100.0, 105.0, step=5.0)).gaps.tolist() == [
        False,
        True,
        False,
    ]
