"""liqstream/heatmap/quantise.py: USD to the nearest 2 % step and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.heatmap.quantise import FLOOR_USD, QUANTISED_USD, STEP_RATIO, TOP_USD, dequantise, quantise


@given(st.floats(FLOOR_USD, 1e11))
def test_a_quantised_figure_is_within_half_a_step_of_the_exact_one(usd: float) -> None:
    """Off by at most half a step in ratio, and by rounding to whole USD."""
    quantised = int(dequantise(quantise(np.array([usd])))[0])
    assert abs(math.log(quantised / usd)) <= math.log(STEP_RATIO) / 2 + 1 / usd


def test_less_than_the_floor_is_nothing() -> None:
    """Noise beside any level that stands out becomes zero."""
    assert dequantise(quantise(np.array([0.0, 499.99, 500.0]))).tolist() == [0, 0, 500]


def test_quantised_usd_only_rises() -> None:
    """Every step is 2 % more than the one below, in whole USD, so that equal steps mean equal figures."""
    assert (np.diff(QUANTISED_USD) > 0).all()
    usd = QUANTISED_USD[1:].astype(np.float64)
    assert (np.abs(usd[1:] / usd[:-1] - 1.02) < 1.1 / usd[:-1]).all()


def test_the_table_of_steps_cannot_be_written_to() -> None:
    """It is shared by all that reads levels."""
    with pytest.raises(ValueError, match="read-only"):
        QUANTISED_USD[1] = 0


def test_steps_above_the_top_are_the_last() -> None:
    """However large a figure, its step number fits sixteen bits and can be read back."""
    last = len(QUANTISED_USD) - 1
    assert quantise(np.array([TOP_USD * 10, 1e300])).tolist() == [last, last]
    assert QUANTISED_USD[-1] >= TOP_USD
    assert last < 2**16


def test_quantising_twice_changes_nothing() -> None:
    """A quantised figure is its own nearest step, and arrays keep their shape."""
    steps = np.arange(len(QUANTISED_USD), dtype=np.uint16).reshape(1, -1)
    np.testing.assert_array_equal(quantise(dequantise(steps).astype(np.float64)), steps)
