"""liqstream/evaluation/bootstrap.py: weighted statistics equal SciPy's on the data drawn out in full."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from liqstream.evaluation.bootstrap import Bootstrap, day_weights, interval_of, side_statistics
from liqstream.market import DAY_MS, HOUR_MS, FloatArray


def _market(
    days: int, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    rng = np.random.default_rng(seed)
    times = HOUR_MS * np.arange(days * 24, dtype=np.int64)
    truth = rng.lognormal(12, 2, len(times))
    # Ties on purpose: zeros in what happened, steps in what was predicted.
    realised = np.where(rng.random(len(times)) < 0.2, 0.0, truth)
    predicted = np.round(truth * rng.lognormal(0, 1, len(times)), -5)
    return predicted, realised, rng.random(len(times)), times


@given(seed=st.integers(0, 50))
def test_every_draw_equals_scipy_on_the_days_drawn(seed: int) -> None:
    """A draw's weights give the same rank correlation and sums as repeating its days."""
    predicted, realised, excursion, times = _market(8, seed)
    found = side_statistics({"x": predicted}, realised, excursion, times, Bootstrap(5, seed))["x"]
    weights = np.concatenate(list(day_weights(times, Bootstrap(5, seed))))
    for draw, row in enumerate(weights.astype(int)):
        x, y = np.repeat(predicted, row), np.repeat(realised, row)
        assert found.spearman[draw] == pytest.approx(spearmanr(x, y)[0])
        assert found.calibration[draw] == pytest.approx(y.sum() / x.sum())
        errors = np.log(x + 1e4) - np.log(y + 1e4)
        assert found.log_r2[draw] == pytest.approx(1 - (errors**2).mean() / np.log(y + 1e4).var())


def test_whole_days_are_drawn_and_the_first_row_is_the_data() -> None:
    """All hours of a day share a weight, and every draw has as many days as there are."""
    times = HOUR_MS * np.arange(10 * 24, dtype=np.int64)
    weights = np.concatenate(list(day_weights(times, Bootstrap(50, 1))))
    assert weights.shape == (51, 240)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 240).all()
    by_day = weights.reshape(51, 10, 24)
    assert (by_day == by_day[:, :, :1]).all()
    assert DAY_MS == 24 * HOUR_MS


def test_a_perfect_prediction_is_perfect_in_every_figure() -> None:
    """Predicting what happened scores 1 throughout, in every draw."""
    _, realised, excursion, times = _market(20, 3)
    found = side_statistics({"x": realised}, realised, excursion, times, Bootstrap(100))["x"]
    for figure in (found.spearman, found.partial_spearman, found.calibration, found.log_r2):
        np.testing.assert_allclose(figure, 1)
    top = np.sort(realised)[::-1][: len(realised) // 10].sum() / realised.sum()
    assert found.top_decile_share[0] == pytest.approx(top)


def test_a_prediction_that_never_varies_ranks_nothing() -> None:
    """A constant has rank correlation 0, not an error."""
    predicted, realised, excursion, times = _market(5, 4)
    found = side_statistics({"x": np.ones_like(predicted)}, realised, excursion, times, Bootstrap(10))["x"]
    assert (found.spearman == 0).all()
    assert (found.partial_spearman == 0).all()


def test_the_same_seed_gives_the_same_interval() -> None:
    """Two runs agree to the last digit."""
    predicted, realised, excursion, times = _market(12, 5)
    runs = [
        side_statistics({"x": predicted}, realised, excursion, times, Bootstrap(200))["x"] for _ in range(2)
    ]
    assert interval_of(runs[0].spearman) == interval_of(runs[1].spearman)
    low, high = interval_of(runs[0].spearman)
    assert low < runs[0].spearman[0] < high
