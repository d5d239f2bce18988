"""liqstream/evaluation/intervals.py: realised totals that the bars cover without a gap."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.evaluation.intervals import covered_intervals
from liqstream.market import HOUR_MS, Bars
from tests.support.market_bars import FIVE_MINUTES_MS
from tests.support.realised import aligned_bars, half_hours


def test_only_intervals_with_all_their_bars_are_scored() -> None:
    """A missing bar takes its interval out, no other."""
    bars = aligned_bars(1)
    kept = np.delete(np.arange(len(bars)), 14)
    with_gap = Bars(bars.interval_ms, *(getattr(bars, name)[kept] for name in Bars.__slots__[1:]))
    intervals = covered_intervals(with_gap, half_hours(bars).open_time_ms, 1_800_000)
    assert len(intervals) == 47
    assert 2 not in intervals.rows
    ones = intervals.sum(np.ones(len(with_gap)))
    assert (ones == 6).all()


def test_an_interval_has_the_prices_of_its_bars() -> None:
    """Open of the first, close of the last, the extremes of all."""
    bars = aligned_bars(1)
    found = covered_intervals(bars, bars.open_time_ms[::12], HOUR_MS)
    assert len(found) == 24
    assert found.first_bar.tolist() == list(range(0, 288, 12))
    third = bars[24:36]
    assert (found.open[2], found.close[2]) == (third.open[0], third.close[-1])
    assert (found.high[2], found.low[2]) == (third.high.max(), third.low.min())


@pytest.mark.parametrize("interval_ms", [FIVE_MINUTES_MS // 5, FIVE_MINUTES_MS * 3 // 2])
def test_bars_that_do_not_divide_the_interval_are_refused(interval_ms: int) -> None:
    """With both lengths in the sentence."""
    bars = aligned_bars(1)
    with pytest.raises(ValueError, match="cannot be scored on bars of 5 minutes"):
        covered_intervals(bars, bars.open_time_ms, interval_ms)
