"""liqstream/heatmap/history_rows.py: round price steps, no finer than the model's bins."""

from __future__ import annotations

import pytest

from liqstream.heatmap.history_rows import ALL_ROWS, MAX_GRID_CELLS, Rows, grid_of_rows
from liqstream.heatmap.price_grid import grid_over

LIVE = grid_over(90_000.0, 110_000.0)


def test_all_prices_hold_the_live_grid_and_the_windows_own() -> None:
    """At the live step, or a whole multiple of it where there would be too many cells."""
    grid = grid_of_rows((85_000.0, 100_000.0), LIVE, ALL_ROWS)
    assert grid.p0 <= 85_000 < LIVE.top <= grid.top
    assert grid.step == LIVE.step
    wide = grid_of_rows((20_000.0, 100_000.0), LIVE, ALL_ROWS)
    assert wide.cells <= MAX_GRID_CELLS
    assert wide.step % LIVE.step == 0


@pytest.mark.parametrize(
    ("lowest", "step", "taken"),
    [
        (20_000.0, 0.5, 250.0),
        (20_000.0, 1.0, 200.0),
        (20_000.0, 3.0, 300.0),
        (20_000.0, 7.0, 350.0),
        (20_000.0, 200.0, 200.0),
        (90_000.0, 0.001, 50.0),
    ],
)
def test_the_least_round_multiple_of_a_step_with_few_enough_cells(
    lowest: float, step: float, taken: float
) -> None:
    """Once, twice or five times a power of ten of what was asked for: to 110,000 USD in 600 cells."""
    assert grid_of_rows((lowest, 100_000.0), LIVE, Rows(step)).step == pytest.approx(taken)


@pytest.mark.parametrize(
    ("step", "taken"),
    [(None, (20, 500)), (1.0, (20, 500)), (30.0, (30, 500)), (37.0, (37, 500)), (900.0, (900, 900))],
)
def test_a_grid_of_some_prices_has_round_steps(step: float | None, taken: tuple[float, float]) -> None:
    """The one asked for, unless it is finer than the model's bins or makes too many cells."""
    for (low, high), expected in zip(((99_000.0, 101_000.0), (50_000.0, 200_000.0)), taken, strict=True):
        grid = grid_of_rows((0.0, 0.0), LIVE, Rows(step, (low, high)))
        assert grid.p0 <= low < high <= grid.top
        assert grid.cells <= MAX_GRID_CELLS
        assert grid.step == expected
