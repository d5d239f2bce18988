"""liqstream/model/forecast_ridge.py: the textbook's ridge, on a year at most, by the best penalty so far."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.market import DAY_MS, HOUR_MS, FloatArray
from liqstream.model.forecast_ridge import MIN_WINDOWS, YEAR_MS, Moments, RidgeRows

WIDTH = 4


def market(windows: int, seed: int = 1) -> tuple[FloatArray, FloatArray]:
    """Rows (windows, WIDTH, 2) and y (windows, 2): the first two columns matter, the last never moves."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(3.0, 2.0, (windows, WIDTH, 2))
    rows[:, 3] = 7.0
    y = 12 + 0.8 * rows[:, 0] - 0.3 * rows[:, 1] + rng.normal(0, 0.5, (windows, 2))
    return rows, y


def learned(
    windows: int, penalties: tuple[float, ...] = (10.0, 300.0)
) -> tuple[RidgeRows, FloatArray, FloatArray]:
    rows, y = market(windows)
    columns = {"all": np.arange(WIDTH), "second": np.array([1])}
    ridge = RidgeRows(WIDTH, columns, penalties)
    for at in range(windows):
        ridge.learn(at * HOUR_MS, rows[at], y[at])
        if at % 24 == 23:
            ridge.refit((at + 1) * HOUR_MS)
    return ridge, rows, y


def test_it_is_the_ridge_on_standardised_columns_with_both_sides_pooled() -> None:
    """y_hat equals that of the textbook's normal equations, the penalty on the diagonal of Z'Z."""
    ridge, rows, y = learned(480, penalties=(30.0,))
    x, target = rows.transpose(0, 2, 1).reshape(-1, WIDTH)[:, :3], y.ravel()
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    weights = np.linalg.solve(z.T @ z + 30.0 * np.eye(3), z.T @ (target - target.mean()))
    new = np.array([[1.0, 2.0], [4.0, 5.0], [6.0, 7.0], [7.0, 7.0]])
    expected = target.mean() + ((new[:3].T - x.mean(axis=0)) / x.std(axis=0)) @ weights
    assert ridge.predict(new)["all"] == pytest.approx(expected, rel=1e-9)


def test_a_column_that_never_moved_explains_nothing_when_it_does() -> None:
    """A constant column's first move must not throw the forecast off."""
    ridge, rows, _ = learned(480)
    moved = rows[0].copy()
    moved[3] = 1e6
    assert np.array_equal(ridge.predict(moved)["all"], ridge.predict(rows[0])["all"])


def test_the_penalty_with_the_least_past_error_is_used() -> None:
    """With a strong signal the weak penalty wins; before any error the strong one is used."""
    ridge, rows, y = learned(600)
    fit = ridge._fits["all"]
    assert fit.errors[0] < fit.errors[1]
    assert np.array_equal(ridge.predict(rows[0])["all"], fit.predict(rows[0])[0])
    fit.errors[:] = 0.0
    assert np.array_equal(ridge.predict(rows[0])["all"], fit.predict(rows[0])[1])
    assert np.isfinite(y).all()


def test_nothing_is_fitted_before_enough_windows() -> None:
    """300 windows of both sides are needed."""
    assert not learned(MIN_WINDOWS - 13)[0].fitted
    assert learned(MIN_WINDOWS + 12)[0].fitted


def test_what_is_older_than_a_year_is_forgotten() -> None:
    """Sums hold no row older than a year, and are those of the rows that are left."""
    moments = Moments(2)
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(500, 1, 2))
    for day in range(500):
        moments.add(day * DAY_MS, rows[day], np.array([1.0]))
        moments.forget((day + 1) * DAY_MS - YEAR_MS)
    count, sums, _ = moments.totals()
    assert 365 - 28 <= count <= 365
    assert sums[:2] == pytest.approx(rows[-count:, 0].sum(axis=0))
