"""liqstream/heatmap/price_grid.py: USD split over the cells in proportion, each side on its side."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.heatmap.price_grid import (
    TARGET_CELLS,
    Grid,
    cells_usd,
    follow_grid,
    grid_over,
    group_cells_usd,
    human_step,
    quantised_levels,
)
from liqstream.heatmap.quantise import dequantise, quantise
from liqstream.model.density import LevelDensity

PRICE = 100_000.0
BIN = 2e-4


def density_around(price: float, usd: float = 1e6, groups: int = 5, bins: int = 4000) -> LevelDensity:
    low = math.log(price) - bins / 2 * BIN
    below = np.zeros((groups, bins))
    below[:, : bins // 2] = usd
    above = np.zeros((groups, bins))
    above[:, bins // 2 :] = usd
    return LevelDensity(low, BIN, below, above)


@given(st.floats(1e-4, 1e6), st.floats(0.01, 0.9))
def test_a_grid_has_a_step_people_would_choose(price: float, share: float) -> None:
    """1, 2 or 5 times a power of ten, round prices, about 300 cells, and the whole span inside."""
    low, high = price * (1 - share), price * (1 + share)
    grid = grid_over(low, high)
    mantissa = grid.step / 10 ** math.floor(math.log10(grid.step) + 1e-9)
    assert min(abs(mantissa - m) for m in (1, 2, 5, 10)) < 1e-6
    assert TARGET_CELLS / 1.7 <= grid.cells <= TARGET_CELLS * 1.7
    assert grid.edges()[0] <= low * (1 + 1e-9)
    assert grid.edges()[-1] >= high * (1 - 1e-9)
    assert grid.p0 / grid.step == pytest.approx(round(grid.p0 / grid.step))


def test_human_steps() -> None:
    """Spans that divide evenly get the step one would write down."""
    assert [human_step(span) for span in (30_000, 15_000, 0.03, 6)] == [100, 50, 0.0001, 0.02]


@given(st.floats(50_000, 150_000), st.floats(0.02, 0.2))
def test_mass_inside_the_grid_is_kept(price: float, share: float) -> None:
    """Cells add up to the bins they cover, however the edges fall."""
    grid = grid_over(price * (1 - share), price * (1 + share))
    low = math.log(price) - 2500 * BIN
    usd = np.random.default_rng(1).exponential(1e5, (2, 5000))
    cells = cells_usd(usd, low, BIN, grid)
    edges = (np.log(grid.edges()[[0, -1]]) - low) / BIN
    total = np.concatenate(([0.0], np.cumsum(usd[0])))
    inside = np.diff(np.interp(edges, np.arange(5001), total))[0]
    assert cells[0].sum() == pytest.approx(inside)


def test_a_bin_that_straddles_two_cells_is_split_in_proportion() -> None:
    """Assigned whole, bins of 2 bp draw stripes on a grid they do not divide."""
    grid = Grid(100.0, 1.0, 3)
    low = math.log(100.5) - BIN / 4
    cells = cells_usd(np.array([1000.0]), low, BIN, grid)
    assert cells == pytest.approx([250.0, 750.0, 0.0], rel=1e-6)


@given(st.floats(90_000, 110_000))
def test_nothing_is_on_the_wrong_side_of_the_price(price: float) -> None:
    """Longs only below, shorts only above, whatever the grid's rounding does; and nothing is lost."""
    grid = grid_over(80_000, 120_000)
    long_usd, short_usd = group_cells_usd(density_around(price), grid, price)
    prices = grid.prices()
    assert not long_usd[:, prices >= price].any()
    assert not short_usd[:, prices <= price].any()
    raw = density_around(price)
    assert long_usd.sum() == pytest.approx(cells_usd(raw.long_usd, raw.low_log_price, BIN, grid).sum())
    assert short_usd.sum() == pytest.approx(cells_usd(raw.short_usd, raw.low_log_price, BIN, grid).sum())


def test_far_levels_are_drawn_where_the_grid_reaches_them() -> None:
    """In wider bins than the near ones, and on their own side."""
    grid = grid_over(40_000, 160_000)
    near = density_around(PRICE, bins=2000)
    far = LevelDensity(math.log(50_000), 0.005, np.full((5, 20), 1e6), np.zeros((5, 20)))
    alone = group_cells_usd(near, grid, PRICE)
    both = group_cells_usd(replace(near, far=(far,)), grid, PRICE)
    added = both[0] - alone[0]
    assert added.sum() == pytest.approx(100e6)
    prices = grid.prices()
    beyond = (prices < 50_000 - grid.step) | (prices > 50_000 * math.exp(0.1) + grid.step)
    assert not added[:, beyond].any()
    np.testing.assert_array_equal(both[1], alone[1])


def test_leverage_groups_are_added_up() -> None:
    """A level is one figure, whatever leverage stands there."""
    long_usd, short_usd = np.full((5, 4), 200.0), np.zeros((5, 4))
    longs, shorts = quantised_levels(long_usd, short_usd)
    assert dequantise(longs).tolist() == dequantise(quantise(np.full(4, 1000.0))).tolist()
    assert not shorts.any()


def test_a_grid_holds_still_until_it_must_move() -> None:
    """Small moves of price and volatility keep it; nearing an edge, or a quarter more range, moves it."""
    grid = follow_grid(None, PRICE, 0.1)
    assert follow_grid(grid, PRICE * 1.02, 0.11) is grid
    assert follow_grid(grid, PRICE * 1.09, 0.1) is not grid
    assert follow_grid(grid, PRICE, 0.14) is not grid


def test_empty_bins_at_both_ends_change_no_cell() -> None:
    """To the bit, wherever what stands begins and ends; without any, every cell is 0."""
    chance = np.random.default_rng(3)
    width = 0.0002
    for first, filled, bins in ((0, 40, 40), (700, 1300, 4100), (0, 5, 4100), (4090, 10, 4100), (7, 0, 4100)):
        tight = chance.exponential(1e6, (5, filled)) * (chance.random((5, filled)) > 0.5)
        wide = np.zeros((5, bins))
        wide[:, first : first + filled] = tight
        grid = grid_over(85.0, 120.0)
        low = math.log(100.0) - bins / 2 * width
        cells = cells_usd(wide, low, width, grid)
        assert cells.shape == (5, grid.cells)
        # One figure beyond each end keeps all bins; it is in no cell of its own row.
        kept = np.concatenate((wide, np.zeros((1, bins))))
        kept[-1, [0, -1]] = 1.0
        assert cells.tobytes() == cells_usd(kept, low, width, grid)[:-1].tobytes()
