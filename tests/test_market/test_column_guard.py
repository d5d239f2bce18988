"""liqstream/market/column_guard.py: the guard over columns leaves out the rows that the guard refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.market import Candle
from liqstream.market.column_guard import confirmed_bars, possible_bars, steady_open_interest
from tests.support.guarded import FIVE_MS, NOW_MS, Clocks, bar, held


def confirmed(bars: list[Candle]) -> list[bool]:
    prices = tuple(np.array([getattr(b, name) for b in bars]) for name in ("open", "high", "low", "close"))
    times = np.array([b.open_time_ms for b in bars])
    accepted = confirmed_bars(times, prices, interval_ms=FIVE_MS)  # type: ignore[arg-type]
    return [bool(row) for row in accepted]


@pytest.mark.parametrize(
    ("bars", "accepted"),
    [
        ([bar(0), bar(1, low=0.03), bar(2)], [True, True, True]),
        ([bar(0), bar(1, 0.1), bar(2, 0.11), bar(3, 0.1)], [True, True, True, True]),
        ([bar(0), bar(1, 9e6), bar(2)], [True, False, True]),
        ([bar(0), bar(1, 9e6)], [True, False]),
        ([bar(0), bar(1), bar(900, 9e6)], [True, True, True]),
        ([bar(0)], [True]),
        ([], []),
    ],
    ids=["wick", "split", "alone", "last", "after a gap", "one", "none"],
)
def test_far_bars_need_the_next_one(bars: list[Candle], accepted: list[bool]) -> None:
    """A wick and a split are confirmed, a bar all by itself is left out."""
    assert confirmed(bars) == accepted


@given(st.lists(st.sampled_from([1.0, 1.2, 4.0, 30.0, 1000.0]), min_size=1, max_size=12))
def test_bars_are_judged_as_records_of_the_past_are(closes: list[float]) -> None:
    """Whatever the prices: the guard of single records, given the same bars, takes the same ones."""
    bars = [bar(number, close) for number, close in enumerate(closes)]
    clocks = Clocks()
    clocks.now_ms += 100 * FIVE_MS
    taken = clocks.guard().admit_past(bars)
    assert [b for b, accepted in zip(bars, confirmed(bars), strict=True) if accepted] == taken


def test_impossible_bars_are_left_out() -> None:
    """By price, volume, grid and time."""
    times = NOW_MS + FIVE_MS * np.arange(7)
    times[5] += 1
    open_, high, low, close, volume = np.full((5, 7), 100.0)
    high[1], low[2], high[3], volume[4] = 1e12, np.nan, 99.0, 1e300
    volume[0] = np.nan
    rows = possible_bars(
        times, (open_, high, low, close), volume, interval_ms=FIVE_MS, latest_ms=NOW_MS + 5 * FIVE_MS
    )
    assert rows.tolist() == [True, False, False, False, False, False, False]


@given(st.lists(st.sampled_from([0.0, 1e-308, 1.0, 1.5, 4.0, 5.0, 100.0]), min_size=1, max_size=12))
def test_open_interest_is_judged_as_records_are(values: list[float]) -> None:
    """Zeros are unknown, steps need three readings: row by row as the guard of single records decides."""
    readings = [held(value, NOW_MS + 60_000 * number) for number, value in enumerate(values)]
    taken = Clocks().guard().admit_past(readings)
    rows = steady_open_interest(
        np.array([reading.time_ms for reading in readings]), np.array([*values], dtype=np.float64)
    )
    assert [r for r, accepted in zip(readings, rows.tolist(), strict=True) if accepted] == taken
