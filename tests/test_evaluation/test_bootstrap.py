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
        assert found.top_decile_share[draw] == pytest.approx(_top_tenth(x, y))


def _top_tenth(x: FloatArray, y: FloatArray) -> float:
    """The share of y in the highest tenth by x; of equals at its edge their mean."""
    room, found = len(x) / 10, 0.0
    for value in np.unique(x)[::-1]:
        alike = y[x == value]
        taken = min(room, len(alike))
        found, room = found + taken * alike.mean(), room - taken
    return float(found / y.sum())


def test_what_tells_nothing_apart_scores_nothing_whatever_the_order() -> None:
    """A constant prediction has a tenth of the USD in its highest tenth, also where they come last."""
    _, _, excursion, times = _market(20, 3)
    rising = np.linspace(1e5, 1e7, len(times))
    same = np.full(len(times), 5e5)
    for realised in (rising, rising[::-1]):
        found = side_statistics({"x": same}, realised, excursion, times, Bootstrap(20))["x"]
        assert found.top_decile_share == pytest.approx(0.1)
        assert not found.spearman.any()
    # And where all that happened was alike, or nothing did, there is nothing to explain.
    for realised in (same, 0 * same):
        found = side_statistics({"x": rising}, realised, excursion, times, Bootstrap(20))["x"]
        assert np.isnan(found.log_r2).all()
        assert np.isnan(interval_of(found.log_r2)).all()
        assert not found.spearman.any()


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
