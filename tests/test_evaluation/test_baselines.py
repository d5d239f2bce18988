"""liqstream/evaluation/baselines.py: what the map must beat, worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.evaluation.baselines import BASELINES, baselines, uniform
from liqstream.evaluation.intervals import covered_intervals
from liqstream.market import DAY_MS, HOUR_MS
from tests.support.market_bars import FIVE_MINUTES_MS, bars_of_prices


def test_uniform_sweeps_what_earlier_bars_laid() -> None:
    """B3: a bar adds 1e6 to either side .2 to 10 % away; a fall of 5 % takes its share of the longs."""
    prices = np.array([[100, 100, 100, 100.0], [100, 100, 95, 95.0], [95, 95, 95, 95.0]])
    swept = uniform(bars_of_prices(prices))[0]
    share = (-np.log(0.95) - 0.002) / (0.10 - 0.002)
    assert swept.long[0] == swept.short[0] == 0
    assert swept.long[1] == pytest.approx(1e6 * share, rel=0.01)
    assert swept.short[1] == 0
    # The quarter laid at the second bar's high lies above its close: the next bar finds it.
    assert swept.long[2] == pytest.approx(0.25e6 * share, rel=0.01)


def test_baselines_by_hand() -> None:
    """B1, B2 and B5 of one interval worked out on paper."""
    day = DAY_MS // HOUR_MS
    prices = np.tile(np.array([100, 101, 99, 100.0]), (day + 2, 1))
    prices[-1] = [100, 104, 97, 103]
    bars = bars_of_prices(prices, interval_ms=HOUR_MS, open_interest_base=1000 + np.arange(day + 2.0))
    intervals = covered_intervals(bars, bars.open_time_ms, HOUR_MS)
    found = baselines(bars, intervals)
    assert set(found) == set(BASELINES)
    assert found["excursion"].long[-1] == pytest.approx(0.03)
    assert found["excursion"].short[-1] == pytest.approx(0.04)
    assert found["extreme"].long[-1] == pytest.approx(0.02)
    assert found["extreme"].short[-1] == pytest.approx(0.03)
    assert (found["extreme"].long[:-1] == 0).all()
    assert found["uniform_range"].long[-1] == pytest.approx(
        (found["uniform"].long[-1] + 1e4) * 0.07, rel=1e-9
    )


def test_one_sided_takes_its_side_from_the_colour() -> None:
    """The public ancestor: a rising bar with more open interest makes longs alone."""
    prices = np.array(
        [[100, 100, 100, 100.0], [100, 101, 100, 101.0], [101, 101, 60, 60.0], [60, 150, 60, 150.0]]
    )
    bars = bars_of_prices(prices, open_interest_base=np.array([10.0, 20.0, 20.0, 20.0]))
    found = baselines(bars, covered_intervals(bars, bars.open_time_ms, FIVE_MINUTES_MS))["one_sided"]
    assert found.long[2] > 0
    assert found.short[3] == 0
