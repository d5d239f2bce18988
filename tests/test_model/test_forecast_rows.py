"""liqstream/model/forecast_rows.py: expected USD and intervals follow what past windows realised."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liqstream.model.calibration import PRIOR_PER_OPEN_INTEREST, decay_of
from liqstream.model.forecast_features import HORIZONS
from liqstream.model.forecast_rows import FactorPair, SpreadForecast, SpreadPrior, bounded, usd_of

HALF_HOUR = HORIZONS["30m"]


def test_a_factor_is_prior_and_past_realised_over_prior_and_past_forecast() -> None:
    """The calibration's recursion, its prior in proportion to the horizon."""
    pair = FactorPair(HALF_HOUR)
    assert pair.factors.tolist() == [1.0, 1.0]
    pair.learn(np.array([2e6, 0.0]), np.array([1e6, 1e6]), 8e9)
    pair.learn(np.array([1e6, 5e5]), np.array([1e6, 1e6]), 8e9)
    keep, prior = decay_of(HALF_HOUR.length_ms), PRIOR_PER_OPEN_INTEREST * 8e9 / 2
    longs = (prior + keep * 2e6 + 1e6) / (prior + keep * 1e6 + 1e6)
    shorts = (prior + 5e5) / (prior + keep * 1e6 + 1e6)
    assert pair.factors.tolist() == pytest.approx([longs, shorts])


def test_a_shipped_factor_is_where_it_starts() -> None:
    """The start is stated until own windows outweigh the prior."""
    pair = FactorPair(HALF_HOUR, np.array([1.5, 0.5]))
    assert pair.factors.tolist() == [1.5, 0.5]
    for _ in range(2000):
        pair.learn(np.array([2e6, 2e6]), np.array([1e6, 1e6]), 8e9)
    assert pair.factors.tolist() == pytest.approx([2.0, 2.0], abs=0.02)


def test_quantiles_are_those_of_the_third_the_range_is_in() -> None:
    """Wide expected ranges have their own residuals; none are stated before there are some."""
    spread = SpreadForecast(HORIZONS["1h"])
    assert spread.around(np.zeros(2), -5.0) is None
    rng = np.random.default_rng(1)
    for at in range(900):
        wide = at % 3
        spread.learn(rng.normal(0, 1.0 + wide, 2), -6.0 + wide)
    spread.refit()
    for wide in range(3):
        low, middle, high = np.asarray(spread.around(np.array([10.0, 12.0]), -6.0 + wide))[0]
        assert middle == pytest.approx(10.0, abs=0.3)
        assert high - low == pytest.approx(2 * 1.2816 * (1.0 + wide), rel=0.15)


def test_a_prior_width_gives_way_to_own_residuals() -> None:
    """Half after a week of hours; the prior alone at the start."""
    prior = SpreadPrior(np.tile([-4.0, 0.0, 4.0], (3, 1)), np.array([-6.0, -5.0]))
    spread = SpreadForecast(HORIZONS["1h"], prior)
    assert np.asarray(spread.around(np.zeros(2), -5.5))[0].tolist() == [-4.0, 0.0, 4.0]
    for at in range(168):
        spread.learn(np.array([1.0, -1.0]), -5.5 + 0.001 * at)
    spread.refit()
    assert np.asarray(spread.around(np.zeros(2), -5.5))[0, 2] == pytest.approx(2.5, abs=0.05)


def test_usd_is_never_negative_nor_infinite() -> None:
    """Whatever a regression says far from its data is held between nothing and 1e13 USD."""
    usd = usd_of(np.array([-1e9, 0.0, math.log(10_000), math.log(1e6 + 1e4), 1e9]))
    assert usd.tolist()[:3] == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)
    assert usd[3] == pytest.approx(1e6)
    assert math.isfinite(usd[4])
    assert bounded(np.array([1e9])).tolist() == [30.0]
