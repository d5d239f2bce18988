"""liqstream/model/forecast_features.py: columns are what their formulas say, over windows that are whole."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liqstream.market import HOUR_MS
from liqstream.model.forecast_features import (
    CELL_WIDTH,
    CELLS,
    HORIZONS,
    ExponentialMeans,
    PriceHistory,
    Window,
    bend_columns,
    mass_columns,
    masses_by_distance,
    move_columns,
    past_usd_columns,
)
from tests.support.market_bars import random_bars

Prices = tuple[float, float, float, float]


def history_of(
    count: int, *, missing: tuple[int, ...] = ()
) -> tuple[PriceHistory, list[tuple[float, float, float, float]]]:
    """Hours from the epoch on, and their prices (open, high, low, close)."""
    bars = random_bars(count, interval_ms=HOUR_MS)
    rows = list(zip(bars.open, bars.high, bars.low, bars.close, strict=True))
    history = PriceHistory(HOUR_MS)
    for hour, (open_, high, low, close) in enumerate(rows):
        if hour not in missing:
            history.append(hour * HOUR_MS, (open_, high, low, close))
    return history, rows


def test_means_have_normalised_exponential_weights() -> None:
    """A mean is the weighted sum over all values, the newest with weight 1, half of it a half-life back."""
    values = np.random.default_rng(1).normal(size=(40, 2))
    means = ExponentialMeans((6.0, 48.0), 2)
    for value in values:
        means.learn(value)
    for row, half_life in enumerate((6.0, 48.0)):
        weights = 0.5 ** (np.arange(40)[::-1] / half_life)
        assert np.allclose(means.values[row], weights @ values / weights.sum())
    assert means.last is not None
    assert np.array_equal(means.last, values[-1])


def test_a_window_is_whole_or_there_is_none() -> None:
    """Four hours are open, extremes and close of four bars; with one missing there is no window."""
    history, rows = history_of(12, missing=(5,))
    window = history.window(4 * HOUR_MS, 4 * HOUR_MS)
    assert window == Window(
        rows[0][0], max(row[1] for row in rows[:4]), min(row[2] for row in rows[:4]), rows[3][3]
    )
    assert window.log_range == math.log(math.log(window.high / window.low))
    assert Window(100.0, 100.0, 100.0, 100.0).log_range == math.log(1e-4)
    assert history.end_ms == 12 * HOUR_MS
    assert PriceHistory(HOUR_MS).end_ms is None
    assert history.window(8 * HOUR_MS, 4 * HOUR_MS) is None
    assert history.window(12 * HOUR_MS, 4 * HOUR_MS) is not None
    assert history.window(13 * HOUR_MS, HOUR_MS) is None


def test_extremes_are_those_of_the_last_hours_however_long_the_history() -> None:
    """Spans of hours give the extremes of the bars within them, also after old bars were dropped."""
    history, rows = history_of(500)
    spans = (1.0, 6.0, 24.0, 168.0)
    found = history.extremes(spans)
    for at, hours in enumerate(spans):
        part = rows[-int(hours) :]
        assert found.low[at] == min(row[2] for row in part)
        assert found.high[at] == max(row[1] for row in part)
        assert found.open[at] == part[0][0]
    assert found.close == rows[-1][3]


def test_a_gap_leaves_the_last_bar_to_the_shortest_span() -> None:
    """Where the last hour's only bar is older, that bar counts: a distance is always known."""
    history = PriceHistory(HOUR_MS // 2)
    history.append(0, (10.0, 12.0, 9.0, 11.0))
    found = history.extremes((0.25, 1.0))
    assert found.low.tolist() == [9.0, 9.0]


def test_columns_of_moves_and_bends_change_sign_and_place_with_the_side() -> None:
    """The shorts' own column is the longs' other one; the return is positive for longs when it rose."""
    history, _ = history_of(200)
    log_range = math.log(0.01)
    horizon = HORIZONS["1h"]
    extremes = history.extremes(horizon.extreme_hours)
    bends = bend_columns(extremes, log_range)
    assert bends.shape == (6 * len(horizon.extreme_hours), 2)
    half = len(bends) // 2
    assert np.array_equal(bends[:half, 0], bends[half:, 1])
    u = math.log(extremes.close / extremes.low[3]) / 0.01
    hours = len(horizon.extreme_hours)
    assert bends[3, 0] == pytest.approx(math.log(u + 0.05))
    assert bends[hours + 3, 0] == pytest.approx(math.exp(-u))
    assert bends[2 * hours + 3, 0] == pytest.approx(min(u, 3))
    moves = move_columns(Window(100, 103, 99, 102), history.extremes((6.0, 24.0, 72.0)), log_range)
    assert moves[0].tolist() == pytest.approx([math.log(1.02) / 0.01, -math.log(1.02) / 0.01])
    assert np.array_equal(moves[1], moves[2][::-1])


def test_past_liquidations_need_one_known_window() -> None:
    """Own and other side alternate; without any past window there are no columns."""
    past = ExponentialMeans((6.0, 48.0, 168.0), 2)
    with pytest.raises(ValueError, match="no past window"):
        past_usd_columns(past)
    past.learn(np.array([1.0, 2.0]))
    assert past_usd_columns(past).tolist() == [[1.0, 2.0], [2.0, 1.0]] * 4


def test_masses_are_counted_by_distance_and_none_is_lost() -> None:
    """A bin that straddles two cells is split; within 15 % the sums are those of the density."""
    width = 0.0002
    low = math.log(100.0) - 1000.5 * width
    usd = np.zeros(2000)
    usd[990] = 8.0  # its upper edge 9.5 bins, or 19 bp, below the price: half a bin in the second cell
    masses = masses_by_distance(low, width, (usd, usd), 100.0)
    assert masses.shape == (2, CELLS)
    assert masses[0].sum() == pytest.approx(8.0)
    assert masses[0, 1] == pytest.approx(4.0)
    assert masses[0, 2] == pytest.approx(4.0)
    assert not masses[1].any()


def test_mass_columns_sum_what_is_near() -> None:
    """Within one expected range of 1 % lie ten cells; a part of a cell counts in part."""
    masses = np.zeros((2, CELLS))
    masses[0, :10] = 1e6
    masses[1, 4] = 3e6
    columns = mass_columns(np.array([5.0, 7.0]), masses, math.log(10 * CELL_WIDTH))
    assert columns[0].tolist() == pytest.approx([math.log(10_005), math.log(10_007)])
    assert columns[1].tolist() == columns[0][::-1].tolist()
    assert columns[2, 0] == pytest.approx(math.log(5e6 + 1e4))
    assert columns[4, 0] == pytest.approx(math.log(1e7 + 1e4))
    assert columns[4, 1] == pytest.approx(math.log(3e6 + 1e4))
