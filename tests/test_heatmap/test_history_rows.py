"""liqstream/heatmap/history_rows.py: round price steps, no finer than the model's bins."""

from __future__ import annotations

import pytest

from liqstream.heatmap.history_rows import ALL_ROWS, MAX_GRID_CELLS, Rows, grid_of_rows
from liqstream.heatmap.price_grid import grid_over
from liqstream.model.spread import BIN_WIDTH

LIVE = grid_over(90_000.0, 110_000.0)


def test_all_prices_hold_the_live_grid_and_the_windows_own() -> None:
    """At the live step, or a whole multiple of it where there would be too many cells."""
    grid = grid_of_rows((85_000.0, 100_000.0), LIVE, ALL_ROWS)
    assert grid.p0 <= 85_000 < LIVE.top <= grid.top
    assert grid.step == LIVE.step
    wide = grid_of_rows((20_000.0, 100_000.0), LIVE, ALL_ROWS)
    assert wide.cells <= MAX_GRID_CELLS
    assert wide.step % LIVE.step == 0


@pytest.mark.parametrize("step", [None, 1.0, 30.0, 37.0, 900.0])
def test_a_grid_of_some_prices_has_round_steps(step: float | None) -> None:
    """The one asked for, unless it is finer than the model's bins or makes too many cells."""
    for low, high in ((99_000.0, 101_000.0), (50_000.0, 200_000.0)):
        grid = grid_of_rows((0.0, 0.0), LIVE, Rows(step, (low, high)))
        assert grid.p0 <= low < high <= grid.top
        assert grid.cells <= MAX_GRID_CELLS
        least = max(low * BIN_WIDTH, (high - low) / MAX_GRID_CELLS)
        assert grid.step == step if step and step > 1.1 * least else least <= grid.step <= 2.6 * least
