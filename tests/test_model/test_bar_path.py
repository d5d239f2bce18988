"""liqstream/model/bar_path.py: where within its bars the price has been."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from liqstream.market import HOUR_MS, Bars
from liqstream.model.bar_path import USUAL_PATH_WEIGHT, BarPath, points_per_bar, walk
from tests.support.market_bars import any_bars, bars_of_prices

WIDTH = 0.01
NOTHING = np.zeros(1)


def path_of(*log_prices: float) -> BarPath:
    """The path of one bar from its open, high, low and close, in log price."""
    return walk(bars_of_prices(np.exp(np.array([log_prices]))), WIDTH, NOTHING)[0]


def test_points_by_interval() -> None:
    """Twelve for an hour, six for five minutes, three at least."""
    assert [points_per_bar(ms) for ms in (HOUR_MS, 300_000, 1)] == [12, 6, 3]


@given(bars=any_bars())
def test_a_path_stays_within_its_bar_and_sums_to_one(bars: Bars) -> None:
    """Occupancy covers the bins from low to high; what came after an extreme is a part of it."""
    for row, path in enumerate(walk(bars, WIDTH, NOTHING)):
        assert path.low <= path.close <= path.high
        assert path.low == math.floor(float(np.log(bars.low[row])) / WIDTH)
        assert len(path.occupancy) == path.high - path.low + 1
        assert path.occupancy.sum() == pytest.approx(1)
        assert (path.after_low <= path.occupancy + 1e-12).all()
        assert (path.after_high <= path.occupancy + 1e-12).all()


def test_a_rising_bar_usually_saw_its_low_first() -> None:
    """From low to high in one go with weight .75; else up, down and up again, each a third of the way."""
    path = path_of(0.105, 0.205, 0.105, 0.205)
    usual, other = USUAL_PATH_WEIGHT, 1 - USUAL_PATH_WEIGHT
    assert path.after_low.sum() == pytest.approx(usual + other / 3)
    assert path.after_high.sum() == pytest.approx(other * 2 / 3)
    falling = path_of(0.205, 0.205, 0.105, 0.105)
    assert falling.after_high.sum() == pytest.approx(usual + other / 3)


def test_the_last_way_leads_from_the_far_extreme_to_the_close() -> None:
    """Three tenths up and as much back above .16 after the low, of the usual path; none of the other."""
    path = path_of(0.105, 0.205, 0.105, 0.155)
    above = slice(16 - path.low, None)
    assert path.after_low[above].sum() == pytest.approx(USUAL_PATH_WEIGHT * 0.6, abs=0.06)
    falling = path_of(0.205, 0.205, 0.105, 0.155)
    assert falling.after_high[: 15 - falling.low].sum() == pytest.approx(USUAL_PATH_WEIGHT * 0.6, abs=0.06)


def test_shares_of_the_bins_its_ends_lie_in() -> None:
    """A low three tenths up its bin leaves three tenths below it, a high two tenths up eight above it."""
    path = path_of(0.105, 0.202, 0.083, 0.195)
    assert path.below_low == pytest.approx(0.3)
    assert path.above_high == pytest.approx(0.8)
    assert path.below_close == pytest.approx(0.5)


def test_what_the_path_sweeps_again_is_a_share_of_the_kernel() -> None:
    """A kernel at the entry itself is swept whole, one far beyond the bar not at all."""
    bars = bars_of_prices(np.exp(np.array([[0.105, 0.155, 0.055, 0.105]])))
    at_entry = walk(bars, WIDTH, np.array([1.0]))[0]
    assert (at_entry.swept_long, at_entry.swept_short) == pytest.approx((1.0, 1.0))
    far = walk(bars, WIDTH, np.concatenate((np.zeros(500), [1.0])))[0]
    assert (far.swept_long, far.swept_short) == (0.0, 0.0)
    near = walk(bars, WIDTH, np.concatenate((np.zeros(4), [1.0])))[0]
    assert 0 < near.swept_long < 1
    assert 0 < near.swept_short < 1
