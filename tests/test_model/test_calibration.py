"""liqstream/model/calibration.py: one amplitude per side, learned from past bars alone."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.market import HOUR_MS
from liqstream.model.calibration import (
    CALIBRATING_MS,
    HALF_LIFE_MS,
    PRIOR_PER_OPEN_INTEREST,
    Amplitude,
    decay_of,
    past_amplitudes,
)


def test_the_amplitude_is_the_same_bar_by_bar_and_over_columns() -> None:
    """The score's column form and the estimator's recursion agree."""
    rng = np.random.default_rng(5)
    realised, predicted, interest = rng.random(60) * 1e6, rng.random(60) * 1e6, np.full(60, 8e9)
    # While open interest is unknown its last figure holds: nothing of the prior is lost by that.
    interest[20:45] = 0.0
    interest[50:] = 2e9
    side = Amplitude(HOUR_MS)
    factors = []
    for row in zip(realised, predicted, interest, strict=True):
        factors.append(side.factor)
        side.learn(*row)
    np.testing.assert_allclose(past_amplitudes(realised, predicted, interest, HOUR_MS), factors)


def test_the_displayed_amplitude_sets_out_late_and_moves_by_a_hundredth_a_bar() -> None:
    """Every move of the amplitude changes every level: small ones wait, large ones fade in."""
    side = Amplitude(HOUR_MS)
    side.learn(1.02e9, 1e9, 8e9)
    assert side.displayed == 1.0
    side.learn(2e9, 1e9, 8e9)
    heading_for = side.factor
    assert side.displayed == pytest.approx(1.01)
    side.fade(9)
    assert side.displayed == pytest.approx(1.01**10) != heading_for
    side.learn(heading_for * 1e9, 1e9, 8e9)
    side.fade(100)
    assert side.displayed == heading_for > 1.3


def test_the_factor_by_hand() -> None:
    """(prior + decayed realised) / (prior + decayed predicted), half of it forgotten in a week."""
    assert decay_of(HALF_LIFE_MS) == 0.5
    side = Amplitude(HALF_LIFE_MS)
    assert side.factor == 1.0
    side.learn(4e6, 2e6, 8e9)
    side.learn(1e6, 3e6, 8e9)
    prior = PRIOR_PER_OPEN_INTEREST * 8e9
    assert side.factor == pytest.approx((prior + 2e6 + 1e6) / (prior + 1e6 + 3e6))


def test_the_prior_counts_at_the_factor_a_market_starts_from() -> None:
    """On display from the start; own liquidations take over from there, a copy's apart."""
    side = Amplitude(HALF_LIFE_MS, first=0.3)
    assert (side.factor, side.displayed, side.heading_for) == (0.3, 0.3, 0.3)
    prior, copied = PRIOR_PER_OPEN_INTEREST * 8e9, side.copy()
    side.learn(4e6, 2e6, 8e9)
    assert side.factor == pytest.approx((prior * 0.3 + 4e6) / (prior + 2e6))
    assert side.displayed == pytest.approx(0.3 * 1.01)
    assert (copied.factor, copied.displayed) == (0.3, 0.3)


def test_two_weeks_of_realised_liquidations_calibrate() -> None:
    """Not a bar less; a copy learns on its own."""
    side = Amplitude(HOUR_MS)
    for _ in range(CALIBRATING_MS // HOUR_MS - 1):
        side.learn(0.0, 0.0, 8e9)
    other = side.copy()
    other.learn(0.0, 0.0, 8e9)
    assert (side.calibrating, other.calibrating) == (True, False)
