"""liqstream/wire/history_codec.py: "LQH1" and columns as objects."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from liqstream.heatmap.history_track import Track
from liqstream.heatmap.price_grid import grid_over
from liqstream.heatmap.warmup import Warmup
from liqstream.market import DAY_MS
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import tiered
from liqstream.wire.history_codec import encode_history, history_columns, price_step_of
from tests.support.lqh1 import COLUMN_MS, decoded, matrix
from tests.support.market_bars import FIVE_MINUTES_MS
from tests.support.recorded import five_minute_bars


@given(data=st.data(), columns=st.integers(1, 8), cells=st.integers(2, 6))
def test_what_is_encoded_can_be_decoded(data: st.DataObject, columns: int, cells: int) -> None:
    """Quantised levels come back exactly and candles to the price step, gaps included."""
    quantised = arrays.arrays(np.uint16, (columns, cells), elements=st.integers(0, 1085))
    long, short = data.draw(quantised), data.draw(quantised)
    figures = arrays.arrays(np.float64, (4, columns), elements=st.integers(1, 10**6))
    candles = np.sort(data.draw(figures), axis=0)[[1, 3, 0, 2]] / 10
    gap = data.draw(arrays.arrays(np.bool_, columns))
    candles[:, gap] = np.nan
    long[gap] = short[gap] = 0
    grid = grid_over(100.0, 100.0 + 5 * (cells - 1), step=5.0)
    head, longs, shorts, bars = decoded(encode_history(matrix(long, short, candles, grid)))
    np.testing.assert_array_equal(longs, long)
    np.testing.assert_array_equal(shorts, short)
    np.testing.assert_allclose(bars, candles, rtol=1e-9)
    assert (head["p0"], head["step"], head["partial"]) == (100.0, 5.0, True)
    assert head["ladder"] == {"floor": 500, "ratio": 1.02}


def test_the_header_names_levels_that_could_be_packed() -> None:
    """The same matrix comes back, its candles behind the levels; else it is as if not asked for."""
    long, short = np.array([[3, 0], [3, 0]], np.uint16), np.array([[0, 4], [0, 7]], np.uint16)
    grid, candles = grid_over(100.0, 105.0, step=5.0), np.full((4, 2), 10.5)
    head, longs, shorts, bars = decoded(encode_history(matrix(long, short, candles, grid), packed=True))
    assert head["packed"] is True
    np.testing.assert_array_equal((longs, shorts), (long, short))
    np.testing.assert_array_equal(bars, candles)
    head, longs, shorts, _ = decoded(encode_history(matrix(short, long, candles, grid), packed=True))
    assert "packed" not in head
    np.testing.assert_array_equal((longs, shorts), (short, long))


@pytest.mark.parametrize(
    ("prices", "price_step"),
    [([93_371.12, 92_824.3], 0.01), ([0.12345, 0.2], 1e-5), ([100.0], 1.0), ([], 1.0)],
)
def test_the_price_step_is_the_prices_own(prices: list[float], price_step: float) -> None:
    """The coarsest power of ten every price is a multiple of."""
    assert price_step_of(np.array([prices] * 4)) == price_step


@pytest.mark.parametrize("exponent", range(-12, 8))
def test_candles_of_every_size_of_price_come_back(exponent: int) -> None:
    """From a billionth of a dollar to a million of them: to seven digits, or to 1e-14 USD, none of them 0."""
    rng = np.random.default_rng(exponent + 50)
    close = np.round(np.cumprod(1 + 0.01 * rng.standard_normal(200)), 6) * float(f"1e{exponent}")
    candles = np.stack((close, close * 1.01, close * 0.99, close))
    price_step = price_step_of(candles)
    steps = np.rint(candles / price_step)
    assert steps.max() < 2**31
    np.testing.assert_allclose(steps * price_step, candles, rtol=max(2e-7, 1e-14 / candles.min()))
    assert (steps > 0).all()


def test_a_price_too_fine_for_31_bits_is_rounded() -> None:
    """Nine decimals of a large price do not fit; the finest step that does is taken."""
    assert price_step_of(np.array([[93_371.123456789]] * 4)) == 1e-4


def test_columns_as_objects_count_what_came_and_went() -> None:
    """Levels with their USD, cells that gained and cells that were swept since the column before."""
    long = np.array([[0, 5, 5], [7, 5, 0]], dtype=np.uint16)
    short = np.zeros_like(long)
    first, second = history_columns(matrix(long, short, np.ones((4, 2)), grid_over(100, 110, step=5.0)))
    assert first["positions_created"] == first["positions_consumed"] == 0
    assert [level["price"] for level in first["levels"]] == [105.0, 110.0]
    assert (second["positions_created"], second["positions_consumed"]) == (1, 1)
    assert second["timestamp"] == "2026-05-28T20:45:00Z"


@pytest.mark.shared_data
def test_a_week_fits_in_forty_kilobytes(shared_data: Path) -> None:
    """Seven recorded days at 15 m x 300 levels are at most 40 KB of gzip."""
    bars = five_minute_bars(shared_data / "binance_btcusdt_5m_20260525_20260603.csv")
    end_ms = int(bars.open_time_ms[-1]) + FIVE_MINUTES_MS
    low, high = float(bars.low.min()), float(bars.high.max())
    middle, half = (low + high) / 2, 150 * 50
    grid = grid_over(middle - half, middle + half, step=50)
    estimators = [Estimator(tiered(), interval_ms=FIVE_MINUTES_MS)]
    made = Track(COLUMN_MS, end_ms - 7 * DAY_MS, grid, estimators)
    unknown = np.full(len(bars), np.nan)
    made.finish([Warmup(bars, unknown, unknown, np.zeros(len(bars), dtype=np.int64))], end_ms)
    long, short, candles = (np.array(part) for part in zip(*made.columns, strict=True))
    found = matrix(long, short, candles.T, grid)
    assert found.columns == 672
    assert abs(found.grid.cells - 300) <= 2
    assert len(gzip.compress(encode_history(found), 6)) <= 40_000
