"""liqstream/model/mixing.py: of two kernels and two stages, the one that predicted best lately."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.market import HOUR_MS, FloatArray
from liqstream.model.calibration import PRIOR_PER_OPEN_INTEREST
from liqstream.model.mixing import (
    FLAT_SHARES,
    START,
    SUMS_HALF_LIFE_H,
    Mixed,
    MixedCalibration,
    mixed_predictions,
)

INTEREST = 8e9


def two_kernels(windows: int, seed: int = 3) -> FloatArray:
    """What two kernels that disagree predict: of shape (kernels, sides, windows)."""
    return np.random.default_rng(seed).lognormal(13, 1.5, (2, 2, windows))


def mixed(realised: FloatArray, predicted: FloatArray) -> Mixed:
    return mixed_predictions(realised, predicted, np.full(realised.shape[1], INTEREST), HOUR_MS)


def test_it_starts_with_half_of_each() -> None:
    """Uncalibrated, as long as nothing is known; unknown windows teach nothing."""
    predicted = two_kernels(5)
    found = mixed(np.full((2, 5), np.nan), predicted)
    np.testing.assert_allclose(found.usd, predicted.mean(axis=0))
    assert (found.flat_share == FLAT_SHARES[START]).all()
    assert not found.second_stage.any()


@pytest.mark.parametrize(("kernel", "share"), [(0, 0.0), (1, 1.0)])
def test_the_kernel_that_is_right_is_taken(kernel: int, share: float) -> None:
    """Liquidations that follow one of them leave its share alone, and their level is learned."""
    predicted = two_kernels(200)
    found = mixed(3 * predicted[kernel], predicted)
    assert (found.flat_share[100:] == share).all()
    ratio = found.usd[:, 100:].sum(axis=1) / (3 * predicted[kernel][:, 100:]).sum(axis=1)
    assert ratio == pytest.approx(np.ones(2), abs=0.05)


def test_newest_logs_calibrate_where_the_level_drifts() -> None:
    """A level that swings over days is followed by the second stage."""
    predicted = two_kernels(300)
    swing = np.exp(np.sin(2 * np.pi * np.arange(300) / 150))
    assert mixed(predicted[0] * swing, predicted).second_stage[100:].mean() > 0.9


def test_the_factors_by_hand() -> None:
    """(prior + decayed realised) / (prior + decayed predicted), then the mean log error of some hours."""
    calibration = MixedCalibration(round(SUMS_HALF_LIFE_H * HOUR_MS))
    calibration.learn(np.array([4e6, 1e6]), np.array([[2e6, 2e6], [6e6, 2e6]]), INTEREST)
    prior = PRIOR_PER_OPEN_INTEREST * INTEREST
    for share, factor in zip(FLAT_SHARES, calibration.factors()[:5, 0], strict=True):
        assert factor == pytest.approx((prior + 4e6) / (prior + (1 - share) * 2e6 + share * 6e6))
    error = np.log(4.01e6 / 2.01e6)
    hours = SUMS_HALF_LIFE_H
    second = calibration.factors()[5, 0] / calibration.factors()[0, 0]
    assert second == pytest.approx(np.exp(hours * error / (hours + 6)))


def test_a_window_is_predicted_before_it_is_learned_from() -> None:
    """Whatever comes later leaves what was predicted untouched; a copy learns on its own."""
    predicted, realised = two_kernels(60), np.random.default_rng(4).lognormal(13, 2, (2, 60))
    changed = realised.copy()
    changed[:, 40:] = 1e12
    first, second = mixed(realised, predicted), mixed(changed, predicted)
    np.testing.assert_array_equal(first.usd[:, :41], second.usd[:, :41])
    assert (first.usd[:, 41] != second.usd[:, 41]).all()
    calibration = MixedCalibration(HOUR_MS)
    other = calibration.copy()
    other.learn(realised[:, 0], predicted[:, :, 0], INTEREST)
    assert (calibration.known_ms, other.known_ms) == (0, HOUR_MS)
    assert (calibration.factors() == 1).all()
