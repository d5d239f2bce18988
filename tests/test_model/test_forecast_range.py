"""liqstream/model/forecast_range.py: R and S are what past windows say, and priors give way to them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liqstream.market import DAY_MS, HOUR_MS
from liqstream.model.forecast_features import HORIZONS, ExponentialMeans, Window
from liqstream.model.forecast_range import (
    MIN_WINDOWS,
    REACH_GRID,
    RangeForecast,
    RangePrior,
    chance_of,
    own_share,
)

HOUR = HORIZONS["1h"]
LOG_RANGE = math.log(0.01)


def run(ranges: RangeForecast, hours: int, log_range_at: float = LOG_RANGE) -> None:
    """Hours whose ln range repeats half of the one before, around -5, with a louder noon; then refit."""
    past = ExponentialMeans(HOUR.range_half_lives)
    rng = np.random.default_rng(2)
    last = -5.0
    for hour in range(hours):
        time_ms = hour * HOUR_MS
        now = -5.0 + 0.5 * (last + 5.0) + (1.0 if hour % 24 == 12 else 0.0) + rng.normal(0, 0.05)
        width = math.exp(now)
        window = Window(100.0, 100.0 * math.exp(width / 2), 100.0 * math.exp(-width / 2), 100.0)
        row = ranges.row(time_ms, past)
        if row is not None:
            ranges.learn(time_ms, row, log_range_at, window)
        past.learn(np.array([now]))
        last = now
    ranges.refit(hours * HOUR_MS)


def test_the_regression_finds_how_ranges_follow_each_other() -> None:
    """The coefficient of the last range and the louder hour come out, from enough windows on."""
    ranges = RangeForecast(HOUR)
    run(ranges, MIN_WINDOWS)
    assert ranges.coefficients is None
    ranges = RangeForecast(HOUR)
    run(ranges, 60 * 24)
    assert ranges.coefficients is not None
    assert ranges.coefficients[1] == pytest.approx(0.5, abs=0.05)
    noon = 1 + 1 + len(HOUR.range_half_lives) + 11
    assert ranges.coefficients[noon] == pytest.approx(1.0, abs=0.1)


def test_reach_is_the_share_of_past_excursions_beyond() -> None:
    """S falls from about 1 to 0; where every excursion is known, it is their share."""
    ranges = RangeForecast(HOUR)
    run(ranges, 30 * 24)
    assert ranges.reach is not None
    assert (np.diff(ranges.reach) <= 0).all()
    excursions = np.array(ranges._reached)
    for u in (0.2, 0.5, 1.0):
        expected = (excursions > u).mean()
        assert chance_of(ranges.reach, np.array([u * 0.01]), LOG_RANGE)[0] == pytest.approx(
            expected, abs=0.02
        )
    assert chance_of(ranges.reach, np.array([0.5]), LOG_RANGE)[0] == 0.0


def test_a_prior_speaks_first_and_weighs_half_after_a_week() -> None:
    """A new market has a range and a chance at once; own data takes over with the calibration's half-life."""
    coefficients = np.zeros(28)
    coefficients[0] = -7.0
    prior = RangePrior(coefficients, np.exp(-REACH_GRID))
    ranges = RangeForecast(HOUR, prior)
    past = ExponentialMeans(HOUR.range_half_lives)
    past.learn(np.array([-5.0]))
    row = ranges.row(0, past)
    assert row is not None
    assert ranges.log_range(row) == -7.0
    assert ranges.reach is not None
    run(ranges, 169)
    own = float(row @ np.asarray(ranges.coefficients))
    assert ranges.log_range(row) == pytest.approx((own - 7.0) / 2, abs=0.01)
    assert own_share(7 * DAY_MS) == pytest.approx(0.5)
    assert own_share(0) == 0.0


def test_half_hours_follow_the_day_by_sine_and_cosine() -> None:
    """30m has two columns for the time of day instead of 23."""
    past = ExponentialMeans(HORIZONS["30m"].range_half_lives)
    ranges = RangeForecast(HORIZONS["30m"])
    assert ranges.row(0, past) is None
    past.learn(np.array([-5.0]))
    row = ranges.row(6 * HOUR_MS, past)
    assert row is not None
    assert row[-2:].tolist() == pytest.approx([1.0, 0.0])
