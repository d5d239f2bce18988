"""liqstream/market/bars.py: bars as columns."""

from __future__ import annotations

import math

import numpy as np

from liqstream.market import Bars, join_bars
from tests.support.market_bars import random_bars
from tests.support.store_records import STEP_MS, T0, candle


def test_candles_become_columns() -> None:
    """In their order, with one open interest for all and NaN for a volume that is unknown."""
    bars = Bars.from_candles(
        (candle(0, close=100.0, volume_base=3.0), candle(1, close=101.0)),
        STEP_MS,
        open_interest_base=5.0,
        reported_open_interest=500.0,
    )
    assert (len(bars), bars.interval_ms) == (2, STEP_MS)
    assert bars.open_time_ms.tolist() == [T0, T0 + STEP_MS]
    assert (bars.high - bars.low).tolist() == [2.0, 2.0]
    assert bars.close.tolist() == [100.0, 101.0]
    assert bars.open_interest_base.tolist() == [5.0, 5.0]
    assert bars.reported_open_interest.tolist() == [500.0, 500.0]
    assert bars.volume_base[0] == 3.0
    assert math.isnan(bars.volume_base[1])
    assert math.isnan(Bars.from_candles([candle(0)], STEP_MS).open_interest_base[0])


def test_slices_joined_again_are_the_whole() -> None:
    """Every column, and the interval."""
    bars = random_bars(10)
    joined = join_bars(bars[:4], bars[4:])
    assert joined.interval_ms == bars.interval_ms
    for name in Bars.__slots__[1:]:
        np.testing.assert_array_equal(getattr(joined, name), getattr(bars, name))
    assert np.shares_memory(bars[:4].close, bars.close)


def test_a_copy_keeps_nothing_of_the_whole() -> None:
    """A slice is a view of all bars; its copy is of its own few."""
    bars = random_bars(50)
    copied = bars[10:12].copy()
    assert copied.nbytes == bars.nbytes * 2 // 50 == 2 * 9 * 8
    assert copied.close.base is None
    assert copied.close.tolist() == bars.close[10:12].tolist()
