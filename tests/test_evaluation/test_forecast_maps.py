"""liqstream/evaluation/forecast_maps.py: the naive maps are what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.evaluation.baselines import uniform
from liqstream.evaluation.forecast_maps import MAP_NAMES, ComparedMaps, UniformLevels
from liqstream.model.forecast_features import masses_by_distance
from liqstream.model.kernel import tiered
from liqstream.model.spread import BIN_WIDTH
from tests.support.market_bars import FIVE_MINUTES_MS, random_bars


@pytest.mark.parametrize("volatility", [0.002, 0.02])
def test_uniform_levels_are_those_of_the_baseline(volatility: float) -> None:
    """Bar by bar, on bins that follow the price, stands what the score's B3 leaves."""
    bars = random_bars(400, seed=5, volatility=volatility)
    levels = UniformLevels()
    for high, low, close in zip(bars.high, bars.low, bars.close, strict=True):
        levels.step(float(high), float(low), float(close))
    rails = uniform(bars)[1]
    price = float(bars.close[-1])
    expected = masses_by_distance(rails.first_bin * BIN_WIDTH, BIN_WIDTH, (rails.long, rails.short), price)
    found = levels.standing()
    sides = (found.long_usd[0], found.short_usd[0])
    masses = masses_by_distance(found.low_log_price, BIN_WIDTH, sides, price)
    assert masses == pytest.approx(expected, rel=1e-6)


def test_every_map_stands_somewhere_and_the_judged_one_is_the_estimators() -> None:
    """Four maps by distance; open interest is what the estimator knows; prices in a block or one by one."""
    bars = random_bars(300)
    at_once, one_by_one = (ComparedMaps(tiered(), FIVE_MINUTES_MS) for _ in range(2))
    at_once.advance(bars)
    for row in range(len(bars)):
        one_by_one.advance(bars[row : row + 1])
    masses = at_once.masses()
    assert masses.shape[0] == len(MAP_NAMES)
    assert (masses.sum(axis=2) > 0).all()
    assert one_by_one.masses() == pytest.approx(masses)
    assert at_once.open_interest_usd == pytest.approx(bars.open_interest_base[-1] * bars.close[-1])


def test_a_jump_of_the_price_keeps_what_is_within_reach() -> None:
    """Levels move with the bins: after a fall of 60 % the shorts far above are gone, the bins go on."""
    levels = UniformLevels()
    for price in (100.0, 40.0, 41.0):
        levels.step(price * 1.001, price * 0.999, price)
    standing = levels.standing()
    assert np.isfinite(standing.long_usd).all()
    assert standing.long_usd.sum() > 0
